//! The service manager (sd_notify(3), sd_listen_fds(3)): what it is told, what it hands over. Without one all of this is silent.

use std::io;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::time::Instant;

/// How often the status is looked at.
const STATUS: Duration = Duration::from_secs(1);
/// What the manager may wait beyond the time that we ask for.
const MARGIN: Duration = Duration::from_secs(15);

/// The other end of `$NOTIFY_SOCKET`.
#[derive(Debug)]
pub struct Manager {
    /// The next look; none: nobody listens.
    due: Option<Instant>,
    period: Duration,
    /// A sign of life is wanted so often, and the next one is due then.
    watchdog: Option<(Duration, Instant)>,
    status: String,
    silent: bool,
}

impl Manager {
    /// As the environment says.
    pub fn from_environment() -> Manager {
        let now = Instant::now();
        // A quarter: a late one is no death.
        let watchdog = sd_notify::watchdog_enabled().map(|limit| (limit / 4, now));
        let period = watchdog.map_or(STATUS, |(every, _)| every.min(STATUS));
        let due = std::env::var_os("NOTIFY_SOCKET").is_some().then_some(now + period);
        Manager { due, period, watchdog, status: String::new(), silent: false }
    }

    /// When [`Manager::look`] is due, if ever.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Everything is open.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// The configuration is read anew; [`Manager::ready`] ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The daemon is about to stop, and may need so long for it.
    pub fn stopping(&self, limit: Duration) {
        let micros = u32::try_from(limit.saturating_add(MARGIN).as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros)]);
    }

    /// Tells the status where it is another one, and that we live, where that is due and true.
    pub fn look(&mut self, status: impl FnOnce() -> String, alive: impl FnOnce() -> bool) {
        let now = Instant::now();
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = Some(now + self.period);
        let status = status();
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        let Some((every, next)) = &mut self.watchdog else { return };
        if *next > now {
            return;
        }
        *next = now + *every;
        let silent = !alive();
        if silent && !self.silent {
            tracing::error!("a media worker does not answer: the service manager gets no sign of life");
        }
        self.silent = silent;
        if !silent {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// The RPC socket that the service manager has made, by its name: `FileDescriptorName=rpc`.
pub fn rpc_listener() -> io::Result<Option<UnixListener>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let Some(at) = names.split(':').position(|name| name == "rpc") else { return Ok(None) };
    ListenFd::from_env().take_unix_listener(at)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
