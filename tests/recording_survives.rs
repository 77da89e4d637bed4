//! Recordings of a daemon: after `kill -9` each plays with at most a second missing, the next start closes it, and its call has one
//! record that names it (10 kills; 100 with PHONED_SOAK=1); a full disk is told and never touches the call; users list, prove and
//! delete them, and reach nothing else; what is too old goes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::wait::{now, poll, secs, soak, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

mod common;

/// A daemon that answers every call.
fn callee() -> Daemon {
    let account = trunk("bob", 880).trim_end().to_owned() + "\nauto_answer = 0\n";
    Daemon::start(&Setup {
        tables: account,
        phone: "rtp_timeout = 5".into(),
        media: "codecs = [\"pcmu\"]".into(),
        ..Setup::default()
    })
}

/// A daemon that calls it and records into `dir`.
fn caller(peer: &Daemon, dir: &Path, record: &str) -> Daemon {
    caller_in(tempfile::tempdir().expect("a folder"), peer, dir, record)
}

/// As `caller`, with a folder of the daemon's own.
fn caller_in(own: tempfile::TempDir, peer: &Daemon, dir: &Path, record: &str) -> Daemon {
    let account = trunk("alice", 440).trim_end().to_owned();
    let tables = format!(
        "{account}\nproxies = [\"sip:127.0.0.1:{};lr\"]\n\n[record]\ndir = \"{}\"\nmin_free_mb = 0\n{record}\n",
        peer.port,
        dir.display()
    );
    Daemon::start_in(own, &Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() })
}

/// A folder whose state is in `kept`, which outlives the daemon.
fn with_state(kept: &Path) -> tempfile::TempDir {
    let own = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(kept, own.path().join("state")).expect("a link");
    own
}

fn talk(client: &mut Client, peer: &Daemon) -> String {
    let call = client.dial("alice", &format!("sip:bob@127.0.0.1:{}", peer.port));
    client.wait_event("confirmed", |event| event["callId"] == *call);
    call
}

fn sounds(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(sounds(&entry.path()));
        } else if entry.path().extension().is_some_and(|e| e == "wav" || e == "ogg") {
            found.push(entry.path());
        }
    }
    found
}

/// What a strict reader plays of a file, s.
fn plays(path: &Path) -> f64 {
    if path.extension().is_some_and(|extension| extension == "ogg") {
        return plays_ogg(path);
    }
    let mut wav = hound::WavReader::open(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let (frames, rate) = (f64::from(wav.duration()), f64::from(wav.spec().sample_rate));
    let samples = wav.samples::<i16>().collect::<Result<Vec<_>, _>>().expect("every sample");
    assert_eq!(samples.len() as f64, 2.0 * frames);
    frames / rate
}

fn plays_ogg(path: &Path) -> f64 {
    let mut packets = ogg::PacketReader::new(std::fs::File::open(path).expect("a file"));
    let head = packets.read_packet_expected().expect("a head").data;
    assert_eq!(head[..8], *b"OpusHead");
    let skip = u64::from(u16::from_le_bytes([head[10], head[11]]));
    assert_eq!(packets.read_packet_expected().expect("tags").data[..8], *b"OpusTags");
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).expect("a decoder");
    let (mut pcm, mut frames, mut end) = (vec![0i16; 2 * 5_760], 0, 0);
    while let Some(packet) = packets.read_packet().expect("whole pages") {
        frames += decoder.decode(&packet.data, &mut pcm, false).expect("a packet") as u64;
        end = packet.absgp_page();
    }
    assert!(frames >= end, "{frames} {end}");
    end.saturating_sub(skip) as f64 / 48_000.0
}

