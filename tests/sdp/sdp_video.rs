//! Video in offer and answer: one line within the audio's BUNDLE group, by what each side has; lines keep their order, a refused one comes
//! back under another name, and outside of a group video stays refused.
use std::collections::BTreeSet;

use phoned::sdp::{
    CodecKind, Direction, Encryption, KeySeed, LocalDtls, LocalIce, LocalSide, Negotiated, SessionDescription,
    VideoCodec,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const BOTH: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];
const DIRECTIONS: [Direction; 4] = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

fn side(number: u8, video: Direction, codecs: &[VideoCodec]) -> LocalSide {
    let rtp = format!("192.0.2.{number}:4000").parse().unwrap();
    let candidate = format!("1 1 udp 2130706431 192.0.2.{number} 4000 typ host");
    let ice = Some(LocalIce { candidates: vec![candidate], default: rtp });
    let fingerprint = format!("sha-256 {}", vec![format!("{number:02X}"); 32].join(":"));
    let mut side = LocalSide::new(rtp, u64::from(number), vec![CodecKind::Opus, CodecKind::Pcmu])
        .encrypted(Encryption::Off, KeySeed::new([number; 32]))
        .with_dtls(LocalDtls { fingerprint, ice }, true);
    side.set_video(video, codecs.to_vec());
    side
}

