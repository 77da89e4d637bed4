//! The package on a clean Debian 12 (debootstrap), with a real systemd: it installs, carries a call, is installed again over itself,
//! removed, and purged without a trace. `make package-test` runs it: it takes minutes, root and a mirror of Debian.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::daemon::Client;
use common::machine::Machine;
use common::tone::Sound;
use common::wait::{secs, until};
use serde_json::json;

const ACCOUNT: &str = "\\n[accounts.office]\\nuri = \\\"sip:office@127.0.0.1\\\"\\nregister = false\\ninput = \\\"tone:440\\\"\\noutput = \\\"null\\\"\\n";
const PEER: &str = "[rpc]\nsocket = \"/run/peer/peer.sock\"\n[sip]\nlisten = [\"udp:127.0.0.1:5070\"]\n[media]\nrtp_ports = \"40000-40999\"\n\
                    [store]\nenabled = false\n[audio]\nhost = \"none\"\n[accounts.bob]\nuri = \"sip:bob@127.0.0.1:5070\"\nregister = false\n\
                    trusted = [\"127.0.0.1\"]\nauto_answer = 0\ninput = \"tone:880\"\noutput = \"file:/run/peer/bob.wav\"\n";

fn shell(script: &str, arguments: &[&Path]) {
    let status = Command::new("sh").args(["-ec", script, "sh"]).args(arguments).status().unwrap();
    assert!(status.success(), "{script}");
}

/// What `make deb` has made.
fn package() -> PathBuf {
    if let Some(path) = std::env::var_os("PHONED_DEB") {
        return path.into();
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian");
    let made = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{}: make deb", folder.display()));
    let mut debs: Vec<PathBuf> = made.map(|entry| entry.unwrap().path()).collect();
    debs.retain(|path| path.extension().is_some_and(|end| end == "deb"));
    debs.pop().expect("make deb makes it")
}

/// A clean Debian 12 that has what the package depends on; the bare system is kept for the next run.
fn debian(place: &Path, package: &Path) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian-12.tar");
    let root = place.join("debian");
    if !kept.exists() {
        let bare = place.join("bare");
        shell(
            "debootstrap --variant=minbase --include=systemd-sysv bookworm \"$1\" \"${DEBIAN_MIRROR:-http://deb.debian.org/debian}\" >&2",
            &[&bare],
        );
        shell("tar -C \"$1\" -cf \"$2.new\" . && mv \"$2.new\" \"$2\" && rm -rf \"$1\"", &[&bare, &kept]);
    }
    shell(
        "mkdir \"$1\" && tar -C \"$1\" -xpf \"$2\" && cp /etc/resolv.conf \"$1/etc/resolv.conf\" && cp \"$3\" \"$1/phoned.deb\"",
        &[&root, &kept, package],
    );
    let depends = "DEBIAN_FRONTEND=noninteractive chroot \"$1\" sh -ec \
                   'apt-get update -q && apt-get satisfy -y -q --no-install-recommends \"$(dpkg-deb -f /phoned.deb Depends)\"' >&2";
    shell(depends, &[&root]);
    root
}

/// All that a package could have left: each path with its mode and owner, each file's hash.
fn files(machine: &Machine) -> BTreeSet<String> {
    let spared = "/var/log /var/cache /var/lib/dpkg /var/lib/apt /var/lib/systemd/timers /var/lib/systemd/random-seed /var/tmp /tmp /etc/*-";
    let spared: Vec<String> = spared.split(' ').map(|path| format!("-path '{path}'")).collect();
    let find = format!("find / -xdev \\( {} \\) -prune -o", spared.join(" -o "));
    let script = format!("{find} -printf '%p %m %u:%g %l\\n'; {find} -type f -print0 | xargs -0 sha256sum");
    machine.ok(&script).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "minutes long: make package-test"]
fn it_comes_works_and_goes_without_a_trace() {
    let place = tempfile::tempdir().unwrap();
    let root = debian(place.path(), &package());
    let machine = Machine::boot(&root, &[]).expect("a host that can start a container");
    machine.ok("systemctl start dbus.socket; systemd-tmpfiles --create");
    let before = files(&machine);

    machine.ok("apt-get install -y -q --no-install-recommends /phoned.deb");
    assert_eq!(machine.ok("dpkg -V phoned; phoned --check-config"), "the configuration is right");
    assert_eq!(machine.ok("systemctl is-enabled phoned.service phoned.socket"), "enabled\nenabled");
    assert_eq!(
        machine.ok("stat -c '%U:%G %a' /etc/phoned /etc/phoned/phoned.toml"),
        "root:phoned 750\nroot:phoned 640"
    );
    assert!(machine.ok("id -nG phoned").split(' ').any(|group| group == "audio"));

    machine.ok(&format!("printf \"{ACCOUNT}\" >> /etc/phoned/phoned.toml && systemctl start phoned"));
    machine.write("/run/peer/peer.toml", PEER);
    machine.ok("systemd-run -q --unit=peer /usr/bin/phoned --config /run/peer/peer.toml");
    // By one of the group, and by nobody.
    machine.ok("useradd -G phoned agent");
    let at = machine.path("/run/peer/bob.wav");
    until("the far end is there", secs(20), || machine.path("/run/peer/peer.sock").exists().then_some(()));
    machine.ok("setpriv --reuid agent --regid agent --init-groups phonectl dial sip:bob@127.0.0.1:5070");
    until("the far end hears it", secs(30), || {
        Sound::read(&at).filter(|sound| sound.seconds() > 1.0 && sound.last(1.0).has_tone(440.0))
    });
    machine.ok("setpriv --reuid agent --regid agent --init-groups phonectl hangup");
    let stranger = machine.run("setpriv --reuid nobody --regid nogroup --clear-groups phonectl accounts");
    assert!(!stranger.status.success(), "{stranger:?}");
    machine.ok("systemctl stop peer && userdel agent");

    // Over itself, as an upgrade does: what was written into the file stays, and what ran runs.
    machine.ok("apt-get install -y -q --no-install-recommends --reinstall /phoned.deb");
    assert!(machine.ok("cat /etc/phoned/phoned.toml").contains("sip:office@127.0.0.1"));
    let mut client = Client::open(&machine.path("/run/phoned/phoned.sock"));
    assert_eq!(client.call("cdr.query", json!({})).unwrap()["total"], 1, "and the records are there");

    machine.ok("apt-get remove -y -q phoned");
    assert_eq!(
        machine.ok("ls /etc/phoned && ls -A /var/lib/phoned | grep events-").lines().next(),
        Some("phoned.toml")
    );
    assert!(machine.ok("cat /proc/[0-9]*/comm").lines().all(|name| name != "phoned"), "and it has stopped");
    machine.ok("apt-get purge -y -q phoned");
    let after = files(&machine);
    let traces: Vec<&String> = before.symmetric_difference(&after).collect();
    assert!(traces.is_empty(), "{traces:#?}");
    machine.ok("! getent passwd phoned && ! getent group phoned && ! ls /run/phoned");
    assert_eq!(machine.ok("systemctl list-unit-files --no-legend 'phoned*' || true"), "");
}
