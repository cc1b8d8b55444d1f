//! What tests of the command share: running it, and looking at how it ended.

use std::path::Path;
use std::process::{Command, Output};

/// The command in a directory that has its cache, too.
pub(crate) fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command
        .args(args)
        .current_dir(directory)
        .env_remove("HATCHERY_LOG")
        .env("HATCHERY_CACHE_DIR", directory.join("cache"));
    command
}

/// Runs the command in a directory that has its cache, too.
pub(crate) fn hatchery(directory: &Path, args: &[&str]) -> Output {
    command(directory, args).output().expect("output")
}

/// It succeeded and printed exactly this.
#[track_caller]
pub(crate) fn succeeds(output: &Output, stdout: &str) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!(out, stdout, "{err}");
}

/// It ended with this status and said all of this.
#[track_caller]
pub(crate) fn fails(output: &Output, code: i32, stderr: &[&str]) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{err}");
    contains(&err, stderr);
}

/// All parts are in the text.
#[track_caller]
pub(crate) fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}
