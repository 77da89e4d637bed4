//! Audio sockets: the sound of a call at four points of its way, read or written over a Unix socket by a program beside the phone.
//!
//! The engine's worker and the thread that serves the sockets share bounded rings and nothing else: a reader that stalls loses
//! frames, which are counted, and a writer that hurries waits.

mod attachment;
mod convert;
mod line;
mod server;
mod wire;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

pub use attachment::Attachment;
pub use server::Sockets;

/// Samples of the longest step: 20 ms at 48 kHz.
const LONGEST: usize = 960;
/// Frames of a tap that wait to be written, for each of its points: 1.28 s.
const FRAMES: usize = 64;
/// Samples that wait to be heard, at the highest rate: 200 ms.
const AHEAD: usize = 9_600;

/// A user who connects: uid and gid. True: may do so. It may ask the user database.
pub type Admit = Arc<dyn Fn(u32, u32) -> bool + Send + Sync>;

/// Where sockets are made, and who may connect.
#[derive(Clone)]
pub struct SocketConfig {
    /// A directory of the daemon's own; it is made when it is needed.
    pub dir: PathBuf,
    /// Who may connect.
    pub admit: Admit,
}

impl Default for SocketConfig {
    fn default() -> Self {
        SocketConfig {
            dir: std::env::temp_dir().join(format!("phoned-audio-{}", std::process::id())),
            admit: Arc::new(|_, _| true),
        }
    }
}

impl std::fmt::Debug for SocketConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketConfig").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl PartialEq for SocketConfig {
    fn eq(&self, other: &Self) -> bool {
        self.dir == other.dir
    }
}

impl Eq for SocketConfig {}

/// Some ms of sound at one point.
struct Frame {
    /// Which point, as on the wire.
    port: u8,
    /// Samples a second.
    rate: u32,
    /// How much sound of this point went before, ms, dropped or not.
    at_ms: u32,
    len: u16,
    pcm: [i16; LONGEST],
}

/// What both ends of a socket tell each other, besides sound.
#[derive(Default)]
struct Shared {
    /// The rate at which the worker wants sound, Hz; 0: not known yet.
    rate: AtomicU32,
    /// A client is there: what is lost now is lost to it, and nothing is put in place of anything before.
    is_read: AtomicBool,
    /// Frames that found no room.
    dropped: AtomicU64,
    /// The session is over.
    call_ended: AtomicBool,
    /// The socket is closed.
    closed: AtomicBool,
}

fn nonblocking(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}
