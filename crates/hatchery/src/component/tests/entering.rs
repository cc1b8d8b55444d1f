//! What becomes of a component that cannot be entered, or that is left in a way of the host's.

use super::build::{engine, with_counters};
use crate::component::{Caller, Component, Instance, Linker, ResourceAny};
use crate::{Config, Engine, Error, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn a_component_for_which_there_was_no_stack_can_be_called_later() {
    let engine = Engine::new(&Config::new().stacks(1)).expect("an engine");
    let text = r#"(component
        (core module $m (memory (export "memory") 1)
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 16)
          (func (export "length") (param i32 i32) (result i32) local.get 1))
        (core instance $m (instantiate $m))
        (func (export "length") (param "text" string) (result u32)
          (canon lift (core func $m "length") (memory (core memory $m "memory"))
            (realloc (core func $m "realloc")))))"#;
    let prepared = Linker::<()>::new(&engine).prepare(&Component::new(&engine, text).expect("a component"));
    let prepared = prepared.expect("no imports");
    let length = prepared.func::<(&str,), (u32,)>("length").expect("there");
    let (mut first, mut second) = (prepared.instantiate(()).expect("one"), prepared.instantiate(()).expect("two"));
    assert_eq!(length.call(&mut first, ("one",)).expect("returns"), (3,));
    for _ in 0..2 {
        assert_eq!(length.call(&mut second, ("two",)).expect_err("no stack").kind(), ErrorKind::Exhausted);
        let later = pollster::block_on(length.call_async(&mut second, ("two",)));
        assert_eq!(later.expect_err("no stack").kind(), ErrorKind::Exhausted);
        assert!(!second.is_poisoned());
    }
    drop(first);
    assert_eq!(length.call(&mut second, ("zwei",)).expect("returns"), (4,));
}

/// The destructor of a counter calls the host, between two changes of what `state` returns; so does `run`.
const COMPONENT: &str = r#"
(component
  (import "poke" (func $poke (result u32)))
  (core func $poke (canon lower (func $poke)))
  (core module $m
    (import "host" "poke" (func $poke (result i32)))
    (global $state (mut i32) (i32.const 0))
    (func (export "drop") (param i32)
      (global.set $state (i32.add (global.get $state) (i32.const 1)))
      (drop (call $poke))
      (global.set $state (i32.sub (global.get $state) (i32.const 1))))
    (func (export "run") (result i32) (drop (call $poke)) (global.get $state)))
  (;COUNTER;)
  (func (export "run") (result u32) (canon lift (core func $m "run"))))
"#;

/// What the host function is to drop, a counter each time that it is called.
type Counters = Vec<ResourceAny>;

/// Runs a component with three counters; `dropping` is called to drop one, and when there is none left.
fn run(
    dropping: impl Fn(Option<ResourceAny>, &mut Caller<'_, Counters>) -> Result<(), Error> + Send + Sync + 'static,
) -> (Instance<Counters>, Result<(u32,), Error>) {
    let engine = engine();
    let mut linker = Linker::<Counters>::new(&engine);
    let poke = move |mut caller: Caller<'_, Counters>, (): ()| {
        let counter = caller.data_mut().pop();
        dropping(counter, &mut caller).map(|()| (0u32,))
    };
    linker.root().func("poke", poke).expect("defined");
    let component = Component::new(&engine, with_counters(COMPONENT)).expect("a component");
    let mut instance = linker.prepare(&component).expect("prepared").instantiate(vec![]).expect("an instance");
    let make = instance.func::<(u32,), (ResourceAny,)>("make").expect("there");
    for start in 0..3 {
        let (counter,) = make.call(&mut instance, (start,)).expect("made");
        instance.data_mut().push(counter);
    }
    let run = instance.func::<(), (u32,)>("run").expect("there");
    let result = run.call(&mut instance, ());
    (instance, result)
}

#[test]
fn a_destructor_may_have_its_host_run_another_one() {
    let (mut instance, result) = run(|counter, caller| match counter {
        Some(counter) => counter.resource_drop(caller),
        None => Ok(()),
    });
    assert_eq!(result.expect("returns"), (0,));
    assert!(!instance.is_poisoned() && instance.data_mut().is_empty());
}

#[test]
fn a_panic_in_a_destructor_ends_the_component_whoever_catches_it() {
    let (mut instance, result) = run(|counter, caller| {
        let Some(counter) = counter else { panic!("in a destructor") };
        let caught = catch_unwind(AssertUnwindSafe(|| counter.resource_drop(&mut *caller)));
        // The innermost destructor panicked; those around it are refused when their host function returns.
        assert!(caught.is_err() || caught.is_ok_and(|result| result.is_err_and(|error| error.is_fatal())));
        assert_eq!(counter.resource_drop(caller).expect_err("it has ended").kind(), ErrorKind::Poisoned);
        Ok(())
    });
    assert_eq!(result.expect_err("half of a destructor was run").kind(), ErrorKind::Poisoned);
    assert!(instance.is_poisoned());
    let run = instance.func::<(), (u32,)>("run").expect("there");
    assert_eq!(run.call(&mut instance, ()).expect_err("it has ended").kind(), ErrorKind::Poisoned);
}
