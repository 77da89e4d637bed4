//! Legs as a browser makes them, ICE and DTLS-SRTP: another phoned calls the phone under load, and counts what comes back.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure::{self, now, sleep};
use crate::peer::{Codec, Make, Peer, Wire};

/// The phone that calls.
pub struct Browser {
    socket: BufReader<UnixStream>,
    /// The calls that talk.
    calls: Vec<String>,
    peer: Peer,
}

impl Browser {
    /// Starts it.
    pub fn start(codec: Codec) -> Browser {
        let peer = Peer::start(Make::Phoned, codec, Wire::Webrtc, 0);
        let socket = UnixStream::connect(peer.socket()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Browser { socket: BufReader::new(socket), calls: Vec::new(), peer }
    }

    /// Makes so many calls; how many talk, with media, 15 s after the last.
    pub fn call(&mut self, to: &Peer, count: usize) -> usize {
        for _ in 0..count {
            let params = json!({ "number": format!("sip:alice@{}", to.sip()) });
            match self.ask("phone.call", params)["callId"].as_str() {
                Some(call) => self.calls.push(call.to_owned()),
                None => return self.calls.len(),
            }
        }
        let end = now() + Duration::from_secs(15);
        loop {
            let hears = |session: &Value| session["callReport"]["lksAudioRx"].as_str().is_some_and(|rx| rx != "0");
            let sessions = self.ask("phone.getSession", json!({}));
            let hearing = sessions.as_array().unwrap().iter().filter(|session| hears(session)).count();
            if hearing >= count || now() >= end {
                return hearing;
            }
            sleep(Duration::from_millis(100));
        }
    }

    /// How many packets a second come on each leg, on average, in that time.
    pub fn hear(&mut self, window: Duration) -> f64 {
        let before = self.heard();
        measure::sleep(window);
        let pairs = self.heard().into_iter().zip(before);
        let rates: Vec<f64> = pairs.map(|((rx, at), (old, then))| (rx - old) / (at - then).as_secs_f64()).collect();
        rates.iter().sum::<f64>() / rates.len().max(1) as f64
    }

    /// Hangs up.
    pub fn end(mut self) {
        for call in std::mem::take(&mut self.calls) {
            self.ask("session.hangup", json!({ "callId": call }));
        }
        sleep(Duration::from_millis(500));
        drop(self.peer);
    }

    /// Packets of each leg, and when they were counted: looked at until the count of each has just changed.
    fn heard(&mut self) -> Vec<(f64, Instant)> {
        let first = self.counts();
        let (mut seen, end) = (vec![None; first.len()], now() + Duration::from_secs(12));
        while seen.iter().any(Option::is_none) && now() < end {
            sleep(Duration::from_millis(20));
            let counts = self.counts();
            for (seen, (old, new)) in seen.iter_mut().zip(first.iter().zip(counts)) {
                if seen.is_none() && new != *old {
                    *seen = Some((new, now()));
                }
            }
        }
        seen.into_iter().zip(first).map(|(seen, old)| seen.unwrap_or((old, now()))).collect()
    }

    fn counts(&mut self) -> Vec<f64> {
        let sessions = self.ask("phone.getSession", json!({}));
        let count = |session: &Value| session["callReport"]["lksAudioRx"].as_str().and_then(|rx| rx.parse().ok());
        sessions.as_array().unwrap().iter().map(|session| count(session).unwrap_or_default()).collect()
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.socket.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.socket.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        if !answer["error"].is_null() {
            println!("    {method}: {}", answer["error"]);
        }
        answer["result"].clone()
    }
}
