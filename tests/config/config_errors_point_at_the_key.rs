//! What is wrong with a configuration is told by file, line, column and key, with what would be right; all of it at once; and
//! a password is never quoted.
use phoned::config::{Config, Faults, Sources, load};

fn check(text: &str) -> Result<Config, Faults> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.toml");
    std::fs::write(&file, text).unwrap();
    load(&Sources { files: vec![file], environment: vec![] })
}

/// Text, then for each fault: `LINE:COLUMN: key`, and a part of what is said.
type Row = (&'static str, &'static [(&'static str, &'static str)]);

const TABLE: &[Row] = &[
    (
        "[sip]\nuser_agnet = \"x\"\n",
        &[("2:1: sip.user_agnet", "unknown key; right would be: one of listen, user_agent")],
    ),
    ("[spi]\n", &[("1:2: spi", "unknown key")]),
    ("colour = 1\n", &[("1:1: colour", "unknown key")]),
    ("[sip]\nlisten = \"udp:0.0.0.0:5060\"\n", &[("2:10: sip.listen", "an array")]),
    ("[sip]\nt1_ms = \"500\"\n", &[("2:9: sip.t1_ms", "a whole number")]),
    ("[sip]\nt1_ms = -1\n", &[("2:9: sip.t1_ms", "a whole number")]),
    ("[sip]\nt1_ms = 1\n", &[("2:9: sip.t1_ms", "10 to 10000")]),
    ("[sip]\nlisten = [\"udp:host:5060\"]\n", &[("2:10: sip.listen", "udp:0.0.0.0:5060")]),
    ("[sip]\nlisten = [\"sctp:0.0.0.0:5060\"]\n", &[("2:10: sip.listen", "udp:0.0.0.0:5060")]),
    ("[sip]\npublic_address = \"here\"\n", &[("2:18: sip.public_address", "an IP address")]),
    ("[phone]\ncall_waiting = \"yes\"\n", &[("2:16: phone.call_waiting", "true or false")]),
    ("[phone]\nmax_calls = 0\n", &[("2:13: phone.max_calls", "at least 1")]),
    ("[phone]\nnot_ready_code = 302\n", &[("2:18: phone.not_ready_code", "400 to 699")]),
    ("[phone]\nnot_ready_forward = \"a b\"\n", &[("2:21: phone.not_ready_forward", "a SIP URI")]),
    ("[phone]\nwrap_up = 90000\n", &[("2:11: phone.wrap_up", "0 to 86400")]),
    ("[privacy]\nredact_dtmf = 1\n", &[("2:15: privacy.redact_dtmf", "true or false")]),
    ("[record]\npbx_method = \"smoke\"\n", &[("2:14: record.pbx_method", "inband")]),
    ("[phone]\ndefault_account = \"x\"\n", &[("2:19: phone.default_account", "the name of an account")]),
    ("[media]\nrtp_ports = \"20000\"\n", &[("2:13: media.rtp_ports", "20000-29999")]),
    ("[media]\nrtp_ports = \"30000-20000\"\n", &[("2:13: media.rtp_ports", "20000-29999")]),
    ("[media]\ncodecs = [\"mp3\"]\n", &[("2:10: media.codecs", "opus, g722, pcmu, pcma")]),
    ("[media]\ncodecs = []\n", &[("2:10: media.codecs", "at least one")]),
    ("[media]\ndscp = 64\n", &[("2:8: media.dscp", "0 to 63")]),
    ("[media]\ndscp = 300\n", &[("2:8: media.dscp", "a whole number")]),
    (
        "[webrtc]\nturn = [{ uri = \"turns:relay.example.com\" }]\n",
        &[("2:8: webrtc.turn", "TURN within TLS is not spoken")],
    ),
    ("[webrtc]\nturn = [{ uri = \"turn:relay?transport=tls\" }]\n", &[("2:8: webrtc.turn", "?transport=tcp")]),
    ("[webrtc]\nstun = [\"stun:relay?transport=tcp\"]\n", &[("2:8: webrtc.stun", "stun:HOST:PORT")]),
    ("[audio]\nhost = \"jack\"\n", &[("2:8: audio.host", "auto, pulse, alsa or none")]),
    ("[audio]\ninput = \"tone:loud\"\n", &[("2:9: audio.input", "tone:440")]),
    ("[audio]\nplay_dirs = [\"sounds\"]\n", &[("2:13: audio.play_dirs", "absolute paths")]),
    ("[tones]\ncountry = \"xx\"\n", &[("2:11: tones.country", "eu, us, uk, cn or off")]),
    ("[tones]\nvolume = 3\n", &[("2:10: tones.volume", "-60 to 0")]),
    ("[tones]\nbusy = \"none.wav\"\n", &[("2:8: tones.busy", "a WAV or Ogg/Opus file")]),
    ("[phone]\nhold_music = \"none.ogg\"\n", &[("2:14: phone.hold_music", "No such file")]),
    ("[phone]\nhold_music = \"p.toml\"\n", &[("2:14: phone.hold_music", "neither WAV nor Ogg/Opus")]),
    ("[accounts.a]\nuri = \"sip:a@h\"\nhold_music = \".\"\n", &[("3:14: accounts.a.hold_music", "not a file")]),
    ("[log]\nlevel = \"info,=,\"\n", &[("2:9: log.level", "error, warn, info")]),
    ("[log]\nformat = \"xml\"\n", &[("2:10: log.format", "text or json")]),
    ("[rpc]\nsocket = \"phoned.sock\"\n", &[("2:10: rpc.socket", "an absolute path")]),
    ("[rpc.roles]\nadmin = \"root\"\n", &[("2:9: rpc.roles.admin", "an array")]),
    ("[rpc.roles]\nroot = []\n", &[("2:1: rpc.roles.root", "one of admin, call, observe")]),
    ("[dial]\nprefix = \"out\"\n", &[("2:10: dial.prefix", "digits")]),
    ("[dial]\ncountry = \"Germany\"\n", &[("2:11: dial.country", "two letters")]),
    ("[dial]\ne164 = true\n", &[("2:8: dial.e164", "with [dial] country")]),
    ("[dial]\ndeny = [\"09*0 \"]\n", &[("2:8: dial.deny", "beginnings of numbers")]),
    ("[lookup]\nurl = \"ftp://x/{e164}\"\n", &[("2:7: lookup.url", "number={e164}")]),
    ("[lookup]\nurl = \"https://{number}/\"\n", &[("2:7: lookup.url", "number={e164}")]),
    ("[lookup]\nurl = \"https://x/{phone}\"\n", &[("2:7: lookup.url", "number={e164}")]),
    ("[lookup]\ntimeout = 0\n", &[("2:11: lookup.timeout", "1 to 60")]),
    ("[lookup]\nfields = { name = \"name\" }\n", &[("2:10: lookup.fields", "a JSON pointer")]),
    (
        "[webhooks.crm]\nurl = \"crm\"\nevents = [\"ring\"]\naccount = \"x\"\n",
        &[
            ("2:7: webhooks.crm.url", "https://crm.example.com/phone"),
            ("1:1: webhooks.crm.secret", "either secret or secret_file"),
            ("3:10: webhooks.crm.events", "names of events"),
            ("4:11: webhooks.crm.account", "the name of an account"),
        ],
    ),
    (
        "[webhooks.crm]\nurl = \"http://x/\"\nsecret = \"hunter2\"\n",
        &[("3:10: webhooks.crm.secret", "openssl rand -base64 32")],
    ),
    (
        "[webhooks.crm]\nurl = \"http://x/\"\nsecret_file = \"missing\"\n",
        &[("3:15: webhooks.crm.secret_file", "first line is the secret")],
    ),
    (
        "[store]\nenabled = false\n[webhooks.crm]\nurl = \"http://x/\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n",
        &[("2:11: store.enabled", "reads the event log")],
    ),
    ("[accounts.a]\nuri = \"sip:a@h\"\ndial = { deny = [\"\"] }\n", &[("3:8: accounts.a.dial", "deny: beginnings")]),
    ("[accounts.a]\n", &[("1:1: accounts.a.uri", "sip:alice@example.com")]),
    ("[accounts.a]\nuri = \"alice@example.com\"\n", &[("2:7: accounts.a.uri", "sip:alice@example.com")]),
    ("[accounts.a]\nuri = \"sip:example.com\"\n", &[("2:7: accounts.a.uri", "sip:alice@example.com")]),
    ("[accounts.a]\nuri = \"sip:a@exa mple.com\"\n", &[("2:7: accounts.a.uri", "sip:alice@example.com")]),
    ("[accounts.a]\nuri = \"sip:a@example.com:0\"\n", &[("2:7: accounts.a.uri", "sip:alice@example.com")]),
    ("[accounts.a]\nuri = \"sip:a@[::1\"\n", &[("2:7: accounts.a.uri", "sip:alice@example.com")]),
    ("[accounts.a]\nuri = \"sip:a@h\"\nregistrar = \"h\"\n", &[("3:13: accounts.a.registrar", "a SIP URI")]),
    (
        "[accounts.a]\nuri = \"sip:a@h\"\nproxies = [\"sip:ok\", \"http://x\"]\n",
        &[("3:11: accounts.a.proxies", "a SIP URI")],
    ),
    ("[accounts.a]\nuri = \"sip:a@h\"\ntransport = \"sctp\"\n", &[("3:13: accounts.a.transport", "tls")]),
    ("[sip]\nlisten = [\"tls:[::]:5061\"]\n", &[("2:10: sip.listen", "a [tls] certificate")]),
    ("[tls]\ncertificate = \"/dev/null\"\n", &[("2:15: tls.certificate", "and its key")]),
    ("[tls]\nca_file = \"nowhere.pem\"\n", &[("2:11: tls.ca_file", "may read")]),
    ("[accounts.a]\nuri = \"sip:a@h\"\ntls_key = \"/dev/null\"\n", &[("3:11: accounts.a.tls_key", "both")]),
    ("[accounts.a]\nuri = \"sip:a@h\"\nws_path = \"ws?a\"\n", &[("3:11: accounts.a.ws_path", "ws_query")]),
    (
        "[accounts.a]\nuri = \"sip:a@h\"\nws_headers = [\"Upgrade: x\"]\n",
        &[("3:14: accounts.a.ws_headers", "Name: value")],
    ),
    ("[accounts.a]\nuri = \"sip:a@h\"\ntrusted = [\"10.0.0.0/33\"]\n", &[("3:11: accounts.a.trusted", "networks")]),
    (
        "[accounts.a]\nuri = \"sip:a@h\"\npassword = \"x\"\npassword_file = \"/x\"\n",
        &[("4:17: accounts.a.password_file", "one of")],
    ),
    (
        "[accounts.a]\nuri = \"sip:a@h\"\npassword_file = \"missing\"\n",
        &[("3:17: accounts.a.password_file", "first line")],
    ),
    ("[accounts.a]\nuri = \"sip:a@h\"\nexpires = 0\n", &[("3:11: accounts.a.expires", "10 to 86400")]),
    ("[accounts.a]\nuri = \"sip:a@h\"\nregister = 1\n", &[("3:12: accounts.a.register", "true or false")]),
    ("[accounts.a]\nuri = \"sip:a@h\"\n[accounts.b]\nuri = \"sip:A@h\"\n", &[("4:7: accounts.b.uri", "account \"a\"")]),
    ("[accounts.a]\nuri = \"sip:a@h\"\n[accounts.a]\n", &[("3:", "duplicate key")]),
    ("[accounts.\"a b\"]\nuri = \"sip:a@h\"\n", &[("1:1: accounts.a b", "a name of letters")]),
    ("[sip\n", &[("1:", "TOML")]),
    // Everything that is wrong in a file is told at once.
    (
        "[sip]\nx = 1\nt1_ms = true\n[phone]\ny = 1\n[accounts.a]\nuri = 1\nz = 1\n",
        &[
            ("2:1: sip.x", ""),
            ("3:9: sip.t1_ms", ""),
            ("5:1: phone.y", ""),
            ("7:7: accounts.a.uri", ""),
            ("8:1: accounts.a.z", ""),
        ],
    ),
    ("[sip]\nt1_ms = 1\n[log]\nformat = \"x\"\n", &[("2:9: sip.t1_ms", ""), ("4:10: log.format", "")]),
];

