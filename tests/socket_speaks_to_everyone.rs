//! The daemon's socket as its users meet it: `nc -U`, a few lines of Python, `phonectl` with its exit codes; 20,000 calls sent
//! without waiting are answered in order; a `hold` that waits for a silent peer holds nobody up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use common::daemon::{Daemon, Setup, trunk};
use common::wait::{now, secs, until};
use phoned::sip::message::{Message, Method};
use serde_json::{Value, json};

mod common;

fn phone(user: &str, hz: u32) -> Daemon {
    Daemon::start(&Setup { tables: trunk(user, hz), ..Setup::default() })
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)))
}

#[test]
fn netcat_and_pythons_standard_library() {
    let alice = phone("alice", 440);
    let lines = concat!(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\"}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"account.get\",\"params\":[\"alice\"]}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"session.get\",\"params\":{\"callId\":\"none\"}}\n",
    );
    let mut netcat = Command::new("nc")
        .args(["-N", "-U"])
        .arg(alice.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("apt-get install netcat-openbsd");
    netcat.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("written");
    let output = netcat.wait_with_output().expect("its end");
    let answers: Vec<Value> = output.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(json_of).collect();
    assert_eq!(answers.iter().map(|a| &a["id"]).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(answers[0]["result"]["name"], "phoned");
    assert_eq!(answers[1]["result"]["name"], "alice");
    assert_eq!(answers[2]["error"]["code"], -211);

    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/client.py");
    let python = |arguments: &[&str]| {
        let output = Command::new("python3").arg(client).arg(alice.socket()).args(arguments).output().expect("python3");
        json_of(&output.stdout)
    };
    assert_eq!(python(&["account.list"])["result"][0]["uri"], format!("sip:alice@127.0.0.1:{}", alice.port));
    assert_eq!(python(&["phone.call", "{\"numbre\": \"1\"}"])["error"]["code"], -32602);
}

/// Runs `phonectl`; exit code, stdout, stderr.
fn phonectl(socket: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_phonectl"))
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("run");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

#[test]
fn phonectl_makes_a_call() {
    let (alice, bob) = (phone("alice", 440), phone("bob", 880));
    let done = |socket: &Path, arguments: &[&str]| {
        let (code, out, told) = phonectl(socket, arguments);
        assert_eq!((code, told.as_str()), (0, ""), "{arguments:?} {out}");
        out
    };
    let (a, b) = (alice.socket(), bob.socket());
    assert_eq!(done(a, &["ls"]), "no calls\n");
    assert!(done(a, &["accounts"]).contains("alice"));
    assert!(done(a, &["devices"]).contains("null"));
    assert_eq!(json_of(done(a, &["--json", "rpc", "daemon.info"]).as_bytes())["name"], "phoned");

    let mut watch = Command::new(env!("CARGO_BIN_EXE_phonectl"))
        .args(["watch", "incoming", "confirmed", "dtmf", "statusChange", "ended", "account.*"])
        .env("PHONED_SOCKET", b)
        .stdout(Stdio::piped())
        .spawn()
        .expect("run");
    let (line, lines) = mpsc::channel();
    let events = BufReader::new(watch.stdout.take().expect("a pipe"));
    let reader = std::thread::spawn(move || events.lines().map_while(Result::ok).all(|l| line.send(l).is_ok()));
    let seen = |words: &[&str]| loop {
        let line = lines.recv_timeout(secs(20)).unwrap_or_else(|_| panic!("no event with {words:?}"));
        if words.iter().all(|word| line.contains(word)) {
            return line;
        }
    };
    until("watch has subscribed", secs(20), || {
        done(b, &["rpc", "account.add", "[\"probe\", {\"uri\": \"sip:probe@127.0.0.1\", \"register\": false}]"]);
        done(b, &["rpc", "account.remove", "[\"probe\"]"]);
        lines.try_recv().ok()
    });

    let call = done(a, &["dial", &format!("sip:bob@127.0.0.1:{}", bob.port)]);
    let call = call.trim();
    seen(&["incoming", "inbound alice bob"]);
    assert!(done(b, &["ls"]).contains("ringing here"));
    done(b, &["answer"]);
    seen(&["confirmed"]);
    let listed = done(a, &["ls"]);
    assert!(listed.contains(call) && listed.contains("talking") && listed.contains("outbound"), "{listed}");
    assert_eq!(json_of(done(a, &["--json", "ls"]).as_bytes())["callId"], call);
    assert_eq!(json_of(done(a, &["--json", "show"]).as_bytes())["callId"], call);
    done(a, &["dtmf", "5"]);
    seen(&["dtmf", "dtmf=5"]);
    done(a, &["hold"]);
    seen(&["isRemoteHold=true"]);
    assert!(done(a, &["ls"]).contains("held"));
    done(a, &["unhold", call]);
    done(a, &["mute"]);
    assert!(done(a, &["ls"]).contains("muted"));
    done(a, &["unmute"]);
    done(a, &["hangup"]);
    seen(&["ended", "by=remote"]);
    assert_eq!(done(a, &["ls"]), "no calls\n");
    watch.kill().expect("killed");
    watch.wait().expect("its end");
    assert!(reader.join().is_ok());
}

#[test]
fn phonectl_says_by_its_exit_code_what_went_wrong() {
    let alice = phone("alice", 440);
    let socket = alice.socket();
    let nowhere = alice.dir().join("nowhere.sock");
    for (socket, arguments, wanted, words) in [
        (socket, &["ls"][..], 0, ""),
        (socket, &["hangup", "none"], 1, "-211"),
        (socket, &["hangup"], 1, "there is no call"),
        (socket, &["dial", "sip:"], 1, "-209"),
        (socket, &["rpc", "no.method"], 1, "-32601"),
        (socket, &["rpc", "session.get", "{\"callid\": \"1\"}"], 1, "callid"),
        (socket, &["rpc", "session.get", "nonsense"], 2, "not JSON"),
        (socket, &["dance"], 2, "Usage"),
        (&nowhere, &["ls"], 3, "no phoned at"),
    ] {
        let (code, out, told) = phonectl(socket, arguments);
        assert_eq!(code, wanted, "{arguments:?} {out} {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    // Somebody else: turned away by the file's mode, and where that is open by the roles.
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("not root: nobody else can be tried");
        return;
    }
    let copy = alice.dir().join("phonectl");
    std::fs::copy(env!("CARGO_BIN_EXE_phonectl"), &copy).expect("copied");
    std::fs::set_permissions(alice.dir(), std::fs::Permissions::from_mode(0o755)).expect("opened");
    for (mode, words) in [(0o660, "may not use it"), (0o666, "-231")] {
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(mode)).expect("set");
        let output = Command::new("setpriv")
            .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            .arg(&copy)
            .arg("--socket")
            .arg(socket)
            .arg("ls")
            .output()
            .expect("run");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{mode:o} {told}");
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn twenty_thousand_calls_without_waiting_are_answered_in_order() {
    let (alice, bob) = (phone("alice", 440), phone("bob", 880));
    let call = alice.connect().dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let stream = UnixStream::connect(alice.socket()).expect("connected");
    stream.set_read_timeout(Some(secs(30))).expect("set");
    let mut output = stream.try_clone().expect("cloned");
    let began = now();
    let writer = std::thread::spawn(move || {
        for id in 0..20_000 {
            // What is written is what the next one reads.
            let (method, params) = match id % 2 {
                0 => ("session.setStatus", json!([call, {"name": format!("caller {id}")}])),
                _ => ("session.get", json!([call])),
            };
            let line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            writeln!(output, "{line}").expect("written");
        }
    });
    let mut answers = BufReader::new(stream).lines();
    for id in 0..20_000 {
        let answer = json_of(answers.next().expect("an answer").expect("in time").as_bytes());
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["status"]["name"], format!("caller {}", id - id % 2), "{answer}");
    }
    println!("20,000 calls in {:?}", began.elapsed());
    writer.join().expect("all written");
}

/// A peer that takes a call and then never says a word again.
struct Silent {
    socket: UdpSocket,
}

impl Silent {
    fn new() -> Silent {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(secs(20))).expect("set");
        Silent { socket }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    fn receive(&self) -> (Message, std::net::SocketAddr) {
        let mut buffer = [0; 4096];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a request");
        (Message::parse(&buffer[..length]).expect("SIP"), from)
    }

    /// Answers the INVITE, and sees the ACK.
    fn take_the_call(&self) {
        let (invite, from) = self.receive();
        assert_eq!(invite.method(), Method::Invite);
        let mut ok = Message::response(&invite, 200, "OK");
        ok.set_to_tag("silent");
        ok.push("Contact", format!("<sip:silent@127.0.0.1:{}>", self.port()));
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        ok.set_body("application/sdp", sdp.into());
        self.socket.send_to(&ok.to_bytes(), from).expect("sent");
        while self.receive().0.method() != Method::Ack {}
    }
}

#[test]
fn a_hold_that_waits_for_a_silent_peer_holds_nobody_up() {
    let (alice, bob, silent) = (phone("alice", 440), phone("bob", 880), Silent::new());
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let mute = a.dial("alice", &format!("sip:silent@127.0.0.1:{}", silent.port()));
    silent.take_the_call();
    a.wait_event("confirmed", |event| event["callId"] == *mute);
    let other = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_bob = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_bob);
    a.wait_event("confirmed", |event| event["callId"] == *other);

    let hold = a.send("session.hold", json!({"callId": mute}));
    assert_eq!(silent.receive().0.method(), Method::Invite, "the hold is on the wire");
    let began = now();
    a.verb("hangup", &other);
    println!("hangup answered after {:?} while hold waits", began.elapsed());
    assert!(began.elapsed() < secs(5), "{:?}", began.elapsed());
    assert_eq!(b.wait_event("ended", |_| true)["data"]["by"], "remote");
    let refused = a.reply(hold, secs(30)).expect_err("nobody answered");
    assert_eq!(refused.code, -230, "{refused:?}");
    assert!(began.elapsed() > secs(9), "{:?}", began.elapsed());
    // The call is still ours to end, and a client that hangs up has its answers.
    a.verb("hangup", &mute);
    a.wait_event("ended", |event| event["callId"] == *mute);
    drop(a);
    let mut rest = Vec::new();
    let mut last = UnixStream::connect(alice.socket()).expect("connected");
    last.set_read_timeout(Some(secs(20))).expect("set");
    last.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"phone.getSession\"}\n").expect("written");
    last.shutdown(std::net::Shutdown::Write).expect("half closed");
    last.read_to_end(&mut rest).expect("all answers");
    assert_eq!(json_of(&rest)["result"], json!([]));
}
