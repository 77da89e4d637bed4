//! Audio sockets: a program hears each of the four points of a call, whispers to the agent alone, or speaks in somebody's place;
//! one that stalls loses its own sound, and nothing else.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_support::{Phone, amplitude, heard, undisturbed};
use phoned::media::MediaConfig;
use phoned::media::sockets::SocketConfig;
use phoned::sdp::CodecKind;
use phoned::ua::command::AudioMode::{self, Inject, Replace, Tap};
use phoned::ua::command::AudioPort::{self, AgentEar, AgentMouth, CustomerEar, CustomerMouth};
use phoned::ua::media::{MediaCommand, MediaEvent, SocketEvent, SocketPlan};

const PORTS: [AudioPort; 4] = [CustomerMouth, CustomerEar, AgentMouth, AgentEar];
/// The agent's tone, the customer's, and the program's.
const AGENT: f64 = 440.0;
const CUSTOMER: f64 = 700.0;
const PROGRAM: f64 = 1_500.0;

struct Calls {
    phone: Phone,
    dir: tempfile::TempDir,
}

impl Calls {
    /// Odd sessions are agents', the next even one is the customer's.
    fn new(kinds: &[CodecKind], admitted: bool) -> Calls {
        let dir = tempfile::tempdir().unwrap();
        let sockets = SocketConfig { dir: dir.path().join("audio"), admit: Arc::new(move |_, _| admitted) };
        let phone = Phone::with(MediaConfig { sockets, ..MediaConfig::default() });
        let file = |id: u64| format!("file:{}/{id}.wav", dir.path().display());
        for (n, kind) in (0..).zip(kinds) {
            let (one, two) = (2 * n + 1, 2 * n + 2);
            let near = phone.open(one, "tone:440", &file(one));
            let far = phone.open(two, "tone:700", &file(two));
            phone.tell(one, MediaCommand::Remote(media_support::negotiated(far.rtp, *kind)));
            phone.tell(two, MediaCommand::Remote(media_support::negotiated(near.rtp, *kind)));
        }
        Calls { phone, dir }
    }

