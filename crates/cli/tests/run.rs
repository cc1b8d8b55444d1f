//! `hatchery run`, as a user runs it: output, exit status and messages.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests").join(name)
}

/// What the tests compile is none of the user's.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");

fn hatchery(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.args(args).env_remove("HATCHERY_LOG").env("HATCHERY_CACHE_DIR", CACHE);
    command
}

/// Runs a guest with these options in front of it and these arguments behind.
fn run_with(options: &[&str], guest_file: &str, args: &[&str], stdin: &[u8]) -> Output {
    let file = guest(guest_file);
    let mut command = hatchery(&["run"]);
    command.args(options).arg(file).args(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawn");
    // The guest may end without reading its input.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin);
    child.wait_with_output().expect("output")
}

fn run(guest_file: &str, args: &[&str]) -> Output {
    run_with(&[], guest_file, args, b"")
}

#[track_caller]
fn succeeds(output: &Output, stdout: &str) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!(out, stdout, "{err}");
}

#[track_caller]
fn fails(output: &Output, code: i32, stderr: &[&str]) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{err}");
    for part in stderr {
        assert!(err.contains(part), "`{part}` is missing in: {err}");
    }
}

const C: &str = "c-kitchen-p1.wasm";
const RUST: &str = "rust-kitchen-p1.wasm";
const SQLITE: &str = "c-sqlite-p1.wasm";

#[test]
fn c_kitchen_echo_exit_and_usage() {
    succeeds(&run(C, &["echo", "a", "b c"]), "a b c\n");
    fails(&run(C, &["exit", "7"]), 7, &[]);
    fails(&run(C, &[]), 2, &["usage"]);
    fails(&run(C, &["nonsense"]), 3, &[]);
}

#[test]
fn c_kitchen_cat_copies_what_it_reads() {
    let input: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
    let output = run_with(&[], C, &["cat"], &input);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == input);
}

#[test]
fn c_kitchen_env_qsort_and_clock() {
    succeeds(&run_with(&["--env", "A=1", "--env", "B=x=y"], C, &["env"], b""), "A=1\nB=x=y\n");
    succeeds(&run_with(&["--env", "A=1", "--env", "B=2", "--env", "A=3"], C, &["env"], b""), "A=3\nB=2\n");
    succeeds(&run(C, &["clock"]), "1\n");
    let output = run(C, &["qsort", "100000"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The same generator and the same selection, here.
    let mut x = 1u32;
    let mut values: Vec<i32> = (0..100_000)
        .map(|_| {
            x = x.wrapping_mul(1664525).wrapping_add(1013904223);
            (x >> 1) as i32
        })
        .collect();
    values.sort_unstable();
    let middle = f64::from(values[50_000]) / 3.0;
    assert_eq!(text, format!("{} {} {middle:.3}\n", values[0], values[99_999]));
}

#[test]
fn c_kitchen_files_stay_in_the_preopened_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("one"), "1").expect("a file");
    let host = dir.path().display().to_string();
    let option = format!("{host}::/data");
    succeeds(&run_with(&["--dir", &option], C, &["fs", "/data"], b""), "ello 5\n");
    assert!(!dir.path().join("c.txt").exists());
    let output = run_with(&["--dir", &option], C, &["ls", "/data"], b"");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.lines().any(|line| line == "one"), "{listed}");
    fails(&run_with(&["--dir", &option], C, &["ls", "/etc"], b""), 1, &["opendir"]);
    fails(&run_with(&["--dir", &option], C, &["ls", "/data/.."], b""), 1, &["opendir"]);
}

#[test]
fn c_kitchen_abort_is_a_trap_with_a_backtrace() {
    fails(&run(C, &["abort"]), 134, &["unreachable", "wasm backtrace:", "c-kitchen-p1!<wasm function "]);
}

#[test]
fn rust_kitchen_arguments_environment_and_input() {
    succeeds(&run(RUST, &["args", "a", "--b", "c d"]), "[\"a\", \"--b\", \"c d\"]\n");
    succeeds(&run_with(&["--env", "K=v"], RUST, &["env"], b""), "K=v\n");
    succeeds(&run_with(&[], RUST, &["cat"], b"some\ninput"), "some\ninput");
    succeeds(&run_with(&[], RUST, &["wc"], b"one two\nthree\n"), "2 3 14\n");
    succeeds(&run(RUST, &["clock"]), "clock ok\n");
    succeeds(&run(RUST, &["random"]), "true\n");
    fails(&run(RUST, &["exit", "9"]), 9, &[]);
    fails(&run(RUST, &[]), 2, &["usage"]);
}

