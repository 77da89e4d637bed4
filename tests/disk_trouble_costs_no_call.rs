//! A disk that stands still, or is full, under the event log and a recording at once: calls go on and sound, events go out from
//! memory, `alert` says so; afterwards the recording is whole save a gap that is marked and told, and the next start has a new epoch
//! only when something was lost.
//!
//! A frozen ext4 in a file is the disk that stands still: for 6 s; with `PHONED_SOAK` for a
//! minute. Without the right to mount the tests say that they did not run.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::tone::Sound;
use common::wait::{now, poll, secs, soak, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A file system of its own.
struct Disk {
    dir: tempfile::TempDir,
    _image: tempfile::TempDir,
}

impl Disk {
    /// An ext4 in a file; None, and why, where that may not be mounted.
    fn ext4() -> Option<Disk> {
        let image = tempfile::tempdir().unwrap();
        let file = image.path().join("ext4");
        std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
        let disk = Disk { dir: tempfile::tempdir().unwrap(), _image: image };
        let path = disk.dir.path();
        (run("mkfs.ext4", &["-q"], &[&file])
            && run("mount", &["-o", "loop"], &[&file, path])
            && run("fsfreeze", &["-f"], &[path])
            && run("fsfreeze", &["-u"], &[path]))
        .then_some(disk)
    }

    /// One megabyte.
    fn small() -> Option<Disk> {
        let disk = Disk { dir: tempfile::tempdir().unwrap(), _image: tempfile::tempdir().unwrap() };
        run("mount", &["-t", "tmpfs", "-o", "size=1m", "none"], &[disk.path()]).then_some(disk)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Every write waits until the `Frozen` is dropped, also by the end of this process.
    fn freeze(&self) -> Frozen {
        let mut command = Command::new("sh");
        command.args(["-c", "fsfreeze -f \"$1\" && echo frozen; read -r _; fsfreeze -u \"$1\"", "sh"]).arg(self.path());
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "frozen\n");
        Frozen(shell)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).stderr(Stdio::null()).status();
    }
}

struct Frozen(Child);

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn run(program: &str, args: &[&str], paths: &[&Path]) -> bool {
    match Command::new(program).args(args).args(paths).output() {
        Ok(done) if done.status.success() => true,
        Ok(done) => {
            println!("not run: {program}: {}", String::from_utf8_lossy(&done.stderr).trim());
            false
        }
        Err(error) => {
            println!("not run: {program}: {error}");
            false
        }
    }
}

/// A daemon that answers every call, on a disk of its own.
fn bob() -> Daemon {
    let tables = trunk("bob", 880).trim_end().to_owned() + "\nauto_answer = 0\n";
    Daemon::start(&Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() })
}

/// A daemon whose log and recordings are on `disk`, and nothing else of it.
fn alice(disk: &Disk) -> (Daemon, Client) {
    let own = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(disk.path().join("state"), own.path().join("state")).unwrap();
    for folder in ["state", "recordings"] {
        std::fs::create_dir_all(disk.path().join(folder)).unwrap();
    }
    let recordings = disk.path().join("recordings");
    let tables = format!("{}[record]\ndir = \"{}\"\nmin_free_mb = 0\n", trunk("alice", 440), recordings.display());
    let phone = "dials_per_second = 1000".into();
    let daemon =
        Daemon::start_in(own, &Setup { tables, media: "codecs = [\"pcmu\"]".into(), phone, ..Setup::default() });
    let client = daemon.connect();
    (daemon, client)
}

fn talk(client: &mut Client, bob: &Daemon) -> String {
    let call = client.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    client.wait_event("confirmed", |event| event["callId"] == *call);
    call
}

fn epoch(client: &mut Client) -> String {
    client.call("daemon.info", json!({})).unwrap()["epoch"].as_str().unwrap().to_owned()
}

