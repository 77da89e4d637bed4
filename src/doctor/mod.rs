//! Whether this host is fit for phoned, with or without a daemon that runs: each thing looked at, what is wrong, and what to do.
//!
//! It changes nothing: ports are tried and let go, names are looked up, files are looked at.

mod files;
mod host;
mod ports;
mod servers;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::config::Origin;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It may be meant so.
    Warn,
    /// It keeps phoned from its work.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `config`, `socket`, `ports`, `dns`, `registration`, `clock`, `devices`, `permissions`, `disk`, `log`.
    pub check: &'static str,
    /// How it is.
    pub state: State,
    /// In words.
    pub text: String,
    /// What to do; empty where all is well.
    pub hint: String,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, text: impl Into<String>) -> Finding {
        Finding { check, state: State::Ok, text: text.into(), hint: String::new() }
    }

    /// It may be meant so.
    pub fn warn(check: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { check, state: State::Warn, text: text.into(), hint: hint.into() }
    }

    /// It has to be mended.
    pub fn fault(check: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { check, state: State::Fault, text: text.into(), hint: hint.into() }
    }
}

/// What a daemon that runs says of itself.
#[derive(Debug, Clone)]
pub struct Running {
    /// `daemon.info`
    pub info: Value,
    /// `account.list`
    pub accounts: Value,
    /// `device.list`
    pub devices: Value,
    /// Why its event log cannot be read; none: it can.
    pub log: Option<String>,
}

/// How the socket was met.
#[derive(Debug, Clone)]
pub enum Met {
    /// Somebody answers.
    Running(Box<Running>),
    /// There is nobody: why.
    Nobody(String),
    /// This user is kept away: why.
    Forbidden(String),
}

/// Where the socket is looked for: as told, or as the configuration says.
pub fn socket(named: Option<PathBuf>, origin: &Origin) -> Option<PathBuf> {
    named.or_else(|| {
        let rpc = origin.load().ok()?.rpc;
        rpc.socket.clone().or_else(|| Some(rpc.socket_path()).filter(|path| path.exists()))
    })
}

/// Looks at everything. Waits for names that are looked up, a few seconds at most.
pub fn look(origin: &Origin, socket: &std::path::Path, met: &Met) -> Vec<Finding> {
    let (config, mut findings) = files::config(origin);
    findings.extend(files::socket(socket, met));
    let running = if let Met::Running(running) = met { Some(&**running) } else { None };
    if let Some(config) = &config {
        findings.extend(ports::look(config, running));
        findings.extend(servers::names(config));
    }
    findings.extend(servers::registrations(running));
    findings.push(host::clock());
    findings.extend(host::devices(config.as_ref(), running));
    findings.extend(host::permissions(running));
    if let Some(config) = &config {
        findings.extend(files::disk(config));
        findings.extend(files::log(config, running));
    }
    findings
}
