//! A line between two phones that goes bad when it is told to: it carries SIP and RTP, loses packets of what the caller says, and delays
//! the rest.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// How long it waits for a packet before it looks whether it is over.
const LOOK: Duration = Duration::from_millis(200);

/// See above.
#[derive(Debug)]
pub struct BadLine {
    /// The caller calls this port of 127.0.0.1.
    pub port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    over: AtomicBool,
    per_mille: AtomicU32,
    jitter_ms: AtomicU32,
    /// The SIP ports of caller and callee, and where they receive RTP.
    sip: [AtomicU16; 2],
    rtp: [AtomicU16; 2],
}

impl BadLine {
    /// A line to the phone that listens there.
    pub fn to(callee: u16) -> BadLine {
        let state = Arc::new(State::default());
        state.sip[1].store(callee, Ordering::Relaxed);
        let sip = [socket(0), socket(0)];
        let rtp = [pair(), pair()];
        let ports = [&rtp[0], &rtp[1]].map(|pair| port(&pair[0]));
        let own = [port(&sip[0]), port(&sip[1])];
        for side in [0, 1] {
            let (from, to) = (sip[side].try_clone().unwrap(), sip[1 - side].try_clone().unwrap());
            let at = state.clone();
            spawn(state.clone(), from, move |bytes, source| {
                at.sip[side].store(source, Ordering::Relaxed);
                let peer = at.sip[1 - side].load(Ordering::Relaxed);
                let text = String::from_utf8_lossy(bytes);
                let there =
                    rewritten(&text, (own[side], peer), (source, own[1 - side]), ports[1 - side], &at.rtp[side]);
                let _ = to.send_to(there.as_bytes(), ("127.0.0.1", peer));
            });
            for (plus, from) in rtp[side].iter().enumerate() {
                let (from, to) = (from.try_clone().unwrap(), rtp[1 - side][plus].try_clone().unwrap());
                let (at, mut chance) = (state.clone(), 7_u64);
                spawn(state.clone(), from, move |bytes, _| {
                    chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let drawn = (chance >> 33) as u32;
                    let bad = plus == 0 && side == 0;
                    let late = if bad { at.jitter_ms.load(Ordering::Relaxed) } else { 8 * plus as u32 };
                    thread::sleep(Duration::from_millis(u64::from(late) * u64::from(drawn / 1_000 % 1_000) / 1_000));
                    let port = at.rtp[1 - side].load(Ordering::Relaxed);
                    if port != 0 && !(bad && drawn % 1_000 < at.per_mille.load(Ordering::Relaxed)) {
                        let _ = to.send_to(bytes, ("127.0.0.1", port + plus as u16));
                    }
                });
            }
        }
        BadLine { port: own[0], state }
    }

    /// From now on so many of 1000 packets are lost, and the others late by up to that.
    pub fn goes(&self, per_mille: u32, jitter_ms: u32) {
        self.state.per_mille.store(per_mille, Ordering::Relaxed);
        self.state.jitter_ms.store(jitter_ms, Ordering::Relaxed);
    }
}

impl Drop for BadLine {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
    }
}

/// The message as the other side gets it: requests are for it, contacts and media are reached through us. What the sender said of its
/// media is kept.
fn rewritten(text: &str, (own, peer): (u16, u16), (source, far): (u16, u16), media: u16, rtp: &AtomicU16) -> String {
    let at = |port: u16| format!("127.0.0.1:{port}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let sound = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        rtp.store(words[1].parse().unwrap(), Ordering::Relaxed);
        words[1] = media.to_string();
        words.join(" ")
    };
    let body: Vec<String> = body
        .split("\r\n")
        .map(|line| if line.starts_with("m=audio ") { sound(line) } else { line.to_owned() })
        .collect();
    let body = body.join("\r\n");
    let line = |(number, line): (usize, &str)| match line.split(':').next() {
        _ if number == 0 => line.replace(&at(own), &at(peer)),
        Some("Contact") => line.replace(&at(source), &at(far)),
        Some("Content-Length") => format!("Content-Length: {}", body.len()),
        _ => line.to_owned(),
    };
    let head: Vec<String> = head.split("\r\n").enumerate().map(line).collect();
    format!("{}\r\n\r\n{body}", head.join("\r\n"))
}

fn socket(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(LOOK)).unwrap();
    socket
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// A port for RTP and the next one for RTCP.
fn pair() -> [UdpSocket; 2] {
    loop {
        let rtp = socket(0);
        if port(&rtp).is_multiple_of(2)
            && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port(&rtp) + 1))
        {
            rtcp.set_read_timeout(Some(LOOK)).unwrap();
            return [rtp, rtcp];
        }
    }
}

fn spawn(state: Arc<State>, socket: UdpSocket, mut each: impl FnMut(&[u8], u16) + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while !state.over.load(Ordering::Relaxed) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                each(&buffer[..length], from.port());
            }
        }
    });
}
