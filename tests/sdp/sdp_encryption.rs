//! Keys in offers and answers by RFC 4568: profiles, tags, several lines, lifetimes and identifiers; what cannot be agreed on is
//! refused, and encrypted and clear audio never stand beside each other.
use phoned::sdp::{
    CodecKind, Direction, Encryption, KeySeed, LocalSide, Negotiated, Protection, Sdes, SdpError, SessionDescription,
    Suite,
};

use Encryption::{Off, Prefer, Require};

const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const GCM: &str = "AAECAwQFBgcICQoLDA0OD6ChoqOkpaanqKmqqw==";

fn side(encryption: Encryption) -> LocalSide {
    dialog(encryption, 77)
}

fn dialog(encryption: Encryption, session_id: u64) -> LocalSide {
    let rtp = "203.0.113.5:20000".parse().unwrap();
    LocalSide::new(rtp, session_id, vec![CodecKind::Pcmu]).encrypted(encryption, KeySeed::new([9; 32]))
}

fn read(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

/// One audio section after the other, each with its lines.
fn sdp(sections: &[(&str, &[String])]) -> String {
    let mut text = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n".to_owned();
    for (at, (profile, lines)) in sections.iter().enumerate() {
        text += &format!("m=audio {} {profile} 0\r\n", 5_000 + 2 * at);
        lines.iter().for_each(|line| text += &format!("a=crypto:{line}\r\n"));
    }
    text
}

fn cm(tag: u32) -> String {
    format!("{tag} AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
}

fn answer(encryption: Encryption, offer: &str) -> Result<(String, Negotiated), SdpError> {
    side(encryption).answer(&read(offer), Direction::SendRecv)
}

fn keys(negotiated: &Negotiated) -> &Sdes {
    match &negotiated.protection {
        Protection::Sdes(sdes) => sdes,
        other => panic!("{other:?}"),
    }
}

fn crypto_lines(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("a=crypto:")).collect()
}

#[test]
fn offers() {
    for (encryption, profile, count) in [(Off, "RTP/AVP", 0), (Prefer, "RTP/AVP", 2), (Require, "RTP/SAVP", 2)] {
        let mut local = side(encryption);
        let text = local.offer(Direction::SendRecv);
        assert!(text.contains(&format!("m=audio 20000 {profile} 0")), "{text}");
        let lines = crypto_lines(&text);
        assert_eq!(lines.len(), count);
        if count == 2 {
            assert!(
                lines[0].starts_with("1 AES_CM_128_HMAC_SHA1_80 inline:")
                    && lines[1].starts_with("2 AEAD_AES_128_GCM inline:")
            );
            assert_ne!(lines[0].split(':').next_back(), lines[1].split(':').next_back());
        }
        assert_eq!(local.offer(Direction::SendRecv), text, "nothing has changed, and so neither has the version");
        assert_eq!(crypto_lines(&local.offer(Direction::SendOnly)), lines);
    }
}

#[test]
fn the_offers_profile_tag_and_suite_are_answered() {
    for profile in ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF"] {
        let lines = [
            "1 F8_128_HMAC_SHA1_80 inline:AAAA".to_owned(),
            format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=1"),
            format!("7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20|1:4"),
            cm(8),
        ];
        let (text, negotiated) = answer(Require, &sdp(&[(profile, &lines)])).unwrap();
        assert!(text.contains(&format!(" {profile} 0\r\n")), "{text}");
        let ours = crypto_lines(&text);
        assert_eq!(ours.len(), 1);
        assert!(ours[0].starts_with("7 AES_CM_128_HMAC_SHA1_32 inline:") && !ours[0].contains(KEY), "{text}");
        let sdes = keys(&negotiated);
        assert_eq!((sdes.suite, sdes.receive_mki), (Suite::AesCm32, 4));
        assert_ne!(sdes.send, sdes.receive);
    }
    let (text, negotiated) =
        answer(Prefer, &sdp(&[("RTP/SAVP", &[format!("1 AEAD_AES_128_GCM inline:{GCM}")])])).unwrap();
    assert!(crypto_lines(&text)[0].starts_with("1 AEAD_AES_128_GCM inline:"));
    assert_eq!(keys(&negotiated).suite, Suite::AeadGcm128);
}

