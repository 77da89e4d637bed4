//! Whatever is offered: two of our sides always understand each other, a number keeps its meaning for the dialog, and no bytes make the reader panic.

use std::collections::BTreeMap;

use phoned::sdp::{CodecKind, Direction, LocalSide, SessionDescription};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const DIRECTIONS: [Direction; 4] = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

fn below(rng: &mut ChaCha20Rng, limit: usize) -> usize {
    (rng.next_u32() as usize) % limit
}

/// A non-empty list of codecs in any order.
fn codecs(rng: &mut ChaCha20Rng) -> Vec<CodecKind> {
    let mut all = vec![CodecKind::Opus, CodecKind::Pcmu, CodecKind::Pcma];
    all.swap(0, below(rng, 3));
    all.swap(1, 1 + below(rng, 2));
    all.truncate(1 + below(rng, 3));
    all
}

fn random_offer(rng: &mut ChaCha20Rng) -> String {
    let mut text = String::from("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");
    for _ in 0..1 + below(rng, 4) {
        let kind = ["audio", "audio", "video", "message"][below(rng, 4)];
        let profile = ["RTP/AVP", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "TCP/MSRP"][below(rng, 5)];
        let port = [0, 4000, 5000, 65535][below(rng, 4)];
        let numbers: Vec<usize> =
            (0..1 + below(rng, 6)).map(|_| [0, 8, 9, 96, 97, 98, 101, 127][below(rng, 8)]).collect();
        let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
        text += &format!("m={kind} {port} {profile} {}\r\n", words.join(" "));
        for number in numbers {
            let map = [
                "opus/48000/2",
                "PCMU/8000",
                "PCMA/8000/1",
                "telephone-event/8000",
                "telephone-event/48000",
                "G722/8000",
                "",
            ][below(rng, 7)];
            if !map.is_empty() {
                text += &format!("a=rtpmap:{number} {map}\r\n");
            }
        }
        let line =
            ["a=sendonly", "a=inactive", "a=rtcp-mux", "a=ptime:40", "a=rtcp:7", "c=IN IP4 0.0.0.0"][below(rng, 6)];
        text += &format!("{line}\r\n");
    }
    text
}

#[test]
fn two_of_our_sides_agree() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for _ in 0..5_000 {
        let (ours, theirs) = (codecs(&mut rng), codecs(&mut rng));
        let mut a = LocalSide::new("192.0.2.1:4000".parse().expect("an address"), 1, ours.clone());
        let mut b = LocalSide::new("192.0.2.2:4000".parse().expect("an address"), 2, theirs.clone());
        for _ in 0..4 {
            let (said, want) = (DIRECTIONS[below(&mut rng, 4)], DIRECTIONS[below(&mut rng, 4)]);
            let offer = SessionDescription::parse(a.offer(said).as_bytes()).expect("our own offer");
            let Ok((text, at_b)) = b.answer(&offer, want) else {
                assert!(ours.iter().all(|kind| !theirs.contains(kind)));
                break;
            };
            let answer = SessionDescription::parse(text.as_bytes()).expect("our own answer");
            let at_a = a.accept(&answer, said).expect("an answer of ours to an offer of ours");
            assert_eq!(at_a.direction, at_b.direction.reversed());
            assert_eq!(at_a.direction, said.and(want.reversed()));
            assert_eq!(at_a.codec.kind, at_b.codec.kind);
            assert_eq!((at_a.codec.send_pt, at_a.codec.recv_pt), (at_b.codec.recv_pt, at_b.codec.send_pt));
            let (da, db) = (at_a.dtmf.expect("events"), at_b.dtmf.expect("events"));
            assert_eq!((da.send_pt, da.recv_pt, da.clock), (db.recv_pt, db.send_pt, db.clock));
            assert_eq!(da.clock, at_a.codec.kind.clock());
            assert!(at_a.rtcp_mux && at_b.rtcp_mux);
            std::mem::swap(&mut a, &mut b);
        }
    }
}

#[test]
fn any_offer_gets_a_sound_answer_or_none() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut answered = 0;
    for _ in 0..2_000 {
        let mut local = LocalSide::new("192.0.2.9:4000".parse().expect("an address"), 1, codecs(&mut rng));
        let mut meaning: BTreeMap<u8, String> = BTreeMap::new();
        for _ in 0..6 {
            let offer = random_offer(&mut rng);
            let parsed = SessionDescription::parse(offer.as_bytes()).expect("well-formed");
            let before = local.clone();
            let Ok((text, got)) = local.answer(&parsed, DIRECTIONS[below(&mut rng, 4)]) else {
                assert_eq!(local, before);
                continue;
            };
            answered += 1;
            let kinds = |text: &str| -> Vec<String> {
                text.lines().filter_map(|l| l.strip_prefix("m=")?.split(' ').next().map(str::to_owned)).collect()
            };
            assert_eq!(kinds(&offer), kinds(&text), "as many lines, in the same order");
            let open = text.lines().filter(|l| l.starts_with("m=") && l.split(' ').nth(1) != Some("0")).count();
            assert_eq!(open, 1, "one stream");
            assert_ne!(got.remote_rtp.port(), 0);
            assert!(local.codecs.contains(&got.codec.kind));
            for map in text.lines().filter_map(|l| l.strip_prefix("a=rtpmap:")) {
                let (number, format) = map.split_once(' ').expect("a map");
                let number = number.parse().expect("a number");
                assert_eq!(meaning.entry(number).or_insert(format.to_owned()), format, "{number} keeps its meaning");
            }
            SessionDescription::parse(text.as_bytes()).expect("our own answer");
        }
    }
    assert!(answered > 2_000, "only {answered} offers could be answered: the generator is poor");
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut local =
        LocalSide::new("192.0.2.9:4000".parse().expect("an address"), 1, vec![CodecKind::Opus, CodecKind::Pcmu]);
    for round in 0..40_000 {
        let mut bytes = random_offer(&mut rng).into_bytes();
        for _ in 0..1 + round % 8 {
            let at = below(&mut rng, bytes.len());
            match below(&mut rng, 4) {
                0 => bytes[at] = rng.next_u32() as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n=:/ 09"[below(&mut rng, 8)]),
                _ => bytes.truncate(at.max(16)),
            }
        }
        let Ok(parsed) = SessionDescription::parse(&bytes) else { continue };
        let direction = DIRECTIONS[below(&mut rng, 4)];
        if let Ok((text, _)) = local.answer(&parsed, direction) {
            assert!(text.is_ascii() && text.split("\r\n").all(|line| !line.contains(['\r', '\n', '\0'])));
        }
        let _ = local.accept(&parsed, direction);
    }
}
