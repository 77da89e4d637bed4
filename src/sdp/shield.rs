//! What protects our audio in one dialog: keys in the descriptions, or certificates and a path; what we offer of it, and what both
//! sides agree on.

use serde::{Deserialize, Serialize};

use super::choose::{Secured, Terms};
use super::crypto::CryptoLine;
use super::dtls::RemoteDtls;
use super::parse::Profile;
use super::{
    Credentials, Dtls, DtlsRole, Encryption, Fingerprint, Ice, KeySeed, LocalDtls, LocalIce, Protection, Sdes,
    SdpError, Suite,
};

/// Our side's protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shield {
    /// The number of our session description: keys are made of it.
    pub session_id: u64,
    pub encryption: Encryption,
    pub seed: Option<KeySeed>,
    pub dtls: Option<LocalDtls>,
    /// RTP and SRTP without DTLS will do.
    pub plain: bool,
    /// The association that was agreed on.
    peer: Option<(Vec<Fingerprint>, Option<String>, DtlsRole)>,
    /// The peer's user fragment, and how often it began anew.
    ufrag: Option<String>,
    generation: u32,
    /// What was gathered since our address changed: our next offer, or the answer to a peer that begins anew, names it.
    moved: Option<LocalIce>,
}

impl Shield {
    /// Which track of our stream a line carries: the only thing that lines of one group say differently.
    pub const AUDIO: &str = "a=msid:phoned audio\r\n";
    /// See `AUDIO`.
    pub const VIDEO: &str = "a=msid:phoned video\r\n";

    pub fn new(session_id: u64) -> Self {
        Shield {
            session_id,
            encryption: Encryption::Off,
            seed: None,
            dtls: None,
            plain: true,
            peer: None,
            ufrag: None,
            generation: 0,
            moved: None,
        }
    }

    /// Our addresses are others now: with the next offer the search begins anew (RFC 8445 §9).
    pub fn move_to(&mut self, ice: LocalIce) {
        self.moved = Some(ice);
    }

    /// The other addresses hold from now on, with credentials of their own. True: there are some.
    pub fn set_out(&mut self) -> bool {
        let (Some(moved), Some(dtls)) = (self.moved.take(), &mut self.dtls) else { return false };
        dtls.ice = Some(moved);
        self.generation += 1;
        true
    }

    /// The profile of a first offer.
    pub fn first_profile(&self) -> &'static str {
        match self.encryption {
            _ if self.ice().is_some() => "UDP/TLS/RTP/SAVPF",
            Encryption::Require => "RTP/SAVP",
            Encryption::Off | Encryption::Prefer => "RTP/AVP",
        }
    }

    /// What we gathered.
    pub fn ice(&self) -> Option<&LocalIce> {
        self.dtls.as_ref()?.ice.as_ref()
    }

    /// What we take in an offer.
    pub fn terms(&self) -> Terms {
        Terms { encryption: self.encryption, plain: self.plain, dtls: self.dtls.is_some() }
    }

    /// What we take in an answer to a line of ours in this profile.
    pub fn terms_of(&self, profile: Profile) -> Terms {
        let dtls = profile == Profile::Dtls;
        Terms { plain: !dtls, dtls, ..self.terms() }
    }

    /// The attributes of an offer in this profile.
    pub fn offer(&self, profile: Profile) -> String {
        if let (Profile::Dtls, Some(dtls)) = (profile, &self.dtls) {
            return self.path(self.ice()) + &format!("a=fingerprint:{}\r\na=setup:actpass\r\n", dtls.fingerprint);
        }
        match &self.seed {
            Some(seed) if self.encryption != Encryption::Off => (1..)
                .zip(Suite::OFFERED)
                .map(|(tag, suite)| CryptoLine::write(&tag.to_string(), suite, &seed.key(self.session_id, suite)))
                .collect(),
            _ => String::new(),
        }
    }

    /// What the peer's description and ours come to. `answering`: theirs is the offer.
    pub fn agree(&mut self, theirs: &Secured, answering: bool) -> Result<(Protection, Option<Ice>), SdpError> {
        match theirs {
            Secured::Clear => Ok((Protection::Clear, None)),
            Secured::Sdes(line) => {
                let seed = self.seed.as_ref().ok_or_else(|| SdpError::insecure("there is no key of ours"))?;
                let (suite, send) = (line.suite, seed.key(self.session_id, line.suite));
                let (receive, receive_mki) = (line.key.clone(), line.mki);
                Ok((Protection::Sdes(Sdes { suite, send, receive, receive_mki }), None))
            }
            Secured::Dtls(remote) => {
                Ok((Protection::Dtls(self.associate(remote, answering)), self.pair(remote, answering)))
            }
        }
    }

    /// The attributes of the answer to it.
    pub fn answer(&self, theirs: &Secured, agreed: &(Protection, Option<Ice>)) -> String {
        match (theirs, &agreed.0, &self.dtls) {
            (Secured::Sdes(line), Protection::Sdes(sdes), _) => CryptoLine::write(&line.tag, sdes.suite, &sdes.send),
            (_, Protection::Dtls(dtls), Some(ours)) => {
                let ice = self.ice().filter(|_| agreed.1.is_some());
                let (print, setup) = (&ours.fingerprint, dtls.role.setup());
                self.path(ice) + &format!("a=fingerprint:{print}\r\na=setup:{setup}\r\n")
            }
            _ => String::new(),
        }
    }

    /// The same association as before, unless certificate, identity or parts have changed (RFC 8842 §4).
    fn associate(&mut self, remote: &RemoteDtls, answering: bool) -> Dtls {
        let known = self.peer.take().filter(|(prints, id, _)| (prints, id) == (&remote.fingerprints, &remote.tls_id));
        let now = known.map(|(_, _, role)| role);
        let role = match answering {
            true => DtlsRole::to_offer(remote.setup, now),
            false => DtlsRole::by_answer(remote.setup, now),
        };
        self.peer = Some((remote.fingerprints.clone(), remote.tls_id.clone(), role));
        Dtls {
            fingerprints: remote.fingerprints.clone(),
            role,
            tls_id: remote.tls_id.clone(),
            association: self.session_id,
        }
    }

    /// Both ends of the path. A peer that begins anew by its offer gets fresh credentials of ours too (RFC 8445 §9).
    fn pair(&mut self, remote: &RemoteDtls, answering: bool) -> Option<Ice> {
        let theirs = remote.ice.as_ref().filter(|_| self.ice().is_some())?;
        let ufrag = Some(theirs.credentials.ufrag.clone());
        if answering && self.ufrag.is_some() && self.ufrag != ufrag && !self.set_out() {
            self.generation += 1;
        }
        self.ufrag = ufrag;
        Some(Ice {
            local: self.credentials()?,
            remote: theirs.credentials.clone(),
            lite: theirs.lite,
            controlling: !answering || theirs.lite,
            candidates: theirs.candidates.clone(),
        })
    }

    fn credentials(&self) -> Option<Credentials> {
        self.seed.as_ref().map(|seed| seed.credentials(self.session_id, self.generation))
    }

    /// Our end of the path, all of it at once.
    fn path(&self, ice: Option<&LocalIce>) -> String {
        let (Some(ice), Some(Credentials { ufrag, pwd })) = (ice, self.credentials()) else { return String::new() };
        let mut text = format!("{}a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n", Self::AUDIO);
        ice.candidates.iter().for_each(|line| text += &format!("a=candidate:{line}\r\n"));
        text + "a=end-of-candidates\r\n"
    }
}
