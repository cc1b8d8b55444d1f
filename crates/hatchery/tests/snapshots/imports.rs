//! What imports may do at build time, and what is kept when one may not.

use super::*;

#[test]
fn a_denied_import_leaves_its_step_to_every_instance() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(5)));
    let linker = host(&engine, &calls);
    let (module, report) = module(&engine, ASKS).snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((report.steps_run(), report.steps_left()), (0, 1));
    let stop = report.stopped().expect("denied");
    assert_eq!(stop.import(), Some(("host", "now")));
    let names: Vec<_> = stop.backtrace().iter().map(|frame| frame.name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("clock".to_owned()), Some("start".to_owned())]);
    let text = format!("{report:#}");
    assert!(text.contains("program!clock called the import `host` `now`, which is not allowed"), "{text}");
    assert_eq!(calls.load(Ordering::Relaxed), 5, "denied, not called");
    let prepared = linker.prepare(&module).expect("prepared");
    for expected in [5, 6] {
        assert_eq!(i32_of(&mut prepared.instantiate(()).expect("an instance"), "at"), expected);
    }
}

#[test]
fn an_allowed_import_is_called_once_and_reported() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(5)));
    let linker = host(&engine, &calls);
    for allowed in [vec!["host".to_owned()], vec!["other".to_owned(), "host/now".to_owned()]] {
        calls.store(5, Ordering::Relaxed);
        let options = SnapshotOptions::new().imports(InitImports::Allow(allowed));
        let (module, report) = module(&engine, ASKS).snapshot(&linker, options, || ()).expect("a snapshot");
        assert_eq!(report.steps_left(), 0);
        assert_eq!(report.imports().collect::<Vec<_>>(), [("host", "now", 1)]);
        let prepared = linker.prepare(&module).expect("prepared");
        let all = [0, 1].map(|_| i32_of(&mut prepared.instantiate(()).expect("an instance"), "at"));
        assert_eq!((all, calls.load(Ordering::Relaxed)), ([5, 5], 6));
    }
}

#[test]
fn a_denied_import_need_not_be_defined_and_an_allowed_one_must() {
    let engine = engine();
    let options = |imports| SnapshotOptions::new().imports(imports);
    let empty = Linker::<()>::new(&engine);
    let asks = module(&engine, ASKS);
    for imports in [InitImports::Deny, InitImports::Allow(vec!["host/pure".into()]), InitImports::Record] {
        let (_, report) = asks.snapshot(&empty, options(imports), || ()).expect("a snapshot");
        assert_eq!(
            report.stopped().and_then(|stop| stop.import().map(|(_, name)| name.to_owned())).as_deref(),
            Some("now")
        );
    }
    let error = asks.snapshot(&empty, options(InitImports::Allow(vec!["host".into()])), || ());
    let error = error.expect_err("not defined");
    assert_eq!(error.kind(), ErrorKind::Link);
    assert!(error.to_string().contains("`host` `now`"), "{error}");
}

#[test]
fn recording_calls_what_the_host_has_and_counts() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(0)));
    let text = r#"(module (import "host" "now" (func $now (result i32)))
        (import "host" "pure" (func $pure (param i32) (result i32))) (import "host" "never" (func))
        (global $sum (mut i32) (i32.const 0))
        (func $start (local $i i32)
          (loop $again
            (global.set $sum (i32.add (global.get $sum) (call $pure (call $now))))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4)))))
        (start $start) (func (export "sum") (result i32) (global.get $sum)))"#;
    let mut linker = host(&engine, &calls);
    let options = SnapshotOptions::new().imports(InitImports::Record);
    let (module, report) = module(&engine, text).snapshot(&linker, options, || ()).expect("a snapshot");
    assert_eq!(report.imports().collect::<Vec<_>>(), [("host", "now", 4), ("host", "pure", 4)]);
    linker.func("host", "never", || ()).expect("defined once");
    let mut instance = linker.prepare(&module).expect("prepared").instantiate(()).expect("an instance");
    assert_eq!(i32_of(&mut instance, "sum"), 2 * (1 + 2 + 3));
}

