//! A child process. It ends when its value is dropped.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::watch;

use crate::{
    checkout::ServerAccount,
    command,
    output::{Output, Tail},
    spawner,
};

/// Variables that a child inherits. All others are left out: they would let one machine's settings decide a test.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LD_LIBRARY_PATH", "RUST_BACKTRACE", "TMPDIR", "TZ"];

/// The description of a child process: what to start and how to end it.
#[derive(Debug)]
pub struct Launch {
    /// The name in logs and error messages.
    pub name: String,
    /// The path of the program.
    pub program: PathBuf,
    /// The arguments.
    pub args: Vec<OsString>,
    /// Variables beside the few that every child inherits.
    pub env: Vec<(String, OsString)>,
    /// The account to run it as, if it differs from that of this process.
    pub account: Option<ServerAccount>,
    /// The signal that asks it to end.
    pub stop: Signal,
    /// The signal that the system sends when this process dies without stopping it.
    pub orphaned: Orphaned,
}

/// The signal for a child whose parent died without stopping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphaned {
    /// Ends at once, even if frozen.
    Kill,
    /// PostgreSQL's fast shutdown: clients are cut off, data is flushed.
    Interrupt,
    /// PostgreSQL's immediate shutdown: nothing is flushed.
    Quit,
}

impl Launch {
    /// A program without arguments that ends on SIGTERM, and at once if this process is killed.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            account: None,
            stop: Signal::TERM,
            orphaned: Orphaned::Kill,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = match SETPRIV.as_deref() {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                let signal = match self.orphaned {
                    Orphaned::Kill => "KILL",
                    Orphaned::Interrupt => "INT",
                    Orphaned::Quit => "QUIT",
                };
                command.args(["--pdeathsig", signal, "--"]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(&self.args).stdin(Stdio::null());
        // With a group of its own, it does not get the terminal's Ctrl-C, so the harness decides the order of the ends.
        command.process_group(0);
        command.env_clear();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(account) = &self.account {
            // Also drops the supplementary groups. The account may not be able to enter this process's working folder.
            command.uid(account.uid).gid(account.gid).current_dir("/");
        }
        command
    }
}

/// Asks the kernel to end a child with its parent. Part of util-linux. Without it, a kill -9 leaves orphans.
static SETPRIV: LazyLock<Option<PathBuf>> = LazyLock::new(|| command::on_path("setpriv"));

/// A running child. Dropping it kills it.
pub struct Process {
    name: String,
    pid: Pid,
    stop: Signal,
    tail: Tail,
    /// Held while the child is reaped, so that no signal goes to another process with the same id.
    alive: Arc<Mutex<bool>>,
    exited: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<JoinHandle<()>>,
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Process").field("name", &self.name).field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Process {
    /// Starts the child.
    pub async fn spawn(launch: Launch, output: &Output) -> anyhow::Result<Self> {
        let mut command = launch.command();
        let start = || format!("cannot start {} ({})", launch.name, launch.program.display());
        let tail = output.attach(&launch.name, &mut command).with_context(start)?;
        let mut child = spawner::spawn(command).await.with_context(start)?;
        output.forward_output(&launch.name, &mut child, &tail);
        let pid = Pid::from_child(&child);
        let alive = Arc::new(Mutex::new(true));
        let (sender, exited) = watch::channel(None);
        let reaper = std::thread::spawn({
            let alive = Arc::clone(&alive);
            move || reap(child, pid, &alive, &sender)
        });
        Ok(Self { name: launch.name, pid, stop: launch.stop, tail, alive, exited, reaper: Some(reaper) })
    }

    /// The name in logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// The exit status, if it has ended.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exited.borrow()
    }

    /// The last lines of its output.
    pub fn last_output(&self) -> String {
        self.tail.read()
    }

    /// Waits until it has ended.
    pub async fn wait(&self) -> ExitStatus {
        let mut exited = self.exited.clone();
        let status = exited.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        // The reaper always reports before its thread ends.
        status.unwrap_or_else(|| ExitStatus::from_raw(0))
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        let alive = lock(&self.alive);
        if *alive {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Asks it to end and waits; kills it if it has not ended within `grace`.
    pub async fn stop(&self, grace: Duration) -> ExitStatus {
        self.signal(self.stop);
        // A frozen process only handles the signal once it runs again.
        self.signal(Signal::CONT);
        if let Ok(status) = tokio::time::timeout(grace, self.wait()).await {
            return status;
        }
        self.kill().await
    }

    /// Sends `signal`, and waits at most `grace` without a runtime. For use in a destructor.
    pub(crate) fn end_now(&mut self, signal: Signal, grace: Duration) {
        self.signal(signal);
        let deadline = Instant::now() + grace;
        while self.exit_status().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it and waits.
    pub async fn kill(&self) -> ExitStatus {
        self.kill_group();
        self.wait().await
    }

    fn kill_group(&self) {
        let alive = lock(&self.alive);
        if *alive {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
        if let Some(reaper) = self.reaper.take() {
            let _ = reaper.join();
        }
    }
}

/// Waits until the process in `slot` ends by itself. Waits forever if there is none.
pub(crate) async fn exit_of(slot: &tokio::sync::Mutex<Option<Process>>) -> ExitStatus {
    let exited = slot.lock().await.as_ref().map(|process| process.exited.clone());
    if let Some(mut exited) = exited
        && let Ok(status) = exited.wait_for(Option::is_some).await
        && let Some(status) = *status
    {
        return status;
    }
    std::future::pending().await
}

fn lock(alive: &Mutex<bool>) -> MutexGuard<'_, bool> {
    alive.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reap(mut child: Child, pid: Pid, alive: &Mutex<bool>, exited: &watch::Sender<Option<ExitStatus>>) {
    // Waits without reaping, so that the process id stays taken until no signal can be sent to it any more.
    while let Err(rustix::io::Errno::INTR) =
        rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
    let mut alive = lock(alive);
    *alive = false;
    let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
    drop(alive);
    exited.send_replace(Some(status));
}
