//! The socket itself: where it is, who may connect, and how it ends.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonrpsee::MethodResponse;
use jsonrpsee::types::{ErrorObjectOwned, Id};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::lines::Lines;
use super::roles::role_of;
use super::{MAX_CONNECTIONS, Request, connection, errors};
use crate::config::{Roles, RpcConfig};

/// A socket that listens, and the roles it keeps.
#[derive(Debug)]
pub struct Server {
    listener: StdListener,
    path: PathBuf,
    /// The path is ours to remove.
    owned: bool,
    roles: watch::Receiver<Roles>,
    gate: watch::Receiver<u64>,
}

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A daemon answers there.
    #[error("{0}: another phoned listens here; stop it, or give this one its own [rpc] socket")]
    Live(PathBuf),
    /// Something that is no socket is in the way.
    #[error("{0}: there is a file that is not a socket; it is left alone")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Server {
    /// Makes the socket, mode 0660. A stale one is replaced, a live one is left alone.
    pub fn bind(config: &RpcConfig) -> Result<Server, BindError> {
        let path = config.socket_path();
        let failed = |source| BindError::Io { path: path.clone(), source };
        check_free(&path)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // Made beside its place and moved there whole: nobody connects before its mode is right.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let listener = StdListener::bind(&fresh).map_err(failed)?;
        let placed = fs::set_permissions(&fresh, fs::Permissions::from_mode(0o660))
            .and_then(|()| listener.set_nonblocking(true))
            .and_then(|()| fs::rename(&fresh, &path));
        if let Err(error) = placed {
            let _ = fs::remove_file(&fresh);
            return Err(failed(error));
        }
        Ok(Server::new(listener, path, true, config))
    }

    /// Takes a socket that the service manager has made; its path, owner and mode are the manager's.
    pub fn adopt(listener: StdListener, config: &RpcConfig) -> Result<Server, BindError> {
        let named = listener.local_addr().ok().and_then(|address| Some(address.as_pathname()?.to_owned()));
        let path = named.unwrap_or_else(|| config.socket_path());
        match listener.set_nonblocking(true) {
            Ok(()) => Ok(Server::new(listener, path, false, config)),
            Err(source) => Err(BindError::Io { path, source }),
        }
    }

    fn new(listener: StdListener, path: PathBuf, owned: bool, config: &RpcConfig) -> Server {
        let (_, gate) = watch::channel(u64::MAX);
        let (_, roles) = watch::channel(config.roles.clone());
        Server { listener, path, owned, roles, gate }
    }

    /// Roles that may change while it runs; who is connected keeps the one that he came with.
    pub fn ruled_by(self, roles: watch::Receiver<Roles>) -> Server {
        Server { roles, ..self }
    }

    /// No event is written to a client before the event log has its place; the log says how far it is.
    pub fn held_by(self, gate: watch::Receiver<u64>) -> Server {
        Server { gate, ..self }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves until `stop`; then no more is read, what was asked is answered (2 s at most), and the socket is gone.
    pub async fn run(self, requests: mpsc::Sender<Request>, stop: impl Future<Output = ()>) {
        let listener = match UnixListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the RPC socket cannot be used");
                return;
            }
        };
        let mut connections = JoinSet::new();
        let (stopping, stopped) = watch::channel(false);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if connections.len() >= MAX_CONNECTIONS => turn_away(stream, errors::busy()),
                    Ok((stream, _)) => {
                        let (roles, gate) = (self.roles.borrow().clone(), self.gate.clone());
                        connections.spawn(welcome(stream, roles, gate, requests.clone(), stopped.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection to the RPC socket could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }
        drop((listener, requests));
        if self.owned {
            let _ = fs::remove_file(&self.path);
        }
        let _ = stopping.send(true);
        while connections.join_next().await.is_some() {}
    }
}

/// Nothing lives at the path: no file, or a socket that nobody listens to.
fn check_free(path: &Path) -> Result<(), BindError> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(BindError::Io { path: path.to_owned(), source }),
        Ok(metadata) => metadata.file_type(),
    };
    if !kind.is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match StdStream::connect(path) {
        Ok(_) => Err(BindError::Live(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(source) => Err(BindError::Io { path: path.to_owned(), source }),
    }
}

/// Finds out who connects, and serves those who have a role.
async fn welcome(
    stream: UnixStream,
    roles: Roles,
    gate: watch::Receiver<u64>,
    requests: mpsc::Sender<Request>,
    stop: watch::Receiver<bool>,
) {
    let Ok(peer) = stream.peer_cred() else { return };
    let (uid, gid) = (peer.uid(), peer.gid());
    let role = tokio::task::spawn_blocking(move || role_of(&roles, uid, gid)).await.ok().flatten();
    let Some(role) = role else {
        tracing::info!(uid, "a user in no role was turned away from the RPC socket");
        return turn_away(stream, errors::forbidden("this user has no role here"));
    };
    tracing::debug!(uid, role = role.name(), "a client connected");
    let (reading, writing) = stream.into_split();
    connection::serve(Lines::new(reading), writing, (uid, role), gate, requests, stop).await;
}

/// One line that says why, then the end.
fn turn_away(stream: UnixStream, error: ErrorObjectOwned) {
    let line = format!("{}\n", MethodResponse::error(Id::Null, error));
    // The buffer of a new socket is empty: the line is written at once, or the client is gone.
    let _ = stream.into_std().and_then(|mut stream| stream.write_all(line.as_bytes()));
}
