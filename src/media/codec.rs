//! Sound to payload and back: G.711 and G.722 (RFC 3551 §4.5.14, §4.5.2), Opus (RFC 6716, RFC 7587), and G.729 as a feature.

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

#[cfg(feature = "g729")]
use super::g729;
use super::plc::Plc;
use crate::sdp::CodecKind;

/// Nothing names a codec that is not built in, so nobody asks for it.
#[cfg(not(feature = "g729"))]
const WITHOUT_G729: &str = "this phoned was built without G.729";

/// The longest Opus packet in samples, 120 ms (RFC 6716 §3.2.5).
pub const LONGEST: usize = 5_760;

/// The samples that a payload holds, in units of the codec's clock; none when it is not a payload of this codec.
pub fn samples(kind: CodecKind, payload: &[u8]) -> Option<u32> {
    match kind {
        CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722 => {
            (1..=960).contains(&payload.len()).then_some(payload.len() as u32)
        }
        CodecKind::Opus => opus_samples(payload),
        #[cfg(feature = "g729")]
        CodecKind::G729 => g729::samples(payload),
        #[cfg(not(feature = "g729"))]
        CodecKind::G729 => None,
    }
}

/// By the table-of-contents byte, RFC 6716 §3.1 and §3.2.
fn opus_samples(payload: &[u8]) -> Option<u32> {
    let toc = *payload.first()?;
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        config => 120 << (config & 3),
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*payload.get(1)? & 0x3f),
    };
    (1..=LONGEST as u32).contains(&(frame * count)).then_some(frame * count)
}

/// The packet carries a copy of the frame before it (LBRR, RFC 6716 §4.2.4): a flag behind those of voice activity, one a 20 ms.
fn has_fec(payload: &[u8]) -> bool {
    let [toc, first, ..] = payload else { return false };
    let frames = match toc >> 3 {
        config @ 0..=11 => [1, 1, 2, 3][usize::from(config & 3)],
        12..=15 => 1,
        _ => return false, // no speech layer
    };
    toc & 3 != 0 || first >> (7 - frames) & 1 == 1
}

/// How much CPU Opus may take for its quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For a call or two.
    Best,
    /// For a handful.
    Good,
    /// For many.
    Fair,
    /// For as many as there is CPU for.
    Least,
}

/// Makes payloads of 16-bit sound at the codec's rate.
pub enum Encoder {
    /// µ-law.
    Pcmu,
    /// A-law.
    Pcma,
    /// G.722, 64 kbit/s.
    G722(Box<G722Encoder>),
    /// G.729.
    #[cfg(feature = "g729")]
    G729(Box<g729::Encoder>),
    /// Opus, mono, variable rate.
    Opus {
        /// libopus.
        inner: opus::Encoder,
        /// How hard it works now.
        effort: Effort,
        /// Bit/s.
        bitrate: u32,
        /// The loss it is prepared for, percent.
        loss: u8,
    },
}

impl Encoder {
    /// `bitrate` in bit/s, of use to Opus only. Fails when libopus has no memory.
    pub fn new(kind: CodecKind, bitrate: u32) -> Result<Self, String> {
        match kind {
            CodecKind::Pcmu => Ok(Encoder::Pcmu),
            CodecKind::Pcma => Ok(Encoder::Pcma),
            CodecKind::G722 => Ok(Encoder::G722(Box::new(G722Encoder::new()))),
            #[cfg(feature = "g729")]
            CodecKind::G729 => Ok(Encoder::G729(Box::new(g729::Encoder::begin()))),
            #[cfg(not(feature = "g729"))]
            CodecKind::G729 => Err(WITHOUT_G729.into()),
            CodecKind::Opus => new_opus(bitrate).map_err(|e| format!("opus encoder: {e}")),
        }
    }

