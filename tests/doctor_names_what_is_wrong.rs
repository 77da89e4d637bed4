//! `phonectl doctor`: a host that is fit, and hosts that were broken on purpose, with and without a daemon: each fault is found, and comes
//! with what to do.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::net::UdpSocket;
use std::path::Path;

use common::ctl::{Canned, phonectl};
use common::daemon::{Daemon, Setup, trunk};
use common::wait::{free_port, until};
use serde_json::Value;

/// Its exit code and what it found: check, state, text, hint.
fn doctor(socket: &Path, config: &Path) -> (i32, Vec<[String; 4]>) {
    let (code, printed, _) = phonectl(socket, &["--json", "doctor", "--config", config.to_str().unwrap()]);
    let answer: Value =
        serde_json::from_str(printed.lines().next().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {printed}"));
    let text =
        |finding: &Value| ["check", "state", "text", "hint"].map(|key| finding[key].as_str().unwrap().to_owned());
    let findings: Vec<[String; 4]> = answer["findings"].as_array().unwrap().iter().map(text).collect();
    let faults = findings.iter().filter(|finding| finding[1] == "fault").count();
    assert_eq!(answer["ok"], faults == 0);
    assert_eq!(code, i32::from(faults > 0), "{findings:?}");
    assert!(findings.iter().all(|[_, state, _, hint]| (state == "ok") == hint.is_empty()), "what to do: {findings:?}");
    (code, findings)
}

fn found(findings: &[[String; 4]], check: &str, state: &str, words: &str) -> bool {
    findings.iter().any(|finding| finding[0] == check && finding[1] == state && finding[2].contains(words))
}

fn assert_found(findings: &[[String; 4]], wanted: &[(&str, &str, &str)]) {
    for (check, state, words) in wanted {
        assert!(found(findings, check, state, words), "{check}, {state}: {words:?} is not among {findings:#?}");
    }
}

#[test]
fn a_daemon_that_is_well() {
    let daemon = Daemon::start(&Setup { tables: trunk("alice", 440), ..Setup::default() });
    let (code, findings) = doctor(daemon.socket(), &daemon.dir().join("phoned.toml"));
    assert_eq!(code, 0, "{findings:#?}");
    let udp = format!("udp:127.0.0.1:{} is phoned's", daemon.port);
    let pid = format!("answers, pid {}", daemon.pid());
    let wanted = [
        ("config", "ok", "right, 1 accounts"),
        ("socket", "ok", pid.as_str()),
        ("ports", "ok", udp.as_str()),
        ("ports", "ok", "room for 1000 calls"),
        ("registration", "ok", "alice does not register"),
        ("devices", "ok", "all that are wanted are there"),
        ("disk", "ok", "the event log"),
        ("disk", "ok", "recordings"),
        ("log", "ok", "level info"),
    ];
    assert_found(&findings, &wanted);
    assert!(
        ["clock", "permissions"].iter().all(|check| findings.iter().any(|finding| finding[0] == *check)),
        "{findings:#?}"
    );
    let (_, lines, _) =
        phonectl(daemon.socket(), &["doctor", "--config", daemon.dir().join("phoned.toml").to_str().unwrap()]);
    assert!(lines.lines().any(|line| line.starts_with("ok     socket") && line.ends_with(&pid)), "{lines}");
}

#[test]
fn a_daemon_that_is_not() {
    let nobody = free_port();
    let tables = format!(
        "[accounts.lost]\nuri = \"sip:lost@127.0.0.1:{nobody}\"\nregister = true\npassword = \"x\"\ninput = \"pulse:gone\"\noutput = \"null\"\n\n"
    );
    let daemon =
        Daemon::start(&Setup { tables, env: vec![("PHONED_AUDIO__HOST".into(), "none".into())], ..Setup::default() });
    let config = daemon.dir().join("phoned.toml");
    // Since then somebody has changed the configuration.
    let text = std::fs::read_to_string(&config).unwrap();
    let (other, port) = (free_port(), daemon.port);
    let changed = text.replace(&format!("udp:127.0.0.1:{port}"), &format!("udp:127.0.0.1:{other}"));
    std::fs::write(&config, changed + "[log]\nlevel = \"phoned=debug\"\n").unwrap();
    std::fs::set_permissions(daemon.socket(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let free = format!("udp:127.0.0.1:{other} is free: the phoned that runs does not listen there");
    let open = "is open to everybody (mode 666)";
    until("it has tried to register", common::wait::secs(20), || {
        let (code, findings) = doctor(daemon.socket(), &config);
        assert_eq!(code, 1);
        assert_found(
            &findings,
            &[("devices", "fault", "account lost, input: pulse:gone is not there"), ("ports", "warn", &free)],
        );
        assert_found(&findings, &[("socket", "warn", open), ("log", "warn", "numbers and names are logged")]);
        found(&findings, "registration", "fault", "lost is not registered").then_some(())
    });
}

#[test]
fn a_host_without_a_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, config) = (dir.path().join("phoned.sock"), dir.path().join("phoned.toml"));
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (port, free) = (taken.local_addr().unwrap().port(), free_port());
    let write = |text: String| std::fs::write(&config, text).unwrap();

    write(format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:{free}\"]\n[store]\ndir = \"{0}/state\"\n[record]\ndir = \"{0}/state/recordings\"\nmin_free_mb = 0\n",
        dir.path().display()
    ));
    let (code, findings) = doctor(&socket, &config);
    assert_eq!(code, 0, "{findings:#?}");
    let is_free = format!("udp:127.0.0.1:{free} is free");
    assert_found(
        &findings,
        &[("config", "warn", "there is no account"), ("socket", "warn", "no phoned at"), ("ports", "ok", &is_free)],
    );
    assert_found(&findings, &[("disk", "ok", "(not there yet)")]);

    std::fs::write(&socket, "a file").unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    write(format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:{port}\", \"tcp:192.0.2.1:5060\"]\n[media]\nrtp_ports = \"40000-40019\"\n\
         [store]\ndir = \"{0}/file/state\"\n[record]\ndir = \"{0}/recordings\"\nmin_free_mb = 1000000000\n\
         [accounts.office]\nuri = \"sip:1@registrar.invalid\"\n[accounts.far]\nuri = \"sip:2@127.0.0.1\"\n",
        dir.path().display()
    ));
    let (code, findings) = doctor(&socket, &config);
    assert_eq!(code, 1);
    let in_use = format!("udp:127.0.0.1:{port} is taken by another program");
    let wanted = [
        ("socket", "fault", "is no socket"),
        ("ports", "fault", in_use.as_str()),
        ("ports", "fault", "tcp:192.0.2.1:5060: this host does not have that address"),
        ("ports", "warn", "room for 10 calls, 500 may be"),
        ("dns", "fault", "registrar.invalid (account office) is not found"),
        ("dns", "ok", "127.0.0.1 (account far): 127.0.0.1:5060 over udp, from 127.0.0.1"),
        ("disk", "fault", "file is not a folder"),
        ("disk", "fault", "1000000000 are wanted"),
    ];
    assert_found(&findings, &wanted);

    write("[sip]\nlisten = [\"udp:127.0.0.1:0\"]\nlissten = 3\n".into());
    let (code, findings) = doctor(&socket, &config);
    assert_eq!(code, 1);
    let place = format!("{}:3:1: sip.lissten", config.display());
    assert_found(&findings, &[("config", "fault", &place), ("config", "fault", "unknown key")]);
    let (code, findings) = doctor(&socket, &dir.path().join("none.toml"));
    assert!(code == 1 && found(&findings, "config", "fault", "none.toml"), "{findings:?}");
}

#[test]
fn a_daemon_that_turns_us_away() {
    let canned = Canned::start(serde_json::json!({}));
    let config = canned.socket.with_file_name("phoned.toml");
    std::fs::write(&config, "[sip]\nlisten = []\n").unwrap();
    let (code, findings) = doctor(&canned.socket, &config);
    assert_eq!(code, 1);
    assert!(
        findings
            .iter()
            .any(|[check, state, _, hint]| check == "socket" && state == "fault" && hint.contains("[rpc.roles]")),
        "{findings:?}"
    );
}
