//! Offers as the phones and exchanges in the field write them are answered by RFC 3264: our preference among the codecs,
//! the peer's payload type numbers, its direction mirrored, every m= line in its place; what cannot be spoken is refused.

use std::net::SocketAddr;

use phoned::sdp::{CodecKind, Direction, LocalSide, Negotiated, SdpError, SessionDescription};

const ALL: [CodecKind; 3] = [CodecKind::Opus, CodecKind::Pcmu, CodecKind::Pcma];

const BARESIP: &str = "v=0\r\no=- 3417728129 1866453431 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
a=tool:baresip 1.1.0\r\nm=audio 10042 RTP/AVP 96 0 8 101\r\nb=AS:125\r\na=rtpmap:96 opus/48000/2\r\n\
a=fmtp:96 stereo=1;sprop-stereo=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-15\r\na=rtcp:10043\r\na=sendrecv\r\na=label:1\r\na=rtcp-rsize\r\na=ssrc:4021432 cname:sip:a@b\r\na=ptime:20\r\n\
a=rtcp-mux\r\n";
const ASTERISK: &str = "v=0\r\no=- 1226381 1226381 IN IP4 192.0.2.20\r\ns=Asterisk\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n\
m=audio 18022 RTP/AVP 107 8 0 101 102\r\na=rtpmap:107 opus/48000/2\r\na=fmtp:107 maxaveragebitrate=24000;useinbandfec=1\r\n\
a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
a=rtpmap:102 telephone-event/48000\r\na=fmtp:102 0-16\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n";
const SIPP: &str = "v=0\no=user1 53655765 2353687637 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 6000 RTP/AVP 0\n\
a=rtpmap:0 PCMU/8000\n";
const TRUNK: &str = "v=0\r\no=GW 1 1 IN IP4 198.51.100.1\r\ns=call\r\nc=IN IP4 198.51.100.2\r\nt=0 0\r\n\
m=audio 30000 RTP/AVP 18 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:18 annexb=no\r\na=ptime:30\r\n";
const VIDEO_FIRST: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.30\r\ns=-\r\nt=0 0\r\nm=video 5000/2 RTP/AVP 99 100\r\nc=IN IP4 192.0.2.31\r\n\
a=rtpmap:99 H264/90000\r\nm=audio 5002 RTP/AVP 0\r\nc=IN IP4 192.0.2.32\r\nm=application 9 UDP/BFCP *\r\nm=audio 5004 RTP/AVP 8\r\n\
c=IN IP4 192.0.2.32\r\n";
const ONLY_SRTP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.30\r\ns=-\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\nm=audio 5002 RTP/SAVP 0\r\n\
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n";
const BEST_EFFORT_SRTP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.30\r\ns=-\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\nm=audio 5002 RTP/SAVP 0\r\n\
m=audio 5004 RTP/AVPF 0\r\n";

fn side(codecs: &[CodecKind]) -> LocalSide {
    LocalSide::new("203.0.113.5:20000".parse().expect("an address"), 77, codecs.to_vec())
}

fn read(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).expect("a description")
}

fn answer(codecs: &[CodecKind], offer: &str, want: Direction) -> Result<(String, Negotiated), SdpError> {
    side(codecs).answer(&read(offer), want)
}

/// Media lines, without what follows them.
fn media_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

#[test]
fn the_whole_text_of_an_offer() {
    let mut local = side(&ALL);
    let expected = "v=0\r\no=- 77 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
        m=audio 20000 RTP/AVP 96 0 8 97 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 telephone-event/48000\r\na=fmtp:97 0-16\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\na=rtcp-mux\r\n";
    assert_eq!(local.offer(Direction::SendRecv), expected);
}

#[test]
fn the_whole_text_of_an_answer() {
    let (text, _) = answer(&ALL, TRUNK, Direction::SendRecv).expect("an answer");
    let expected = "v=0\r\no=- 77 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
        m=audio 20000 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n\
        a=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(text, expected);
}

