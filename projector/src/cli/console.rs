//! What operators see: results on standard output, everything else on standard error.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use super::{Failure, arguments::OperatorArgs};

/// A result: text for people, or the same as one line of JSON.
pub(super) fn result(args: &OperatorArgs, answer: &impl Serialize, text: &str) -> Result<(), Failure> {
    let json = if args.json { Some(serde_json::to_string(answer).map_err(io::Error::other)?) } else { None };
    line(json.as_deref().unwrap_or(text))
}

/// One line or more on standard output.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()?;
    Ok(())
}

/// Replaces what was shown before, of so many lines, where that is possible; returns how many lines it is now.
pub(super) fn redraw(text: &str, former_lines: usize) -> Result<usize, Failure> {
    if former_lines > 0 {
        let up = if io::stdout().is_terminal() { format!("\x1b[{former_lines}A\x1b[J") } else { "\n".to_owned() };
        write!(io::stdout(), "{up}")?;
    }
    line(text)?;
    Ok(text.lines().count())
}

/// Something to know, which is no result.
pub(super) fn say(text: &str) {
    eprintln!("{text}");
}

/// Why it ended.
pub(super) fn complain(failure: &Failure) {
    eprintln!("error: {failure}");
}

/// Makes sure that this is meant.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Refused(format!("{question} Say --yes where nobody can be asked")));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") { Ok(()) } else { Err(Failure::Refused("then nothing is done".to_owned())) }
}
