//! A world that exports an interface and has functions with the types of the same interface as it is imported: these are
//! the host's.

/// Bindings of it; the world has the name that type parameters have.
mod bindings {
    hatchery::component::bindgen!({
        inline: "
            package test:both;
            interface things { resource thing; }
            world t {
                export things;
                use things.{thing};
                export pass: func(thing: thing) -> thing;
                export last: func(things: list<thing>, other: option<thing>) -> option<thing>;
            }
        ",
    });
}

use bindings::{T_, Thing};
use hatchery::Error;
use hatchery::component::{Component, Linker, Resource};

struct State;

impl bindings::test::both::things::HostThing for State {
    fn drop(&mut self, _: Resource<Thing>) -> Result<(), Error> {
        Ok(())
    }
}

impl bindings::test::both::things::Host for State {}

/// Gives back a handle that it gets, and has a resource of its own.
const BOTH: &str = r#"
(component
  (import "test:both/things" (instance $things (export "thing" (type (sub resource)))))
  (alias export $things "thing" (type $thing))
  (core module $main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "pass") (param i32) (result i32) (local.get 0))
    (func (export "last") (param $things i32) (param $count i32) (param $some i32) (param $other i32) (result i32)
      (i32.store8 (i32.const 16) (local.get $some))
      (i32.store (i32.const 20) (local.get $other))
      (i32.const 16)))
  (core instance $main (instantiate $main))
  (func (export "pass") (param "thing" (own $thing)) (result (own $thing)) (canon lift (core func $main "pass")))
  (func (export "last") (param "things" (list (own $thing))) (param "other" (option (own $thing)))
    (result (option (own $thing)))
    (canon lift (core func $main "last") (memory (core memory $main "memory")) (realloc (core func $main "realloc"))))
  (type $own (resource (rep i32)))
  (instance $exports (export "thing" (type $own)))
  (export "test:both/things" (instance $exports)))
"#;

#[test]
fn functions_of_a_world_take_the_resources_of_the_host() {
    let engine = crate::engine();
    let component = Component::new(&engine, BOTH).expect("compiles");
    let mut linker = Linker::new(&engine);
    T_::add_to_linker(&mut linker, |state: &mut State| state).expect("nothing is there yet");
    let (prepared, world) = T_::prepare(&linker, &component).expect("everything is there");
    let mut instance = prepared.instantiate(State).expect("an instance");
    let thing = world.call_pass(&mut instance, Resource::new_own(7)).expect("returns");
    assert!(thing.owned() && thing.rep() == 7);
    let others = [Resource::new_own(1), Resource::new_own(2)];
    let last = world.call_last(&mut instance, &others, Some(thing)).expect("returns");
    assert_eq!(last.map(|last| last.rep()), Some(7));
}
