//! `[tones]`: what agents hear besides their calls.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::when;
use crate::media::signals::{Country, Kind, Own, SignalConfig};

/// `[tones]`. Each tone is `plan` (as the country has it), `off`, or a WAV or Ogg/Opus file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TonesConfig {
    /// Whose: `eu`, `us`, `uk`, `cn`; `off`: no tone at all.
    pub country: String,
    /// How loud, dB below full scale: −60 to 0.
    pub volume: i8,
    /// How loud calls ring.
    pub ringing_volume: i8,
    /// Somebody calls: at the ringer.
    pub ringing: String,
    /// It rings there, until the far end itself is heard.
    pub ringback: String,
    /// Somebody calls while we talk.
    pub call_waiting: String,
    /// The far end is busy.
    pub busy: String,
    /// The call failed otherwise.
    pub congestion: String,
    /// The far end has hung up.
    pub call_ended: String,
    /// A digit of ours.
    pub dtmf: String,
}

impl Default for TonesConfig {
    fn default() -> Self {
        let plan = || "plan".to_owned();
        TonesConfig {
            country: "eu".into(),
            volume: -20,
            ringing_volume: -10,
            ringing: plan(),
            ringback: plan(),
            call_waiting: plan(),
            busy: plan(),
            congestion: plan(),
            call_ended: plan(),
            dtmf: plan(),
        }
    }
}

impl TonesConfig {
    /// What is chosen for each tone, by its key.
    pub(super) fn choices(&mut self) -> [(&'static str, &mut String); 7] {
        [
            ("ringing", &mut self.ringing),
            ("ringback", &mut self.ringback),
            ("call_waiting", &mut self.call_waiting),
            ("busy", &mut self.busy),
            ("congestion", &mut self.congestion),
            ("call_ended", &mut self.call_ended),
            ("dtmf", &mut self.dtmf),
        ]
    }

    /// Every fault: its key, and what would be right. Files are looked at elsewhere.
    pub(super) fn faults(&self) -> Vec<(&'static str, Result<(), String>)> {
        let country = self.country == "off" || Country::from_name(&self.country).is_some();
        let loud = |db: i8| when((-60..=0).contains(&db), "dB of full scale: -60 to 0");
        vec![
            ("country", when(country, "eu, us, uk, cn or off")),
            ("volume", loud(self.volume)),
            ("ringing_volume", loud(self.ringing_volume)),
        ]
    }

    /// As the player of tones wants it.
    pub fn signals(&self) -> SignalConfig {
        let own: BTreeMap<Kind, Own> = [
            (Kind::Ringing, &self.ringing),
            (Kind::Ringback, &self.ringback),
            (Kind::CallWaiting, &self.call_waiting),
            (Kind::Busy, &self.busy),
            (Kind::Congestion, &self.congestion),
            (Kind::CallEnded, &self.call_ended),
            (Kind::Dtmf, &self.dtmf),
        ]
        .into_iter()
        .filter_map(|(kind, choice)| match choice.as_str() {
            "plan" => None,
            "off" => Some((kind, Own::Off)),
            file => Some((kind, Own::File(file.into()))),
        })
        .collect();
        SignalConfig {
            country: Country::from_name(&self.country),
            volume_db: self.volume,
            ringing_db: self.ringing_volume,
            own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tone_is_the_countrys_off_or_a_file() {
        let mut tones = TonesConfig { country: "uk".into(), ..TonesConfig::default() };
        assert!(tones.signals().own.is_empty() && tones.signals().country == Some(Country::Uk));
        (tones.busy, tones.ringing) = ("off".into(), "/bell.wav".into());
        let own = BTreeMap::from([(Kind::Busy, Own::Off), (Kind::Ringing, Own::File("/bell.wav".into()))]);
        assert_eq!(tones.signals().own, own);
        tones.country = "off".into();
        assert_eq!(tones.signals().country, None);
    }
}
