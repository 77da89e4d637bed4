//! phoned, the daemon.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use phoned::config::{self, Config, LogConfig, Sources};
use phoned::daemon::{Daemon, End};
use tracing_subscriber::EnvFilter;

/// A softphone without a screen: many calls, real audio devices, JSON-RPC on a local socket.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration; left out: /etc/phoned/phoned.toml, where there is one. `conf.d/*.toml` beside it is read too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The RPC socket, whatever the configuration says.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Only say whether the configuration is right: exit code 0, or 2 with every fault.
    #[arg(long)]
    check_config: bool,
}

/// Exit codes: 0 stopped as asked, 1 could not start or was cut off, 2 wrong arguments or configuration.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut config = match config::load(&Sources::standard(arguments.config.as_deref())) {
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
    if let Some(socket) = arguments.socket {
        config.rpc.socket = Some(socket);
    }
    log(&config.log);
    match run(&config) {
        Ok(End::Drained) => ExitCode::SUCCESS,
        Ok(End::Cut) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config) -> Result<End, Box<dyn std::error::Error>> {
    // One thread: a message goes from its socket to the phone and back without a hand-over. Media has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end =
        runtime.block_on(async { Daemon::start(config)?.run().await.map_err(Box::<dyn std::error::Error>::from) });
    // Tasks may wait for peers; the daemon does not.
    runtime.shutdown_background();
    end
}

/// To stderr. RUST_LOG counts more than the configuration; the journal writes the time itself.
fn log(config: &LogConfig) {
    // The WebRTC crates tell addresses and names of peers at any level: only who asks for them by name hears them.
    let quiet = "rtc_ice=off,rtc_dtls=off,rtc_turn=off,rtc_stun=off,rtc_srtp=off,rtc_mdns=off";
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{quiet},{}", config.level)));
    let journal = to_journal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match (config.format.as_str(), journal) {
        ("json", _) => builder.json().init(),
        (_, true) => builder.without_time().with_ansi(false).init(),
        (_, false) => builder.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

/// JOURNAL_STREAM names the socket of the journal (systemd.exec(5)); it counts only if stderr is still that one.
fn to_journal() -> bool {
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| named == format!("{}:{}", stderr.dev(), stderr.ino()))
}