/// A call's mute is told, whatever the disk does; how long it took.
fn told_at_once(client: &mut Client, call: &str, mute: bool) {
    let began = now();
    client.verb(if mute { "mute" } else { "unmute" }, call);
    client.wait_event("statusChange", |e| e["callId"] == *call && e["data"]["newStatus"]["isMute"] == mute);
    let took = began.elapsed();
    assert!(took < secs(10), "an event waited {took:?} for the disk");
}

/// Waits until that is what was said last of the log's disk.
fn disk_is(client: &mut Client, state: &str) {
    until(&format!("an alert that the disk is {state}"), secs(20), || {
        let last = client.events().iter().rfind(|e| e["event"] == "alert" && e["data"]["kind"] == "disk");
        last.filter(|e| e["data"]["state"] == state).map(|_| ())
    });
}

/// Everything in the log from the first seq on; an error where there is a hole.
fn replay(client: &mut Client) -> Result<Vec<Value>, i64> {
    let (mut all, mut next) = (Vec::new(), Some(1));
    while let Some(from) = next {
        let answer = client.call("events.replay", json!({ "fromSeq": from })).map_err(|refusal| refusal.code)?;
        all.extend(answer["events"].as_array().unwrap().iter().cloned());
        next = answer["nextSeq"].as_u64();
    }
    Ok(all)
}

fn side_file(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(format!("{path}.json")).unwrap()).unwrap()
}

/// Both sides of a recording.
fn sides(path: &str) -> [Sound; 2] {
    let mut wav = hound::WavReader::open(path).unwrap();
    let rate = wav.spec().sample_rate;
    let all: Vec<f64> = wav.samples::<i16>().map(|s| f64::from(s.unwrap()) / 32768.0).collect();
    [0, 1].map(|side| Sound { rate, samples: all.iter().skip(side).step_by(2).copied().collect() })
}

