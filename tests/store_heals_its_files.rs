//! The store's files: a torn tail is cut and nothing else is lost; damage costs the damaged event and is told as a gap; what cannot be
//! known to be whole begins a new epoch; two daemons never write in one folder; what is too old or too much goes, and leaves nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use phoned::config::StoreConfig;
use phoned::store::{StartError, Started, Told, start};
use phoned::ua::event::Event;
use serde_json::json;

fn config(dir: &Path) -> StoreConfig {
    StoreConfig { dir: Some(dir.to_owned()), ..StoreConfig::default() }
}

/// The store, and how far it says that it is.
fn open(config: &StoreConfig, fresh: &str) -> (Started, Arc<Mutex<u64>>) {
    let written = Arc::new(Mutex::new(0));
    let theirs = written.clone();
    let tell = move |told: Told| match told {
        Told::Written(place) => *theirs.lock().unwrap() = place,
        // A disk that is busy.
        Told::Trouble("stalled", _) | Told::Well => {}
        other => panic!("{other:?}"),
    };
    (start(config, fresh.into(), Box::new(tell)).unwrap(), written)
}

fn event(seq: u64) -> Event {
    let data = json!({ "kind": "test", "pad": "x".repeat(100) });
    Event {
        seq,
        sample: false,
        wall: 1_795_395_346_001,
        name: "alert".into(),
        call_id: None,
        account: None,
        data: data.into(),
    }
}

/// Logs events and waits until they are written. The log is then left as a killed daemon leaves it.
fn log(config: &StoreConfig, fresh: &str, count: u64) -> (String, u64) {
    let (mut started, written) = open(config, fresh);
    let first = started.seq + 1;
    let place = (first..first + count).map(|seq| started.log.append(event(seq))).last().unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(30);
    while *written.lock().unwrap() < place {
        assert!(Instant::now() < end, "the log does not come on");
        std::thread::sleep(Duration::from_millis(1));
    }
    let (epoch, last) = (started.epoch.clone(), first + count - 1);
    started.log.stop();
    // As after a kill: nothing says that it ended well.
    let text = fs::read_to_string(config.directory().join("epoch")).unwrap();
    fs::write(config.directory().join("epoch"), text.replace("\"clean\":true", "\"clean\":false")).unwrap();
    (epoch, last)
}

fn files(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(kind));
    files.sort();
    files
}

fn seqs(started: &Started, from: u64) -> Vec<u64> {
    let events = started.reader.from(from).read(u64::MAX, usize::MAX).unwrap();
    events.iter().map(|logged| logged.event.seq).collect()
}

#[test]
fn a_torn_tail_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (epoch, mut last) = log(&config, "one", 5);
    // Every way to tear the last record, from its first byte to its last but one.
    for cut in [1_u64, 4, 7, 8, 9, 60, 150] {
        let file = files(dir.path(), "events").pop().unwrap();
        let before = fs::metadata(&file).unwrap().len();
        assert_eq!(log(&config, "two", 1), (epoch.clone(), last + 1));
        let now = fs::metadata(&file).unwrap().len();
        assert!(now > before + cut);
        OpenOptions::new().write(true).open(&file).unwrap().set_len(before + cut).unwrap();
        let (started, _) = open(&config, "two");
        assert_eq!((started.epoch.as_str(), started.seq), (epoch.as_str(), last), "cut to {cut} bytes");
        assert!(seqs(&started, 1).into_iter().eq(1..=last));
        started.log.stop();
        // Goes on behind the cut.
        last = log(&config, "two", 1).1;
        let (started, _) = open(&config, "two");
        assert!(seqs(&started, 1).into_iter().eq(1..=last));
        started.log.stop();
    }
}

#[test]
fn damage_costs_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (epoch, last) = log(&config, "one", 100);
    let file = files(dir.path(), "events").pop().unwrap();
    let length = fs::metadata(&file).unwrap().len();
    let poke = |at: u64, byte: u8| {
        let mut file = OpenOptions::new().write(true).open(&file).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    // In the middle: bytes of one record, and the length of another.
    let bytes = fs::read(&file).unwrap();
    let record = |seq: u64| {
        let wanted = format!("{{\"seq\":{seq},");
        bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes()).unwrap() as u64
    };
    poke(record(30) + 20, b'#');
    poke(record(60) - 8, 0xff);
    let (started, _) = open(&config, "two");
    assert_eq!((started.epoch.as_str(), started.seq), (epoch.as_str(), last), "the end is whole");
    let left = seqs(&started, 1);
    assert!(left.iter().copied().eq((1..=last).filter(|seq| ![30, 60].contains(seq))), "{left:?}");
    started.log.stop();
    // The last record: nobody knows what was behind it.
    poke(length - 20, b'#');
    fs::write(dir.path().join("epoch"), fs::read_to_string(dir.path().join("epoch")).unwrap()).unwrap();
    let (started, _) = open(&config, "two");
    assert_eq!((started.epoch.as_str(), started.seq), ("two", last - 1));
    started.log.stop();
}

#[test]
fn a_file_that_was_never_finished_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (epoch, last) = log(&config, "one", 20);
    // A new file, and the power went before its first record was whole.
    let torn = dir.path().join(format!("events-{:020}.log", last + 1));
    fs::write(&torn, [200, 0, 0, 0, 1, 2]).unwrap();
    assert_eq!(log(&config, "two", 5), (epoch, last + 5));
    let (started, _) = open(&config, "two");
    assert!(seqs(&started, 1).into_iter().eq(1..=last + 5));
    started.log.stop();
}

#[test]
fn a_lost_epoch_file_is_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (_, last) = log(&config, "one", 3);
    fs::remove_file(dir.path().join("epoch")).unwrap();
    let (started, _) = open(&config, "two");
    assert_eq!((started.epoch.as_str(), started.seq), ("two", last), "the seq still rises");
    started.log.stop();
}

#[test]
fn one_daemon_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (first, _) = open(&config, "one");
    let second = start(&config, "two".into(), Box::new(|_| ()));
    assert!(matches!(second, Err(StartError::Taken(_))));
    first.log.stop();
    open(&config, "one").0.log.stop();
}

#[test]
fn what_is_too_old_or_too_much_goes() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { max_bytes: 262_144, ..config(dir.path()) };
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    log(&config, "one", 2_000);
    let before = (threads(), descriptors());
    for _ in 0..5 {
        log(&config, "one", 2_000);
    }
    // A start looks for what is too much; so does every minute.
    let (started, _) = open(&config, "one");
    assert_eq!(started.seq, 12_000);
    started.log.stop();
    let total: u64 = files(dir.path(), "events").iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(total < 2 * 262_144, "{total} bytes");
    let (started, _) = open(&config, "one");
    let first = started.reader.first();
    assert!(first > 1 && !started.reader.covers(first - 1, u64::MAX) && started.reader.covers(first, u64::MAX));
    assert!(seqs(&started, 1).into_iter().eq(first..=12_000));
    started.log.stop();
    // All but the newest file become old.
    let old = SystemTime::now() - Duration::from_secs(91 * 24 * 3600);
    let mut all = files(dir.path(), "events");
    let newest = all.pop().unwrap();
    for file in all {
        OpenOptions::new().write(true).open(file).unwrap().set_modified(old).unwrap();
    }
    let (started, _) = open(&config, "one");
    started.log.stop();
    assert_eq!(files(dir.path(), "events"), [newest]);
    // Other tests of this file have threads too: a leak would be one a start.
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(threads() <= before.0 + 6 && descriptors() <= before.1 + 12, "{before:?} {} {}", threads(), descriptors());
}
