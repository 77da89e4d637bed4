//! ICE and DTLS in the session description (RFC 8839, RFC 8842, RFC 5763): what the peer says, what we say.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parse::{Media, SessionDescription};

/// By what an account's media travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Plain ports: RTP or SRTP.
    Rtp,
    /// WebRTC: ICE and DTLS-SRTP.
    Webrtc,
    /// Offers: WebRTC over WebSocket, else plain ports. Answers: as the offer is.
    #[default]
    Auto,
}

/// A hash of a certificate (RFC 8122 §5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// `sha-256` and its kin, in lower case whatever the peer writes.
    pub hash: String,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// Who begins the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DtlsRole {
    /// We do (`a=setup:active`).
    Client,
    /// The peer does.
    Server,
}

/// A DTLS association: another value is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dtls {
    /// The peer's certificate is one of these.
    pub fingerprints: Vec<Fingerprint>,
    /// Our part.
    pub role: DtlsRole,
    /// The peer's `a=tls-id`.
    pub tls_id: Option<String>,
    /// The number of our dialog's session description.
    pub association: u64,
}

/// Both ends of the search for a path (RFC 8445).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ice {
    /// Ours.
    pub local: Credentials,
    /// The peer's.
    pub remote: Credentials,
    /// The peer answers checks and makes none.
    pub lite: bool,
    /// We nominate.
    pub controlling: bool,
    /// The peer's, in the grammar of RFC 8839 §5.1: UDP, component 1, literal addresses.
    pub candidates: Vec<String>,
}

/// A user fragment and its password; the password never shows itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The user fragment.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
}

/// Our end of DTLS, and of ICE where it was gathered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalDtls {
    /// Of our certificate: `sha-256 AA:BB:…`.
    pub fingerprint: String,
    /// Our addresses.
    pub ice: Option<LocalIce>,
}

/// What was gathered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalIce {
    /// `a=candidate` lines, without the name.
    pub candidates: Vec<String>,
    /// For c= and m=: the one that the most peers can reach.
    pub default: SocketAddr,
}

/// What the peer says of who begins (RFC 4145 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Active,
    Passive,
    Either,
}

/// A line of the peer's that is protected by DTLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteDtls {
    pub fingerprints: Vec<Fingerprint>,
    pub setup: Option<Setup>,
    pub tls_id: Option<String>,
    pub ice: Option<RemoteIce>,
}

/// The peer's end of ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteIce {
    pub credentials: Credentials,
    pub lite: bool,
    pub candidates: Vec<String>,
}

/// More addresses than this no peer needs.
const CANDIDATES: usize = 32;

impl Fingerprint {
    /// `SHA-256 AA:bb:…`. None: not hexadecimal, or of a length that its hash does not have.
    pub fn parse(value: &str) -> Option<Fingerprint> {
        let (hash, text) = value.split_once(' ')?;
        let hash = hash.to_ascii_lowercase();
        let value: Vec<u8> =
            text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
        let length = match hash.as_str() {
            "sha-256" => 32,
            "sha-384" => 48,
            "sha-512" => 64,
            _ => return None,
        };
        (value.len() == length).then_some(Fingerprint { hash, value })
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.hash)?;
        let colon = |at: usize| if at == 0 { "" } else { ":" };
        self.value.iter().enumerate().try_for_each(|(at, byte)| write!(f, "{}{byte:02X}", colon(at)))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:***", self.ufrag)
    }
}

impl std::fmt::Debug for Ice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ice { local, remote, lite, controlling, candidates } = self;
        write!(f, "Ice {local:?} {remote:?} lite {lite} controlling {controlling} {candidates:?}")
    }
}

impl DtlsRole {
    /// Our part when we answer an offer; `now`: the part that we have.
    pub(super) fn to_offer(setup: Option<Setup>, now: Option<DtlsRole>) -> DtlsRole {
        match setup {
            // No word means active for an offer (RFC 4145 §4).
            Some(Setup::Active) => DtlsRole::Server,
            Some(Setup::Passive) => DtlsRole::Client,
            Some(Setup::Either) => now.unwrap_or(DtlsRole::Client),
            None => now.unwrap_or(DtlsRole::Server),
        }
    }

    /// Our part by an answer to our `actpass`.
    pub(super) fn by_answer(setup: Option<Setup>, now: Option<DtlsRole>) -> DtlsRole {
        match setup {
            Some(Setup::Active) => DtlsRole::Server,
            Some(Setup::Passive) => DtlsRole::Client,
            Some(Setup::Either) | None => now.unwrap_or(DtlsRole::Server),
        }
    }

