//! What comes back when a session is asked for or made.

use schemars::JsonSchema;

use crate::ua::view::SessionView;
pub use crate::ua::view::{CallReport, Metrics};

/// A session as it was at `seq`.
pub type Session = SessionView<'static>;

/// One session, or all.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Sessions {
    /// With a callId.
    One(Box<Session>),
    /// Without.
    All(Vec<Session>),
}

/// Done.
#[derive(Debug, JsonSchema)]
pub struct Success {
    /// 200
    #[schemars(extend("const" = 200))]
    pub code: u16,
    /// `SUCCESS`
    #[schemars(extend("const" = "SUCCESS"))]
    pub msg: String,
}

/// The INVITE is on the wire.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Called {
    /// 200
    #[schemars(extend("const" = 200))]
    pub code: u16,
    /// `SUCCESS`
    #[schemars(extend("const" = "SUCCESS"))]
    pub msg: String,
    /// The session.
    pub call_id: String,
    /// What it is like now.
    pub session: Session,
}