#[test]
fn kill_9_costs_a_second_at_most() {
    let rounds = if soak() { 100 } else { 10 };
    let (bob, dir, kept) = (callee(), tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut chance = u64::from(std::process::id()) * 7_919;
    // A busy machine's writer is late now and then, by less than as much again; one with nothing else to do never is.
    let most = if soak() { 1.0 } else { 2.0 };
    let (mut worst, mut late): (f64, u64) = (0.0, 0);
    for round in 0..rounds {
        let format = if round % 2 == 0 { "" } else { "format = \"ogg\"" };
        let alice = caller_in(with_state(kept.path()), &bob, dir.path(), format);
        let mut client = alice.connect();
        let mut begun = Vec::new();
        for _ in 0..3 {
            let call = talk(&mut client, &bob);
            client.verb("startRecord", &call);
            begun.push((call, now()));
        }
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(200 + (chance >> 33) % 1_800));
        kill(Pid::from_raw(alice.pid() as i32), Signal::SIGKILL).expect("it lives");
        let killed = now();
        drop((client, alice));
        for (call, began) in &begun {
            let path = sounds(dir.path()).into_iter().find(|p| p.to_string_lossy().contains(call.as_str()));
            let path = path.unwrap_or_else(|| panic!("round {round}: no file of {call}"));
            let missing = (killed - *began).as_secs_f64() - plays(&path);
            worst = worst.max(missing);
            late += u64::from(missing > 1.0);
            assert!(missing <= most, "round {round}: {missing} s are missing in {path:?}");
        }
        // the next start closes them, and owes each call its record
        let alice = caller_in(with_state(kept.path()), &bob, dir.path(), "");
        let mut client = alice.connect();
        let newest = json!({"size": 3, "sortBy": "id", "orderBy": "desc"});
        let page = until("each call's record", secs(30), || {
            let page = client.call("cdr.query", newest.clone()).expect("records");
            (page["total"].as_u64() >= Some(3 * (round + 1))).then_some(page)
        });
        assert_eq!(page["total"], 3 * (round + 1), "round {round}: one record a call");
        for (call, _) in &begun {
            let list = client.call("recording.list", json!({"callId": call})).expect("a list");
            let found = &list["recordings"][0];
            assert_eq!((&list["total"], &found["state"]), (&1.into(), &"recovered".into()), "{list}");
            let cdrs: Vec<_> =
                page["cdrs"].as_array().expect("an array").iter().filter(|cdr| cdr["callId"] == **call).collect();
            assert_eq!(cdrs.len(), 1, "round {round}: {page}");
            assert_eq!(
                (&cdrs[0]["recording"], &cdrs[0]["cause"]),
                (&found["path"], &"Internal Error".into()),
                "{page}"
            );
            let verified = client.call("recording.verify", json!({"id": found["id"]})).expect("an answer");
            assert_eq!(verified["valid"], true);
            let told = found["durationMs"].as_f64().expect("a number") / 1_000.0;
            assert!((plays(Path::new(found["path"].as_str().expect("a path"))) - told).abs() < 0.002);
        }
        assert!(alice.stop());
    }
    println!("{rounds} kills, at most {worst:.3} s missing");
    assert!(late <= rounds * 3 / 10, "{late} of {} recordings miss more than a second", 3 * rounds);
}

/// A disk of 1 MB; none where only root may mount.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Disk> {
        let dir = tempfile::tempdir().expect("a folder");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(dir.path()).output();
        mount.is_ok_and(|done| done.status.success()).then_some(Disk(dir))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_the_call_goes_on() {
    let Some(disk) = Disk::mount() else { return println!("skipped: it takes root to mount a small disk") };
    let dir = disk.0.path();
    let bob = callee();
    let alice = caller(&bob, dir, "");
    let mut client = alice.connect();
    let call = talk(&mut client, &bob);
    std::fs::write(dir.join("ballast"), vec![1u8; 900 * 1024]).expect("room");
    client.verb("startRecord", &call);
    let failed = client.wait_event_for("recording.failed", secs(20), |event| event["callId"] == *call);
    let alert = client.wait_event("alert", |event| event["data"]["kind"] == "recordingFailed");
    assert_eq!(alert["callId"], *call);
    let snapshot = client.verb("get", &call);
    assert_eq!(
        (&snapshot["status"]["callStatus"], &snapshot["status"]["recordStatus"]),
        (&"talking".into(), &"stop".into())
    );
    // what was recorded plays
    let path = PathBuf::from(failed["data"]["path"].as_str().expect("a path"));
    let played = poll(secs(20), || Some(plays(&path)).filter(|seconds| *seconds > 1.0));
    assert!(played.is_some(), "{}", plays(&path));
    // nothing fits any more: refused, and the call still goes on
    let mut rest = std::fs::File::create(dir.join("rest")).expect("a name");
    while std::io::Write::write_all(&mut rest, &[0; 512]).is_ok() {}
    let refused = client.call("session.startRecord", json!({"callId": call})).expect_err("no room");
    assert_eq!(refused.code, -221);
    bob.hears("bob", 440.0);
    alice.hears("alice", 880.0);
    std::fs::remove_file(dir.join("ballast")).expect("it is there");
    client.verb("startRecord", &call);
    client.verb("hangup", &call);
    client.wait_event("recording.stopped", |event| event["callId"] == *call);
    assert!(alice.stop() && bob.stop());
}

