//! phoned.service under a real systemd, with every lock of the unit: a call through a (virtual) sound card, the journal's fields, a
//! credential, reload, drain, the socket that stays, and a stuck loop that is started anew; and the unit of a desktop's user.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/vcards.rs"]
mod vcards;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::daemon::Client;
use common::machine::{Frozen, Machine};
use common::tone::Sound;
use common::wait::{secs, until};
use serde_json::{Value, json};
use vcards::{Cards, beside_cards, sine, steady_level};

const ACCOUNT: &str = "[accounts.office]\nuri = \"sip:office@127.0.0.1\"\nregister = false\ntrusted = [\"127.0.0.1\"]\n\
                       password_credential = \"office\"\ninput = \"pulse:mic1\"\noutput = \"pulse:spk1\"\nnoise_suppression = \"off\"\n";
const PEER: &str = "[rpc]\nsocket = \"/run/peer/peer.sock\"\n[sip]\nlisten = [\"udp:127.0.0.1:5070\"]\n[media]\nrtp_ports = \"40000-40999\"\n\
                    [store]\ndir = \"/run/peer/state\"\n[audio]\nhost = \"none\"\n[accounts.bob]\nuri = \"sip:bob@127.0.0.1:5070\"\n\
                    register = false\ntrusted = [\"127.0.0.1\"]\nauto_answer = 0\ninput = \"tone:880\"\noutput = \"file:/run/peer/bob.wav\"\n";

/// A machine with the units and the program as the package puts them; nothing is started.
fn installed(binds: &[(&Path, &str)], drop_in: &str) -> Option<Machine> {
    let program = Path::new(env!("CARGO_BIN_EXE_phoned"));
    let machine = Machine::boot(Path::new("/"), &[&[(program, "/usr/bin/phoned")], binds].concat())?;
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    for (file, place) in [
        ("phoned.service", "/etc/systemd/system/phoned.service"),
        ("phoned.socket", "/etc/systemd/system/phoned.socket"),
        ("phoned.conf", "/usr/lib/sysusers.d/phoned.conf"),
    ] {
        machine.write(place, &std::fs::read_to_string(units.join(file)).unwrap());
    }
    machine.ok("systemd-sysusers phoned.conf");
    machine.write("/etc/phoned/office.password", "of-nobody\n");
    machine.write("/etc/phoned/phoned.toml", &format!("[phone]\ndrain_timeout = 1\n\n{ACCOUNT}"));
    machine.ok("chown -R root:phoned /etc/phoned && chmod 640 /etc/phoned/* && chmod 600 /etc/phoned/office.password");
    let credential = "LoadCredential=office:/etc/phoned/office.password";
    machine.write("/etc/systemd/system/phoned.service.d/test.conf", &format!("[Service]\n{credential}\n{drop_in}\n"));
    machine.ok("systemctl daemon-reload");
    Some(machine)
}

fn client(machine: &Machine) -> Client {
    let mut client = Client::open(&machine.path("/run/phoned/phoned.sock"));
    client.call("events.subscribe", json!({})).unwrap();
    client
}

/// What the kernel says of a process of the machine.
fn status(machine: &Machine, field: &str) -> String {
    let pid = machine.main_pid("phoned.service");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().to_owned()
}

/// The locks are on, as the kernel and the process's own view of the files show.
fn is_locked_in(machine: &Machine) {
    assert_eq!((status(machine, "NoNewPrivs"), status(machine, "Seccomp")), ("1".into(), "2".into()));
    for set in ["CapEff", "CapPrm", "CapBnd", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&status(machine, set), 16), Ok(0), "{set}");
    }
    assert_eq!(status(machine, "Uid"), machine.ok("id -u phoned"));
    let own =
        |script: &str| machine.run(&format!("nsenter -t {} -m -- {script}", machine.property("phoned", "MainPID")));
    for place in ["/usr/bin/x", "/etc/phoned/x", "/home/x"] {
        let tried = own(&format!("touch {place}"));
        assert!(String::from_utf8_lossy(&tried.stderr).contains("Read-only file system"), "{place}: {tried:?}");
    }
    assert!(own("touch /var/lib/phoned/x").status.success(), "its state is its own");
    assert!(own("ls /root").stdout.is_empty(), "no home");
}

fn talks(machine: &Machine, cards: &Cards, client: &mut Client) -> String {
    until("phoned has seen its card", secs(20), || {
        let list = client.call("device.list", json!({})).unwrap();
        list["devices"].as_array().unwrap().iter().any(|device| device["id"] == "pulse:mic1").then_some(())
    });
    let call = client.dial("office", "sip:bob@127.0.0.1:5070");
    client.wait_event("confirmed", |_| true);
    let speaking = cards.say("mic1", sine(440.0, 60.0));
    let wav = machine.path("/run/peer/bob.wav");
    until("the far end hears the microphone", secs(30), || {
        Sound::read(&wav).filter(|sound| sound.seconds() > 1.0 && sound.last(1.0).has_tone(440.0))
    });
    until("the loudspeaker plays the far end", secs(30), || {
        (steady_level(&cards.hear("spk1", secs(1)), 880.0) > -30.0).then_some(())
    });
    drop(speaking);
    call
}

