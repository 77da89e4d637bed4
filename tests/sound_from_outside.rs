//! Over the API, between two daemons: an announcement is heard by the far end, hold music by who is held, a program of Python's
//! whispers to the agent alone and hears both sides; what is played and every socket end before their call does.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;

use std::process::{Command, Stdio};

use common::daemon::{Client, Daemon, Setup, trunk};
use common::tone::{Sound, write};
use common::wait::{poll, secs};
use serde_json::{Value, json};

/// The agent's voice, the customer's, the announcement's, the music's and the program's.
const AGENT: u32 = 440;
const CUSTOMER: u32 = 700;
const FILE: f64 = 1_500.0;
const MUSIC: f64 = 1_000.0;
const PROGRAM: f64 = 2_000.0;

/// Both ends of a call: agent, far end, and the agent's callId.
struct Call {
    agent: Daemon,
    far: Daemon,
    a: Client,
    f: Client,
    id: String,
    theirs: String,
}

fn call() -> Call {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("hello.wav"), 16_000, FILE, 2);
    write(&dir.path().join("hold.wav"), 44_100, MUSIC, 2);
    let place = dir.path().display().to_string();
    let agent = Daemon::start_in(
        dir,
        &Setup {
            audio: format!("input = \"null\"\noutput = \"null\"\nringer = \"null\"\nplay_dirs = [\"{place}\"]"),
            phone: "hold_music = \"hold.wav\"".into(),
            tables: trunk("agent", AGENT),
            ..Setup::default()
        },
    );
    let far = Daemon::start(&Setup { tables: trunk("far", CUSTOMER), ..Setup::default() });
    let (mut a, mut f) = (agent.connect(), far.connect());
    let id = a.dial("agent", &format!("sip:far@127.0.0.1:{}", far.port));
    let theirs = f.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    f.verb("answer", &theirs);
    a.wait_event("confirmed", |_| true);
    far.hears("far", f64::from(AGENT));
    agent.hears("agent", f64::from(CUSTOMER));
    Call { agent, far, a, f, id, theirs }
}

/// Waits until the last half second of a file is these tones, and none of the others.
#[track_caller]
fn hears(daemon: &Daemon, name: &str, wanted: &[f64]) {
    let all = [f64::from(AGENT), f64::from(CUSTOMER), FILE, MUSIC, PROGRAM];
    let shares = || {
        let sound = Sound::read(&daemon.dir().join(format!("{name}.wav")))?.last(0.5);
        Some((sound.level(), all.map(|hz| sound.share(hz))))
    };
    let fits = |(level, shares): &(f64, [f64; 5])| {
        *level > 0.02
            && all.iter().zip(shares).all(|(hz, share)| if wanted.contains(hz) { *share > 0.2 } else { *share < 0.02 })
    };
    let heard = poll(secs(20), || shares().filter(fits));
    assert!(heard.is_some(), "{name} hears {all:?} as {:?}, wanted {wanted:?}", shares());
}

#[test]
fn announcements_and_music_reach_whom_they_are_for() {
    let mut call = call();
    let play = |a: &mut Client, id: &str, file: &str, to: &str| {
        a.call("audio.play", json!({ "callId": id, "file": file, "to": to, "loop": true }))
    };
    assert_eq!(play(&mut call.a, &call.id, "hello.wav", "remote").unwrap(), true);
    let told = call.a.wait_event("audio.playing", |_| true);
    assert_eq!((&told["data"]["file"], &told["data"]["durationMs"]), (&json!("hello.wav"), &json!(2_000)));
    hears(&call.far, "far", &[f64::from(AGENT), FILE]);
    hears(&call.agent, "agent", &[f64::from(CUSTOMER)]);
    assert_eq!(play(&mut call.a, &call.id, "hello.wav", "local").unwrap(), true);
    assert_eq!(call.a.wait_event("audio.played", |_| true)["data"]["cause"], "replaced");
    hears(&call.agent, "agent", &[f64::from(CUSTOMER), FILE]);
    hears(&call.far, "far", &[f64::from(AGENT)]);
    assert_eq!(call.a.call("audio.stop", json!({ "callId": call.id })).unwrap(), true);
    assert_eq!(call.a.wait_event("audio.played", |_| true)["data"]["cause"], "stopped");
    assert_eq!(call.a.call("audio.stop", json!({ "callId": call.id })).unwrap(), true, "nothing to stop is no fault");
    for (file, code) in [("/etc/passwd", -231), ("../phoned.toml", -231), ("log", -221), ("", -32602)] {
        assert_eq!(play(&mut call.a, &call.id, file, "remote").unwrap_err().code, code, "{file}");
    }
    let ctl = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phonectl"));
        let output = command.arg("--socket").arg(call.agent.socket()).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    ctl(&["play", "hello.wav", "--loop"]);
    hears(&call.far, "far", &[f64::from(AGENT), FILE]);
    ctl(&["stop-play"]);
    hears(&call.far, "far", &[f64::from(AGENT)]);
    let path = ctl(&["audio", "agentEar", "customerMouth", "--mode", "replace"]);
    assert!(std::path::Path::new(path.trim()).exists(), "{path}");
    std::thread::sleep(secs(1));
    hears(&call.agent, "agent", &[f64::from(CUSTOMER)]); // nobody has come to put anything in its place
    let name = path.trim().rsplit('/').next().unwrap().trim_end_matches(".sock").to_owned();
    assert_eq!(call.a.call("audio.close", json!({ "callId": call.id, "audioId": name })).unwrap(), true);
    hears(&call.agent, "agent", &[f64::from(CUSTOMER)]);
    call.a.verb("hold", &call.id);
    hears(&call.far, "far", &[MUSIC]);
    call.agent.hears_nothing("agent");
    assert_eq!(play(&mut call.a, &call.id, "hello.wav", "remote").unwrap(), true, "whoever waits may be told so");
    hears(&call.far, "far", &[MUSIC, FILE]);
    call.a.verb("unhold", &call.id);
    hears(&call.far, "far", &[f64::from(AGENT), FILE]);
    let opened = open(&mut call.a, &call.id, &["agentEar"], "tap");
    assert_eq!(call.a.call("audio.close", json!({ "callId": call.id, "audioId": "x" })).unwrap_err().code, -215);
    call.f.verb("hangup", &call.theirs);
    call.a.wait_event("deleteSession", |_| true);
    let story = call.a.story(&call.id);
    let at = |name: &str| story.iter().rposition(|event| event == name).unwrap_or_else(|| panic!("{name}: {story:?}"));
    assert!(at("audio.played") < at("ended") && at("audio.closed") < at("ended"), "{story:?}");
    let path = opened["path"].as_str().unwrap();
    assert!(poll(secs(20), || (!std::path::Path::new(path).exists()).then_some(())).is_some(), "its socket is gone");
}