#[test]
fn rust_kitchen_files() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("f"), "abc").expect("a file");
    std::fs::create_dir(dir.path().join("d")).expect("a directory");
    let option = format!("{}::data", dir.path().display());
    let size = std::fs::metadata(dir.path().join("d")).expect("metadata").len();
    succeeds(
        &run_with(&["--dir", &option], RUST, &["ls", "data"], b""),
        &format!("(\"d\", true, {size})\n(\"f\", false, 3)\n"),
    );
    succeeds(&run_with(&["--dir", &option], RUST, &["fs", "data"], b""), "fs ok\n");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a listing").count(), 2);
}

#[test]
fn rust_kitchen_computes_and_grows() {
    let output = run(RUST, &["sort", "10000"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with(" 1024\n"));
    succeeds(&run(RUST, &["grow", "64"]), "64\n");
    fails(&run_with(&["--max-memory", "16MiB"], RUST, &["grow", "64"], b""), 134, &["unreachable"]);
}

#[test]
fn rust_kitchen_panic_and_recursion_are_traps() {
    fails(&run(RUST, &["panic"]), 134, &["boom", "unreachable", "wasm backtrace:"]);
    // Its own stack, in its memory, ends before the host's does.
    fails(&run(RUST, &["recurse"]), 134, &["out of bounds memory access", "(at least ", "... more frames further out"]);
}

#[test]
fn a_spinning_program_stops_on_time() {
    let start = Instant::now();
    fails(&run_with(&["--timeout", "300ms"], RUST, &["spin"], b""), 134, &["deadline exceeded"]);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    fails(&run_with(&["--fuel", "10000000"], RUST, &["spin"], b""), 134, &["all fuel consumed"]);
}

#[test]
fn sqlite_answers_queries() {
    succeeds(&run(SQLITE, &[":memory:", "select 1+1"]), "2\n");
    let sql =
        "with recursive n(x) as (select 1 union all select x+1 from n where x < 1000) select sum(x), max(x) from n";
    succeeds(
        &run(SQLITE, &[":memory:", "create table t(a)", "insert into t values (42)", "select * from t", sql]),
        "42\n500500|1000\n",
    );
    fails(&run(SQLITE, &[":memory:", "select nonsense"]), 1, &["no such column"]);
}

#[test]
fn sqlite_keeps_a_database_in_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let option = format!("{}::/db", dir.path().display());
    let run = |sql: &str| run_with(&["--dir", &option], SQLITE, &["/db/t.db", sql], b"");
    succeeds(&run("create table t(a, b)"), "");
    succeeds(&run("insert into t values (1, 'x'), (2, 'y')"), "");
    succeeds(&run("select * from t order by a"), "1|x\n2|y\n");
    assert!(dir.path().join("t.db").metadata().expect("a database").len() > 0);
}

#[test]
fn a_reactor_is_initialized_and_its_exports_can_be_called() {
    succeeds(&run("c-reactor-p1.wasm", &[]), "");
    succeeds(&run_with(&["--invoke", "cmp"], "c-reactor-p1.wasm", &["0", "4"], b""), "0\n");
}

/// The Go program is too large to keep; it is looked for where the guests' README says.
#[test]
#[expect(clippy::print_stderr, reason = "says why it did nothing")]
fn go_kitchen_runs_if_it_is_there() {
    let folder = std::env::var_os("HATCHERY_GUESTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests"));
    let path = folder.join("go-kitchen-p1.wasm");
    if !path.exists() {
        eprintln!("skipped: there is no {}", path.display());
        return;
    }
    let file = path.to_str().expect("a path in UTF-8");
    let go = |args: &[&str]| run_with(&["--dir", "/::/"], file, args, b"");
    succeeds(&go(&["json", "a", "b"]), "{\"args\":[\"a\",\"b\"],\"n\":20000}\n");
    succeeds(&go(&["re"]), "b.a d.c\n");
    succeeds(&go(&["chan"]), "499500\n");
    succeeds(&go(&["sleep"]), "true\n");
    assert_eq!(go(&["gc"]).status.code(), Some(0));
    fails(&go(&["exit"]), 9, &[]);
    fails(&go(&["panic"]), 2, &["boom"]);
    fails(&go(&[]), 2, &["usage"]);
    let output = run_with(&[], file, &["wc"], b"a b\nc\n");
    succeeds(&output, "3\n");
}

