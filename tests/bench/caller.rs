//! The caller: INVITE, ACK and BYE as text over one UDP socket, thousands of calls, each step timed when it happens.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::measure::{now, sleep, until};
use crate::peer::Codec;

/// A call as far as it has come.
#[derive(Debug, Clone, Default)]
struct Call {
    sent: Option<Instant>,
    /// INVITE → 200.
    took: Option<Duration>,
    /// To with its tag.
    to: String,
    /// Where BYE goes.
    contact: String,
    /// Where the peer wants its RTP.
    media: u16,
    over: bool,
}

/// The generator's signalling side.
pub struct Caller {
    socket: UdpSocket,
    peer: SocketAddr,
    codec: Codec,
    fmtp: &'static str,
    rtp: u16,
    calls: Arc<Mutex<BTreeMap<u32, Call>>>,
    next: AtomicU32,
    over: Arc<AtomicBool>,
}

impl Caller {
    /// A caller of `alice` at the peer, whose SDP names the port `rtp`.
    pub fn start(peer: SocketAddr, codec: Codec, rtp: u16) -> Caller {
        Caller::with(peer, codec, rtp, "")
    }

    /// The same, with a line of its SDP about the codec.
    pub fn with(peer: SocketAddr, codec: Codec, rtp: u16, fmtp: &'static str) -> Caller {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let caller = Caller {
            socket,
            peer,
            codec,
            fmtp,
            rtp,
            calls: Arc::default(),
            next: AtomicU32::new(0),
            over: Arc::default(),
        };
        let (socket, calls, over) = (caller.socket.try_clone().unwrap(), caller.calls.clone(), caller.over.clone());
        std::thread::spawn(move || listen(&socket, peer, &calls, &over));
        caller
    }

    /// Makes `count` calls, `rate` a second, and keeps them: the RTP ports of those that were answered within `patience`.
    pub fn keep(&self, count: usize, rate: u32, patience: Duration) -> Vec<u16> {
        let began = now();
        for n in 0..count {
            until(began + Duration::from_secs(1) * n as u32 / rate);
            self.invite();
        }
        let end = now() + patience;
        while now() < end && self.answered().len() < count {
            sleep(Duration::from_millis(20));
        }
        self.answered()
    }

    /// Makes `count` calls, `rate` a second, each `length` long: INVITE → 200 of those that were answered, µs.
    pub fn set_up(&self, count: usize, rate: u32, length: Duration) -> Vec<f64> {
        let (began, first) = (now(), self.next.load(Ordering::Relaxed));
        let (mut begun, mut ended) = (0u32, 0u32);
        let step = Duration::from_secs(1) / rate;
        while (ended as usize) < count {
            let (invite, bye) = (began + step * begun, began + step * ended + length);
            if (begun as usize) < count && invite <= bye {
                until(invite);
                self.invite();
                begun += 1;
            } else {
                until(bye);
                self.bye(first + ended);
                ended += 1;
            }
        }
        // Who answers late is hung up late.
        sleep(Duration::from_millis(300));
        self.hang_up();
        let calls = self.calls.lock().unwrap();
        calls.values().filter_map(|c| c.took).map(|t| t.as_secs_f64() * 1e6).collect()
    }

    /// Ends every call.
    pub fn hang_up(&self) {
        let live: Vec<u32> = self.calls.lock().unwrap().iter().filter(|(_, c)| !c.over).map(|(n, _)| *n).collect();
        for n in live {
            self.bye(n);
            sleep(Duration::from_millis(4));
        }
        sleep(Duration::from_millis(200));
    }

    fn answered(&self) -> Vec<u16> {
        self.calls.lock().unwrap().values().filter(|c| c.took.is_some()).map(|c| c.media).collect()
    }

    fn invite(&self) {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let me = self.socket.local_addr().unwrap();
        let (payload_type, map) = (self.codec.payload_type(), self.codec.rtpmap());
        let sdp = format!(
            "v=0\r\no=bench {n} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP {payload_type}\r\n\
             a=rtpmap:{payload_type} {map}\r\n{}a=ptime:20\r\na=sendrecv\r\n",
            self.rtp, self.fmtp
        );
        let text = format!(
            "INVITE sip:alice@{} SIP/2.0\r\nVia: SIP/2.0/UDP {me};rport;branch=z9hG4bKi{n}\r\nMax-Forwards: 70\r\nFrom: <sip:bench@{me}>;tag=f{n}\r\n\
             To: <sip:alice@{}>\r\nCall-ID: c{n}-{}\r\nCSeq: 1 INVITE\r\nContact: <sip:bench@{me}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            self.peer,
            self.peer,
            me.port(),
            sdp.len()
        );
        let mut calls = self.calls.lock().unwrap();
        calls.insert(n, Call { sent: Some(now()), ..Call::default() });
        drop(calls);
        let _ = self.socket.send_to(text.as_bytes(), self.peer);
    }

    fn bye(&self, n: u32) {
        let mut calls = self.calls.lock().unwrap();
        let Some(call) = calls.get_mut(&n).filter(|c| c.took.is_some() && !c.over) else { return };
        call.over = true;
        let text = in_dialog("BYE", 2, n, call, self.socket.local_addr().unwrap());
        drop(calls);
        let _ = self.socket.send_to(text.as_bytes(), self.peer);
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn in_dialog(method: &str, cseq: u32, n: u32, call: &Call, me: SocketAddr) -> String {
    format!(
        "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {me};rport;branch=z9hG4bK{method}{n}\r\nMax-Forwards: 70\r\nFrom: <sip:bench@{me}>;tag=f{n}\r\n\
         To: {}\r\nCall-ID: c{n}-{}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
        call.contact,
        call.to,
        me.port()
    )
}

/// Reads responses: a 200 to an INVITE is timed and acknowledged in the same turn.
fn listen(socket: &UdpSocket, peer: SocketAddr, calls: &Mutex<BTreeMap<u32, Call>>, over: &AtomicBool) {
    let me = socket.local_addr().unwrap();
    let mut bytes = [0; 65536];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, _)) = socket.recv_from(&mut bytes) else { continue };
        let at = now();
        let text = String::from_utf8_lossy(&bytes[..length]);
        if !text.starts_with("SIP/2.0 ") {
            // A BYE or OPTIONS of the peer's: agreed.
            let _ = socket.send_to(ok(&text).as_bytes(), peer);
            continue;
        }
        let (status, cseq) = (text.get(8..11).unwrap_or_default(), header(&text, "CSeq"));
        let number =
            header(&text, "Call-ID").strip_prefix('c').and_then(|id| id.split('-').next()?.parse::<u32>().ok());
        if !cseq.ends_with("INVITE") || status < "200" {
            continue;
        }
        let mut calls = calls.lock().unwrap();
        let Some((n, call)) = number.and_then(|n| Some((n, calls.get_mut(&n)?))) else { continue };
        call.to = header(&text, "To").to_string();
        call.contact = header(&text, "Contact").split(['<', '>']).nth(1).unwrap_or_default().to_string();
        if status == "200" {
            if call.took.is_none() {
                call.took = call.sent.map(|sent| at.saturating_duration_since(sent));
                let line = text.lines().find_map(|l| l.strip_prefix("m=audio "));
                call.media = line.and_then(|l| l.split(' ').next()?.parse().ok()).unwrap_or_default();
            }
            let _ = socket.send_to(in_dialog("ACK", 1, n, call, me).as_bytes(), peer);
        } else {
            call.over = true;
            call.contact = format!("sip:alice@{peer}");
            let ack = in_dialog("ACK", 1, n, call, me).replace(&format!("z9hG4bKACK{n}"), &format!("z9hG4bKi{n}"));
            let _ = socket.send_to(ack.as_bytes(), peer);
        }
    }
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find_map(|l| l.split_once(':').filter(|(n, _)| n.trim().eq_ignore_ascii_case(name)))
        .map(|(_, v)| v.trim())
        .unwrap_or_default()
}

/// 200 to a request, with what the RFC wants copied.
pub fn ok(request: &str) -> String {
    let copied = ["via", "from", "to", "call-id", "cseq"];
    let keep = |line: &&str| {
        line.split_once(':').is_some_and(|(n, _)| copied.contains(&n.trim().to_ascii_lowercase().as_str()))
    };
    let head: Vec<&str> = request.lines().take_while(|l| !l.is_empty()).filter(keep).collect();
    format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", head.join("\r\n"))
}
