//! What a set links to, seen from the image.

use hatchery_compile::{Budget, CompileError, LinkError, LinkSet, Source, compile};
use hatchery_image::{Bounds, ExportItem, FuncType, Image, InstanceId, StepKind, TrapCode, Tunables, ValType};

/// A set of instances of modules in text form; each lists whose exports its imports are.
struct Set(LinkSet);

impl Set {
    fn new() -> Set {
        Set(LinkSet::new())
    }

    fn script() -> Set {
        Set(LinkSet::script())
    }

    fn add(&mut self, text: &str, imports: &[(&str, InstanceId)]) -> InstanceId {
        let module = self.0.add_module(wat::parse_str(text).expect("test text"));
        let imports: Vec<_> = imports.iter().map(|(name, id)| (name.to_string(), *id)).collect();
        self.0.add_instance(module, None, &imports)
    }

    fn compile(&self) -> Result<Image, CompileError> {
        compile(&self.0, &Tunables::default(), &Budget::default())
    }

    fn image(&self) -> Image {
        self.compile().expect("it links")
    }
}

fn image(text: &str) -> Image {
    let mut set = Set::new();
    set.add(text, &[]);
    set.image()
}

fn link_error(set: &Set) -> LinkError {
    match set.compile() {
        Err(CompileError::Link(error)) => error,
        other => panic!("not a link error: {other:?}"),
    }
}

fn export(image: &Image, instance: InstanceId, name: &str) -> ExportItem {
    image.export(instance, name).expect("it is exported")
}

/// 8 bytes of the initial pages, at an offset from `vmctx`.
fn word(image: &Image, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    image.pages().read(image.layout().vmctx + offset, &mut bytes).expect("pages");
    u64::from_le_bytes(bytes)
}

fn memory(image: &Image, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    image.pages().read(image.layout().vmctx + image.layout().memories[0].offset + at, &mut bytes).expect("pages");
    bytes
}

