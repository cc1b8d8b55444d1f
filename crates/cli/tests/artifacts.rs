//! `hatchery build`, `run` of what it built, `inspect`, and the compilation cache, as a user meets them.

mod common;

use common::{hatchery, succeeds};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

#[track_caller]
fn fails(output: &Output, stderr: &[&str]) {
    common::fails(output, 1, stderr);
}

const ADD: &str = r#"(module
    (memory (export "memory") 1) (data (i32.const 0) "\2a")
    (func (export "add") (param i32 i32) (result i32)
      (i32.add (i32.load8_u (i32.const 0)) (i32.add (local.get 0) (local.get 1))))
    (func (export "spin") (loop (br 0))))"#;

/// A directory with `add.wat` in it.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("add.wat"), ADD).expect("a file");
    directory
}

fn guest(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests").join(name).display().to_string()
}

#[test]
fn what_is_built_runs() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "add.wat"]), "");
    succeeds(&hatchery(at, &["run", "--invoke", "add", "add.hatch", "1", "2"]), "45\n");
    // Its content says what it is, whatever its name; no source is needed.
    fs::remove_file(at.join("add.wat")).expect("removed");
    fs::rename(at.join("add.hatch"), at.join("program")).expect("renamed");
    succeeds(&hatchery(at, &["run", "--invoke", "add", "program", "1", "2"]), "45\n");
    assert!(!at.join("cache").exists(), "an artifact needs no cache");
}

#[test]
fn programs_behave_the_same_from_their_artifacts() {
    let directory = directory();
    let at = directory.path();
    let artifact = at.join("kitchen.hatch").display().to_string();
    succeeds(&hatchery(at, &["build", &guest("c-kitchen-p1.wasm"), "-o", &artifact]), "");
    succeeds(&hatchery(at, &["run", &artifact, "echo", "a", "b c"]), "a b c\n");
    let output = hatchery(at, &["run", &artifact, "exit", "7"]);
    assert_eq!(output.status.code(), Some(7));
    let output = hatchery(at, &["run", &artifact, "abort"]);
    assert_eq!(output.status.code(), Some(134));
    // Names in backtraces are those of the source.
    assert!(String::from_utf8_lossy(&output.stderr).contains("c-kitchen-p1!"), "{output:?}");
}

#[test]
fn building_replaces_a_file_by_a_new_one() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "add.wat", "-o", "out"]), "");
    let old = fs::File::open(at.join("out")).expect("a file");
    let (inode, bytes) = (old.metadata().expect("metadata").ino(), fs::read(at.join("out")).expect("bytes"));
    succeeds(&hatchery(at, &["build", "--interruption", "fuel", "add.wat", "-o", "out"]), "");
    assert_ne!(fs::metadata(at.join("out")).expect("metadata").ino(), inode);
    let mut kept = Vec::new();
    std::io::Read::read_to_end(&mut { old }, &mut kept).expect("still there");
    assert!(kept == bytes);
    let names: Vec<_> = fs::read_dir(at).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn stopping_needs_code_that_can_be_stopped() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "add.wat"]), "");
    let run = |option: &str, value: &str| hatchery(at, &["run", option, value, "--invoke", "spin", "add.hatch"]);
    fails(
        &run("--timeout", "50ms"),
        &["--timeout cannot stop `add.hatch`", "build it again with `--interruption deadline`"],
    );
    fails(&run("--fuel", "1000"), &["--fuel cannot stop `add.hatch`", "build it again with `--interruption fuel`"]);
    for (interruption, option, value) in [("deadline", "--timeout", "50ms"), ("fuel", "--fuel", "1000")] {
        succeeds(&hatchery(at, &["build", "--interruption", interruption, "add.wat"]), "");
        let stopped = run(option, value);
        assert_eq!(stopped.status.code(), Some(134), "{stopped:?}");
        succeeds(&hatchery(at, &["run", "--invoke", "add", "add.hatch", "1", "2"]), "45\n");
    }
}

