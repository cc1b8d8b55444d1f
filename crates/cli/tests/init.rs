//! `hatchery build --init`: what is stored, what is left, and what is said about it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn hatchery(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.args(args).current_dir(directory).env_remove("HATCHERY_LOG");
    command.env("HATCHERY_CACHE_DIR", directory.join("cache")).output().expect("output")
}

/// A directory with this program in it.
fn directory(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("p.wat"), text).expect("a file");
    directory
}

/// Builds the program with these options; gives the report.
#[track_caller]
fn build(at: &Path, options: &[&str]) -> String {
    let output = hatchery(at, &[&["build"], options, &["p.wat"]].concat());
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(output.stdout.is_empty());
    err
}

/// As [`build`], of what cannot be done: gives what is said.
#[track_caller]
fn refused(at: &Path, options: &[&str]) -> String {
    let output = hatchery(at, &[&["build"], options, &["p.wat"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!at.join("p.hatch").exists(), "nothing is written");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn calls(at: &Path, file: &str, export: &str) -> String {
    let output = hatchery(at, &["run", "--invoke", export, file]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

/// Everything that initialization can change: memory and its size, globals of each type, tables, dropped segments.
const STATE: &str = r#"(module
    (memory (export "memory") 1 4) (data $d "\07")
    (table $t 2 8 funcref) (elem $e func $one) (elem declare func $one $two)
    (global $i32 (mut i32) (i32.const 0)) (global $i64 (mut i64) (i64.const 0)) (global $f32 (mut f32) (f32.const 0))
    (global $f64 (mut f64) (f64.const 0)) (global $v128 (mut v128) (v128.const i64x2 0 0))
    (global $ref (mut funcref) (ref.null func))
    (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
    (type $f (func (result i32)))
    (func $start (drop (memory.grow (i32.const 1))))
    (start $start)
    (func (export "wizer.initialize")
      (i32.store (i32.const 70000) (i32.const 11))
      (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop $d) (elem.drop $e)
      (drop (table.grow $t (ref.null func) (i32.const 1))) (table.set $t (i32.const 2) (ref.func $two))
      (global.set $i32 (i32.add (global.get $i32) (i32.const 1))) (global.set $i64 (i64.const 2))
      (global.set $f32 (f32.const 3)) (global.set $f64 (f64.const 4)) (global.set $v128 (i64x2.splat (i64.const 5)))
      (global.set $ref (ref.func $one)))
    (func (export "sum") (result i32)
      (i32.add (i32.add (i32.load (i32.const 70000)) (i32.load8_u (i32.const 0)))
        (i32.add (i32.mul (memory.size) (i32.const 100)) (i32.mul (table.size $t) (i32.const 1000)))))
    (func (export "globals") (result f64)
      (f64.add (f64.add (f64.convert_i32_s (global.get $i32)) (f64.convert_i64_s (global.get $i64)))
        (f64.add (f64.add (f64.promote_f32 (global.get $f32)) (global.get $f64))
          (f64.add (f64.convert_i64_s (i64x2.extract_lane 1 (global.get $v128)))
            (f64.convert_i32_s (ref.is_null (global.get $ref)))))))
    (func (export "called") (result i32) (call_indirect $t (type $f) (i32.const 2)))
    (func (export "dropped") (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))))"#;

#[test]
fn a_program_starts_where_its_initialization_ended() {
    let directory = directory(STATE);
    let at = directory.path();
    let report = build(at, &["--init"]);
    contains(&report, &["ran 1 step of initialization, called `wizer.initialize`", "grew from 65536 to 131072 bytes"]);
    assert_eq!(calls(at, "p.hatch", "sum"), "3218");
    assert_eq!(calls(at, "p.hatch", "globals"), "15");
    assert_eq!(calls(at, "p.hatch", "called"), "2");
    let trapped = hatchery(at, &["run", "--invoke", "dropped", "p.hatch"]);
    assert_eq!(trapped.status.code(), Some(134), "a dropped segment stays dropped: {trapped:?}");
    // Without the option, nothing has run.
    let report = build(at, &["-o", "plain"]);
    assert!(report.is_empty(), "{report}");
    assert_eq!(calls(at, "plain", "sum"), "2200");
}

#[test]
fn inspect_shows_how_far_it_is() {
    let directory = directory(STATE);
    let at = directory.path();
    build(at, &["--init"]);
    let output = hatchery(at, &["inspect", "--verify", "p.hatch"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    contains(
        &text,
        &["plan, 3 of 3 steps done", "call the start function, `start` (done)", "call an export, function 3 (done)"],
    );
    contains(&text, &["every hash is right"]);
}

const PRINTS: &str = r#"(module $printer
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 8) "\10\00\00\00\06\00\00\00hello\n")
    (global $n (mut i32) (i32.const 0))
    (func $say (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))))
    (func $start (global.set $n (i32.const 1)))
    (start $start)
    (func (export "wizer.initialize") (global.set $n (i32.const 2)) (call $say))
    (func (export "quiet") (global.set $n (i32.const 3)))
    (func (export "n") (result i32) (global.get $n)))"#;

#[test]
fn an_import_that_is_not_allowed_is_undone_and_reported_with_its_caller() {
    let directory = directory(PRINTS);
    let at = directory.path();
    let report = build(at, &["--init"]);
    contains(&report, &["ran 1 step", "did not keep the call of `wizer.initialize`", "p!say called the import"]);
    contains(&report, &["`wasi_snapshot_preview1` `fd_write`, which is not allowed"]);
    contains(&report, &["wasm backtrace:", "0: ", "p!say", "1: "]);
    assert_eq!(calls(at, "p.hatch", "n"), "1", "what the export did is undone");
    // An export that calls nothing is kept.
    contains(&build(at, &["--init=quiet"]), &["called `quiet`"]);
    assert_eq!(calls(at, "p.hatch", "n"), "3");
}

#[test]
fn output_at_build_time_refuses_the_snapshot() {
    let directory = directory(PRINTS);
    let at = directory.path();
    for name in ["wasi_snapshot_preview1/fd_write", "wasi_snapshot_preview1.fd_write"] {
        let message = refused(at, &["--init", "--init-allow", name]);
        contains(&message, &["the snapshot is refused", "6 bytes were written to standard output"]);
    }
}

#[test]
fn what_cannot_be_asked_for_is_an_error() {
    let directory = directory(PRINTS);
    let at = directory.path();
    contains(&refused(at, &["--init=nothing"]), &["there is no exported function `nothing`"]);
    contains(&refused(at, &["--init=n"]), &["`n` cannot initialize"]);
    contains(&refused(at, &["--init", "--init-timeout", "1s"]), &["not compiled to be stopped by a deadline"]);
    contains(
        &refused(at, &["--init", "--init-allow", "wasi_snapshot_preview1/fd_writ"]),
        &["no import of the program"],
    );
    let output = hatchery(at, &["build", "--init-allow", "a", "p.wat"]);
    assert_eq!(output.status.code(), Some(2), "only with --init: {output:?}");
}

#[test]
fn steps_that_trap_or_never_end_are_left() {
    let directory = directory(
        r#"(module $m (global $n (mut i32) (i32.const 0))
            (func $spin (loop (br 0))) (func $fail unreachable)
            (func (export "spin") (global.set $n (i32.const 1)) (call $spin))
            (func (export "fail") (global.set $n (i32.const 1)) (call $fail))
            (func (export "n") (result i32) (global.get $n)))"#,
    );
    let at = directory.path();
    let not_kept = "so nothing is written";
    contains(&refused(at, &["--init=fail"]), &["did not keep the call of `fail`", "unreachable", "p!fail", not_kept]);
    let fuel = ["--init=spin", "--interruption", "fuel", "--init-fuel", "1000"];
    contains(&refused(at, &fuel), &["did not keep the call of `spin`", "fuel", "p!spin", not_kept]);
    let deadline = ["--init=spin", "--interruption", "deadline", "--init-timeout", "50ms"];
    contains(&refused(at, &deadline), &["did not keep the call of `spin`", "deadline", "p!spin", not_kept]);
    // A function that was not asked for by its name is left out.
    fs::write(
        at.join("p.wat"),
        r#"(module (global $n (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $n (i32.const 1)))
        (func (export "wizer.initialize") (global.set $n (i32.const 2)) unreachable)
        (func (export "n") (result i32) (global.get $n)))"#,
    )
    .expect("a file");
    contains(&build(at, &["--init"]), &["did not keep the call of `wizer.initialize`", "unreachable"]);
    assert_eq!(calls(at, "p.hatch", "n"), "1");
}

