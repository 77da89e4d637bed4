//! Chromium with JsSIP, a browser agent, through Kamailio's WebSocket: calls both ways with sound both ways, DTMF, hold, mute, hangup and
//! blind transfer by each side, and what phoned reports of such a call; over a secure WebSocket attended transfer with the browser in
//! each part.

mod common;

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use common::chromium::{Chromium, impossible};
use common::daemon::{Client, Daemon, Setup};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::pki::Pki;
use common::wait::{free_port, poll, secs, until};
use serde_json::json;

/// An account over WebSocket that plays `hz` and writes what it hears.
fn account(user: &str, uri: &str, hz: u32, more: &str) -> String {
    let table = common::daemon::account(user, DOMAIN, &password(user), uri, hz);
    format!("{table}media = \"auto\"\n{more}\n\n")
}

/// All that takes part: the browser is bob and plays 700 Hz; phoned is alice with 440 Hz and carol with 1000 Hz.
struct Scene {
    chromium: Chromium,
    client: Client,
    phoned: Daemon,
    _kamailio: Kamailio,
    _certificate: tempfile::TempDir,
}

fn scene() -> Scene {
    scene_with("")
}

/// With more lines of the configuration.
fn scene_with(more: &str) -> Scene {
    scene_over("ws", more)
}

/// Over `ws` or `wss`; only phoned has reason to trust the server's certificate.
fn scene_over(transport: &str, more: &str) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path(), "ca");
    let secure = Some(pki.identity("server", &["127.0.0.1"]));
    let kamailio = Kamailio::start(&Registrar { secure, ..Registrar::users(&["alice", "bob", "carol"]) });
    let (uri, port) = match transport {
        "wss" => (kamailio.secure_uri(), kamailio.port + 1),
        _ => (kamailio.uri(), kamailio.port),
    };
    let by = format!("transport = \"{transport}\"\ntls_ca_file = \"{}\"", pki.ca_file.display());
    let tables = account("alice", &uri, 440, &by) + &account("carol", &uri, 1000, &by) + more;
    let phoned = Daemon::start(&Setup { tables, phone: "report_interval = 1".into(), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(20));
    client.registered("carol", secs(20));
    let mut chromium = Chromium::start(700);
    chromium.register("bob", DOMAIN, &password("bob"), &format!("{transport}://127.0.0.1:{port}"));
    Scene { chromium, client, phoned, _kamailio: kamailio, _certificate: dir }
}

impl Scene {
    /// Alice calls the browser, which answers: the callId.
    fn calls(&mut self) -> String {
        let call = self.client.dial("alice", "bob");
        assert_eq!(self.chromium.event("session")["by"], "remote");
        self.chromium.eval("agent.answer()");
        self.client.wait_event("confirmed", |e| e["callId"] == call.as_str());
        self.chromium.event("confirmed");
        call
    }

    /// The browser calls alice, who answers: the callId.
    fn called(&mut self) -> String {
        self.chromium.eval("agent.call('alice')");
        let call = self.client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
        self.client.verb("answer", &call);
        self.client.wait_event("confirmed", |e| e["callId"] == call.as_str());
        self.chromium.event("confirmed");
        call
    }

    fn both_hear(&mut self) {
        self.chromium.hears(440.0);
        self.phoned.hears("alice", 700.0);
    }

    /// Alice consults somebody about a call; carol answers where it is she: the callId.
    fn consults(&mut self, call: &str, number: &str) -> String {
        let params = json!({"number": number, "account": "alice", "transferId": call});
        let consultation = self.client.call("phone.call", params).unwrap()["callId"].as_str().unwrap().to_owned();
        if number == "carol" {
            self.carol_answers();
        }
        consultation
    }

    /// The far end has agreed to be held.
    fn is_held(&mut self, call: &str) {
        until("it is held", secs(30), || {
            let session = self.client.call("session.get", json!({ "callId": call })).unwrap();
            (session["status"]["isHold"] == true).then_some(())
        });
    }

    /// Carol is called, and answers.
    fn carol_answers(&mut self) {
        let call = self.client.wait_event("incoming", |e| e["account"] == "carol")["callId"].clone();
        self.client.verb("answer", call.as_str().unwrap());
    }