#[test]
fn the_first_program_of_a_new_user_runs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello.wat");
    let output = hatchery(&["run"]).arg(file).output().expect("output");
    succeeds(&output, "Hello from a clean instance\n");
}

#[test]
fn what_follows_the_file_is_the_program_s() {
    let arguments = [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["--timeout", "5"],
        &["--env", "A=1"],
        &["--no-cache"],
        &["--no-such-option"],
        &["--"],
        &["--", "x"],
        &["-"],
        &["x", "--", "--help"],
    ];
    for args in arguments {
        succeeds(&run(C, &[&["echo"], args].concat()), &format!("{}\n", args.join(" ")));
    }
    // Directly behind the file, too, where the program finds no command of its own.
    for first in ["--help", "--", "--timeout", "--no-such-option"] {
        fails(&run(C, &[first]), 3, &[]);
        fails(&run_with(&["--no-cache", "--timeout", "1m"], C, &[first], b""), 3, &[]);
    }
    succeeds(&run_with(&["--"], C, &["echo", "--", "a"], b""), "-- a\n");
}

#[test]
fn behind_two_hyphens_a_file_may_look_like_an_option() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::copy(guest(C), directory.path().join("-x.wasm")).expect("a file");
    let run = |args: &[&str]| hatchery(&["run"]).args(args).current_dir(directory.path()).output().expect("output");
    succeeds(&run(&["--", "-x.wasm", "echo", "--", "a"]), "-- a\n");
    succeeds(&run(&["--no-cache", "--", "-x.wasm", "echo", "b"]), "b\n");
    fails(&run(&["-x.wasm", "echo", "a"]), 2, &["unexpected argument '-x"]);
    fails(&run(&["-x.wasm", "--", "a"]), 2, &["unexpected argument '-x"]);
}

#[test]
fn what_is_not_utf8_is_named() {
    let odd = OsStr::from_bytes(b"x\xff");
    let run = |change: &dyn Fn(&mut Command)| {
        let mut command = hatchery(&["run"]);
        change(&mut command);
        command.output().expect("output")
    };
    let file = guest(C);
    fails(
        &run(&|c| {
            c.args(["--env", "ODD"]).env("ODD", odd).arg(&file);
        }),
        2,
        &["host's value of `ODD` is not"],
    );
    fails(
        &run(&|c| {
            c.arg("--dir").arg(odd).arg(&file);
        }),
        2,
        &["--dir", "behind `::`"],
    );
    fails(
        &run(&|c| {
            c.arg(&file).arg("echo").arg(odd);
        }),
        2,
        &["arguments are UTF-8", "x\\xFF"],
    );
    // The host's names are its own business.
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join(odd)).expect("a directory");
    let option = [directory.path().join(odd).as_os_str(), OsStr::new("::/data")].join(OsStr::new(""));
    succeeds(
        &run(&|c| {
            c.arg("--dir").arg(&option).arg(&file).args(["ls", "/data"]);
        }),
        ".\n..\n",
    );
}

#[test]
fn tests_leave_the_user_s_cache_alone() {
    let output = hatchery(&["cache", "path"]).output().expect("output");
    succeeds(&output, &format!("{CACHE}\n"));
}

#[test]
fn an_option_that_there_is_not_is_refused_in_front_of_the_file() {
    let usage = "Usage: hatchery run [OPTIONS] <FILE> [ARGS]...";
    let output = run_with(&["--timout", "5s"], C, &["echo"], b"");
    fails(&output, 2, &["unexpected argument '--timout' found", "'--timeout'", usage]);
    let output = run_with(&["-x"], C, &["echo"], b"");
    fails(&output, 2, &["unexpected argument '-x' found", usage]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("tip:"), "{output:?}");
    fails(&hatchery(&["run"]).output().expect("output"), 2, &["<FILE>", usage]);
    fails(&hatchery(&["run", "--no-cache"]).output().expect("output"), 2, &["<FILE>", usage]);
    let help = hatchery(&["run", "--help"]).output().expect("output");
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(text.contains(usage) && text.contains("The program; what follows it"), "{text}");
}

