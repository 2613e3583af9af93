//! Console output: progress and logs on standard error, results on standard output.

use std::{
    io::{IsTerminal, Write},
    sync::{LazyLock, Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The width of names, so that the lines of all services begin at one column.
const WIDTH: usize = 12;

static COLOURED: LazyLock<bool> =
    LazyLock::new(|| std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());

/// The progress bar at the bottom, which other lines must not overwrite.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn colored(code: &str, text: &str) -> String {
    if *COLOURED { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn line(text: &str) {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner);
    // A closed standard error is no reason to stop.
    let write = || drop(writeln!(std::io::stderr().lock(), "{text}"));
    match bar.as_ref() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Prints one line of progress.
pub(crate) fn print(text: &str) {
    line(&format!("{} {text}", colored("1", &format!("{:<WIDTH$}|", "xtask"))));
}

/// Prints an error with all its causes, without a backtrace.
pub(crate) fn error(error: &anyhow::Error) {
    let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
    line(&format!("{} {}", colored("1;31", "error:"), chain.join("\n  because: ")));
}

/// Prints one line of a service's log.
pub(crate) fn log(name: &str, text: &str) {
    let hue = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 6;
    line(&format!("{} {text}", colored(&format!("{}", 31 + hue), &format!("{name:<WIDTH$}|"))));
}

/// Prints one line of a result on standard output.
pub(crate) fn result(text: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

/// A progress bar at the bottom of the terminal, drawn until dropped. Draws nothing without a terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Creates a bar that is full after `steps`.
    pub(crate) fn new(steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg:14} [{bar:40}] {pos}/{len} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Self(bar)
    }

    /// Sets the name of the current stage.
    pub(crate) fn stage(&self, name: &'static str) {
        self.0.set_message(name);
    }

    /// Advances by one step.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        *BAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
