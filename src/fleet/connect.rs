//! A connection to one server of the broker's, with one life.
//!
//! async-nats mends a lost connection itself, and sends what waits for it then: so an event that was on its way is lost and the
//! next one is not, and the order is gone. Here the end of a connection is the end: the bridge opens another one and goes on with
//! the first event that was not acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Auth, AuthError, Client, ConnectOptions, Event, ServerAddr};
use nkeys::KeyPair;
use tokio::sync::Notify;

use crate::config::FleetConfig;
use crate::ua::settings::Secret;

/// A server that does not answer is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// The broker is asked so often whether it lives.
const PING: Duration = Duration::from_secs(15);
/// Requests that may wait for their turn.
const REQUESTS: usize = 256;

/// Connects once. What comes with the client says that the connection is over.
pub(super) async fn connect(config: &FleetConfig, url: &str) -> Result<(Client, Arc<Notify>), String> {
    let (ended, begun) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (on_end, auth) = (ended.clone(), Arc::new(credentials(config)?));
    let again = begun.clone();
    let mut options = ConnectOptions::with_auth_callback(move |nonce| {
        let (auth, again) = (auth.clone(), again.clone());
        async move { if again.load(Ordering::Acquire) { Err(AuthError::new("one life")) } else { auth.sign(&nonce) } }
    });
    options = options
        .name(format!("phoned {}", config.host()))
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .subscription_capacity(REQUESTS)
        .ignore_discovered_servers()
        .max_reconnects(1)
        .require_tls(url.starts_with("tls://"))
        .event_callback(move |event| {
            let on_end = on_end.clone();
            async move {
                if let Event::ServerError(error) = &event {
                    tracing::warn!(%error, "the fleet's broker refuses");
                }
                if matches!(event, Event::Disconnected | Event::Closed | Event::ClientError(_)) {
                    on_end.notify_one();
                }
            }
        });
    if let Some(file) = &config.ca_file {
        options = options.add_root_certificates(file.into());
    }
    if let (Some(certificate), Some(key)) = (&config.certificate, &config.key) {
        options = options.add_client_certificate(certificate.into(), key.into());
    }
    let client = options.connect(url).await.map_err(|error| told(&error))?;
    begun.store(true, Ordering::Release);
    Ok((client, ended))
}

/// An error with what is behind it.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(behind) = source {
        let more = behind.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = behind.source();
    }
    text
}

/// Who we are to the broker.
enum Who {
    Nobody,
    User(String, Secret),
    Token(Secret),
    /// A key, with the JWT that says whose it is.
    Key(Box<KeyPair>, Option<String>),
}

impl Who {
    fn sign(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::new();
        match self {
            Who::Nobody => {}
            Who::User(name, password) => {
                (auth.username, auth.password) = (Some(name.clone()), Some(password.expose().to_owned()));
            }
            Who::Token(token) => auth.token = Some(token.expose().to_owned()),
            Who::Key(key, jwt) => {
                auth.signature = Some(key.sign(nonce).map_err(AuthError::new)?);
                match jwt {
                    Some(jwt) => auth.jwt = Some(jwt.clone()),
                    None => auth.nkey = Some(key.public_key()),
                }
            }
        }
        Ok(auth)
    }
}

fn credentials(config: &FleetConfig) -> Result<Who, String> {
    let Some(secret) = config.secret.clone() else { return Ok(Who::Nobody) };
    if let Some(user) = &config.user {
        return Ok(Who::User(user.clone(), secret));
    }
    if config.nkey_file.is_some() {
        return Ok(Who::Key(Box::new(key(secret.expose())?), None));
    }
    if config.creds_file.is_some() {
        let (jwt, seed) = parts(secret.expose())?;
        return Ok(Who::Key(Box::new(key(seed)?), Some(jwt.to_owned())));
    }
    Ok(Who::Token(secret))
}

fn key(seed: &str) -> Result<KeyPair, String> {
    KeyPair::from_seed(seed).map_err(|_| "a file whose first line is the seed of a user's nkey, as \"SU…\"".to_owned())
}

/// The JWT and the seed in a file of credentials.
fn parts(text: &str) -> Result<(&str, &str), String> {
    let behind = |title: &str| {
        let mut lines = text.lines().skip_while(|line| !(line.starts_with("---") && line.contains(title)));
        lines.nth(1).map(str::trim).filter(|line| !line.is_empty())
    };
    let wrong = "a file of credentials as nsc writes it: a user's JWT and the seed of its nkey";
    behind("BEGIN NATS USER JWT").zip(behind("BEGIN USER NKEY SEED")).ok_or_else(|| wrong.to_owned())
}

/// `nats://HOST:PORT` or `tls://HOST:PORT`, without a password in it.
pub fn check_url(url: &str) -> Result<(), String> {
    let fine = url.parse::<ServerAddr>().is_ok_and(|server| {
        ["nats", "tls"].contains(&server.scheme()) && !server.has_user_pass() && !server.host().is_empty()
    });
    let wanted = "servers as \"nats://HOST:PORT\" or \"tls://HOST:PORT\"; who we are stands in user, token_file, …";
    if fine && url.contains("://") { Ok(()) } else { Err(wanted.to_owned()) }
}

/// The seed of an nkey.
pub fn check_nkey(seed: &str) -> Result<(), String> {
    key(seed).map(drop)
}

/// What a file of credentials holds.
pub fn check_creds(text: &str) -> Result<(), String> {
    parts(text).and_then(|(_, seed)| key(seed)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{KeyPair, check_creds, check_nkey, check_url, parts};

    #[test]
    fn credentials_are_a_jwt_and_a_seed() {
        let seed = KeyPair::new_user().seed().unwrap();
        let text = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0eXAi.e30.c2ln\n------END NATS USER JWT------\n\n*** IMPORTANT ***\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        assert_eq!(parts(&text), Ok(("eyJ0eXAi.e30.c2ln", seed.as_str())));
        assert_eq!((check_creds(&text), check_nkey(&seed)), (Ok(()), Ok(())));
        for wrong in
            [String::new(), text.replace("USER JWT", "KEY"), text.replace(&seed, "SUAX"), seed.replace('S', "X")]
        {
            assert!(check_creds(&wrong).is_err_and(|why| !why.contains(&seed)), "{wrong}");
        }
    }

    #[test]
    fn a_server_is_named_without_a_password() {
        for fine in ["nats://127.0.0.1:4222", "tls://nats.example.com", "tls://[::1]:4222"] {
            assert_eq!(check_url(fine), Ok(()), "{fine}");
        }
        for wrong in
            ["", "nats.example.com:4222", "ws://nats.example.com", "nats://me:secret@host", "http://host", "nats://"]
        {
            assert!(check_url(wrong).is_err_and(|why| !why.contains("secret")), "{wrong}");
        }
    }
}