#[test]
fn messages_say_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.display().to_string()
    };
    let run = |args: &[&str]| hatchery(&["run"]).args(args).output().expect("output");
    fails(&run(&["no-such-file.wasm"]), 1, &["error: cannot read `no-such-file.wasm`"]);
    fails(&run(&[&write("noise", &[0xff, 0xfe, 0])]), 1, &["is no WebAssembly"]);
    fails(&run(&[&write("cut.wasm", b"\0asm\x01\0\0\0\x01")]), 1, &["cannot compile", "offset"]);
    let import = write("import.wat", br#"(module (import "env" "missing" (func)) (func (export "_start")))"#);
    fails(&run(&[&import]), 1, &["cannot link", "`env`", "`missing`"]);
    let library = write(
        "library.wat",
        br#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#,
    );
    fails(&run(&[&library]), 1, &["no `_start`", "--invoke", "`add`"]);
    succeeds(&run(&["--invoke", "add", &library, "2", "-3"]), "-1\n");
    fails(&run(&["--invoke", "add", &library, "2"]), 1, &["takes 2 arguments, but 1 were given"]);
    fails(&run(&["--invoke", "add", &library, "2", "x"]), 1, &["`x` is no i32"]);
    fails(&run(&["--invoke", "sub", &library]), 1, &["no exported function `sub`", "`add`"]);
    fails(&run(&["--timeout", "10 parsecs", &library]), 2, &["unknown unit"]);
    fails(&run(&["--dir", "/no/such/dir", &library]), 1, &["cannot open the directory `/no/such/dir`"]);
    let gc = write("gc.wat", b"(module (type (struct (field i32))) (func (export \"_start\")))");
    fails(&run(&[&gc]), 1, &["gc", "not supported"]);
}

#[test]
fn a_component_is_a_command_if_it_exports_run() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let status = |core: &str| {
        let text = format!(
            r#"(component
                (core module $m (func (export "run") (result i32) {core}))
                (core instance $i (instantiate $m))
                (func $run (result (result)) (canon lift (core func $i "run")))
                (instance $exports (export "run" (func $run)))
                (export "wasi:cli/run@0.2.3" (instance $exports)))"#
        );
        let file = directory.path().join("command.wat");
        std::fs::write(&file, text).expect("a file");
        hatchery(&["run", "--net", "127.0.0.1:0"]).arg(file).output().expect("output").status.code()
    };
    assert_eq!(status("i32.const 0"), Some(0));
    assert_eq!(status("i32.const 1"), Some(1));
    assert_eq!(status("unreachable"), Some(134));
}

/// What tools that make core modules for a world leave in them: the world, as a component that exports it.
const COMMAND_WORLD: &str = r#"(component
    (@custom "wit-component-encoding" "\04\00")
    (type (component
        (type (component
            (type (instance
                (type (result))
                (type (func (result 0)))
                (export "run" (func (type 1)))))
            (export "wasi:cli/run@0.2.3" (instance (type 0)))))
        (export "test:command/command" (component (type 0)))))
    (export "command" (type 0)))"#;

#[test]
fn a_core_module_that_says_which_component_it_is_runs_as_one() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let world = wat::parse_str(COMMAND_WORLD).expect("is well-formed");
    let program = |module: &str| {
        let mut bytes = wat::parse_str(module).expect("is well-formed");
        let section = [&b"\x16component-type:command"[..], &world].concat();
        let length = section.len();
        assert!((128..1 << 14).contains(&length));
        bytes.extend([0, length as u8 | 0x80, (length >> 7) as u8]);
        bytes.extend(section);
        let file = directory.path().join("command.wasm");
        std::fs::write(&file, bytes).expect("a file");
        hatchery(&["run", "--no-cache"]).arg(file).output().expect("output")
    };
    let command = |core: &str| format!(r#"(module (func (export "wasi:cli/run@0.2.3#run") (result i32) {core}))"#);
    assert_eq!(program(&command("i32.const 0")).status.code(), Some(0));
    assert_eq!(program(&command("i32.const 1")).status.code(), Some(1));
    assert_eq!(program(&command("unreachable")).status.code(), Some(134));
    fails(&program("(module)"), 1, &["cannot be made a component", "run"]);
    // One that imports preview 1 runs as the module that it is, whatever it says.
    let both = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.const 7))))"#;
    assert_eq!(program(both).status.code(), Some(7));
}
