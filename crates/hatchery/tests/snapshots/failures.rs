//! Steps that fail, and limits.

use super::*;

#[test]
fn a_start_function_that_traps_traps_at_instantiation_as_before() {
    let engine = engine();
    let text = r#"(module (memory 1) (func $deep unreachable)
        (func $start (i32.store (i32.const 0) (i32.const 1)) (call $deep)) (start $start))"#;
    let (module, report) = snapshot(&engine, text);
    let stop = report.stopped().expect("trapped");
    assert_eq!((stop.trap(), stop.import(), stop.export()), (Some(Trap::Unreachable), None, None));
    let names: Vec<_> = stop.backtrace().iter().map(|frame| frame.name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("deep".to_owned()), Some("start".to_owned())]);
    let error = Linker::new(&engine).prepare(&module).expect("prepared").instantiate(()).expect_err("it traps");
    assert_eq!(error.trap(), Some(Trap::Unreachable));
}

#[test]
fn a_segment_out_of_bounds_is_left_with_what_follows() {
    let engine = engine();
    let text = r#"(module (memory 1) (data (i32.const 0) "a") (data (i32.const 65536) "b"))"#;
    let (module, report) = snapshot(&engine, text);
    assert!(report.to_string().contains("left a data segment of `program`"), "{report}");
    let error = Linker::new(&engine).prepare(&module).expect("prepared").instantiate(()).expect_err("it traps");
    assert_eq!(error.trap(), Some(Trap::MemoryOutOfBounds));
}

#[test]
fn a_step_that_takes_too_much_fuel_is_left() {
    let engine = Engine::new(&Config::new().interruption(Interruption::Fuel)).expect("an engine");
    let (linker, long) = (Linker::<()>::new(&engine), module(&engine, LONG));
    let with = |fuel| SnapshotOptions::new().limits(Limits::new().fuel(fuel));
    let (left, report) = long.snapshot(&linker, with(1000), || ()).expect("a snapshot");
    assert_eq!(report.stopped().and_then(|stop| stop.trap()), Some(Trap::OutOfFuel));
    assert_eq!(i32_of(&mut instance(&engine, &left), "n"), 100_000);

    let (done, report) = long.snapshot(&linker, with(10_000_000), || ()).expect("a snapshot");
    assert!(report.stopped().is_none(), "{report}");
    // The instance pays nothing for what was done before it.
    let mut instance =
        linker.prepare_with(&done, Limits::new().fuel(50)).expect("prepared").instantiate(()).expect("ok");
    assert_eq!(instance.fuel(), 50);
    assert_eq!(i32_of(&mut instance, "n"), 100_000);
}

#[test]
fn a_step_that_takes_too_long_is_left() {
    let engine = Engine::new(&Config::new().interruption(Interruption::Deadline)).expect("an engine");
    let text = r#"(module (func $start (loop (br 0))) (start $start))"#;
    let options = SnapshotOptions::new().limits(Limits::new().deadline(Duration::from_millis(30)));
    let (_, report) = module(&engine, text).snapshot(&Linker::new(&engine), options, || ()).expect("a snapshot");
    assert_eq!(report.stopped().and_then(|stop| stop.trap()), Some(Trap::DeadlineExceeded));
}

#[test]
fn a_limit_that_nothing_would_enforce_is_refused() {
    let (engine, fuel) = (engine(), Limits::new().fuel(1));
    for limits in [fuel, Limits::new().deadline(Duration::from_secs(1))] {
        let options = SnapshotOptions::new().limits(limits);
        let error = module(&engine, LONG).snapshot(&Linker::new(&engine), options, || ()).expect_err("unstoppable");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("not compiled to be stopped"), "{error}");
    }
}

#[test]
fn another_engines_linker_is_refused() {
    let (one, other) = (engine(), engine());
    let error = module(&one, LONG).snapshot(&Linker::<()>::new(&other), SnapshotOptions::new(), || ());
    assert_eq!(error.expect_err("two engines").kind(), ErrorKind::Usage);
}

#[test]
fn what_the_machine_lacks_is_an_error_and_leaves_no_step() {
    let engine = Engine::new(&Config::new().stacks(1)).expect("an engine");
    let (linker, long) = (Linker::<()>::new(&engine), module(&engine, LONG));
    // Its start function ran on the only stack.
    let busy = instance(&engine, &long);
    let error = long.snapshot(&linker, SnapshotOptions::new(), || ()).expect_err("no stack is left");
    assert_eq!(error.kind(), ErrorKind::Exhausted, "{error:?}");
    drop(busy);
    let (_, report) = long.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((report.steps_left(), report.stopped().is_none()), (0, true), "{report}");
}

/// A byte in each of so many pages, 2 MiB apart.
fn scattered(pages: u32) -> String {
    let stores: String = (0..pages).map(|page| format!(r#"(data (i32.const {}) "x")"#, page << 21)).collect();
    format!(
        r#"(module (memory 20000) {stores}
        (func (export "last") (result i32) (i32.load8_u (i32.const {}))))"#,
        (pages - 1) << 21
    )
}

#[test]
fn pages_that_are_scattered_are_joined_or_refused_by_their_number() {
    let engine = engine();
    // The start function is what is left to do.
    let few = scattered(260).replace("(func", "(func $start) (start $start) (func");
    let (joined, report) = snapshot(&engine, &few);
    assert_eq!(report.steps_left(), 0);
    assert_eq!(i32_of(&mut instance(&engine, &joined), "last"), i32::from(b'x'));

    let many = module(&engine, &scattered(400));
    let error = many.snapshot(&Linker::<()>::new(&engine), SnapshotOptions::new(), || ()).expect_err("400 runs");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("401 runs"), "{error}");
    // Nothing is wrong with the module as it is.
    assert_eq!(i32_of(&mut instance(&engine, &many), "last"), i32::from(b'x'));
}

#[test]
fn copying_what_the_steps_left_may_take_as_long_as_a_step() {
    let engine = Engine::new(&Config::new().interruption(Interruption::Deadline)).expect("an engine");
    // No step runs code that could be stopped.
    let many = module(&engine, &scattered(400));
    let options = SnapshotOptions::new().limits(Limits::new().deadline(Duration::ZERO));
    let error = many.snapshot(&Linker::<()>::new(&engine), options, || ()).expect_err("no time");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("takes longer than a step may"), "{error}");
}
