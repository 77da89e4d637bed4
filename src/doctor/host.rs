//! The host: its clock, its sound, and what the daemon may do on it.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::Group;

use super::files::there;
use super::{Finding, Running};
use crate::config::Config;

/// Clocks that are off make logs of two hosts useless, and certificates invalid.
pub(super) fn clock() -> Finding {
    let right = || Finding::ok("clock", "it follows a time server");
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return right();
    }
    let hint = "timedatectl set-ntp true, or install chrony";
    let asked = || {
        let output = Command::new("timedatectl")
            .args(["show", "-p", "NTPSynchronized", "--value"])
            .stderr(Stdio::null())
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|_| output.status.success())
    };
    match there("timedatectl").then(asked).flatten().as_deref() {
        Some("yes") => right(),
        Some("no") => Finding::warn("clock", "it follows no time server", hint),
        _ => Finding::warn("clock", "nobody here says whether it follows a time server", hint),
    }
}

/// The devices that accounts want are there.
pub(super) fn devices(config: Option<&Config>, running: Option<&Running>) -> Vec<Finding> {
    let Some(running) = running else {
        let card = std::fs::read_to_string("/proc/asound/cards").is_ok_and(|cards| cards.contains(" ["));
        return vec![if card {
            Finding::ok("devices", "there is a sound card")
        } else {
            Finding::warn(
                "devices",
                "there is no sound card of ALSA's",
                "right, where a sound server has one; else calls go on with silence",
            )
        }];
    };
    let all = running.devices["devices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids: Vec<&str> = all.iter().filter_map(|device| device["id"].as_str()).collect();
    let mut found = Vec::new();
    let mut wanted: Vec<(String, String)> = Vec::new();
    for role in ["input", "output", "ringer"] {
        wanted
            .push((format!("[audio] {role}"), running.devices["roles"][role].as_str().unwrap_or_default().to_owned()));
    }
    for (name, account) in config.map(|config| &config.accounts).into_iter().flatten() {
        for (role, device) in [("input", &account.input), ("output", &account.output)] {
            wanted.extend(device.iter().map(|device| (format!("account {name}, {role}"), device.clone())));
        }
    }
    let made = |device: &str| {
        ["tone:", "file:"].iter().any(|kind| device.starts_with(kind)) || ["", "default", "null"].contains(&device)
    };
    for (who, device) in wanted.iter().filter(|(_, device)| !made(device) && !ids.contains(&device.as_str())) {
        let hint = "plug it in, or name one that phonectl devices shows";
        found.push(Finding::fault("devices", format!("{who}: {device} is not there"), hint));
    }
    let real = ids.iter().filter(|id| **id != "null").count();
    if real == 0 && wanted.iter().any(|(_, device)| device == "default") {
        let hint =
            "is a card there, may phoned use it (group audio), does its sound server run? Calls go on with silence";
        found.push(Finding::warn("devices", "there is no sound device", hint));
    } else if found.is_empty() {
        found.push(Finding::ok("devices", format!("{real} sound devices; all that are wanted are there")));
    }
    found
}

/// What the process of the daemon may do.
pub(super) fn permissions(running: Option<&Running>) -> Vec<Finding> {
    let Some(pid) = running.and_then(|running| running.info["pid"].as_u64()) else { return Vec::new() };
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let (limits, status) = (read("limits"), read("status"));
    let mut found = Vec::new();
    let line = |text: &str, start: &str| {
        text.lines().find(|line| line.starts_with(start)).map(|line| line[start.len()..].to_owned())
    };
    if let Some(priority) = line(&limits, "Max realtime priority") {
        let soft = priority.split_whitespace().next().and_then(|soft| soft.parse::<u64>().ok());
        found.push(match soft {
            Some(0) => Finding::warn(
                "permissions",
                "phoned may not take real-time priority: sound breaks up on a busy host",
                "LimitRTPRIO=20 in the unit, or /etc/security/limits.d for a user's own",
            ),
            soft => Finding::ok(
                "permissions",
                format!("real-time priority up to {}", soft.map_or_else(|| "any".to_owned(), |soft| soft.to_string())),
            ),
        });
    }
    let root = line(&status, "Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"));
    let groups: Vec<u32> = line(&status, "Groups:")
        .into_iter()
        .chain(line(&status, "Gid:"))
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect();
    if root {
        found.push(Finding::warn(
            "permissions",
            "phoned runs as root",
            "the unit of the package has a user of its own: systemctl start phoned",
        ));
    } else if let (Ok(Some(audio)), true) = (Group::from_name("audio"), Path::new("/dev/snd").exists()) {
        found.push(if groups.contains(&audio.gid.as_raw()) {
            Finding::ok("permissions", "phoned is in the group audio")
        } else {
            Finding::warn(
                "permissions",
                "phoned is not in the group audio",
                "SupplementaryGroups=audio in the unit; not needed with a sound server",
            )
        });
    }
    found
}
