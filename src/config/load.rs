//! From files and environment to one `Config`, or to everything that is wrong with them.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::spans::Document;
use super::{Config, check, crm, fleet, http, read_password};
use crate::media::clip;
pub use crate::ua::command::ConfigFault as Fault;

/// Where the configuration is when nobody says otherwise.
const STANDARD: &str = "/etc/phoned/phoned.toml";
/// Environment variables that set a key: `PHONED_SECTION__KEY`.
const PREFIX: &str = "PHONED_";

/// Everything that is wrong, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl std::error::Error for Faults {}

/// What the configuration is made of. Later ones win, key by key; an array is replaced whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files, which must exist.
    pub files: Vec<PathBuf>,
    /// `PHONED_SECTION__KEY` → value: scalars only.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// The named file, or the standard one if there is one; `conf.d/*.toml` beside it, by name; the process's environment.
    pub fn standard(named: Option<&Path>) -> Sources {
        let main = named.unwrap_or(Path::new(STANDARD));
        let mut files: Vec<PathBuf> = std::fs::read_dir(main.with_file_name("conf.d"))
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        files.sort();
        if named.is_some() || main.exists() {
            files.insert(0, main.to_owned());
        }
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__"))
            .collect();
        Sources { files, environment }
    }
}

/// Where a daemon's configuration comes from, each time that it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file that was named; none: the standard one.
    pub file: Option<PathBuf>,
    /// The RPC socket, whatever the files say.
    pub socket: Option<PathBuf>,
}

impl Origin {
    /// Reads it. May wait for the disk.
    pub fn load(&self) -> Result<Config, Faults> {
        let mut config = load(&Sources::standard(self.file.as_deref()))?;
        config.rpc.socket = self.socket.clone().or(config.rpc.socket);
        Ok(config)
    }
}

