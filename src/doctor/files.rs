//! Files: the configuration, the socket, the disk, the log.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::{Finding, Met, Running};
use crate::config::{Config, Faults, Origin, Sources};

/// Free space that the event log should have, MB.
const LOG_MB: u64 = 100;
const MB: u64 = 1024 * 1024;

/// The configuration, if it is right.
pub(super) fn config(origin: &Origin) -> (Option<Config>, Vec<Finding>) {
    let files = Sources::standard(origin.file.as_deref()).files;
    let closed =
        files.iter().find(|file| File::open(file).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied));
    if let Some(file) = closed {
        let text = format!("{} cannot be read by this user: what depends on it is not looked at", file.display());
        return (None, vec![Finding::warn("config", text, "run phonectl doctor as root")]);
    }
    match origin.load() {
        Ok(config) => {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            let names = if names.is_empty() { "no file, the defaults hold".to_owned() } else { names.join(", ") };
            let mut found = vec![Finding::ok("config", format!("{names}: right, {} accounts", config.accounts.len()))];
            if config.accounts.is_empty() {
                found.push(Finding::warn(
                    "config",
                    "there is no account",
                    "add [accounts.NAME] with its uri: docs/OPERATIONS.md",
                ));
            }
            (Some(config), found)
        }
        Err(Faults(faults)) => {
            let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").is_some();
            let finding = |fault: &crate::config::Fault| {
                if fault.key.ends_with(".password_credential") && !credentials {
                    let text = format!("{}: the unit hands it over, it cannot be seen from here", fault.key);
                    return Finding::warn("config", text, "journalctl -u phoned tells whether phoned got it");
                }
                let hint = if fault.right.is_empty() {
                    "mend it, then phoned --check-config".to_owned()
                } else {
                    format!("right would be: {}", fault.right)
                };
                Finding::fault("config", format!("{}: {}: {}", fault.place, fault.key, fault.wrong), hint)
            };
            (None, faults.iter().map(finding).collect())
        }
    }
}

/// The socket, and who may use it.
pub(super) fn socket(path: &Path, met: &Met) -> Vec<Finding> {
    let at = path.display();
    let mut found = match met {
        Met::Running(running) => {
            let info = &running.info;
            let text = |key: &str| info[key].as_str().unwrap_or("?").to_owned();
            vec![Finding::ok(
                "socket",
                format!("{at}: {} {} answers, pid {}", text("name"), text("version"), info["pid"]),
            )]
        }
        Met::Forbidden(why) => {
            vec![Finding::fault(
                "socket",
                why.clone(),
                "adduser USER phoned, then a new login; or [rpc.roles] of the configuration",
            )]
        }
        Met::Nobody(why) => match std::fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                vec![Finding::fault(
                    "socket",
                    format!("{at} is no socket: phoned will not start over it"),
                    "remove it, or name another [rpc] socket",
                )]
            }
            _ => vec![Finding::warn(
                "socket",
                why.clone(),
                "phoned does not run, or elsewhere: systemctl status phoned; --socket PATH",
            )],
        },
    };
    if let Ok(there) = std::fs::metadata(path)
        && there.file_type().is_socket()
        && there.mode() & 0o007 != 0
    {
        let text = format!("{at} is open to everybody (mode {:o}); roles alone keep them away", there.mode() & 0o777);
        found.push(Finding::warn("socket", text, format!("chmod 0660 {at}")));
    }
    found
}

/// Room for the event log and for recordings.
pub(super) fn disk(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if config.store.enabled {
        found.push(folder("the event log", &config.store.directory(), LOG_MB, false));
    } else {
        found.push(Finding::warn(
            "disk",
            "no event is kept",
            "[store] enabled = true, so that clients can ask for what they missed",
        ));
    }
    found.push(folder("recordings", &config.record.directory(), config.record.min_free_mb, true));
    found
}

/// A folder, or where it will be made.
fn folder(what: &str, dir: &Path, least: u64, strict: bool) -> Finding {
    let Some(there) = dir.ancestors().find(|dir| dir.exists()) else {
        return Finding::fault("disk", format!("{what}: {} cannot be made", dir.display()), "name another folder");
    };
    if !there.is_dir() {
        let text = format!("{what}: {} is not a folder", there.display());
        return Finding::fault("disk", text, "name another folder");
    }
    let at = dir.display();
    let made = if there == dir { String::new() } else { " (not there yet)".to_owned() };
    let space = match statvfs(there) {
        Ok(space) => space,
        Err(error) => {
            return Finding::fault("disk", format!("{what}: {}: {error}", there.display()), "look at the disk: dmesg");
        }
    };
    let free = space.blocks_available().saturating_mul(space.fragment_size()) / MB;
    let text = format!("{what}: {at}{made}, {free} MB free");
    let hint = format!("make room on {}, or move it", there.display());
    if space.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY) {
        return Finding::fault(
            "disk",
            format!("{what}: {at} is on a disk that cannot be written"),
            "mount it for writing, or name another folder",
        );
    }
    if free < least {
        let short = format!("{text}; {least} are wanted");
        return if strict { Finding::fault("disk", short, hint) } else { Finding::warn("disk", short, hint) };
    }
    // The daemon may be another user: who looks is not who writes.
    if there == dir && access(dir, AccessFlags::W_OK).is_err() {
        return Finding::warn(
            "disk",
            format!("{text}; this user may not write there"),
            "right, if phoned runs as another user: run phonectl doctor as root to be sure",
        );
    }
    Finding::ok("disk", text)
}

/// Where the log goes, and what stands in it.
pub(super) fn log(config: &Config, running: Option<&Running>) -> Vec<Finding> {
    let mut found = Vec::new();
    let journal = Path::new("/run/systemd/journal/socket").exists();
    let place = if journal {
        "journalctl -u phoned, where systemd runs it"
    } else {
        "standard error: there is no journal on this host"
    };
    let level = config.log.level.as_str();
    let talkative = level.split([',', '=']).any(|word| ["debug", "trace"].contains(&word.trim()));
    found.push(if talkative {
        Finding::warn(
            "log",
            format!("level {level}: numbers and names are logged"),
            "[log] level = \"info\" when you are done",
        )
    } else {
        Finding::ok("log", format!("level {level}, to {place}"))
    });
    if let Some(why) = running.and_then(|running| running.log.as_ref()).filter(|_| config.store.enabled) {
        found.push(Finding::fault(
            "log",
            format!("the event log cannot be read: {why}"),
            "look at its disk and its folder, [store] dir",
        ));
    }
    found
}

/// Whether a program is there.
pub(super) fn there(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(OsStr::new(name)).is_file())
}
