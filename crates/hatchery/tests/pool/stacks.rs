//! Stacks of guests: what deep calls leave on them, and who could tell.

use super::*;

/// Calls itself this often.
const DEEP: &str = r#"(module (func $down (export "down") (param i32)
    (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))))))"#;

/// Calls that use more than a hundred pages of a stack.
const MANY: i32 = 40_000;

/// Page faults of this thread so far.
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("the kernel's count");
    let fields = stat.rsplit_once(')').expect("a name").1;
    fields.split_whitespace().nth(7).expect("minor faults").parse().expect("a number")
}

/// Page faults of a call in an instance that has made a short one.
fn faults_of_a_deep_call(prepared: &Prepared<()>) -> u64 {
    let mut instance = prepared.instantiate(()).expect("an instance");
    () = call(&mut instance, "down", (10,));
    let before = faults();
    () = call(&mut instance, "down", (MANY,));
    faults() - before
}

/// An instance that goes so deep, and ends.
fn go(prepared: &Prepared<()>, depth: i32) {
    let mut instance = prepared.instantiate(()).expect("an instance");
    () = call(&mut instance, "down", (depth,));
}

#[test]
fn how_deep_a_frozen_instance_went_shows_in_no_other() {
    let after = |depth: i32, learning: Learning| {
        let engine = engine(Pooling::new(4));
        let prepared = prepared(&engine, DEEP);
        let isolated =
            |tag: &str, learning| prepared.isolated(&Isolation::new().tag(tag).learning(learning)).expect("isolated");
        let (victim, spy) = (isolated("victim", learning), isolated("spy", Learning::Frozen));
        // Deep, but not so deep that it is given back in any case.
        go(&victim, depth);
        let mut instance = spy.instantiate(()).expect("an instance");
        () = call(&mut instance, "down", (1,));
        let before = faults();
        () = call(&mut instance, "down", (1500,));
        faults() - before
    };
    for learning in [Learning::Frozen, Learning::Free] {
        let (shallow, deep) = (after(10, learning), after(1500, learning));
        assert!(shallow >= 4 && deep + 2 >= shallow, "{learning:?}: {shallow} and {deep}");
    }
}

#[test]
fn pages_that_only_deep_calls_use_are_given_back() {
    let engine = engine(Pooling::new(2));
    let prepared = prepared(&engine, DEEP);
    for _ in 0..3 {
        assert!(faults_of_a_deep_call(&prepared) > 100, "an earlier one left its pages");
    }
    // Usual calls keep theirs.
    (0..20).for_each(|_| go(&prepared, 1000));
    let before = faults();
    (0..1000).for_each(|_| go(&prepared, 1000));
    assert!(faults() - before < 100, "{}", faults() - before);
    // Unless that is wanted.
    let scrubbing = Engine::new(&config(Pooling::new(2)).scrub_stacks(Scrub::Discard)).expect("an engine");
    let prepared = super::prepared(&scrubbing, DEEP);
    (0..20).for_each(|_| go(&prepared, 1000));
    let before = faults();
    (0..100).for_each(|_| go(&prepared, 1000));
    assert!(faults() - before >= 100);
}

#[test]
fn stacks_are_counted_and_trimmed() {
    let pooled = engine(Pooling::new(8));
    let on_demand = Engine::new(&Config::new()).expect("an engine");
    for engine in [pooled, on_demand] {
        let prepared = prepared(&engine, DEEP);
        let mut instances: Vec<_> = (0..5).map(|_| prepared.instantiate(()).expect("an instance")).collect();
        let counted = || {
            let stacks = engine.stack_metrics();
            assert_eq!(stacks.bytes_mapped, stacks.mapped as u64 * (1 << 20));
            (stacks.mapped, stacks.idle)
        };
        assert_eq!(counted(), (0, 0), "nothing was called");
        instances.iter_mut().for_each(|instance| call(instance, "down", (1,)));
        assert_eq!(counted(), (5, 0));
        instances.truncate(2);
        assert_eq!(counted(), (5, 3));
        engine.trim_pool();
        assert_eq!(counted(), (2, 0));
        instances.iter_mut().for_each(|instance| call(instance, "down", (MANY,)));
        drop(instances);
        assert_eq!(counted(), (2, 2));
    }
}