    /// A report with a round trip, as browsers tell it every few seconds, and nothing lost.
    fn reports(&mut self, call: &str) {
        let report = self.client.wait_event_for("callReport", secs(30), |e| {
            e["callId"] == call && e["data"]["metrics"]["rttMs"].as_f64().is_some_and(|ms| ms > 0.0)
        });
        let (of, metrics) = (&report["data"]["callReport"], &report["data"]["metrics"]);
        assert_eq!((&of["iceResult"], &of["lksAudioCodec"]), (&json!("local"), &json!("opus")), "{report}");
        assert!(metrics["lossPct"].as_f64().is_some_and(|loss| loss < 5.0), "{report}");
        assert!(of["lksAudioRxLost"] == "0.000000" && of["lksAudioRx"] != "0" && of["lksAudioTx"] != "0", "{report}");
        let remote = self.chromium.eval("agent.stats()")["remote-inbound-rtp"].clone();
        assert!(remote["packetsLost"].as_f64().is_some(), "our reports reach the browser: {remote}");
    }

    /// What the session says of its path.
    fn path(&mut self, call: &str) -> serde_json::Value {
        self.client.call("session.get", json!({"callId": call})).unwrap()["RTCSession"].clone()
    }
}

#[test]
fn calls_both_ways_and_each_side_hangs_up() {
    if impossible() {
        return;
    }
    let mut scene = scene();
    let call = scene.calls();
    scene.both_hear();
    let path = scene.path(&call);
    assert_eq!((&path["dtls"], &path["codec"]), (&json!("connected"), &json!("opus")), "{path}");
    assert_eq!(path["ice"], json!({"local": "host", "remote": "host"}), "{path}");
    assert!(path["srtp"].is_string() && path["transport"] == "ws", "{path}");
    scene.client.verb("hangup", &call);
    assert_eq!(scene.chromium.event("ended")["by"], "remote");
    let call = scene.called();
    scene.both_hear();
    assert_eq!(scene.path(&call)["dtls"], "connected");
    scene.reports(&call);
    scene.chromium.eval("agent.session.terminate()");
    assert_eq!(scene.client.wait_event("ended", |e| e["callId"] == call.as_str())["data"]["by"], "remote");
}

#[test]
fn digits_both_ways_whoever_called() {
    if impossible() {
        return;
    }
    let mut scene = scene();
    for called in [false, true] {
        let call = if called { scene.called() } else { scene.calls() };
        scene.both_hear();
        scene.chromium.eval("agent.session.sendDTMF('5', {transportType: 'RFC2833', duration: 200})");
        let digit = scene.client.wait_event("dtmf", |e| e["callId"] == call.as_str());
        assert_eq!((&digit["data"]["dtmf"], &digit["data"]["method"]), (&json!("5"), &json!("rtp")));
        scene.chromium.eval("agent.session.sendDTMF('7')");
        let digit = scene.client.wait_event("dtmf", |e| e["callId"] == call.as_str());
        assert_eq!((&digit["data"]["dtmf"], &digit["data"]["method"]), (&json!("7"), &json!("info")));
        // A browser tells nobody of the digits in RTP, but plays them: 770 and 1336 Hz are a 5.
        // Once more where a busy machine has looked too late.
        let heard = poll(secs(30), || {
            scene.client.call("session.dtmf", json!({"callId": call, "dtmf": "555555", "method": "rtp"})).unwrap();
            poll(secs(2), || {
                let now = scene.chromium.sound().last(0.1);
                let is_5 = now.level() > 0.01 && now.share(770.0) > 0.2 && now.share(770.0) + now.share(1336.0) > 0.8;
                is_5.then_some(())
            })
        });
        assert!(heard.is_some(), "the browser does not hear a 5");
        scene.client.call("session.dtmf", json!({"callId": call, "dtmf": "9", "method": "info"})).unwrap();
        assert_eq!(scene.chromium.event("dtmf")["tone"], "9");
        scene.client.verb("hangup", &call);
        scene.chromium.event("ended");
    }
}