#[test]
fn users_list_prove_and_delete_recordings_and_reach_nothing_else() {
    let (bob, dir) = (callee(), tempfile::tempdir().expect("a folder"));
    let old = dir.path().join("2020-01-01");
    std::fs::create_dir(&old).expect("a folder");
    let alice = caller(&bob, dir.path(), "format = \"ogg\"\nmax_age_days = 30");
    let mut client = alice.connect();
    let call = talk(&mut client, &bob);

    let phonectl = |what: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phonectl"));
        command.arg("--socket").arg(alice.socket()).args(["--json", "record", what]);
        let done = command.output().expect("phonectl");
        assert!(done.status.success(), "{done:?}");
        serde_json::from_slice::<serde_json::Value>(&done.stdout).expect("JSON")
    };
    assert_eq!(phonectl("start"), true);
    let open = client.call("recording.list", json!({})).expect("a list");
    assert_eq!(open["recordings"][0]["state"], "open");
    let id = open["recordings"][0]["id"].clone();
    assert_eq!(client.call("recording.delete", json!({"id": id})).expect_err("it is open").code, -215);
    assert_eq!(client.call("recording.verify", json!({"id": id})).expect_err("it is open").code, -215);
    assert_eq!(phonectl("pause"), true);
    std::thread::sleep(Duration::from_millis(100)); // a pause within one tick is none
    assert_eq!(phonectl("start"), true);
    std::thread::sleep(Duration::from_millis(700));
    let file = phonectl("stop");
    assert_eq!(file["path"], dir.path().join(id.as_str().expect("text")).display().to_string());

    let got = client.call("recording.get", json!({"id": id})).expect("it is there");
    assert_eq!(
        (&got["state"], &got["sha256"], &got["durationMs"]),
        (&"closed".into(), &file["sha256"], &file["durationMs"])
    );
    assert_eq!(
        (&got["callId"], &got["account"], &got["markers"][0]["kind"]),
        (&call.as_str().into(), &"alice".into(), &"pause".into())
    );
    assert_eq!(client.call("recording.verify", json!({"id": id})).expect("an answer")["valid"], true);
    std::fs::OpenOptions::new()
        .append(true)
        .open(file["path"].as_str().expect("text"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
        .expect("a byte more");
    assert_eq!(client.call("recording.verify", json!({"id": id})).expect("an answer")["valid"], false);

    // a link that leads out, beside a file that would be accepted
    let outside = alice.dir().join("outside.wav");
    std::fs::write(&outside, b"secret").expect("a file");
    std::fs::write(alice.dir().join("outside.wav.json"), b"{}").expect("a file");
    std::os::unix::fs::symlink(alice.dir(), dir.path().join("link")).expect("a link");
    let up = format!("../{}/outside.wav", alice.dir().file_name().expect("a name").to_string_lossy());
    for evil in
        [up.as_str(), outside.to_str().expect("text"), "link/outside.wav", "", ".", "..", "nobody.wav", "2020-01-01"]
    {
        for method in ["recording.get", "recording.verify", "recording.delete"] {
            let refused = client.call(method, json!({"id": evil})).expect_err(evil);
            assert_eq!(refused.code, -32602, "{method} {evil}");
        }
    }
    assert!(outside.exists());
    assert_eq!(client.call("recording.delete", json!({"id": id})).expect("gone"), true);
    assert!(!Path::new(file["path"].as_str().expect("text")).exists());
    assert_eq!(client.call("recording.list", json!({})).expect("a list")["total"], 0);
    client.verb("hangup", &call);
    assert!(alice.stop() && bob.stop());
}

#[test]
fn what_is_too_old_goes_and_a_stop_closes_what_is_open() {
    let (bob, dir) = (callee(), tempfile::tempdir().expect("a folder"));
    let alice = caller(&bob, dir.path(), "");
    let mut client = alice.connect();
    for _ in 0..2 {
        let call = talk(&mut client, &bob);
        client.verb("startRecord", &call);
    }
    std::thread::sleep(Duration::from_millis(300));
    // the end of the daemon ends the calls, and their recordings are closed
    assert!(alice.stop());
    let all = sounds(dir.path());
    assert_eq!(all.len(), 2);
    for sound in &all {
        let side = std::fs::read_to_string(format!("{}.json", sound.display())).expect("its side file");
        assert!(side.contains("\"state\": \"closed\""), "{side}");
        assert!(plays(sound) > 0.05);
    }
    let past = std::time::SystemTime::now() - Duration::from_secs(3 * 86_400);
    std::fs::File::options().write(true).open(&all[0]).and_then(|file| file.set_modified(past)).expect("an old file");
    let alice = caller(&bob, dir.path(), "max_age_days = 2");
    let left = poll(secs(20), || Some(sounds(dir.path())).filter(|left| left.len() == 1));
    assert_eq!(left, Some(vec![all[1].clone()]));
    assert!(alice.stop() && bob.stop());
}
