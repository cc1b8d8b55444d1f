//! What becomes of handles that a host passes on: they are passed once, and by a call that fails not at all.

use super::build::engine;
use crate::component::{Component, Instance, Linker, Resource, ResourceAny, Val};
use crate::{Error, ErrorKind};

/// Functions that do nothing with counters, which the component defines, and with files, which the host does; `kept` is the
/// last file that `keep` got.
const COMPONENT: &str = r#"
(component
  (import "file" (type $file (sub resource)))
  (core func $drop-file (canon resource.drop $file))
  (core module $m
    (import "host" "drop" (func $drop (param i32)))
    (memory (export "memory") 1)
    (global $kept (mut i32) (i32.const 0))
    (global $dropped (mut i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "drop") (param i32) (global.set $dropped (i32.add (global.get $dropped) (i32.const 1))))
    (func (export "dropped") (result i32) (global.get $dropped))
    (func (export "two") (param i32 i32))
    (func (export "index") (param i32) (result i32) (local.get 0))
    (func (export "keep") (param i32 i32) (global.set $kept (i32.load (local.get 0))))
    (func (export "look") (param i32) (call $drop (local.get 0)))
    (func (export "drop-kept") (call $drop (global.get $kept))))
  (core instance $m (instantiate $m (with "host" (instance (export "drop" (func $drop-file))))))
  (type $counter (resource (rep i32) (dtor (core func $m "drop"))))
  (core func $new (canon resource.new $counter))
  (core module $make
    (import "host" "new" (func $new (param i32) (result i32)))
    (func (export "make") (result i32) (call $new (i32.const 7))))
  (core instance $make (instantiate $make (with "host" (instance (export "new" (func $new))))))
  (export $out "counter" (type $counter))
  (func (export "make") (result (own $out)) (canon lift (core func $make "make")))
  (func (export "two") (param "a" (own $out)) (param "b" (own $out)) (canon lift (core func $m "two")))
  (func (export "mixed") (param "a" (own $file)) (param "b" (own $out)) (canon lift (core func $m "two")))
  (func (export "index") (param "a" (own $file)) (result u32) (canon lift (core func $m "index")))
  (func (export "index-of-counter") (param "a" (own $out)) (result u32) (canon lift (core func $m "index")))
  (func (export "keep") (param "a" (list (own $file)))
    (canon lift (core func $m "keep") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (func (export "look") (param "a" (borrow $file)) (canon lift (core func $m "look")))
  (func (export "drop-kept") (canon lift (core func $m "drop-kept")))
  (func (export "dropped") (result u32) (canon lift (core func $m "dropped"))))
"#;

struct File;

/// An instance, which notes the files that it drops.
fn instance() -> Instance<Vec<u32>> {
    let engine = engine();
    let mut linker = Linker::<Vec<u32>>::new(&engine);
    let note = |mut caller: crate::component::Caller<'_, Vec<u32>>, file: Resource<File>| {
        caller.data_mut().push(file.rep());
        Ok(())
    };
    linker.root().resource::<File>("file", note).expect("defined once");
    let component = Component::new(&engine, COMPONENT).expect("a component");
    linker.prepare(&component).expect("prepares").instantiate(Vec::new()).expect("an instance")
}

fn make(instance: &mut Instance<Vec<u32>>) -> ResourceAny {
    instance.func::<(), (ResourceAny,)>("make").expect("there").call(instance, ()).expect("returns").0
}

fn gone(instance: &mut Instance<Vec<u32>>) -> ResourceAny {
    let counter = make(instance);
    counter.resource_drop(instance).expect("dropped");
    counter
}

fn dropped(instance: &mut Instance<Vec<u32>>) -> u32 {
    instance.func::<(), (u32,)>("dropped").expect("there").call(instance, ()).expect("returns").0
}

/// A mistake of the host's, behind which the instance goes on.
#[track_caller]
fn refused<R: std::fmt::Debug>(instance: &Instance<Vec<u32>>, result: Result<R, Error>) {
    assert_eq!(result.expect_err("the host is wrong").kind(), ErrorKind::Usage);
    assert!(!instance.is_poisoned());
}

#[test]
fn handles_of_a_component_are_the_hosts_again_when_a_later_parameter_cannot_be_passed() {
    let mut instance = instance();
    let two = instance.func::<(ResourceAny, ResourceAny), ()>("two").expect("there");
    let any_two = instance.func_dynamic("two").expect("there");
    let (counter, gone) = (make(&mut instance), gone(&mut instance));
    for _ in 0..3 {
        let result = two.call(&mut instance, (counter, gone));
        refused(&instance, result);
        let result = pollster::block_on(two.call_async(&mut instance, (counter, gone)));
        refused(&instance, result);
        let result = any_two.call(&mut instance, &[Val::Resource(counter), Val::Resource(gone)]);
        refused(&instance, result);
        let same = [Val::Resource(counter), Val::Resource(counter)];
        let result = pollster::block_on(any_two.call_async(&mut instance, &same));
        refused(&instance, result);
        // One cannot be passed twice with one call either.
        let result = two.call(&mut instance, (counter, counter));
        refused(&instance, result);
    }
    // The component's table is as empty as that of another instance, and the host has what it had.
    let mut fresh = self::instance();
    let only = make(&mut fresh);
    assert_eq!(index_of(&mut instance, counter), index_of(&mut fresh, only));
}

fn index_of(instance: &mut Instance<Vec<u32>>, counter: ResourceAny) -> u32 {
    let index = instance.func::<(ResourceAny,), (u32,)>("index-of-counter").expect("there");
    index.call(instance, (counter,)).expect("returns").0
}

#[test]
fn a_handle_that_a_failed_call_had_can_be_dropped() {
    let mut instance = instance();
    let two = instance.func::<(ResourceAny, ResourceAny), ()>("two").expect("there");
    let (counter, gone) = (make(&mut instance), gone(&mut instance));
    let result = two.call(&mut instance, (counter, gone));
    refused(&instance, result);
    counter.resource_drop(&mut instance).expect("is the host's again");
    assert_eq!(dropped(&mut instance), 2);
    let result = counter.resource_drop(&mut instance);
    refused(&instance, result);
}

#[test]
fn resources_of_the_host_are_not_left_with_a_component_that_was_not_called() {
    let mut instance = instance();
    let gone = gone(&mut instance);
    let mixed = instance.func::<(Resource<File>, ResourceAny), ()>("mixed").expect("there");
    for file in 0..3 {
        let result = mixed.call(&mut instance, (Resource::new_own(file), gone));
        refused(&instance, result);
    }
    let file = ResourceAny::from(Resource::<File>::new_own(3));
    let mixed = instance.func_dynamic("mixed").expect("there");
    let result = mixed.call(&mut instance, &[Val::Resource(file), Val::Resource(gone)]);
    refused(&instance, result);
    let index = instance.func::<(Resource<File>,), (u32,)>("index").expect("there");
    let mut fresh = self::instance();
    let first = fresh.func::<(Resource<File>,), (u32,)>("index").expect("there");
    let first = first.call(&mut fresh, (Resource::new_own(1),)).expect("returns");
    assert_eq!(index.call(&mut instance, (Resource::new_own(1),)).expect("returns"), first);
}

#[test]
fn a_resource_of_the_host_is_passed_as_an_owned_one_only_once() {
    let mut instance = instance();
    let keep = instance.func::<(&[Resource<File>],), ()>("keep").expect("there");
    let look = instance.func::<(&Resource<File>,), ()>("look").expect("there");
    let files = [Resource::new_own(9)];
    look.call(&mut instance, (&files[0],)).expect("is lent");
    assert!(files[0].owned());
    keep.call(&mut instance, (&files,)).expect("is passed");
    assert!(!files[0].owned());
    let result = keep.call(&mut instance, (&files,));
    refused(&instance, result);
    let result = look.call(&mut instance, (&files[0],));
    refused(&instance, result);
    instance.func::<(), ()>("drop-kept").expect("there").call(&mut instance, ()).expect("drops");
    assert_eq!(instance.data(), &[9]);
    // What was lent is never passed on.
    let result = keep.call(&mut instance, (&[Resource::new_borrow(9)],));
    refused(&instance, result);
}

#[test]
fn a_resource_that_could_not_be_passed_is_still_owned() {
    let (mut one, two) = (instance(), instance());
    let keep = two.func::<(&Resource<File>,), (u32,)>("index").expect("there");
    let file = Resource::new_own(9);
    let result = keep.call(&mut one, (&file,));
    refused(&one, result);
    assert!(file.owned());
}

#[test]
fn functions_of_another_prepared_component_are_refused_in_the_same_words() {
    let (mut one, two) = (instance(), instance());
    let without_memory = two.func::<(), (u32,)>("dropped").expect("there").call(&mut one, ()).expect_err("of another");
    let with_memory = two.func::<(&[Resource<File>],), ()>("keep").expect("there");
    let with_memory = with_memory.call(&mut one, (&[],)).expect_err("of another");
    assert_eq!(without_memory.to_string(), with_memory.to_string());
    assert!(with_memory.to_string().contains("in another `Prepared`"), "{with_memory}");
    assert_eq!((without_memory.kind(), with_memory.kind()), (ErrorKind::Usage, ErrorKind::Usage));
}
