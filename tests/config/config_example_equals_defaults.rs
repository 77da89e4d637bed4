//! `config/phoned.toml` parses, says exactly the defaults, and shows every key there is.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use phoned::config::{Config, Sources, TokenRole, WebhookConfig, load};
use phoned::ua::settings::{AccountSettings, Secret};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/phoned.toml")
}

#[test]
fn it_equals_the_defaults() {
    let config = load(&Sources { files: vec![example()], environment: vec![] }).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn every_key_is_shown() {
    let text = std::fs::read_to_string(example()).unwrap();
    let shown: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once(" = "))
        .map(|(key, _)| key.trim())
        .collect();
    let config = serde_json::to_value(Config::default()).unwrap();
    let account =
        serde_json::to_value(AccountSettings { password: Some(Secret::new("x")), ..Default::default() }).unwrap();
    let webhook = serde_json::to_value(WebhookConfig::default()).unwrap();
    let sections = config
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !["accounts", "webhooks"].contains(&name.as_str()))
        .map(|(_, section)| section);
    for section in sections.chain([&account, &webhook, &config["rpc"]["roles"]]) {
        for key in section
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !["roles", "password", "secret", "tokens"].contains(&key.as_str()))
        {
            assert!(shown.contains(key.as_str()), "config/phoned.toml does not show {key}");
        }
    }
}

#[test]
fn its_commented_keys_are_right_too() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("office.password"), "hunter2\n").unwrap();
    std::fs::write(directory.path().join("nats.password"), "hunter3\n").unwrap();
    std::fs::write(directory.path().join("crm.secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    std::fs::write(directory.path().join("crm.token"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut music = hound::WavWriter::create(directory.path().join("hold.wav"), spec).unwrap();
    (0..800).for_each(|n| music.write_sample(n as i16).unwrap());
    music.finalize().unwrap();
    for file in [
        "ca.pem",
        "phoned.pem",
        "phoned.key",
        "office-ca.pem",
        "office.pem",
        "office.key",
        "nats-ca.pem",
        "desk-17.pem",
        "desk-17.key",
    ] {
        std::fs::write(directory.path().join(file), "").unwrap();
    }
    let text = std::fs::read_to_string(example()).unwrap();
    let is_key = |line: &str| {
        line.starts_with("#[")
            || line.split_once(" = ").is_some_and(|(key, _)| key.starts_with('#') && !key.contains(' '))
    };
    let text: Vec<&str> = text.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect();
    let file = directory.path().join("phoned.toml");
    std::fs::write(&file, text.join("\n")).unwrap();
    let config = load(&Sources { files: vec![file], environment: vec![] }).unwrap();
    let office = &config.accounts["office"];
    assert_eq!(office.uri, "sip:1001@pbx.example.com");
    assert_eq!(office.password.as_ref().unwrap().expose(), "hunter2");
    let crm = &config.webhooks["crm"];
    assert_eq!(crm.secret.as_ref().unwrap().expose(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let defaults = WebhookConfig::default();
    assert_eq!(
        (crm.timeout, crm.retry_ms, crm.tries, crm.max_age),
        (defaults.timeout, defaults.retry_ms, defaults.tries, defaults.max_age)
    );
    let crm = &config.http.tokens["crm"];
    assert_eq!((crm.role, crm.secret.expose()), (TokenRole::Call, "0123456789abcdef0123456789abcdef"));
    assert_eq!((config.fleet.secret.as_ref().unwrap().expose(), config.fleet.enabled()), ("hunter3", false));
    assert_eq!(config.phone.default_account.as_deref(), Some("office"));
    let music = directory.path().join("hold.wav").to_string_lossy().into_owned();
    assert_eq!((config.phone.hold_music.as_ref(), config.hold_music()), (Some(&music), vec![music.clone()]));
}