#[test]
fn a_disk_that_stands_still_costs_a_gap_in_the_recording_and_no_event() {
    let Some(disk) = Disk::ext4() else { return };
    let stand = secs(if soak() { 60 } else { 6 });
    let bob = bob();
    let (daemon, mut client) = alice(&disk);
    let life = epoch(&mut client);
    let call = talk(&mut client, &bob);
    client.verb("startRecord", &call);
    let began = now();
    std::thread::sleep(secs(1));

    let (frozen, stood) = (disk.freeze(), now());
    told_at_once(&mut client, &call, true);
    disk_is(&mut client, "stalled");
    told_at_once(&mut client, &call, false);
    client.wait_event("alert", |e| e["callId"] == *call && e["data"]["kind"] == "recordingStalled");
    bob.hears("bob", 440.0);
    daemon.hears("alice", 880.0);
    // Another call begins and ends meanwhile; its recording cannot begin.
    let other = talk(&mut client, &bob);
    let record = client.send("session.startRecord", json!({"callId": other}));
    client.send("session.hangup", json!({"callId": other}));
    assert_eq!(client.reply(record, secs(20)).unwrap_err().code, -215);
    client.wait_event("cdrChange", |e| e["callId"] == *other);
    // What is on the disk can be read.
    for (method, params) in [
        ("events.replay", json!({"fromSeq": 1})),
        ("cdr.query", json!({})),
        ("recording.list", json!({})),
        ("daemon.health", json!({})),
    ] {
        let asked = now();
        client.call(method, params).unwrap();
        assert!(asked.elapsed() < secs(10), "{method} waited {:?} for the disk", asked.elapsed());
    }
    std::thread::sleep(stand.saturating_sub(stood.elapsed()));
    drop(frozen);
    let stood = stood.elapsed().as_secs_f64();

    let gap =
        client.wait_event("alert", |e| e["callId"] == *call && e["data"]["kind"] == "recordingGap")["data"].clone();
    disk_is(&mut client, "ok");
    std::thread::sleep(secs(2));
    let file = client.verb("stopRecord", &call);
    let lasted = began.elapsed().as_secs_f64();
    client.verb("hangup", &call);
    client.wait_event("cdrChange", |e| e["callId"] == *call);
    // The ring holds 2 s: what came after them is missing, and its place is kept.
    let (at, length) = (gap["atMs"].as_f64().unwrap() / 1e3, gap["lengthMs"].as_f64().unwrap() / 1e3);
    println!("stood still for {stood:.2} s: a gap of {length:.2} s at {at:.2} s of {lasted:.2} s");
    assert!((stood - 2.5..stood).contains(&length), "{gap} of {stood} s");
    let path = file["path"].as_str().unwrap();
    let side = side_file(path);
    let marked = json!({"atMs": gap["atMs"], "kind": "gap", "lengthMs": gap["lengthMs"]});
    assert!(side["markers"].as_array().unwrap().contains(&marked), "{side} has not {marked}");
    let [left, right] = sides(path);
    assert!((left.seconds() * 1e3 - file["durationMs"].as_f64().unwrap()).abs() < 2.0, "{file}");
    assert!((left.seconds() - lasted).abs() < 1.5, "{} s of {lasted} s", left.seconds());
    for (sound, hz) in [(&left, 440.0), (&right, 880.0)] {
        assert!(sound.cut(at + 0.02, at + length - 0.02).samples.iter().all(|s| *s == 0.0), "the gap is silent");
        assert!(sound.cut(0.2, 0.9).has_tone(hz) && sound.last(1.0).has_tone(hz), "before and after it sounds");
    }
    // Nothing is missing in the log: the epoch goes on.
    let seen = client
        .events()
        .iter()
        .filter(|e| e["event"] != "callReport" && e["event"] != "updateTimer")
        .cloned()
        .collect::<Vec<_>>();
    assert!(daemon.stop());
    let (daemon, mut client) = alice(&disk);
    assert_eq!(epoch(&mut client), life);
    let kept = replay(&mut client).expect("no hole");
    for event in &seen {
        let same =
            |k: &&Value| (&k["seq"], &k["event"], &k["data"]) == (&event["seq"], &event["event"], &event["data"]);
        assert!(kept.iter().any(|k| same(&k)), "not in the log: {event}");
    }
    let page = client.call("cdr.query", json!({})).unwrap();
    assert_eq!(page["total"], 2, "{page}");
    assert!(daemon.stop() && bob.stop());
}

#[test]
fn a_short_stall_costs_nothing() {
    let Some(disk) = Disk::ext4() else { return };
    let bob = bob();
    let (daemon, mut client) = alice(&disk);
    let call = talk(&mut client, &bob);
    client.verb("startRecord", &call);
    std::thread::sleep(secs(1));
    let began = now();
    let frozen = disk.freeze();
    std::thread::sleep(Duration::from_millis(800));
    drop(frozen);
    let stood = began.elapsed();
    std::thread::sleep(secs(1));
    let file = client.verb("stopRecord", &call);
    if stood > Duration::from_millis(1_800) {
        return common::machine::left_out(&format!("a short stall of a disk: this one stood still for {stood:?}"));
    }
    assert!(!client.events().iter().any(|e| e["data"]["kind"] == "recordingStalled"), "two seconds fit");
    let [left, right] = sides(file["path"].as_str().unwrap());
    for (sound, hz) in [(left, 440.0), (right, 880.0)] {
        assert!(sound.cut(0.2, sound.seconds() - 0.1).has_tone(hz), "whole");
    }
    assert!(daemon.stop() && bob.stop());
}

