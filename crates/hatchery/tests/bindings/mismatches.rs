//! Types that differ between host and component are reported once, before there is an instance: the message names the
//! interface, the function and both types.

use crate::{engine, kitchen};
use hatchery::ErrorKind;
use hatchery::component::{Component, Linker, Resource};

/// Bindings for another world than the component has.
mod importing {
    hatchery::component::bindgen!({
        inline: "
            package test:kitchen@1.2.0;
            interface store {
                resource bucket { get: func(key: string) -> result<u64, string>; }
            }
            world importing { import store; }
        ",
    });
}

/// The same for what it exports.
mod exporting {
    hatchery::component::bindgen!({
        inline: "
            package test:kitchen@1.2.0;
            interface counters {
                resource counter { constructor(start: string); }
            }
            world one { export counters; }
        ",
    });
}

use importing::test::kitchen::store::{Bucket, Host, HostBucket};

struct Nothing;

impl Host for Nothing {}

impl HostBucket for Nothing {
    fn get(&mut self, _: Resource<Bucket>, _: String) -> Result<u64, String> {
        Ok(0)
    }

    fn drop(&mut self, _: Resource<Bucket>) -> Result<(), hatchery::Error> {
        Ok(())
    }
}

/// A component that imports a function which the bindings have, with another type.
const IMPORTER: &str = r#"
(component
  (import "test:kitchen/store@1.2.0" (instance $store
    (export "bucket" (type $bucket (sub resource)))
    (export "[method]bucket.get"
      (func (param "self" (borrow $bucket)) (param "key" string) (result (result u32 (error string)))))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (unreachable)))
  (core instance $libc (instantiate $libc))
  (core func $get (canon lower (func $store "[method]bucket.get")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $main (import "host" "get" (func (param i32 i32 i32 i32))))
  (core instance (instantiate $main (with "host" (instance (export "get" (func $get)))))))
"#;

#[test]
fn imports_of_another_type_are_reported_by_prepare() {
    let engine = engine();
    let component = Component::new(&engine, IMPORTER).expect("compiles");
    let mut linker = Linker::new(&engine);
    importing::Importing::add_to_linker(&mut linker, |nothing: &mut Nothing| nothing).expect("nothing is there yet");
    let error = linker.prepare(&component).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Link);
    let text = error.to_string();
    for part in ["`test:kitchen/store@1.2.0`", "`[method]bucket.get`", "result<u32, string>", "result<u64, string>"] {
        assert_eq!(text.matches(part).count(), 1, "{part} in: {text}");
    }
    assert!(text.contains("the host's is func(Resource<bindings::mismatches::importing::"), "{text}");
}

#[test]
fn exports_of_another_type_are_reported_when_the_bindings_are_made() {
    let engine = engine();
    let mut linker = Linker::<()>::new(&engine);
    let prepared = linker.unknown_imports_trap(true).prepare(&kitchen(&engine)).expect("nothing is missing");
    let error = exporting::One::new(&prepared).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(
        error.to_string(),
        "the export `test:kitchen/counters@1.2.0` `[constructor]counter` has another type: \
         the component's is func(start: u32) -> own<test:kitchen/counters@1.2.0.counter>, \
         the host's is func(string) -> ResourceAny"
    );
}

#[test]
fn exports_that_are_not_there_are_named() {
    let engine = engine();
    let component = Component::new(&engine, "(component)").expect("compiles");
    let prepared = Linker::<()>::new(&engine).prepare(&component).expect("imports nothing");
    let text = exporting::One::new(&prepared).unwrap_err().to_string();
    assert_eq!(text, "the component does not export `test:kitchen/counters@1.2.0`");
}

/// A world with types that have names, on both sides.
mod shapes {
    hatchery::component::bindgen!({
        inline: "
            package test:shapes;
            interface canvas {
                variant shape { none, circle(u32), text(string) }
                record area { width: u8, depth: option<u8> }
                enum colour { red, blue }
                flags layers { front, back }
                draw: func(shape: shape, colour: colour) -> result<area>;
                clear: func(layers: layers) -> result<_, colour>;
                same: func(n: u32) -> u32;
            }
            world shapes {
                import canvas;
                import lost: func();
                use canvas.{area};
                export size: func() -> area;
                export name: func() -> list<string>;
                export missing: func();
                export also-missing: func();
                export other: interface { f: func(); g: func(); }
            }
        ",
    });
}

