//! What differs between instances that start from the same snapshot.

use super::*;

const KEYED: &str = r#"(module
    (import "hatchery:snapshot" "generation" (func $generation (result i64)))
    (global $key (mut i64) (i64.const 1)) (global $draws (mut i64) (i64.const 0)) (global $ready (mut i64) (i64.const 0))
    (func $start (global.set $key (i64.const 2)))
    (start $start)
    (func $draw (global.set $key (call $generation)) (global.set $draws (i64.add (global.get $draws) (i64.const 1))))
    (func (export "_initialize") (global.set $ready (i64.add (global.get $ready) (i64.const 1))))
    (export "hatchery-reseed" (func $draw))
    (func (export "more") (global.set $ready (i64.add (global.get $ready) (i64.const 10))))
    (func (export "ask") (global.set $key (call $generation)))
    (func (export "generation") (result i64) (call $generation))
    (func (export "key") (result i64) (global.get $key))
    (func (export "draws") (result i64) (global.get $draws))
    (func (export "ready") (result i64) (global.get $ready)))"#;

fn i64_of(instance: &mut Instance<()>, name: &str) -> i64 {
    match call(instance, name, &[]).as_deref() {
        Ok([Val::I64(value)]) => *value,
        other => panic!("`{name}` gave {other:?}"),
    }
}

#[test]
fn every_instance_has_a_number_of_its_own() {
    let engine = engine();
    let module = module(&engine, KEYED);
    let (mut a, mut b) = (instance(&engine, &module), instance(&engine, &module));
    assert_eq!(i64_of(&mut a, "generation") as u64, a.generation());
    assert_eq!(i64_of(&mut a, "generation") as u64, a.generation(), "it stays");
    assert_ne!(a.generation(), b.generation());
    assert_ne!(a.generation(), 0);
    assert_eq!(i64_of(&mut a, "draws"), 0, "nothing was restored");
}

#[test]
fn an_instance_of_a_snapshot_draws_again_before_anything_else() {
    let engine = engine();
    let (module, report) = snapshot(&engine, KEYED);
    assert_eq!((report.steps_run(), report.steps_left()), (1, 0));
    assert!(module.has_run("_initialize") && !module.has_run(Module::RESEED));
    for _ in 0..2 {
        let mut instance = instance(&engine, &module);
        assert_eq!(i64_of(&mut instance, "draws"), 1);
        assert_eq!(i64_of(&mut instance, "key") as u64, instance.generation());
        assert_eq!(i64_of(&mut instance, "ready"), 1);
    }
}

#[test]
fn a_snapshot_of_a_snapshot_draws_once_and_contains_no_draw() {
    let engine = engine();
    let linker = Linker::<()>::new(&engine);
    let (once, _) = snapshot(&engine, KEYED);
    let (twice, report) = once.snapshot(&linker, SnapshotOptions::new().export("more"), || ()).expect("a snapshot");
    assert_eq!(report.exports().collect::<Vec<_>>(), ["more"], "{report:#}");
    assert!(twice.has_run("_initialize") && twice.has_run("more") && !twice.has_run(Module::RESEED));
    let mut instance = instance(&engine, &twice);
    assert_eq!([i64_of(&mut instance, "draws"), i64_of(&mut instance, "ready")], [1, 11]);
    let plan = twice.inspect().plan;
    assert_eq!(plan.iter().filter(|step| !step.done).count(), 1);
    assert!(plan.last().is_some_and(|step| step.action == "call an export, `draw`"), "{plan:?}");
}

/// Draws what `_initialize` must have made room for, and takes down in which order that was.
const REACTOR: &str = r#"(module (import "host" "now" (func $now (result i32)))
    (global $log (mut i64) (i64.const 0))
    (func $note (param i64) (global.set $log (i64.add (i64.mul (global.get $log) (i64.const 10)) (local.get 0))))
    (func $start (call $note (i64.const 1))) (start $start)
    (func (export "_initialize") (call $note (i64.const 2)) (drop (call $now)))
    (func (export "hatchery-reseed") (call $note (i64.const 3)))
    (func (export "log") (result i64) (global.get $log)))"#;

#[test]
fn a_hook_comes_behind_initialize_even_where_no_call_of_that_was_kept() {
    let engine = engine();
    let linker = host(&engine, &Arc::default());
    let whole = module(&engine, REACTOR);
    let (left, report) = whole.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!(report.stopped().and_then(|stop| stop.export().map(str::to_owned)).as_deref(), Some("_initialize"));
    assert!(!whole.has_run("_initialize") && left.has_run("_initialize") && !left.has_run(Module::RESEED));
    let log = |module: &Module| {
        i64_of(&mut linker.prepare(module).expect("prepared").instantiate(()).expect("an instance"), "log")
    };
    assert_eq!(log(&left), 123);
    // A snapshot of that one can keep the call, or leave it again.
    let options = || SnapshotOptions::new().imports(InitImports::Record);
    let (kept, report) = left.snapshot(&linker, options(), || ()).expect("a snapshot");
    assert_eq!(report.exports().collect::<Vec<_>>(), ["_initialize"], "{report:#}");
    let (again, report) = left.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!(report.exports().len(), 0, "{report:#}");
    for (module, open) in [(&kept, 1), (&again, 2)] {
        assert_eq!((log(module), module.has_run("_initialize")), (123, true));
        assert_eq!(module.inspect().plan.iter().filter(|step| !step.done).count(), open);
    }
}

#[test]
fn the_number_is_in_no_snapshot() {
    let engine = engine();
    let linker = Linker::<()>::new(&engine);
    for imports in [InitImports::Deny, InitImports::Record] {
        let options = SnapshotOptions::new().export("ask").imports(imports);
        let (module, report) = module(&engine, KEYED).snapshot(&linker, options, || ()).expect("a snapshot");
        let stopped = report.stopped().expect("it asked");
        assert_eq!((stopped.export(), stopped.import()), (Some("ask"), Some(("hatchery:snapshot", "generation"))));
        assert!(!module.has_run("ask"));
    }
    for name in ["hatchery:snapshot", "hatchery:snapshot/generation"] {
        let options = SnapshotOptions::new().imports(InitImports::Allow(vec![name.into()]));
        let error = module(&engine, KEYED).snapshot(&linker, options, || ()).expect_err("each instance's own");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("`generation` cannot be allowed during initialization"), "{error}");
    }
}

#[test]
fn a_hook_that_traps_is_the_end_of_the_instance() {
    let engine = engine();
    let text = r#"(module (func $start) (start $start) (func (export "hatchery-reseed") unreachable))"#;
    let (module, _) = snapshot(&engine, text);
    let error =
        Linker::<()>::new(&engine).prepare(&module).expect("prepared").instantiate(()).expect_err("no instance");
    assert_eq!(error.trap(), Some(Trap::Unreachable));
}

#[test]
fn a_hook_of_another_type_is_none() {
    let engine = engine();
    let text = r#"(module (func $start) (start $start) (func (export "hatchery-reseed") (param i32) unreachable))"#;
    let (module, _) = snapshot(&engine, text);
    assert!(!module.has_hook(Module::RESEED));
    instance(&engine, &module);
}