#[test]
fn what_cannot_be_agreed_on_is_refused() {
    let bad = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP");
    for (encryption, offer, insecure) in [
        (Off, sdp(&[("RTP/SAVP", &[cm(1)])]), false),
        (Prefer, sdp(&[("RTP/SAVP", &[])]), true),
        (Prefer, sdp(&[("RTP/SAVP", std::slice::from_ref(&bad))]), true),
        (Require, sdp(&[("RTP/AVP", &[])]), true),
        (Require, sdp(&[("RTP/AVP", &[bad])]), true),
        (Require, sdp(&[("UDP/XYZ", &[cm(1)])]), false),
    ] {
        let error = answer(encryption, &offer).unwrap_err();
        assert_eq!(error.insecure, insecure, "{encryption:?} {offer} {error}");
    }
    assert_eq!(answer(Off, &sdp(&[("RTP/AVP", &[cm(1)])])).unwrap().1.protection, Protection::Clear);
}

#[test]
fn the_encrypted_one_of_two_lines_is_taken_and_the_other_refused() {
    let plain: &[String] = &[];
    let both = sdp(&[("RTP/AVP", plain), ("RTP/SAVP", &[cm(1)])]);
    for (encryption, taken) in [(Off, 0), (Prefer, 1), (Require, 1)] {
        let (text, negotiated) = answer(encryption, &both).unwrap();
        assert_eq!(negotiated.remote_rtp.port(), 5_000 + 2 * taken as u16);
        let ports: Vec<bool> =
            text.lines().filter_map(|l| l.strip_prefix("m=audio ")).map(|l| !l.starts_with("0 ")).collect();
        assert_eq!(ports, [taken == 0, taken == 1], "{text}");
        assert_eq!(crypto_lines(&text).len(), taken);
    }
}

#[test]
fn answers_are_read() {
    let accept = |encryption, profile: &str, lines: &[String]| {
        let mut local = side(encryption);
        local.offer(Direction::SendRecv);
        local.accept(&read(&sdp(&[(profile, lines)])), Direction::SendRecv)
    };
    for profile in ["RTP/AVP", "RTP/SAVP"] {
        for encryption in [Prefer, Require] {
            let negotiated = accept(encryption, profile, &[cm(1)]).unwrap();
            assert_eq!(keys(&negotiated).suite, Suite::AesCm80);
            let gcm = accept(encryption, profile, &[format!("2 AEAD_AES_128_GCM inline:{GCM}")]).unwrap();
            assert_eq!(keys(&gcm).suite, Suite::AeadGcm128);
        }
    }
    assert_eq!(accept(Prefer, "RTP/AVP", &[]).unwrap().protection, Protection::Clear);
    assert!(accept(Prefer, "RTP/SAVP", &[]).unwrap_err().insecure);
    assert!(accept(Require, "RTP/AVP", &[]).unwrap_err().insecure);
    let never_offered = format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}");
    assert!(accept(Require, "RTP/SAVP", &[never_offered]).unwrap_err().insecure);
}

#[test]
fn our_key_and_theirs_meet() {
    let (mut a, mut b) = (dialog(Require, 1), dialog(Require, 2));
    let offer = a.offer(Direction::SendRecv);
    let (text, at_b) = b.answer(&read(&offer), Direction::SendRecv).unwrap();
    let at_a = a.accept(&read(&text), Direction::SendRecv).unwrap();
    assert_eq!(keys(&at_a).send, keys(&at_b).receive);
    assert_eq!(keys(&at_a).receive, keys(&at_b).send);
    assert_ne!(keys(&at_a).send, keys(&at_a).receive);
    assert!(!format!("{at_a:?}").contains(KEY) && format!("{at_a:?}").contains("***"));
}
