//! How good a call sounds by the numbers: the E-model, ITU-T G.107. Pure.

use crate::sdp::CodecKind;

/// The rating of a perfect narrowband call with G.107's default values (R0 − Is).
const BEST: f64 = 93.2;

/// What a call suffers from.
#[derive(Debug, Clone, Copy)]
pub struct Impairments {
    /// The codec.
    pub codec: CodecKind,
    /// Packets lost, or too late to be played, 0–1.
    pub loss: f64,
    /// From mouth to ear, one way, ms.
    pub delay_ms: f64,
}

/// The transmission rating R, 0–93.2, and the mean opinion score that follows from it.
pub fn rate(impairments: Impairments) -> (f64, f64) {
    let (ie, bpl) = equipment(impairments.codec);
    let loss = impairments.loss.clamp(0.0, 1.0) * 100.0;
    let r =
        (BEST - delay_impairment(impairments.delay_ms) - (ie + (95.0 - ie) * loss / (loss + bpl))).clamp(0.0, 100.0);
    (r, mos(r))
}

/// Ie and Bpl, ITU-T G.113 appendix I: G.711 with concealment 0 and 25.1 (4.3 without). It has none for Opus, and for G.722
/// none on this scale: both are counted as G.711 here: no impairment of their own, and concealment at least as good.
fn equipment(codec: CodecKind) -> (f64, f64) {
    match codec {
        CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722 | CodecKind::Opus => (0.0, 25.1),
        CodecKind::G729 => (11.0, 19.0),
    }
}

/// Idd, G.107 §7.4 (no echo: a softphone's path is four-wire).
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// G.107 annex B.
fn mos(r: f64) -> f64 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        let rate = |loss, delay_ms| rate(Impairments { codec: CodecKind::Pcmu, loss, delay_ms });
        let near = |(r, m): (f64, f64), er: f64, em: f64| (r - er).abs() < 0.1 && (m - em).abs() < 0.02;
        assert!(near(rate(0.0, 50.0), 93.2, 4.41), "{:?}", rate(0.0, 50.0));
        assert!(near(rate(0.05, 50.0), 93.2 - 15.78, 3.93), "{:?}", rate(0.05, 50.0));
        assert!((rate(0.0, 400.0).0 - 69.2).abs() < 1.0, "{:?}", rate(0.0, 400.0));
        assert!(rate(1.0, 1_000.0).1 < 1.3);
    }
}
