//! `phone.preflight`: is all there for the shift? What to look at, and what to say of what was measured. The measuring is the shell's.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::Ua;
use super::command::Preflight;
use super::diagnose::{Device, Kind};
use super::error::Error;
use super::media::MediaStats;
use crate::sdp::CodecKind;

/// The loop's tone is louder than this where it is heard, dBov: it is sent at −15.
const HEARD: f64 = -30.0;
/// A tick that is later than this is heard, s; and so many of them are too many.
const LATE: (f64, f64) = (0.01, 0.01);
/// Quieter than this is not even the noise of a room, dBov.
const SILENT: f64 = -90.0;
/// No clock that is right shows less: 2026-01-01, ms since 1970.
const FIRST: i64 = 1_767_225_600_000;
/// By so much a clock may be put right while the daemon runs, ms.
const JUMP: i64 = 60_000;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// `microphone`, `loudspeaker`, `registration:ACCOUNT`, `loop`, `pace` or `clock`.
    pub check: String,
    /// It is as it should be.
    pub ok: bool,
    /// What was found, in plain words and figures.
    pub text: String,
    /// What may help; empty where nothing has to.
    pub hint: String,
}

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The microphone.
    pub input: Device,
    /// The loudspeaker.
    pub output: Device,
    /// What the loop speaks.
    pub codec: CodecKind,
    /// What is known without measuring.
    known: Vec<Check>,
}

/// What a microphone gave in two seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Microphone {
    /// It is open: samples came, of whatever.
    pub flowing: bool,
    /// How loud it was over the last second, dBov.
    pub level_dbov: f64,
    /// Its loudest sample.
    pub peak: u16,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The microphone, or why it is none.
    pub input: Result<Microphone, String>,
    /// The loudspeaker opens, or why not.
    pub output: Result<(), String>,
    /// Both sides of a call of the phone with itself, or why there was none.
    pub looped: Result<[MediaStats; 2], String>,
    /// Ticks of the media engine since its start, and those of them that were more than 10 ms late.
    pub ticks: (u64, u64),
    /// The time, ms since 1970; and by how much it was changed since the start, ms.
    pub wall: i64,
    /// See `wall`.
    pub jumped_ms: i64,
}

impl Ua {
    /// What is to be measured for `phone.preflight`, and what is known already.
    pub fn preflight(&self, ask: &Preflight) -> Result<Plan, Error> {
        let named = ask.account.as_ref().map(|name| self.account(name)).transpose()?;
        let own = named.or(self.accounts.values().next().filter(|_| self.accounts.len() == 1));
        let (input, output) =
            own.map_or((None, None), |account| (account.settings.input.clone(), account.settings.output.clone()));
        let input = ask.input.clone().or(input).unwrap_or_else(|| self.settings.audio.input.clone());
        let output = ask.output.clone().or(output).unwrap_or_else(|| self.settings.audio.output.clone());
        let codecs = own.map(|account| &account.settings.codecs).filter(|codecs| !codecs.is_empty());
        let codec = codecs.unwrap_or(&self.settings.codecs).iter().find_map(|name| CodecKind::from_name(name));
        let which =
            self.accounts.values().filter(|account| ask.account.as_ref().is_none_or(|name| *name == account.name));
        let known = which.filter(|account| account.registers()).map(|account| {
            let (registration, name) = (&account.registration, &account.name);
            let why = registration.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let text = match (registration.is_registered(), registration.failures()) {
                (true, _) => format!("{name} is registered at {}", account.registrar()),
                (false, 0) => format!("{name} is not registered at {}", account.registrar()),
                (false, times) => {
                    format!("{name} is not registered at {}: {times} failures in a row{why}", account.registrar())
                }
            };
            let hint = "phonectl register tries at once; the daemon's log says what the PBX answered";
            check(&format!("registration:{name}"), registration.is_registered(), text, hint)
        });
        Ok(Plan {
            input: self.device_of(&input, true),
            output: self.device_of(&output, false),
            codec: codec.unwrap_or(CodecKind::Opus),
            known: known.collect(),
        })
    }
}

/// The answer.
pub fn judge(plan: Plan, measured: &Measured) -> Value {
    let (microphone, loudspeaker) =
        (microphone(&plan.input, &measured.input), loudspeaker(&plan.output, &measured.output));
    let mut checks = vec![microphone, loudspeaker];
    checks.extend(plan.known);
    checks.extend([
        looped(plan.codec, &measured.looped),
        pace(measured.ticks),
        clock(measured.wall, measured.jumped_ms),
    ]);
    json!({"ok": checks.iter().all(|check| check.ok), "checks": checks})
}

