//! All that is known of a call and may tell what is wrong with it: plain data, gathered once.

use std::net::SocketAddr;

use crate::sdp::{CodecKind, Protection};
use crate::ua::Ua;
use crate::ua::far_end;
use crate::ua::io::{Mono, SessionId};
use crate::ua::media::{MediaStats, PathFacts};
use crate::ua::session::{Session, State};

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Our INVITE is not out: a name is being looked up, or a connection opened.
    Preparing,
    /// It is out, and it does not ring there.
    Calling,
    /// It rings, there or here.
    Ringing,
    /// It is answered.
    Talking,
}

/// An end of the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// As it is configured.
    pub id: String,
    /// What it is.
    pub kind: Kind,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No device.
    Null,
    /// A tone or a file.
    Made,
    /// A device that is there.
    Real,
    /// A device that is not there.
    Gone,
}

/// Why it is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// As the event said.
    pub cause: String,
    /// `local`, `remote` or `system`.
    pub by: String,
    /// In plain words, where there are some.
    pub reason: Option<String>,
    /// The SIP status.
    pub code: Option<u64>,
    /// The Q.850 cause.
    pub q850: Option<u64>,
}

/// The facts of a call at one time.
#[derive(Debug, Clone)]
pub struct Facts {
    /// That time, ms since 1970.
    pub wall: i64,
    /// Where the call stands.
    pub phase: Phase,
    /// Since it began, and since its answer, ms.
    pub age_ms: u64,
    pub answered_ms: Option<u64>,
    /// The figures of its media, and when they came; none yet: nothing is known of it.
    pub stats: MediaStats,
    pub measured: Option<i64>,
    /// Where we receive and where they do, by the descriptions; and who we speak SIP with.
    pub local_rtp: Option<SocketAddr>,
    pub remote_rtp: Option<SocketAddr>,
    pub server: Option<SocketAddr>,
    /// The SIP itself is encrypted.
    pub secure_sip: bool,
    /// A path was to be searched (ICE).
    pub ice: bool,
    /// Keys come by a handshake (DTLS).
    pub dtls: bool,
    pub path: PathFacts,
    /// The suite; none: in clear, or no keys yet.
    pub suite: Option<String>,
    /// `ethernet`, `wifi` or `unknown`.
    pub network: String,
    pub codec: Option<CodecKind>,
    /// The best that we offer.
    pub best_codec: Option<CodecKind>,
    /// Digits travel as RTP events.
    pub digits: bool,
    pub ptime: u32,
    /// By what was agreed, and by holding.
    pub sends: bool,
    pub hears: bool,
    pub held: bool,
    pub held_by_them: bool,
    pub parked: bool,
    pub muted: bool,
    pub muted_talking: bool,
    /// Nothing comes, ms.
    pub stalled_ms: Option<u64>,
    pub far_silent: bool,
    pub echo: bool,
    pub mic_silent: bool,
    pub clipping: bool,
    pub unheard: bool,
    pub input: Device,
    pub output: Device,
    /// What failed of devices and ports.
    pub fault: Option<String>,
    /// Our 200 has no ACK yet, ms.
    pub unacked_ms: Option<u64>,
    /// The account shall be registered, and is; failures in a row, and why.
    pub registers: bool,
    pub registered: bool,
    pub failures: u32,
    pub trouble: Option<String>,
    /// Its connection was lost, and they do not know our new address.
    pub moved: bool,
    pub end: Option<End>,
}

impl Facts {
    /// Wall time, so many ms before the figures came.
    pub fn ago(&self, ms: u64) -> i64 {
        self.measured.unwrap_or(self.wall) - ms as i64
    }

    /// It is in talk and there are figures of it.
    pub fn talks(&self) -> bool {
        self.phase == Phase::Talking && self.measured.is_some()
    }

    /// In talk for so long at least, s.
    pub fn talks_for(&self, seconds: u64) -> bool {
        self.talks() && self.answered_ms.is_some_and(|ms| ms >= seconds * 1_000)
    }
}

impl Ua {
    /// What is known of a session now.
    pub(in crate::ua) fn facts(&self, id: SessionId) -> Option<Facts> {
        let session = self.sessions.get(&id)?;
        let ms = |since: Mono| self.now.mono.saturating_sub(since) / 1_000;
        let negotiated = session.negotiated.as_ref();
        let account = self.accounts.get(&session.account);
        let link = session.link.map(|link| link.hop);
        let direction = negotiated.map(|n| n.direction).unwrap_or_default();
        let live = negotiated.is_some() && !session.held();
        Some(Facts {
            wall: self.now.wall,
            phase: phase(session),
            age_ms: ms(session.created),
            answered_ms: session.answered.map(ms),
            measured: session.far_end.measured.map(|(wall, _)| wall),
            local_rtp: session.media.as_ref().map(|media| media.rtp),
            remote_rtp: negotiated.map(|n| n.remote_rtp),
            server: link.map(|hop| hop.addr),
            secure_sip: link.is_some_and(|hop| hop.transport.secure()),
            ice: negotiated.is_some_and(|n| n.ice.is_some()),
            dtls: negotiated.is_some_and(|n| matches!(n.protection, Protection::Dtls(_))),
            path: session.path.clone(),
            suite: session.suite().map(str::to_owned),
            network: session.media.as_ref().map(|media| media.network.clone()).unwrap_or_default(),
            codec: negotiated.map(|n| n.codec.kind),
            best_codec: self.codecs_of(id).first().copied(),
            digits: negotiated.is_some_and(|n| n.dtmf.is_some()),
            ptime: negotiated.map_or(20, |n| n.ptime),
            sends: live && direction.send(),
            hears: live && direction.recv(),
            held: session.held(),
            held_by_them: session.remote_hold(),
            parked: session.parked,
            muted: session.muted,
            muted_talking: session.microphone.is_muted_talking(),
            stalled_ms: session.stalled_since.map(ms),
            far_silent: session.far_end.silent.is_on(),
            echo: session.far_end.echo.is_on(),
            mic_silent: session.microphone.is_silent(),
            clipping: session.microphone.is_clipping(),
            unheard: live && direction.send() && far_end::is_uncounted(&session.stats),
            input: self.device_of(&session.input, true),
            output: self.device_of(&session.output, false),
            fault: session.far_end.fault.clone(),
            unacked_ms: unacked(session).map(|ok| ms(ok.saturating_sub(64 * self.settings.sip.t1_ms * 1_000))),
            registers: account.is_some_and(|account| account.registers()),
            registered: account.is_some_and(|account| account.registration.is_registered()),
            failures: account.map_or(0, |account| account.registration.failures()),
            trouble: account.and_then(|account| account.registration.trouble.clone()),
            moved: session.moved.is_some(),
            stats: session.stats.clone(),
            end: None,
        })
    }

