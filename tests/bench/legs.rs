//! Legs as a browser makes them, ICE and DTLS-SRTP: another phoned calls the phone under load, and counts what comes back.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

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
        let rates: Vec<f64> = pairs.map(|((rx, at), (old, then))| (rx - old) * 1000.0 / (at - then).max(1.0)).collect();
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

    /// Packets of each leg by its last report, and when that was, ms.
    fn heard(&mut self) -> Vec<(f64, f64)> {
        let sessions = self.ask("phone.getSession", json!({}));
        let number = |session: &Value, name: &str| -> f64 {
            session["callReport"][name].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        let of = |session: &Value| (number(session, "lksAudioRx"), number(session, "lksTimestamp"));
        sessions.as_array().unwrap().iter().map(of).collect()
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
