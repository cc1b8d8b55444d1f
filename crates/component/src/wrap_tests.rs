//! Core modules in the text format, and their worlds.

use super::{Adapter, Wit, WrapError, has_types, imports_any, wrap, wrap_with};
use crate::plan::{Export, TreePlan};
use crate::translate;

/// A world with all that names are made for.
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
    export run: func() -> u32;
}
"#;

const OLDER: &str = r#"(module
    (import "test:names/host@1.2.3" "open" (func (param i32 i32) (result i32)))
    (import "test:names/host@1.2.3" "[method]file.size" (func (param i32) (result i32)))
    (import "test:names/host@1.2.3" "[resource-drop]file" (func (param i32)))
    (import "$root" "log" (func (param i32 i32)))
    (import "[export]test:names/guest@1.2.3" "[resource-new]counter" (func (param i32) (result i32)))
    (import "[export]test:names/guest@1.2.3" "[resource-rep]counter" (func (param i32) (result i32)))
    (import "[export]test:names/guest@1.2.3" "[resource-drop]counter" (func (param i32)))
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "_initialize"))
    (func (export "test:names/guest@1.2.3#[constructor]counter") (param i32) (result i32) (local.get 0))
    (func (export "test:names/guest@1.2.3#[method]counter.get") (param i32) (result i32) (local.get 0))
    (func (export "test:names/guest@1.2.3#[dtor]counter") (param i32))
    (func (export "test:names/guest@1.2.3#greet") (param i32 i32) (result i32) (i32.const 0))
    (func (export "cabi_post_test:names/guest@1.2.3#greet") (param i32))
    (func (export "run") (result i32) (i32.const 0)))"#;

const NEWER: &str = r#"(module
    (import "cm32p2|test:names/host@1" "open" (func (param i32 i32) (result i32)))
    (import "cm32p2|test:names/host@1" "[method]file.size" (func (param i32) (result i32)))
    (import "cm32p2|test:names/host@1" "file_drop" (func (param i32)))
    (import "cm32p2" "log" (func (param i32 i32)))
    (import "cm32p2|_ex_test:names/guest@1" "counter_new" (func (param i32) (result i32)))
    (import "cm32p2|_ex_test:names/guest@1" "counter_rep" (func (param i32) (result i32)))
    (import "cm32p2|_ex_test:names/guest@1" "counter_drop" (func (param i32)))
    (memory (export "cm32p2_memory") 1)
    (func (export "cm32p2_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "cm32p2_initialize"))
    (func (export "cm32p2|test:names/guest@1|[constructor]counter") (param i32) (result i32) (local.get 0))
    (func (export "cm32p2|test:names/guest@1|[method]counter.get") (param i32) (result i32) (local.get 0))
    (func (export "cm32p2|test:names/guest@1|counter_dtor") (param i32))
    (func (export "cm32p2|test:names/guest@1|greet") (param i32 i32) (result i32) (i32.const 0))
    (func (export "cm32p2|test:names/guest@1|greet_post") (param i32))
    (func (export "cm32p2||run") (result i32) (i32.const 0)))"#;

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("is well-formed")
}

fn everything(text: &str) -> TreePlan {
    let wit = Wit::Text { package: WIT, world: Some("everything") };
    let component = wrap(&module(text), wit).unwrap_or_else(|error| panic!("{error}"));
    translate(&component).unwrap_or_else(|error| panic!("{error}"))
}

fn check_everything(plan: &TreePlan) {
    let imports: Vec<_> = plan.imports.iter().map(|import| (import.interface.as_deref(), &*import.name)).collect();
    let host = Some("test:names/host@1.2.3");
    for import in [(host, "open"), (host, "[method]file.size"), (None, "log")] {
        assert!(imports.contains(&import), "{import:?} is not among {imports:?}");
    }
    let names: Vec<_> = plan.exports.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let guest = plan.exports.iter().find(|(name, _)| &**name == "test:names/guest@1.2.3");
    let Some((_, Export::Instance(guest))) = guest else { panic!("{names:?}") };
    assert!(guest.iter().any(|(name, export)| &**name == "greet" && matches!(export, Export::Func(_))));
    assert!(guest.iter().any(|(name, export)| &**name == "counter" && matches!(export, Export::Resource(_))));
}

