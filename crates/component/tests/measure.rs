//! What calls cost inside of a tree. Run by hand, with `--ignored --nocapture`; nothing is asserted about time.

#![expect(clippy::print_stderr, reason = "what it is for")]

mod common;

use common::{Running, no_host};
use hatchery_vm::{HostContext, HostFunction};
use std::time::Instant;

const CALLS: u32 = 4_000_000;

/// A caller that makes `CALLS` calls in one go, of functions of another component and of the host.
fn tree(string_encoding: &str) -> String {
    format!(
        r#"(component
  (import "host" (func $host (param "x" u32) (result u32)))
  (component $C
    (core module $M
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
      (func (export "id") (param i32) (result i32) (local.get 0))
      (func (export "take") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
    (core instance $m (instantiate $M))
    (alias core export $m "memory" (core memory $memory))
    (func (export "id") (param "x" u32) (result u32) (canon lift (core func $m "id")))
    (func (export "take") (param "s" string) (result u32)
      (canon lift (core func $m "take") (memory $memory) (realloc (core func $m "realloc")) {string_encoding}))
    (func (export "list") (param "s" (list u32)) (result u32)
      (canon lift (core func $m "take") (memory $memory) (realloc (core func $m "realloc")))))
  (instance $c (instantiate $C))
  (core module $Memory
    (memory (export "memory") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (data (i32.const 64) "thirty-two bytes of plain ASCII!"))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $mem))
  (canon lower (func $c "id") (core func $id))
  (canon lower (func $c "take") (memory $mem) (realloc (core func $memory "realloc")) (core func $take))
  (canon lower (func $c "list") (memory $mem) (core func $list))
  (canon lower (func $host) (core func $host'))
  (core module $M
    (import "" "id" (func $id (param i32) (result i32)))
    (import "" "take" (func $take (param i32 i32) (result i32)))
    (import "" "list" (func $list (param i32 i32) (result i32)))
    (import "" "host" (func $host (param i32) (result i32)))
    (func (export "ids") (param i32) (result i32) (local i32)
      (loop $l
        (local.set 1 (i32.add (local.get 1) (call $id (local.get 0))))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))
    (func (export "strings") (param i32) (result i32) (local i32)
      (loop $l
        (local.set 1 (i32.add (local.get 1) (call $take (i32.const 64) (i32.const 32))))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))
    (func (export "lists") (param i32) (result i32) (local i32)
      (loop $l
        (local.set 1 (i32.add (local.get 1) (call $list (i32.const 64) (i32.const 8))))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))
    (func (export "hosts") (param i32) (result i32) (local i32)
      (loop $l
        (local.set 1 (i32.add (local.get 1) (call $host (local.get 0))))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1)))
  (core instance $m (instantiate $M (with "" (instance
    (export "id" (func $id)) (export "take" (func $take)) (export "list" (func $list)) (export "host" (func $host'))))))
  (func (export "ids") (param "n" u32) (result u32) (canon lift (core func $m "ids")))
  (func (export "strings") (param "n" u32) (result u32) (canon lift (core func $m "strings")))
  (func (export "lists") (param "n" u32) (result u32) (canon lift (core func $m "lists")))
  (func (export "hosts") (param "n" u32) (result u32) (canon lift (core func $m "hosts"))))"#
    )
}

#[test]
#[ignore = "measures, asserts nothing"]
fn measure() {
    let host = |module: &str, name: &str| match name {
        "host" => HostFunction::typed(|_: HostContext<'_, Vec<u32>>, x: u32| x),
        _ => no_host(module, name),
    };
    for encoding in ["", "string-encoding=utf16", "string-encoding=latin1+utf16"] {
        let mut running = Running::component(&tree(encoding), &host);
        for name in ["ids", "hosts", "strings", "lists"] {
            let given = [hatchery_image::abi::RawVal::from_i32(CALLS as i32)];
            running.invoke(name, &given).expect("it returns");
            let start = Instant::now();
            running.invoke(name, &given).expect("it returns");
            eprintln!("{encoding:30} {name:8} {:6.2} ns", start.elapsed().as_nanos() as f64 / f64::from(CALLS));
        }
    }
}

/// What translating large guests takes, and what validating their functions, which is left to compiling, would take besides.
#[test]
#[ignore = "measures, asserts nothing"]
fn measure_translation() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests");
    for guest in ["js-pure-sm", "py-pure"] {
        let Ok(bytes) = std::fs::read(folder.join(guest).with_extension("wasm")) else { continue };
        let start = Instant::now();
        hatchery_component::translate(&bytes).expect("is a component");
        let translated = start.elapsed();
        hatchery_component::validate(&bytes).expect("is valid");
        eprintln!("{guest:12} translated in {translated:?}, validated whole in {:?}", start.elapsed() - translated);
    }
}
