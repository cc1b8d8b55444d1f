//! `hatchery inspect` of an artifact that knows what its instances write.

mod common;

use hatchery::{Allocation, Config, Engine, Linker, Module, Pooling};
use std::process::Command;

const PROGRAM: &str = r#"(module (memory 20) (data (i32.const 0) "contents")
    (func (export "write") (i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 1000000) (i32.const 1))))"#;

#[test]
fn what_was_learned_is_shown_as_text_and_as_a_picture() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(Pooling::new(1)))).expect("an engine");
    let module = Module::new(&engine, PROGRAM).expect("a module");
    let prepared = Linker::new(&engine).prepare(&module).expect("prepared");
    let mut instance = prepared.instantiate(()).expect("an instance");
    instance.func::<(), ()>("write").expect("an export").call(&mut instance, ()).expect("a call");
    drop(instance);
    module.save(directory.path().join("plain.hatch")).expect("saved");
    let learned = module.with_learned(&prepared.learned()).expect("learned");
    learned.save(directory.path().join("learned.hatch")).expect("saved");
    let inspect = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
        let output = command.arg("inspect").args(args).current_dir(directory.path()).output().expect("output");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let picture = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("a picture");
    let text = inspect(&["plain.hatch", "--heat-map", "plain.svg"]);
    assert!(text.contains("working set, none learned"), "{text}");
    assert!(picture("plain.svg").contains("0 pages written"));
    let text = inspect(&["learned.hatch", "--heat-map", "learned.svg"]);
    assert!(text.contains("working set, 2 pages of 4096 bytes"), "{text}");
    let drawn = picture("learned.svg");
    assert!(
        drawn.starts_with("<svg ") && drawn.contains("memory 0: from ") && drawn.contains(", 2 pages written"),
        "{drawn}"
    );
    assert!(drawn.contains(": stored and written</title>") && drawn.contains(": written</title>"), "{drawn}");
    assert!(inspect(&["learned.hatch", "--json"]).contains("\"working_set\": [\n"));
}

#[test]
fn a_picture_takes_the_place_of_no_program() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let inspect = |args: &[&str]| common::hatchery(at, &[&["inspect"], args].concat());
    std::fs::write(at.join("app.wat"), PROGRAM).expect("a file");
    std::fs::write(at.join("other.wat"), PROGRAM).expect("a file");
    common::fails(&inspect(&["--heat-map", "app.wat", "app.wat"]), 1, &["the picture would replace `app.wat`"]);
    common::fails(&inspect(&["--heat-map", "other.wat", "app.wat"]), 1, &["cannot write the picture `other.wat`"]);
    for name in ["app.wat", "other.wat"] {
        assert_eq!(std::fs::read_to_string(at.join(name)).expect("text"), PROGRAM);
    }
    assert_eq!(inspect(&["--heat-map", "app.svg", "app.wat"]).status.code(), Some(0));
    let picture = std::fs::read_to_string(at.join("app.svg")).expect("a picture");
    common::succeeds(&inspect(&["--heat-map", "-", "app.wat"]), &picture);
    assert!(!at.join("-").exists());
    common::fails(&inspect(&["--json", "--heat-map", "-", "app.wat"]), 1, &["standard output is for the JSON"]);
}