    /// Encodes one frame; the payload's length, 0 when it could not be encoded.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        match self {
            Encoder::Pcmu => each(pcm, out, |s| encode_ulaw(*s)),
            Encoder::Pcma => each(pcm, out, |s| encode_alaw(*s)),
            Encoder::G722(inner) => inner.encode_into(pcm, out).unwrap_or(0),
            #[cfg(feature = "g729")]
            Encoder::G729(inner) => inner.encode(pcm, out),
            Encoder::Opus { inner, .. } => inner.encode(pcm, out).unwrap_or(0),
        }
    }

    /// Makes packets carry a copy of the one before (in-band FEC) when the far end loses `percent`; 0: no FEC, since it costs quality
    /// on a clean line. Nothing for G.711.
    pub fn expect_loss(&mut self, percent: u8) {
        if let Encoder::Opus { inner, loss, bitrate, effort } = self
            && *loss != percent
        {
            *loss = percent;
            let _ = inner.set_inband_fec(percent > 0);
            let _ = inner.set_packet_loss_perc(i32::from(percent.min(50)));
            let _ = work(inner, *bitrate, percent, *effort);
        }
    }

    /// Silence shall be said by what is not sent: payloads of two octets at most are (RFC 6716 §2.1.9). Nothing for others than Opus.
    pub fn leave_out_silence(&mut self, wanted: bool) {
        if let Encoder::Opus { inner, .. } = self {
            let _ = inner.set_dtx(wanted);
        }
    }

    /// How hard Opus works.
    pub fn set_effort(&mut self, value: Effort) {
        if let Encoder::Opus { inner, effort, bitrate, loss } = self
            && *effort != value
        {
            *effort = value;
            let _ = work(inner, *bitrate, *loss, value);
        }
    }
}

fn new_opus(bitrate: u32) -> opus::Result<Encoder> {
    let mut inner = opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip)?;
    let effort = Effort::Good;
    inner.set_bitrate(opus::Bitrate::Bits(bitrate.clamp(6_000, 510_000) as i32))?;
    inner.set_vbr(true)?;
    work(&mut inner, bitrate, 0, effort)?;
    inner.set_inband_fec(false)?;
    Ok(Encoder::Opus { inner, effort, bitrate, loss: 0 })
}

/// Complexity, and what Opus is told that it hears: left to itself it would choose between its modes by chance at our bit rates. At
/// 64 kbit/s (synthetic speech, PESQ-WB; CPU to encode and decode, that of the last being 1) its speech mode reaches 4.43 with
/// complexity 10 (3.8), 4.30 with 5 (2.5), 3.76 with 3 (2.5); its transform mode 4.09 with 10 (1.6), 3.79 with 5, 3.55 with 3 (1).
/// Only the speech mode has FEC.
fn work(inner: &mut opus::Encoder, bitrate: u32, loss: u8, effort: Effort) -> opus::Result<()> {
    let transform = bitrate >= 48_000 && loss == 0 && matches!(effort, Effort::Fair | Effort::Least);
    inner.set_signal(if transform { opus::Signal::Music } else { opus::Signal::Voice })?;
    inner.set_complexity(match effort {
        Effort::Best => 10,
        Effort::Fair if transform => 10,
        Effort::Good | Effort::Fair => 5,
        Effort::Least => 3,
    })
}

/// What a lost frame was replaced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Its sound, from the copy in the packet after it.
    Sound,
    /// A guess.
    Guess,
}

/// Makes sound of payloads, and of their absence.
pub enum Decoder {
    /// G.711.
    G711 {
        /// A-law, else µ-law.
        alaw: bool,
        /// What makes up for loss.
        plc: Plc,
    },
    /// G.722.
    G722 {
        /// Its state follows the packets that came.
        inner: Box<G722Decoder>,
        /// What makes up for loss.
        plc: Plc,
    },
    /// G.729.
    #[cfg(feature = "g729")]
    G729(Box<g729::Decoder>),
    /// Opus.
    Opus(opus::Decoder),
}

impl Decoder {
    /// Fails when libopus has no memory.
    pub fn new(kind: CodecKind) -> Result<Self, String> {
        match kind {
            CodecKind::Pcmu => Ok(Decoder::G711 { alaw: false, plc: Plc::new(8_000) }),
            CodecKind::Pcma => Ok(Decoder::G711 { alaw: true, plc: Plc::new(8_000) }),
            CodecKind::G722 => Ok(Decoder::G722 { inner: Box::new(G722Decoder::new()), plc: Plc::new(16_000) }),
            #[cfg(feature = "g729")]
            CodecKind::G729 => Ok(Decoder::G729(Box::new(g729::Decoder::begin()))),
            #[cfg(not(feature = "g729"))]
            CodecKind::G729 => Err(WITHOUT_G729.into()),
            CodecKind::Opus => opus::Decoder::new(48_000, opus::Channels::Mono)
                .map(Decoder::Opus)
                .map_err(|e| format!("opus decoder: {e}")),
        }
    }

