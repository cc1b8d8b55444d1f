//! Types of values that are larger than any list or memory that a component passes: they are valid, and what cannot be passed is
//! noticed when it is passed.

mod common;

use common::{Running, no_host};

/// A component that passes parameters of this form to another: by `run`, which is given what its core function passes, and
/// returns the callee's last core parameter.
fn passing(params: &str, core: &str, call: &str) -> Running {
    let text = format!(
        r#"(component
            (component $a
                (core module $m (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16))
                    (func (export "f") (param {core}) (result i32) (local.get 0)))
                (core instance $i (instantiate $m))
                (func (export "f") {params} (result u32)
                    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
            (component $b (import "f" (func $f {params} (result u32)))
                (core module $l (memory (export "memory") 1)) (core instance $l (instantiate $l))
                (core func $f (canon lower (func $f) (memory (core memory $l "memory"))))
                (core module $m (import "" "f" (func $f (param {core}) (result i32)))
                    (func (export "run") (param i32) (result i32) (call $f {call})))
                (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
                (func (export "run") (param "x" u32) (result u32) (canon lift (core func $m "run"))))
            (instance $a (instantiate $a))
            (instance $b (instantiate $b (with "f" (func $a "f"))))
            (func (export "run") (alias export $b "run")))"#
    );
    Running::component(&text, &no_host)
}

fn run(running: &mut Running, given: i32) -> Result<i32, String> {
    let values = running.invoke("run", &[hatchery_image::abi::RawVal::from_i32(given)]);
    values.map(|values| values[0].get_i32()).map_err(|error| common::message(Err::<(), _>(error)))
}

#[test]
fn a_list_whose_elements_are_too_large_can_be_empty() {
    for list in ["(map u8 (list u8 268435455))", "(map string (list u64 33554431))"] {
        let list = format!(r#"(param "x" {list})"#);
        let running = || passing(&list, "i32 i32", "(i32.const 0) (local.get 0)");
        assert_eq!(run(&mut running(), 0), Ok(16));
        for length in [1, 2, i32::MAX, -1] {
            let trap = run(&mut running(), length).expect_err("is too long");
            assert!(trap.contains("list has more than 268435455 bytes"), "{trap}");
        }
    }
}

#[test]
fn parameters_that_are_larger_together_than_a_list_may_be_are_looked_for_in_memory() {
    let params =
        |count: usize| (0..count).map(|n| format!(r#"(param "p{n}" (list u8 268435455))"#)).collect::<String>();
    for count in [2, 15] {
        let mut running = passing(&params(count), "i32", "(local.get 0)");
        let trap = run(&mut running, 0).expect_err("no memory has so much");
        assert!(trap.contains("pointer out of bounds"), "{trap}");
    }
    let mut running = passing(&params(1), "i32", "(local.get 0)");
    let trap = run(&mut running, 0).expect_err("this one has one page");
    assert!(trap.contains("pointer out of bounds"), "{trap}");
}
