//! The hash of a digest (RFC 7616 §3.4).

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512_256};

/// A digest algorithm (RFC 7616 §6.1). `Sess` hashes the nonces into the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
    Sha512_256,
    Sha512_256Sess,
}

const NAMES: [(Algorithm, &str); 6] = [
    (Algorithm::Md5, "MD5"),
    (Algorithm::Md5Sess, "MD5-sess"),
    (Algorithm::Sha256, "SHA-256"),
    (Algorithm::Sha256Sess, "SHA-256-sess"),
    (Algorithm::Sha512_256, "SHA-512-256"),
    (Algorithm::Sha512_256Sess, "SHA-512-256-sess"),
];

impl Algorithm {
    /// The algorithm of that name, in any case; `None` for one we do not have.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(algorithm, _)| *algorithm)
    }

    /// As in a header.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(known, _)| *known == self).map_or("MD5", |(_, name)| name)
    }

    pub(super) fn session(self) -> bool {
        matches!(self, Algorithm::Md5Sess | Algorithm::Sha256Sess | Algorithm::Sha512_256Sess)
    }

    pub(super) fn strength(self) -> u8 {
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => 0,
            Algorithm::Sha256 | Algorithm::Sha256Sess => 1,
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => 2,
        }
    }

    fn hash(self, parts: &[&[u8]]) -> String {
        fn digest<D: Digest>(parts: &[&[u8]]) -> String {
            let mut hash = D::new();
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    hash.update(b":");
                }
                hash.update(part);
            }
            hex(&hash.finalize())
        }
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => digest::<Md5>(parts),
            Algorithm::Sha256 | Algorithm::Sha256Sess => digest::<Sha256>(parts),
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => digest::<Sha512_256>(parts),
        }
    }
}

/// Who asks for what.
pub(super) struct Request<'a> {
    pub user: &'a str,
    pub password: &'a str,
    pub method: &'a str,
    pub uri: &'a str,
    pub body: &'a [u8],
}

/// The `response` of RFC 7616 §3.4.1; without a qop that of RFC 2069.
pub(super) fn response(
    algorithm: Algorithm,
    realm: &str,
    nonce: &str,
    cnonce: &str,
    nc: u32,
    qop: Option<&str>,
    request: &Request<'_>,
) -> String {
    let hash = |parts: &[&[u8]]| algorithm.hash(parts);
    let mut key = hash(&[request.user.as_bytes(), realm.as_bytes(), request.password.as_bytes()]);
    if algorithm.session() {
        key = hash(&[key.as_bytes(), nonce.as_bytes(), cnonce.as_bytes()]);
    }
    let (method, uri) = (request.method.as_bytes(), request.uri.as_bytes());
    let what = match qop {
        Some("auth-int") => hash(&[method, uri, hash(&[request.body]).as_bytes()]),
        _ => hash(&[method, uri]),
    };
    let nc = format!("{nc:08x}");
    match qop {
        Some(qop) => {
            hash(&[key.as_bytes(), nonce.as_bytes(), nc.as_bytes(), cnonce.as_bytes(), qop.as_bytes(), what.as_bytes()])
        }
        None => hash(&[key.as_bytes(), nonce.as_bytes(), what.as_bytes()]),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7616_3_9_1() {
        let request =
            Request { user: "Mufasa", password: "Circle of Life", method: "GET", uri: "/dir/index.html", body: b"" };
        let answer = |algorithm| {
            let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            response(algorithm, "http-auth@example.org", nonce, cnonce, 1, Some("auth"), &request)
        };
        assert_eq!(answer(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(answer(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    /// With the value of erratum 4897: the RFC's own was made with SHA-512 cut short, which is not SHA-512/256.
    #[test]
    fn rfc_7616_3_9_2() {
        let (user, password) = ("J\u{e4}s\u{f8}n Doe", "Secret, or not?");
        let request = Request { user, password, method: "GET", uri: "/doe.json", body: b"" };
        let nonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK";
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
        let answer = response(Algorithm::Sha512_256, "api@example.org", nonce, cnonce, 1, Some("auth"), &request);
        assert_eq!(answer, "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
    }

    #[test]
    fn rfc_2617_3_5() {
        let request =
            Request { user: "Mufasa", password: "Circle Of Life", method: "GET", uri: "/dir/index.html", body: b"" };
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let answer = |qop| response(Algorithm::Md5, "testrealm@host.com", nonce, "0a4f113b", 1, qop, &request);
        assert_eq!(answer(Some("auth")), "6629fae49393a05397450978507c4ef1");
        // RFC 2069 with the same values, as its implementations agree on.
        assert_eq!(answer(None), "670fd8c2df070c60b045671b8b24ff02");
    }
}
