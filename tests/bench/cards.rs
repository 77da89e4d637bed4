//! From mouth to ear: two phones of the same make, each with a sound card, talk to each other; the cards are virtual, of one PulseAudio.

#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "the tests' own, which read the clock; a part of it is used here"
)]
#[path = "../common/vcards.rs"]
mod vcards;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use vcards::{Cards, Listening, RATE, beside_cards, level, sine};

use crate::measure::{Usage, percentile, sleep};
use crate::peer::{Codec, Make, Peer, Sound, Wire};
use crate::speech::{Bridge, Line};
use crate::table::Table;

/// For the reader of its section.
pub const ABOUT: &str = "Two phones of the same make, each with a card of its own (virtual ones of one PulseAudio, null sinks), talk to each other in Opus at 64 kbit/s.\n\
    From mouth to ear: from a tone's begin at one's microphone to its begin at the other's loudspeaker, once the call is 10 s old; the median of some\n\
    20. phoned cleans its microphones, as it does by default; its CPU is given with that (echo, noise) and without, and the difference is what a device\n\
    costs. Debian's baresip has no module for PulseAudio: it takes ALSA's bridge to it, and does not clean.";

/// How long delays, and then CPU, are measured.
const WINDOW: Duration = Duration::from_secs(10);
const CPU_WINDOW: Duration = Duration::from_secs(20);

/// All rows of one make.
pub fn rows(make: Make, table: &mut Table) {
    let plain = talk(make, true, &mut |_, _| {});
    let (mut delay, mut buffer) = (None, None);
    let cpu = match make {
        Make::Baresip => talk(make, true, &mut |cards, _| delay = mouth_to_ear(cards)),
        Make::Phoned => talk(make, false, &mut |cards, listener| {
            delay = mouth_to_ear(cards);
            buffer = jitter_buffer(listener);
        }),
    };
    table.put("from mouth to ear, ms", make.column(), delay);
    table.put("CPU of a phone in a call with a card, % of a core", make.column(), plain);
    if make == Make::Phoned {
        table.put("its jitter buffer, ms of that", make.column(), buffer);
        table.put("the same, its microphone cleaned", make.column(), cpu);
        let clean = cpu.zip(plain).map(|(with, without)| (with - without).max(0.0));
        table.put("so to clean a microphone costs, % of a core", make.column(), clean);
    }
}

/// A call between two such phones; the CPU of one of them, % of a core.
fn talk(make: Make, raw: bool, look: &mut dyn FnMut(&Cards, &Peer)) -> Option<f64> {
    println!("{}: two sound cards{}", make.name(), if raw { "" } else { ", cleaned" });
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
        let used = || [&speaker, &listener].map(|peer| Usage::of(peer.pid()).cpu_s).iter().sum::<f64>();
        let before = used();
        let long = sleep(CPU_WINDOW).as_secs_f64();
        cpu = Some((used() - before) / 2.0 / long * 100.0);
    });
    cpu
}

/// The median over the bursts of some seconds, ms.
fn mouth_to_ear(cards: &Cards) -> Option<f64> {
    let (mouth, ear) = (cards.listen("mic1_in"), cards.listen("spk2"));
    sleep(WINDOW);
    let (said, heard) = (begins(&mouth), begins(&ear));
    let delay = |said: &Instant| Some((*heard.iter().find(|heard| *heard > said)? - *said).as_secs_f64() * 1_000.0);
    let mut delays: Vec<f64> = said.iter().filter_map(delay).filter(|ms| *ms < 490.0).collect();
    percentile(&mut delays, 50.0)
}

/// When a burst begins.
fn begins(ear: &Listening) -> Vec<Instant> {
    let window = RATE as usize / 500;
    let all = ear.since(0);
    let loud = all.chunks_exact(window).enumerate().filter(|(_, part)| level(part, RATE, 1_000.0) > -30.0);
    let loud: Vec<Instant> = loud.map(|(i, _)| ear.time_of(i * window)).collect();
    loud.windows(2).filter(|two| two[1] > two[0] + Duration::from_millis(200)).map(|two| two[1]).collect()
}

/// How long packets wait in that phoned's one call, ms.
fn jitter_buffer(phone: &Peer) -> Option<f64> {
    let mut stream = UnixStream::connect(phone.socket()).ok()?;
    stream.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"phone.getSession\"}\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    let reply: Value = serde_json::from_str(&line).ok()?;
    reply["result"][0]["metrics"]["jitterBufferMs"].as_f64()
}
