//! `device.test`: a sound is played and the microphone listened to, by the edge; here is who may, and what is made of it.

use serde_json::{Value, json};

use super::Ua;
use super::command::DeviceTest;
use super::error::{Code, Error};
use super::io::{DeviceTrial, Output, ReplyId, Trial};

/// Below this a microphone is switched off, or mute by itself: every room is louder.
const SILENCE: f64 = -75.0;

impl Ua {
    /// The reply comes when the test is done.
    pub(super) fn device_test(&mut self, test: DeviceTest, reply: ReplyId) -> Result<(), Error> {
        let (mut input, mut output) = (test.input, test.output);
        if let Some(id) = test.id {
            if input.is_some() || output.is_some() {
                return Err(Error::new(Code::InvalidParams, "a device, or an input and an output").hint("leave id out"));
            }
            let can = |input: bool| self.devices.iter().any(|d| d.id == id && if input { d.input } else { d.output });
            input = can(true).then(|| id.clone());
            output = can(false).then(|| id.clone());
            if input.is_none() && output.is_none() {
                return Err(no_device(&id));
            }
        }
        if input.is_none() && output.is_none() {
            return Err(Error::new(Code::InvalidParams, "nothing to test").hint("id, or input and output"));
        }
        let seconds = test.seconds.unwrap_or(2);
        if !(1..=5).contains(&seconds) {
            return Err(Error::new(Code::InvalidParams, "seconds: 1 to 5"));
        }
        let input = input.map(|id| self.resolve_device(&id, true)).transpose()?;
        let output = output.map(|id| self.resolve_device(&id, false)).transpose()?;
        let ids: Vec<String> = input.iter().chain(&output).cloned().collect();
        if self.testing.values().any(|busy| ids.iter().any(|id| busy.contains(id))) {
            return Err(Error::new(Code::DeviceBusy, "it is being tested").hint("try again in a few seconds"));
        }
        if !test.force {
            self.free_of_calls(&ids)?;
        }
        self.testing.insert(reply, ids);
        self.out.push_back(Output::DeviceTest(reply, DeviceTrial { input, output, seconds }));
        Ok(())
    }

    pub(super) fn on_device_tested(&mut self, reply: ReplyId, trial: Result<Trial, String>) {
        self.testing.remove(&reply);
        let result = trial.map(|trial| verdict(&trial)).map_err(|why| Error::new(Code::DeviceFailed, why));
        self.reply(reply, result);
    }

    /// The device behind a name, where it can do that.
    fn resolve_device(&self, id: &str, input: bool) -> Result<String, Error> {
        let fits = |d: &&super::io::DeviceInfo| match (id, input) {
            ("default", true) => d.default_input,
            ("default", false) => d.default_output,
            (_, true) => d.id == id && d.input,
            (_, false) => d.id == id && d.output,
        };
        self.devices.iter().find(fits).map(|d| d.id.clone()).ok_or_else(|| no_device(id))
    }

    fn free_of_calls(&self, ids: &[String]) -> Result<(), Error> {
        let is_busy = |name: &str, input: bool| {
            self.resolve_device(name, input).is_ok_and(|id| id != "null" && ids.contains(&id))
        };
        let busy = self.sessions.values().find(|s| is_busy(&s.input, true) || is_busy(&s.output, false));
        match busy {
            Some(session) => Err(Error::new(Code::DeviceBusy, format!("call {} uses it", session.call_id))
                .hint("when the call is over, or with force")),
            None => Ok(()),
        }
    }
}

fn no_device(id: &str) -> Error {
    Error::new(Code::NoInput, format!("no device {id:?} can do that")).hint("device.list names them")
}

/// The result, in figures and in plain words.
fn verdict(trial: &Trial) -> Value {
    let level = trial.level_dbov.unwrap_or(-127.0);
    let (finding, mut words) = match trial {
        Trial { played: Some(false), .. } => {
            ("nothingPlayed", "The loudspeaker did not open: nothing was played.".to_owned())
        }
        Trial { recorded: Some(false), .. } => {
            ("nothingRecorded", "The microphone did not open: nothing was recorded.".to_owned())
        }
        Trial { recorded: Some(true), .. } if level < SILENCE => (
            "silentMicrophone",
            "The microphone gives nothing but silence: it may be muted, or its switch is off.".to_owned(),
        ),
        Trial { delay_ms: Some(delay), .. } => (
            "loopHeard",
            format!(
                "The microphone hears what the loudspeaker plays, {delay:.0} ms later: both work; callers would hear themselves without echo cancellation."
            ),
        ),
        Trial { recorded: Some(true), .. } => ("ok", format!("The microphone works: {level:.0} dBov.")),
        _ => ("ok", "The test sound was played.".to_owned()),
    };
    if finding == "ok" && trial.played == Some(true) && trial.recorded == Some(true) {
        words.push_str(" The test sound was played; it does not come back through the microphone.");
    }
    json!({
        "input": trial.input,
        "output": trial.output,
        "played": trial.played == Some(true),
        "heard": trial.recorded == Some(true) && level >= SILENCE,
        "levelDbov": trial.level_dbov.map(|level| (level * 10.0).round() / 10.0),
        "delayMs": trial.delay_ms.map(|delay| (delay * 10.0).round() / 10.0),
        "finding": finding,
        "message": words,
    })
}