#[test]
fn g722_is_said_to_have_a_clock_of_8_khz() {
    // RFC 3551 §4.5.2: an old mistake that everyone keeps to
    let offer = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 9 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let (text, got) = answer(&[CodecKind::G722, CodecKind::Pcmu], offer, Direction::SendRecv).expect("an answer");
    assert!(text.contains("m=audio 20000 RTP/AVP 9 101\r\na=rtpmap:9 G722/8000\r\n"), "{text}");
    assert_eq!((got.codec.kind, got.codec.send_pt, got.dtmf.map(|e| e.clock)), (CodecKind::G722, 9, Some(8_000)));
    assert_eq!((CodecKind::G722.rate(), CodecKind::from_name("g722")), (16_000, Some(CodecKind::G722)));
}

/// Without the feature nobody has heard of it.
#[test]
fn g729_is_a_feature_and_keeps_its_frames_in_silence() {
    let offer = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 18 0\r\na=fmtp:18 annexb=yes\r\n";
    let (text, got) = answer(CodecKind::ALL, offer, Direction::SendRecv).expect("an answer");
    assert_eq!(got.codec.kind, CodecKind::Pcmu, "named last of all");
    assert!(!text.contains("annexb"), "{text}");
    let wanted: Vec<CodecKind> = ["g729", "pcmu"].iter().filter_map(|name| CodecKind::from_name(name)).collect();
    let (text, got) = answer(&wanted, offer, Direction::SendRecv).expect("an answer");
    if cfg!(feature = "g729") {
        assert_eq!((got.codec.kind, got.codec.send_pt), (CodecKind::G729, 18));
        assert!(text.contains("a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n"), "{text}");
    } else {
        assert_eq!(got.codec.kind, CodecKind::Pcmu);
    }
}

#[test]
fn codec_events_and_ptime_of_real_offers() {
    use CodecKind::*;
    // our list, the offer, codec, our number = theirs, events (number, clock), FEC, bit rate, ptime, mux, RTCP port
    type Row<'a> = (&'a [CodecKind], &'a str, CodecKind, u8, Option<(u8, u32)>, bool, Option<u32>, u32, bool, u16);
    let rows: &[Row] = &[
        (&ALL, BARESIP, Opus, 96, Some((101, 8_000)), false, None, 20, true, 10_043),
        (&[Pcma, Opus], BARESIP, Pcma, 8, Some((101, 8_000)), false, None, 20, true, 10_043),
        (&ALL, ASTERISK, Opus, 107, Some((102, 48_000)), true, Some(24_000), 20, false, 18_023),
        (&[Pcmu], ASTERISK, Pcmu, 0, Some((101, 8_000)), false, None, 20, false, 18_023),
        (&ALL, SIPP, Pcmu, 0, None, false, None, 20, false, 6_001),
        (&ALL, TRUNK, Pcma, 8, Some((96, 8_000)), false, None, 30, false, 30_001),
    ];
    for (index, (codecs, offer, kind, number, events, fec, rate, ptime, mux, rtcp)) in rows.iter().enumerate() {
        let (_, got) = answer(codecs, offer, Direction::SendRecv).expect("an answer");
        assert_eq!((got.codec.kind, got.codec.send_pt, got.codec.recv_pt), (*kind, *number, *number), "row {index}");
        assert_eq!(got.dtmf.map(|e| (e.send_pt, e.clock)), *events, "row {index}");
        assert_eq!(got.dtmf.map(|e| (e.recv_pt, e.clock)), *events, "row {index}");
        assert_eq!((got.codec.fec, got.codec.max_bitrate, got.ptime), (*fec, *rate, *ptime), "row {index}");
        assert_eq!(
            (got.rtcp_mux, got.remote_rtcp.port(), got.direction),
            (*mux, *rtcp, Direction::SendRecv),
            "row {index}"
        );
    }
}

