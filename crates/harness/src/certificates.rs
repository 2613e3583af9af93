//! An authority of a test's own: certificates for the servers and for those who connect to them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::place::{create_open, write_private};

/// Files in PEM.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Whom everybody trusts.
    pub authority: PathBuf,
    /// Whom nobody trusts, although it has the same name.
    pub stranger: PathBuf,
    /// Of a server at 127.0.0.1.
    pub server: Pair,
    /// Of a process that connects.
    pub client: Pair,
}

/// A certificate, and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key, readable by its owner only.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes all of them in `folder`.
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
            // One with the name of its authority would pass for self-signed.
            of.distinguished_name.push(DnType::CommonName, name);
            let certificate = write(&format!("{name}.pem"), of.signed_by(&key, &authority)?.pem())?;
            let path = folder.join(format!("{name}-key.pem"));
            write_private(&path, key.serialize_pem().as_bytes())?;
            anyhow::Ok(Pair { certificate, key: path })
        };
        Ok(Self {
            server: pair("server", ExtendedKeyUsagePurpose::ServerAuth)?,
            client: pair("client", ExtendedKeyUsagePurpose::ClientAuth)?,
            stranger: write("stranger.pem", self::authority()?.pem())?,
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
