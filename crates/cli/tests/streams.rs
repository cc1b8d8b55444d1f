//! Programs from standard input, artifacts to standard output, and what `build` does to devices, pipes and links. All of
//! these are in a folder of the test's own: nothing here names a device of the machine, but behind a link.

mod common;

use common::{command, fails, hatchery, succeeds};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};

const HELLO: &str = r#"(module (func (export "answer") (result i32) (i32.const 42)))"#;

/// A directory with `hello.wat` in it.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("hello.wat"), HELLO).expect("a file");
    directory
}

/// Runs the command with this on its standard input, which is a pipe.
fn fed(at: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut command = command(at, args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawn");
    let mut pipe = child.stdin.take().expect("a pipe");
    // It may end without reading all.
    let _ = pipe.write_all(input);
    drop(pipe);
    child.wait_with_output().expect("output")
}

#[test]
fn a_device_behind_a_link_is_written_to_and_stays() {
    let directory = directory();
    let at = directory.path();
    symlink("/dev/null", at.join("null")).expect("a link");
    for options in [&[][..], &["--init"]] {
        succeeds(&hatchery(at, &[&["build", "hello.wat", "-o", "null"], options].concat()), "");
        assert_eq!(fs::read_link(at.join("null")).expect("still a link"), Path::new("/dev/null"));
    }
    symlink("/dev/full", at.join("full")).expect("a link");
    fails(&hatchery(at, &["build", "hello.wat", "-o", "full"]), 1, &["cannot write `full`", "No space left"]);
}

#[test]
fn a_pipe_gets_the_artifact_and_stays() {
    let directory = directory();
    let at = directory.path();
    let pipe = at.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    succeeds(&hatchery(at, &["build", "hello.wat"]), "");
    let mut bytes = fs::read(at.join("hello.hatch")).expect("bytes");
    assert!(bytes.len() < 1 << 16, "more than a pipe takes");
    // Open for both, nobody waits for anybody.
    let mut both = File::options().read(true).write(true).open(&pipe).expect("a pipe");
    succeeds(&hatchery(at, &["build", "hello.wat", "-o", "pipe"]), "");
    assert!(!fs::metadata(&pipe).expect("metadata").is_file());
    both.read_exact(&mut bytes).expect("all of it");
    fs::write(at.join("piped"), bytes).expect("a file");
    succeeds(&hatchery(at, &["run", "--invoke", "answer", "piped"]), "42\n");
}

#[test]
fn standard_output_by_its_name_is_the_file_that_it_is() {
    let directory = directory();
    let at = directory.path();
    symlink("/proc/self/fd/1", at.join("out")).expect("a link");
    let file = File::create(at.join("hello.hatch")).expect("a file");
    let built = command(at, &["build", "hello.wat", "-o", "out"]).stdout(file).status().expect("status");
    assert!(built.success());
    assert_eq!(fs::read_link(at.join("out")).expect("still a link"), Path::new("/proc/self/fd/1"));
    succeeds(&hatchery(at, &["run", "--invoke", "answer", "hello.hatch"]), "42\n");
    // A pipe is what it is, as well.
    let output = hatchery(at, &["build", "hello.wat", "-o", "out"]);
    assert!(output.stdout == fs::read(at.join("hello.hatch")).expect("bytes"), "{:?}", output.status);
}

#[test]
fn programs_come_from_standard_input_and_artifacts_go_to_standard_output() {
    let directory = directory();
    let at = directory.path();
    succeeds(&fed(at, &["run", "--invoke", "answer", "-"], HELLO.as_bytes()), "42\n");
    for options in [&[][..], &["--init"]] {
        let built = fed(at, &[&["build", "-", "-o", "-"], options].concat(), HELLO.as_bytes());
        assert_eq!(built.status.code(), Some(0), "{built:?}");
        succeeds(&fed(at, &["run", "--invoke", "answer", "-"], &built.stdout), "42\n");
        let inspected = fed(at, &["inspect", "--verify", "-"], &built.stdout);
        assert!(String::from_utf8_lossy(&inspected.stdout).contains("func answer"), "{inspected:?}");
        fails(&fed(at, &["build", "-", "-o", "x"], &built.stdout), 1, &["`-` is an artifact already"]);
    }
    assert!(!at.join("-").exists() && !at.join("-.hatch").exists());
    fails(&fed(at, &["build", "-"], HELLO.as_bytes()), 1, &["name one with -o"]);
    let script = b"(assert_invalid (module (func (result i32))) \"type mismatch\")";
    succeeds(&fed(at, &["wast", "-"], script), "1 passed, 0 failed, 0 skipped\n");
    // A file of that name is still one.
    fs::copy(at.join("hello.wat"), at.join("-")).expect("a file");
    succeeds(&hatchery(at, &["run", "--invoke", "answer", "./-"]), "42\n");
    symlink("/proc/self/fd/0", at.join("in")).expect("a link");
    fails(&fed(at, &["build", "in"], HELLO.as_bytes()), 1, &["`in` is no file", "name one with -o"]);
    assert!(!at.join("in.hatch").exists());
}
