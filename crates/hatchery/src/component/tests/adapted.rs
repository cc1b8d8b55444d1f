//! Core modules that import what no WIT package knows, with adapters.

use super::build::engine;
use crate::ErrorKind;
use crate::component::{Adapter, Component, Linker, Wit};

/// Counts on what it gets from the module `old`.
const OLD: &str = r#"(module
    (import "old" "log" (func $log (param i32)))
    (import "old" "last" (func $last (result i32)))
    (func (export "run") (param i32) (result i32)
        (call $log (local.get 0))
        (i32.add (call $last) (i32.const 1000)))
    (func (export "start") (call $log (i32.const 42))))"#;

const OLD_WIT: &str = "package test:old; world old { export run: func(n: u32) -> u32; }";

/// What `old` is in terms of an interface; it begins by starting the module.
const ADAPTER: &str = r#"(module
    (import "__main_module__" "start" (func $start))
    (import "test:adapted/lines" "line" (func $line (param i32)))
    (import "test:adapted/lines" "count" (func $count (result i32)))
    (func (export "log") (param i32) (call $line (i32.add (local.get 0) (i32.const 1))))
    (func (export "last") (result i32) (call $count))
    (func (export "begin") (call $start)))"#;

const ADAPTER_WIT: &str = r#"
package test:adapted;
interface lines {
    line: func(number: u32);
    count: func() -> u32;
}
world adapter {
    import lines;
    export begin: func();
}
"#;

const ADAPTERS: &[Adapter<'_>] = &[Adapter {
    name: "old",
    module: ADAPTER.as_bytes(),
    wit: Wit::Text { package: ADAPTER_WIT, world: Some("adapter") },
}];

fn linker() -> Linker<Vec<u32>> {
    let mut linker = Linker::<Vec<u32>>::new(&engine());
    let mut lines = linker.instance("test:adapted/lines").expect("a name");
    lines
        .func("line", |mut caller, (number,): (u32,)| {
            caller.data_mut().push(number);
            Ok(())
        })
        .expect("defined once");
    lines.func("count", |caller, ()| Ok((caller.data().len() as u32,))).expect("defined once");
    linker
}

#[test]
fn a_module_and_its_adapter_are_a_component() {
    let (linker, wit) = (linker(), Wit::Text { package: OLD_WIT, world: None });
    let component = Component::from_core_module_with(linker.engine(), OLD, wit, ADAPTERS);
    let component = component.unwrap_or_else(|error| panic!("{error}"));
    let prepared = linker.prepare(&component).expect("fits");
    let mut instance = prepared.instantiate(Vec::new()).expect("an instance");
    let run = prepared.func::<(u32,), (u32,)>("run").expect("there");
    assert_eq!(run.call(&mut instance, (7,)).expect("returns"), (1001,));
    assert_eq!(run.call(&mut instance, (8,)).expect("returns"), (1002,));
    let begin = prepared.func::<(), ()>("begin").expect("the adapter exports it");
    begin.call(&mut instance, ()).expect("returns");
    assert_eq!(instance.data(), &[8, 9, 43]);
}

#[test]
fn a_module_without_types_has_the_world_of_its_adapter() {
    let linker = linker();
    let component = Component::from_core_module_with(linker.engine(), OLD, Wit::Embedded, ADAPTERS);
    let component = component.unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = component.exports().iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["begin"]);
    let prepared = linker.prepare(&component).expect("fits");
    let mut instance = prepared.instantiate(Vec::new()).expect("an instance");
    prepared.func::<(), ()>("begin").expect("there").call(&mut instance, ()).expect("returns");
    assert_eq!(instance.data(), &[43]);
}

#[test]
fn what_does_not_fit_is_named() {
    let check = |adapters: &[Adapter<'_>], expected: &str| {
        let wit = Wit::Text { package: OLD_WIT, world: None };
        let error = Component::from_core_module_with(&engine(), OLD, wit, adapters).expect_err("does not fit");
        assert_eq!(error.kind(), ErrorKind::Compile);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let [adapter] = ADAPTERS else { panic!("there is one") };
    check(&[], "old");
    check(&[Adapter { name: "older", ..*adapter }], "old");
    check(&[Adapter { wit: Wit::Embedded, ..*adapter }], "the adapter `old` cannot be used");
    check(&[Adapter { module: b"(module (func", ..*adapter }], "expected");
    let other = ADAPTER.replace("\"start\"", "\"stop\"");
    check(&[Adapter { module: other.as_bytes(), ..*adapter }], "`stop`");
    check(&[*adapter, *adapter], "two adapters with the name `old`");
}
