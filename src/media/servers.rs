//! The addresses of STUN and TURN servers. Names are looked up on a thread of their own, now and then again: no call waits for them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::ice::{Servers, TurnServer};

/// How long an address is believed.
const AGAIN: Duration = Duration::from_secs(300);

/// Servers as they are configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceConfig {
    /// STUN: `HOST:PORT`.
    pub stun: Vec<String>,
    /// TURN.
    pub turn: Vec<TurnServer>,
    /// Nothing but relays.
    pub relay_only: bool,
}

/// What is known of them. The thread ends when this is dropped.
pub struct Book {
    known: Arc<Mutex<Servers>>,
    _end: Option<Sender<()>>,
}

impl Book {
    /// Errors: no thread.
    pub fn open(config: IceConfig) -> io::Result<Book> {
        let known = Arc::new(Mutex::new(Servers::default()));
        let names = config.stun.iter().chain(config.turn.iter().map(|turn| &turn.address));
        if names.clone().all(|name| name.parse::<SocketAddr>().is_ok()) {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = look_up(&config);
            return Ok(Book { known, _end: None });
        }
        let (end, ended) = bounded::<()>(1);
        let kept = known.clone();
        let run = move || loop {
            let found = look_up(&config);
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = found;
            if ended.recv_timeout(AGAIN) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        };
        thread::Builder::new().name("ice-names".into()).spawn(run)?;
        Ok(Book { known, _end: Some(end) })
    }

    /// What is known now.
    pub fn servers(&self) -> Servers {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn look_up(config: &IceConfig) -> Servers {
    let find = |name: &str| {
        let found: Vec<SocketAddr> = name.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        // One of each family: the session takes that of its own.
        let first = |v4: bool| found.iter().copied().find(|address| address.is_ipv4() == v4);
        first(true).into_iter().chain(first(false)).collect::<Vec<_>>()
    };
    Servers {
        relay_only: config.relay_only,
        stun: config.stun.iter().flat_map(|name| find(name)).collect(),
        turn: config
            .turn
            .iter()
            .flat_map(|turn| find(&turn.address).into_iter().map(move |address| (address, turn.clone())))
            .collect(),
    }
}
