//! A host for the world in `greeter.wit`, complete: bindings, what the host does, and calls of a guest.
//!
//! ```sh
//! cargo run --example bindgen
//! ```

#![allow(clippy::print_stdout, reason = "a program that prints")]

use hatchery::component::{Component, Linker};
use hatchery::{Config, Engine, Error};

mod bindings {
    // The path is that of the WIT package, from the folder of the crate's manifest.
    hatchery::component::bindgen!("greeter" in "examples/greeter.wit");
}

use bindings::example::greeter::log::{self, Level};
use bindings::{Failure, Greeter};

/// What each instance has of the host: the lines of its log.
#[derive(Default)]
struct Lines(Vec<String>);

/// What the guest imports.
impl log::Host for Lines {
    fn line(&mut self, level: Level, text: String) {
        self.0.push(format!("{level:?}: {text}"));
    }
}

fn main() -> Result<(), Error> {
    let engine = Engine::new(&Config::new())?;
    let component = Component::new(&engine, GUEST)?;

    // The closure finds what implements the traits in the host data. Here it is all of it.
    let mut linker = Linker::new(&engine);
    Greeter::add_to_linker(&mut linker, |lines: &mut Lines| lines)?;

    // Once for each component: all types are checked here. What is left cannot fail for another type.
    let (prepared, greeter) = Greeter::prepare(&linker, &component)?;

    // Once for each request: an instance, with host data of its own.
    let mut instance = prepared.instantiate(Lines::default())?;
    let greeting = greeter.call_greet(&mut instance, "world")?;
    assert_eq!(greeting.as_deref(), Ok("Hello, world"));
    assert_eq!(greeter.call_greet(&mut instance, "")?, Err(Failure::Nobody));
    assert_eq!(greeter.call_greet(&mut instance, &"a".repeat(100))?, Err(Failure::TooLong(64)));
    assert_eq!(instance.data().0, ["Info: Hello, world", "Warning: nobody"]);

    for line in &instance.data().0 {
        println!("{line}");
    }
    Ok(())
}

/// A component of the world. It would be a file, made by a compiler with the same WIT package.
const GUEST: &str = r#"
(component
  (import "example:greeter/log@1.0.0" (instance $log
    (type $l (enum "info" "warning"))
    (export "level" (type $level (eq $l)))
    (export "line" (func (param "level" $level) (param "text" string)))))
  (type $f (variant (case "nobody") (case "too-long" u32)))
  (import "failure" (type $failure (eq $f)))

  (core module $memory
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    ;; Memory that is given out is free again when the call is over.
    (func (export "realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $next))
      (global.set $next (i32.add (local.get $at) (local.get $new)))
      (local.get $at))
    (func (export "free") (global.set $next (i32.const 1024))))
  (core instance $memory (instantiate $memory))
  (core func $line (canon lower (func $log "line") (memory (core memory $memory "memory"))))

  (core module $main
    (import "memory" "memory" (memory 1))
    (import "memory" "free" (func $free))
    (import "log" "line" (func $line (param i32 i32 i32)))
    (data (i32.const 32) "nobodyHello, ")
    ;; The result: 0 and a string, or 1 and a failure, which is 0, or 1 and a number.
    (func (export "greet") (param $name i32) (param $length i32) (result i32)
      (if (i32.eqz (local.get $length)) (then
        (call $line (i32.const 1) (i32.const 32) (i32.const 6))
        (i32.store (i32.const 0) (i32.const 1))
        (i32.store (i32.const 4) (i32.const 0))
        (return (i32.const 0))))
      (if (i32.gt_u (local.get $length) (i32.const 64)) (then
        (i32.store (i32.const 0) (i32.const 1))
        (i32.store (i32.const 4) (i32.const 1))
        (i32.store (i32.const 8) (i32.const 64))
        (return (i32.const 0))))
      (memory.copy (i32.const 45) (local.get $name) (local.get $length))
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 38))
      (i32.store (i32.const 8) (i32.add (local.get $length) (i32.const 7)))
      (call $line (i32.const 0) (i32.load (i32.const 4)) (i32.load (i32.const 8)))
      (i32.const 0))
    (func (export "done") (param i32) (call $free)))
  (core instance $main (instantiate $main
    (with "memory" (instance $memory))
    (with "log" (instance (export "line" (func $line))))))

  (func (export "greet") (param "name" string) (result (result string (error $failure)))
    (canon lift (core func $main "greet")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))
      (post-return (core func $main "done")))))
"#;

#[cfg(test)]
mod tests {
    #[test]
    fn the_guest_greets() {
        super::main().unwrap_or_else(|error| panic!("{error}"));
    }
}