#[test]
fn the_older_names() {
    check_everything(&everything(OLDER));
}

#[test]
fn the_names_of_build_targets() {
    check_everything(&everything(NEWER));
}

#[test]
fn what_the_world_asks_for_must_be_there() {
    let lacking = OLDER.replace(r#"(export "run")"#, r#"(export "walk")"#);
    let error = wrap(&module(&lacking), Wit::Text { package: WIT, world: None }).expect_err("has no `run`");
    assert!(matches!(&error, WrapError::Module(why) if why.contains("run")), "{error}");
    let typed = OLDER.replace(r#"(export "run") (result i32) (i32.const 0)"#, r#"(export "run")"#);
    let error = wrap(&module(&typed), Wit::Text { package: WIT, world: None }).expect_err("is of another type");
    assert!(matches!(error, WrapError::Module(_)), "{error}");
    let more = OLDER.replace(r#""$root" "log""#, r#""$root" "shout""#);
    let error = wrap(&module(&more), Wit::Text { package: WIT, world: None }).expect_err("nothing shouts");
    assert!(matches!(&error, WrapError::Module(why) if why.contains("shout")), "{error}");
}

#[test]
fn types_must_be_somewhere() {
    let bytes = module(OLDER);
    assert!(!has_types(&bytes));
    assert_eq!(wrap(&bytes, Wit::Embedded), Err(WrapError::NoTypes));
    for (package, world) in [("package", None), (WIT, Some("nothing"))] {
        let error = wrap(&bytes, Wit::Text { package, world }).expect_err("is no world");
        assert!(matches!(error, WrapError::Wit(_)), "{error}");
    }
    let error = wrap(b"not a module", Wit::Text { package: WIT, world: None }).expect_err("is no module");
    assert!(matches!(error, WrapError::Module(_)), "{error}");
}

/// A module with its types in a section, as compilers of guests leave them there.
fn embedded() -> Vec<u8> {
    let packages = super::text(WIT).expect("is a package");
    super::with_types(&module(OLDER), &packages, None).expect("has one world")
}

#[test]
fn types_can_be_in_the_module() {
    let bytes = embedded();
    assert!(has_types(&bytes));
    let component = wrap(&bytes, Wit::Embedded).unwrap_or_else(|error| panic!("{error}"));
    check_everything(&translate(&component).expect("is a component"));
    assert!(!has_types(&component), "a component is no core module");
    assert!(!has_types(b""));
}

/// A module with this many sections after one with types, each of so many bytes.
fn with_sections(count: usize, bytes: usize) -> Vec<u8> {
    let mut module = embedded();
    for number in 0..count {
        let (name, data) = (format!("component-type:{number}"), vec![0xff; bytes].into());
        let section = wasm_encoder::CustomSection { name: name.into(), data };
        wasm_encoder::Section::append_to(&section, &mut module);
    }
    module
}

#[test]
fn types_in_more_sections_than_are_merged_are_refused_unread() {
    let sections = |error| match error {
        WrapError::TooManyTypes { sections, .. } => sections,
        error => panic!("{error}"),
    };
    let all = [Wit::Embedded, Wit::Text { package: WIT, world: None }];
    for (wit, (count, bytes)) in
        all.into_iter().flat_map(|wit| [(256, 0), (100_000, 8), (1, 2 << 20)].map(|of| (wit, of)))
    {
        let module = with_sections(count, bytes);
        assert!(has_types(&module));
        assert_eq!(sections(wrap(&module, wit).expect_err("is too much")), 1 + count);
        // Each adapter is a module of its own, and so is what has adapters.
        let adapter = Adapter { name: "old", module: &module, wit };
        match wrap_with(&self::module(OLD), Wit::Embedded, &[adapter]) {
            Err(WrapError::Adapter { why, .. }) => assert_eq!(sections(*why), 1 + count),
            other => panic!("{other:?}"),
        }
        let types = Wit::Text { package: ADAPTER_WIT, world: None };
        let adapter = Adapter { name: "old", module: &self::module(ADAPTER), wit: types };
        assert_eq!(sections(wrap_with(&module, wit, &[adapter]).expect_err("is too much")), 1 + count);
    }
    // These are read.
    let error = wrap(&with_sections(255, 8), Wit::Embedded).expect_err("they contain nothing");
    assert!(matches!(error, WrapError::Module(_)), "{error}");
}

#[test]
fn imports_are_found_by_their_module() {
    let bytes = embedded();
    assert!(imports_any(&bytes, &["wasi_snapshot_preview1", "$root"]));
    assert!(!imports_any(&bytes, &["wasi_snapshot_preview1"]));
}

#[test]
fn changed_bytes_are_refused_or_wrapped() {
    let bytes = embedded();
    for at in 0..bytes.len() {
        for change in [1, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= change;
            if let Ok(component) = wrap(&bytes, Wit::Embedded) {
                // Functions may be wrong, but nothing of the types is.
                let _ = translate(&component);
            }
        }
    }
}

/// A module that knows nothing of WIT.
const OLD: &str = r#"(module
    (import "old" "log" (func $log (param i32)))
    (func (export "start") (call $log (i32.const 42)))
    (func (export "run") (result i32) (i32.const 7)))"#;

/// What `old` is in terms of an interface.
const ADAPTER: &str = r#"(module
    (import "__main_module__" "start" (func $start))
    (import "test:adapted/lines" "line" (func $line (param i32)))
    (func (export "log") (param i32) (call $line (i32.add (local.get 0) (i32.const 1))))
    (func (export "begin") (call $start)))"#;

const ADAPTER_WIT: &str = r#"
package test:adapted;
interface lines { line: func(number: u32); }
world adapter { import lines; export begin: func(); }
"#;

/// The names of the imports and exports of what a module becomes with this adapter.
fn adapted(wit: Wit<'_>, adapter: &str, times: usize) -> Result<(Vec<String>, Vec<String>), WrapError> {
    let bytes = module(adapter);
    let types = Wit::Text { package: ADAPTER_WIT, world: None };
    let adapters = vec![Adapter { name: "old", module: &bytes, wit: types }; times];
    let component = wrap_with(&module(OLD), wit, &adapters)?;
    let plan = translate(&component).expect("is a component");
    let imports = plan.imports.iter().map(|import| import.name.to_string()).collect();
    Ok((imports, plan.exports.iter().map(|(name, _)| name.to_string()).collect()))
}

#[test]
fn adapters_stand_between_a_module_and_an_interface() {
    let (imports, exports) = adapted(Wit::Embedded, ADAPTER, 1).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((imports, exports), (vec!["line".to_owned()], vec!["begin".to_owned()]));
    let own = Wit::Text { package: "package a:b; world w { export run: func() -> u32; }", world: None };
    let (imports, mut exports) = adapted(own, ADAPTER, 1).unwrap_or_else(|error| panic!("{error}"));
    exports.sort();
    assert_eq!((imports, exports), (vec!["line".to_owned()], vec!["begin".to_owned(), "run".to_owned()]));
}

#[test]
fn adapters_must_fit() {
    let check = |adapter: &str, times, expected: &str| {
        let error = adapted(Wit::Embedded, adapter, times).expect_err("does not fit").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(ADAPTER, 0, "no `component-type` section");
    check(ADAPTER, 2, "two adapters with the name `old`");
    check(&ADAPTER.replace("\"log\"", "\"logs\""), 1, "log");
    let bytes = module(ADAPTER);
    let adapter = Adapter { name: "old", module: &bytes, wit: Wit::Embedded };
    let error = wrap_with(&module(OLD), Wit::Embedded, &[adapter]).expect_err("has no types");
    let why = Box::new(WrapError::NoTypes);
    assert_eq!(error, WrapError::Adapter { name: "old".into(), why });
}
