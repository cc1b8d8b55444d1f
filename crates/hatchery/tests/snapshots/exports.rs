//! Exports that are called at build time.

use super::*;

const EXPORTS: &str = r#"(module (import "host" "now" (func $now (result i32)))
    (global $log (mut i32) (i32.const 0))
    (func $note (param i32) (global.set $log (i32.add (i32.mul (global.get $log) (i32.const 10)) (local.get 0))))
    (func $start (call $note (i32.const 1))) (start $start)
    (func (export "_initialize") (call $note (i32.const 2)))
    (func (export "wizer.initialize") (call $note (i32.const 3)))
    (func (export "mine") (call $note (i32.const 4)))
    (func (export "asks") (call $note (i32.const 5)) (drop (call $now)))
    (func (export "wrong") (param i32)) (global (export "item") i32 (i32.const 0))
    (func (export "log") (result i32) (global.get $log)))"#;

#[test]
fn exports_run_once_in_order_and_the_module_remembers() {
    let engine = engine();
    let linker = host(&engine, &Arc::default());
    let whole = module(&engine, EXPORTS);
    let log = |module: &Module| {
        i32_of(&mut linker.prepare(module).expect("prepared").instantiate(()).expect("an instance"), "log")
    };
    assert_eq!((log(&whole), whole.has_run("_initialize")), (1, false));

    let (known, report) = whole.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!(report.exports().collect::<Vec<_>>(), ["_initialize", "wizer.initialize"]);
    assert_eq!(log(&known), 123);
    assert!(known.has_run("_initialize") && known.has_run("wizer.initialize") && !known.has_run("mine"));

    let mine = || SnapshotOptions::new().export("mine");
    let (named, _) = whole.snapshot(&linker, mine(), || ()).expect("a snapshot");
    assert_eq!(log(&named), 124);

    // What ran does not run again, and what did not can.
    let (again, report) = known.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((log(&again), report.exports().len()), (123, 0));
    let (more, _) = known.snapshot(&linker, mine(), || ()).expect("a snapshot");
    assert_eq!(log(&more), 1234);
    assert!(more.has_run("_initialize") && more.has_run("mine"));
}

#[test]
fn an_export_that_fails_is_as_if_it_had_not_been_called() {
    let engine = engine();
    let linker = host(&engine, &Arc::default());
    let options = SnapshotOptions::new().export("asks");
    let (module, report) = module(&engine, EXPORTS).snapshot(&linker, options, || ()).expect("a snapshot");
    let stop = report.stopped().expect("denied");
    assert_eq!((stop.export(), stop.import()), (Some("asks"), Some(("host", "now"))));
    assert!(report.to_string().contains("did not keep the call of `asks` of `program`"), "{report}");
    let mut instance = linker.prepare(&module).expect("prepared").instantiate(()).expect("an instance");
    assert_eq!(i32_of(&mut instance, "log"), 12);
    assert!(!module.has_run("asks"));
}

#[test]
fn an_export_behind_a_step_that_is_left_is_not_called() {
    let (engine, calls) = (engine(), Arc::default());
    let linker = host(&engine, &calls);
    let text =
        ASKS.replace(r#"(func (export "at")"#, r#"(func (export "_initialize") unreachable) (func (export "at")"#);
    let (module, report) = module(&engine, &text).snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((report.exports().len(), report.steps_left()), (0, 1));
    assert_eq!(report.stopped().and_then(|stop| stop.export().map(str::to_owned)), None);
    assert_eq!(report.not_called().collect::<Vec<_>>(), ["_initialize"]);
    assert!(report.to_string().ends_with("\ndid not call `_initialize`, which comes behind that"), "{report}");
    assert!(!module.has_run("_initialize"));
}

#[test]
fn an_export_that_was_given_up_before_what_it_follows_is_still_reported() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(0)));
    let linker = host(&engine, &calls);
    // The first attempt ends in the last export, the second in the one before it.
    let text = r#"(module (import "host" "now" (func $now (result i32)))
        (func $start) (start $start) (func (export "last") unreachable)
        (func (export "_initialize") (if (call $now) (then unreachable))))"#;
    let options = SnapshotOptions::new().imports(InitImports::Record).export("last");
    let (_, report) = module(&engine, text).snapshot(&linker, options, || ()).expect("a snapshot");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(report.stopped().and_then(|stop| stop.export().map(str::to_owned)).as_deref(), Some("_initialize"));
    assert_eq!(report.not_called().collect::<Vec<_>>(), ["last"]);
    assert_eq!((report.steps_run(), report.exports().len()), (1, 0));
}

#[test]
fn an_export_that_cannot_initialize_is_refused() {
    let engine = engine();
    let linker = host(&engine, &Arc::default());
    for (name, expected) in [
        ("missing", "there is no exported function `missing`"),
        ("item", "there is no exported function `item`"),
        ("wrong", "it has parameters or results"),
    ] {
        let error = module(&engine, EXPORTS).snapshot(&linker, SnapshotOptions::new().export(name), || ());
        let error = error.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_export_that_is_also_the_start_function_counts_as_its_own_call() {
    let engine = engine();
    let text = r#"(module (global $n (mut i32) (i32.const 0))
        (func $init (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1)))) (start $init)
        (func (export "n") (result i32) (global.get $n)))"#;
    assert!(!module(&engine, text).has_run("_initialize"));
    let (module, _) = snapshot(&engine, text);
    assert!(module.has_run("_initialize"));
    assert_eq!(i32_of(&mut instance(&engine, &module), "n"), 2);
}
