//! A certificate authority for one test: certificates for the servers and for their clients.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::checkout::{create_open, write_private};

/// Paths of PEM files.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The trusted authority.
    pub authority: PathBuf,
    /// An untrusted authority with the same name.
    pub untrusted: PathBuf,
    /// The pair of a server at 127.0.0.1.
    pub server: Pair,
    /// The pair of a client process.
    pub client: Pair,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key, readable only by its owner.
    pub key: PathBuf,
}

impl Certificates {
    /// Creates the authorities and all pairs in `folder`.
    pub(crate) fn write(folder: &Path) -> anyhow::Result<Self> {
        create_open(folder)?;
        let authority = authority()?;
        let write = |name: &str, certificate: String| {
            let path = folder.join(name);
            std::fs::write(&path, certificate).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path)
        };
        let pair = |name: &str, usage: ExtendedKeyUsagePurpose| {
            let key = KeyPair::generate()?;
            let mut of = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
            of.extended_key_usages = vec![usage];
            // A certificate with the name of its authority would pass for self-signed.
            of.distinguished_name.push(DnType::CommonName, name);
            let certificate = write(&format!("{name}.pem"), of.signed_by(&key, &authority)?.pem())?;
            let path = folder.join(format!("{name}-key.pem"));
            write_private(&path, key.serialize_pem().as_bytes())?;
            anyhow::Ok(Pair { certificate, key: path })
        };
        Ok(Self {
            server: pair("server", ExtendedKeyUsagePurpose::ServerAuth)?,
            client: pair("client", ExtendedKeyUsagePurpose::ClientAuth)?,
            untrusted: write("stranger.pem", self::authority()?.pem())?,
            authority: write("authority.pem", authority.pem())?,
        })
    }
}

fn authority() -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut of = CertificateParams::new(Vec::new())?;
    of.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    of.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(of, KeyPair::generate()?)?)
}
