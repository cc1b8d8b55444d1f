//! The host state of an attempt, and what refuses a snapshot.

use super::*;

#[test]
fn the_host_state_is_fresh_for_every_attempt_and_given_up_with_it() {
    let engine = engine();
    let mut set = ModuleSet::new(&engine);
    let counts = r#"(module (import "host" "count" (func $count (result i32)))
        (global $n (export "n") (mut i32) (i32.const 0))
        (func $start (global.set $n (call $count))) (start $start))"#;
    let fails = r#"(module (import "first" "n" (global $n (mut i32))) (import "host" "count" (func $count (result i32)))
        (import "host" "denied" (func $denied)) (func $start (drop (call $count)) (call $denied)) (start $start)
        (func (export "n") (result i32) (global.get $n)))"#;
    let first = set.module(counts).expect("a module");
    let first = set.instance(first, Some("first"), &[]);
    let second = set.module(fails).expect("a module");
    set.instance(second, Some("second"), &[("first", first)]);
    let module = set.compile().expect("a set");

    let mut linker = Linker::<u32>::new(&engine);
    linker
        .func("host", "count", |mut caller: hatchery::Caller<'_, u32>| {
            *caller.data_mut() += 1;
            *caller.data() as i32
        })
        .expect("defined once");
    let (made, seen) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    let fresh = || {
        made.fetch_add(1, Ordering::Relaxed);
        0
    };
    let saw = seen.clone();
    let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host/count".into()])).at_rest(move |n| {
        saw.fetch_add(*n, Ordering::Relaxed);
        Ok(())
    });
    let (module, report) = module.snapshot(&linker, options, fresh).expect("a snapshot");
    assert_eq!((report.steps_run(), report.steps_left()), (1, 1));
    assert_eq!(made.load(Ordering::Relaxed), 2, "one for each attempt");
    assert_eq!(seen.load(Ordering::Relaxed), 1, "the second step's call was undone");
    assert_eq!(report.imports().collect::<Vec<_>>(), [("host", "count", 1)]);
    linker.func("host", "denied", || ()).expect("defined once");
    let mut instance = linker.prepare(&module).expect("prepared").instantiate(40).expect("an instance");
    assert_eq!((i32_of(&mut instance, "n"), *instance.data()), (1, 41));
}

#[test]
fn a_host_that_still_holds_something_refuses_by_its_name() {
    let (engine, text) = (engine(), r#"(module (func $start) (start $start))"#);
    let options = SnapshotOptions::new().at_rest(|(): &()| Err("descriptor 5 is open".to_owned()));
    let error = module(&engine, text).snapshot(&Linker::new(&engine), options, || ()).expect_err("refused");
    assert_eq!(error.to_string(), "the snapshot is refused: descriptor 5 is open");
}

/// A linker whose `host.value` gives a reference to a host value.
fn giving(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let ty = hatchery::FuncType::new([], [hatchery::ValType::ExternRef]);
    let give = |mut caller: hatchery::Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
        results[0] = Val::ExternRef(Some(ExternRef::new(&mut caller, "a value")?));
        Ok(())
    };
    linker.func_dynamic("host", "value", ty, give).expect("defined once");
    linker
}

#[test]
fn references_to_host_values_refuse_by_where_they_are() {
    let engine = engine();
    let linker = giving(&engine);
    let import = r#"(import "host" "value" (func $value (result externref)))"#;
    let cases = [
        (
            r#"(table $t (export "things") 4 externref)"#,
            "(table.set $t (i32.const 2) (call $value))",
            "element 2 of the table `things` of `program` refers to a host value",
        ),
        (
            "(global $g (mut externref) (ref.null extern))",
            "(global.set $g (call $value))",
            "global 0 refers to a host value",
        ),
        ("", "(drop (call $value))", "the guest was given references to 1 host values"),
    ];
    for (item, body, expected) in cases {
        let text = format!("(module {import} {item} (func $start {body}) (start $start))");
        let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host".into()]));
        let error = module(&engine, &text).snapshot(&linker, options, || ()).expect_err("a live reference");
        assert_eq!(error.to_string(), format!("the snapshot is refused: {expected}"));
    }
}
