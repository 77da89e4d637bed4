//! The thread that serves all audio sockets, and where they are made.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use tokio::sync::mpsc::Sender;

use super::line::{Line, Turn};
use super::{Attachment, SocketConfig};
use crate::media::clock;
use crate::ua::io::SessionId;
use crate::ua::media::{MediaEvent, SocketEvent, SocketPlan};

/// Jobs that may wait.
const JOBS: usize = 64;
/// Sockets of the host.
const MOST: usize = 128;
/// Between two looks at them, ns.
const TURN_NS: u64 = 10_000_000;

enum Job {
    Open(Box<Line>),
    Close(u64),
}

/// All audio sockets of this phone. Their thread ends when this is dropped.
pub struct Sockets {
    config: SocketConfig,
    jobs: SyncSender<Job>,
    made: Once,
}

impl Sockets {
    /// Starts the thread; it sleeps while there is no socket.
    pub fn start(config: SocketConfig, events: Sender<(SessionId, MediaEvent)>) -> Sockets {
        let (jobs, inbox) = sync_channel(JOBS);
        let admit = config.admit.clone();
        let serve = move || Server { lines: Vec::new(), events }.run(&inbox, &*admit);
        if let Err(error) = thread::Builder::new().name("audio-sockets".into()).spawn(serve) {
            tracing::warn!(%error, "no thread for audio sockets: there are none");
        }
        Sockets { config, jobs, made: Once::new() }
    }

    /// Makes a socket of mode 0660: the worker's end of it, and where it is.
    pub fn open(&self, session: SessionId, plan: &SocketPlan) -> Result<(Box<Attachment>, String), String> {
        let dir = &self.config.dir;
        self.made.call_once(|| empty(dir));
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let path = dir.join(format!("{}.sock", plan.name));
        let listener = listen(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (attachment, far) = Attachment::new(plan.id, plan.mode, &plan.ports);
        let line = Line::new(session, plan, path.clone(), listener, far);
        self.jobs.try_send(Job::Open(Box::new(line))).map_err(|_| "too many audio sockets at once".to_owned())?;
        Ok((Box::new(attachment), path.to_string_lossy().into_owned()))
    }

    /// Closes it; nothing is told of that.
    pub fn close(&self, id: u64) {
        let _ = self.jobs.try_send(Job::Close(id));
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if self.made.is_completed() {
            empty(&self.config.dir);
            let _ = fs::remove_dir(&self.config.dir);
        }
    }
}

/// What an earlier life has left.
fn empty(dir: &Path) {
    let old = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    old.filter(|path| path.extension().is_some_and(|end| end == "sock")).for_each(|path| drop(fs::remove_file(path)));
}

/// Made beside its place and moved there whole: nobody connects before its mode is right.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let fresh: PathBuf = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o660))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

struct Server {
    lines: Vec<Line>,
    events: Sender<(SessionId, MediaEvent)>,
}

impl Server {
    fn run(mut self, jobs: &Receiver<Job>, admit: &(dyn Fn(u32, u32) -> bool + Send + Sync)) {
        let mut at = 0;
        loop {
            if self.lines.is_empty() {
                let Ok(job) = jobs.recv() else { return };
                self.obey(job);
                at = clock::mono_ns();
            }
            loop {
                match jobs.try_recv() {
                    Ok(job) => self.obey(job),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let (now, events) = (clock::mono_ns(), &self.events);
            self.lines.retain_mut(|line| match line.turn(now, admit) {
                Turn::Goes => true,
                Turn::Dropped(frames) => {
                    let _ = events.try_send((line.session, told(line.id, SocketEvent::Dropped { frames })));
                    true
                }
                Turn::Over(reason) => {
                    line.shared().closed.store(true, Ordering::Relaxed);
                    let dropped = line.dropped();
                    let event = SocketEvent::Closed { reason: reason.to_owned(), dropped };
                    let _ = events.blocking_send((line.session, told(line.id, event)));
                    false
                }
            });
            at = (at + TURN_NS).max(clock::mono_ns().saturating_sub(TURN_NS));
            clock::sleep_until(at);
        }
    }

    fn obey(&mut self, job: Job) {
        match job {
            Job::Open(line) if self.lines.len() < MOST => self.lines.push(*line),
            Job::Open(line) => {
                line.shared().closed.store(true, Ordering::Relaxed);
                let event = SocketEvent::Closed { reason: format!("{MOST} audio sockets are open"), dropped: 0 };
                let _ = self.events.blocking_send((line.session, told(line.id, event)));
            }
            Job::Close(id) => self.lines.retain(|line| {
                if line.id == id {
                    line.shared().closed.store(true, Ordering::Relaxed);
                }
                line.id != id
            }),
        }
    }
}

fn told(id: u64, event: SocketEvent) -> MediaEvent {
    MediaEvent::Socket(id, event)
}