/// Two instances of a set, each with a start function; the second asks the host.
fn two(engine: &Engine) -> Module {
    let mut set = ModuleSet::new(engine);
    let first = set.module(
        r#"(module (memory (export "memory") 1) (data (i32.const 0) "\01")
            (func $start (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 10)))) (start $start))"#,
    );
    let second = set.module(
        r#"(module (import "first" "memory" (memory 1)) (import "host" "now" (func $now (result i32)))
            (data (i32.const 1) "\02")
            (func $start (i32.store8 (i32.const 2) (i32.add (i32.load8_u (i32.const 0)) (call $now)))) (start $start)
            (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
    );
    let first = set.instance(first.expect("a module"), Some("first"), &[]);
    set.instance(second.expect("a module"), Some("second"), &[("first", first)]);
    set.compile().expect("a set")
}

#[test]
fn what_worked_is_kept_and_what_follows_is_left() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(100)));
    let (linker, whole) = (host(&engine, &calls), two(&engine));
    let (module, report) = whole.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    // The first start function and the second instance's data; its own start function is left.
    assert_eq!((report.steps_run(), report.steps_left()), (2, 1));
    assert!(report.to_string().contains("left the start function of `second`"), "{report}");
    let bytes = |module: &Module| {
        calls.store(100, Ordering::Relaxed);
        let mut instance = linker.prepare(module).expect("prepared").instantiate(()).expect("an instance");
        [0, 1, 2].map(|at| match call(&mut instance, "byte", &[Val::I32(at)]).as_deref() {
            Ok([Val::I32(byte)]) => *byte,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(bytes(&module), [11, 2, 111]);
    assert_eq!(bytes(&module), bytes(&whole));

    // Each snapshot can be taken further.
    let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host/now".into()]));
    let (rest, report) = module.snapshot(&linker, options, || ()).expect("a snapshot");
    assert_eq!((report.steps_run(), report.steps_left()), (1, 0));
    assert_eq!(bytes(&rest)[..2], [11, 2]);
}

#[test]
fn any_number_of_steps_gives_the_same_program() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(3)));
    let (linker, whole) = (host(&engine, &calls), two(&engine));
    for steps in 0..=4 {
        let options = SnapshotOptions::new().imports(InitImports::Record).max_steps(steps);
        calls.store(3, Ordering::Relaxed);
        let (module, report) = whole.snapshot(&linker, options, || ()).expect("a snapshot");
        assert_eq!((report.steps_run(), report.steps_left()), (steps.min(3), 3 - steps.min(3)));
        let mut instance = linker.prepare(&module).expect("prepared").instantiate(()).expect("an instance");
        let byte = call(&mut instance, "byte", &[Val::I32(2)]);
        assert!(matches!(byte.as_deref(), Ok([Val::I32(14)])), "{byte:?}");
    }
}

#[test]
fn host_code_cannot_hide_a_denied_import() {
    let engine = engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.func("host", "now", || 1).expect("defined once");
    let swallow = |mut caller: hatchery::Caller<'_, ()>| {
        let Some(Extern::Func(inner)) = caller.export("inner") else { panic!("an export") };
        let _ = inner.call_dynamic(&mut caller, &[]);
    };
    linker.func("host", "swallow", swallow).expect("defined once");
    let text = r#"(module (import "host" "now" (func $now (result i32))) (import "host" "swallow" (func $swallow))
        (func (export "inner") (drop (call $now))) (func $start (call $swallow)) (start $start))"#;
    let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host/swallow".into()]));
    let (_, report) = module(&engine, text).snapshot(&linker, options, || ()).expect("a snapshot");
    assert_eq!(
        report.stopped().and_then(|stop| stop.import().map(|(_, name)| name.to_owned())).as_deref(),
        Some("now")
    );
    assert_eq!(report.steps_left(), 1);
}
