//! A file system of a few megabytes, to be filled.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

/// The file that fills it.
const BALLAST: &str = "ballast";

/// A file system in memory, mounted at a folder. Unmounted with this value.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one at this folder, which it creates. Returns none where nothing may be mounted: not as root, or in a
    /// container without that right.
    pub fn mount(folder: &Path, megabytes: u32) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(folder).context("cannot create the folder")?;
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "boxroom-test"]).arg(folder).output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        Ok(is_mounted.then(|| Self { folder: folder.to_owned() }))
    }

    /// Writes a file until no byte is left.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.folder.join(BALLAST))?;
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

    /// Removes that file.
    pub fn empty(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.folder.join(BALLAST)).context("cannot empty the disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its server may still be ending.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.folder).output();
        debug_assert!(unmounted.is_ok_and(|output| output.status.success()), "it is unmounted");
    }
}
