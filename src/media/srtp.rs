//! SRTP and SRTCP (RFC 3711, RFC 7714) of one session: what we send is protected, what comes is checked, replays are refused.
//! Around the crate's contexts stands what they leave to their caller: SRTCP that says it is not encrypted is refused, a packet that
//! proves nothing leaves nothing behind, and the key before the last stays for what is still on its way.

use std::sync::Arc;

use bytes::BytesMut;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::{RTCCryptoProvider, default_provider};
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::sdp::{MasterKey, Sdes, Suite};

use super::rtp;

/// Packets that may come out of order and are not taken for replays.
const WINDOW: usize = 128;
/// Streams of one key; the one that was silent longest gives way to another.
const STREAMS: usize = 64;

/// Both directions of a session.
pub struct Srtp {
    keys: Sdes,
    provider: Arc<dyn RTCCryptoProvider>,
    out: Context,
    inside: Inside,
    /// The peer's key before its last description; gone once the new one is in use.
    before: Option<Inside>,
}

/// The peer's packets under one key.
struct Inside {
    profile: ProtectionProfile,
    key: MasterKey,
    mki: usize,
    /// By SSRC: only those that have proved to have the key. The last one heard is the last.
    streams: Vec<(u32, Context)>,
}

impl Srtp {
    /// Fails when the keys do not fit the suite.
    pub fn new(keys: Sdes) -> Result<Self, String> {
        let provider = default_provider().map_err(|e| format!("no cryptography: {e}"))?;
        let out = context(&*provider, profile(keys.suite), &keys.send)?;
        let inside = Inside::new(&keys);
        Ok(Srtp { provider, out, inside, keys, before: None })
    }

    /// The keys of another description. What did not change goes on as it was, its packet counters too.
    pub fn renew(&mut self, keys: Sdes) -> Result<(), String> {
        if (keys.suite, &keys.send) != (self.keys.suite, &self.keys.send) {
            self.out = context(&*self.provider, profile(keys.suite), &keys.send)?;
        }
        if (keys.suite, &keys.receive, keys.receive_mki) != (self.keys.suite, &self.keys.receive, self.keys.receive_mki)
        {
            self.before = Some(std::mem::replace(&mut self.inside, Inside::new(&keys)));
        }
        self.keys = keys;
        Ok(())
    }

    /// How.
    pub fn suite(&self) -> Suite {
        self.keys.suite
    }

    /// Protects a packet of ours. None: its counter is used up.
    pub fn protect(&mut self, packet: &[u8]) -> Option<BytesMut> {
        if rtp::is_rtcp(packet) { self.out.encrypt_rtcp(packet).ok() } else { self.out.encrypt_rtp(packet).ok() }
    }

    /// A packet of the peer's. None: it is not the peer's, or it came before.
    pub fn unprotect(&mut self, packet: &[u8]) -> Option<BytesMut> {
        if let Some(clear) = self.inside.unprotect(&*self.provider, packet) {
            self.before = None;
            return Some(clear);
        }
        self.before.as_mut()?.unprotect(&*self.provider, packet)
    }
}

impl Inside {
    fn new(keys: &Sdes) -> Self {
        let (profile, mki) = (profile(keys.suite), usize::from(keys.receive_mki));
        Inside { profile, key: keys.receive.clone(), mki, streams: Vec::new() }
    }

    fn unprotect(&mut self, provider: &dyn RTCCryptoProvider, packet: &[u8]) -> Option<BytesMut> {
        let control = rtp::is_rtcp(packet);
        let without;
        let packet = match self.mki {
            0 => packet,
            mki => {
                without = self.without_mki(packet, mki, control)?;
                &without
            }
        };
        if control && !self.says_encrypted(packet)? {
            return None;
        }
        let at = if control { 4 } else { 8 };
        let ssrc = u32::from_be_bytes(*packet.get(at..)?.first_chunk()?);
        let decrypt = |context: &mut Context| match control {
            true => context.decrypt_rtcp(packet).ok(),
            false => context.decrypt_rtp(packet).ok(),
        };
        if let Some(place) = self.streams.iter().position(|(known, _)| *known == ssrc) {
            let clear = decrypt(&mut self.streams[place].1)?;
            self.streams[place..].rotate_left(1);
            return Some(clear);
        }
        let mut context = context(provider, self.profile, &self.key).ok()?;
        let clear = decrypt(&mut context)?;
        if self.streams.len() == STREAMS {
            self.streams.remove(0);
        }
        self.streams.push((ssrc, context));
        Some(clear)
    }