use shapes::test::shapes::canvas::{Area, Colour, Layers, Shape};

impl shapes::test::shapes::canvas::Host for Nothing {
    fn draw(&mut self, _: Shape, _: Colour) -> Result<Area, ()> {
        Err(())
    }

    fn clear(&mut self, _: Layers) -> Result<(), Colour> {
        Ok(())
    }

    fn same(&mut self, n: u32) -> u32 {
        n
    }
}

/// A component of which only `same` is what the bindings say.
const SHAPES: &str = r#"
(component
  (import "test:shapes/canvas" (instance $canvas
    (type $s (variant (case "circle" u32) (case "none")))
    (export "shape" (type $shape (eq $s)))
    (type $a (record (field "width" u8) (field "depth" u8)))
    (export "area" (type $area (eq $a)))
    (type $l (flags "front" "middle" "back"))
    (export "layers" (type $layers (eq $l)))
    (type $c (enum "red" "blue"))
    (export "colour" (type $colour (eq $c)))
    (export "draw" (func (param "shape" $shape) (param "colour" $colour) (result (result $area))))
    (export "clear" (func (param "layers" $layers) (result (result))))
    (export "same" (func (param "n" u32) (result u32)))))
  (import "lost" (func $lost))
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))
  (core func $draw (canon lower (func $canvas "draw") (memory (core memory $libc "memory"))))
  (core func $clear (canon lower (func $canvas "clear") (memory (core memory $libc "memory"))))
  (core func $same (canon lower (func $canvas "same")))
  (core func $lost (canon lower (func $lost)))
  (core module $main
    (import "host" "draw" (func (param i32 i32 i32 i32)))
    (import "host" "clear" (func (param i32) (result i32)))
    (import "host" "same" (func (param i32) (result i32)))
    (import "host" "lost" (func))
    (func (export "f") (result i32) (i32.const 0)))
  (core instance $main (instantiate $main (with "host" (instance
    (export "draw" (func $draw)) (export "clear" (func $clear))
    (export "same" (func $same)) (export "lost" (func $lost))))))
  (func (export "size") (result u32) (canon lift (core func $main "f")))
  (func (export "name") (result bool) (canon lift (core func $main "f"))))
"#;

#[test]
fn a_world_is_checked_as_a_whole() {
    let engine = engine();
    let component = Component::new(&engine, SHAPES).unwrap_or_else(|error| panic!("{error}"));
    let mut linker = Linker::new(&engine);
    shapes::test::shapes::canvas::add_to_linker(&mut linker, |nothing: &mut Nothing| nothing)
        .expect("nothing is there");
    let error = shapes::Shapes::prepare(&linker, &component).expect_err("little of it fits");
    assert_eq!(error.kind(), ErrorKind::Link);
    let expected = [
        "host and component do not fit together:",
        "the component imports what is not defined: `lost`",
        "the component does not export `missing`, `also-missing`, `other`",
        "the import `test:shapes/canvas` `draw` has another type: the component's is \
         func(shape: variant { circle(u32), none }, colour: enum { red, blue }) \
         -> result<record { width: u8, depth: u8 }>, the host's is \
         func(variant { none, circle(u32), text(string) }, enum { red, blue }) \
         -> result<record { width: u8, depth: option<u8> }>",
        "the import `test:shapes/canvas` `clear` has another type: the component's is \
         func(layers: flags { front, middle, back }) -> result, the host's is \
         func(flags { front, back }) -> result<_, enum { red, blue }>",
        "the export `size` has another type: the component's is func() -> u32, the host's is \
         func() -> record { width: u8, depth: option<u8> }",
        "the export `name` has another type: the component's is func() -> bool, the host's is func() -> list<string>",
    ];
    assert_eq!(error.to_string().split("\n  ").collect::<Vec<_>>(), expected);
}
