//! What becomes of a component and of its handles when a host makes a mistake while the component is calling it.

use super::build::{engine, with_counters};
use crate::component::{Caller, Component, Instance, Linker, LinkerInstance, Resource, ResourceAny, Val};
use crate::{Error, ErrorKind, Trap};

/// Calls the host from `get`, which is lent a counter, and from `run`. The destructor of counter 13 traps.
const COMPONENT: &str = r#"
(component
  (import "file" (type $file (sub resource)))
  (import "poke" (func $poke (result u32)))
  (core func $poke (canon lower (func $poke)))
  (core module $m
    (import "host" "poke" (func $poke (result i32)))
    (global $dropped (mut i32) (i32.const 0))
    (func (export "drop") (param i32)
      (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))
      (global.set $dropped (i32.add (global.get $dropped) (local.get 0))))
    (func (export "get") (param i32) (result i32) (i32.add (local.get 0) (call $poke)))
    (func (export "both") (param i32 i32))
    (func (export "run") (result i32) (call $poke))
    (func (export "dropped") (result i32) (global.get $dropped)))
  (;COUNTER;)
  (func (export "get") (param "counter" (borrow $out)) (result u32) (canon lift (core func $m "get")))
  (func (export "both") (param "file" (borrow $file)) (param "counter" (own $out)) (canon lift (core func $m "both")))
  (func (export "after") (param "counter" (own $out)) (param "file" (borrow $file)) (canon lift (core func $m "both")))
  (func (export "run") (result u32) (canon lift (core func $m "run")))
  (func (export "dropped") (result u32) (canon lift (core func $m "dropped"))))
"#;

struct File;

/// A counter that the host function knows.
type Known = Option<ResourceAny>;

