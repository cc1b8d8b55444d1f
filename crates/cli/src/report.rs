//! Messages for people, in the form that cargo's users know.

use crate::shown::lines;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// The status of a process that was stopped by a trap, as a shell reports SIGABRT.
pub(crate) const TRAPPED: u8 = 134;

/// Whether standard error is a terminal that wants colours.
pub(crate) fn wants_colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !plain && !dumb && std::io::stderr().is_terminal()
}

/// `error:`, in bold red where colours are wanted.
fn label() -> &'static str {
    if wants_colours() { "\x1b[1;31merror\x1b[0m\x1b[1m:\x1b[0m" } else { "error:" }
}

/// Prints a message to standard error.
fn print(message: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{} {}", label(), lines(message));
}

/// Prints the error and what caused it.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    let mut text = error.to_string();
    let causes = causes(error);
    if !causes.is_empty() {
        text.push_str("\n\nCaused by:");
    }
    for line in causes.iter().flat_map(|cause| cause.lines()) {
        text.push_str(&format!("\n  {line}"));
    }
    print(&text);
    ExitCode::FAILURE
}

/// What caused an error, without what the message above it ends with.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut above = error.to_string();
    let mut told = |cause: &(dyn std::error::Error + 'static)| {
        let text = cause.to_string();
        let is_new = !above.ends_with(&text);
        above.clone_from(&text);
        is_new.then_some(text)
    };
    error.chain().skip(1).filter_map(&mut told).collect()
}

/// Prints a trap with the guest's backtrace.
pub(crate) fn trap(file: &str, error: &hatchery::Error) -> ExitCode {
    let backtrace = backtrace(error.backtrace(), error.backtrace_is_truncated());
    print(&format!("`{file}` was stopped: {error}{backtrace}"));
    ExitCode::from(TRAPPED)
}

/// The frames, a line each, in front of which a line begins. Recursion shows as one frame and how often it was there.
fn backtrace(frames: &[hatchery::Frame], truncated: bool) -> String {
    let mut text = String::new();
    if !frames.is_empty() {
        text.push_str("\n\nwasm backtrace:");
    }
    let mut at = 0;
    for same in frames.chunk_by(|a, b| a == b) {
        text.push_str(&format!("\n{at:5}: {}", frame(&same[0])));
        at += same.len();
        match same.len() {
            1 => {}
            // What was not kept may be the same.
            times if truncated && at == frames.len() => text.push_str(&format!(" (at least {times} times)")),
            times => text.push_str(&format!(" ({times} times in all)")),
        }
    }
    if truncated {
        text.push_str("\n       ... more frames further out");
    }
    text
}

fn frame(frame: &hatchery::Frame) -> String {
    let offset = frame.offset().map_or_else(|| "?".into(), |offset| format!("{offset:#x}"));
    format!("{offset:>8} - {}", frame.place())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn each_cause_is_told_once() {
        #[derive(Debug)]
        struct Told(io::Error);
        impl std::fmt::Display for Told {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "cannot create a file: {}", self.0)
            }
        }
        impl std::error::Error for Told {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = anyhow::Error::new(Told(io::Error::other("no room"))).context("cannot write `x`");
        assert_eq!(causes(&error), ["cannot create a file: no room"]);
        let untold = anyhow::Error::new(io::Error::other("no room")).context("cannot write `x`");
        assert_eq!(causes(&untold), ["no room"]);
    }
}