    /// As `a=setup` says it.
    pub(super) fn setup(self) -> &'static str {
        match self {
            DtlsRole::Client => "active",
            DtlsRole::Server => "passive",
        }
    }
}

impl RemoteDtls {
    /// What a section and its session say. None: no certificate that could be checked.
    pub fn read(session: &SessionDescription, media: &Media) -> Option<RemoteDtls> {
        let fingerprints: Vec<_> =
            session.all(media, "fingerprint").into_iter().filter_map(Fingerprint::parse).collect();
        if fingerprints.is_empty() {
            return None;
        }
        let setup = session.either(media, "setup").and_then(|value| match value.to_ascii_lowercase().as_str() {
            "active" => Some(Setup::Active),
            "passive" => Some(Setup::Passive),
            "actpass" => Some(Setup::Either),
            _ => None,
        });
        let credentials = session.either(media, "ice-ufrag").zip(session.either(media, "ice-pwd"));
        let token = |text: &str, least: usize| {
            text.len() >= least
                && text.len() <= 256
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b))
        };
        let ice = credentials.filter(|(ufrag, pwd)| token(ufrag, 1) && token(pwd, 1)).map(|(ufrag, pwd)| RemoteIce {
            credentials: Credentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() },
            lite: session.either(media, "ice-lite").is_some(),
            candidates: session
                .all(media, "candidate")
                .into_iter()
                .filter(|line| usable(line))
                .take(CANDIDATES)
                .map(str::to_owned)
                .collect(),
        });
        let tls_id = session.either(media, "tls-id").map(str::to_owned);
        Some(RemoteDtls { fingerprints, setup, tls_id, ice })
    }
}

/// UDP, component 1, and an address that needs no name server and no interface to be understood.
fn usable(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[_, component, transport, priority, address, port, typ, kind, ..] = words.as_slice() else { return false };
    let kinds = ["host", "srflx", "prflx", "relay"];
    component == "1"
        && transport.eq_ignore_ascii_case("udp")
        && priority.parse::<u32>().is_ok()
        && address.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
        && typ == "typ"
        && kinds.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_in_any_case() {
        let text = format!("SHA-256 {}", vec!["aB"; 32].join(":"));
        let read = Fingerprint::parse(&text).unwrap();
        assert_eq!((read.hash.as_str(), read.value.as_slice()), ("sha-256", &[0xab; 32][..]));
        assert_eq!(Fingerprint::parse(&read.to_string()), Some(read));
        for bad in ["", "sha-256", "sha-256 AB", "sha-256 XX", "md5 AB:CD", "sha-1 AB:CD"] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn candidates_that_need_nothing_else() {
        for good in [
            "1 1 udp 2130706431 192.0.2.1 5000 typ host",
            "1 1 UDP 1 2001:db8::1 5000 typ srflx raddr 10.0.0.1 rport 9",
        ] {
            assert!(usable(good), "{good}");
        }
        for bad in [
            "",
            "1 2 udp 1 192.0.2.1 5000 typ host",
            "1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "1 1 udp 1 phone.local 5000 typ host",
            "1 1 udp 1 gw.example.com 5000 typ host",
            "1 1 udp 1 fe80::1%eth0 5000 typ host",
            "1 1 udp 1 0.0.0.0 5000 typ host",
            "1 1 udp 1 192.0.2.1 0 typ host",
            "1 1 udp x 192.0.2.1 5000 typ host",
            "1 1 udp 1 192.0.2.1 5000 typ other",
        ] {
            assert!(!usable(bad), "{bad}");
        }
    }

    #[test]
    fn who_begins() {
        use DtlsRole::{Client, Server};
        assert_eq!(DtlsRole::to_offer(Some(Setup::Either), None), Client);
        assert_eq!(DtlsRole::to_offer(Some(Setup::Either), Some(Server)), Server, "it stays as it is");
        assert_eq!(DtlsRole::to_offer(Some(Setup::Active), Some(Client)), Server);
        assert_eq!(DtlsRole::to_offer(Some(Setup::Passive), None), Client);
        assert_eq!(DtlsRole::to_offer(None, None), Server);
        assert_eq!(DtlsRole::by_answer(Some(Setup::Active), None), Server);
        assert_eq!(DtlsRole::by_answer(Some(Setup::Passive), None), Client);
        assert_eq!(DtlsRole::by_answer(None, Some(Client)), Client);
    }
}