#[test]
fn other_lines_are_refused_in_their_places() {
    let (text, got) = answer(&ALL, VIDEO_FIRST, Direction::SendRecv).expect("an answer");
    let expected =
        ["m=video 0 RTP/AVP 99 100", "m=audio 20000 RTP/AVP 0", "m=application 0 UDP/BFCP *", "m=audio 0 RTP/AVP 8"];
    assert_eq!(media_lines(&text), expected);
    assert_eq!(got.remote_rtp, "192.0.2.32:5002".parse::<SocketAddr>().expect("an address"));

    let (text, got) = answer(&ALL, BEST_EFFORT_SRTP, Direction::SendRecv).expect("an answer");
    assert_eq!(media_lines(&text), ["m=audio 0 RTP/SAVP 0", "m=audio 20000 RTP/AVPF 0"]);
    assert_eq!(got.remote_rtp.port(), 5004);
}

#[test]
fn a_later_offer_of_ours_keeps_lines_and_numbers() {
    let mut local = side(&ALL);
    local.answer(&read(VIDEO_FIRST), Direction::SendRecv).expect("an answer");
    let offer = local.offer(Direction::SendOnly);
    assert_eq!(media_lines(&offer)[0], "m=video 0 RTP/AVP 99 100");
    assert!(media_lines(&offer)[1].starts_with("m=audio 20000 RTP/AVP 96 0 8 "));
    assert_eq!(media_lines(&offer).len(), 4);

    let mut local = side(&ALL);
    local.answer(&read(ASTERISK), Direction::SendRecv).expect("an answer");
    assert_eq!(media_lines(&local.offer(Direction::SendRecv)), ["m=audio 20000 RTP/AVP 107 0 8 102 101"]);
}

#[test]
fn a_number_never_changes_its_meaning() {
    let mut local = side(&[CodecKind::Opus]);
    let first = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n";
    local.answer(&read(first), Direction::SendRecv).expect("an answer");
    // 96 was opus; now the peer gives it to its events.
    let second = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 97 96\r\na=rtpmap:97 opus/48000/2\r\na=rtpmap:96 telephone-event/48000\r\n";
    let (_, got) = local.answer(&read(second), Direction::SendRecv).expect("an answer");
    let events = got.dtmf.expect("events");
    assert_eq!((got.codec.send_pt, got.codec.recv_pt), (97, 97));
    assert_eq!(events.send_pt, 96);
    assert_ne!(events.recv_pt, 96);
}

#[test]
fn the_direction_is_mirrored() {
    use Direction::*;
    for (theirs, want, ours) in [
        ("a=sendrecv", SendRecv, SendRecv),
        ("", SendRecv, SendRecv),
        ("a=sendonly", SendRecv, RecvOnly),
        ("a=recvonly", SendRecv, SendOnly),
        ("a=inactive", SendRecv, Inactive),
        ("a=sendrecv", SendOnly, SendOnly),
        ("a=sendonly", SendOnly, Inactive),
        ("a=recvonly", SendOnly, SendOnly),
        ("a=SENDONLY", SendRecv, RecvOnly),
    ] {
        let media = format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n{theirs}\r\n");
        let session = format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{theirs}\r\nm=audio 4000 RTP/AVP 0\r\n");
        for offer in [media, session] {
            let (text, got) = answer(&ALL, &offer, want).expect("an answer");
            assert_eq!(got.direction, ours, "{theirs} {want:?}");
            assert!(text.contains(&format!("a={}\r\n", ours.as_str())), "{text}");
        }
    }
    let section_counts = "v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\n";
    assert_eq!(answer(&ALL, section_counts, SendRecv).expect("an answer").1.direction, RecvOnly);
}

#[test]
fn the_unspecified_address_is_a_hold() {
    for address in ["IN IP4 0.0.0.0", "IN IP6 ::"] {
        let offer = format!("v=0\r\nc={address}\r\nm=audio 4000 RTP/AVP 0\r\n");
        let (text, got) = answer(&ALL, &offer, Direction::SendRecv).expect("an answer");
        assert_eq!(got.direction, Direction::RecvOnly);
        assert!(text.contains("a=recvonly\r\n"));
    }
}