    /// Decodes a payload into `out` (room for `LONGEST`); the samples it held, 0 when it is no payload.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Decoder::G711 { alaw, plc } => {
                let len = match alaw {
                    true => each(payload, out, |b| decode_alaw(*b)),
                    false => each(payload, out, |b| decode_ulaw(*b)),
                };
                plc.heard(&mut out[..len]);
                len
            }
            Decoder::G722 { inner, plc } => {
                let len = inner.decode_into(payload, out).unwrap_or(0);
                plc.heard(&mut out[..len]);
                len
            }
            #[cfg(feature = "g729")]
            Decoder::G729(inner) => inner.decode(payload, out),
            Decoder::Opus(inner) => inner.decode(payload, out, false).unwrap_or(0),
        }
    }

    /// Fills `out` for a lost frame with the help of the packet after it.
    pub fn recover(&mut self, next: &[u8], out: &mut [i16]) -> Restored {
        match self {
            Decoder::G711 { alaw, plc } => {
                let mut after = [0i16; 960];
                let len = match alaw {
                    true => each(next, &mut after, |b| decode_alaw(*b)),
                    false => each(next, &mut after, |b| decode_ulaw(*b)),
                };
                plc.bridge(&after[..len], out);
            }
            Decoder::G722 { .. } => self.conceal(out), // the state for the next packet is not known
            #[cfg(feature = "g729")]
            Decoder::G729(inner) => inner.conceal(out),
            Decoder::Opus(inner) => {
                if has_fec(next) && inner.decode(next, out, true).is_ok() {
                    return Restored::Sound;
                }
                self.conceal(out);
            }
        }
        Restored::Guess
    }

    /// Fills `out` for a lost frame.
    pub fn conceal(&mut self, out: &mut [i16]) {
        match self {
            Decoder::G711 { plc, .. } | Decoder::G722 { plc, .. } => plc.conceal(out),
            #[cfg(feature = "g729")]
            Decoder::G729(inner) => inner.conceal(out),
            Decoder::Opus(inner) => {
                if inner.decode(&[], out, false).is_err() {
                    out.fill(0);
                }
            }
        }
    }
}