#[test]
fn artifacts_run_as_they_were_built() {
    let directory = directory();
    let at = directory.path();
    let options: [&[&str]; 4] = [
        &["--bounds", "explicit"],
        &["--cpu", "baseline"],
        &["--no-optimize", "--deterministic"],
        &["--cpu", "x86-64-v2"],
    ];
    for options in options {
        succeeds(&hatchery(at, &[&["build"], options, &["add.wat"]].concat()), "");
        succeeds(&hatchery(at, &["run", "--invoke", "add", "add.hatch", "1", "2"]), "45\n");
    }
    fails(&hatchery(at, &["build", "--cpu", "pentium-of-theseus", "add.wat"]), &["pentium-of-theseus", "not known"]);
}

#[test]
fn what_is_built_for_another_machine_is_not_run_on_this_one() {
    let directory = directory();
    let at = directory.path();
    // The newest there is: what this machine lacks of it, opening says.
    let output = hatchery(at, &["build", "--cpu", "sapphirerapids", "add.wat"]);
    succeeds(&output, "");
    let output = hatchery(at, &["run", "--invoke", "add", "add.hatch", "1", "2"]);
    if output.status.code() != Some(0) {
        fails(&output, &["cannot open `add.hatch`", "needs CPU features that this machine lacks"]);
    }
    // But looked at.
    let output = hatchery(at, &["inspect", "--verify", "add.hatch"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text.contains("avx512f") && text.contains("every hash is right"), "{text}");
}

#[test]
fn texts_that_do_not_parse_are_named() {
    let directory = directory();
    let at = directory.path();
    fs::write(at.join("bad.wat"), "(module (func)").expect("a file");
    for verb in ["run", "build", "inspect"] {
        fails(&hatchery(at, &[verb, "bad.wat"]), &["cannot compile `bad.wat`", "--> bad.wat:1:15"]);
    }
}

#[test]
fn files_that_are_no_artifacts_of_ours_are_named() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "add.wat"]), "");
    let whole = fs::read(at.join("add.hatch")).expect("bytes");
    let file = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(at.join("bad"), bytes).expect("a file");
        hatchery(at, &["run", "bad"])
    };
    fails(&file(&|bytes| bytes.truncate(bytes.len() - 1)), &["cannot open `bad`", "length"]);
    fails(&file(&|bytes| bytes.truncate(0x1000)), &["cannot open `bad`"]);
    fails(&file(&|bytes| bytes.truncate(0x100)), &["`bad` is no program", "only the beginning"]);
    fails(&file(&|bytes| bytes[0x210] = 0), &["format version 0", "build it again"]);
    fails(&file(&|bytes| bytes[0x400] ^= 1), &["cannot open `bad`", "checksum"]);
    fails(&file(&|bytes| bytes[0x200] ^= 1), &["`bad` is no program"]);
    // Damage where opening does not look is found by those who ask.
    let last = whole.len() - 1;
    file(&|bytes| bytes[last] ^= 1);
    fails(&hatchery(at, &["inspect", "--verify", "bad"]), &["`bad` is not what was written", "hash"]);
    let verified = hatchery(at, &["run", "--verify", "--invoke", "add", "bad", "1", "2"]);
    fails(&verified, &["`bad` is not what was written", "hash"]);
    succeeds(&hatchery(at, &["run", "--invoke", "add", "bad", "1", "2"]), "45\n");
    fails(&hatchery(at, &["build", "add.hatch"]), &["is an artifact already"]);
    fails(&hatchery(at, &["build", "add.wat", "-o", "add.wat"]), &["would replace"]);
    fails(&hatchery(at, &["build", "add.wat", "-o", "no/such/directory"]), &["cannot write"]);
}