    fn open(&self, session: u64, id: u64, ports: &[AudioPort], mode: AudioMode, rate: u32) -> UnixStream {
        let plan = SocketPlan { id, name: format!("socket{id}"), ports: ports.to_vec(), mode, rate };
        match self.phone.engine.command(phoned::ua::io::SessionId(session), MediaCommand::OpenSocket(plan)) {
            Some(MediaEvent::Socket(_, SocketEvent::Open { path })) => {
                assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
                UnixStream::connect(path).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn closed(&mut self, session: u64, id: u64) -> (String, u64) {
        let is_it =
            |e: &MediaEvent| matches!(e, MediaEvent::Socket(socket, SocketEvent::Closed { .. }) if *socket == id);
        match self.phone.wait(session, 20.0, is_it) {
            Some(MediaEvent::Socket(_, SocketEvent::Closed { reason, dropped })) => (reason, dropped),
            other => panic!("{other:?}: {:?}", self.phone.past),
        }
    }

    /// What a session played in the last `seconds`, by tone: agent's, customer's, program's.
    fn played(&self, id: u64, seconds: f64) -> [f64; 3] {
        let (pcm, rate) = heard(&self.dir.path().join(format!("{id}.wav")));
        levels(&pcm[pcm.len().saturating_sub((seconds * f64::from(rate)) as usize)..], rate)
    }
}

fn levels(pcm: &[i16], rate: u32) -> [f64; 3] {
    [AGENT, CUSTOMER, PROGRAM].map(|hz| amplitude(pcm, rate, hz))
}

const THERE: std::ops::Range<f64> = 4_500.0..11_000.0;
const NOT_THERE: std::ops::Range<f64> = 0.0..120.0;

#[track_caller]
fn hears(who: &str, levels: [f64; 3], wanted: [bool; 3]) {
    let fits = levels.iter().zip(wanted).all(|(l, wanted)| if wanted { THERE } else { NOT_THERE }.contains(l));
    assert!(fits, "{who} hears {levels:.0?}, wanted {wanted:?}");
}

/// What came from a socket: sound and the times of its records, by point.
type Heard = BTreeMap<u8, (Vec<i16>, Vec<u32>)>;

/// Reads records for so long, or to the end.
fn listen(stream: &mut UnixStream, length: Duration) -> Heard {
    let mut all = Heard::new();
    let end = Instant::now() + length;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    while Instant::now() < end {
        let mut head = [0; 8];
        if stream.read_exact(&mut head).is_err() {
            return all;
        }
        assert_eq!(head[1], 0);
        let mut sound = vec![0; usize::from(u16::from_le_bytes([head[2], head[3]]))];
        stream.read_exact(&mut sound).unwrap();
        let (pcm, times) = all.entry(head[0]).or_default();
        pcm.extend(sound.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])));
        times.push(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    }
    all
}

/// Records of the program's tone, 20 ms each.
fn speech(port: AudioPort, rate: u32, seconds: f64) -> Vec<u8> {
    let frame = rate as usize / 50;
    (0..(seconds * 50.0) as usize)
        .flat_map(|n| {
            let mut record = vec![port as u8, 0];
            record.extend((frame as u16 * 2).to_le_bytes());
            record.extend([0; 4]);
            for at in n * frame..(n + 1) * frame {
                let wave = (at as f64 * PROGRAM * std::f64::consts::TAU / f64::from(rate)).sin() * 8_000.0;
                record.extend((wave as i16).to_le_bytes());
            }
            record
        })
        .collect()
}

#[test]
fn eight_taps_at_once_and_one_that_stalls() {
    undisturbed(eight_taps);
}

fn eight_taps() {
    let mut calls = Calls::new(&[CodecKind::Pcmu, CodecKind::Opus], true);
    calls.phone.pass(0.5);
    let mut taps = Vec::new();
    for (n, session) in [(0, 1), (4, 3)] {
        for port in PORTS {
            let id = n + port as u64 + 1;
            // the one that stalls fills its buffers fastest
            let rate = if id == 8 { 48_000 } else { [8_000, 16_000, 48_000][id as usize % 3] };
            taps.push((id, port, rate, calls.open(session, id, &[port], Tap, rate)));
        }
    }
    let (stalled, readers) = taps.split_last_mut().unwrap();
    let length = Duration::from_secs(7);
    let all: Vec<(u64, AudioPort, u32, Heard)> = std::thread::scope(|scope| {
        let reading: Vec<_> = readers
            .iter_mut()
            .map(|(id, port, rate, stream)| {
                let (id, port, rate) = (*id, *port, *rate);
                scope.spawn(move || (id, port, rate, listen(stream, length)))
            })
            .collect();
        reading.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (id, port, rate, heard) in all {
        let (pcm, times) = &heard[&(port as u8)];
        assert_eq!(heard.len(), 1, "socket {id} has one point");
        assert!(pcm.len() >= rate as usize * 6, "socket {id}: {} samples at {rate}", pcm.len());
        let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] != 20).count();
        assert_eq!(gaps, 0, "socket {id} misses something: {times:?}");
        let agent = matches!(port, AgentMouth | CustomerEar);
        hears(&format!("{port:?}"), levels(&pcm[rate as usize..rate as usize * 6], rate), [agent, !agent, false]);
    }
    let dropped = |past: &[(phoned::ua::io::SessionId, MediaEvent)]| {
        past.iter().rev().find_map(|(_, event)| match event {
            MediaEvent::Socket(8, SocketEvent::Dropped { frames }) => Some(*frames),
            _ => None,
        })
    };
    calls.phone.pass(0.5);
    if dropped(&calls.phone.past).is_none() {
        let any = |e: &MediaEvent| matches!(e, MediaEvent::Socket(8, SocketEvent::Dropped { .. }));
        calls.phone.wait(3, 10.0, any);
    }
    let told = dropped(&calls.phone.past).unwrap_or_else(|| panic!("{:?}", calls.phone.past));
    assert!((50..350).contains(&told), "{told} frames of some 350 are lost");
    let others = calls
        .phone
        .past
        .iter()
        .any(|(_, event)| matches!(event, MediaEvent::Socket(id, SocketEvent::Dropped { .. }) if *id != 8));
    assert!(!others, "nobody else has lost anything");
    // the stalled one's own call: both of it heard to the last, no packet missed
    for (session, wanted) in [(3, [false, true, false]), (4, [true, false, false])] {
        hears("a party", calls.played(session, 4.0), wanted);
        assert_eq!(calls.phone.report(session).rx_lost, 0);
    }
    // what it reads in the end says how much is missing
    let late = listen(&mut stalled.3, Duration::from_millis(500));
    let times = &late[&(AgentEar as u8)].1;
    assert!(times.windows(2).any(|pair| pair[1] > pair[0] + 20), "{times:?}");
    calls.phone.tell(3, MediaCommand::Close);
    assert_eq!(calls.closed(3, 5).0, "the call is over");
}

#[test]
fn a_whisper_is_for_the_agent_alone() {
    undisturbed(a_whisper);
}

fn a_whisper() {
    for kind in [CodecKind::Pcmu, CodecKind::Opus] {
        let mut calls = Calls::new(&[kind], true);
        let mut tap = calls.open(1, 1, &[CustomerEar], Tap, 16_000);
        let mut whisper = calls.open(1, 2, &[AgentEar], Inject, 16_000);
        calls.phone.pass(0.5);
        let speaking = std::thread::spawn(move || {
            whisper.write_all(&speech(AgentEar, 16_000, 4.0)).unwrap(); // waits: nobody plays it faster than it is
            whisper
        });
        let heard = listen(&mut tap, Duration::from_secs(3));
        hears("the agent", calls.played(1, 1.0), [false, true, true]);
        hears("the customer", calls.played(2, 1.0), [true, false, false]);
        let (pcm, _) = &heard[&(CustomerEar as u8)];
        hears("the tap", levels(&pcm[16_000..], 16_000), [true, false, false]);
        drop(speaking.join().unwrap());
        let (reason, _) = calls.closed(1, 2);
        assert_eq!(reason, "the client is gone");
        calls.phone.pass(1.0);
        hears("the agent, afterwards,", calls.played(1, 0.3), [false, true, false]);
    }
}

#[test]
fn a_program_speaks_in_the_agents_place_and_hears_it() {
    undisturbed(a_program_speaks);
}

fn a_program_speaks() {
    let mut calls = Calls::new(&[CodecKind::Opus], true);
    let mut program = calls.open(1, 1, &[AgentMouth], Replace, 48_000);
    let mut voice = program.try_clone().unwrap();
    let speaking = std::thread::spawn(move || voice.write_all(&speech(AgentMouth, 48_000, 3.0)));
    let heard = listen(&mut program, Duration::from_secs(2));
    hears("the program", levels(&heard[&2].0[48_000..], 48_000), [true, false, false]);
    hears("the customer", calls.played(2, 0.5), [false, false, true]);
    speaking.join().unwrap().unwrap();
    calls.phone.pass(2.0);
    hears("the customer, of a program that is silent,", calls.played(2, 0.3), [false, false, false]);
    calls.phone.tell(1, MediaCommand::CloseSocket(1));
    calls.phone.pass(1.2);
    hears("the customer, afterwards,", calls.played(2, 0.3), [true, false, false]);
}

#[test]
fn who_may_not_or_speaks_wrongly_is_turned_away() {
    undisturbed(who_may_not);
}

fn who_may_not() {
    let mut calls = Calls::new(&[CodecKind::Pcmu], false);
    let mut stranger = calls.open(1, 1, &[CustomerMouth], Tap, 8_000);
    stranger.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(stranger.read(&mut [0; 8]).unwrap(), 0, "turned away");
    let mut calls = {
        calls.phone.tell(1, MediaCommand::Close);
        assert_eq!(calls.closed(1, 1).0, "the call is over");
        Calls::new(&[CodecKind::Pcmu], true)
    };
    for (id, bytes) in
        [(1, &b"GET / HTTP/1.1\r\n"[..]), (2, &[9, 0, 2, 0, 0, 0, 0, 0, 1, 1]), (3, &[0, 0, 2, 0, 0, 0, 0, 0, 1, 1])]
    {
        let mut wrong = calls.open(1, id, &[AgentEar], Inject, 8_000);
        wrong.write_all(bytes).unwrap();
        let (reason, _) = calls.closed(1, id);
        assert!(reason.contains("point") || reason.contains("record") || reason.contains("sound"), "{reason}");
    }
    let left: Vec<_> = std::fs::read_dir(calls.dir.path().join("audio")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    hears(
        "the customer",
        {
            calls.phone.pass(1.0);
            calls.played(2, 0.3)
        },
        [true, false, false],
    );
    assert!(Path::new(calls.dir.path()).exists());
}
