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

#[test]
fn without_a_directory_for_it_there_is_no_cache_and_that_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), r#"(module (func (export "_start")))"#).expect("a file");
    let run = |home: Option<(&str, &str)>| {
        let mut command = command(at, &["run", "p.wat"]);
        command.env_remove("HATCHERY_CACHE_DIR").env_remove("XDG_CACHE_HOME").env_remove("HOME").envs(home);
        command.env("HATCHERY_LOG", "warn").output().expect("output")
    };
    fails(&run(None), 0, &["WARN", "no compilation cache: none of HATCHERY_CACHE_DIR"]);
    fails(&run(Some(("HOME", "relative"))), 0, &["WARN", "no compilation cache", "absolute"]);
}

#[test]
fn a_component_for_another_host_is_told_which_package_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let functions: String = (0..9).map(|n| format!(r#"(export "f{n}" (func))"#)).collect();
    let lowered: String = (0..9).map(|n| format!(r#"(core func (canon lower (func $http "f{n}")))"#)).collect();
    let text = format!(r#"(component (import "wasi:http/types@0.2.0" (instance $http {functions})) {lowered})"#);
    fs::write(at.join("http.wat"), text).expect("a file");
    let output = hatchery(at, &["run", "http.wat"]);
    fails(&output, 1, &["cannot link `http.wat`: this host has no wasi:http", "`wasi:http/types@0.2.0` (9 functions)"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("f8"), "{output:?}");
    contains(&String::from_utf8_lossy(&hatchery(at, &["run", "--help"]).stdout), &["wasi:http"]);
}

#[test]
fn options_that_a_module_does_not_heed_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), r#"(module (func (export "_start")))"#).expect("a file");
    fails(&hatchery(at, &["run", "--net", "*:443", "p.wat"]), 1, &["--net is for components", "`p.wat`"]);
}

#[test]
fn an_export_that_counts_as_the_program_is_explained() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), r#"(module (func (export "init")))"#).expect("a file");
    fails(&hatchery(at, &["build", "--init", "init", "p.wat"]), 2, &["unexpected argument 'p.wat'", "'--init=init'"]);
    fails(&hatchery(at, &["build", "--init", "init"]), 1, &["no program `init`", "`--init=init`"]);
    fails(&hatchery(at, &["build", "--init=init", "p.wat"]), 0, &["called `init`"]);
    // Where nothing was named so, nothing is said of it.
    let output = hatchery(at, &["build", "p.wat", "other.wat"]);
    fails(&output, 2, &["unexpected argument 'other.wat'"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("--init"), "{output:?}");
}

#[test]
fn an_initialization_that_there_is_none_of_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), r#"(module (memory 1) (data (i32.const 0) "a") (func (export "_start")))"#)
        .expect("a file");
    let output = hatchery(at, &["build", "--init", "p.wat"]);
    fails(&output, 0, &["initialization: there was nothing to run", "`_start`", "never run at build time"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("ran 0"), "{output:?}");
    fs::write(at.join("r.wat"), r#"(module (func (export "_initialize")))"#).expect("a file");
    fails(&hatchery(at, &["build", "--init", "r.wat"]), 0, &["initialization: called `_initialize`"]);
}

#[test]
fn an_argument_that_is_no_text_is_refused_with_the_usage_of_run() {
    use std::os::unix::ffi::OsStrExt;
    let directory = tempfile::tempdir().expect("a directory");
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    let output = command(directory.path(), &["run", "p.wat"]).arg(odd).output().expect("output");
    fails(&output, 2, &["is not\n\nUsage: hatchery run [OPTIONS] <FILE> [ARGS]..."]);
}

#[test]
fn a_module_without_anything_to_call_is_told_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fs::write(at.join("p.wat"), "(module)").expect("a file");
    fails(&hatchery(at, &["run", "p.wat"]), 1, &["`p.wat` has no `_start`, and exports no function"]);
    fails(&hatchery(at, &["run", "--invoke", "f", "p.wat"]), 1, &["no exported function `f`; there is none"]);
}

#[test]
fn a_segment_that_does_not_fit_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let fields = [
        (r#"(memory 1) (data (i32.const 70000) "x")"#, "cannot write data segment 0 to memory 0 at 0x11170: "),
        ("(table 1 funcref) (func $f) (elem (i32.const 5) $f)", "cannot write element segment 0 to table 0 at 5: "),
    ];
    for (fields, said) in fields {
        fs::write(at.join("p.wat"), format!(r#"(module {fields} (func (export "_start")))"#)).expect("a file");
        fails(&hatchery(at, &["run", "p.wat"]), 134, &["`p.wat` was stopped", said, "out of bounds"]);
    }
}

#[test]
fn a_failure_is_no_success_whatever_its_status() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    for (status, expected) in [(0, 0), (3, 3), (256, 1), (259, 3), (-1, 255)] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        fs::write(at.join("p.wat"), text).expect("a file");
        assert_eq!(hatchery(at, &["run", "p.wat"]).status.code(), Some(expected), "{status}");
    }
}