    /// The identifier stands before the authentication tag (RFC 3711 §3.1); GCM's own tag is part of what stands before it (RFC 7714 §8).
    fn without_mki(&self, packet: &[u8], mki: usize, control: bool) -> Option<Vec<u8>> {
        let tag = if control { self.profile.rtcp_auth_tag_len() } else { self.profile.rtp_auth_tag_len() };
        let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(tag)?)?;
        let rest = rest.get(..rest.len().checked_sub(mki)?)?;
        Some([rest, tag].concat())
    }

    /// SRTCP's E bit. Nobody agrees on clear SRTCP with us, and the crate lets such a packet through unchecked.
    fn says_encrypted(&self, packet: &[u8]) -> Option<bool> {
        let index = packet.len().checked_sub(self.profile.rtcp_auth_tag_len() + 4)?;
        Some(packet.get(index)? & 0x80 != 0)
    }
}

fn context(provider: &dyn RTCCryptoProvider, profile: ProtectionProfile, key: &MasterKey) -> Result<Context, String> {
    let (key, salt) = key.parts();
    let (rtp, rtcp) = (Some(srtp_replay_protection(WINDOW)), Some(srtcp_replay_protection(WINDOW)));
    Context::new(key, salt, profile, rtp, rtcp, provider.crypto()).map_err(|e| format!("no SRTP: {e}"))
}

