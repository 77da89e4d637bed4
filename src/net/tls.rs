//! TLS: whom we trust, who we are, and in plain words why a handshake failed.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::verify::{Anybody, Listed};
use crate::ua::settings::{Access, TlsSettings};

/// A stream within TLS, from our side of the connecting.
pub(super) type Client<S> = client::TlsStream<S>;

/// Shakes hands with a server that must be `name`, unless the access says otherwise. The files are read anew each time: a
/// certificate that was renewed is taken up.
pub(super) async fn connect<S>(stream: S, name: &str, access: &Access) -> Result<Client<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let wanted = access.server_name.as_deref().unwrap_or(name);
    let server = ServerName::try_from(wanted.to_owned()).map_err(|_| format!("{wanted:?} is no name for a server"))?;
    let config = Arc::new(client_config(access)?);
    TlsConnector::from(config).connect(server, stream).await.map_err(|error| plain(&error))
}

/// What `tls:` sockets show to those who connect.
pub(super) fn acceptor(tls: &TlsSettings) -> io::Result<TlsAcceptor> {
    let missing = || io::Error::other("[tls] certificate and key are needed");
    let (certificate, key) = tls.certificate.as_ref().zip(tls.key.as_ref()).ok_or_else(missing)?;
    let chain = certificates(certificate).map_err(io::Error::other)?;
    let key = private_key(key).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| io::Error::other(format!("[tls] certificate and key: {error}")))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Shakes hands with a client.
pub(super) async fn accept<S>(stream: S, acceptor: &TlsAcceptor) -> Result<server::TlsStream<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    acceptor.accept(stream).await.map_err(|error| plain(&error))
}

/// What is wrong, for people; anything but TLS speaks for itself.
pub(super) fn plain(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::InvalidCertificate(error)) => certificate_fault(error),
        Some(Error::AlertReceived(alert)) => alert_fault(*alert),
        Some(Error::InvalidMessage(_)) => "the peer does not speak TLS there".to_owned(),
        Some(error) => format!("TLS: {error}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "closed by the peer".to_owned(),
        None => error.to_string(),
    }
}

fn certificate_fault(error: &CertificateError) -> String {
    let what = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".to_owned(),
        CertificateError::UnknownIssuer => "is signed by an unknown CA".to_owned(),
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| name_in(name)).collect();
            let theirs = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            format!("is for another name: {theirs}, not {}", expected.to_str())
        }
        CertificateError::Revoked => "is revoked".to_owned(),
        CertificateError::BadSignature => "has a wrong signature".to_owned(),
        CertificateError::BadEncoding => "cannot be read".to_owned(),
        // webpki takes no CA's certificate where a server's should be.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => "is self-signed and not known here".to_owned(),
        other => format!("is not accepted: {other}"),
    };
    format!("the server's certificate {what}")
}

/// `DnsName("pbx.test")` → `pbx.test`
fn name_in(presented: &str) -> &str {
    presented.split('"').nth(1).unwrap_or(presented)
}

fn alert_fault(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "the server wants a certificate of ours (tls_certificate)".into(),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => format!("the peer refuses our certificate ({alert:?})"),
        AlertDescription::UnrecognisedName => "the server does not know the name that we asked for".into(),
        AlertDescription::ProtocolVersion => "the server speaks no TLS that we do (1.2, 1.3)".into(),
        other => format!("the peer ended the TLS handshake ({other:?})"),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn client_config(access: &Access) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = match &access.ca_file {
        _ if access.insecure => Arc::new(Anybody(provider())),
        Some(file) => {
            Arc::new(Listed::new(certificates(file)?, provider()).map_err(|error| format!("{file}: {error}"))?)
        }
        None => WebPkiServerVerifier::builder_with_provider(system()?, provider())
            .build()
            .map_err(|error| error.to_string())?,
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match (&access.certificate, &access.key) {
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|error| format!("our certificate and its key: {error}")),
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// Whom the system trusts.
fn system() -> Result<Arc<RootCertStore>, String> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "the system's CAs");
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(found.certs);
        Arc::new(store)
    });
    if system.is_empty() { Err("the system trusts no CA: set tls_ca_file".into()) } else { Ok(system.clone()) }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(Path::new(file)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| format!("{file}: {error}"))?;
    if found.is_empty() { Err(format!("{file}: no certificate in it")) } else { Ok(found) }
}

/// The error never holds what the file does.
fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(Path::new(file)).map_err(|_| format!("{file}: no private key in it (PEM)"))
}