#[test]
fn inspect_shows_what_is_there() {
    let directory = directory();
    let at = directory.path();
    succeeds(&hatchery(at, &["build", "add.wat"]), "");
    for file in ["add.hatch", "add.wat"] {
        let output = hatchery(at, &["inspect", "--verify", file]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        for part in [
            "made by",
            "every hash is right",
            ".hatchery.pages",
            "memory 0",
            "plan, 1 of 1 steps done",
            "func add: (i32, i32) -> (i32)",
        ] {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
        let output = hatchery(at, &["inspect", "--json", file]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(json["plan"]["cursor"], 1);
        assert_eq!(json["exports"][1]["name"], "add");
        assert_eq!(json["tunables"]["interruption"], "none");
        if file == "add.hatch" {
            assert_eq!(json["file_bytes"], fs::metadata(at.join(file)).expect("metadata").len());
        }
    }
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
    let run = |options: &[&str]| hatchery(at, &[&["run"], options, &["--invoke", "add", "add.wat", "1", "2"]].concat());
    succeeds(&run(&["--no-cache"]), "45\n");
    assert!(entries(at).is_empty());
    succeeds(&run(&[]), "45\n");
    let first = entries(at);
    let [entry] = &first[..] else { panic!("{first:?}") };
    let inode = fs::metadata(entry).expect("metadata").ino();
    succeeds(&run(&[]), "45\n");
    assert_eq!((entries(at), fs::metadata(entry).expect("metadata").ino()), (first.clone(), inode));
    // Other choices are another entry; another source as well.
    succeeds(&run(&["--fuel", "1000"]), "45\n");
    assert_eq!(entries(at).len(), 2);
    fs::write(at.join("add.wat"), ADD.replace("2a", "2b")).expect("a file");
    succeeds(&run(&[]), "46\n");
    assert_eq!(entries(at).len(), 3);
    // An entry that is no artifact is made again.
    entries(at).iter().for_each(|entry| fs::write(entry, b"noise").expect("a file"));
    succeeds(&run(&[]), "46\n");
    assert_eq!(entries(at).iter().filter(|entry| fs::metadata(entry).expect("metadata").len() > 5).count(), 1);
    succeeds(&hatchery(at, &["cache", "path"]), &format!("{}\n", at.join("cache").display()));
    succeeds(&hatchery(at, &["cache", "clear"]), "");
    assert!(entries(at).is_empty());
    assert!(at.join("cache").exists());
}

#[test]
fn without_a_usable_cache_programs_run_all_the_same() {
    let directory = directory();
    let at = directory.path();
    let run = || hatchery(at, &["run", "--invoke", "add", "add.wat", "1", "2"]);
    fs::write(at.join("cache"), b"").expect("a file in its place");
    succeeds(&run(), "45\n");
    fs::remove_file(at.join("cache")).expect("removed");
    fs::create_dir(at.join("cache")).expect("a directory");
    fs::set_permissions(at.join("cache"), fs::Permissions::from_mode(0o777)).expect("permissions");
    let output = run();
    succeeds(&output, "45\n");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert!(entries(at).is_empty(), "others could write there");
}

#[test]
fn processes_share_the_cache() {
    let directory = directory();
    let at = directory.path();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    succeeds(&hatchery(at, &["run", "--invoke", "add", "add.wat", "1", "2"]), "45\n");
                }
            });
        }
    });
    assert_eq!(entries(at).len(), 1);
}

#[test]
fn clearing_the_cache_leaves_what_was_built_beside_it() {
    let directory = directory();
    let at = directory.path();
    let here = |args: &[&str]| common::command(at, args).env("HATCHERY_CACHE_DIR", at).output().expect("output");
    succeeds(&here(&["build", "add.wat"]), "");
    succeeds(&here(&["run", "--invoke", "add", "add.wat", "1", "2"]), "45\n");
    let artifacts = || {
        let names = fs::read_dir(at).expect("a directory").map(|entry| entry.expect("entry").file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".hatch")).collect::<Vec<_>>()
    };
    assert_eq!(artifacts().len(), 2);
    succeeds(&here(&["cache", "clear"]), "");
    assert_eq!(artifacts(), ["add.hatch"]);
}