fn read(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

/// An offer of `a` and its answer: the texts, and what each is told.
fn round(a: &mut LocalSide, b: &mut LocalSide, want: Direction) -> (String, String, Negotiated, Negotiated) {
    let offer = a.offer(want);
    let (answer, at_b) = b.answer(&read(&offer), Direction::SendRecv).unwrap();
    let at_a = a.accept(&read(&answer), want).unwrap();
    (offer, answer, at_a, at_b)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

fn group(text: &str) -> Option<Vec<&str>> {
    text.lines().find_map(|line| line.strip_prefix("a=group:BUNDLE")).map(|mids| mids.split_whitespace().collect())
}

fn mids(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("a=mid:")).collect()
}

#[test]
fn what_both_have_is_what_flows() {
    for ours in DIRECTIONS {
        for theirs in DIRECTIONS {
            for held in [Direction::SendRecv, Direction::SendOnly, Direction::Inactive] {
                let (mut a, mut b) = (side(1, ours, &BOTH), side(2, theirs, &[VideoCodec::Vp8]));
                a.ask_video();
                let (offer, answer, at_a, at_b) = round(&mut a, &mut b, held);
                let possible = ours != Direction::Inactive && theirs != Direction::Inactive;
                assert_eq!((at_a.video.is_some(), at_b.video.is_some()), (possible, possible), "{offer}{answer}");
                let (Some(at_a), Some(at_b)) = (at_a.video, at_b.video) else {
                    assert!(offer.contains("m=video ") == (ours != Direction::Inactive));
                    assert!(!answer.contains("m=video ") || answer.contains("m=video 0 "), "{answer}");
                    continue;
                };
                assert_eq!(at_a.direction, at_b.direction.reversed());
                assert_eq!(at_a.direction, ours.and(held).and(theirs.reversed()));
                assert_eq!((at_a.codec, at_b.codec), (VideoCodec::Vp8, VideoCodec::Vp8));
                assert_eq!((at_a.send_pt, at_a.recv_pt), (at_b.recv_pt, at_b.send_pt));
                assert!(at_a.pli && at_b.pli);
                assert_eq!(
                    (group(&offer).unwrap().len(), group(&answer), mids(&answer)),
                    (2, group(&offer), mids(&offer))
                );
            }
        }
    }
}

#[test]
fn it_is_not_offered_unasked() {
    let (mut a, mut b) = (side(1, Direction::SendRecv, &BOTH), side(2, Direction::SendRecv, &BOTH));
    let (offer, _, at_a, _) = round(&mut a, &mut b, Direction::SendRecv);
    assert_eq!((lines(&offer).len(), at_a.video), (1, None));
    let mut plain = LocalSide::new("192.0.2.1:4000".parse().unwrap(), 1, vec![CodecKind::Pcmu]);
    plain.set_video(Direction::SendRecv, BOTH.to_vec());
    plain.ask_video();
    assert_eq!(lines(&plain.offer(Direction::SendRecv)).len(), 1, "beside WebRTC audio only");
}

#[test]
fn it_comes_goes_and_comes_back() {
    let (mut a, mut b) = (side(1, Direction::Inactive, &BOTH), side(2, Direction::RecvOnly, &BOTH));
    round(&mut a, &mut b, Direction::SendRecv);
    a.set_video(Direction::SendOnly, BOTH.to_vec());
    a.ask_video();
    let (with, _, at_a, at_b) = round(&mut a, &mut b, Direction::SendRecv);
    assert_eq!((lines(&with).len(), at_a.video.unwrap().direction), (2, Direction::SendOnly));
    assert_eq!(at_b.video.unwrap().direction, Direction::RecvOnly);
    let name = mids(&with)[1].to_owned();
    // A hold keeps it, whoever offers.
    let (held, ..) = round(&mut a, &mut b, Direction::Inactive);
    assert_eq!((lines(&held).len(), mids(&held)), (2, mids(&with)));
    let (theirs, ..) = round(&mut b, &mut a, Direction::SendRecv);
    assert_eq!(mids(&theirs), mids(&with));
    a.set_video(Direction::Inactive, BOTH.to_vec());
    let (without, answer, at_a, at_b) = round(&mut a, &mut b, Direction::SendRecv);
    assert!(
        lines(&without)[1].starts_with("m=video 0 ") && lines(&answer)[1].starts_with("m=video 0 "),
        "{without}{answer}"
    );
    assert_eq!((at_a.video, at_b.video, group(&without).unwrap().len()), (None, None, 1));
    a.set_video(Direction::SendOnly, BOTH.to_vec());
    a.ask_video();
    let (again, _, at_a, _) = round(&mut a, &mut b, Direction::SendRecv);
    assert!(at_a.video.is_some() && lines(&again).len() == 2 && mids(&again)[1] != name, "{again}");
}

#[test]
fn a_refused_offer_leaves_no_trace() {
    let (mut a, mut b) = (side(1, Direction::Inactive, &BOTH), side(2, Direction::Inactive, &BOTH));
    let (first, ..) = round(&mut a, &mut b, Direction::SendRecv);
    a.set_video(Direction::SendRecv, BOTH.to_vec());
    a.ask_video();
    assert_eq!(lines(&a.offer(Direction::SendRecv)).len(), 2);
    a.roll_back();
    a.set_video(Direction::Inactive, BOTH.to_vec());
    let (next, ..) = round(&mut a, &mut b, Direction::SendRecv);
    assert_eq!(lines(&next), lines(&first));
    // Refused with 200 and port 0: it is not asked for again by itself.
    a.set_video(Direction::SendRecv, BOTH.to_vec());
    a.ask_video();
    let (_, answer, at_a, _) = round(&mut a, &mut b, Direction::SendRecv);
    assert!(at_a.video.is_none() && lines(&answer)[1].starts_with("m=video 0 "));
    let (next, ..) = round(&mut a, &mut b, Direction::SendRecv);
    assert!(lines(&next)[1].starts_with("m=video 0 "), "{next}");
}

/// What browsers write, shortened: many codecs, retransmission, several H.264.
const BROWSER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
SHIELDm=video 9 UDP/TLS/RTP/SAVPF 96 97 39 40 102 106 103\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\n\
a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=rtpmap:39 H264/90000\r\na=fmtp:39 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
a=rtpmap:40 H264/90000\r\na=fmtp:40 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f\r\n\
a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
a=rtpmap:106 H264/90000\r\na=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\nSHIELD";

fn browser() -> String {
    let print = vec!["AB"; 32].join(":");
    let shield = format!(
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {print}\r\na=setup:actpass\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.50 50000 typ host\r\n"
    );
    BROWSER.replace("SHIELD", &shield)
}

#[test]
fn a_browser_gets_its_own_numbers_and_one_codec() {
    for (codecs, number, map) in [
        (&BOTH[..], 96, "a=rtpmap:96 VP8/90000"),
        (&BOTH[1..], 106, "a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    ] {
        let mut local = side(1, Direction::SendRecv, codecs);
        let (answer, got) = local.answer(&read(&browser()), Direction::SendRecv).unwrap();
        let video = got.video.unwrap();
        assert_eq!((video.send_pt, video.recv_pt, video.pli), (number, number, number == 96));
        assert_eq!(lines(&answer)[1].split(' ').skip(3).collect::<Vec<_>>(), [number.to_string()]);
        assert!(answer.lines().any(|line| line == map), "{answer}");
    }
    // Port 0 is no refusal where the line is to be had in its group only.
    let mut local = side(1, Direction::RecvOnly, &BOTH);
    let offer = browser().replace("m=video 9 ", "m=video 0 ");
    assert_eq!(local.answer(&read(&offer), Direction::SendRecv).unwrap().1.video, None);
    let offer = offer.replace("a=mid:1\r\n", "a=mid:1\r\na=bundle-only\r\n");
    let video = local.answer(&read(&offer), Direction::SendRecv).unwrap().1.video.unwrap();
    assert_eq!(video.direction, Direction::RecvOnly);
}

#[test]
fn the_path_is_that_of_the_section_that_the_group_names_first() {
    let offer = browser();
    let at = offer.find("m=video").unwrap();
    let offer = offer[..at].to_owned() + &offer[at..].replace("a=ice-ufrag:abcd", "a=ice-ufrag:efgh");
    for (group, ufrag) in [("0 1", "abcd"), ("1 0", "efgh")] {
        let offer = offer.replace("BUNDLE 0 1", &format!("BUNDLE {group}"));
        let mut local = side(1, Direction::SendRecv, &BOTH);
        let got = local.answer(&read(&offer), Direction::SendRecv).unwrap().1;
        assert_eq!(got.ice.unwrap().remote.ufrag, ufrag);
        let mut local = side(1, Direction::Inactive, &BOTH);
        let got = local.answer(&read(&offer), Direction::SendRecv).unwrap().1;
        assert_eq!(got.ice.unwrap().remote.ufrag, "abcd", "video is refused");
    }
}

#[test]
fn outside_of_the_group_it_stays_refused() {
    for (from, to) in [
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"),
        ("a=group:BUNDLE 0 1", "a=group:BUNDLE 0\r\na=group:BUNDLE 1"),
        ("m=video 9 UDP/TLS/RTP/SAVPF", "m=video 9 RTP/AVPF"),
        ("a=mid:1\r\n", ""),
        ("a=mid:1\r\n", "a=mid:0\r\n"),
        ("VP8/90000", "VP8/8000"),
    ] {
        let mut local = side(1, Direction::SendRecv, &BOTH[..1]);
        let (answer, got) = local.answer(&read(&browser().replace(from, to)), Direction::SendRecv).unwrap();
        assert!(got.video.is_none() && lines(&answer)[1].starts_with("m=video 0 "), "{to}: {answer}");
    }
}

#[test]
fn any_offer_gets_a_sound_answer() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut below = |limit: usize| rng.next_u32() as usize % limit;
    let (mut shown, text) = (0, browser());
    let shield = &text[text.find("a=ice-ufrag").unwrap()..text.find("m=video").unwrap()];
    for _ in 0..500 {
        let mut local = side(1, DIRECTIONS[below(4)], &BOTH[below(2)..]);
        for _ in 0..5 {
            let mut offer = String::from("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");
            let grouped: Vec<String> = (0..4).filter(|_| below(5) > 0).map(|n| n.to_string()).collect();
            offer += &format!("a=group:BUNDLE {}\r\n", grouped.join(" "));
            for mid in 0..1 + below(4) {
                let kind = ["audio", "video"][below(2)];
                let numbers = [96, 97, 98, 102];
                offer += &format!(
                    "m={kind} {} UDP/TLS/RTP/SAVPF 96 97 98 102\r\na=mid:{mid}\r\na=rtcp-mux\r\n",
                    [0, 9, 9][below(3)]
                );
                offer += &format!("a={}\r\n{shield}", DIRECTIONS[below(4)].as_str());
                for number in numbers {
                    let map =
                        ["opus/48000/2", "VP8/90000", "H264/90000", "telephone-event/48000", "rtx/90000"][below(5)];
                    offer += &format!(
                        "a=rtpmap:{number} {map}\r\na=fmtp:{number} packetization-mode=1;profile-level-id=42c01f\r\n"
                    );
                }
            }
            let before = local.clone();
            let Ok((answer, got)) = local.answer(&read(&offer), DIRECTIONS[below(4)]) else {
                assert_eq!(local, before);
                continue;
            };
            let kinds = |text: &str| -> Vec<String> {
                lines(text).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
            };
            assert_eq!(kinds(&offer), kinds(&answer));
            let open: Vec<&str> =
                lines(&answer).into_iter().filter(|line| line.split(' ').nth(1) != Some("0")).collect();
            assert_eq!(open.len(), 1 + usize::from(got.video.is_some()));
            let numbers: Vec<&str> = open.iter().flat_map(|line| line.split(' ').skip(3)).collect();
            assert_eq!(
                numbers.iter().collect::<BTreeSet<_>>().len(),
                numbers.len(),
                "no number stands for two: {answer}"
            );
            if got.video.is_some() {
                shown += 1;
                assert_eq!(group(&answer).unwrap(), mids(&answer));
                assert!(mids(&answer).iter().all(|mid| grouped.iter().any(|name| name == mid)));
            }
            let again = local.offer(Direction::SendRecv);
            assert_eq!(kinds(&again), kinds(&answer));
            read(&again);
        }
    }
    assert!(shown > 100, "{shown}");
}
