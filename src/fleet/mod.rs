//! The bridge to a broker of many hosts (`[fleet]`): NATS.
//!
//! Events go to JetStream at `PREFIX.HOST.events.EVENT`, out of the event log, from a place in it that is written down after each
//! acknowledgement; there is no queue beside the log. Requests come by `PREFIX.HOST.rpc` and take the same way as any other.
//!
//! One thread with a runtime of its own: nothing here takes time of the loop that owns the phone, and a broker that hangs delays
//! only what it is told.

mod bridge;
mod connect;
mod state;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::config::FleetConfig;
use crate::rpc::Door;
use crate::store::Reader;

pub use bridge::Bridge;
pub use connect::{check_creds, check_nkey, check_url};

/// The event log, as the bridge reads it.
#[derive(Clone)]
pub struct Source {
    /// Reads it.
    pub reader: Reader,
    /// Moves when there is more to read.
    pub written: watch::Receiver<u64>,
    /// The first event that a new bridge tells.
    pub first: u64,
    /// The folder of the store: the bridge keeps its place there.
    pub dir: PathBuf,
}

/// A bridge on its thread, which ends when this is dropped.
pub struct Fleet {
    bridge: Arc<Bridge>,
    _alive: oneshot::Sender<()>,
}

impl Fleet {
    /// Starts the thread, and waits for no broker. `door`: where requests go; none: nobody listens for them.
    pub fn start(config: &FleetConfig, source: Source, door: Option<Door>) -> Fleet {
        let bridge = Arc::new(Bridge::new(config, source, door));
        let (alive, over) = oneshot::channel();
        let running = bridge.clone();
        let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = running.run() => {}
                    _ = over => {}
                }
            }),
            Err(error) => tracing::error!(%error, "no fleet"),
        };
        if let Err(error) = thread::Builder::new().name("fleet".into()).spawn(run) {
            tracing::error!(%error, "no fleet");
        }
        Fleet { bridge, _alive: alive }
    }

    /// What `fleet.status` tells.
    pub fn status(&self) -> impl Fn() -> Value + Send + use<> {
        let bridge = self.bridge.clone();
        move || bridge.status()
    }
}
