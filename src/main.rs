//! phoned, the daemon.

use std::process::ExitCode;

use clap::Parser;
use phoned::arguments::Arguments;
use phoned::config::{Config, Origin};
use phoned::daemon::{Daemon, End};
use phoned::journal;

/// Exit codes: 0 stopped as asked, 1 could not start or was cut off, 2 wrong arguments or configuration.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let origin = arguments.origin();
    let config = match origin.load() {
        Ok(config) => config,
        Err(faults) => {
            eprint!("{faults}");
            return ExitCode::from(2);
        }
    };
    if arguments.check_config {
        println!("the configuration is right");
        return ExitCode::SUCCESS;
    }
    journal::start(&config.log);
    match run(config, origin) {
        Ok(End::Drained) => ExitCode::SUCCESS,
        Ok(End::Cut) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, origin: Origin) -> Result<End, Box<dyn std::error::Error>> {
    // One thread: a message goes from its socket to the phone and back without a hand-over. Media has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end = runtime
        .block_on(async { Daemon::start(config, origin)?.run().await.map_err(Box::<dyn std::error::Error>::from) });
    // Tasks may wait for peers; the daemon does not.
    runtime.shutdown_background();
    end
}
