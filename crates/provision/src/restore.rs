//! The way of a backup back into a server that has no log.

use std::{io::Read as _, path::Path};

use bytes::Bytes;
use event_store::{BackupError, ProvisionOptions, Restore};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    Error,
    backup::{Manifest, SavedStream},
    streams::connect,
};

/// Small: a server that syncs every message takes a while for each piece, and gives up after five seconds without one.
const PIECE: usize = 16 * 1024;

/// How many streams are brought at the same time: the server syncs each message of each of them.
const AT_A_TIME: usize = 4;

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
    let missing = restore.missing().await?;
    let saved = |name: &String| manifest.streams.iter().find(|stream| stream.name == *name);
    let missing: Vec<&SavedStream> = missing.iter().filter_map(saved).collect();
    // The first one says that a restore is going on, and without the last one no service starts.
    let (first, others) = missing.split_at(missing.len().min(1));
    let (middle, last) = others.split_at(others.len().saturating_sub(1));
    for some in [first, middle, last] {
        let restore = &restore;
        let bring = |saved| async move { upload_patiently(restore, saved, folder).await.map(|()| saved) };
        let mut brought = stream::iter(some.iter().copied()).map(bring).buffer_unordered(AT_A_TIME);
        while let Some(saved) = brought.try_next().await? {
            restored(saved);
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