    /// What a device's name stands for now. Before anybody has looked, it is believed to be there.
    pub(in crate::ua) fn device_of(&self, id: &str, input: bool) -> Device {
        let can = |device: &&crate::ua::io::DeviceInfo| if input { device.input } else { device.output };
        let mut real = self.devices.iter().filter(|device| device.id != "null").filter(can);
        let kind = match id {
            "null" => Kind::Null,
            _ if id.starts_with("tone:") || id.starts_with("file:") => Kind::Made,
            _ if self.devices.is_empty() => Kind::Real,
            "default" => real.next().map_or(Kind::Null, |_| Kind::Real),
            _ => real.find(|device| device.id == id).map_or(Kind::Gone, |_| Kind::Real),
        };
        Device { id: id.to_owned(), kind }
    }
}

fn phase(session: &Session) -> Phase {
    match &session.state {
        State::Preparing(_) => Phase::Preparing,
        State::Calling(calling) if !calling.rings => Phase::Calling,
        State::Calling(_) | State::Incoming(_) => Phase::Ringing,
        State::Accepting(_) | State::Talking(_) => Phase::Talking,
    }
}

/// When our 200 is given up, where its ACK is missing.
fn unacked(session: &Session) -> Option<Mono> {
    match &session.state {
        State::Accepting(accepting) => Some(accepting.ok.give_up),
        State::Talking(talking) => talking.unacked.as_ref().map(|ok| ok.give_up),
        State::Preparing(_) | State::Calling(_) | State::Incoming(_) => None,
    }
}

#[cfg(test)]
impl Facts {
    /// A call that has lasted a minute and wants for nothing.
    pub fn good() -> Facts {
        use crate::ua::media::WayFacts;
        let device = |id: &str| Device { id: id.into(), kind: Kind::Real };
        let remote: SocketAddr = "203.0.113.5:4000".parse().unwrap();
        Facts {
            wall: 1_795_442_587_000, // 14:03:07
            phase: Phase::Talking,
            age_ms: 64_000,
            answered_ms: Some(60_000),
            measured: Some(1_795_442_587_000),
            stats: MediaStats {
                codec: "opus".into(),
                rx_packets: 3_000,
                tx_packets: 3_000,
                rx_jitter_ms: 2.0,
                rtt_ms: Some(40.0),
                jitter_buffer_ms: 30.0,
                rx_level_dbov: -28.0,
                tx_level_dbov: -26.0,
                mic_level_dbov: Some(-26.0),
                r_factor: 92.0,
                mos: 4.4,
                way: WayFacts {
                    from: Some(remote),
                    rx_age_ms: Some(10),
                    reports: 12,
                    counted: 2_950,
                    uncounted_ms: 1_000,
                    ..WayFacts::default()
                },
                ..MediaStats::default()
            },
            local_rtp: Some("198.51.100.7:20000".parse().unwrap()),
            remote_rtp: Some(remote),
            server: Some("203.0.113.1:5061".parse().unwrap()),
            secure_sip: true,
            ice: false,
            dtls: false,
            path: PathFacts::default(),
            suite: Some("AES_CM_128_HMAC_SHA1_80".into()),
            network: "ethernet".into(),
            codec: Some(CodecKind::Opus),
            best_codec: Some(CodecKind::Opus),
            digits: true,
            ptime: 20,
            sends: true,
            hears: true,
            held: false,
            held_by_them: false,
            parked: false,
            muted: false,
            muted_talking: false,
            stalled_ms: None,
            far_silent: false,
            echo: false,
            mic_silent: false,
            clipping: false,
            unheard: false,
            input: device("pulse:headset"),
            output: device("pulse:headset"),
            fault: None,
            unacked_ms: None,
            registers: true,
            registered: true,
            failures: 0,
            trouble: None,
            moved: false,
            end: None,
        }
    }

    /// What one rule says of a good call with a change.
    pub fn with(rule: &str, change: impl FnOnce(&mut Facts)) -> Option<super::Finding> {
        let mut facts = Facts::good();
        change(&mut facts);
        super::findings(&facts).into_iter().find(|finding| finding.rule == rule)
    }
}