fn check(name: &str, ok: bool, text: impl Into<String>, hint: &str) -> Check {
    Check { check: name.into(), ok, text: text.into(), hint: if ok { String::new() } else { hint.into() } }
}

fn microphone(device: &Device, measured: &Result<Microphone, String>) -> Check {
    let id = &device.id;
    let named = |ok, text: String, hint| check("microphone", ok, text, hint);
    match (device.kind, measured) {
        (Kind::Null, _) => named(
            false,
            format!("the microphone is {id:?}, and that is no device"),
            "device.setRole chooses one; phonectl devices shows what there is",
        ),
        (Kind::Gone, _) => named(
            false,
            format!("the microphone {id:?} is not there"),
            "Plug it in, or choose another: phonectl devices shows what there is",
        ),
        (_, Err(why)) => {
            named(false, format!("the microphone does not work: {why}"), "phonectl devices shows what there is")
        }
        (Kind::Made, Ok(_)) => named(true, format!("{id:?} stands in place of a microphone"), ""),
        (Kind::Real, Ok(heard)) if !heard.flowing => named(
            false,
            format!("the microphone {id:?} does not open: nothing has come from it in 2 s"),
            "Another program may hold it, or the sound server does not answer",
        ),
        (Kind::Real, Ok(heard)) if heard.peak == 0 || heard.level_dbov < SILENT => named(
            false,
            format!("the microphone {id:?} gives nothing, not even noise ({:.0} dBov)", heard.level_dbov),
            "It may be switched off at the headset, or muted in the sound server",
        ),
        (Kind::Real, Ok(heard)) => {
            named(true, format!("the microphone {id:?} gives sound ({:.0} dBov)", heard.level_dbov), "")
        }
    }
}

fn loudspeaker(device: &Device, measured: &Result<(), String>) -> Check {
    let id = &device.id;
    let (ok, text, hint) = match (device.kind, measured) {
        (Kind::Null, _) => (
            false,
            format!("the loudspeaker is {id:?}, and that is no device"),
            "device.setRole chooses one; phonectl devices shows what there is",
        ),
        (Kind::Gone, _) => (
            false,
            format!("the loudspeaker {id:?} is not there"),
            "Plug it in, or choose another: phonectl devices shows what there is",
        ),
        (_, Err(why)) => (
            false,
            format!("the loudspeaker {id:?} does not open: {why}"),
            "Another program may hold it, or the sound server does not answer",
        ),
        (Kind::Made, Ok(())) => (true, format!("{id:?} stands in place of a loudspeaker"), ""),
        (Kind::Real, Ok(())) => (true, format!("the loudspeaker {id:?} opens"), ""),
    };
    check("loudspeaker", ok, text, hint)
}

fn looped(codec: CodecKind, measured: &Result<[MediaStats; 2], String>) -> Check {
    let [one, other] = match measured {
        Ok(both) => both,
        Err(why) => {
            let hint = "[media] rtp_ports has to have free ports; the daemon's log knows more";
            return check("loop", false, format!("the phone could not call itself: {why}"), hint);
        }
    };
    let (received, lost) = (one.rx_packets + other.rx_packets, one.rx_lost + other.rx_lost);
    let level = one.rx_level_dbov.min(other.rx_level_dbov);
    let delay =
        one.rtt_ms.or(other.rtt_ms).unwrap_or(0.0) / 2.0 + 20.0 + one.jitter_buffer_ms.max(other.jitter_buffer_ms);
    let heard = received > 0 && level > HEARD;
    let text = match heard {
        true => format!(
            "the phone hears itself over loopback with {}: {delay:.0} ms late, {lost} of {} packets lost",
            codec.name(),
            received + lost
        ),
        false => format!(
            "the phone does not hear itself over loopback with {}: {received} packets came, at {level:.0} dBov",
            codec.name()
        ),
    };
    let hint = "A firewall on this host drops UDP on loopback, or the host has too much to do";
    check("loop", heard && lost * 100 <= received, text, hint)
}

fn pace((all, late): (u64, u64)) -> Check {
    let share = late as f64 / all.max(1) as f64;
    let text = format!("{:.1} % of the media engine's ticks were more than {:.0} ms late", share * 100.0, LATE.0 * 1e3);
    check("pace", share < LATE.1, text, "This host has too much to do, or phoned has no right to real-time threads")
}