/// The crate's name of a suite.
pub fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AeadGcm128 => ProtectionProfile::AeadAes128Gcm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Suite; 3] = [Suite::AesCm80, Suite::AesCm32, Suite::AeadGcm128];

    fn key(suite: Suite, fill: u8) -> MasterKey {
        MasterKey::new(&vec![fill; 16 + suite.salt_len()], suite).unwrap()
    }

    fn end(suite: Suite, send: u8, receive: u8) -> Srtp {
        Srtp::new(Sdes { suite, send: key(suite, send), receive: key(suite, receive), receive_mki: 0 }).unwrap()
    }

    fn packet(seq: u16, ssrc: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, 0, 0, 0, 0, 0, 0, 160];
        bytes[2..4].copy_from_slice(&seq.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend([0xd5; 160]);
        bytes
    }

    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// The packet that other implementations check themselves with.
    #[test]
    fn a_packet_that_the_field_agrees_on() {
        let plain = bytes("800f1234decafbadcafebabeabababababababababababababababab");
        for (suite, master, expected) in [
            (
                Suite::AesCm80,
                "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6",
                "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
            ),
            (
                Suite::AeadGcm128,
                "000102030405060708090a0b0c0d0e0fa0a1a2a3a4a5a6a7a8a9aaab",
                "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
            ),
        ] {
            let key = MasterKey::new(&bytes(master), suite).unwrap();
            let keys = Sdes { suite, send: key.clone(), receive: key, receive_mki: 0 };
            let mut srtp = Srtp::new(keys).unwrap();
            assert_eq!(srtp.protect(&plain).unwrap(), bytes(expected), "{suite:?}");
            assert_eq!(srtp.unprotect(&bytes(expected)).unwrap(), plain);
        }
    }

    #[test]
    fn there_and_back_once() {
        for suite in ALL {
            let (mut a, mut b) = (end(suite, 1, 2), end(suite, 2, 1));
            for clear in [packet(65_535, 9), packet(0, 9), packet(65_534, 9), REPORT.to_vec()] {
                let sealed = a.protect(&clear).unwrap();
                assert!(!sealed.windows(8).any(|w| w == [0xd5; 8]), "{suite:?} hides");
                assert_eq!(b.unprotect(&sealed).as_deref(), Some(&clear[..]), "{suite:?}");
                assert_eq!(b.unprotect(&sealed), None, "{suite:?}: a replay");
                assert_eq!(a.unprotect(&sealed), None, "{suite:?}: our own key");
                for at in [1, 8, 12, sealed.len() - 1].into_iter().filter(|at| *at < sealed.len()) {
                    let mut broken = sealed.to_vec();
                    broken[at] ^= 1;
                    assert_eq!(end(suite, 2, 1).unprotect(&broken), None, "{suite:?}: byte {at}");
                }
                for cut in 0..sealed.len() {
                    assert_eq!(end(suite, 2, 1).unprotect(&sealed[..cut]), None, "{suite:?}: {cut} bytes");
                }
            }
        }
    }

    #[test]
    fn clear_packets_are_refused() {
        for suite in ALL {
            let mut b = end(suite, 2, 1);
            assert_eq!(b.unprotect(&packet(1, 9)), None, "{suite:?}");
            let mut control = REPORT.to_vec();
            control.extend([0, 0, 0, 1]); // an index without the E bit
            control.extend([0; 16]);
            for len in 8..=control.len() {
                assert_eq!(b.unprotect(&control[..len]), None, "{suite:?}");
            }
        }
    }

    #[test]
    fn strangers_leave_nothing_behind() {
        let mut b = end(Suite::AesCm80, 2, 1);
        for ssrc in 0..1_000 {
            assert_eq!(b.unprotect(&packet(1, ssrc)), None);
        }
        assert!(b.inside.streams.is_empty());
        let mut a = end(Suite::AesCm80, 1, 2);
        for ssrc in 0..1_000 {
            assert!(b.unprotect(&a.protect(&packet(1, ssrc)).unwrap()).is_some());
        }
        assert_eq!(b.inside.streams.len(), STREAMS);
    }

    #[test]
    fn a_new_key_takes_over_and_the_old_one_goes() {
        let suite = Suite::AesCm80;
        let (mut old, mut new, mut b) = (end(suite, 1, 2), end(suite, 3, 2), end(suite, 2, 1));
        assert!(b.unprotect(&old.protect(&packet(1, 9)).unwrap()).is_some());
        let keys = Sdes { suite, send: key(suite, 2), receive: key(suite, 3), receive_mki: 0 };
        b.renew(keys.clone()).unwrap();
        let replayed = old.protect(&packet(2, 9)).unwrap();
        assert!(b.unprotect(&replayed).is_some(), "still on its way");
        b.renew(keys).unwrap();
        assert_eq!(b.unprotect(&replayed), None, "the same keys again do not forget");
        assert!(b.unprotect(&new.protect(&packet(3, 9)).unwrap()).is_some());
        assert_eq!(b.unprotect(&old.protect(&packet(4, 9)).unwrap()), None, "it is over");
    }

    #[test]
    fn an_identifier_is_cut_out() {
        for suite in ALL {
            let mut a = end(suite, 1, 2);
            let keys = Sdes { suite, send: key(suite, 2), receive: key(suite, 1), receive_mki: 4 };
            let mut b = Srtp::new(keys).unwrap();
            for clear in [packet(1, 9), REPORT.to_vec()] {
                let mut sealed = a.protect(&clear).unwrap().to_vec();
                let tag = match (suite, rtp::is_rtcp(&clear)) {
                    (Suite::AeadGcm128, _) => 0,
                    (Suite::AesCm32, false) => 4,
                    _ => 10,
                };
                sealed.splice(sealed.len() - tag..sealed.len() - tag, [0, 0, 0, 1]);
                assert_eq!(b.unprotect(&sealed).as_deref(), Some(&clear[..]), "{suite:?}");
            }
        }
    }
}
