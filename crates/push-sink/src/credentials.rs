//! The keys that senders use and the sink verifies.

use std::{fs, io, path::Path, sync::OnceLock};

use anyhow::Context;
use rsa::{
    RsaPrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding},
    rand_core::OsRng,
};
use serde_json::json;
use web_push_native::p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint};

/// The id of the sink's APNs key.
pub const APNS_KEY_ID: &str = "SINKKEY001";

/// The team of the sink's APNs key.
pub const APNS_TEAM_ID: &str = "SINKTEAM01";

/// A topic for APNs. The sink accepts any other too.
pub const APNS_TOPIC: &str = "example.boxroom";

/// The Firebase project of the sink.
pub(crate) const PROJECT: &str = "push-sink";

/// The service account of the sink.
pub(crate) const CLIENT_EMAIL: &str = "sender@push-sink.iam.gserviceaccount.com";

const RSA_BITS: usize = 2048;

const SERVICE_ACCOUNT_FILE: &str = "fcm.json";
const APNS_FILE: &str = "apns.p8";
const VAPID_FILE: &str = "vapid.pem";

/// The keys of the sink.
pub(crate) struct Credentials {
    /// Made when it is first needed, because this takes a while.
    fcm: OnceLock<FcmKey>,
    pub(crate) apns: ApnsKey,
}

pub(crate) struct FcmKey {
    private: String,
    pub(crate) public: String,
}

pub(crate) struct ApnsKey {
    pub(crate) private: String,
    /// The public point, uncompressed.
    pub(crate) public: Vec<u8>,
}

impl FcmKey {
    fn of(key: &RsaPrivateKey) -> anyhow::Result<Self> {
        let private = key.to_pkcs8_pem(LineEnding::LF)?.to_string();
        Ok(Self { private, public: key.to_public_key().to_public_key_pem(LineEnding::LF)? })
    }
}

impl ApnsKey {
    fn of(key: &SecretKey) -> anyhow::Result<Self> {
        let private = key.to_pkcs8_pem(LineEnding::LF)?.to_string();
        Ok(Self { private, public: key.public_key().to_encoded_point(false).as_bytes().to_vec() })
    }
}

impl Credentials {
    /// Makes new keys.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        Ok(Self { fcm: OnceLock::new(), apns: ApnsKey::of(&SecretKey::random(&mut OsRng))? })
    }

    /// Reads the keys in a folder, or makes new ones and writes them there, with a key for Web Push.
    pub(crate) fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let new_key = || Ok(SecretKey::random(&mut OsRng).to_pkcs8_pem(LineEnding::LF)?.to_string());
        read_or_write(&folder.join(VAPID_FILE), new_key)?;
        let apns = read_or_write(&folder.join(APNS_FILE), new_key)?;
        let apns = SecretKey::from_pkcs8_pem(&apns).with_context(|| format!("{APNS_FILE} is not a P-256 key"))?;
        let credentials = Self { fcm: OnceLock::new(), apns: ApnsKey::of(&apns)? };
        if let Ok(account) = fs::read(folder.join(SERVICE_ACCOUNT_FILE)) {
            let account: serde_json::Value = serde_json::from_slice(&account)?;
            let key = RsaPrivateKey::from_pkcs8_pem(account["private_key"].as_str().unwrap_or_default());
            let key = key.with_context(|| format!("{SERVICE_ACCOUNT_FILE} has no private key"))?;
            let _ = credentials.fcm.set(FcmKey::of(&key)?);
        }
        Ok(credentials)
    }

    /// Writes the service account, whose token endpoint is the sink's.
    pub(crate) fn write_service_account(&self, folder: &Path, token_uri: &str) -> anyhow::Result<()> {
        Ok(fs::write(folder.join(SERVICE_ACCOUNT_FILE), self.service_account(token_uri)?)?)
    }

    /// Returns the JSON of the service account.
    pub(crate) fn service_account(&self, token_uri: &str) -> anyhow::Result<String> {
        if self.fcm.get().is_none() {
            let key = FcmKey::of(&RsaPrivateKey::new(&mut OsRng, RSA_BITS)?)?;
            // Another thread may have made one at the same time. The first one counts.
            let _ = self.fcm.set(key);
        }
        let private = self.fcm.get().map(|key| &key.private);
        let account = json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "1",
            "private_key": private,
            "client_email": CLIENT_EMAIL,
            "token_uri": token_uri,
        });
        Ok(serde_json::to_string_pretty(&account)?)
    }

    /// The key of the service account, if one was made.
    pub(crate) fn fcm(&self) -> Option<&FcmKey> {
        self.fcm.get()
    }
}

fn read_or_write(path: &Path, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let content = make()?;
            fs::write(path, &content)?;
            Ok(content)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
