//! Core modules with the canonical ABI's names, as components.

use super::build::{ALLOCATOR, engine};
use crate::ErrorKind;
use crate::component::{Component, Linker, Resource, ResourceAny, Wit};

const WIT: &str = r#"
package test:names@1.2.3;

interface host {
    resource file { size: func() -> u32; }
    open: func(name: string) -> file;
}

interface guest {
    resource counter { constructor(start: u32); get: func() -> u32; }
    greet: func(name: string) -> string;
}

world everything {
    import host;
    import log: func(line: string);
    export guest;
    export started: func() -> u32;
    export size-of: func(name: string) -> u32;
    export ended: func() -> u32;
}
"#;

/// A module for the world, by whatever names.
fn module(name: impl Fn(&str) -> &'static str) -> String {
    let (import, export) = (|what: &str| name(what), |what: &str| name(what));
    format!(
        r#"(module
            (import {open} (func $open (param i32 i32) (result i32)))
            (import {size} (func $size (param i32) (result i32)))
            (import {drop_file} (func $drop-file (param i32)))
            (import {log} (func $log (param i32 i32)))
            (import {new} (func $new (param i32) (result i32)))
            {ALLOCATOR}
            (global $started (mut i32) (i32.const 0))
            (global $ended (mut i32) (i32.const 0))
            (func (export {initialize}) (global.set $started (i32.add (global.get $started) (i32.const 1))))
            (func (export {started}) (result i32) (global.get $started))
            (func (export {ended}) (result i32) (global.get $ended))
            (func (export {constructor}) (param i32) (result i32) (call $new (local.get 0)))
            (func (export {get}) (param i32) (result i32) (local.get 0))
            (func (export {dtor}) (param i32) (global.set $ended (i32.add (global.get $ended) (local.get 0))))
            (func (export {size_of}) (param i32 i32) (result i32)
                (local $file i32)
                (local.set $file (call $open (local.get 0) (local.get 1)))
                (call $size (local.get $file))
                (call $drop-file (local.get $file)))
            (func (export {greet}) (param i32 i32) (result i32)
                (call $log (local.get 0) (local.get 1))
                (i32.store (i32.const 8) (local.get 0))
                (i32.store (i32.const 12) (local.get 1))
                (i32.const 8))
            (func (export {post}) (param i32) (global.set $ended (i32.add (global.get $ended) (i32.const 1000)))))"#,
        open = import("open"),
        size = import("size"),
        drop_file = import("drop file"),
        log = import("log"),
        new = import("new"),
        initialize = export("initialize"),
        started = export("started"),
        ended = export("ended"),
        constructor = export("constructor"),
        get = export("get"),
        dtor = export("dtor"),
        size_of = export("size of"),
        greet = export("greet"),
        post = export("post"),
    )
}

fn older(what: &str) -> &'static str {
    match what {
        "open" => r#""test:names/host@1.2.3" "open""#,
        "size" => r#""test:names/host@1.2.3" "[method]file.size""#,
        "drop file" => r#""test:names/host@1.2.3" "[resource-drop]file""#,
        "log" => r#""$root" "log""#,
        "new" => r#""[export]test:names/guest@1.2.3" "[resource-new]counter""#,
        "initialize" => r#""_initialize""#,
        "started" => r#""started""#,
        "ended" => r#""ended""#,
        "size of" => r#""size-of""#,
        "constructor" => r#""test:names/guest@1.2.3#[constructor]counter""#,
        "get" => r#""test:names/guest@1.2.3#[method]counter.get""#,
        "dtor" => r#""test:names/guest@1.2.3#[dtor]counter""#,
        "greet" => r#""test:names/guest@1.2.3#greet""#,
        "post" => r#""cabi_post_test:names/guest@1.2.3#greet""#,
        _ => panic!("there is no name for {what}"),
    }
}

fn newer(what: &str) -> &'static str {
    match what {
        "open" => r#""cm32p2|test:names/host@1" "open""#,
        "size" => r#""cm32p2|test:names/host@1" "[method]file.size""#,
        "drop file" => r#""cm32p2|test:names/host@1" "file_drop""#,
        "log" => r#""cm32p2" "log""#,
        "new" => r#""cm32p2|_ex_test:names/guest@1" "counter_new""#,
        "initialize" => r#""cm32p2_initialize""#,
        "started" => r#""cm32p2||started""#,
        "ended" => r#""cm32p2||ended""#,
        "size of" => r#""cm32p2||size-of""#,
        "constructor" => r#""cm32p2|test:names/guest@1|[constructor]counter""#,
        "get" => r#""cm32p2|test:names/guest@1|[method]counter.get""#,
        "dtor" => r#""cm32p2|test:names/guest@1|counter_dtor""#,
        "greet" => r#""cm32p2|test:names/guest@1|greet""#,
        "post" => r#""cm32p2|test:names/guest@1|greet_post""#,
        _ => panic!("there is no name for {what}"),
    }
}

