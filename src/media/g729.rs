//! G.729 (RFC 3551 §4.5.6): frames of 10 ms in 10 octets, without silences of its own (annexb=no); those of a peer (annex B) are heard
//! all the same. Only with the feature `g729`.

/// Samples of a frame.
const FRAME: usize = 80;
/// Octets of a frame, and of one that describes silence.
const OCTETS: usize = 10;
const SILENCE: usize = 2;

/// The samples that a payload holds: frames, and one of silence as the last.
pub fn samples(payload: &[u8]) -> Option<u32> {
    let frames = payload.len() / OCTETS + usize::from(payload.len() % OCTETS == SILENCE);
    let whole = matches!(payload.len() % OCTETS, 0 | SILENCE);
    (whole && (1..=12).contains(&frames)).then_some((frames * FRAME) as u32)
}

/// Sound to frames.
pub struct Encoder(g729_sys::Encoder);

impl Encoder {
    /// At the beginning of a stream.
    pub fn begin() -> Encoder {
        Encoder(g729_sys::Encoder::new(false))
    }

    /// Whole frames of `pcm`; the octets that they took.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let (frames, _) = pcm.as_chunks::<FRAME>();
        let (rooms, _) = out.as_chunks_mut::<OCTETS>();
        frames.iter().zip(rooms).map(|(frame, room)| usize::from(self.0.encode_into(frame, room))).sum()
    }
}

/// Frames to sound.
pub struct Decoder(g729_sys::Decoder);

impl Decoder {
    /// At the beginning of a stream.
    pub fn begin() -> Decoder {
        Decoder(g729_sys::Decoder::new())
    }

    /// The samples of a payload.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        if samples(payload).is_none() {
            return 0;
        }
        let frames = payload.chunks(OCTETS).zip(out.chunks_exact_mut(FRAME));
        let heard = frames.map(|(frame, room)| {
            room.copy_from_slice(&self.0.decode(frame, false, frame.len() == SILENCE, false));
            FRAME
        });
        heard.sum()
    }

    /// The codec's own guess at what was lost.
    pub fn conceal(&mut self, out: &mut [i16]) {
        for room in out.chunks_mut(FRAME) {
            room.copy_from_slice(&self.0.decode(&[], true, false, false)[..room.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec;
    use crate::sdp::CodecKind;

    fn level(pcm: &[i16]) -> f64 {
        (pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
    }

    #[test]
    fn there_and_back_and_what_is_lost() {
        let kind = CodecKind::G729;
        assert_eq!((CodecKind::from_name("g729"), kind.rate(), kind.clock()), (Some(kind), 8_000, 8_000));
        let (mut encoder, mut decoder) = (codec::Encoder::new(kind, 0).unwrap(), codec::Decoder::new(kind).unwrap());
        let voice = |n: usize| {
            let t = n as f64 / 8_000.0 * std::f64::consts::TAU;
            ((1..10).map(|k| (t * 140.0 * f64::from(k)).sin() / f64::from(k)).sum::<f64>() * 5_000.0) as i16
        };
        let said: Vec<i16> = (0..16_000).map(voice).collect();
        let (mut bytes, mut out) = ([0; 1_500], [0; codec::LONGEST]);
        for (n, frame) in said.chunks(160).enumerate() {
            let len = encoder.encode(frame, &mut bytes);
            assert_eq!((len, codec::samples(kind, &bytes[..len])), (20, Some(160)), "two frames");
            match n % 25 {
                24 => decoder.conceal(&mut out[..160]),
                _ => assert_eq!(decoder.decode(&bytes[..len], &mut out), 160),
            }
            let ratio = level(&out[..160]) / level(frame);
            // what was lost is missing in the decoder's memory, and a voice that never changes brings little new
            let least = match n {
                0 => 0.0,
                1..24 => 0.8,
                _ if (18..=24).contains(&(n % 25)) => 0.5,
                _ => 0.1,
            };
            assert!((least..1.6).contains(&ratio), "{ratio} in packet {n}");
        }
    }

    #[test]
    fn the_lengths_of_payloads_and_a_peer_that_sends_silence() {
        let lengths = [0, 2, 9, 10, 12, 14, 20, 22, 120, 130].map(|len| codec::samples(CodecKind::G729, &vec![0; len]));
        let some = [None, Some(80), None, Some(80), Some(160), None, Some(160), Some(240), Some(960), None];
        assert_eq!(lengths, some);
        let mut peer = g729_sys::Encoder::new(true);
        let mut decoder = codec::Decoder::new(CodecKind::G729).unwrap();
        let (mut octets, mut out, mut state) = ([0; 10], [0; codec::LONGEST], 1u32);
        let mut silences = 0;
        for n in 0..300 {
            let frame = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 26) as i16 - 32
            });
            let len = usize::from(peer.encode_into(&frame, &mut octets));
            if len > 0 {
                assert_eq!(decoder.decode(&octets[..len], &mut out), 80);
                silences += usize::from(len == 2);
                assert!(n < 50 || level(&out[..80]) < 200.0, "{} in frame {n}", level(&out[..80]));
            }
        }
        assert!(silences > 0, "it describes its silence");
    }
}
