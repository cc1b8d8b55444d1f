//! One call of each kind.

use super::build::{ALLOCATOR, Guest};
use crate::ErrorKind;
use hatchery_component::types::ValueType;

fn echo() -> Guest {
    let wat = format!(
        r#"(module {ALLOCATOR}
            (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
            (func (export "echo") (param i32 i32) (result i32)
                (i32.store (i32.const 16) (local.get 0))
                (i32.store (i32.const 20) (local.get 1))
                (i32.const 16))
            (global $posts (mut i32) (i32.const 0))
            (func (export "post-echo") (param i32) (global.set $posts (i32.add (global.get $posts) (local.get 0))))
            (func (export "posts") (result i32) (global.get $posts))
            (func (export "fail") unreachable))"#
    );
    Guest::new(&wat)
        .export("double", &[ValueType::U32], Some(ValueType::U32))
        .export("echo", &[ValueType::String], Some(ValueType::String))
        .export("posts", &[], Some(ValueType::U32))
        .export("fail", &[], None)
}

#[test]
fn exports_are_called_with_typed_values() {
    let mut instance = echo().instantiate();
    let double = instance.func::<(u32,), (u32,)>("double").expect("there");
    assert_eq!(double.call(&mut instance, (21,)).expect("returns"), (42,));
    let echo = instance.func::<(&str,), (String,)>("echo").expect("there");
    assert_eq!(echo.call(&mut instance, ("härter",)).expect("returns").0, "härter");
    let posts = instance.func::<(), (u32,)>("posts").expect("there");
    assert_eq!(posts.call(&mut instance, ()).expect("returns"), (16,));
}

#[test]
fn a_trap_poisons() {
    let mut instance = echo().instantiate();
    let double = instance.func::<(u32,), (u32,)>("double").expect("there");
    let fail = instance.func::<(), ()>("fail").expect("there");
    assert_eq!(fail.call(&mut instance, ()).unwrap_err().kind(), ErrorKind::Trap);
    assert!(instance.is_poisoned());
    assert_eq!(double.call(&mut instance, (1,)).unwrap_err().kind(), ErrorKind::Poisoned);
}

#[test]
fn types_are_compared_once_and_named() {
    let instance = echo().instantiate();
    let error = instance.func::<(String,), (u32,)>("double").unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot use `double`: the component's function is func(p0: u32) -> u32, and what was asked for is \
         func(string) -> u32"
    );
    assert!(instance.func::<(), ()>("nothing").unwrap_err().to_string().contains("no export `nothing`"));
}
