//! Output for operators: results on standard output, everything else on standard error.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// Prints a result as text, or as one line of JSON.
pub(crate) fn result(json: bool, answer: &impl Serialize, text: &str) -> Result<(), Failure> {
    let json = if json { Some(serde_json::to_string(answer).map_err(io::Error::other)?) } else { None };
    line(json.as_deref().unwrap_or(text))
}

/// Prints one or more lines on standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()?;
    Ok(())
}

/// Replaces the screen with this text on a terminal; elsewhere prints it below an empty line.
pub(crate) fn redraw(text: &str) -> Result<(), Failure> {
    // Moving the cursor up by lines fails if the terminal has wrapped one.
    let place = if io::stdout().is_terminal() { "\x1b[2J\x1b[H" } else { "\n" };
    write!(io::stdout(), "{place}")?;
    line(text)
}

/// Prints a note that is not a result.
pub(crate) fn print_note(json: bool, text: &str) {
    print_line(&if json { json!({ "note": text }).to_string() } else { text.to_owned() });
}

/// Prints the failure of a command as text or JSON, and returns the exit code.
pub(crate) fn exit_code_of(result: Result<(), Failure>, json: bool) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_error(json, &failure);
            failure.exit_code()
        }
    }
}

/// Prints the reason of a failure.
fn print_error(json: bool, failure: &Failure) {
    let (error, message) = failure.parts();
    print_line(&if json {
        json!({ "error": error, "message": message }).to_string()
    } else {
        format!("error: {failure}")
    });
}

fn print_line(line: &str) {
    // Standard error may be closed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Asks for confirmation. Refuses without a terminal or on any answer but `y` or `yes`.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Refused(format!("{question} Use --yes without a terminal")));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") { Ok(()) } else { Err(Failure::Refused("not confirmed".to_owned())) }
}