#[test]
fn every_fault_has_its_place() {
    for (text, faults) in TABLE {
        let told = check(text).expect_err(text).to_string();
        assert_eq!(told.lines().count(), faults.len(), "{text}\n{told}");
        for (place, words) in *faults {
            assert!(
                told.lines().any(|line| line.contains(&format!("p.toml:{place}")) && line.contains(words)),
                "{text}\nwants {place}: {words}\n{told}"
            );
        }
    }
}

#[test]
fn a_password_is_never_shown() {
    let account = "[accounts.a]\nuri = \"sip:a@h\"\n";
    for line in [
        "password = 4711",
        "password = [\"4711\"]",
        "password = 4711x",
        "password = \"4711",
        "passwort = \"4711\"",
        "password = '4711\npassword_file=1",
        "ws_query = 4711",
        "ws_query = \"4711#\"",
        "ws_headers = [4711]",
        "ws_headers = [\"4711\"]",
    ] {
        let told = check(&format!("{account}{line}\n")).expect_err(line);
        assert!(!format!("{told} {told:?}").contains("4711"), "{told}");
    }
    let config = check(&format!("{account}password = \"4711\"\n")).unwrap();
    assert!(
        !format!("{config:?} {} {:?}", serde_json::to_string(&config).unwrap(), config.settings()).contains("4711")
    );
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let told = load(&Sources { files: vec!["/nowhere/phoned.toml".into()], environment: vec![] })
        .expect_err("no file")
        .to_string();
    assert!(told.starts_with("/nowhere/phoned.toml: it cannot be read"), "{told}");
}
