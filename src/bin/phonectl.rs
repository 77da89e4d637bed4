//! The command line of phoned.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    ExitCode::from(phoned::ctl::run(phoned::ctl::Arguments::parse()))
}