#[test]
fn what_is_given_up_in_a_stall_ends_the_epoch() {
    let Some(disk) = Disk::ext4() else { return };
    let bob = bob();
    let (daemon, mut client) = alice(&disk);
    let life = epoch(&mut client);
    let call = talk(&mut client, &bob);
    let frozen = disk.freeze();
    // More than may wait: 4096 entries, and what is being written.
    for turn in 0..5_000 {
        client.verb(if turn % 2 == 0 { "mute" } else { "unmute" }, &call);
    }
    disk_is(&mut client, "stalled");
    bob.hears("bob", 440.0);
    drop(frozen);
    disk_is(&mut client, "ok");
    client.verb("hangup", &call);
    client.wait_event("cdrChange", |e| e["callId"] == *call);
    assert!(daemon.stop());
    let (daemon, mut client) = alice(&disk);
    assert_ne!(epoch(&mut client), life, "a hole in the log");
    assert_eq!(replay(&mut client), Err(-226), "and it is said where it is");
    assert!(daemon.stop() && bob.stop());
}

#[test]
fn a_kill_in_a_stall_ends_the_epoch() {
    let Some(disk) = Disk::ext4() else { return };
    let bob = bob();
    let (daemon, mut client) = alice(&disk);
    let life = epoch(&mut client);
    let call = talk(&mut client, &bob);
    let frozen = disk.freeze();
    told_at_once(&mut client, &call, true);
    disk_is(&mut client, "stalled");
    (0..20).for_each(|turn| told_at_once(&mut client, &call, turn % 2 == 1));
    let seen = client.events().iter().filter_map(|e| e["seq"].as_u64()).max().unwrap();
    kill(Pid::from_raw(daemon.pid() as i32), Signal::SIGKILL).unwrap();
    // A thread that waits for the disk ends when the disk goes on.
    drop(frozen);
    drop(client);
    drop(daemon);
    let (daemon, mut client) = alice(&disk);
    let kept = replay(&mut client).map(|all| all.len() as u64);
    println!("{seen} events were seen, {kept:?} are kept");
    assert_ne!(epoch(&mut client), life, "{seen} events were seen, {kept:?} are kept");
    let page = until("the record of the call", secs(20), || {
        let page = client.call("cdr.query", json!({})).unwrap();
        (page["total"] != 0).then_some(page)
    });
    assert_eq!((&page["total"], &page["cdrs"][0]["cause"]), (&json!(1), &json!("Internal Error")), "{page}");
    assert!(daemon.stop() && bob.stop());
}

#[test]
fn a_full_disk_costs_the_recording_and_no_call() {
    let Some(disk) = Disk::small() else { return };
    let bob = bob();
    let (daemon, mut client) = alice(&disk);
    let life = epoch(&mut client);
    let call = talk(&mut client, &bob);
    client.verb("startRecord", &call);
    std::thread::sleep(secs(1));
    let mut ballast = std::fs::File::create(disk.path().join("ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
    let failed = client.wait_event_for("recording.failed", secs(20), |e| e["callId"] == *call);
    let path = PathBuf::from(failed["data"]["path"].as_str().unwrap());
    client.wait_event("alert", |e| e["data"]["kind"] == "recordingFailed");
    // The log too finds no room at last, and the events come all the same.
    let full = poll(secs(60), || {
        (0..20).for_each(|turn| told_at_once(&mut client, &call, turn % 2 == 0));
        client.events().iter().any(|e| e["data"]["kind"] == "disk" && e["data"]["state"] == "full").then_some(())
    });
    assert!(full.is_some(), "the log never told that its disk is full");
    assert_eq!(client.verb("get", &call)["status"]["callStatus"], "talking");
    bob.hears("bob", 440.0);
    daemon.hears("alice", 880.0);
    drop(ballast);
    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    disk_is(&mut client, "ok");
    client.verb("hangup", &call);
    client.wait_event("cdrChange", |e| e["callId"] == *call);
    assert!(Sound::read(&path).is_some_and(|s| s.seconds() > 0.3), "what was recorded plays");
    assert!(daemon.stop());
    let (daemon, mut client) = alice(&disk);
    assert_eq!(epoch(&mut client), life, "all was written after all");
    let kept = replay(&mut client).expect("no hole");
    assert!(kept.iter().map(|e| e["seq"].as_u64().unwrap()).eq(1..=kept.len() as u64));
    assert!(daemon.stop() && bob.stop());
}