fn each<A, B>(from: &[A], to: &mut [B], mut convert: impl FnMut(&A) -> B) -> usize {
    for (a, b) in from.iter().zip(to.iter_mut()) {
        *b = convert(a);
    }
    from.len().min(to.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: f64, len: usize) -> Vec<i16> {
        (0..len).map(|n| ((n as f64 * 440.0 * std::f64::consts::TAU / rate).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn g711_there_and_back() {
        for kind in [CodecKind::Pcmu, CodecKind::Pcma] {
            let (mut encoder, mut decoder) = (Encoder::new(kind, 0).unwrap(), Decoder::new(kind).unwrap());
            let (pcm, mut bytes, mut out) = (tone(8_000.0, 160), [0u8; 1_500], [0i16; LONGEST]);
            let len = encoder.encode(&pcm, &mut bytes);
            assert_eq!((len, samples(kind, &bytes[..len])), (160, Some(160)));
            assert_eq!(decoder.decode(&bytes[..len], &mut out), 160);
            assert!(pcm.iter().zip(&out).all(|(a, b)| (a - b).abs() < 300));
        }
    }

    #[test]
    fn g722_there_and_back_and_what_is_lost() {
        let kind = CodecKind::G722;
        let (mut encoder, mut decoder) = (Encoder::new(kind, 0).unwrap(), Decoder::new(kind).unwrap());
        let (mut bytes, mut out) = ([0u8; 1_500], [0i16; LONGEST]);
        for (n, frame) in tone(16_000.0, 16_000).chunks(320).enumerate() {
            let len = encoder.encode(frame, &mut bytes);
            assert_eq!((len, samples(kind, &bytes[..len])), (160, Some(160)), "units of the RTP clock");
            match n % 10 {
                9 => assert_eq!(decoder.recover(&bytes[..len], &mut out[..320]), Restored::Guess),
                _ => assert_eq!(decoder.decode(&bytes[..len], &mut out), 320),
            }
            let level = (out[..320].iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 320.0).sqrt();
            assert!(n < 2 || (level - 5_657.0).abs() < 600.0, "{level} in frame {n}");
        }
    }

    #[test]
    fn which_opus_packets_carry_the_one_before() {
        let mut encoder = Encoder::new(CodecKind::Opus, 64_000).unwrap();
        encoder.set_effort(Effort::Best);
        let wave = |n: u32| f64::from(n * (n % 97) % 5_000) * (f64::from(n) / 900.0).sin();
        let pcm: Vec<i16> = (0..48_000).map(|n| wave(n) as i16).collect();
        let mut bytes = [0u8; 1_500];
        let mut carry = |encoder: &mut Encoder| {
            let carry = |frame: &[i16]| {
                let len = encoder.encode(frame, &mut bytes);
                has_fec(&bytes[..len])
            };
            pcm.chunks(960).map(carry).filter(|fec| *fec).count()
        };
        assert_eq!(carry(&mut encoder), 0);
        encoder.expect_loss(10);
        let with = carry(&mut encoder);
        assert!(with > 30, "{with} of 50");
        assert!(!has_fec(&[]) && !has_fec(&[0x78]) && !has_fec(&[0xfc, 0xff]));
    }

    #[test]
    fn opus_there_and_back_and_what_is_lost() {
        let mut encoder = Encoder::new(CodecKind::Opus, 64_000).unwrap();
        let mut decoder = Decoder::new(CodecKind::Opus).unwrap();
        encoder.expect_loss(10);
        encoder.set_effort(Effort::Least);
        let (pcm, mut bytes, mut out) = (tone(48_000.0, 9_600), [0u8; 1_500], [0i16; LONGEST]);
        let mut energy = 0.0;
        for (n, frame) in pcm.chunks(960).enumerate() {
            let len = encoder.encode(frame, &mut bytes);
            assert_eq!(samples(CodecKind::Opus, &bytes[..len]), Some(960));
            if n % 5 == 3 {
                decoder.recover(&bytes[..len], &mut out[..960]);
            } else if n % 5 == 4 {
                decoder.conceal(&mut out[..960]);
            } else {
                assert_eq!(decoder.decode(&bytes[..len], &mut out), 960);
            }
            energy = out[..960].iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 960.0;
        }
        assert!(energy.sqrt() > 2_000.0, "{}", energy.sqrt());
    }

    #[test]
    fn silence_that_is_not_wanted_is_told_by_short_payloads() {
        for effort in [Effort::Best, Effort::Fair] {
            let mut encoder = Encoder::new(CodecKind::Opus, 64_000).unwrap();
            encoder.set_effort(effort);
            encoder.leave_out_silence(true);
            let mut bytes = [0u8; 1_500];
            let said: Vec<i16> = tone(48_000.0, 48_000).into_iter().chain(vec![0; 96_000]).collect();
            let short = said.chunks(960).map(|frame| encoder.encode(frame, &mut bytes) <= 2);
            let short: Vec<bool> = short.collect();
            assert!(short[..50].iter().all(|short| !short), "{effort:?}: {short:?}");
            let (left_out, said) = short[75..].iter().partition::<Vec<bool>, _>(|short| **short);
            assert!(left_out.len() > 60 && !said.is_empty(), "{effort:?}: one is sent now and then: {short:?}");
        }
    }

    #[test]
    fn lengths_of_opus_packets() {
        for (bytes, expected) in [
            (&[0x08u8, 0][..], Some(960)), // SILK narrowband 20 ms
            (&[0x18, 0], Some(2_880)),     // 60 ms
            (&[0x78, 0], Some(960)),       // hybrid fullband 20 ms
            (&[0xfd, 0], Some(1_920)),     // CELT 20 ms, two frames
            (&[0xe3, 0x06], Some(720)),    // CELT 2.5 ms, six frames
            (&[0x1b, 0x05], None),         // 300 ms
            (&[0x1b], None),
            (&[], None),
        ] {
            assert_eq!(samples(CodecKind::Opus, bytes), expected, "{bytes:x?}");
        }
        assert_eq!(samples(CodecKind::Pcmu, &[]), None);
    }
}
