//! Instance ids (RFC 5626 §4.1): by them a registrar knows a phone again that comes by another way.

use sha2::{Digest, Sha256};

/// What this installation is called, in hex; by chance where the host has nothing of its own.
pub(super) fn of_host(seed: &[u8; 32]) -> String {
    hex(&Sha256::new().chain_update(b"instance").chain_update(seed).finalize())
}

/// `urn:uuid:…` of an address of record here: the same in every life of the daemon.
pub(super) fn urn(instance: &str, aor: &str) -> String {
    let hash = Sha256::new().chain_update(instance).chain_update([0]).chain_update(aor).finalize();
    let mut bytes: Vec<u8> = hash.iter().take(16).copied().collect();
    // A name-based UUID (RFC 4122 §4.3).
    if let [_, _, _, _, _, _, version, _, variant, ..] = bytes.as_mut_slice() {
        *version = 0x50 | (*version & 0x0f);
        *variant = 0x80 | (*variant & 0x3f);
    }
    let hex = hex(&bytes);
    let part = |range| hex.get(range).unwrap_or_default();
    format!("urn:uuid:{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::urn;

    #[test]
    fn the_same_for_the_same() {
        let one = urn("host", "sip:a@b");
        assert_eq!(one, urn("host", "sip:a@b"));
        assert!(one != urn("host", "sip:b@b") && one != urn("other", "sip:a@b"));
        assert_eq!((one.len(), &one[23..24]), (45, "5"));
    }
}
