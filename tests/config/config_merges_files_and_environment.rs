//! `phoned.toml`, then `conf.d/*.toml` by name, then the environment: later ones win key by key, an array whole; the
//! environment sets scalars only, and strictly.
use std::fs;
use std::path::Path;

use phoned::config::{Config, Faults, Sources, load};

fn merged(directory: &Path, environment: &[(&str, &str)]) -> Result<Config, Faults> {
    let mut sources = Sources::standard(Some(&directory.join("phoned.toml")));
    sources.environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&sources)
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("conf.d")).unwrap();
    let main = "[sip]\nlisten = [\"udp:127.0.0.1:1\", \"tcp:127.0.0.1:1\"]\nt1_ms = 100\n[accounts.Alice]\nuri = \"sip:alice@h\"\nusername = \"x\"\n[accounts.\"bob@h\"]\nuri = \"sip:bob@h\"\n";
    fs::write(directory.path().join("phoned.toml"), main).unwrap();
    fs::write(directory.path().join("conf.d/20.toml"), "[sip]\nt1_ms = 300\n").unwrap();
    fs::write(
        directory.path().join("conf.d/10.toml"),
        "[sip]\nlisten = [\"udp:127.0.0.1:2\"]\nt1_ms = 200\n[accounts.Alice]\nusername = \"y\"\n",
    )
    .unwrap();
    fs::write(directory.path().join("conf.d/99.off"), "not read").unwrap();
    directory
}

#[test]
fn later_files_win() {
    let directory = directory();
    let config = merged(directory.path(), &[]).unwrap();
    assert_eq!(config.sip.listen, ["udp:127.0.0.1:2"]);
    assert_eq!(config.sip.t1_ms, 300);
    assert_eq!(config.accounts["Alice"].uri, "sip:alice@h");
    assert_eq!(config.accounts["Alice"].username.as_deref(), Some("y"));
    assert_eq!(config.accounts["bob@h"].uri, "sip:bob@h");
    assert_eq!(config.phone, Config::default().phone);
}

#[test]
fn the_environment_wins_over_files() {
    let directory = directory();
    let environment = [
        ("PHONED_SIP__T1_MS", "400"),
        ("PHONED_SIP__USER_AGENT", "12"),
        ("PHONED_PHONE__CALL_WAITING", "false"),
        ("PHONED_ACCOUNTS__ALICE__PASSWORD", "4711"),
        ("PHONED_RPC__SOCKET", "/tmp/x.sock"),
    ];
    let config = merged(directory.path(), &environment).unwrap();
    assert_eq!(config.sip.t1_ms, 400);
    assert_eq!(config.sip.user_agent, "12");
    assert!(!config.phone.call_waiting);
    assert_eq!(config.accounts["Alice"].password.as_ref().unwrap().expose(), "4711");
    assert_eq!(config.rpc.socket_path(), Path::new("/tmp/x.sock"));
}

#[test]
fn the_environment_is_checked_like_a_file() {
    let directory = directory();
    for (name, value, words) in [
        ("PHONED_SIP__T1_MS", "fast", "wrong type"),
        ("PHONED_SIP__T1_MS", "1", "10 to 10000"),
        ("PHONED_PHONE__CALL_WAITING", "yes", "wrong type"),
        ("PHONED_SIP__NOTHING", "1", "unknown key"),
        ("PHONED_SIP__LISTEN", "udp:0.0.0.0:5060", "scalars only"),
        ("PHONED_ACCOUNTS__ALICE__REGISTER", "4711", "wrong type"),
    ] {
        let told = merged(directory.path(), &[(name, value)]).expect_err(name).to_string();
        assert!(told.starts_with(&format!("environment variable {name}: ")) && told.contains(words), "{told}");
        assert!(!told.contains("4711"), "{told}");
    }
}

#[test]
fn a_fault_is_told_where_it_was_set_last() {
    let directory = directory();
    fs::write(directory.path().join("conf.d/30.toml"), "[sip]\nt1_ms = 1\n").unwrap();
    let told = merged(directory.path(), &[]).expect_err("t1").to_string();
    assert!(told.contains("conf.d/30.toml:2:9: sip.t1_ms"), "{told}");
}

#[test]
fn a_relative_password_file_lies_beside_the_file_that_names_it() {
    let directory = directory();
    fs::write(directory.path().join("conf.d/secret"), "hunter2\r\nsecond line\n").unwrap();
    fs::write(directory.path().join("conf.d/30.toml"), "[accounts.Alice]\npassword_file = \"secret\"\n").unwrap();
    let config = merged(directory.path(), &[]).unwrap();
    assert_eq!(config.accounts["Alice"].password.as_ref().unwrap().expose(), "hunter2");
}
