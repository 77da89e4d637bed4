//! One packet in ten is lost on the way between two WebRTC phones, in both directions: each one's callReport tells it, of what came in and
//! of what went out, with a round trip. The wire, and what stands between them in the signalling, are the test's own.

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup};
use common::wait::{poll, secs};
use phoned::sip::message::Message;
use serde_json::json;

/// The media addresses of the caller and of the callee, as they are learnt.
type Ends = Arc<Mutex<[Option<SocketAddr>; 2]>>;

/// What runs until it is dropped.
struct Thread {
    over: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    fn new(socket: UdpSocket, mut each: impl FnMut(&UdpSocket, &[u8], SocketAddr) + Send + 'static) -> Thread {
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let run = move || {
            let mut bytes = [0; 65_536];
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
                each(&socket, &bytes[..length], from);
            }
        };
        Thread { over, handle: Some(std::thread::spawn(run)) }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.handle.take().unwrap().join().unwrap();
    }
}

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

/// Hands media on, and loses each tenth packet of it; checks, handshakes and reports pass.
fn wire(ends: Ends) -> (Thread, SocketAddr) {
    let (socket, at) = socket();
    let mut count = [0_u32; 2];
    let thread = Thread::new(socket, move |socket, bytes, from| {
        let [Some(caller), Some(callee)] = *ends.lock().unwrap() else { return };
        let (way, to) = if from == caller { (0, callee) } else { (1, caller) };
        let report = (192..=223).contains(&bytes[1]);
        if (128..=191).contains(&bytes[0]) && !report {
            count[way] += 1;
            if count[way].is_multiple_of(10) {
                return;
            }
        }
        let _ = socket.send_to(bytes, to);
    });
    (thread, at)
}

/// Stands between the phones in the signalling: each learns the wire's address in place of the other's.
fn between(callee: SocketAddr, wire: SocketAddr, ends: Ends) -> (Thread, SocketAddr) {
    let (socket, at) = socket();
    let mut caller = None;
    let thread = Thread::new(socket, move |socket, bytes, from| {
        let to = if from == callee { caller } else { Some(callee) };
        if from != callee {
            caller = Some(from);
        }
        let (Some(to), Ok(mut msg)) = (to, Message::parse(bytes)) else { return };
        let body = String::from_utf8_lossy(msg.body()).into_owned();
        if let Some(candidate) = body.lines().find(|line| line.starts_with("a=candidate:")) {
            let words: Vec<&str> = candidate.split(' ').collect();
            let real: SocketAddr = format!("{}:{}", words[4], words[5]).parse().unwrap();
            ends.lock().unwrap()[usize::from(from == callee)] = Some(real);
            let (old, new) =
                (format!(" {} {} typ", real.ip(), real.port()), format!(" {} {} typ", wire.ip(), wire.port()));
            msg.set_body("application/sdp", body.replace(&old, &new).into_bytes());
        }
        let _ = socket.send_to(&msg.to_bytes(), to);
    });
    (thread, at)
}

fn phone(name: &str, hz: u32, more: &str) -> Daemon {
    let tables = common::daemon::trunk(name, hz) + "media = \"webrtc\"\n" + more;
    Daemon::start(&Setup { tables, phone: "report_interval = 1".into(), ..Setup::default() })
}

/// Waits until a report of the call tells a tenth of both directions.
fn tells_a_tenth(client: &mut Client, call: &str) {
    let mut last = json!(null);
    let found = poll(secs(40), || {
        let event = client.wait_event("callReport", |e| e["callId"] == call);
        last = event["data"].clone();
        let figure = |name: &str| last["callReport"][name].as_str().and_then(|text| text.parse::<f64>().ok());
        let tenth = |name: &str| figure(name).is_some_and(|ratio| (0.07..=0.13).contains(&ratio));
        let trip = last["metrics"]["rttMs"].as_f64().is_some_and(|ms| ms > 0.0);
        (tenth("lksAudioRxLost") && tenth("lksAudioTxLost") && trip).then_some(())
    });
    assert!(found.is_some(), "no report with a tenth lost in and out, and a round trip: {last}");
}

#[test]
fn a_tenth_each_way() {
    let bob = phone("bob", 700, "");
    let ends = Ends::default();
    let (_wire, wire) = wire(ends.clone());
    let (_between, middle) = between(SocketAddr::from(([127, 0, 0, 1], bob.port)), wire, ends);
    let alice = phone("alice", 440, &format!("proxies = [\"sip:{middle};lr\"]\n"));
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let out = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let call = b.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    b.verb("answer", &call);
    a.wait_event("confirmed", |_| true);
    tells_a_tenth(&mut a, &out);
    tells_a_tenth(&mut b, &call);
    let heard = common::tone::Sound::read(&alice.dir().join("alice.wav")).unwrap();
    assert!(heard.last(1.0).share(700.0) > 0.5, "it is heard all the same");
    a.verb("hangup", &out);
}
