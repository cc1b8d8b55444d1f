//! Core instances that call more component instances than a module may have memories.

mod common;

use common::{Running, no_host};
use std::fmt::Write;

/// A component whose only caller passes strings to so many instances of another. `run` adds their lengths, three each.
fn strings_to(instances: usize) -> String {
    let mut text = r#"(component
        (component $a
            (core module $m (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16))
                (func (export "f") (param i32 i32) (result i32) (local.get 1)))
            (core instance $i (instantiate $m))
            (func (export "f") (param "s" string) (result u32)
                (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#
        .to_owned();
    let each = |text: &mut String, one: &dyn Fn(usize) -> String| {
        (0..instances).for_each(|number| text.push_str(&one(number)));
    };
    each(&mut text, &|n| format!("(instance $a{n} (instantiate $a))"));
    text.push_str("(component $b");
    each(&mut text, &|n| format!(r#"(import "f{n}" (func $f{n} (param "s" string) (result u32)))"#));
    text.push_str(r#"(core module $l (memory (export "memory") 1)) (core instance $l (instantiate $l))"#);
    each(&mut text, &|n| format!(r#"(core func $c{n} (canon lower (func $f{n}) (memory (core memory $l "memory"))))"#));
    text.push_str("(core module $m");
    each(&mut text, &|n| format!(r#"(import "" "f{n}" (func $f{n} (param i32 i32) (result i32)))"#));
    text.push_str(r#"(func (export "run") (result i32) (i32.const 0)"#);
    each(&mut text, &|n| format!("(call $f{n} (i32.const 0) (i32.const 3)) i32.add "));
    text.push_str(r#")) (core instance $m (instantiate $m (with "" (instance"#);
    each(&mut text, &|n| format!(r#"(export "f{n}" (func $c{n}))"#));
    text.push_str(r#")))) (func (export "run") (result u32) (canon lift (core func $m "run"))))"#);
    text.push_str("(instance $b (instantiate $b");
    each(&mut text, &|n| format!(r#"(with "f{n}" (func $a{n} "f"))"#));
    write!(text, r#")) (func (export "run") (alias export $b "run")))"#).expect("strings grow");
    text
}

#[test]
fn adapters_over_more_memories_than_a_module_may_have() {
    for instances in [97, 98, 99, 100, 120, 250] {
        let mut running = Running::component(&strings_to(instances), &no_host);
        let sum = running.invoke_i32("run").expect("returns");
        assert_eq!(sum as usize, 3 * instances);
    }
}
