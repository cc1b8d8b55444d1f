//! Components in the text format, translated.

use super::build::engine;
use crate::component::{Component, Linker, Resource, ResourceAny, ResourceTable};
use crate::{Error, ErrorKind};

/// Has a counter as a resource of its own, and relays one of the host's.
pub(super) const COMPONENT: &str = r#"
(component
  (import "test:host/files@1.0.0" (instance $files
    (export "file" (type $file (sub resource)))
    (export "open" (func (param "name" string) (result (own $file))))
    (export "[method]file.size" (func (param "self" (borrow $file)) (result u32)))))
  (alias export $files "file" (type $file))
  (core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $next))
      (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $open (canon lower (func $files "open") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $size (canon lower (func $files "[method]file.size")))
  (core func $drop-file (canon resource.drop $file))
  (core module $main
    (import "host" "open" (func $open (param i32 i32) (result i32)))
    (import "host" "size" (func $size (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (func (export "size-of") (param i32 i32) (result i32)
      (local $file i32) (local $size i32)
      (local.set $file (call $open (local.get 0) (local.get 1)))
      (local.set $size (call $size (local.get $file)))
      (call $drop (local.get $file))
      (local.get $size))
    (func (export "keep") (param i32 i32) (drop (call $open (local.get 0) (local.get 1)))))
  (core instance $main (instantiate $main (with "host" (instance
    (export "open" (func $open)) (export "size" (func $size)) (export "drop" (func $drop-file))))))
  (func (export "size-of") (param "name" string) (result u32)
    (canon lift (core func $main "size-of") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func (export "keep") (param "name" string)
    (canon lift (core func $main "keep") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))

  (core module $counter
    (global $dropped (export "dropped") (mut i32) (i32.const 0))
    (func (export "drop") (param i32) (global.set $dropped (i32.add (global.get $dropped) (local.get 0))))
    (func (export "get") (param i32) (result i32) (local.get 0))
    (func (export "total") (result i32) (global.get $dropped)))
  (core instance $counter (instantiate $counter))
  (type $counter-type (resource (rep i32) (dtor (core func $counter "drop"))))
  (core func $new (canon resource.new $counter-type))
  (core module $make
    (import "host" "new" (func $new (param i32) (result i32)))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0))))
  (core instance $make (instantiate $make (with "host" (instance (export "new" (func $new))))))
  (export $counter-out "counter" (type $counter-type))
  (func (export "make") (param "start" u32) (result (own $counter-out)) (canon lift (core func $make "make")))
  (func (export "get") (param "counter" (borrow $counter-out)) (result u32) (canon lift (core func $counter "get")))
  (func (export "total") (result u32) (canon lift (core func $counter "total"))))
"#;

struct File(String);

pub(super) fn linker() -> Linker<ResourceTable> {
    let mut linker = Linker::<ResourceTable>::new(&engine());
    let mut files = linker.instance("test:host/files@1.2.0").expect("a name");
    let mut define = || -> Result<(), Error> {
        files.resource::<File>("file", |mut caller, file| {
            caller.data_mut().delete(file)?;
            Ok(())
        })?;
        files.func("open", |mut caller, (name,): (String,)| Ok((caller.data_mut().push(File(name))?,)))?;
        files.func("[method]file.size", |caller, (file,): (Resource<File>,)| {
            Ok((caller.data().get(&file)?.0.len() as u32,))
        })?;
        Ok(())
    };
    define().expect("defined once");
    linker
}

pub(super) fn component(linker_engine: &crate::Engine) -> Component {
    Component::new(linker_engine, COMPONENT).expect("compiles")
}

#[test]
fn resources_of_the_host_are_lent_and_dropped() {
    let linker = linker();
    let component = component(linker.engine());
    let mut instance =
        linker.prepare(&component).expect("fits").instantiate(ResourceTable::new()).expect("an instance");
    let size = instance.func::<(&str,), (u32,)>("size-of").expect("there");
    assert_eq!(size.call(&mut instance, ("four",)).expect("returns"), (4,));
    assert_eq!(size.call(&mut instance, ("seventeen",)).expect("returns"), (9,));
    assert!(instance.data().is_empty());
    let keep = instance.func::<(&str,), ()>("keep").expect("there");
    keep.call(&mut instance, ("x",)).expect("returns");
    assert_eq!(instance.data().len(), 1);
}

#[test]
fn resources_of_the_component_are_held_lent_and_dropped_by_the_host() {
    let linker = linker();
    let prepared = linker.prepare(&component(linker.engine())).expect("fits");
    let make = prepared.func::<(u32,), (ResourceAny,)>("make").expect("there");
    let get = prepared.func::<(ResourceAny,), (u32,)>("get").expect("there");
    let total = prepared.func::<(), (u32,)>("total").expect("there");
    let mut instance = prepared.instantiate(ResourceTable::new()).expect("an instance");
    let (one,) = make.call(&mut instance, (7,)).expect("returns");
    let (two,) = make.call(&mut instance, (30,)).expect("returns");
    assert_eq!(get.call(&mut instance, (one,)).expect("returns"), (7,));
    assert_eq!(get.call(&mut instance, (two,)).expect("returns"), (30,));
    one.resource_drop(&mut instance).expect("dropped");
    assert_eq!(total.call(&mut instance, ()).expect("returns"), (7,));
    assert_eq!(one.resource_drop(&mut instance).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(get.call(&mut instance, (one,)).unwrap_err().kind(), ErrorKind::Usage);
    // Another instance's resource is none of this one's.
    let mut other = prepared.instantiate(ResourceTable::new()).expect("an instance");
    make.call(&mut other, (1,)).expect("returns");
    assert_eq!(get.call(&mut other, (two,)).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(get.call(&mut instance, (two,)).expect("still there"), (30,));
}