fn clock(wall: i64, jumped_ms: i64) -> Check {
    let shows = super::event::rfc3339(wall);
    let hint = "Let a time service run (systemd-timesyncd, chrony): certificates and records need the right time";
    if wall < FIRST {
        return check("clock", false, format!("the clock shows {shows}, which is long ago"), hint);
    }
    if jumped_ms.abs() > JUMP {
        let text = format!("the clock shows {shows} and was changed by {} s since the daemon began", jumped_ms / 1_000);
        return check("clock", false, text, hint);
    }
    check("clock", true, format!("the clock shows {shows}"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(input: Kind, output: Kind) -> Plan {
        let device = |kind| Device { id: "pulse:headset".into(), kind };
        Plan { input: device(input), output: device(output), codec: CodecKind::Opus, known: Vec::new() }
    }

    fn good() -> Measured {
        let side =
            MediaStats { rx_packets: 100, rx_level_dbov: -15.0, jitter_buffer_ms: 30.0, ..MediaStats::default() };
        Measured {
            input: Ok(Microphone { flowing: true, level_dbov: -55.0, peak: 90 }),
            output: Ok(()),
            looped: Ok([side.clone(), side]),
            ticks: (1_000, 1),
            wall: FIRST,
            jumped_ms: 400,
        }
    }

    /// The checks that fail.
    fn amiss(plan: Plan, measured: &Measured) -> Vec<(String, String)> {
        let answer = judge(plan, measured);
        let all = answer["checks"].as_array().unwrap();
        let bad = all.iter().filter(|check| check["ok"] == false);
        let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
        assert!(bad.clone().all(|check| !text(check, "hint").is_empty()), "{answer}");
        let bad: Vec<_> = bad.map(|check| (text(check, "check"), text(check, "text"))).collect();
        assert_eq!(answer["ok"], bad.is_empty());
        bad
    }

    #[test]
    fn all_is_well() {
        assert_eq!(amiss(plan(Kind::Real, Kind::Real), &good()), []);
        assert_eq!(amiss(plan(Kind::Made, Kind::Made), &good()), []);
    }

    #[test]
    fn each_fault_is_said() {
        let one = |kinds: (Kind, Kind), change: &dyn Fn(&mut Measured)| {
            let mut measured = good();
            change(&mut measured);
            amiss(plan(kinds.0, kinds.1), &measured)
        };
        let real = (Kind::Real, Kind::Real);
        let mic = |flowing, level_dbov, peak| Ok(Microphone { flowing, level_dbov, peak });
        type Change = Box<dyn Fn(&mut Measured)>;
        let nothing: fn() -> Change = || Box::new(|_| {});
        let table: Vec<((Kind, Kind), Change, &str, &str)> = vec![
            ((Kind::Null, Kind::Real), nothing(), "microphone", "no device"),
            ((Kind::Gone, Kind::Real), nothing(), "microphone", "is not there"),
            ((Kind::Real, Kind::Null), nothing(), "loudspeaker", "no device"),
            ((Kind::Real, Kind::Gone), nothing(), "loudspeaker", "is not there"),
            (real, Box::new(move |m| m.input = mic(false, -127.0, 0)), "microphone", "does not open"),
            (real, Box::new(move |m| m.input = mic(true, -127.0, 0)), "microphone", "not even noise"),
            (real, Box::new(|m| m.output = Err("busy".into())), "loudspeaker", "busy"),
            (real, Box::new(|m| m.looped = Err("no RTP port".into())), "loop", "no RTP port"),
            (real, Box::new(|m| m.looped.as_mut().unwrap()[1].rx_level_dbov = -127.0), "loop", "does not hear itself"),
            (real, Box::new(|m| m.looped.as_mut().unwrap()[0].rx_lost = 40), "loop", "40 of 240 packets lost"),
            (real, Box::new(|m| m.ticks = (1_000, 30)), "pace", "3.0 %"),
            (real, Box::new(|m| m.wall = 0), "clock", "long ago"),
            (real, Box::new(|m| m.jumped_ms = -3_600_000), "clock", "by -3600 s"),
        ];
        for (kinds, change, name, text) in table {
            let found = one(kinds, &*change);
            assert!(matches!(&found[..], [(check, said)] if check == name && said.contains(text)), "{name}: {found:?}");
        }
    }
}
