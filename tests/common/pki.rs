//! A certificate authority of the test's own, and what it signs, as PEM files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};

/// A certificate authority with its files in a folder.
pub struct Pki {
    /// Its own certificate.
    pub ca_file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Pki {
    /// A new authority that nobody else trusts; its files begin with `name`.
    pub fn new(dir: &Path, name: &str) -> Pki {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let ca_file = dir.join(format!("{name}.pem"));
        std::fs::write(&ca_file, params.self_signed(&key).unwrap().pem()).unwrap();
        Pki { ca_file, issuer: Issuer::new(params, key), dir: dir.to_owned() }
    }

    /// A certificate for these names and addresses.
    pub fn identity(&self, file: &str, names: &[&str]) -> Identity {
        self.signed(file, names, |_| ())
    }

    /// One that has expired.
    pub fn expired(&self, file: &str, names: &[&str]) -> Identity {
        self.signed(file, names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// The authority itself as a server, as many a PBX does it.
    pub fn itself(&self) -> Identity {
        let key = self.dir.join("itself.key");
        std::fs::write(&key, self.issuer.key().serialize_pem()).unwrap();
        Identity { certificate: self.ca_file.clone(), key }
    }

    fn signed(&self, file: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = self.dir.join(format!("{file}.pem"));
        let key_file = self.dir.join(format!("{file}.key"));
        std::fs::write(&certificate, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        Identity { certificate, key: key_file }
    }
}