#[test]
fn an_export_of_an_import_is_the_same_function() {
    let mut set = Set::new();
    let a = set.add(r#"(module (func (export "f") (result i32) (i32.const 7)))"#, &[]);
    let b = set.add(r#"(module (import "a" "f" (func $f (result i32))) (export "g" (func $f)))"#, &[("a", a)]);
    let image = set.image();
    assert_eq!(export(&image, a, "f"), export(&image, b, "g"));
    assert!(image.imports().is_empty());
}

#[test]
fn what_no_instance_provides_is_the_hosts() {
    let image = image(
        r#"(module (import "env" "f" (func (param i32))) (import "env" "v" (func (param v128))) (export "f" (func 0)))"#,
    );
    let imports: Vec<_> = image.imports().iter().collect();
    let [native, array] = imports[..] else { panic!("{imports:?}") };
    assert_eq!((native.module, native.name), ("env", "f"));
    assert_eq!(*image.types().get(native.ty), FuncType::new([ValType::I32], []));
    assert!(native.spill_shim.is_some());
    assert!(array.spill_shim.is_none(), "an array form needs no shim to it");
    let ExportItem::Func(function) = export(&image, InstanceId(0), "f") else { panic!("no function") };
    assert_eq!(function.code_offset, native.thunk);
    assert!(image.entry_trampoline(function.ty).is_some());
}

#[test]
fn imports_that_are_not_there_or_do_not_fit_are_named() {
    let exporter = r#"(module
        (func (export "f") (param i32))
        (memory (export "m") 1 2)
        (table (export "t") 1 2 funcref)
        (global (export "g") i32 (i32.const 1))
        (global (export "v") (mut funcref) (ref.null func)))"#;
    let fails = [
        r#"(import "a" "f" (func))"#,
        r#"(import "a" "f" (memory 1))"#,
        r#"(import "a" "m" (memory 2))"#,
        r#"(import "a" "m" (memory 1 1))"#,
        r#"(import "a" "m" (memory i64 1))"#,
        r#"(import "a" "t" (table 2 funcref))"#,
        r#"(import "a" "t" (table 1 1 funcref))"#,
        r#"(import "a" "t" (table 1 externref))"#,
        r#"(import "a" "t" (table i64 1 funcref))"#,
        r#"(import "a" "g" (global i64))"#,
        r#"(import "a" "g" (global (mut i32)))"#,
        r#"(import "a" "v" (global funcref))"#,
        r#"(import "a" "v" (global (mut (ref null nofunc))))"#,
    ];
    for import in fails {
        let mut set = Set::new();
        let a = set.add(exporter, &[]);
        set.add(&format!("(module {import})"), &[("a", a)]);
        let error = link_error(&set);
        assert!(matches!(error, LinkError::IncompatibleImport { .. }), "{import}: {error}");
        assert!(error.to_string().contains("incompatible import type"), "{error}");
    }
    let fits = [
        r#"(import "a" "f" (func (param i32)))"#,
        r#"(import "a" "m" (memory 0 3))"#,
        r#"(import "a" "t" (table 1 2 funcref))"#,
        r#"(import "a" "g" (global i32))"#,
    ];
    for import in fits {
        let mut set = Set::new();
        let a = set.add(exporter, &[]);
        set.add(&format!("(module {import})"), &[("a", a)]);
        set.image();
    }
    let mut set = Set::new();
    let a = set.add(exporter, &[]);
    set.add(r#"(module (import "a" "x" (func)))"#, &[("a", a)]);
    let error = link_error(&set);
    assert!(matches!(&error, LinkError::UnknownImport { name, .. } if name == "x"), "{error}");
    assert!(error.to_string().contains("unknown import"), "{error}");
    let mut set = Set::new();
    set.add(r#"(module (import "env" "m" (memory 1)))"#, &[]);
    assert!(matches!(link_error(&set), LinkError::HostImportNotFunction { .. }));
}

#[test]
fn a_subtype_is_enough_for_an_immutable_global() {
    let mut set = Set::new();
    let a = set.add(r#"(module (func $f) (elem declare func $f) (global (export "g") (ref func) (ref.func $f)))"#, &[]);
    set.add(r#"(module (import "a" "g" (global funcref)))"#, &[("a", a)]);
    set.image();
}

#[test]
fn instances_name_only_what_is_before_them() {
    let mut set = Set::new();
    set.add("(module)", &[("a", InstanceId(0))]);
    assert!(matches!(link_error(&set), LinkError::NotInSet { what: "instance", number: 0, .. }));
}

#[test]
fn two_instances_of_one_module_share_code_bytes_but_no_state() {
    let bytes = wat::parse_str(
        r#"(module (memory (export "memory") 1) (global (export "g") (mut i32) (i32.const 5))
            (data $d "hello") (func (export "f") (memory.init $d (i32.const 0) (i32.const 0) (i32.const 5))))"#,
    );
    let mut set = LinkSet::new();
    let module = set.add_module(bytes.expect("test text"));
    let a = set.add_instance(module, Some("a"), &[]);
    let b = set.add_instance(module, None, &[]);
    let image = compile(&set, &Tunables::default(), &Budget::default()).expect("it links");
    for name in ["f", "memory", "g"] {
        assert_ne!(export(&image, a, name), export(&image, b, name));
    }
    assert_eq!(image.instances().get(0).expect("it is there").name, Some("a"));
    assert_eq!(image.instances().get(1).expect("it is there").main_memory.map(|id| id.0), Some(1));
    assert_eq!(image.data(), b"hello", "passive bytes are kept once");
    assert_eq!(
        image.data_segments().get(0).expect("it is there").start,
        image.data_segments().get(1).expect("it is there").start
    );
    assert_ne!(
        image.data_segments().get(0).expect("it is there").dropped_offset,
        image.data_segments().get(1).expect("it is there").dropped_offset
    );
    assert_eq!(image.types().iter().len(), 1);
}

#[test]
fn segments_are_folded_up_to_the_first_step_that_runs_code() {
    let mut set = Set::new();
    let a = set.add(r#"(module (memory (export "m") 1) (data (i32.const 1) "one"))"#, &[]);
    set.add(
        r#"(module (import "a" "m" (memory 1)) (func $s) (start $s)
            (table 4 funcref) (elem (i32.const 2) $s) (data (i32.const 2) "two"))"#,
        &[("a", a)],
    );
    set.add(r#"(module (import "a" "m" (memory 1)) (data (i32.const 9) "three"))"#, &[("a", a)]);
    let image = set.image();
    assert_eq!(memory(&image, 0, 12), b"\0otwo\0\0\0\0\0\0\0");
    assert_eq!(image.plan().cursor, 3);
    let remaining: Vec<_> = image.plan().remaining().iter().map(|step| (step.instance.0, &step.kind)).collect();
    assert!(matches!(remaining[..], [(1, StepKind::CoreStart { .. }), (2, StepKind::CoreData { offset: 9, .. })]));
    let steps: Vec<_> = image.instances().iter().map(|instance| instance.steps).collect();
    assert_eq!(steps, [0..1, 1..4, 4..5]);
    assert_eq!(image.data(), b"three", "what is folded is not kept");
    let table = &image.layout().tables[0];
    let start = image.functions().iter().next().expect("the start function");
    assert_eq!(word(&image, u64::from(table.offset) + 16), u64::from(start.start) << 32 | u64::from(start.ty.get()));
    assert_eq!(word(&image, u64::from(table.length_offset)), 4);
    assert_eq!(word(&image, u64::from(image.layout().memories[0].length_offset)), 65536);
    let dropped: Vec<_> = image.data_segments().iter().map(|s| word(&image, s.dropped_offset.into()) as u32).collect();
    assert_eq!(dropped, [1, 1, 0]);
}

#[test]
fn a_segment_that_traps_stays_in_the_plan_with_all_behind_it() {
    let image =
        image(r#"(module (memory 1) (data (i32.const 0) "a") (data (i32.const 65535) "bc") (data (i32.const 1) "d"))"#);
    assert_eq!(image.plan().cursor, 1);
    assert_eq!(memory(&image, 0, 2), b"a\0");
    assert_eq!(memory(&image, 65535, 1), b"\0");
}

/// A module with one byte of data at every multiple of `distance`.
fn scattered(segments: u64, distance: u64) -> Image {
    let data: String = (0..segments).map(|i| format!("(data (i32.const {}) \"x\")", i * distance)).collect();
    image(&format!("(module (memory 65536) {data})"))
}

#[test]
fn segments_too_scattered_for_mappings_stay_in_the_plan() {
    let near = scattered(300, 32 << 10);
    assert_eq!((near.plan().cursor, near.pages().runs().len()), (300, 2), "the state, and the memory");
    let far = scattered(300, 3 << 20);
    assert_eq!((far.plan().cursor, far.pages().runs().len()), (0, 1));
    assert_eq!(far.data().len(), 300, "all can still be read");
}

#[test]
fn segments_that_waste_pages_are_folded_up_to_a_bound() {
    let image = scattered(20_000, 4096);
    let (folded, bound) = (image.plan().cursor, (32 << 20) / 4095);
    assert!((bound..bound + 2).contains(&folded), "{folded}");
    assert!(!image.plan().remaining().is_empty());
}

#[test]
fn any_number_of_segments_is_folded_that_share_pages() {
    let image = scattered(40_000, 64);
    assert_eq!((image.plan().cursor, image.data().len()), (40_000, 0));
}

#[test]
fn segments_a_gap_apart_do_not_become_a_file_of_all_between_them() {
    let image = scattered(4000, (1 << 20) - 4096);
    let stored = image.pages().runs().iter().map(|run| run.length).sum::<u64>();
    assert!(stored < 1 << 20, "{stored}");
    assert_eq!(image.data().len(), 4000, "all can still be read");
}

#[test]
fn a_script_folds_nothing_and_checks_lengths_when_it_gets_there() {
    let mut set = Set::script();
    let a = set.add(
        r#"(module (memory (export "m") 1) (table (export "t") 1 funcref) (data (i32.const 0) "a")
            (func $f) (elem declare func $f))"#,
        &[],
    );
    set.add(r#"(module (import "a" "m" (memory 3)) (import "a" "t" (table 4 funcref)))"#, &[("a", a)]);
    let image = set.image();
    assert_eq!(image.plan().cursor, 0);
    assert_eq!(memory(&image, 0, 1), [0]);
    let kinds: Vec<_> = image.plan().steps.iter().map(|step| step.kind.clone()).collect();
    let [drop, data, memory, table] = &kinds[..] else { panic!("{kinds:?}") };
    assert!(matches!(drop, StepKind::DropElem { .. }));
    assert!(matches!(data, StepKind::CoreData { offset: 0, .. }));
    assert!(matches!(memory, StepKind::CheckMemory { minimum: 0x30000, .. }));
    assert!(matches!(table, StepKind::CheckTable { minimum: 4, .. }));
}

#[test]
fn constant_expressions_are_values_in_the_pages() {
    let mut set = Set::new();
    let a = set.add(
        r#"(module (global (export "base") i32 (i32.const 40)) (func $f (export "f"))
            (global (export "ref") funcref (ref.func $f)))"#,
        &[],
    );
    let b = set.add(
        r#"(module
            (import "a" "base" (global $base i32))
            (import "a" "ref" (global $ref funcref))
            (global $sum (export "sum") i32 (i32.add (global.get $base) (i32.mul (i32.const 2) (i32.const 1))))
            (global (export "next") i32 (i32.sub (global.get $sum) (i32.const 1)))
            (global (export "v") v128 (v128.const i64x2 1 2))
            (global (export "f64") f64 (f64.const 1.5))
            (global (export "null") externref (ref.null extern))
            (table (export "t") 3 funcref (global.get $ref)))"#,
        &[("a", a)],
    );
    let image = set.image();
    let offset = |name| match export(&image, b, name) {
        ExportItem::Global(id) => u64::from(image.globals().get(id.index()).expect("it is there").offset),
        other => panic!("{other:?}"),
    };
    assert_eq!(word(&image, offset("sum")), 42);
    assert_eq!(word(&image, offset("next")), 41);
    assert_eq!((word(&image, offset("v")), word(&image, offset("v") + 8)), (1, 2));
    assert_eq!(word(&image, offset("f64")), 1.5f64.to_bits());
    assert_eq!(word(&image, offset("null")), 0);
    let ExportItem::Func(f) = export(&image, a, "f") else { panic!("no function") };
    let funcref = u64::from(f.code_offset) << 32 | u64::from(f.ty.get());
    for i in 0..3 {
        assert_eq!(word(&image, u64::from(image.layout().tables[0].offset) + 8 * i), funcref);
    }
}

#[test]
fn a_table_is_growable_when_any_instance_that_has_it_grows_it() {
    let mut set = Set::new();
    let a = set.add(r#"(module (table (export "t") 1 funcref) (table (export "u") 1 funcref))"#, &[]);
    set.add(
        r#"(module (import "a" "u" (table 0 funcref))
            (func (drop (table.grow (ref.null func) (i32.const 1)))))"#,
        &[("a", a)],
    );
    let image = set.image();
    assert_eq!(image.tables().iter().map(|table| table.growable).collect::<Vec<_>>(), [false, true]);
    assert_eq!(image.layout().tables[0].limit, 1);
    assert_eq!(image.layout().tables[1].limit, Tunables::default().table_room);
}

#[test]
fn functions_have_names_types_and_places() {
    let image =
        image(r#"(module (import "env" "f" (func $import)) (func $first (param i32)) (func $second (call $import)))"#);
    let functions: Vec<_> = image.functions().iter().collect();
    assert_eq!(functions.len(), 2);
    assert_eq!(functions[0].name, Some("first"));
    assert_eq!((functions[1].index, functions[1].name), (2, Some("second")));
    assert_eq!(*image.types().get(functions[0].ty), FuncType::new([ValType::I32], []));
    assert!(functions.iter().all(|function| function.start % 64 == 0 && function.length > 0));
    let call = functions[1];
    assert!((call.start..call.start + call.length).any(|at| image.addresses().find(at).is_some()));
}

#[test]
fn traps_are_where_code_halts() {
    let image = image(r#"(module (func unreachable))"#);
    let function = image.functions().iter().next().expect("a function");
    let at = (function.start..function.start + function.length)
        .find(|at| image.traps().find(*at) == Some(TrapCode::Unreachable))
        .expect("the trap is in the map");
    assert_eq!(image.text().bytes()[at as usize..at as usize + 2], [0xf4, 0x90]);
}

#[test]
fn a_budget_is_checked_part_by_part() {
    let text = r#"(module (import "e" "f" (func)) (type (func (param i32))) (func) (func)
        (memory 1) (data "abc") (table 5 funcref (ref.func 0)) (elem func 0 0))"#;
    let module = wat::parse_str(text).expect("test text");
    let mut set = LinkSet::new();
    let module = set.add_module(module);
    set.add_instance(module, None, &[]);
    set.add_instance(module, None, &[]);
    let check = |budget: Budget| match compile(&set, &Tunables::default(), &budget) {
        Ok(_) => None,
        Err(CompileError::Budget(error)) => Some((error.needed, error.allowed)),
        Err(other) => panic!("{other}"),
    };
    let full = Budget::default();
    assert_eq!(check(full), None);
    assert_eq!(check(Budget { instances: 1, ..full }), Some((2, 1)));
    assert_eq!(check(Budget { functions: 5, ..full }), Some((6, 5)));
    assert_eq!(check(Budget { functions: 6, ..full }), None);
    assert_eq!(check(Budget { types: 1, ..full }), Some((2, 1)));
    assert_eq!(check(Budget { items: 9, ..full }), Some((10, 9)));
    assert_eq!(check(Budget { name_bytes: 3, ..full }), Some((4, 3)));
    assert_eq!(check(Budget { elements: 13, ..full }), Some((14, 13)));
    assert_eq!(check(Budget { data_bytes: 5, ..full }), Some((6, 5)));
    assert!(check(Budget { code_bytes: 1, ..full }).is_some());
    assert_eq!(check(Budget { repeated_code_bytes: 5, ..full }), Some((6, 5)));
    assert_eq!(check(Budget { repeated_code_bytes: 6, ..full }), None);
}

#[test]
fn what_fits_no_slot_is_a_layout_error() {
    let mut set = Set::new();
    set.add("(module (memory i64 0x1_0000_0000_0000))", &[]);
    assert!(matches!(set.compile(), Err(CompileError::Layout(_))));
    let mut set = Set::new();
    set.add("(module (table i64 0x1000_0000_0000 funcref))", &[]);
    let error = set.compile();
    assert!(matches!(error, Err(CompileError::Layout(_) | CompileError::Invalid { .. })), "{error:?}");
}

fn bound(module: &str, name: &str, source: Source) -> (Box<str>, Box<str>, Source) {
    (module.into(), name.into(), source)
}

#[test]
fn imports_are_bound_one_by_one() {
    let mut set = Set::new();
    let a = set.add(r#"(module (func (export "f")) (func (export "g") (result i32) (i32.const 1)))"#, &[]);
    let text = r#"(module (import "m" "x" (func $x)) (import "m" "y" (func $y (result i32))) (import "m" "z" (func $z))
        (import "m" "t" (func $t (param i32))) (import "n" "h" (func $h))
        (export "x" (func $x)) (export "y" (func $y)) (export "t" (func $t)) (start $x))"#;
    let module = set.0.add_module(wat::parse_str(text).expect("test text"));
    let from = |name: &str| Source::Export { instance: a, name: name.into() };
    let b = set.0.add_bound_instance(
        module,
        Some("b"),
        [
            bound("m", "x", from("f")),
            bound("m", "y", from("g")),
            bound("m", "z", Source::Host { module: "env".into(), name: "host".into() }),
            bound("m", "t", Source::Trap(TrapCode::CannotLeave)),
        ],
    );
    let image = set.image();
    assert_eq!(export(&image, a, "f"), export(&image, b, "x"));
    assert_eq!(export(&image, a, "g"), export(&image, b, "y"));
    let imports: Vec<_> = image.imports().iter().map(|import| (import.module, import.name)).collect();
    assert_eq!(imports, [("env", "host"), ("n", "h")]);
    let ExportItem::Func(trap) = export(&image, b, "t") else { panic!("a function") };
    assert!(image.entry_trampoline(trap.ty).is_some());
}

#[test]
fn a_trap_has_one_type_only() {
    for ty in ["(func)", "(func (param i32) (result i32))", "(func (param i64))", "(memory 1)"] {
        let mut set = Set::new();
        let text = format!(r#"(module (type (func (param i32))) (import "m" "t" {ty}))"#);
        let module = set.0.add_module(wat::parse_str(text).expect("test text"));
        set.0.add_bound_instance(module, None, [bound("m", "t", Source::Trap(TrapCode::CannotLeave))]);
        assert!(matches!(link_error(&set), LinkError::IncompatibleImport { .. }), "{ty}");
    }
}

#[test]
fn memories_of_generated_modules_reserve_what_they_declare() {
    let bytes = wat::parse_str("(module (memory 1 3))").expect("test text");
    let mut set = LinkSet::new();
    let (guest, ours) = (set.add_module(bytes.clone()), set.add_generated_module(bytes));
    set.add_instance(guest, None, &[]);
    set.add_instance(ours, None, &[]);
    let image = compile(&set, &Tunables::default(), &Budget::default()).expect("it links");
    let [guest, ours] = &image.layout().memories[..] else { panic!("two memories") };
    assert_eq!((guest.reserved, guest.bounds), (Tunables::FOUR_GIB, Bounds::Guard));
    assert_eq!((ours.reserved, ours.limit, ours.bounds), (3 << 16, 3 << 16, Bounds::Explicit));
}
