//! Speech stays clear on a bad line (PESQ): what is lost is made up, what is late is waited for. In virtual time; `PHONED_LINE=all`
//! prints the whole matrix.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

#[path = "media_support/line.rs"]
mod line;
#[path = "common/speech.rs"]
mod speech;

use line::{Line, say};
use phoned::sdp::CodecKind;
use speech::{make_speech, score, write_wav};

/// What is not judged: the buffer learns the line.
const LEARNING: usize = 10;

/// PESQ wideband, narrowband for G.711.
fn clarity(kind: CodecKind, line: Line) -> f64 {
    let rate = kind.rate();
    let speech = make_speech(rate);
    let said: Vec<i16> = speech.iter().chain(&speech).copied().collect();
    let heard = say(kind, &said, line);
    let dir = tempfile::tempdir().unwrap();
    let (reference, degraded) = (dir.path().join("said.wav"), dir.path().join("heard.wav"));
    write_wav(&reference, rate, &said[LEARNING * rate as usize..]);
    write_wav(&degraded, rate, &heard.pcm[LEARNING * rate as usize..]);
    let score = score(&reference, &degraded);
    let pesq = if kind.rate() == 8_000 { score.pesq_nb } else { score.pesq_wb };
    println!(
        "{:5} loss {:4.1} % jitter {:2} ms: PESQ {pesq:.2} delay {:.0} ms {:?} {:?}",
        kind.name(),
        line.loss * 100.0,
        line.jitter_ms,
        heard.playout.delay_us() / 1_000.0,
        heard.playout.counts(),
        heard.playout.played()
    );
    pesq
}

#[test]
fn what_is_lost_is_made_up() {
    for (kind, loss, jitter_ms, bar) in
        [(CodecKind::Opus, 0.05, 30.0, 3.2), (CodecKind::Pcmu, 0.1, 0.0, 2.6), (CodecKind::Pcmu, 0.0, 30.0, 3.7)]
    {
        let pesq = clarity(kind, Line { loss, jitter_ms, seed: 1 });
        assert!(pesq >= bar, "{kind:?} with {loss} lost and {jitter_ms} ms of jitter: {pesq}");
    }
}

#[test]
fn the_matrix() {
    if std::env::var_os("PHONED_LINE").is_none() {
        return;
    }
    for kind in [CodecKind::Opus, CodecKind::Pcmu] {
        for (loss, jitter_ms) in [(0.0, 0.0), (0.05, 0.0), (0.1, 0.0), (0.0, 30.0), (0.05, 30.0)] {
            let mut all: Vec<f64> = (1..=3).map(|seed| clarity(kind, Line { loss, jitter_ms, seed })).collect();
            all.sort_by(f64::total_cmp);
            println!("  median {:.2}", all[1]);
        }
    }
}
