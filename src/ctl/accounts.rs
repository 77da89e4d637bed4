//! Accounts from a shell, and whether the daemon is well.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Out, given, show};

/// `phonectl account`
#[derive(Debug, Subcommand)]
pub(super) enum AccountVerb {
    /// Add an account until the daemon stops
    Add {
        /// What to call it
        name: String,
        /// Its address: sip:user@domain
        uri: String,
        /// A file whose first line is the password; the daemon reads it
        #[arg(long, value_name = "PATH")]
        password_file: Option<PathBuf>,
        /// Where to register: a sip: URI; left out: the domain
        #[arg(long, value_name = "URI")]
        registrar: Option<String>,
        /// A proxy that its requests go through; several: tried in turn
        #[arg(long, value_name = "URI")]
        proxy: Vec<String>,
        /// udp or tcp
        #[arg(long)]
        transport: Option<String>,
        /// The name shown to others
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        /// The digest user; left out: the user of the address
        #[arg(long, value_name = "USER")]
        username: Option<String>,
        /// Do not register it
        #[arg(long)]
        no_register: bool,
    },
    /// Show all of an account
    Show {
        /// Its name
        name: String,
    },
    /// End its calls, unregister and remove it
    Rm {
        /// Its name
        name: String,
    },
}

/// Does what is wanted with an account.
pub(super) fn account(client: &mut Client, out: &mut Out, what: AccountVerb) -> Result<(), Failure> {
    match what {
        AccountVerb::Add {
            name,
            uri,
            password_file,
            registrar,
            proxy,
            transport,
            display_name,
            username,
            no_register,
        } => {
            // The daemon has a working folder of its own.
            let password_file =
                password_file.map(|path| std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned());
            let mut account = given([
                ("uri", Some(uri)),
                ("password_file", password_file),
                ("registrar", registrar),
                ("transport", transport),
                ("display_name", display_name),
                ("username", username),
            ]);
            if !proxy.is_empty() {
                account["proxies"] = json!(proxy);
            }
            if no_register {
                account["register"] = false.into();
            }
            out.done(&client.call("account.add", json!({ "name": name, "account": account }))?)
        }
        AccountVerb::Show { name } => {
            let account = client.call("account.get", json!({ "name": name }))?;
            out.document(&account, show::pretty)
        }
        AccountVerb::Rm { name } => out.done(&client.call("account.remove", json!({ "name": name }))?),
    }
}

/// Prints how the daemon is; a failure when an account is not registered that shall be.
pub(super) fn status(client: &mut Client, out: &mut Out) -> Result<(), Failure> {
    let info = client.call("daemon.info", json!({}))?;
    let (health, phone) = (client.call("daemon.health", json!({}))?, client.call("phone.get", json!({}))?);
    let accounts = health["accounts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let missing = accounts.iter().filter(|account| account["register"] == true && account["isRegistered"] != true);
    let missing: Vec<&str> = missing.filter_map(|account| account["name"].as_str()).collect();
    let mut status =
        json!({ "ok": health["ok"], "notRegistered": missing, "sessions": phone["sessions"], "seq": phone["seq"] });
    for (name, value) in info.as_object().into_iter().flatten() {
        status[name] = value.clone();
    }
    out.document(&status, |status| lines(status, accounts.len()))?;
    if health["ok"] == true {
        return Ok(());
    }
    Err(Failure::Nothing(format!("not registered: {}", missing.join(" "))))
}

fn lines(status: &Value, accounts: usize) -> Vec<String> {
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    let up = status["uptimeMs"].as_u64().unwrap_or(0) / 1000;
    let up = format!("{} d {:02}:{:02}:{:02}", up / 86_400, up / 3_600 % 24, up / 60 % 60, up % 60);
    let text = |value: &Value| show::clean(value.as_str().unwrap_or_default());
    vec![
        format!("{} {}, pid {}, up {up}", text(&status["name"]), text(&status["version"]), status["pid"]),
        format!("{accounts} accounts, {} not registered", count(&status["notRegistered"])),
        format!("{} calls, {} events (epoch {})", count(&status["sessions"]), status["seq"], text(&status["epoch"])),
    ]
}
