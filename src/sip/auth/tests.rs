use rand_chacha::rand_core::SeedableRng;

use super::*;

fn challenged(headers: &[(&str, &str)]) -> Vec<Challenge> {
    let mut message = Message::response(&Message::request(Method::Register, "sip:example.com"), 401, "");
    for (name, value) in headers {
        message.push(name, *value);
    }
    Challenge::parse_all(&message)
}

fn answer(state: &mut DigestState, challenges: &[Challenge], realms: &[&str]) -> Option<Vec<(String, String)>> {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let allowed = |realm: &str| realms.contains(&realm);
    state.answer(challenges, "bob", "zanzibar", &Method::Register, "sip:example.com", b"", &mut rng, allowed)
}

fn again(state: &mut DigestState) -> Vec<(String, String)> {
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    state.preemptive(&Method::Register, "sip:example.com", b"", "bob", "zanzibar", &mut rng)
}

#[test]
fn reads_challenges() {
    let all = challenged(&[
        (
            "WWW-Authenticate",
            r#"Digest realm="a, b", qop="auth,auth-int" , nonce = "n1",opaque="o", stale=TRUE, algorithm=sha-256"#,
        ),
        (
            "WWW-Authenticate",
            r#"Basic realm="x", Digest realm="c", nonce="n2", Digest realm="d",nonce="n3",algorithm="MD5-sess""#,
        ),
        ("WWW-Authenticate", r#"Digest realm="e", nonce="n", algorithm=AKAv1-MD5"#),
        ("WWW-Authenticate", r#"Digest realm="e", nonce="n", qop="auth-conf""#),
        ("Proxy-Authenticate", r#"Digest realm="p", nonce="n4", qop=auth"#),
    ]);
    let seen: Vec<_> = all.iter().map(|c| (c.realm.as_str(), c.nonce.as_str(), c.algorithm, c.proxy)).collect();
    assert_eq!(
        seen,
        [
            ("a, b", "n1", Algorithm::Sha256, false),
            ("c", "n2", Algorithm::Md5, false),
            ("d", "n3", Algorithm::Md5Sess, false),
            ("p", "n4", Algorithm::Md5, true)
        ]
    );
    assert_eq!((all[0].stale, all[0].opaque.as_deref(), all[0].qop.len()), (true, Some("o"), 2));
}

#[test]
fn the_strongest_of_a_realm() {
    let all = challenged(&[
        ("WWW-Authenticate", r#"Digest realm="r", nonce="md5", qop="auth""#),
        ("WWW-Authenticate", r#"Digest realm="r", nonce="sha512", qop="auth", algorithm=SHA-512-256"#),
        ("WWW-Authenticate", r#"Digest realm="r", nonce="sha256", qop="auth", algorithm=SHA-256"#),
    ]);
    let headers = answer(&mut DigestState::default(), &all, &["r"]).unwrap();
    assert_eq!(headers.len(), 1);
    assert!(
        headers[0].1.contains(r#"nonce="sha512""#) && headers[0].1.contains("algorithm=SHA-512-256,"),
        "{headers:?}"
    );
}

#[test]
fn nonces_are_used_again_with_a_rising_count() {
    let mut state = DigestState::default();
    assert!(again(&mut state).is_empty());
    let all = challenged(&[("WWW-Authenticate", r#"Digest realm="r", nonce="one", opaque="x", qop="auth,auth-int""#)]);
    let first = answer(&mut state, &all, &["r"]).unwrap();
    assert_eq!(first[0].0, "Authorization");
    let start = r#"Digest username="bob", realm="r", nonce="one", uri="sip:example.com", response=""#;
    assert!(first[0].1.starts_with(start), "{first:?}");
    assert!(
        first[0].1.contains(r#", opaque="x", qop=auth, cnonce=""#) && first[0].1.ends_with("nc=00000001"),
        "{first:?}"
    );
    for _ in 0..8 {
        again(&mut state);
    }
    assert!(again(&mut state)[0].1.ends_with("nc=0000000a"));
    let stored = serde_json::to_string(&state).unwrap();
    let mut state: DigestState = serde_json::from_str(&stored).unwrap();
    assert!(again(&mut state)[0].1.ends_with("nc=0000000b") && !stored.contains("zanzibar"));
    let stale = challenged(&[("WWW-Authenticate", r#"Digest realm="r", nonce="two", qop="auth", stale=true"#)]);
    let next = answer(&mut state, &stale, &["r"]).unwrap();
    assert!(next[0].1.contains(r#"nonce="two""#) && next[0].1.ends_with("nc=00000001"), "{next:?}");
}

#[test]
fn a_407_after_a_401_gets_both() {
    let mut state = DigestState::default();
    let first = challenged(&[("WWW-Authenticate", r#"Digest realm="r", nonce="n""#)]);
    answer(&mut state, &first, &["r", "p"]).unwrap();
    let second = challenged(&[("Proxy-Authenticate", r#"Digest realm="p", nonce="m", qop="auth""#)]);
    let both = answer(&mut state, &second, &["r", "p"]).unwrap();
    let names: Vec<_> = both.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Authorization", "Proxy-Authorization"]);
    assert!(!both[0].1.contains("qop") && !both[0].1.contains("cnonce"), "RFC 2069 style: {both:?}");
}

#[test]
fn a_stranger_gets_no_digest() {
    let all = challenged(&[("Proxy-Authenticate", r#"Digest realm="evil", nonce="n""#)]);
    assert_eq!(answer(&mut DigestState::default(), &all, &["r"]), None);
    assert_eq!(answer(&mut DigestState::default(), &[], &["r"]), None);
}

/// Computed here by hand, from the definition: the session key takes in the nonces, auth-int the body.
#[test]
fn session_variant_and_auth_int() {
    let mut state = DigestState::default();
    let all = challenged(&[("WWW-Authenticate", r#"Digest realm="r", nonce="n", qop="auth-int", algorithm=MD5-sess"#)]);
    let value = answer(&mut state, &all, &["r"]).unwrap().remove(0).1;
    let cnonce = value.split("cnonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let md5 = |text: String| {
        use sha2::Digest;
        hex(&md5::Md5::digest(text.as_bytes()))
    };
    let key = md5(format!("{}:n:{cnonce}", md5("bob:r:zanzibar".into())));
    let what = md5(format!("REGISTER:sip:example.com:{}", md5(String::new())));
    let response = md5(format!("{key}:n:00000001:{cnonce}:auth-int:{what}"));
    assert!(value.contains(&format!(r#"response="{response}""#)) && value.contains("qop=auth-int"), "{value}");
}