fn open(client: &mut Client, call: &str, ports: &[&str], mode: &str) -> Value {
    client.call("audio.open", json!({ "callId": call, "ports": ports, "mode": mode })).unwrap()
}

/// A coach: whispers a tone for three seconds. `argv`: where to speak.
const COACH: &str = r#"
import math, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
for n in range(150):
    pcm = [int(8000 * math.sin(2 * math.pi * 2000 * (n * 320 + i) / 16000)) for i in range(320)]
    s.sendall(struct.pack("<BBHI320h", 3, 0, 640, 0, *pcm))
sys.stdin.read()
"#;

/// A transcriber: a second of each point, and how much of it is each side's tone.
const TRANSCRIBER: &str = r#"
import math, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
stream, heard = s.makefile("rb"), {}
while len(heard) < 2 or any(len(pcm) < 16000 for pcm in heard.values()):
    point, _, length, at = struct.unpack("<BBHI", stream.read(8))
    heard.setdefault(point, []).extend(struct.unpack("<%dh" % (length // 2), stream.read(length)))
for point, pcm in sorted(heard.items()):
    pcm = pcm[-8000:]
    def share(hz):
        c = sum(x * math.cos(2 * math.pi * hz * i / 16000) for i, x in enumerate(pcm))
        d = sum(x * math.sin(2 * math.pi * hz * i / 16000) for i, x in enumerate(pcm))
        return 2 * (c * c + d * d) / len(pcm) / max(1, sum(x * x for x in pcm))
    print(point, *("%d:%d" % (hz, 100 * share(hz)) for hz in (440, 700, 2000)))
"#;

#[test]
fn a_coach_and_a_transcriber_join_a_call() {
    let mut call = call();
    let python = |program: &str, socket: &Value| {
        let path = socket["path"].as_str().unwrap();
        Command::new("python3")
            .args(["-c", program, path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let ear = open(&mut call.a, &call.id, &["agentEar"], "inject");
    assert_eq!((&ear["format"], &ear["mode"]), (&json!("s16le-16000"), &json!("inject")));
    let mut coach = python(COACH, &ear);
    hears(&call.agent, "agent", &[f64::from(CUSTOMER), PROGRAM]);
    hears(&call.far, "far", &[f64::from(AGENT)]);
    let mouths = open(&mut call.a, &call.id, &["customerMouth", "agentMouth"], "tap");
    let said = python(TRANSCRIBER, &mouths).wait_with_output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let rows: Vec<Vec<i32>> =
        said.lines().map(|line| line.split([' ', ':']).map(|word| word.parse().unwrap()).collect()).collect();
    // point, then tone and percent: the customer's mouth has 700 Hz, the agent's 440, neither the whisper
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), [0, 2], "{said}");
    assert!(rows[0][4] > 80 && rows[0][6] < 2 && rows[1][2] > 80 && rows[1][6] < 2, "{said}");
    let gone = call.a.wait_event("audio.closed", |e| e["data"]["audioId"] == mouths["audioId"]);
    assert_eq!(gone["data"]["reason"], "the client is gone");
    drop(coach.stdin.take());
    coach.wait().unwrap();
    let gone = call.a.wait_event("audio.closed", |e| e["data"]["audioId"] == ear["audioId"]);
    assert_eq!(gone["data"]["frames"], 0);
    hears(&call.agent, "agent", &[f64::from(CUSTOMER)]);
}
