//! What is said, and what is not: guests choose names, and systems give reasons.

mod common;

use common::{command, contains, fails, hatchery, succeeds};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A name that clears the screen, sets a title, and adds a line.
const NAME: &str = r"\1b[2J\1b]0;owned\07\nerror: fake";

fn write(at: &Path, name: &str, text: &str) {
    fs::write(at.join(name), text.replace("NAME", NAME)).expect("a file");
}

#[test]
fn names_of_guests_tell_the_terminal_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    write(at, "frame.wat", r#"(module (func $"NAME" (export "_start") unreachable))"#);
    write(at, "import.wat", r#"(module (import "NAME" "NAME" (func)) (func (export "_start")))"#);
    write(at, "export.wat", r#"(module (func (export "NAME")))"#);
    write(at, "twice.wat", r#"(module (func (export "NAME")) (func (export "NAME")))"#);
    write(
        at,
        "init.wat",
        r#"(module $"NAME" (import "NAME" "x" (func $"NAME")) (func $start (call 0)) (start $start))"#,
    );
    write(at, "text.wat", "(module \u{1b}[2J)");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["run", "frame.wat"], 134, "wasm backtrace"),
        (&["run", "import.wat"], 1, "unknown import"),
        (&["run", "export.wat"], 1, "name one of its functions"),
        (&["run", "twice.wat"], 1, "duplicate export"),
        (&["build", "--init", "init.wat"], 0, "called the import"),
        (&["run", "text.wat"], 1, "cannot compile"),
    ];
    for (args, status, said) in cases {
        let output = hatchery(at, args);
        fails(&output, status, &[said]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("error: fake")), "{text}");
        assert!(text.contains(r"\u{1b}[2J"), "{text}");
    }
}

#[test]
fn a_backtrace_that_was_cut_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("deep.wat"), r#"(module $deep (func $f (export "_start") (call $f) (call $f)))"#)
        .expect("a file");
    let output = hatchery(at, &["run", "deep.wat"]);
    fails(&output, 134, &["stack", "deep!f (at least 12", "\n       ... more frames further out\n"]);
    let trap = r#"(module $few (func $f (param i32)
        (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))) (else (unreachable))))
        (func (export "_start") (call $f (i32.const 5))))"#;
    fs::write(at.join("few.wat"), trap).expect("a file");
    let text = String::from_utf8_lossy(&hatchery(at, &["run", "few.wat"]).stderr).into_owned();
    contains(&text, &["times in all)"]);
    assert!(!text.contains("at least") && !text.contains("more frames"), "{text}");
}

#[test]
fn a_reason_is_given_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), "(module)").expect("a file");
    let output = hatchery(at, &["build", "p.wat", "-o", "no/such"]);
    fails(&output, 1, &["cannot write `no/such`", "No such file or directory"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.matches("No such file").count(), 1, "{text}");
    for folder in [".", "..", "./", "/"] {
        fails(&hatchery(at, &["build", "p.wat", "-o", folder]), 1, &["cannot write `", "is a directory"]);
    }
}

#[test]
fn what_there_is_none_of_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("none.wat"), "(component)").expect("a file");
    let output = hatchery(at, &["run", "none.wat"]);
    fails(&output, 1, &["`none.wat` is no command", "there are none"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("there are:"), "{output:?}");
}

#[test]
fn a_limit_that_nothing_would_notice_is_refused_with_the_option_that_it_needs() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), "(module)").expect("a file");
    let build = |option: &[&str]| hatchery(at, &[&["build", "--init"], option, &["p.wat"]].concat());
    fails(&build(&["--init-timeout", "5s"]), 1, &["--init-timeout needs", "`--interruption deadline`"]);
    fails(&build(&["--init-fuel", "9", "--interruption", "deadline"]), 1, &["`--interruption fuel`"]);
    assert!(!at.join("p.hatch").exists());
    succeeds(&build(&["--init-timeout", "5s", "--interruption", "deadline"]), "");
}

#[test]
fn events_in_a_file_have_no_colours_and_help_says_how_to_get_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), r#"(module (func (export "_start")))"#).expect("a file");
    fs::create_dir(at.join("cache")).expect("a directory");
    fs::set_permissions(at.join("cache"), fs::Permissions::from_mode(0o777)).expect("permissions");
    let output = command(at, &["run", "p.wat"]).env("HATCHERY_LOG", "warn").output().expect("output");
    fails(&output, 0, &["WARN", "no compilation cache"]);
    assert!(!output.stderr.contains(&0x1b), "{output:?}");
    for help in [&["--help"][..], &["cache", "--help"]] {
        contains(&String::from_utf8_lossy(&hatchery(at, help).stdout), &["HATCHERY_LOG"]);
    }
}