#[test]
fn an_export_that_is_named_and_not_reached_is_an_error() {
    let directory = directory(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
            (func (export "_initialize") (call $exit (i32.const 3)))
            (func (export "setup")))"#,
    );
    let at = directory.path();
    for options in [&["--init=setup"][..], &["--init=setup", "--init-allow", "wasi_snapshot_preview1"]] {
        let message = refused(at, options);
        contains(
            &message,
            &["did not keep the call of `_initialize`", "did not call `setup`, which comes behind that"],
        );
        contains(&message, &["no call of `setup` can be kept, so nothing is written"]);
    }
    contains(&build(at, &["--init"]), &["did not keep the call of `_initialize`"]);
}

#[test]
fn what_a_program_gave_up_is_not_open_because_it_was_not_there_at_build_time() {
    let directory = directory(
        r#"(module (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_prestat_get" (func $directory (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func $start (drop (call $close (i32.const 3)))) (start $start)
            (func (export "directory") (result i32) (call $directory (i32.const 3) (i32.const 0))))"#,
    );
    let at = directory.path();
    let report = build(at, &["--init", "--init-allow", "wasi_snapshot_preview1"]);
    contains(&report, &["left the start function", "`fd_close`, which is not allowed"]);
    for file in ["p.wat", "p.hatch"] {
        let output = hatchery(at, &["run", "--dir", ".", "--invoke", "directory", file]);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), "8", "{output:?}");
    }
}