#[test]
fn hold_and_mute_by_each_side_and_an_ice_restart() {
    if impossible() {
        return;
    }
    let mut scene = scene();
    let call = scene.calls();
    scene.both_hear();
    // The browser looks for its path anew: the holds below show that the sound goes by the new one.
    let before = scene.path(&call)["remoteRtp"].clone();
    let restart = "agent.session.renegotiate({rtcOfferConstraints: {iceRestart: true}}, done)";
    scene.chromium.eval(&format!("new Promise((done) => {restart})"));
    scene.client.wait_event("reinvite", |e| e["data"]["reason"] == "media");
    until("the new path is in use", secs(30), || (scene.path(&call)["remoteRtp"] != before).then_some(()));
    scene.client.verb("hold", &call);
    assert_eq!(scene.chromium.event("hold")["by"], "remote");
    scene.chromium.hears_nothing();
    scene.client.verb("unhold", &call);
    assert_eq!(scene.chromium.event("unhold")["by"], "remote");
    scene.both_hear();
    scene.chromium.eval("agent.change('hold')");
    scene.client.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
    scene.chromium.hears_nothing();
    scene.phoned.hears_nothing("alice");
    scene.chromium.eval("agent.change('unhold')");
    scene.client.wait_event("reinvite", |e| e["data"]["reason"] == "unhold");
    scene.both_hear();
    scene.client.verb("mute", &call);
    scene.chromium.hears_nothing();
    scene.client.verb("unmute", &call);
    scene.chromium.eval("agent.session.mute()");
    scene.phoned.hears_nothing("alice");
    scene.chromium.eval("agent.session.unmute()");
    scene.both_hear();
    scene.client.verb("hangup", &call);
    assert_eq!(scene.chromium.event("ended")["by"], "remote");
}

#[test]
fn phoned_transfers_the_browser() {
    if impossible() {
        return;
    }
    let mut scene = scene();
    let call = scene.calls();
    scene.both_hear();
    scene.client.call("session.blindTransfer", json!({"callId": call, "number": "carol"})).unwrap();
    assert_eq!(scene.chromium.event("refer")["to"], "carol");
    scene.carol_answers();
    scene.client.wait_event("transferred", |e| e["callId"] == call.as_str() && e["data"]["number"] == "carol");
    scene.client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
    scene.chromium.hears(1000.0);
    scene.phoned.hears("carol", 700.0);
}

#[test]
fn the_browser_transfers_phoned() {
    if impossible() {
        return;
    }
    let mut scene = scene();
    let call = scene.called();
    scene.both_hear();
    scene.chromium.eval("agent.refer('carol')");
    scene.client.wait_event("startSession", |e| e["data"]["referredBy"] == call.as_str());
    scene.carol_answers();
    scene.chromium.event("refer accepted");
    scene.chromium.eval("agent.session.terminate()");
    scene.client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
    scene.phoned.hears("alice", 1000.0);
    scene.phoned.hears("carol", 440.0);
}

#[test]
fn phoned_transfers_the_browser_attended_over_wss() {
    if impossible() {
        return;
    }
    let mut scene = scene_over("wss", "");
    let call = scene.calls();
    scene.both_hear();
    assert_eq!(scene.path(&call)["transport"], "wss");
    let consultation = scene.consults(&call, "carol");
    scene.client.wait_event("confirmed", |e| e["callId"] == consultation.as_str());
    scene.is_held(&call); // before that the browser takes no REFER
    scene.client.verb("attendedTransfer", &consultation);
    assert_eq!(scene.chromium.event("refer")["to"], "carol");
    scene.client.wait_event("transferred", |e| e["callId"] == call.as_str());
    scene.client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
    scene.chromium.hears(1000.0);
    scene.phoned.hears("carol", 700.0);
}

#[test]
fn the_browser_transfers_phoned_attended_over_wss() {
    if impossible() {
        return;
    }
    let mut scene = scene_over("wss", "");
    let call = scene.called();
    scene.both_hear();
    scene.chromium.eval("agent.change('hold')");
    scene.chromium.eval("agent.call('carol')");
    scene.carol_answers();
    scene.chromium.event("confirmed");
    scene.chromium.hears(1000.0);
    scene.chromium.eval("agent.refer('carol', agent.sessions[0], agent.sessions[1])");
    let new = scene.client.wait_event("startSession", |e| e["data"]["referredBy"] == call.as_str());
    scene.client.wait_event("confirmed", |e| e["callId"] == new["callId"]);
    scene.chromium.event("refer accepted");
    scene.chromium.eval("agent.sessions[0].terminate()");
    scene.client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
    scene.phoned.hears("alice", 1000.0);
    scene.phoned.hears("carol", 440.0);
}

