//! The restore of a backup to a server that has no log.

use std::{io::Read as _, path::Path};

use bytes::Bytes;

use crate::{
    Error,
    backup::{Manifest, SavedStream},
    snapshot::BackupError,
    streams::connect,
    topology::ProvisionOptions,
    upload::Restore,
};

/// The size of a piece. Small, because the server answers a piece only after storing those before, and aborts after
/// five seconds without one.
const PIECE: usize = 16 * 1024;

/// The number of attempts per stream.
const ATTEMPTS: usize = 3;

/// Restores the backup in `folder` to the server at `admin_url`, with this many replicas of each stream. Calls
/// `restored` for every stream. Writes nothing unless the backup is complete and undamaged. Continues an interrupted
/// restore.
pub async fn run(
    admin_url: &str,
    folder: &Path,
    replicas: usize,
    mut restored: impl FnMut(&SavedStream),
) -> Result<Manifest, Error> {
    let manifest = Manifest::read(folder)?;
    manifest.check(folder)?;
    let options = ProvisionOptions { partitions: manifest.partitions, replicas };
    let restore = Restore::new(connect(admin_url).await?, &manifest.backup, options);
    // One after the other: concurrent restores wait for each other's syncs, and the server aborts a stream that waits.
    let saved = |name: &str| manifest.streams.iter().find(|stream| stream.name == name);
    let extent = |name: &str| saved(name).map_or(0, |stream| stream.layout.last_sequence());
    for name in restore.missing(extent).await? {
        if let Some(stream) = saved(&name) {
            upload_with_retries(&restore, stream, folder).await?;
            restored(stream);
        }
    }
    restore.finish().await?;
    Ok(manifest)
}

/// Uploads a stream, with retries. The server stores a stream in pieces of a megabyte, and aborts when it has not
/// stored one within five seconds. The part stored by then remains and looks like a complete stream, so it is
/// discarded.
async fn upload_with_retries(restore: &Restore, stream: &SavedStream, folder: &Path) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match upload(restore, stream, folder).await {
            Err(Error::Backup(BackupError::Refused { description, .. })) => {
                restore.discard(&stream.name).await?;
                if attempt == ATTEMPTS {
                    return Err(Error::Aborted { stream: stream.name.clone(), description });
                }
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn upload(restore: &Restore, stream: &SavedStream, folder: &Path) -> Result<(), Error> {
    let path = stream.path(folder);
    let mut file = std::fs::File::open(&path).map_err(Error::file(&path))?;
    let upload = restore.begin(&stream.name, &stream.layout).await?;
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece).map_err(Error::file(&path))?;
        if length == 0 {
            return Ok(upload.finish().await?);
        }
        upload.send(Bytes::copy_from_slice(&piece[..length])).await?;
    }
}
