//! Components as a user of the command meets them: built, run from artifacts and the cache, called, initialized, inspected.

mod common;

use common::{contains, fails, hatchery, succeeds};
use std::fs;
use std::path::{Path, PathBuf};

/// A guest that is too large to keep, or is kept elsewhere; it is looked for where the guests' README says.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn guest(name: &str) -> Option<String> {
    let folder = std::env::var_os("HATCHERY_GUESTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests"));
    let path = folder.join(name);
    if !path.exists() {
        eprintln!("left out: there is no {}", path.display());
        return None;
    }
    Some(path.display().to_string())
}

/// A component with a counter that starts at a number of its own, a command, and an interface.
const COUNTER: &str = r#"
;; A component in the text format.
(component
  (import "wasi:cli/environment@0.2.3" (instance $environment
    (export "initial-cwd" (func (result (option string))))))
  (import "wasi:random/random@0.2.3" (instance $random (export "get-random-u64" (func (result u64)))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
  (core instance $libc (instantiate $libc))
  (core func $cwd (canon lower (func $environment "initial-cwd")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $random (canon lower (func $random "get-random-u64")))
  (core module $main
    (import "host" "cwd" (func $cwd (param i32)))
    (import "host" "random" (func $random (result i64)))
    (global $n (mut i32) (i32.const 0))
    (func $begin (global.set $n (i32.const 40)))
    (start $begin)
    (func (export "add") (param i32) (result i32)
      (global.set $n (i32.add (global.get $n) (local.get 0))) (global.get $n))
    (func (export "initialize") (global.set $n (i32.add (global.get $n) (i32.const 1000))))
    (func $ask (export "ask") (call $cwd (i32.const 32)) (global.set $n (i32.add (global.get $n) (i32.const 2000))))
    (func (export "draw") (drop (call $random)) (global.set $n (i32.add (global.get $n) (i32.const 4000))))
    (func (export "fail") (unreachable))
    (func (export "spin") (loop (br 0)))
    (func (export "run") (result i32) (i32.ne (global.get $n) (i32.const 40))))
  (core instance $main (instantiate $main (with "host" (instance
    (export "cwd" (func $cwd)) (export "random" (func $random))))))
  (func $add (param "by" u32) (result u32) (canon lift (core func $main "add")))
  (func $initialize (canon lift (core func $main "initialize")))
  (func $ask (canon lift (core func $main "ask")))
  (func $draw (canon lift (core func $main "draw")))
  (func $fail (canon lift (core func $main "fail")))
  (func $spin (canon lift (core func $main "spin")))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (export "add" (func $add))
  (export "wizer-initialize" (func $initialize))
  (export "fail" (func $fail))
  (export "spin" (func $spin))
  (instance $setup (export "ask" (func $ask)) (export "draw" (func $draw)) (export "add" (func $add)))
  (export "test:counter/setup@1.2.0" (instance $setup))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $command)))"#;

/// A directory with `counter.wat` in it.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("counter.wat"), COUNTER).expect("a file");
    directory
}

#[test]
fn what_is_built_runs() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "counter.wat"]), "");
    fs::remove_file(at.join("counter.wat")).expect("removed");
    fs::rename(at.join("counter.hatch"), at.join("program")).expect("renamed");
    succeeds(&hatchery(at, &["run", "program"]), "");
    succeeds(&hatchery(at, &["run", "--invoke", "add(2)", "program"]), "42\n");
    fails(&hatchery(at, &["run", "--invoke", "fail()", "program"]), 134, &["was stopped", "unreachable", "backtrace"]);
    assert!(!at.join("cache").exists(), "an artifact needs no cache");
    fails(&hatchery(at, &["build", "program"]), 1, &["is an artifact already"]);
}

