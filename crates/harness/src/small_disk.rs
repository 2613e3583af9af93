//! A file system of a few megabytes, for tests with a full disk.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

/// The name of the file that fills the disk.
const FILLER: &str = "ballast";

/// A file system in memory, mounted at a folder until this value is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Creates the folder and mounts a disk at it. Returns `None` if the process may not mount file systems: it does
    /// not run as root, or in a container without this right.
    pub fn mount(folder: &Path, megabytes: u32) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(folder).context("cannot create the folder")?;
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "boxroom-test"]).arg(folder).output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        Ok(is_mounted.then(|| Self { folder: folder.to_owned() }))
    }

    /// Fills the disk to the last byte with one file.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.folder.join(FILLER))?;
        for size in [65_536, 512, 1] {
            let block = vec![7; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("cannot fill the disk"),
                }
            }
        }
        Ok(())
    }

    /// Removes the file that fills the disk.
    pub fn empty(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.folder.join(FILLER)).context("cannot empty the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a server that uses the disk may still be stopping.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.folder).output();
        debug_assert!(unmounted.is_ok_and(|output| output.status.success()), "it is unmounted");
    }
}
