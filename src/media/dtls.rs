//! DTLS-SRTP (RFC 5764): the handshake that gives a session its keys. The peer's certificate must be one that its description names;
//! until that is proved nothing passes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use rtc_srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::crypto::{RTCCryptoProvider, default_provider};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::sdp::{Dtls, DtlsRole, Fingerprint, MasterKey, Sdes, Suite};

use super::srtp::{Srtp, profile};

/// The peer, as far as the endpoint knows: paths change under it, the association does not.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Our certificate: one for as long as the daemon runs.
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    /// Its hash.
    pub fingerprint: Fingerprint,
}

impl Identity {
    /// A new one.
    pub fn new() -> Result<Identity, String> {
        let provider = default_provider().map_err(|e| format!("no cryptography: {e}"))?;
        let certificate = Certificate::generate_self_signed(vec!["phoned".to_owned()], provider.crypto())
            .map_err(|e| format!("no certificate: {e}"))?;
        let der = certificate.certificate.first().ok_or("no certificate")?;
        let fingerprint = Fingerprint { hash: "sha-256".into(), value: Sha256::digest(der).to_vec() };
        Ok(Identity { provider, certificate, fingerprint })
    }
}

/// What an association has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// The keys are there.
    Ready,
    /// It failed: why.
    Failed(&'static str),
    /// The peer has closed it.
    Closed,
}

/// The certificate was not seen yet, is the right one, is another one.
const UNSEEN: u8 = 0;
const RIGHT: u8 = 1;
const WRONG: u8 = 2;

/// One association.
pub struct Association {
    terms: Dtls,
    endpoint: Endpoint,
    config: Arc<HandshakeConfig>,
    seen: Arc<AtomicU8>,
    started: bool,
    srtp: Option<Srtp>,
}

impl Association {
    /// Not begun yet. Fails without cryptography.
    pub fn new(identity: &Identity, terms: Dtls) -> Result<Self, String> {
        let seen = Arc::new(AtomicU8::new(UNSEEN));
        let (expected, verdict) = (terms.fingerprints.clone(), seen.clone());
        let client = terms.role == DtlsRole::Client;
        let config = ConfigBuilder::default()
            .with_crypto_provider(identity.provider.clone())
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_extended_master_secret(ExtendedMasterSecretType::Request)
            // The certificate is its own authority: the description names it (RFC 5763 §5).
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(move |chain, _| {
                let right = chain.first().is_some_and(|der| expected.iter().any(|print| names(print, der)));
                verdict.store(if right { RIGHT } else { WRONG }, Ordering::Relaxed);
                if right { Ok(()) } else { Err(Error::Other("not the certificate of the description".into())) }
            })))
            .build(client, None)
            .map_err(|e| format!("no DTLS: {e}"))?;
        let config = Arc::new(config);
        let server = (!client).then(|| config.clone());
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, server);
        Ok(Association { terms, endpoint, config, seen, started: false, srtp: None })
    }

    /// Between whom it is.
    pub fn terms(&self) -> &Dtls {
        &self.terms
    }

    /// What protects the packets, once the handshake is done.
    pub fn srtp(&mut self) -> Option<&mut Srtp> {
        self.srtp.as_mut()
    }

    /// How the packets are protected, once they are.
    pub fn suite(&self) -> Option<Suite> {
        self.srtp.as_ref().map(Srtp::suite)
    }

    /// Time passes; there is a path to the peer.
    pub fn tick(&mut self, now: Instant) -> Said {
        if !self.started {
            self.started = true;
            if self.terms.role == DtlsRole::Client
                && self.endpoint.connect(now, PEER, self.config.clone(), None).is_err()
            {
                return Said::Failed("the DTLS handshake cannot begin");
            }
        }
        if self.endpoint.poll_timeout(&PEER).is_some_and(|at| at <= now)
            && self.endpoint.handle_timeout(PEER, now).is_err()
            && self.srtp.is_none()
        {
            return Said::Failed("the peer does not answer the DTLS handshake");
        }
        Said::Nothing
    }

    /// A packet of the peer's.
    pub fn hear(&mut self, now: Instant, packet: &[u8]) -> Said {
        let told = self.endpoint.read(now, PEER, None, BytesMut::from(packet));
        if self.seen.load(Ordering::Relaxed) == WRONG {
            return Said::Failed("the peer's certificate is not the one that its description names");
        }
        // Rubbish is no reason to end anything: what was lost by it is sent again, or the time runs out.
        let mut said = Said::Nothing;
        for event in told.unwrap_or_default() {
            match event {
                EndpointEvent::HandshakeComplete => {
                    said = match self.keys() {
                        Ok(srtp) => {
                            self.srtp = Some(srtp);
                            Said::Ready
                        }
                        Err(reason) => Said::Failed(reason),
                    }
                }
                EndpointEvent::PeerClosed => said = Said::Closed,
                _ => {}
            }
        }
        said
    }

    /// What is to be sent to the peer.
    pub fn outgoing(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message)
    }

    /// Tells the peer that it is over.
    pub fn close(&mut self, now: Instant) {
        let _ = self.endpoint.close(now);
    }

    /// RFC 5764 §4.2.
    fn keys(&self) -> Result<Srtp, &'static str> {
        if self.seen.load(Ordering::Relaxed) != RIGHT {
            return Err("the peer showed no certificate");
        }
        let state = self.endpoint.get_connection_state(PEER).ok_or("the DTLS association is gone")?;
        let suite = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Suite::AesCm80,
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Suite::AeadGcm128,
            _ => return Err("the peer agreed on no SRTP profile of ours"),
        };
        let mut config = Config { profile: profile(suite), ..Config::default() };
        let length = config.keying_material_len();
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length);
        let material = material.map_err(|_| "the DTLS handshake gave no keys")?;
        config
            .set_session_keys_from_keying_material(material.as_ref(), state.is_client())
            .map_err(|_| "the DTLS handshake gave no keys")?;
        let key =
            |key: &[u8], salt: &[u8]| MasterKey::new(&[key, salt].concat(), suite).ok_or("keys of a wrong length");
        let keys = config.keys;
        let send = key(&keys.local_master_key, &keys.local_master_salt)?;
        let receive = key(&keys.remote_master_key, &keys.remote_master_salt)?;
        Srtp::new(Sdes { suite, send, receive, receive_mki: 0 }).map_err(|_| "no SRTP")
    }
}

/// It is the hash of this certificate.
fn names(print: &Fingerprint, der: &[u8]) -> bool {
    match print.hash.as_str() {
        "sha-256" => Sha256::digest(der)[..] == print.value[..],
        "sha-384" => Sha384::digest(der)[..] == print.value[..],
        "sha-512" => Sha512::digest(der)[..] == print.value[..],
        _ => false,
    }
}