#[test]
fn ipv6_on_both_sides() {
    let mut local = LocalSide::new("[2001:db8::5]:20000".parse().expect("an address"), 1, ALL.to_vec());
    let offer = "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\
        a=rtcp:4007 IN IP6 2001:db8::2\r\n";
    let (text, got) = local.answer(&read(offer), Direction::SendRecv).expect("an answer");
    assert!(text.contains("o=- 1 1 IN IP6 2001:db8::5\r\n") && text.contains("c=IN IP6 2001:db8::5\r\n"), "{text}");
    assert_eq!(got.remote_rtp, "[2001:db8::1]:4000".parse::<SocketAddr>().expect("an address"));
    assert_eq!(got.remote_rtcp, "[2001:db8::2]:4007".parse::<SocketAddr>().expect("an address"));
}

#[test]
fn ptime_stays_within_what_the_codec_can_do() {
    for (codec, lines, expected) in [
        ("0", "a=ptime:10", 10),
        ("0", "a=ptime:60", 60),
        ("0", "a=ptime:90", 20),
        ("0", "a=ptime:5", 20),
        ("0", "a=ptime:x", 20),
        ("0", "a=ptime:33.3", 30),
        ("0", "a=maxptime:10", 10),
        ("0", "a=ptime:40\r\na=maxptime:30", 30),
        ("96", "a=ptime:30", 20),
        ("96", "a=ptime:50", 40),
        ("96", "a=ptime:60", 60),
    ] {
        let offer = format!(
            "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP {codec}\r\na=rtpmap:96 opus/48000/2\r\n{lines}\r\n"
        );
        assert_eq!(answer(&ALL, &offer, Direction::SendRecv).expect("an answer").1.ptime, expected, "{codec} {lines}");
    }
}

#[test]
fn what_cannot_be_spoken_is_refused_and_changes_nothing() {
    for (offer, word) in [
        (ONLY_SRTP, "encrypted"),
        ("v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 4000 RTP/AVP 0\r\n", "no audio"),
        ("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n", "refused"),
        ("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 9 18\r\n", "codec"),
        ("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96\r\n", "codec"),
        ("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000\r\n", "codec"),
        ("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n", "codec"),
        ("v=0\r\nm=audio 4000 RTP/AVP 0\r\n", "c= line"),
    ] {
        let mut local = side(&ALL);
        let before = local.clone();
        let error = local.answer(&read(offer), Direction::SendRecv).expect_err(offer);
        assert!(error.reason.contains(word), "{error} should say {word}");
        assert_eq!(local, before);
    }
    for text in [
        "",
        "hello",
        "v=0\r\ns=-\r\n",
        "v=1\r\nm=audio 1 RTP/AVP 0\r\n",
        "m=audio\r\n",
        "m=audio 70000 RTP/AVP 0\r\n",
        "c=IN IP4 example.com\r\nm=audio 4000 RTP/AVP 0\r\n",
        "m=audio 4000 RTP/AVP 0\u{0}1\r\n",
    ] {
        SessionDescription::parse(text.as_bytes()).expect_err(text);
    }
}