#[test]
fn artifacts_can_be_stopped_if_they_were_built_for_it() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "counter.wat"]), "");
    let run = |option: &str, value: &str| hatchery(at, &["run", option, value, "--invoke", "spin()", "counter.hatch"]);
    fails(&run("--timeout", "50ms"), 1, &["--timeout cannot stop", "--interruption deadline"]);
    for (interruption, option, value) in [("deadline", "--timeout", "50ms"), ("fuel", "--fuel", "10000")] {
        succeeds(&hatchery(at, &["build", "--interruption", interruption, "counter.wat"]), "");
        fails(&run(option, value), 134, &["was stopped"]);
    }
    // Without an artifact, the option decides how it is compiled.
    fails(&hatchery(at, &["run", "--fuel", "10000", "--invoke", "spin()", "counter.wat"]), 134, &["fuel"]);
}

#[test]
fn texts_that_do_not_parse_are_named() {
    let directory = directory();
    let at = directory.path();
    fs::write(at.join("bad.wat"), "(component (core module)").expect("a file");
    for verb in ["run", "build", "inspect"] {
        fails(&hatchery(at, &[verb, "bad.wat"]), 1, &["cannot compile `bad.wat`", "--> bad.wat:1:25"]);
    }
}

/// Where the description of the component is in an artifact.
fn description(artifact: &[u8]) -> usize {
    let start = artifact.windows(4).position(|bytes| bytes == b"cm\0\x02").expect("a description");
    assert_eq!(artifact.windows(4).skip(start + 1).position(|bytes| bytes == b"cm\0\x02"), None);
    start
}

#[test]
fn a_changed_description_is_an_error_or_a_component() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "counter.wat"]), "");
    let whole = fs::read(at.join("counter.hatch")).expect("bytes");
    let start = description(&whole);
    let run = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = whole.clone();
        change(&mut bytes[start..]);
        fs::write(at.join("bad"), bytes).expect("a file");
        hatchery(at, &["run", "--invoke", "add(2)", "bad"])
    };
    fails(&run(&|bytes| bytes[3] = 9), 1, &["cannot run `bad`", "version 9", "build it again"]);
    fails(&run(&|bytes| bytes[0] = 0), 1, &["cannot run `bad`", "no component"]);
    let mut refused = 0;
    for position in (4..200).step_by(2) {
        let output = run(&|bytes| bytes[position] ^= 0x15);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1 | 134)), "{position}: {output:?}");
        assert!(!err.contains("panicked"), "{position}: {err}");
        refused += usize::from(err.contains("the component's description is damaged"));
    }
    assert!(refused > 10, "{refused}");
    // Verification finds what opening does not ask.
    run(&|bytes| bytes[4] ^= 1);
    fails(&hatchery(at, &["inspect", "--verify", "bad"]), 1, &[]);
}

fn entries(at: &Path) -> Vec<PathBuf> {
    let Ok(list) = fs::read_dir(at.join("cache")) else { return Vec::new() };
    let mut paths: Vec<_> = list.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_second_run_finds_what_the_first_compiled() {
    let directory = directory();
    let at = directory.path();
    let run = |options: &[&str]| hatchery(at, &[&["run"], options, &["--invoke", "add(2)", "counter.wat"]].concat());
    succeeds(&run(&["--no-cache"]), "42\n");
    assert!(entries(at).is_empty());
    succeeds(&run(&[]), "42\n");
    let first = entries(at);
    assert_eq!(first.len(), 1);
    let bytes = fs::read(&first[0]).expect("an entry");
    succeeds(&run(&[]), "42\n");
    assert_eq!(entries(at), first);
    // Other choices are another entry; another source as well.
    succeeds(&run(&["--fuel", "1000"]), "42\n");
    assert_eq!(entries(at).len(), 2);
    fs::write(at.join("counter.wat"), COUNTER.replace("i32.const 40", "i32.const 50")).expect("a file");
    succeeds(&run(&[]), "52\n");
    assert_eq!(entries(at).len(), 3);
    // What was made of something else is not taken for it, whatever its name.
    for entry in entries(at) {
        fs::write(entry, &bytes).expect("a file");
    }
    succeeds(&run(&[]), "52\n");
    // An entry whose description is damaged is made again.
    for entry in entries(at) {
        let mut bytes = fs::read(&entry).expect("an entry");
        let start = description(&bytes);
        bytes[start + 4..start + 200].fill(0xff);
        fs::write(entry, &bytes).expect("a file");
    }
    succeeds(&run(&[]), "52\n");
}

#[test]
fn processes_share_the_cache() {
    let directory = directory();
    let at = directory.path();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    succeeds(&hatchery(at, &["run", "--invoke", "add(2)", "counter.wat"]), "42\n");
                }
            });
        }
    });
    assert_eq!(entries(at).len(), 1);
}

