//! What a description of a session says, and what is answered to it.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod sdp_answers_what_peers_offer;
mod sdp_encryption;
mod sdp_holds_for_any_offer;
mod sdp_video;
