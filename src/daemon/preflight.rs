//! `phone.preflight`: the devices are tried, and the phone calls itself over loopback, in two sessions of the media engine that no
//! user knows. One at a time; no call is touched.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Daemon, now};
use crate::audio::Devices;
use crate::media::{listen, loopback};
use crate::ua::command;
use crate::ua::error::{Code, Error};
use crate::ua::io::{Now, ReplyId, SessionId};
use crate::ua::media::{MediaCommand, MediaEvent, MediaStats};
use crate::ua::preflight::{Measured, Microphone, Plan, judge};

/// The ends of loops have numbers from here on, each its own: those of the phone's sessions never come so far.
const LOOPS: u64 = 1 << 63;
/// What each says.
const TONES: [&str; 2] = ["tone:500", "tone:800"];
/// The engine answers within this.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far it is.
pub(super) enum Step {
    /// The devices were tried.
    Tried(Result<Microphone, String>, Result<(), String>),
    /// The engine was given its time, in the look of that number.
    Late(u64),
}

/// The look that is under way.
pub(super) struct Preflights {
    running: Option<Running>,
    count: u64,
    steps: mpsc::Sender<Step>,
    began: Now,
}

struct Running {
    reply: ReplyId,
    plan: Plan,
    tried: Option<(Result<Microphone, String>, Result<(), String>)>,
    /// Why the phone could not call itself.
    fault: Option<String>,
    figures: [Option<MediaStats>; 2],
}

impl Preflights {
    /// None is under way.
    pub fn new(steps: mpsc::Sender<Step>) -> Preflights {
        Preflights { running: None, count: 0, steps, began: now() }
    }

    /// The two ends of the loop under way.
    fn ends(&self) -> [SessionId; 2] {
        [0, 1].map(|end| SessionId(LOOPS + 2 * self.count + end))
    }
}

impl Daemon {
    /// Begins one.
    pub(super) fn preflight(&mut self, reply: ReplyId, ask: &command::Preflight) {
        let busy = || Error::new(Code::WrongState, "a preflight is under way").hint("ask again in 5 s");
        let plan = match self.ua.preflight(ask) {
            Ok(plan) if self.preflights.running.is_none() => plan,
            Ok(_) => return self.hub.reply(reply, Err(busy())),
            Err(error) => return self.hub.reply(reply, Err(error)),
        };
        let (devices, steps) = (self.devices.clone(), self.preflights.steps.clone());
        let (input, output) = (plan.input.id.clone(), plan.output.id.clone());
        self.preflights.count += 1;
        let number = self.preflights.count;
        let fault = self.open_loop(&plan).err();
        self.preflights.running = Some(Running { reply, plan, tried: None, fault, figures: [None, None] });
        let work = move || try_devices(&devices, &input, &output, &steps, number);
        if let Err(error) = std::thread::Builder::new().name("preflight".into()).spawn(work) {
            tracing::warn!(%error, "no thread to try the devices");
            self.end_preflight(true);
        }
    }

    /// What the engine says of the loop; true: it was about that.
    pub(super) fn is_of_preflight(&mut self, session: SessionId, event: &MediaEvent) -> bool {
        let end = self.preflights.ends().iter().position(|id| *id == session);
        if let (Some(end), Some(running), MediaEvent::Report(stats)) = (end, &mut self.preflights.running, event) {
            running.figures[end] = Some((**stats).clone());
            self.end_preflight(false);
        }
        session.0 >= LOOPS
    }

    /// It goes on.
    pub(super) fn on_preflight(&mut self, step: Step) {
        let Some(running) = &mut self.preflights.running else { return };
        match step {
            Step::Tried(input, output) => {
                running.tried = Some((input, output));
                for id in self.preflights.ends() {
                    let _ = self.engine.command(id, MediaCommand::Report);
                }
                self.end_preflight(false);
            }
            Step::Late(number) if number == self.preflights.count => self.end_preflight(true),
            Step::Late(_) => {}
        }
    }

    /// Two sessions that speak to each other.
    fn open_loop(&self, plan: &Plan) -> Result<(), String> {
        let open = |id: SessionId, input: &str| {
            let local_ip = [127, 0, 0, 1].into();
            let command = MediaCommand::Open { local_ip, input: input.into(), output: "null".into(), ice: false };
            match self.engine.command(id, command) {
                Some(MediaEvent::Local(local)) => Ok(local.rtp),
                Some(MediaEvent::Failed(why)) => Err(why),
                _ => Err("the media engine gave no port".to_owned()),
            }
        };
        let [one, other] = self.preflights.ends();
        let ends: [SocketAddr; 2] = [open(one, TONES[0])?, open(other, TONES[1])?];
        for (id, peer) in [(one, ends[1]), (other, ends[0])] {
            if let Some(MediaEvent::Failed(why)) =
                self.engine.command(id, MediaCommand::Remote(loopback(peer, plan.codec)))
            {
                return Err(why);
            }
        }
        Ok(())
    }

    /// Answers, once all is known, or late.
    fn end_preflight(&mut self, late: bool) {
        let complete = |running: &Running| {
            running.tried.is_some() && (running.fault.is_some() || running.figures.iter().all(Option::is_some))
        };
        let Some(running) = self.preflights.running.take_if(|running| late || complete(running)) else { return };
        for id in self.preflights.ends() {
            let _ = self.engine.command(id, MediaCommand::Close);
        }
        let Running { reply, plan, tried, fault, figures } = running;
        let untried = || "it was not tried".to_owned();
        let (input, output) = tried.unwrap_or_else(|| (Err(untried()), Err(untried())));
        let looped = match (fault, figures) {
            (Some(why), _) => Err(why),
            (None, [Some(one), Some(other)]) => Ok([one, other]),
            (None, _) => Err("the media engine does not answer".into()),
        };
        let (began, time) = (self.preflights.began, now());
        let lateness = self.engine.lateness().read();
        let punctual = lateness.buckets.iter().filter(|(bound, _)| *bound <= 0.01).map(|(_, count)| *count).max();
        let measured = Measured {
            input,
            output,
            looped,
            ticks: (lateness.count, lateness.count.saturating_sub(punctual.unwrap_or(0))),
            wall: time.wall,
            jumped_ms: (time.wall - began.wall) - (time.mono as i64 - began.mono as i64) / 1_000,
        };
        self.hub.reply(reply, Ok(judge(plan, &measured)));
    }
}

/// Blocks while it does, so it has a thread of its own. The loop may be gone meanwhile.
fn try_devices(devices: &Devices, input: &str, output: &str, steps: &mpsc::Sender<Step>, number: u64) {
    let (heard, opens) = (listen(devices, input), devices.try_sink(output));
    let _ = steps.blocking_send(Step::Tried(heard, opens));
    std::thread::sleep(PATIENCE);
    let _ = steps.blocking_send(Step::Late(number));
}
