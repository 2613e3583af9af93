//! The way of a backup back into a server that has no log.

use std::{io::Read as _, path::Path};

use bytes::Bytes;
use event_store::{BackupError, ProvisionOptions, Restore};

use crate::{
    Error,
    backup::{Manifest, SavedStream},
    streams::connect,
};

/// Small: a server that syncs every message takes a while for each piece, and gives up after five seconds without one.
const PIECE: usize = 16 * 1024;

/// How often a stream is brought before it counts as refused.
const ATTEMPTS: usize = 5;

/// Restores the backup in `folder` to the server at `admin_url`, each stream to be kept on so many servers of a cluster;
/// `restored` hears of every stream. Writes nothing unless the backup is whole. Goes on with what was interrupted.
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
    // One after the other: several at once wait for each other's syncs, and the server gives a stream up that waits.
    for name in restore.missing().await? {
        for stream in manifest.streams.iter().filter(|stream| stream.name == name) {
            upload_patiently(&restore, stream, folder).await?;
            restored(stream);
        }
    }
    restore.finish().await?;
    Ok(manifest)
}

/// A server whose disk is busy for five seconds gives a stream up, and leaves nothing of it.
async fn upload_patiently(restore: &Restore, stream: &SavedStream, folder: &Path) -> Result<(), Error> {
    for _ in 1..ATTEMPTS {
        match upload(restore, stream, folder).await {
            Err(Error::Backup(BackupError::Refused { .. })) => {}
            result => return result,
        }
    }
    upload(restore, stream, folder).await
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
