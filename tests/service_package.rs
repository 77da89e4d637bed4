//! What the package is made of is there: every file that Cargo.toml names, man pages with every verb, completions that a shell takes,
//! units that systemd takes and finds well locked in.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::machine::left_out;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let made = Command::new(env!("CARGO_BIN_EXE_phonectl")).arg("generate").arg(dir.path()).status().expect("run");
    assert!(made.success());
    dir
}

/// A program of the host, if it has it.
fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().expect("a shell");
    if !found.status.success() {
        left_out(&format!("there is no {program} here"));
    }
    found.status.success()
}

#[test]
fn every_file_of_the_package_is_there() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("TOML");
    let deb = &manifest["package"]["metadata"]["deb"];
    let made = generated();
    let mut seen = BTreeSet::new();
    for asset in deb["assets"].as_array().expect("a list") {
        let source = asset[0].as_str().expect("a path");
        let file = match source.strip_prefix("target/generated/") {
            Some(name) => made.path().join(name),
            None if source.starts_with("target/release/") => continue,
            None => root().join(source),
        };
        let length = std::fs::metadata(&file).unwrap_or_else(|error| panic!("{source}: {error}")).len();
        assert!(length > 0, "{source} is empty");
        seen.insert(file.file_name().expect("a name").to_owned());
    }
    for entry in std::fs::read_dir(made.path()).expect("a folder") {
        let name = entry.expect("a file").file_name();
        assert!(seen.contains(&name), "{name:?} is made and not packed");
    }
    let scripts = root().join(deb["maintainer-scripts"].as_str().expect("a folder"));
    for script in ["postinst", "postrm"] {
        let checked = Command::new("sh").arg("-n").arg(scripts.join(script)).status().expect("a shell");
        assert!(checked.success(), "{script}");
    }
    for name in deb["license-file"][0].as_str().into_iter().chain(deb["changelog"].as_str()) {
        assert!(root().join(name).exists(), "{name}");
    }
}

#[test]
fn the_man_pages_say_every_verb() {
    let made = generated();
    let page = std::fs::read_to_string(made.path().join("phonectl.1")).expect("a page").replace("\\-", "-");
    let help = Command::new(env!("CARGO_BIN_EXE_phonectl")).arg("--help").output().expect("run");
    let help = String::from_utf8(help.stdout).expect("text");
    let verbs = help.split("Commands:").nth(1).and_then(|text| text.split("Options:").next()).expect("the verbs");
    let verbs: Vec<&str> = verbs.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).collect();
    let verbs: Vec<&str> = verbs.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs.iter().filter(|verb| **verb != "help") {
        assert!(page.contains(&format!("phonectl {verb}")), "phonectl.1 lacks {verb}");
    }
    assert!(!page.contains("phonectl generate"), "it is for packages only");
    assert!(std::fs::read_to_string(made.path().join("phoned.8")).expect("a page").contains("check\\-config"));
    for page in ["phonectl.1", "phoned.8"] {
        if has("man") {
            let mut man = Command::new("man");
            man.args(["--warnings", "-l"]).arg(made.path().join(page)).env("MANWIDTH", "100");
            let output = man.output().expect("run");
            assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    for name in ["phoned.bash", "phonectl.bash"] {
        if has("bash") {
            let checked = Command::new("bash").arg("-n").arg(made.path().join(name)).status().expect("a shell");
            assert!(checked.success(), "{name}");
        }
    }
}

/// The units in a folder of their own, with the phoned of this build.
fn units(dir: &Path) -> Vec<PathBuf> {
    let put = |from: &str, to: &str| {
        let text = std::fs::read_to_string(root().join("systemd").join(from)).expect("a unit");
        let path = dir.join(to);
        std::fs::write(&path, text.replace("/usr/bin/phoned", env!("CARGO_BIN_EXE_phoned"))).expect("written");
        path
    };
    let system = vec![put("phoned.service", "phoned.service"), put("phoned.socket", "phoned.socket")];
    put("user/phoned.service", "desktop.service");
    system
}

#[test]
fn systemd_takes_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let system = units(dir.path());
    let verify = |user: &[&str], units: &[PathBuf]| {
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no"]).args(user).args(units).env("XDG_RUNTIME_DIR", dir.path());
        let output = command.output().expect("run");
        // It loads what the units name too, and tells of the host's faults.
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<&str> = told.lines().filter(|line| line.contains("phoned") || line.contains("desktop")).collect();
        assert!(ours.is_empty(), "{told}");
    };
    verify(&[], &system);
    verify(&["--user"], &[dir.path().join("desktop.service")]);
}

#[test]
fn the_service_is_locked_in() {
    if !has("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let unit = units(dir.path()).remove(0);
    // 20: 2.0 of 10, where 10 is no lock at all.
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager", "--threshold=20"]).arg(unit);
    let output = command.output().expect("run");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("Overall exposure level"), "{told}");
}
