//! The daemon's command line.

use std::path::PathBuf;

use clap::Parser;

use crate::config::Origin;

/// A softphone without a screen: many calls, real audio devices, JSON-RPC on a local socket
#[derive(Debug, Parser)]
#[command(name = "phoned", version, after_help = AFTER)]
pub struct Arguments {
    /// The configuration [default: /etc/phoned/phoned.toml, where there is one]; `conf.d/*.toml` beside it is read too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The RPC socket, whatever the configuration says
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Only say whether the configuration is right: exit code 0, or 2 with every fault
    #[arg(long)]
    pub check_config: bool,
}

const AFTER: &str = "Signals: HUP reads the configuration anew; TERM and INT take no new calls and let those that are go on for \
[phone] drain_timeout, a second one ends at once.\n\nExit codes: 0 stopped as asked, 1 could not start or was cut off, 2 wrong \
arguments or configuration";

impl Arguments {
    /// Where the configuration comes from.
    pub fn origin(&self) -> Origin {
        Origin { file: self.config.clone(), socket: self.socket.clone() }
    }
}
