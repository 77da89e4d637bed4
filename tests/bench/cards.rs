//! From mouth to ear: two phones of the same make, each with a sound card, talk to each other; the cards are virtual, of one PulseAudio.

#[allow(clippy::disallowed_methods, reason = "the tests' own: a benchmark measures real time")]
#[path = "../common/vcards.rs"]
mod vcards;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use vcards::{Cards, RATE, beside_cards, delays, sine};

use crate::measure::{Usage, percentile, sleep};
use crate::peer::{Codec, Make, Peer, Sound, Wire};
use crate::speech::{Bridge, Line};
use crate::table::Table;

/// For the reader of its section.
pub const ABOUT: &str = "Two phones of the same make, each with a card of its own (virtual ones of one PulseAudio, null sinks), talk to each other in Opus at 64 kbit/s.\n\
    From mouth to ear: from a tone's begin at one's microphone to its begin at the other's loudspeaker, once the call is 10 s old; the median of five\n\
    calls, of some 20 such bursts each, with silence between them. phoned cleans its microphones (echo, noise), as it does by default, baresip does not;\n\
    what that costs is the CPU of the microphone's thread with it and without, in calls without an echo. Debian's baresip has no module for PulseAudio:\n\
    it takes ALSA's bridge to it.";

/// So many calls, of which delays are known.
const CALLS: usize = 5;
/// How long delays, and then CPU, are measured.
const WINDOW: Duration = Duration::from_secs(10);
const CPU_WINDOW: Duration = Duration::from_secs(20);

/// CPU in % of a core: of a phone, and of its microphone's thread.
type Cpu = Option<(f64, f64)>;

/// All rows of one make.
pub fn rows(make: Make, table: &mut Table) {
    let (mut delays, mut buffers, mut cpu) = (Vec::new(), Vec::new(), None);
    for call in 0..CALLS {
        let window = if call == 0 { CPU_WINDOW } else { Duration::ZERO };
        let used = talk(make, false, window, &mut |cards, listener| {
            delays.extend(mouth_to_ear(cards));
            buffers.extend(jitter_buffer(make, listener));
        });
        cpu = cpu.or(used);
    }
    println!("    {delays:.0?} ms");
    // A call that was not heard counts for nothing, and some of five are no median.
    let median = |mut all: Vec<f64>| percentile(&mut all, 50.0).filter(|_| all.len() == CALLS);
    let (delay, buffer) = (median(delays), median(buffers));
    table.put("from mouth to ear, ms", make.column(), delay);
    if make == Make::Phoned {
        table.put("of that its jitter buffer, ms", make.column(), buffer);
    }
    table.put("a phone in a call with a card: CPU, % of a core", make.column(), cpu.map(|(phone, _)| phone));
    if make == Make::Phoned {
        let raw = talk(make, true, CPU_WINDOW, &mut |_, _| {});
        let clean = cpu.zip(raw).map(|((_, cleaned), (_, raw))| cleaned - raw);
        table.put("of that to clean its microphone, % of a core", make.column(), clean);
    }
}

/// A call between two such phones, in which somebody looks around; what each of them used then.
fn talk(make: Make, raw: bool, window: Duration, look: &mut dyn FnMut(&Cards, &Peer)) -> Cpu {
    println!("{}: two sound cards{}", make.name(), if raw { ", as they are" } else { "" });
    let mut cpu = None;
    beside_cards(2, |cards| {
        let peer = |number| Peer::with(make, Codec::Opus, Wire::Plain, &Sound::Card { number, env: cards.env(), raw });
        let (speaker, listener) = (peer(1), peer(2));
        let bridge = Bridge::between(&speaker, &listener, Codec::Opus, Line::default());
        if !bridge.stands() {
            return;
        }
        let bursts = [sine(1_000.0, 0.1), vec![0; RATE as usize * 2 / 5]].concat();
        let _speaking = cards.say("mic1", bursts.repeat(100));
        sleep(Duration::from_secs(10));
        look(cards, &listener);
        let used = || {
            let both = [&speaker, &listener].map(|peer| (Usage::of(peer.pid()).cpu_s, microphone(peer.pid())));
            both.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        let before = used();
        let long = sleep(window).as_secs_f64();
        let share = |after: f64, before: f64| (after - before) / 2.0 / long * 100.0;
        let after = used();
        cpu = (!window.is_zero()).then(|| (share(after.0, before.0), share(after.1, before.1)));
    });
    cpu
}

/// CPU time of a phoned's microphones' threads, s.
fn microphone(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let named = tasks.map(|task| task.path()).filter(|task| text(task.join("comm")).trim() == "audio-in");
    let used = |task: std::path::PathBuf| text(task.join("schedstat")).split(' ').next()?.parse::<f64>().ok();
    named.filter_map(used).sum::<f64>() / 1e9
}

/// The median over the bursts of some seconds, ms.
fn mouth_to_ear(cards: &Cards) -> Option<f64> {
    let (mouth, ear) = (cards.listen("mic1_in"), cards.listen("spk2"));
    sleep(WINDOW);
    let ms = |delay: Duration| delay.as_secs_f64() * 1_000.0;
    percentile(&mut delays(&mouth, &ear, 1_000.0).into_iter().map(ms).collect::<Vec<_>>(), 50.0)
}

/// How long packets wait in that phoned's one call, ms.
fn jitter_buffer(make: Make, phone: &Peer) -> Option<f64> {
    if make != Make::Phoned {
        return None;
    }
    let mut stream = UnixStream::connect(phone.socket()).ok()?;
    stream.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"phone.getSession\"}\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    let reply: Value = serde_json::from_str(&line).ok()?;
    reply["result"][0]["metrics"]["jitterBufferMs"].as_f64()
}
