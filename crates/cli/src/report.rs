//! Messages for people, in the form that cargo's users know.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// The status of a process that was stopped by a trap, as a shell reports SIGABRT.
pub(crate) const TRAPPED: u8 = 134;

/// `error:` in bold red where standard error is a terminal that wants colours.
fn label() -> &'static str {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stderr().is_terminal() && !plain { "\x1b[1;31merror\x1b[0m\x1b[1m:\x1b[0m" } else { "error:" }
}

/// Prints the error and what caused it.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("{} {error}\n", label());
    let mut causes = error.chain().skip(1).peekable();
    if causes.peek().is_some() {
        text.push_str("\nCaused by:\n");
    }
    for cause in causes {
        for line in cause.to_string().lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    // With standard error closed there is nobody left to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

/// Prints a trap with the guest's backtrace.
pub(crate) fn trap(file: &str, error: &hatchery::Error) -> ExitCode {
    let mut text = format!("{} `{file}` was stopped: {error}\n", label());
    if !error.backtrace().is_empty() {
        text.push_str("\nwasm backtrace:\n");
    }
    let mut at = 0;
    // Recursion shows as one frame and how often it was there.
    for same in error.backtrace().chunk_by(|a, b| a == b) {
        text.push_str(&format!("{at:5}: {}", frame(&same[0])));
        if same.len() > 1 {
            text.push_str(&format!(" ({} times in all)", same.len()));
        }
        text.push('\n');
        at += same.len();
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(TRAPPED)
}

fn frame(frame: &hatchery::Frame) -> String {
    let offset = frame.offset().map_or_else(|| "?".into(), |offset| format!("{offset:#x}"));
    format!("{offset:>8} - {}", frame.place())
}
