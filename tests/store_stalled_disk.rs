//! A disk that stands still: here the thread that writes is stopped as a debugger stops one. Events are told from memory after 100 ms,
//! calls go on, `alert` says so, and the next start has a new epoch. Without the right to trace a child the test says that it did not
//! run.

use std::process::Command;
use std::time::{Duration, Instant};

use common::daemon::Client;
use common::process::Process;
use common::wait::{free_port, secs, until};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::json;

mod common;

/// The thread that writes.
fn writer(process: &Process) -> Pid {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.pid())).expect("a process");
    let named = |path: &std::path::Path| std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "log");
    let task = tasks.filter_map(|task| Some(task.ok()?.path())).find(|path| named(path)).expect("a thread");
    Pid::from_raw(task.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a number"))
}

#[test]
fn events_are_told_from_memory() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().display();
    let text = format!(
        "[rpc]\nsocket = \"{path}/s\"\n[sip]\nlisten = [\"udp:127.0.0.1:{}\"]\n[audio]\nhost = \"none\"\n[store]\ndir = \"{path}/state\"\n",
        free_port()
    );
    std::fs::write(dir.path().join("phoned.toml"), text).expect("written");
    let socket = dir.path().join("s");
    let start = |log: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
        command.arg("--config").arg(dir.path().join("phoned.toml"));
        let process = Process::start("phoned", &mut command, &dir.path().join(log));
        until("its socket", secs(10), || std::os::unix::net::UnixStream::connect(&socket).ok());
        let mut client = Client::open(&socket);
        let begin = client.call("events.subscribe", json!({})).expect("subscribed");
        (process, client, begin["epoch"].clone(), begin["seq"].as_u64().expect("a seq"))
    };
    let (mut process, mut client, epoch, _) = start("log1");
    let account = |name: &str| json!({ "name": name, "account": { "uri": format!("sip:{name}@127.0.0.1"), "register": false } });
    client.call("account.add", account("a")).expect("added");
    client.wait_event("account.added", |_| true);

    let thread = writer(&process);
    if let Err(error) = ptrace::attach(thread) {
        println!("not run: no right to trace ({error})");
        return;
    }
    waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stands");
    let begin = Instant::now();
    client.send("account.add", account("b"));
    client.wait_event("account.added", |event| event["account"] == "b");
    let first = begin.elapsed();
    let stalled = client.wait_event("alert", |_| true);
    assert_eq!((&stalled["data"]["kind"], &stalled["data"]["state"]), (&json!("disk"), &json!("stalled")));
    // From then on nothing is waited for.
    let begin = Instant::now();
    client.send("account.add", account("c"));
    client.wait_event("account.added", |event| event["account"] == "c");
    let second = begin.elapsed();
    println!("the first event after {first:?}, the next after {second:?}");
    assert!(first >= Duration::from_millis(80) && first < Duration::from_millis(1_000), "{first:?}");
    assert!(second < Duration::from_millis(80), "{second:?}");
    ptrace::detach(thread, None).expect("it goes on");
    let well = client.wait_event("alert", |_| true);
    assert_eq!(well["data"]["state"], "ok");
    let seq = well["seq"].as_u64().expect("a seq");
    until("all is written", secs(5), || {
        let kept = client.call("events.replay", json!({ "fromSeq": 1 })).expect("events");
        (kept["events"].as_array().map(Vec::len) == usize::try_from(seq).ok()).then_some(())
    });
    process.signal(Signal::SIGKILL);
    process.wait(secs(5)).expect("it is gone");
    let (_process, _client, other, last) = start("log2");
    assert_ne!(other, epoch);
    assert!(last >= seq);
}