struct File;

fn linker() -> Linker<Vec<String>> {
    let mut linker = Linker::<Vec<String>>::new(&engine());
    linker
        .root()
        .func("log", |mut caller, (line,): (String,)| {
            caller.data_mut().push(line);
            Ok(())
        })
        .expect("defined once");
    let mut host = linker.instance("test:names/host@1.2.3").expect("a name");
    host.resource::<File>("file", |mut caller, file| {
        caller.data_mut().push(format!("dropped {}", file.rep()));
        Ok(())
    })
    .expect("defined once");
    host.func("open", |_, (name,): (String,)| Ok((Resource::<File>::new_own(name.len() as u32),)))
        .expect("defined once");
    host.func("[method]file.size", |_, (file,): (Resource<File>,)| Ok((file.rep(),))).expect("defined once");
    linker
}

fn check(module: String, wit: Wit<'_>) {
    let (guest, linker) = ("test:names/guest@1.2.3", linker());
    let component = Component::from_core_module(linker.engine(), module, wit).unwrap_or_else(|error| panic!("{error}"));
    let prepared = linker.prepare(&component).expect("fits");
    let mut instance = prepared.instantiate(Vec::new()).expect("an instance");
    let started = prepared.func::<(), (u32,)>("started").expect("there");
    assert_eq!(started.call(&mut instance, ()).expect("returns"), (1,));
    let size_of = prepared.func::<(&str,), (u32,)>("size-of").expect("there");
    assert_eq!(size_of.call(&mut instance, ("twelve chars",)).expect("returns"), (12,));
    let greet = prepared.func::<(&str,), (String,)>((guest, "greet")).expect("there");
    assert_eq!(greet.call(&mut instance, ("hello",)).expect("returns").0, "hello");
    assert_eq!(instance.data(), &["dropped 12", "hello"]);
    let new = prepared.func::<(u32,), (ResourceAny,)>((guest, "[constructor]counter")).expect("there");
    let get = prepared.func::<(ResourceAny,), (u32,)>((guest, "[method]counter.get")).expect("there");
    let (counter,) = new.call(&mut instance, (30,)).expect("returns");
    assert_eq!(get.call(&mut instance, (counter,)).expect("returns"), (30,));
    counter.resource_drop(&mut instance).expect("dropped");
    let ended = prepared.func::<(), (u32,)>("ended").expect("there");
    assert_eq!(ended.call(&mut instance, ()).expect("returns"), (1030,));
}

/// The module's memory and `realloc`, by the newer names.
fn renamed(text: &str) -> String {
    text.replace(r#"(export "memory")"#, r#"(export "cm32p2_memory")"#)
        .replace(r#"(export "cabi_realloc")"#, r#"(export "cm32p2_realloc")"#)
        .replace(r#"(export "realloc")"#, r#"(export "cm32p2_realloc")"#)
}

fn older_module() -> String {
    module(older).replace(r#"(export "realloc")"#, r#"(export "cabi_realloc")"#)
}

#[test]
fn modules_with_the_older_names_are_components() {
    check(older_module(), Wit::Text { package: WIT, world: None });
}

#[test]
fn modules_with_the_newer_names_are_components() {
    check(renamed(&module(newer)), Wit::Text { package: WIT, world: Some("everything") });
}

#[test]
fn modules_without_types_need_a_package() {
    let bytes = wat::parse_str(older_module()).expect("is well-formed");
    assert!(!Component::recognizes_core_module(&bytes));
    let error = Component::from_core_module(&engine(), &bytes, Wit::Embedded).expect_err("has no types");
    assert_eq!(error.kind(), ErrorKind::Compile);
    assert!(error.to_string().contains("`component-type`"), "{error}");
    let lacking = older_module().replace(r#"(export "started")"#, r#"(export "stopped")"#);
    let error = Component::from_core_module(&engine(), lacking, Wit::Text { package: WIT, world: None });
    let error = error.expect_err("lacks an export");
    assert!(error.to_string().contains("started"), "{error}");
}