#[test]
fn phoned_is_sent_to_the_browser_attended_over_wss() {
    if impossible() {
        return;
    }
    let mut scene = scene_over("wss", "");
    let call = scene.client.dial("alice", "carol");
    scene.carol_answers();
    scene.client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    let consultation = scene.consults(&call, "bob");
    scene.chromium.event("session");
    scene.chromium.eval("agent.answer()");
    scene.client.wait_event("confirmed", |e| e["callId"] == consultation.as_str());
    scene.chromium.hears(440.0);
    scene.client.verb("attendedTransfer", &consultation);
    assert_eq!(scene.chromium.event("session")["by"], "remote", "carol calls in alice's place");
    scene.chromium.eval("agent.answer()");
    scene.client.wait_event("transferred", |e| e["callId"] == call.as_str());
    scene.client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
    scene.chromium.hears(1000.0);
    scene.phoned.hears("carol", 700.0);
}

/// The browser's video is 320 × 240; its calls have it from now on.
fn films(scene: &mut Scene) {
    scene.chromium.eval("agent.film(320, 240)");
}

/// The browser decodes more and more frames of that size.
fn watches(scene: &mut Scene, width: u64, height: u64) {
    let mut last = json!(null);
    for more in [5, 20] {
        let begin = scene.chromium.eval("agent.watched()")["frames"].as_u64().unwrap();
        let found = poll(secs(30), || {
            last = scene.chromium.eval("agent.watched()");
            let grown = last["frames"].as_u64().unwrap() >= begin + more;
            (grown && last["width"] == width && last["height"] == height).then_some(())
        });
        assert!(found.is_some(), "the browser does not decode our video: {last}");
    }
}

/// The only IVF file of a folder once it has `frames`, and whether its first frame is a key frame of 320 × 240.
fn recorded(folder: &Path, frames: usize) -> PathBuf {
    let mut last = String::new();
    let found = poll(secs(30), || {
        let path = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).next()?;
        let bytes = std::fs::read(&path).ok()?;
        let key = bytes.get(44).is_some_and(|first| first & 1 == 0)
            && bytes.get(47..54) == Some(&[0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0][..]);
        let (mut at, mut count) = (32, 0);
        while let Some(length) = bytes.get(at..at + 4).and_then(|b| b.first_chunk()) {
            at += 12 + u32::from_le_bytes(*length) as usize;
            count += usize::from(at <= bytes.len());
        }
        last = format!("{} bytes, {count} frames, key frame first: {key}", bytes.len());
        (key && count >= frames).then_some(path)
    });
    found.unwrap_or_else(|| panic!("no video of the browser in {folder:?}: {last}"))
}