#[test]
fn an_answer_to_us_is_read() {
    use CodecKind::*;
    // the answer, codec, their number, ours, events (theirs, ours)
    type Row<'a> = (&'a str, CodecKind, u8, u8, Option<(u8, u8)>);
    let rows: &[Row] = &[
        // The peer keeps our numbers.
        (
            "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n",
            Opus,
            96,
            96,
            Some((97, 97)),
        ),
        // It has its own.
        (
            "m=audio 4000 RTP/AVP 111 110\r\na=rtpmap:111 OPUS/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n",
            Opus,
            111,
            96,
            Some((110, 97)),
        ),
        // Several codecs: its first.
        ("m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", Pcma, 8, 8, Some((101, 101))),
        // No rtpmap: our number means what we said.
        ("m=audio 4000 RTP/AVP 96\r\n", Opus, 96, 96, None),
        // A codec that we did not offer stands before the one that we did.
        ("m=audio 4000 RTP/AVP 9 0\r\n", Pcmu, 0, 0, None),
    ];
    for (lines, kind, send, recv, events) in rows {
        let mut local = side(&ALL);
        local.offer(Direction::SendRecv);
        let answer = read(&format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{lines}"));
        let got = local.accept(&answer, Direction::SendRecv).expect("accepted");
        assert_eq!((got.codec.kind, got.codec.send_pt, got.codec.recv_pt), (*kind, *send, *recv), "{lines}");
        assert_eq!(got.dtmf.map(|e| (e.send_pt, e.recv_pt)), *events, "{lines}");
    }
    let mut local = side(&[Pcmu]);
    local.offer(Direction::SendRecv);
    for refused in ["m=audio 0 RTP/AVP 0\r\n", "m=audio 4000 RTP/AVP 8\r\n"] {
        local
            .accept(&read(&format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{refused}")), Direction::SendRecv)
            .expect_err(refused);
    }
    // Events on a clock that we did not offer are none.
    let foreign =
        read("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 99\r\na=rtpmap:99 telephone-event/48000\r\n");
    assert_eq!(local.accept(&foreign, Direction::SendRecv).expect("accepted").dtmf, None);
}

#[test]
fn a_peer_that_takes_both_our_events_may_send_either() {
    // As browsers answer: they send with 8000 beside Opus.
    let answer = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96 0 97 101\r\na=rtpmap:96 opus/48000/2\r\n\
                  a=rtpmap:97 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n";
    let mut local = side(&ALL);
    local.offer(Direction::SendRecv);
    let events = local.accept(&read(answer), Direction::SendRecv).expect("accepted").dtmf.expect("events");
    assert_eq!((events.send_pt, events.clock), (97, 48_000));
    assert_eq!([97, 101, 96].map(|number| events.clock_of(number)), [Some(48_000), Some(8_000), None]);
}

#[test]
fn a_hold_of_ours_never_sends_more_than_it_said() {
    use Direction::*;
    for (offered, answered, ours) in [
        (SendOnly, "recvonly", SendOnly),
        (SendOnly, "inactive", Inactive),
        (SendOnly, "sendrecv", SendOnly),
        (Inactive, "inactive", Inactive),
        (SendRecv, "recvonly", SendOnly),
        (SendRecv, "sendrecv", SendRecv),
    ] {
        let mut local = side(&ALL);
        local.offer(offered);
        let answer = read(&format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na={answered}\r\n"));
        assert_eq!(local.accept(&answer, offered).expect("accepted").direction, ours);
    }
}

#[test]
fn the_version_rises_with_the_text_only() {
    let mut local = side(&ALL);
    let first = local.offer(Direction::SendRecv);
    assert_eq!(local.offer(Direction::SendRecv), first);
    assert_eq!(local.version, 1);
    local.offer(Direction::SendOnly);
    assert_eq!(local.version, 2);
    let (text, _) = local.answer(&read(SIPP), Direction::SendRecv).expect("an answer");
    assert!(text.contains("o=- 77 3 IN IP4"));
    local.answer(&read(ONLY_SRTP), Direction::SendRecv).expect_err("not ours");
    assert_eq!(local.answer(&read(SIPP), Direction::SendRecv).expect("an answer").0, text);
}

#[test]
fn the_state_outlives_its_process() {
    let mut local = side(&ALL);
    local.answer(&read(ASTERISK), Direction::SendRecv).expect("an answer");
    let saved = serde_json::to_string(&local).expect("plain data");
    assert_eq!(serde_json::from_str::<LocalSide>(&saved).expect("plain data"), local);
}