/// Reads, checks and merges. The configuration that comes back is whole: nothing of it has to be checked again.
pub fn load(sources: &Sources) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    let mut documents = Vec::new();
    for path in &sources.files {
        match std::fs::read_to_string(path) {
            Ok(text) => match Document::parse(path, text) {
                Ok(document) => documents.push(document),
                Err(wrong) => faults.extend(wrong),
            },
            Err(error) => faults.push(whole_file(path, &error)),
        }
    }
    let accounts: Vec<String> = documents.iter().flat_map(|document| document.accounts()).collect();
    let mut environment = Vec::new();
    for (name, value) in &sources.environment {
        match variable(name, value, &accounts) {
            Ok(set) => environment.push((name, set)),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let mut config = merge(&documents, &environment).map_err(|fault| Faults(vec![fault]))?;
    let mut wrong = check::faults(&config);
    // A relative file lies beside the file that names it.
    let beside = |keys: &[String], file: &mut Option<String>| {
        let named_by = documents.iter().rev().find(|document| document.locate(keys).is_some());
        if let (Some(file), Some(document)) = (file, named_by) {
            *file = document.path.with_file_name("").join(&*file).to_string_lossy().into_owned();
        }
    };
    let pem = |wrong: &mut Vec<check::Wrong>, keys: Vec<String>, file: &mut Option<String>| {
        beside(&keys, file);
        if let Some(Err(error)) = file.as_ref().map(std::fs::File::open) {
            wrong.push((keys, format!("a PEM file that phoned's user may read; {:?}: {error}", file.as_deref())));
        }
    };
    let tls = &mut config.tls;
    for (key, file) in [("ca_file", &mut tls.ca_file), ("certificate", &mut tls.certificate), ("key", &mut tls.key)] {
        pem(&mut wrong, ["tls", key].map(str::to_owned).to_vec(), file);
    }
    let sound = |wrong: &mut Vec<check::Wrong>, keys: Vec<String>, file: &mut Option<String>| {
        beside(&keys, file);
        if let Some(Err(why)) = file.as_ref().map(|file| clip::probe(Path::new(file))) {
            wrong.push((keys, format!("a WAV or Ogg/Opus file of 10 minutes at most; {:?}: {why}", file.as_deref())));
        }
    };
    sound(&mut wrong, ["phone", "hold_music"].map(str::to_owned).to_vec(), &mut config.phone.hold_music);
    for (key, choice) in config.tones.choices() {
        let mut file = Some(choice.clone()).filter(|choice| !["plan", "off"].contains(&choice.as_str()));
        sound(&mut wrong, ["tones", key].map(str::to_owned).to_vec(), &mut file);
        if let Some(file) = file {
            *choice = file;
        }
    }
    for (name, account) in &mut config.accounts {
        if account.hold_music.as_deref() != Some("") {
            let keys = ["accounts", name, "hold_music"].map(str::to_owned).to_vec();
            sound(&mut wrong, keys, &mut account.hold_music);
        }
        let files = [
            ("tls_ca_file", &mut account.tls_ca_file),
            ("tls_certificate", &mut account.tls_certificate),
            ("tls_key", &mut account.tls_key),
        ];
        for (key, file) in files {
            pem(&mut wrong, ["accounts", name, key].map(str::to_owned).to_vec(), file);
        }
        let keys = ["accounts", name, "password_file"].map(str::to_owned).to_vec();
        beside(&keys, &mut account.password_file);
        let keys = ["accounts", name, check::password_key(account)].map(str::to_owned).to_vec();
        if !wrong.iter().any(|(path, _)| *path == keys)
            && let Err(why) = read_password(account)
        {
            wrong.push((keys, why));
        }
    }
    for (name, webhook) in &mut config.webhooks {
        let keys = ["webhooks", name, "secret_file"].map(str::to_owned).to_vec();
        beside(&keys, &mut webhook.secret_file);
        if let Err(why) = crm::read_secret(webhook) {
            wrong.push((keys, why));
        }
    }
    let fleet = &mut config.fleet;
    for (key, file) in
        [("ca_file", &mut fleet.ca_file), ("certificate", &mut fleet.certificate), ("key", &mut fleet.key)]
    {
        pem(&mut wrong, ["fleet", key].map(str::to_owned).to_vec(), file);
    }
    for (key, file) in [
        ("password_file", &mut fleet.password_file),
        ("token_file", &mut fleet.token_file),
        ("nkey_file", &mut fleet.nkey_file),
        ("creds_file", &mut fleet.creds_file),
    ] {
        beside(&["fleet", key].map(str::to_owned), file);
    }
    if let Err((key, why)) = fleet::read_secret(fleet) {
        wrong.push((["fleet", key].map(str::to_owned).to_vec(), why));
    }
    for (name, token) in &mut config.http.tokens {
        let keys = ["http", "tokens", name, "file"].map(str::to_owned).to_vec();
        if let Some(document) = documents.iter().rev().find(|document| document.locate(&keys).is_some()) {
            token.file = document.path.with_file_name("").join(&token.file).to_string_lossy().into_owned();
        }
        match check::first_line(Path::new(&token.file), "token") {
            Ok(secret) => match http::check_token(secret.expose()) {
                Ok(()) => token.secret = secret,
                Err(why) => wrong.push((keys, why)),
            },
            Err(why) => wrong.push((keys, why)),
        }
    }
    if wrong.is_empty() {
        return Ok(config);
    }
    Err(Faults(wrong.into_iter().map(|(keys, right)| located(&documents, &environment, &keys, right)).collect()))
}

/// Merges files, then environment. Each of them is right by itself.
fn merge(documents: &[Document], environment: &[(&String, Set)]) -> Result<Config, Fault> {
    let toml = |text: &str| config::File::from_str(text, config::FileFormat::Toml);
    let mut builder = config::Config::builder();
    for document in documents {
        builder = builder.add_source(toml(&document.text));
    }
    for (_, set) in environment {
        builder = builder.add_source(toml(&set.table.to_string()));
    }
    let merged = builder.build().and_then(config::Config::try_deserialize);
    merged.map_err(|error| Fault {
        place: "configuration".into(),
        key: String::new(),
        wrong: error.to_string(),
        right: String::new(),
    })
}

/// A key set by the environment.
struct Set {
    keys: Vec<String>,
    table: Table,
}

/// `PHONED_SIP__USER_AGENT=x` → `[sip] user_agent = "x"`. The value gets the type that the key wants: text, whole number, or
/// true or false.
fn variable(name: &str, value: &str, accounts: &[String]) -> Result<Set, Fault> {
    let mut keys: Vec<String> = name.trim_start_matches(PREFIX).split("__").map(str::to_ascii_lowercase).collect();
    if let [section, account, ..] = keys.as_mut_slice()
        && section == "accounts"
        && let Some(known) = accounts.iter().find(|known| known.eq_ignore_ascii_case(account))
    {
        account.clone_from(known);
    }
    let number = value.parse::<i64>().ok().map(Value::Integer);
    let boolean = value.parse::<bool>().ok().map(Value::Boolean);
    let mut wrong = String::new();
    for candidate in [Some(Value::String(value.to_owned())), number, boolean].into_iter().flatten() {
        let nested =
            keys.iter().rev().fold(candidate, |inner, key| Value::Table(Table::from_iter([(key.clone(), inner)])));
        let Value::Table(table) = nested else { continue };
        match Config::deserialize(Value::Table(table.clone())) {
            Ok(_) => return Ok(Set { keys, table }),
            Err(error) if wrong.is_empty() => error.message().clone_into(&mut wrong),
            Err(_) => {}
        }
    }
    let unknown = wrong.starts_with("unknown field");
    let right = wrong.split_once(", expected ").map(|(_, right)| right.replace('`', "")).unwrap_or_default();
    Err(Fault {
        place: format!("environment variable {name}"),
        key: keys.join("."),
        wrong: if unknown { "unknown key" } else { "wrong type (the environment sets scalars only)" }.to_owned(),
        right: right.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

fn whole_file(path: &Path, error: &std::io::Error) -> Fault {
    let (place, wrong) = (path.display().to_string(), format!("it cannot be read: {error}"));
    Fault { place, key: String::new(), wrong, right: "a file that phoned's user may read".into() }
}

/// Points at the last place that sets the key, or at the nearest table around it.
fn located(documents: &[Document], environment: &[(&String, Set)], keys: &[String], right: String) -> Fault {
    let variable = environment
        .iter()
        .rev()
        .find(|(_, set)| set.keys == keys)
        .map(|(name, _)| format!("environment variable {name}"));
    let in_files = || {
        (1..=keys.len())
            .rev()
            .find_map(|length| documents.iter().rev().find_map(|document| document.locate(&keys[..length])))
    };
    let place = variable.or_else(in_files).unwrap_or_else(|| "defaults".to_owned());
    Fault { place, key: keys.join("."), wrong: "this does not fit".to_owned(), right }
}
