//! The data folders of a stack that keeps its data between runs.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;

use crate::{checkout::Checkout, output::Output, tools::Source};

/// The folders of a stack that keeps its data between runs, with its ports and its choice of servers.
#[derive(Debug)]
pub struct Home {
    /// The folder of keys and of the log.
    pub private: PathBuf,
    /// The folder of PostgreSQL's data.
    pub reachable: PathBuf,
    /// The ports of earlier runs by the name of the listener. They are used again if they are free.
    pub ports: BTreeMap<String, u16>,
    /// The servers to use: installed or only pinned ones.
    pub source: Source,
    /// The destination of logs.
    pub output: Output,
}

impl Home {
    /// The default folders of a checkout.
    pub fn of(checkout: &Checkout, ports: BTreeMap<String, u16>, source: Source, output: Output) -> Self {
        Self { private: checkout.local.clone(), reachable: checkout.reachable.clone(), ports, source, output }
    }

    /// Removes all data and keys of a stack that does not run.
    pub fn erase(checkout: &Checkout) -> anyhow::Result<()> {
        for folder in [checkout.local.join("nats"), checkout.local.join("keys"), checkout.reachable.join("postgres")] {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", folder.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