/// First the browser's camera comes into a file, then that file is what the browser sees.
#[test]
fn video_both_ways() {
    if impossible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("video");
    let mut scene = scene_with(&format!("[video]\nsink = \"file:{}\"\n", folder.display()));
    films(&mut scene);
    let call = scene.called();
    scene.both_hear();
    let status = |scene: &mut Scene, call: &str| scene.client.call("session.get", json!({"callId": call})).unwrap();
    let session = status(&mut scene, &call);
    assert_eq!((&session["status"]["isVideo"], &session["localStream"]), (&json!(true), &json!(null)), "{session}");
    recorded(&folder, 40);
    let added = status(&mut scene, &call)["remoteStream"]["tracks"].clone();
    assert_eq!(
        (&added[1]["kind"], &added[1]["codec"], &added[1]["direction"]),
        (&json!("video"), &json!("VP8"), &json!("recvonly"))
    );
    let report = scene.client.wait_event_for("callReport", secs(20), |e| {
        e["callId"] == call.as_str() && e["data"]["callReport"]["lksVideoRx"] != "0"
    });
    assert_eq!(report["data"]["callReport"]["lksVideoCodec"], "VP8");
    scene.client.verb("hangup", &call);
    scene.chromium.event("ended");
    drop(scene);
    let file = dir.path().join("source.ivf");
    std::fs::copy(recorded(&folder, 40), &file).unwrap();

    let mut scene = scene_with(&format!("[video]\nsource = \"file:{}\"\n", file.display()));
    // Both are audio at first; then the browser sees us though it shows nothing itself.
    let call = scene.calls();
    scene.both_hear();
    assert_eq!(status(&mut scene, &call)["status"]["isVideo"], false);
    scene.client.verb("audioToVideo", &call);
    watches(&mut scene, 320, 240);
    let session = status(&mut scene, &call);
    assert_eq!(session["localStream"]["tracks"][0]["direction"], "sendonly", "{session}");
    scene.both_hear();
    // Held: nothing comes; resumed: it goes on.
    scene.client.verb("hold", &call);
    scene.client.verb("unhold", &call);
    watches(&mut scene, 320, 240);
    scene.client.verb("videoToAudio", &call);
    assert_eq!(status(&mut scene, &call)["status"]["isVideo"], false);
    scene.client.verb("audioToVideo", &call);
    watches(&mut scene, 320, 240);
    scene.both_hear();
    scene.client.verb("hangup", &call);
    scene.chromium.event("ended");
    // From the first INVITE on, with the browser's own video refused: there is no sink.
    films(&mut scene);
    let option = json!({"video": true});
    scene.client.call("phone.call", json!({"number": "bob", "account": "alice", "option": option})).unwrap();
    scene.chromium.event("session");
    scene.chromium.eval("agent.answer()");
    scene.chromium.event("confirmed");
    watches(&mut scene, 320, 240);
}

/// A mirror on two local ports: what comes on the one goes out of it to `back`, and requests for a key frame the other way. It counts the
/// packets that begin a key frame of H.264, until it is dropped.
struct Mirror {
    keys: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    fn at(port: u16, back: u16) -> Mirror {
        let open = |port: u16| {
            let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
            socket.set_read_timeout(Some(std::time::Duration::from_millis(5))).unwrap();
            socket
        };
        let (video, control) = (open(port), open(port + 1));
        let (keys, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ends) = (keys.clone(), over.clone());
        let run = move || {
            let (mut bytes, mut shows) = ([0; 2_048], None);
            while !ends.load(Ordering::Relaxed) {
                if let Ok((length, from)) = video.recv_from(&mut bytes) {
                    shows = Some(from);
                    // A sequence parameter set, alone or first of several units (RFC 6184 §5.2).
                    let unit = |at: usize| bytes[at] & 0x1f;
                    let key = unit(12) == 7 || (unit(12) == 24 && unit(15) == 7);
                    count.fetch_add(u64::from(key), Ordering::Relaxed);
                    let _ = video.send_to(&bytes[..length], ("127.0.0.1", back));
                }
                control.set_nonblocking(true).unwrap();
                if let (Ok((length, _)), Some(to)) = (control.recv_from(&mut bytes), shows) {
                    let _ = video.send_to(&bytes[..length], to);
                }
            }
        };
        Mirror { keys, over, thread: Some(std::thread::spawn(run)) }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The browser's camera, encoded by it, through phoned's ports and back: it decodes what it sent.
#[test]
fn h264_there_and_back() {
    if impossible() {
        return;
    }
    let (mirror, back) = (free_port(), free_port());
    let seen = Mirror::at(mirror, back);
    let video =
        format!("[video]\nsink = \"rtp:127.0.0.1:{mirror}\"\nsource = \"rtp:127.0.0.1:{back}\"\ncodecs = [\"H264\"]\n");
    let mut scene = scene_with(&video);
    films(&mut scene);
    let call = scene.called();
    scene.both_hear();
    // An answer shows nothing by itself.
    scene.client.verb("audioToVideo", &call);
    watches(&mut scene, 320, 240);
    let session = scene.client.call("session.get", json!({ "callId": call })).unwrap();
    assert_eq!(session["remoteStream"]["tracks"][1]["codec"], "H264", "{session}");
    assert!(seen.keys.load(Ordering::Relaxed) > 0, "no beginning of a key frame passed");
    scene.client.verb("hangup", &call);
    scene.chromium.event("ended");
}
