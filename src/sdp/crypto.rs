//! Keys in the session description (RFC 4568): what we may want of them, and the `a=crypto` line.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Credentials;

/// Whether the media of an account's calls is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Never by keys in the session description.
    #[default]
    Off,
    /// Where the peer can. Our offer is `RTP/AVP` with `a=crypto` lines: a peer that knows them answers with one, any other passes
    /// over them and answers plain RTP. (`RTP/SAVP` would be refused by every peer that has no SRTP.)
    Prefer,
    /// Always: our offer is `RTP/SAVP`; what is not encrypted is refused, and no packet leaves in clear.
    Require,
}

/// How packets are protected (RFC 4568 §6.2, RFC 7714 §14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Suite {
    /// AES-CM, 80 bits of HMAC-SHA1: what every peer has.
    AesCm80,
    /// AES-CM, 32 bits of HMAC-SHA1: taken, never offered.
    AesCm32,
    /// AES-GCM.
    AeadGcm128,
}

impl Suite {
    /// What we offer, best known first.
    pub(super) const OFFERED: [Suite; 2] = [Suite::AesCm80, Suite::AeadGcm128];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AeadGcm128 => "AEAD_AES_128_GCM",
        }
    }

    /// The bytes of its master salt; the key has 16.
    pub fn salt_len(self) -> usize {
        match self {
            Suite::AesCm80 | Suite::AesCm32 => 14,
            Suite::AeadGcm128 => 12,
        }
    }

    fn from_name(name: &str) -> Option<Suite> {
        let all = [Suite::AesCm80, Suite::AesCm32, Suite::AeadGcm128];
        all.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }
}

/// The bytes of a master key.
pub const KEY: usize = 16;

/// A master key and its salt, one after the other. It shows itself to nobody but the media engine and the wire.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKey(Vec<u8>);

/// Where the keys of a session's descriptions come from: chance of the media engine's, 32 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySeed([u8; 32]);

/// What both sides agreed on: RTP and RTCP of both directions are protected by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdes {
    /// How.
    pub suite: Suite,
    /// Our packets.
    pub send: MasterKey,
    /// The peer's packets.
    pub receive: MasterKey,
    /// The length of the master key identifier in the peer's packets, bytes; 0: none.
    pub receive_mki: u8,
}

/// An `a=crypto` line that we can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CryptoLine {
    pub tag: String,
    pub suite: Suite,
    pub key: MasterKey,
    pub mki: u8,
}

impl KeySeed {
    /// From fresh chance.
    pub fn new(bytes: [u8; 32]) -> Self {
        KeySeed(bytes)
    }

    /// The key of a suite in one dialog: each suite and each dialog has its own, and the same one as long as it lasts.
    pub(super) fn key(&self, session_id: u64, suite: Suite) -> MasterKey {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(session_id.to_be_bytes());
        hash.update(suite.name());
        MasterKey(hash.finalize()[..KEY + suite.salt_len()].to_vec())
    }
}

impl KeySeed {
    /// What ICE checks of one dialog are signed with; another generation after each restart (RFC 8445 §5.3).
    pub(super) fn credentials(&self, session_id: u64, generation: u32) -> Credentials {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(session_id.to_be_bytes());
        hash.update(b"ice");
        hash.update(generation.to_be_bytes());
        let text = STANDARD_NO_PAD.encode(hash.finalize());
        Credentials { ufrag: text[..8].to_owned(), pwd: text[8..40].to_owned() }
    }
}

impl MasterKey {
    /// The key and the salt.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        self.0.split_at(KEY.min(self.0.len()))
    }

    /// From what base64 gives, for tests and for keys that came another way. None: the length is not the suite's.
    pub fn new(bytes: &[u8], suite: Suite) -> Option<Self> {
        (bytes.len() == KEY + suite.salt_len()).then(|| MasterKey(bytes.to_vec()))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl CryptoLine {
    /// `1 AES_CM_128_HMAC_SHA1_80 inline:BASE64|2^20|1:4 WSH=64`. None: a suite that we do not have, a key of the wrong length, more
    /// than one key, or a parameter that changes the packets (§6.3; those that a peer may pass over begin with `-`).
    pub fn parse(value: &str) -> Option<CryptoLine> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9 && tag.bytes().all(|b| b.is_ascii_digit()))?;
        let suite = Suite::from_name(words.next()?)?;
        let keys = words.next()?;
        let (method, key) = keys.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") || key.contains(';') {
            return None;
        }
        if !words.all(|word| word.starts_with('-') || word.to_ascii_uppercase().starts_with("WSH=")) {
            return None;
        }
        let mut parts = key.split('|');
        let bytes = STANDARD_NO_PAD.decode(parts.next()?.trim_end_matches('=')).ok()?;
        // What is left: the lifetime (`2^20`, or a number), which no call reaches, and the identifier with its length.
        let mut mki = 0;
        for part in parts {
            if let Some((_, length)) = part.split_once(':') {
                mki = length.parse().ok().filter(|length| (1..=128).contains(length))?;
            }
        }
        Some(CryptoLine { tag: tag.to_owned(), suite, key: MasterKey::new(&bytes, suite)?, mki })
    }

    /// A line of ours.
    pub fn write(tag: &str, suite: Suite, key: &MasterKey) -> String {
        format!("a=crypto:{tag} {} inline:{}\r\n", suite.name(), STANDARD.encode(&key.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_30: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn lines_of_the_field() {
        let read = |rest: &str| CryptoLine::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}{rest}"));
        for rest in ["", "|2^20", "|2^20|1:4", "|1:4", "|1048576", " WSH=64", " -X=1 wsh=1024"] {
            let line = read(rest).unwrap_or_else(|| panic!("{rest}"));
            assert_eq!((line.tag.as_str(), line.suite), ("1", Suite::AesCm80));
            assert_eq!(line.mki, if rest.contains("1:4") { 4 } else { 0 }, "{rest}");
        }
        for rest in ["x", "|2^20|1:0", "|1:400", ";inline:AAAA", " KDR=1", " UNENCRYPTED_SRTCP", " FEC_ORDER=SRTP_FEC"]
        {
            assert_eq!(read(rest), None, "{rest}");
        }
        for line in [
            "",
            "1",
            "a AES_CM_128_HMAC_SHA1_80 inline:AAAA",
            "1 F8_128_HMAC_SHA1_80 inline:AAAA",
            "1 AEAD_AES_128_GCM inline:",
        ] {
            assert_eq!(CryptoLine::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_of_ours_is_read_again_and_hides_its_key() {
        let seed = KeySeed::new([7; 32]);
        for suite in [Suite::AesCm80, Suite::AesCm32, Suite::AeadGcm128] {
            let key = seed.key(1, suite);
            let text = CryptoLine::write("3", suite, &key);
            let line = CryptoLine::parse(text.trim_end().strip_prefix("a=crypto:").unwrap()).unwrap();
            assert_eq!(line, CryptoLine { tag: "3".into(), suite, key: key.clone(), mki: 0 });
            assert_ne!(key, seed.key(2, suite), "another dialog has another key");
            assert_eq!(format!("{key:?} {seed:?}"), "*** ***");
        }
        assert_ne!(seed.key(1, Suite::AesCm80), seed.key(1, Suite::AesCm32));
    }
}