#[test]
fn functions_are_called_by_their_names_and_messages_say_which_there_are() {
    let directory = directory();
    let at = directory.path();
    let invoke = |call: &str| hatchery(at, &["run", "--invoke", call, "counter.wat"]);
    succeeds(&invoke("add(1)"), "41\n");
    for name in ["ask", "setup.ask", "test:counter/setup.ask", "test:counter/setup@1.2.0.ask", "setup#ask", "run.run"] {
        let result = if name == "run.run" { "ok\n" } else { "()\n" };
        succeeds(&invoke(&format!("{name}()")), result);
    }
    succeeds(&invoke("test:counter/setup@1.0.0.add(1)"), "41\n");
    fails(&invoke("sub(1)"), 1, &["no exported function `sub`", "`add(by: u32) -> u32`", "`wizer-initialize()`"]);
    fails(&invoke("add"), 1, &["cannot call a function of `counter.wat`", "`add(by: u32) -> u32`"]);
    fails(&invoke("add(x)"), 1, &["`x` at character 5", "expected u32"]);
    fails(&invoke("add(1, 2)"), 1, &["takes 1 arguments, but 2 were given"]);
    fails(&hatchery(at, &["run", "--invoke", "f", "counter.wat", "1"]), 1, &["no exported function `f`"]);
    let library = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func (export "f") (canon lift (core func $i "f"))))"#;
    fs::write(at.join("library.wat"), library).expect("a file");
    fails(&hatchery(at, &["run", "library.wat"]), 1, &["`library.wat` is no command", "--invoke"]);
    fs::write(at.join("module.wat"), "(module (func (export \"f\")))").expect("a file");
    fails(&hatchery(at, &["run", "--invoke", "f()", "module.wat"]), 1, &["follow the file", "`f`"]);
}

/// Builds the component with these options; gives the report.
#[track_caller]
fn build(at: &Path, options: &[&str]) -> String {
    let output = hatchery(at, &[&["build"], options, &["counter.wat"]].concat());
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{err}");
    err
}

