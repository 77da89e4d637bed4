//! With `srtp = "require"` a capture of everything that passes between two hosts, from before the call to after its end, holds no RTP and
//! no RTCP in clear; the same capture of a call without it shows both, so that the test sees what it looks for.

mod common;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use common::daemon::{Daemon, Setup};
use common::hosts::{Host, two_hosts};
use common::wait::secs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

/// The UDP payloads of what a host's interface sent and got.
fn capture(host: &Host, over: Arc<AtomicBool>) -> mpsc::Receiver<Vec<Vec<u8>>> {
    let raw = || socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_NONBLOCK, SockProtocol::EthAll);
    let socket = host.within(|| raw().expect("root may capture"));
    let (done, packets) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut all, mut bytes) = (Vec::new(), [0; 4_096]);
        loop {
            let ends = over.load(Ordering::Relaxed);
            while let Ok(length) = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                let head = usize::from(bytes[0] & 15) * 4;
                // IPv4, UDP, not a fragment.
                if bytes[0] >> 4 == 4 && bytes[9] == 17 && length > head + 8 {
                    all.push(bytes[head + 8..length].to_vec());
                }
            }
            if ends {
                let _ = done.send(all);
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    packets
}

/// What a listener makes of a capture: packets of RTP whose sound is the tone of one of the phones, and of RTCP whose words can be read.
#[derive(Debug, Default)]
struct Overheard {
    rtp: usize,
    rtcp: usize,
    tones: usize,
    words: usize,
}

fn overhear(packets: &[Vec<u8>]) -> Overheard {
    let mut heard = Overheard::default();
    for packet in packets.iter().filter(|packet| packet.len() > 12 && packet[0] >> 6 == 2) {
        if (192..=223).contains(&packet[1]) {
            heard.rtcp += 1;
            // A report in clear is followed by the sender's name (SDES) or goodbye, each with a length that fits.
            let mut at = 0;
            while let Some(head) =
                packet.get(at..at + 4).filter(|head| head[0] >> 6 == 2 && (200..=206).contains(&head[1]))
            {
                at += 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            }
            heard.words += usize::from(at == packet.len());
            continue;
        }
        heard.rtp += 1;
        let pcm: Vec<f64> = packet[12..]
            .iter()
            .take(160)
            .map(|b| f64::from(audio_codec_algorithms::decode_ulaw(*b)) / 32768.0)
            .collect();
        // Tones are looked for in twentieths of a second: at this rate a packet is one.
        let sound = common::tone::Sound { rate: 3_200, samples: pcm };
        let tone = [440.0, 700.0].iter().map(|hz| sound.share(hz * 0.4)).fold(0.0, f64::max);
        heard.tones += usize::from(sound.samples.len() == 160 && tone > 0.8);
    }
    heard
}

fn phone(host: &Host, name: &str, address: &str, srtp: &str, hz: u32) -> Daemon {
    let tables = format!(
        "[accounts.{name}]\nuri = \"sip:{name}@{address}:{{port}}\"\nregister = false\ntrusted = [\"10.9.0.0/24\"]\nsrtp = \"{srtp}\"\n\
         codecs = [\"pcmu\"]\ninput = \"tone:{hz}\"\noutput = \"file:{{dir}}/{name}.wav\"\n"
    );
    host.within(|| Daemon::start(&Setup { at: "0.0.0.0".into(), tables, ..Setup::default() }))
}

fn a_call(srtp: &str) -> Option<Overheard> {
    let (one, two) = two_hosts()?;
    let over = Arc::new(AtomicBool::new(false));
    let packets = capture(&one, over.clone());
    let alice = phone(&one, "alice", "10.9.0.1", srtp, 440);
    let bob = phone(&two, "bob", "10.9.0.9", srtp, 700);
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let out = a.dial("alice", &format!("sip:bob@10.9.0.9:{}", bob.port));
    let call = b.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    b.verb("answer", &call);
    a.wait_event("confirmed", |_| true);
    alice.hears("alice", 700.0);
    bob.hears("bob", 440.0);
    // All that a call has: digits, a hold, and the goodbyes of both.
    a.call("session.dtmf", serde_json::json!({"callId": out, "dtmf": "5", "method": "rtp"})).unwrap();
    b.wait_event("dtmf", |_| true);
    a.verb("hold", &out);
    a.verb("unhold", &out);
    bob.hears("bob", 440.0);
    a.verb("hangup", &out);
    b.wait_event("ended", |_| true);
    assert!(alice.stop() && bob.stop());
    over.store(true, Ordering::Relaxed);
    Some(overhear(&packets.recv_timeout(secs(30)).unwrap()))
}

#[test]
fn a_required_encryption_leaves_nothing_to_hear() {
    let Some(heard) = a_call("require") else { return };
    assert!(heard.rtp > 80 && heard.rtcp >= 2, "the capture has the call: {heard:?}");
    assert_eq!((heard.tones, heard.words), (0, 0), "{heard:?}");
}

#[test]
fn a_call_in_clear_is_overheard() {
    let Some(heard) = a_call("off") else { return };
    assert!(heard.tones > heard.rtp / 2 && heard.words > 0 && heard.words == heard.rtcp, "{heard:?}");
}
