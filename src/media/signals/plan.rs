//! The tones of countries: ITU-T E.180, its Supplement 2 (values of administrations) and, for Europe, ETSI TR 101 041. What
//! telephones play to their own users only, ringing and the end of a call, is in no such table: the first has the cadence of the
//! country's ringing current, the second is three short bursts of its dial tone's frequency.

use crate::ua::media::Tone;

/// Whose tones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Country {
    /// What ETSI wants of its members: 425 Hz.
    Eu,
    /// North America.
    Us,
    /// The United Kingdom.
    Uk,
    /// China.
    Cn,
}

impl Country {
    /// By its name in the configuration.
    pub fn from_name(name: &str) -> Option<Country> {
        match name {
            "eu" => Some(Country::Eu),
            "us" => Some(Country::Us),
            "uk" => Some(Country::Uk),
            "cn" => Some(Country::Cn),
            _ => None,
        }
    }
}

/// What a tone sounds like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pattern {
    /// Its frequencies, Hz; a second one of 0: there is one.
    pub hz: [f64; 2],
    /// Not both at once, but in quick turns: a bell.
    pub warbles: bool,
    /// On and off, ms; then from the beginning.
    pub cadence: &'static [(u32, u32)],
    /// How often; none: until it is stopped.
    pub times: Option<u32>,
}

/// A tone as a country has it; none for a key, which sounds alike everywhere.
pub fn pattern(country: Country, tone: Tone) -> Option<Pattern> {
    use Country::{Cn, Eu, Uk, Us};
    use Tone::{Busy, CallEnded, CallWaiting, Congestion, Key, Ringback, Ringing};
    let (hz, cadence): ([f64; 2], &'static [(u32, u32)]) = match (country, tone) {
        (_, Key(_)) => return None,
        (Eu | Cn, Ringing) => ([800.0, 1_000.0], &[(1_000, 4_000)]),
        (Us, Ringing) => ([800.0, 1_000.0], &[(2_000, 4_000)]),
        (Uk, Ringing) => ([800.0, 1_000.0], &[(400, 200), (400, 2_000)]),
        (Eu, Ringback) => ([425.0, 0.0], &[(1_000, 4_000)]),
        (Us, Ringback) => ([440.0, 480.0], &[(2_000, 4_000)]),
        (Uk, Ringback) => ([400.0, 450.0], &[(400, 200), (400, 2_000)]),
        (Cn, Ringback) => ([450.0, 0.0], &[(1_000, 4_000)]),
        (Eu, CallWaiting) => ([425.0, 0.0], &[(200, 200), (200, 9_000)]),
        (Us, CallWaiting) => ([440.0, 0.0], &[(300, 9_700)]),
        (Uk, CallWaiting) => ([400.0, 0.0], &[(100, 3_000)]),
        (Cn, CallWaiting) => ([450.0, 0.0], &[(400, 4_000)]),
        (Eu, Busy) => ([425.0, 0.0], &[(500, 500)]),
        (Us, Busy) => ([480.0, 620.0], &[(500, 500)]),
        (Uk, Busy) => ([400.0, 0.0], &[(375, 375)]),
        (Cn, Busy) => ([450.0, 0.0], &[(350, 350)]),
        (Eu, Congestion) => ([425.0, 0.0], &[(250, 250)]),
        (Us, Congestion) => ([480.0, 620.0], &[(250, 250)]),
        (Uk, Congestion) => ([400.0, 0.0], &[(400, 350), (225, 525)]),
        (Cn, Congestion) => ([450.0, 0.0], &[(700, 700)]),
        (Eu, CallEnded) => ([425.0, 0.0], &[(200, 200)]),
        (Us, CallEnded) => ([350.0, 440.0], &[(200, 200)]),
        (Uk, CallEnded) => ([350.0, 440.0], &[(200, 200)]),
        (Cn, CallEnded) => ([450.0, 0.0], &[(200, 200)]),
    };
    let times = if tone == CallEnded { Some(3) } else { None };
    Some(Pattern { hz, warbles: tone == Ringing, cadence, times })
}