fn added(at: &Path) -> String {
    let output = hatchery(at, &["run", "--invoke", "add(0)", "counter.hatch"]);
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[test]
fn initialization_runs_what_is_recognized_or_named() {
    let directory = directory();
    let at = directory.path();
    let report = build(at, &["--init"]);
    contains(&report, &["initialization: ran ", "called `wizer-initialize`"]);
    assert_eq!(added(at), "1040");
    let inspected = hatchery(at, &["inspect", "--verify", "counter.hatch"]);
    let text = String::from_utf8_lossy(&inspected.stdout).into_owned();
    contains(&text, &["call an export, ", "every hash is right"]);
    for name in ["wizer-initialize", "setup.ask", "test:counter/setup#ask"] {
        let report = build(at, &[&format!("--init={name}"), "--init-allow", "wasi:cli/environment/initial-cwd"]);
        let (called, sum) =
            if name.contains("ask") { ("#ask`", "2040") } else { ("called `wizer-initialize`", "1040") };
        contains(&report, &[called]);
        assert_eq!(added(at), sum, "{report}");
    }
}

#[test]
fn an_import_that_is_not_allowed_is_undone_and_reported_with_its_caller() {
    let directory = directory();
    let at = directory.path();
    let refused = |options: &[&str]| hatchery(at, &[&["build"], options, &["counter.wat"]].concat());
    let denied = "called the import `wasi:cli/environment@0.2.3` `initial-cwd`, which is not allowed";
    let not_kept = "no call of `setup.ask` can be kept, so nothing is written";
    fails(
        &refused(&["--init=setup.ask"]),
        1,
        &["did not keep the call of `test:counter/setup@1.2.0#ask`", denied, "ask", not_kept],
    );
    assert!(!at.join("counter.hatch").exists(), "nothing is written");
    // With its interface, what depends on the deployment is not allowed; by its own name it is.
    fails(&refused(&["--init=ask", "--init-allow", "wasi:cli/environment"]), 1, &[denied]);
    let report = build(at, &["--init=ask", "--init-allow", "wasi:cli/environment@0.2.3/initial-cwd"]);
    contains(&report, &["called the import `wasi:cli/environment@0.2.3` `initial-cwd` 1 time"]);
    assert_eq!(added(at), "2040");
    fails(
        &refused(&["--init=draw", "--init-allow", "wasi:random/random/get-random-u64"]),
        1,
        &["`get-random-u64` cannot be allowed", "hatchery-reseed"],
    );
    fails(&refused(&["--init", "--init-allow", "wasi:cli/stdin"]), 1, &["`wasi:cli/stdin` is no import"]);
    fails(&refused(&["--init=nope"]), 1, &["no exported function `nope`"]);
    fails(&refused(&["--init=setup.add"]), 1, &["cannot initialize", "parameters or a result"]);
}

#[test]
fn a_function_that_traps_at_build_time_is_not_kept() {
    let directory = directory();
    let at = directory.path();
    let refused = |options: &[&str]| hatchery(at, &[&["build"], options, &["counter.wat"]].concat());
    fails(&refused(&["--init=fail"]), 1, &["did not keep the call of `fail`", "unreachable", "nothing is written"]);
    let options = ["--init=spin", "--interruption", "fuel", "--init-fuel", "10000"];
    fails(&refused(&options), 1, &["did not keep the call of `spin`", "fuel", "nothing is written"]);
    assert!(!at.join("counter.hatch").exists(), "nothing is written");
}

/// Has a resource of its host behind its initialization, unless it drops it.
fn holder(drop: &str) -> String {
    format!(
        r#"(component
          (import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
          (alias export $error "error" (type $error))
          (import "wasi:io/streams@0.2.3" (instance $streams
            (alias outer 1 $error (type $e)) (export "output-stream" (type (sub resource)))))
          (alias export $streams "output-stream" (type $stream))
          (import "wasi:cli/stdout@0.2.3" (instance $stdout
            (alias outer 1 $stream (type $s)) (export "output-stream" (type $s' (eq $s)))
            (export "get-stdout" (func (result (own $s'))))))
          (core func $get (canon lower (func $stdout "get-stdout")))
          (core func $drop (canon resource.drop $stream))
          (core module $m
            (import "host" "get" (func $get (result i32)))
            (import "host" "drop" (func $drop (param i32)))
            (global $n (mut i32) (i32.const 0))
            (func (export "initialize") (global.set $n (i32.const 7)) (call $get) {drop})
            (func (export "n") (result i32) (global.get $n)))
          (core instance $i (instantiate $m (with "host" (instance
            (export "get" (func $get)) (export "drop" (func $drop))))))
          (func (export "wizer-initialize") (canon lift (core func $i "initialize")))
          (func (export "n") (result u32) (canon lift (core func $i "n"))))"#
    )
}

#[test]
fn a_resource_that_is_held_refuses_the_snapshot() {
    let directory = directory();
    let at = directory.path();
    let build = |text: String, options: &[&str]| {
        fs::write(at.join("holder.wat"), text).expect("a file");
        hatchery(at, &[&["build"], options, &["holder.wat"]].concat())
    };
    let allowed = ["--init", "--init-allow", "wasi:cli/stdout"];
    fails(&build(holder("drop"), &allowed), 1, &["the snapshot is refused", "resource `output-stream`"]);
    assert!(!at.join("holder.hatch").exists(), "nothing is written");
    // Who may call a function of the interface may give back what it returned.
    let output = build(holder("call $drop"), &allowed);
    succeeds(&output, "");
    succeeds(&hatchery(at, &["run", "--invoke", "n()", "holder.hatch"]), "7\n");
}

#[test]
fn a_component_holds_so_many_resources_as_it_is_let() {
    let directory = directory();
    let at = directory.path();
    // Takes one each time, and keeps it.
    let text = holder("drop").replace("(call $get) drop)", "(loop (br_if 0 (i32.lt_u (call $get) (i32.const 1000)))))");
    fs::write(at.join("holder.wat"), text).expect("a file");
    let run = |options: &[&str]| {
        hatchery(at, &[&["run"], options, &["--invoke", "wizer-initialize()", "holder.wat"]].concat())
    };
    fails(&run(&["--max-resources", "10"]), 1, &["the guest holds 10 WASI resources, as many as it may"]);
    succeeds(&run(&[]), "()\n");
}

#[test]
fn inspect_shows_the_world_and_the_core_instances() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "counter.wat"]), "");
    for file in ["counter.hatch", "counter.wat"] {
        let output = hatchery(at, &["inspect", "--verify", "--heat-map", "slot.svg", file]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        contains(
            &text,
            &[
                "every hash is right",
                "  import wasi:cli/environment@0.2.3 {\n    initial-cwd: func() -> option<string>;\n  }\n",
                "  export add: func(by: u32) -> u32;\n",
                "  export test:counter/setup@1.2.0 {\n    ask: func();\n",
                "core instances\n  [0] ",
                "memory 0",
                "plan, ",
            ],
        );
        assert!(fs::read_to_string(at.join("slot.svg")).expect("a picture").contains("A slot of counter"));
        let output = hatchery(at, &["inspect", "--json", file]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(json["kind"], "component");
        assert_eq!(json["world"]["imports"][1]["name"], "wasi:random/random@0.2.3");
        assert_eq!(json["world"]["exports"][0]["type"], "func(by: u32) -> u32");
        assert_eq!(json["world"]["exports"][4]["items"][2]["name"], "add");
        assert!(json["core_instances"].as_array().is_some_and(|list| list.len() >= 2));
    }
}

#[test]
fn a_real_command_behaves_the_same_from_its_artifact() {
    let Some(file) = guest("rust-cli-kitchen.wasm") else { return };
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", &file, "-o", "kitchen"]), "");
    for program in [&*file, "kitchen", &file] {
        let output = hatchery(at, &["run", program, "args", "one", "two"]);
        contains(&String::from_utf8_lossy(&output.stdout), &["one", "two"]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(hatchery(at, &["run", program, "panic"]).status.code(), Some(134));
        fs::create_dir_all(at.join("data")).expect("a directory");
        let output = hatchery(at, &["run", "--dir", "data::/work", program, "fs", "/work"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(entries(at).len(), 1);
}

#[test]
fn real_functions_take_and_return_all_kinds_of_values() {
    let Some(file) = guest("rust-calc-provider.wasm") else { return };
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", &file, "-o", "calc"]), "");
    let invoke = |call: &str| hatchery(at, &["run", "--invoke", call, "calc"]);
    succeeds(&invoke("add(2, -3)"), "-1\n");
    succeeds(&invoke("demo:calc/ops@0.1.0.add(2, -3)"), "-1\n");
    succeeds(&invoke(r#"ops.concat(["a", "b", "ć"])"#), "\"abć\"\n");
    succeeds(&invoke("centroid([{x: 0, y: 2}, {y: 6, x: 4}])"), "ok({x: 2, y: 4})\n");
    succeeds(&invoke("centroid([])"), "err(\"empty\")\n");
    succeeds(&invoke(r#"describe(text("héllo"))"#), "(\"héllo\", some(6), {cat})\n");
    succeeds(&invoke("describe(pts([{x: 1, y: 1}]))"), "(\"pts\", some(1), {add, mul})\n");
    succeeds(&invoke("describe(%none)"), "(\"none\", none, {})\n");
    fails(&invoke("centroid([{x: 0}])"), 1, &["missing field \"y\"", "expected record { x: f64, y: f64 }"]);
    fails(&invoke("describe(number(1))"), 1, &["unknown case \"number\""]);
    fails(&invoke("[constructor]acc(1)"), 1, &["passes a resource"]);
    let Some(composed) = guest("rust-composed-wac.wasm") else { return };
    let output = hatchery(at, &["run", "--invoke", "run-it(5)", &composed]);
    contains(&String::from_utf8_lossy(&output.stdout), &["5 abć (2.0, 4.0) empty 1011 \\\"héllo\\\" Some(6)"]);
}
