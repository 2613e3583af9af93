//! A backup of the log: one file per stream, and a manifest that is written last and describes them.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use async_nats::Client;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service_kit::clock;
use sha2::{Digest, Sha256};

use crate::{
    Error,
    secret::{AtomicFile, hex, random_bytes, read_if_present, write_private},
    snapshot::{Layout, copied_streams, partitions, snapshot, user_keys_stream},
    streams::connect,
};

/// The only backup format so far.
const FORMAT: u32 = 1;

/// The manifest file. Its presence marks the backup as complete.
const MANIFEST: &str = "manifest.json";
/// The file with the manifest's digest, in the format of `sha256sum --check`.
const MANIFEST_DIGEST: &str = "manifest.sha256";

/// The size of a read, in bytes.
const PIECE: usize = 128 * 1024;

/// The content of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the backup.
    pub format: u32,
    /// The backup's id.
    pub backup: String,
    /// The start of the backup. All commands acknowledged before are included.
    pub began_at: DateTime<Utc>,
    /// The end of the backup. No command acknowledged after is included.
    pub ended_at: DateTime<Utc>,
    /// The number of box streams.
    pub partitions: u16,
    /// The streams in the order in which they were copied.
    pub streams: Vec<SavedStream>,
}

/// One stream in a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedStream {
    /// Its name on the server.
    pub name: String,
    /// The name of the file beside the manifest.
    pub file: String,
    /// The size of the file.
    pub bytes: u64,
    /// The file's digest.
    pub sha256: String,
    /// The copied incarnation of the stream, if it has incarnations.
    pub incarnation: Option<String>,
    /// The stream's settings, and its extent at the beginning of its copy; the file may hold a little more.
    pub layout: Layout,
}

impl Manifest {
    /// Returns the number of messages in all streams.
    pub fn messages(&self) -> u64 {
        self.streams.iter().map(|stream| stream.layout.messages()).sum()
    }

    /// Reads the manifest of a finished backup.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(MANIFEST);
        let content = read_if_present(&path)?.ok_or_else(|| Error::NoBackup { path: folder.to_path_buf() })?;
        let digest = read_if_present(&folder.join(MANIFEST_DIGEST))?;
        if digest != Some(digest_line(&content)) {
            return Err(damaged(&path, "its digest does not match"));
        }
        let manifest: Self = serde_json::from_str(&content).map_err(|error| damaged(&path, error))?;
        let names = || manifest.streams.iter().map(|stream| &stream.name);
        let mut known = copied_streams(manifest.partitions);
        if !names().any(|name| *name == user_keys_stream()) {
            known.retain(|name| *name != user_keys_stream());
        }
        if manifest.format != FORMAT || !names().eq(&known) {
            return Err(damaged(&path, "this version does not support its format"));
        }
        Ok(manifest)
    }

    /// Compares every file with its size and digest in the manifest.
    pub fn check(&self, folder: &Path) -> Result<(), Error> {
        self.streams.iter().try_for_each(|stream| stream.check(folder))
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(MANIFEST);
        let content = serde_json::to_string_pretty(self).map_err(|error| damaged(&path, error))? + "\n";
        write_private(&folder.join(MANIFEST_DIGEST), &digest_line(&content))?;
        write_private(&path, &content)
    }
}

impl SavedStream {
    /// Returns the path of its file.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.file)
    }

    fn check(&self, folder: &Path) -> Result<(), Error> {
        let path = self.path(folder);
        let mut file = std::fs::File::open(&path).map_err(Error::file(&path))?;
        let (mut digest, mut bytes, mut piece) = (Sha256::new(), 0_u64, vec![0; PIECE]);
        loop {
            let length = file.read(&mut piece).map_err(Error::file(&path))?;
            if length == 0 {
                break;
            }
            digest.update(&piece[..length]);
            bytes += length as u64;
        }
        if bytes != self.bytes {
            return Err(damaged(&path, format!("it has {bytes} bytes, not {}", self.bytes)));
        }
        if hex(&digest.finalize()) != self.sha256 {
            return Err(damaged(&path, "its digest does not match"));
        }
        Ok(())
    }
}

/// Copies the log on the server at `admin_url`, with the account that owns it, into `folder`. Calls `copied` for every
/// stream.
pub async fn write(admin_url: &str, folder: &Path, mut copied: impl FnMut(&SavedStream)) -> Result<Manifest, Error> {
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    if folder.join(MANIFEST).exists() {
        return Err(Error::AlreadyBackedUp { path: folder.to_path_buf() });
    }
    let owner = connect(admin_url).await?;
    let (began_at, partitions) = (clock::now(), partitions(&owner).await?);
    let mut streams = Vec::new();
    for name in copied_streams(partitions) {
        let saved = copy(&owner, folder, name).await?;
        copied(&saved);
        streams.push(saved);
    }
    let backup = hex(&random_bytes::<8>());
    let manifest = Manifest { format: FORMAT, backup, began_at, ended_at: clock::now(), partitions, streams };
    manifest.write(folder)?;
    Ok(manifest)
}

async fn copy(owner: &Client, folder: &Path, name: String) -> Result<SavedStream, Error> {
    let file = format!("{name}.snapshot");
    let mut draft = AtomicFile::create(&folder.join(&file))?;
    let mut snapshot = snapshot(owner, &name).await?;
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    while let Some(chunk) = snapshot.next().await? {
        digest.update(&chunk);
        bytes += chunk.len() as u64;
        draft.write(&chunk)?;
    }
    draft.finish()?;
    let layout = snapshot.layout;
    let incarnation = layout.incarnation().map(str::to_owned);
    Ok(SavedStream { name, file, bytes, sha256: hex(&digest.finalize()), incarnation, layout })
}

fn digest_line(content: &str) -> String {
    format!("{}  {MANIFEST}\n", hex(&Sha256::digest(content)))
}

fn damaged(path: &Path, detail: impl std::fmt::Display) -> Error {
    Error::Damaged { path: path.to_path_buf(), detail: detail.to_string() }
}
