//! The configuration is read anew (SIGHUP, `daemon.reload`) while calls are up: checked first, and told what changed.

use tokio::sync::mpsc;

use super::Daemon;
use crate::config::{Config, Faults, Origin, changes};
use crate::ua::command::{Command, Configure};
use crate::ua::io::{Input, ReplyId};

/// A reading, and who asked for it.
pub(super) type Reading = (Vec<ReplyId>, Result<Config, Faults>);

/// The configuration, and who wants it to be read anew.
pub(super) struct Reload {
    origin: Origin,
    /// As it was at the start, and when it was last read.
    first: Config,
    last: Config,
    asked: Vec<ReplyId>,
    /// A reading is under way: the next one waits.
    running: bool,
    done: mpsc::Sender<Reading>,
}

impl Reload {
    /// What the daemon began with; `done` gets what is read.
    pub fn new(origin: Origin, config: Config, done: mpsc::Sender<Reading>) -> Reload {
        Reload { origin, first: config.clone(), last: config, asked: Vec::new(), running: false, done }
    }

    /// As it was last read.
    pub fn last(&self) -> &Config {
        &self.last
    }
}

impl Daemon {
    /// Reads the configuration on a thread that may wait for the disk, one reading at a time.
    pub(super) fn read_config(&mut self, reply: ReplyId) {
        self.reload.asked.push(reply);
        if self.reload.running {
            return;
        }
        self.reload.running = true;
        self.manager.reloading();
        let (replies, origin) = (std::mem::take(&mut self.reload.asked), self.reload.origin.clone());
        let done = self.reload.done.clone();
        drop(tokio::task::spawn_blocking(move || {
            let _ = done.blocking_send((replies, origin.load())); // the loop may be gone
        }));
    }

    /// What the files say now holds from here on, or is refused.
    pub(super) fn on_config(&mut self, (replies, read): Reading) {
        let command = match read {
            Ok(now) => {
                let reload = &mut self.reload;
                let (changed, waiting) = (changes(&reload.last, &now).live, changes(&reload.first, &now).at_restart);
                tracing::info!(?changed, needs_restart = ?waiting, "the configuration is read anew");
                self.roles.send_replace(now.rpc.roles.clone());
                let (was, will) = (Box::new(reload.last.settings()), Box::new(now.settings()));
                reload.last = now;
                Configure::Apply { was, will, changed, needs_restart: waiting }
            }
            Err(Faults(faults)) => {
                for fault in &faults {
                    tracing::error!("the configuration is refused, what was before holds on: {fault}");
                }
                Configure::Refuse(faults)
            }
        };
        for reply in replies {
            self.handle(Input::Command { reply, command: Command::Configure(Box::new(command.clone())) });
        }
        self.manager.ready();
        self.reload.running = false;
        if let Some(next) = self.reload.asked.pop() {
            self.read_config(next);
        }
    }
}
