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
    for (i, frame) in error.backtrace().iter().enumerate() {
        let offset = frame.offset().map_or_else(|| "?".into(), |offset| format!("{offset:#x}"));
        let module = frame.module().unwrap_or("<unknown>");
        let function = match frame.name() {
            Some(name) => rustc_demangle::demangle(name).to_string(),
            None => format!("<wasm function {}>", frame.function()),
        };
        text.push_str(&format!("{i:5}: {offset:>8} - {module}!{function}\n"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(TRAPPED)
}
