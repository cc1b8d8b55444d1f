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
    for part in ["`test:kitchen/store@1.2.0`", "`[method]bucket.get`", "result<u32, string>", "Result<u64, "] {
        assert_eq!(text.matches(part).count(), 1, "{part} in: {text}");
    }
}

#[test]
fn exports_of_another_type_are_reported_when_the_bindings_are_made() {
    let engine = engine();
    let mut linker = Linker::<()>::new(&engine);
    let prepared = linker.unknown_imports_trap(true).prepare(&kitchen(&engine)).expect("nothing is missing");
    let error = exporting::One::new(&prepared).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let text = error.to_string();
    for part in ["`test:kitchen/counters@1.2.0`", "`[constructor]counter`", "start: u32", "&str"] {
        assert_eq!(text.matches(part).count(), 1, "{part} in: {text}");
    }
}

#[test]
fn exports_that_are_not_there_are_named() {
    let engine = engine();
    let component = Component::new(&engine, "(component)").expect("compiles");
    let prepared = Linker::<()>::new(&engine).prepare(&component).expect("imports nothing");
    let text = exporting::One::new(&prepared).unwrap_err().to_string();
    assert!(text.contains("`test:kitchen/counters@1.2.0`"), "{text}");
}
