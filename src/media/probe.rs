//! Devices tried before a shift: what the microphone gives, whether the loudspeaker opens. Calls that use them are not disturbed.

use std::net::SocketAddr;
use std::time::Duration;

use super::clock;
use super::level::Microphone as Meter;
use crate::audio::Devices;
use crate::sdp::{Codec, CodecKind, Direction, Negotiated, Protection};
use crate::ua::preflight::Microphone;

/// A microphone is listened to for so long: the first second is for its opening.
const LISTEN: Duration = Duration::from_millis(2_400);
/// As sessions read.
const STEP: Duration = Duration::from_millis(20);
/// Of what is made here; real devices have their own.
const RATE: u32 = 48_000;

/// Listens to a microphone; blocks while it does.
pub fn listen(devices: &Devices, input: &str) -> Result<Microphone, String> {
    let mut source = devices.source(input, RATE)?;
    let mut meter = Meter::new(source.rate());
    let mut frame = vec![0; source.rate() as usize / 50];
    let mut heard = Microphone { flowing: !source.is_device(), level_dbov: super::level::SILENCE, peak: 0 };
    let end = clock::mono_ns() + LISTEN.as_nanos() as u64;
    while clock::mono_ns() < end {
        std::thread::sleep(STEP);
        source.read(&mut frame);
        // What comes before it is open is no sound of its.
        if source.is_flowing() {
            heard.flowing = true;
            meter.note(&frame);
            heard.peak = frame.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0).max(heard.peak);
        }
    }
    heard.level_dbov = meter.dbov().unwrap_or(heard.level_dbov);
    Ok(heard)
}

/// What two ends of the same engine agree on.
pub fn loopback(peer: SocketAddr, kind: CodecKind) -> Negotiated {
    Negotiated {
        remote_rtp: peer,
        remote_rtcp: SocketAddr::new(peer.ip(), peer.port().saturating_add(1)),
        rtcp_mux: false,
        codec: Codec { kind, send_pt: 96, recv_pt: 96, fec: false, dtx: false, max_bitrate: None },
        dtmf: None,
        direction: Direction::SendRecv,
        ptime: 20,
        protection: Protection::Clear,
        ice: None,
        video: None,
    }
}
