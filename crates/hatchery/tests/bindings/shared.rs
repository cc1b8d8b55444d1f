//! Bindings that use those which others have written, and a type of the world itself.

/// Written first.
mod first {
    hatchery::component::bindgen!({
        path: "tests/bindings/wit",
        world: "test:kitchen/kitchen@1.2.0",
    });
}

/// Uses the interfaces of the first.
mod second {
    hatchery::component::bindgen!({
        path: "tests/bindings/wit",
        inline: "
            package test:second;
            interface measure {
                use test:kitchen/store@1.2.0.{bucket, failure};
                use test:units/lengths@0.3.0.{length};
                longest: func(of: borrow<bucket>) -> result<length, failure>;
            }
            world second {
                import measure;
                /// A door.
                resource door { constructor(width: u32); is-open: func() -> bool; }
                record size { width: u32, depth: option<u32> }
                import fit: func(door: borrow<door>, size: size) -> bool;
                export enter: func(door: door, size: size) -> option<size>;
            }
        ",
        with: {
            "test:kitchen/store": super::first::test::kitchen::store,
            "test:units/lengths@0.3.0": super::first::test::units::lengths,
        },
    });
}

use first::test::kitchen::store::{Bucket, Failure};
use first::test::units::lengths::{Length, Unit};
use hatchery::Error;
use hatchery::component::{Linker, Resource};
use second::{Door, HostDoor, Second, SecondImports, Size};

struct State;

impl second::test::second::measure::Host for State {
    fn longest(&mut self, _: Resource<Bucket>) -> Result<Length, Failure> {
        Ok(Length { value: 1, unit: Unit::Metre })
    }
}

impl SecondImports for State {
    fn fit(&mut self, door: Resource<Door>, size: Size) -> bool {
        door.rep() >= size.width
    }
}

impl HostDoor for State {
    fn constructor(&mut self, width: u32) -> Resource<Door> {
        Resource::new_own(width)
    }

    fn is_open(&mut self, _: Resource<Door>) -> bool {
        true
    }

    fn drop(&mut self, _: Resource<Door>) -> Result<(), Error> {
        Ok(())
    }
}

/// Passes a door and a size on to the host.
const ENTER: &str = r#"
(component
  (import "door" (type $door (sub resource)))
  (type $s (record (field "width" u32) (field "depth" (option u32))))
  (import "size" (type $size (eq $s)))
  (import "fit" (func $fit (param "door" (borrow $door)) (param "size" $size) (result bool)))
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))
  (core func $fits (canon lower (func $fit)))
  (core func $drop (canon resource.drop $door))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "fit" (func $fit (param i32 i32 i32 i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (func (export "enter") (param $door i32) (param $width i32) (param $some i32) (param $depth i32) (result i32)
      (i32.store8 (i32.const 16)
        (call $fit (local.get $door) (local.get $width) (local.get $some) (local.get $depth)))
      (i32.store (i32.const 20) (local.get $width))
      (i32.store8 (i32.const 24) (local.get $some))
      (i32.store (i32.const 28) (local.get $depth))
      (call $drop (local.get $door))
      (i32.const 16)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance (export "fit" (func $fits)) (export "drop" (func $drop))))))
  (func (export "enter") (param "door" (own $door)) (param "size" $size) (result (option $size))
    (canon lift (core func $main "enter") (memory (core memory $libc "memory")))))
"#;

#[test]
fn types_and_resources_of_the_world_itself_pass() {
    let engine = crate::engine();
    let component = hatchery::component::Component::new(&engine, ENTER).expect("compiles");
    let mut linker = Linker::new(&engine);
    Second::add_to_linker(&mut linker, |state: &mut State| state).expect("nothing is there yet");
    let prepared = linker.prepare(&component).expect("everything is there");
    let second = Second::new(&prepared).expect("everything is exported");
    let mut instance = prepared.instantiate(State).expect("an instance");
    let size = Size { width: 3, depth: Some(9) };
    let wide = second.call_enter(&mut instance, Resource::new_own(5), size);
    assert_eq!(wide.expect("returns"), Some(size));
    let narrow = second.call_enter(&mut instance, Resource::new_own(2), size);
    assert_eq!(narrow.expect("returns"), None);
}