fn instance(poke: impl FnOnce(&mut LinkerInstance<'_, Known>) -> Result<(), Error>) -> Result<Instance<Known>, Error> {
    let engine = engine();
    let mut linker = Linker::<Known>::new(&engine);
    let mut root = linker.root();
    root.resource::<File>("file", |_, _| Ok(()))?;
    poke(&mut root)?;
    linker.prepare(&Component::new(&engine, with_counters(COMPONENT))?)?.instantiate(None)
}

fn make(instance: &mut Instance<Known>, start: u32) -> ResourceAny {
    let make = instance.func::<(u32,), (ResourceAny,)>("make").expect("there");
    make.call(instance, (start,)).expect("returns").0
}

/// An instance with a counter that the host function knows.
fn with_counter(
    start: u32,
    poke: impl FnOnce(&mut LinkerInstance<'_, Known>) -> Result<(), Error>,
) -> (Instance<Known>, ResourceAny) {
    let mut instance = instance(poke).expect("an instance");
    let counter = make(&mut instance, start);
    *instance.data_mut() = Some(counter);
    (instance, counter)
}

fn run(instance: &mut Instance<Known>) -> Result<(u32,), Error> {
    instance.func::<(), (u32,)>("run").expect("there").call(instance, ())
}

fn drop_known(caller: &mut Caller<'_, Known>) -> Result<(), Error> {
    let known = caller.data().expect("the test knows one");
    known.resource_drop(caller)
}

/// Checks that `poke` fails with an error of this kind and that the component is not called again.
fn ends(kind: ErrorKind, poke: impl FnOnce(&mut LinkerInstance<'_, Known>) -> Result<(), Error>) {
    let (mut instance, counter) = with_counter(1, poke);
    counter.resource_drop(&mut instance).expect("dropped");
    assert_eq!(run(&mut instance).expect_err("the host is wrong").kind(), kind);
    assert!(instance.is_poisoned());
    assert_eq!(run(&mut instance).expect_err("cannot go on").kind(), ErrorKind::Poisoned);
}

#[test]
fn a_mistake_in_a_host_function_ends_the_component_that_called_it() {
    ends(ErrorKind::Usage, |root| root.func_dynamic("poke", |_, _, _| Ok(None)).map(drop));
    ends(ErrorKind::Usage, |root| root.func_dynamic("poke", |_, _, _| Ok(Some(Val::Bool(true)))).map(drop));
    ends(ErrorKind::Usage, |root| {
        root.func("poke", |mut caller, (): ()| {
            drop_known(&mut caller)?;
            Ok((0u32,))
        })
        .map(drop)
    });
}

#[test]
fn a_mistake_in_a_call_of_a_component_does_not_end_it() {
    let instance = instance(|root| root.func("poke", |_, (): ()| Ok((5u32,))).map(drop));
    let mut instance = instance.expect("an instance");
    let counter = make(&mut instance, 1);
    counter.resource_drop(&mut instance).expect("dropped");
    assert_eq!(counter.resource_drop(&mut instance).expect_err("is gone").kind(), ErrorKind::Usage);
    let after = instance.func::<(ResourceAny, Resource<File>), ()>("after").expect("there");
    let error = after.call(&mut instance, (counter, Resource::new_borrow(1))).expect_err("is gone");
    assert_eq!((error.kind(), run(&mut instance).expect("goes on")), (ErrorKind::Usage, (5,)));
}

#[test]
fn a_component_that_would_keep_what_it_was_lent_for_no_call_is_ended() {
    let instance = instance(|root| root.func("poke", |_, (): ()| Ok((5u32,))).map(drop));
    let mut instance = instance.expect("an instance");
    let counter = make(&mut instance, 1);
    counter.resource_drop(&mut instance).expect("dropped");
    let both = instance.func::<(Resource<File>, ResourceAny), ()>("both").expect("there");
    let error = both.call(&mut instance, (Resource::new_borrow(1), counter)).expect_err("is gone");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(instance.is_poisoned());
}

#[test]
fn a_resource_that_is_lent_is_not_dropped() {
    let (mut instance, counter) = with_counter(7, |root| {
        root.func("poke", |mut caller, (): ()| {
            let error = drop_known(&mut caller).expect_err("it is lent");
            assert_eq!(error.kind(), ErrorKind::Usage);
            Ok((100u32,))
        })
        .map(drop)
    });
    let get = instance.func::<(ResourceAny,), (u32,)>("get").expect("there");
    assert_eq!(get.call(&mut instance, (counter,)).expect("returns"), (107,));
    let get = instance.func_dynamic("get").expect("there");
    let found = get.call(&mut instance, &[Val::Resource(counter)]).expect("returns");
    assert_eq!(found, Some(Val::U32(107)));
    counter.resource_drop(&mut instance).expect("is not lent any more");
    let dropped = instance.func::<(), (u32,)>("dropped").expect("there");
    assert_eq!(dropped.call(&mut instance, ()).expect("returns"), (7,));
}

/// Checks that a component does not go on behind a host function that ignored the trap of a destructor.
fn trapped(poke: impl FnOnce(&mut LinkerInstance<'_, Known>) -> Result<(), Error>) {
    let (mut instance, _) = with_counter(13, poke);
    let run = instance.func::<(), (u32,)>("run").expect("there");
    let error = pollster::block_on(run.call_async(&mut instance, ())).expect_err("a destructor trapped");
    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
    assert!(instance.is_poisoned());
}

/// Has the destructor trap; that a second one is refused, too.
fn ignore_trap(caller: &mut Caller<'_, Known>) -> u32 {
    let error = drop_known(caller).expect_err("traps");
    assert_eq!(error.trap(), Some(Trap::Unreachable));
    assert_eq!(drop_known(caller).expect_err("cannot go on").kind(), ErrorKind::Poisoned);
    3
}

#[test]
fn a_host_function_that_ignores_a_trap_does_not_return_to_the_component() {
    trapped(|root| root.func("poke", |mut caller, (): ()| Ok((ignore_trap(&mut caller),))).map(drop));
    trapped(|root| {
        root.func_dynamic("poke", |mut caller, _, _| Ok(Some(Val::U32(ignore_trap(&mut caller))))).map(drop)
    });
    trapped(|root| {
        root.func_async("poke", |mut caller, (): ()| {
            let result = ignore_trap(&mut caller);
            Box::pin(std::future::ready(Ok((result,))))
        })
        .map(drop)
    });
}

#[test]
fn a_resource_whose_destructor_cannot_be_called_yet_is_not_dropped() {
    let (mut instance, counter) = with_counter(7, |root| {
        // The component is suspended while the future runs.
        root.func_async("poke", |mut caller, (): ()| {
            Box::pin(async move {
                let error = drop_known(&mut caller).expect_err("cannot be entered");
                assert_eq!(error.kind(), ErrorKind::Usage);
                Ok((4u32,))
            })
        })
        .map(drop)
    });
    let run = instance.func::<(), (u32,)>("run").expect("there");
    assert_eq!(pollster::block_on(run.call_async(&mut instance, ())).expect("returns"), (4,));
    counter.resource_drop(&mut instance).expect("is still there");
}
