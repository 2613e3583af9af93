//! The thread that starts all children.

use std::{
    io,
    process::{Child, Command},
    sync::{LazyLock, mpsc},
};

use anyhow::Context;
use tokio::sync::oneshot;

type Request = (Command, oneshot::Sender<io::Result<Child>>);

/// A thread that lives as long as the process. Linux ends a child when the *thread* that started it ends, and threads
/// of a runtime come and go.
static SPAWNER: LazyLock<mpsc::Sender<Request>> = LazyLock::new(|| {
    let (sender, requests) = mpsc::channel::<Request>();
    std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for (mut command, reply) in requests {
                let child = command.spawn();
                // Closes the log files and pipes that the command holds.
                drop(command);
                if let Err(Ok(mut unwanted)) = reply.send(child) {
                    let _ = unwanted.kill();
                    let _ = unwanted.wait();
                }
            }
        })
        .expect("the system has room for one more thread");
    sender
});

/// Starts `command` as a child that ends with this process at the latest.
pub(crate) async fn spawn(command: Command) -> anyhow::Result<Child> {
    let (reply, child) = oneshot::channel();
    SPAWNER.send((command, reply)).context("the spawning thread is gone")?;
    Ok(child.await.context("the spawning thread is gone")??)
}