#[test]
fn a_program_draws_again_behind_initialize_wherever_that_runs() {
    let directory = directory(
        r#"(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1) (global $heap (mut i32) (i32.const 0))
            (func $start) (start $start)
            (func (export "_initialize")
              (global.set $heap (i32.add (global.get $heap) (i32.const 1024))) (drop (call $random (i32.const 0) (i32.const 8))))
            (func (export "hatchery-reseed")
              (if (i32.eqz (global.get $heap)) (then unreachable)) (drop (call $random (global.get $heap) (i32.const 8))))
            (func (export "heap") (result i32) (global.get $heap)))"#,
    );
    let at = directory.path();
    contains(&build(at, &["--init"]), &["did not keep the call of `_initialize`"]);
    assert_eq!(calls(at, "p.hatch", "heap"), "1024");
    contains(&build(at, &["--init", "--init-allow", "wasi_snapshot_preview1/random_get"]), &["called `_initialize`"]);
    assert_eq!(calls(at, "p.hatch", "heap"), "1024");
}

#[test]
fn an_open_descriptor_refuses_the_snapshot() {
    let directory = directory(
        r#"(module (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "wizer-initialize") (drop (call $close (i32.const 1)))))"#,
    );
    let message = refused(directory.path(), &["--init", "--init-allow", "wasi_snapshot_preview1/fd_close"]);
    contains(&message, &["the snapshot is refused", "the guest closed descriptor 1"]);
}

/// Asks for everything that differs between runs, and keeps the answers.
const ASKS: &str = r#"(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "seed") (drop (call $random (i32.const 0) (i32.const 8))))
    (func (export "look") (drop (call $environ (i32.const 16) (i32.const 20))) (i32.store8 (i32.const 24) (i32.const 1)))
    (func (export "drawn") (result i64) (i64.load (i32.const 0)))
    (func (export "variables") (result i32)
      (i32.add (i32.load (i32.const 16)) (i32.mul (i32.const 100) (i32.load8_u (i32.const 24)))))
    HOOK)"#;

#[test]
fn entropy_and_the_environment_are_not_allowed_by_the_name_of_their_module() {
    let directory = directory(&ASKS.replace("HOOK", ""));
    let at = directory.path();
    let all = ["--init-allow", "wasi_snapshot_preview1"];
    contains(
        &refused(at, &[&["--init=seed"], &all[..]].concat()),
        &["did not keep", "`random_get`, which is not allowed"],
    );
    contains(&refused(at, &[&["--init=look"], &all[..]].concat()), &["did not keep", "`environ_sizes_get`"]);
    // Named by itself, the environment is fixed: it is empty.
    build(at, &["--init=look", "--init-allow", "wasi_snapshot_preview1/environ_sizes_get"]);
    assert_eq!(calls(at, "p.hatch", "variables"), "100");
    fs::remove_file(at.join("p.hatch")).expect("removed");
    let message = refused(at, &["--init=seed", "--init-allow", "wasi_snapshot_preview1/random_get"]);
    contains(&message, &["`random_get` cannot be allowed", "hatchery-reseed"]);
}

#[test]
fn a_program_that_draws_again_may_draw_at_build_time() {
    let directory = directory(&ASKS.replace("HOOK", r#"(export "hatchery-reseed" (func 2))"#));
    let at = directory.path();
    let options = ["--init=seed", "--init-allow", "wasi_snapshot_preview1/random_get"];
    contains(
        &build(at, &options),
        &["called `seed`", "called the import `wasi_snapshot_preview1` `random_get` 1 time"],
    );
    let (one, other) = (calls(at, "p.hatch", "drawn"), calls(at, "p.hatch", "drawn"));
    assert_ne!(one, other, "each run draws for itself");
    let first = fs::read(at.join("p.hatch")).expect("bytes");
    build(at, &options);
    assert!(first == fs::read(at.join("p.hatch")).expect("bytes"), "building twice gives the same file");
}

#[test]
fn what_takes_long_to_compute_is_computed_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/precompute.wat").display().to_string();
    let output = hatchery(at, &["build", "--init", "-o", "p.hatch", &guest]);
    contains(&String::from_utf8_lossy(&output.stderr), &["called `wizer.initialize`"]);
    let answers = ["first", "longest"].map(|name| calls(at, "p.hatch", name));
    // 2^40 is halved forty times.
    assert_eq!(answers[0], "40");
    assert_eq!(answers, ["first", "longest"].map(|name| calls(at, &guest, name)), "as if it had been computed");
}