fn journal_of(machine: &Machine, call: &str) -> Vec<Value> {
    let text = machine.ok(&format!("journalctl --no-pager -o json -u phoned CALL_ID={call}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_call_within_the_locks_and_all_that_systemctl_does() {
    beside_cards(1, |cards| {
        let place =
            Path::new(&cards.env().into_iter().find(|(name, _)| name == "XDG_RUNTIME_DIR").unwrap().1).to_owned();
        for (path, mode) in [("", 0o755), ("pulse", 0o755), ("cookie", 0o644)] {
            std::fs::set_permissions(place.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let sound = "Environment=PULSE_SERVER=unix:/run/cards/pulse/native PULSE_COOKIE=/run/cards/cookie";
        let Some(machine) = installed(&[(&place, "/run/cards")], sound) else { return };
        machine.write("/run/peer/peer.toml", PEER);
        machine.ok("systemd-run -q --unit=peer /usr/bin/phoned --config /run/peer/peer.toml");
        // It comes back when it is READY.
        machine.ok("systemctl start phoned.socket phoned.service");
        is_locked_in(&machine);
        assert_eq!(machine.ok("stat -c '%U:%G %a' /run/phoned/phoned.sock"), "root:phoned 660");
        let mut phone = client(&machine);
        let call = talks(&machine, cards, &mut phone);
        until("how things stand", secs(30), || {
            machine.property("phoned", "StatusText").contains(", 1 calls").then_some(())
        });
        let told = until("its lines in the journal", secs(30), || {
            Some(journal_of(&machine, &call))
                .filter(|lines| lines.iter().any(|line| line["MESSAGE"].as_str().unwrap().starts_with("confirmed")))
        });
        assert!(
            told.iter().all(|line| line["ACCOUNT"] == "office" && line["SYSLOG_IDENTIFIER"] == "phoned"),
            "{told:?}"
        );

        // A fault in the file: told, and nothing else.
        machine.ok("printf '\\n[phone2]\\n' >> /etc/phoned/phoned.toml && systemctl reload phoned");
        assert_eq!(phone.wait_event("daemon.reloadFailed", |_| true)["data"]["faults"][0]["key"], "phone2");
        machine.ok("sed -i 's/^.phone2.$//; s/drain_timeout = 1/drain_timeout = 2/' /etc/phoned/phoned.toml && systemctl reload phoned");
        assert_eq!(phone.wait_event("daemon.reloaded", |_| true)["data"]["changed"], json!(["phone.drain_timeout"]));
        assert_eq!(phone.call("session.get", json!({"callId": call})).unwrap()["status"]["callStatus"], "talking");

        // The call ends by the drain's limit, phoned with 0; the socket stays and starts it for whoever comes.
        machine.ok("systemctl stop phoned.service");
        let ended = phone.drain();
        assert!(ended.iter().any(|event| event["event"] == "ended" && event["callId"] == call.as_str()));
        let left = ["Result", "ExecMainStatus", "ActiveState"].map(|name| machine.property("phoned.service", name));
        assert_eq!(left, ["success", "0", "inactive"]);
        let info = client(&machine).call("daemon.info", json!({})).unwrap();
        assert_eq!(info["name"], "phoned");
        assert_eq!(machine.property("phoned.service", "ActiveState"), "active");
    });
}

#[test]
fn a_stuck_loop_is_started_anew() {
    let Some(machine) = installed(&[], "WatchdogSec=3\nLimitCORE=0") else { return };
    machine.ok("sed -i '/^input\\|^output/d' /etc/phoned/phoned.toml && systemctl start phoned.socket phoned.service");
    for (restarts, name) in [("1", "media-0"), ("2", "phoned")] {
        let frozen = Frozen::thread(machine.main_pid("phoned.service"), name);
        until("systemd starts it anew", secs(60), || {
            frozen.buried();
            (machine.property("phoned.service", "NRestarts") == restarts
                && machine.property("phoned.service", "ActiveState") == "active")
                .then_some(())
        });
        assert!(machine.ok("journalctl --no-pager -u phoned").contains("Watchdog timeout"));
        assert_eq!(client(&machine).call("daemon.info", json!({})).unwrap()["name"], "phoned");
    }
}

#[test]
fn a_desktop_runs_it_as_its_user() {
    let Some(machine) = installed(&[], "") else { return };
    let unit =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/user/phoned.service")).unwrap();
    machine.write("/usr/lib/systemd/user/phoned.service", &unit);
    machine.write("/home/desk/.config/phoned/phoned.toml", "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\n");
    machine.ok("useradd -M -d /home/desk desk && chown -R desk:desk /home/desk && systemctl start dbus.socket systemd-logind user@$(id -u desk)");
    let user =
        "setpriv --reuid desk --regid desk --init-groups env HOME=/home/desk XDG_RUNTIME_DIR=/run/user/$(id -u desk)";
    machine.ok(&format!("{user} systemctl --user daemon-reload && {user} systemctl --user enable --now phoned"));
    assert_eq!(machine.ok("stat -c '%U' /run/user/$(id -u desk)/phoned.sock"), "desk");
    assert_eq!(
        machine.ok("ls /home/desk/.local/state/phoned/epoch /home/desk/.config/phoned | tail -n 1"),
        "phoned.toml"
    );
    machine.ok(&format!("{user} systemctl --user reload phoned && {user} systemctl --user stop phoned"));
    assert_eq!(machine.ok(&format!("{user} systemctl --user show --value -p Result phoned")), "success");
}
