//! The shapes of code that the hot paths must have, and inputs that must not take too much.

mod harness;
mod room;
mod suite;

use crate::error::CompileError;
use cranelift_codegen::Context;
use cranelift_frontend::FunctionBuilderContext;
use harness::{Compiled, Harness};
use hatchery_image::{Interruption, Tunables};
use std::io::Write;
use std::path::PathBuf;

/// Compiles the first function of a module.
fn compile(wat: &str, tunables: &Tunables) -> Compiled {
    let wasm = wat::parse_str(wat).expect("a module");
    Harness::new(&wasm, tunables.clone()).expect("it links").compile(0)
}

fn explicit() -> Tunables {
    Tunables { explicit_bounds: true, ..Tunables::default() }
}

/// Explicit because the reservation is smaller than what an index can reach.
fn dense() -> Tunables {
    Tunables { memory32_reservation: 1 << 20, ..Tunables::default() }
}

fn unguarded() -> Tunables {
    Tunables { speculation_guards: false, ..explicit() }
}

fn interrupted(interruption: Interruption) -> Tunables {
    Tunables { interruption, ..Tunables::default() }
}

/// Where memory 0 of a tree without tables is: behind a page of state and the guard.
const MEMORY: u32 = (4 << 10) + (1 << 20);

const LOAD: &str = "(module (memory 1) (func (param i32) (result i32) (i32.load offset=24 (local.get 0))))";

#[test]
fn a_guarded_access_is_one_instruction_with_the_whole_distance_in_it() {
    let compiled = compile(LOAD, &Tunables::default());
    assert!(!compiled.clif.contains("icmp"), "{}", compiled.clif);
    // mov esi, esi; mov eax, [rdi + rsi + displacement]
    let displacement = (MEMORY + 24).to_le_bytes();
    let found = compiled.code.windows(4).any(|window| window == displacement);
    assert!(found, "{:x?}", compiled.code);
    // Nothing else fits between the frame's prologue and epilogue.
    assert!(compiled.code.len() <= 4 + 2 + 7 + 5, "{:x?}", compiled.code);
}

#[test]
fn an_explicit_check_holds_under_misspeculation() {
    // A small reservation: an index can reach what is behind it.
    let compiled = compile(LOAD, &dense());
    assert_eq!(compiled.clif.matches("select_spectre_guard").count(), 1, "{}", compiled.clif);
    assert_eq!(compiled.clif.matches("trapnz").count(), 0, "{}", compiled.clif);
    // A whole one: no index can. And where nobody asked for more.
    for tunables in [explicit(), unguarded(), Tunables { speculation_guards: false, ..dense() }] {
        let compiled = compile(LOAD, &tunables);
        assert_eq!(compiled.clif.matches("select_spectre_guard").count(), 0, "{}", compiled.clif);
        assert_eq!(compiled.clif.matches("trapnz").count(), 1, "{}", compiled.clif);
    }
}

#[test]
fn code_that_grows_a_memory_is_compared_where_that_is_wanted() {
    let growing = Tunables { explicit_growth: true, ..Tunables::default() };
    assert!(!compile(LOAD, &growing).clif.contains("icmp"), "it does not grow");
    let grows = LOAD.replace("(module", "(module (func $g (drop (memory.grow (i32.const 1))))");
    let wasm = wat::parse_str(grows).expect("a module");
    let second = |tunables: &Tunables| Harness::new(&wasm, tunables.clone()).expect("it links").compile(1).clif;
    assert!(second(&growing).contains("trapnz"), "it does");
    assert!(!second(&Tunables::default()).contains("icmp"), "nobody wants it");
}

#[test]
fn an_offset_beyond_the_guard_is_checked() {
    let wat = |offset: u64| {
        format!("(module (memory 1) (func (param i32) (result i64) (i64.load offset={offset} (local.get 0))))")
    };
    // The last byte of the last access that stays in the guard: index 2^32 - 1, 8 bytes.
    let guard = Tunables::default().memory_guard;
    let inside = compile(&wat(guard + 1 - 8), &Tunables::default());
    assert!(!inside.clif.contains("select_spectre_guard"), "{}", inside.clif);
    let outside = compile(&wat(guard + 2 - 8), &Tunables::default());
    assert!(outside.clif.contains("select_spectre_guard"), "{}", outside.clif);
}

#[test]
fn an_access_that_no_length_admits_needs_no_comparison() {
    let wat = "(module (memory 1 1) (func (param i32) (result i32) (i32.load offset=65533 (local.get 0))))";
    let compiled = compile(wat, &explicit());
    assert!(!compiled.clif.contains("icmp"), "{}", compiled.clif);
    assert!(compiled.clif.contains("iconst.i64 0"), "{}", compiled.clif);
    let wat = "(module (memory 1 1) (func (param i32) (result i32) (i32.load offset=65532 (local.get 0))))";
    let compiled = compile(wat, &explicit());
    assert!(compiled.clif.contains("icmp ugt"), "{}", compiled.clif);
}

#[test]
fn a_64_bit_index_that_wraps_around_is_out_of_bounds() {
    let wat = "(module (memory i64 1) (func (param i64) (result i32) (i32.load offset=0x20000 (local.get 0))))";
    let compiled = compile(wat, &Tunables::default());
    // The end is compared by subtraction from the length, and the length with what is subtracted.
    assert!(compiled.clif.contains("icmp ult") && compiled.clif.contains("bor"), "{}", compiled.clif);
}

const TABLE_CALL: &str = "(func (param i32) (call_indirect (type $t) (local.get 0)))";

#[test]
fn a_table_that_cannot_grow_has_its_length_in_the_code() {
    let wat = |others: &str| format!("(module (type $t (func)) (table 7 funcref) {TABLE_CALL} {others})");
    let fixed = compile(&wat(""), &Tunables::default());
    assert!(fixed.clif.contains("iconst.i32 7"), "{}", fixed.clif);
    assert_eq!(fixed.clif.matches("load.i64").count(), 2, "element and code base: {}", fixed.clif);
    let grows = "(func (drop (table.grow (ref.null func) (i32.const 1))))";
    let growable = compile(&wat(grows), &Tunables::default());
    assert_eq!(growable.clif.matches("load.i64").count(), 3, "length as well: {}", growable.clif);
    for compiled in [fixed, growable] {
        assert_eq!(compiled.clif.matches("select_spectre_guard").count(), 1, "{}", compiled.clif);
    }
}

#[test]
fn a_table_of_one_type_needs_no_type_check() {
    let wat = |element: &str| format!("(module (type $t (func)) (table 7 7 (ref null {element})) {TABLE_CALL})");
    let typed = compile(&wat("$t"), &Tunables::default());
    assert!(!typed.clif.contains("icmp eq") && typed.clif.contains("trapz"), "{}", typed.clif);
    let untyped = compile(&wat("func"), &Tunables::default());
    assert!(untyped.clif.contains("icmp eq"), "{}", untyped.clif);
}

const LOOP: &str = "(module (func (param i32)
    (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))";

#[test]
fn the_poll_page_is_read_in_every_turn_of_a_loop() {
    let compiled = compile(LOOP, &interrupted(Interruption::Poll));
    let polls = compiled.optimized.matches("atomic_load").count();
    assert_eq!(polls, 2, "one at the entry, one in the loop: {}", compiled.optimized);
    assert!(!compiled.optimized.contains("cold"), "{}", compiled.optimized);
    // What is in front of the displacement of -8192: `mov` and the registers, no address of its own.
    let displacements =
        compiled.code.windows(6).filter(|bytes| bytes[0] == 0x8b && bytes[2..] == (-8192i32).to_le_bytes());
    assert_eq!(displacements.count(), 2, "{:x?}", compiled.code);
}

#[test]
fn fuel_is_charged_for_every_instruction_once() {
    let wat = "(module (func (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (nop) (nop) (i32.const 1))
            (else (i32.const 2)))
        (i32.add (i32.const 3))))";
    let compiled = compile(wat, &interrupted(Interruption::Fuel));
    // `local.get` and `if`; the first arm; the second; behind the end.
    for (charge, times) in [(-2, 2), (-3, 1), (-1, 1)] {
        let constant = format!("iconst.i64 {charge}\n");
        assert_eq!(compiled.clif.matches(&constant).count(), times, "{charge}: {}", compiled.clif);
    }
}

#[test]
fn immutable_globals_are_constants() {
    let wat = "(module (global $a i32 (i32.const 77)) (global $b (mut i32) (i32.const 78))
        (func (result i32 i32) (global.get $a) (global.get $b)))";
    let compiled = compile(wat, &Tunables::default());
    assert!(compiled.clif.contains("iconst.i32 77"), "{}", compiled.clif);
    assert_eq!(compiled.clif.matches("load").count(), 1, "{}", compiled.clif);
}

#[test]
fn deep_nesting_is_no_recursion() {
    let depth = 20_000;
    let wat = format!(
        "(module (func (param i32) {} {}))",
        "block (br_if 0 (local.get 0)) ".repeat(depth),
        "end ".repeat(depth)
    );
    let wasm = wat::parse_str(wat).expect("a module");
    let harness = Harness::new(&wasm, Tunables::default()).expect("it links");
    let mut context = Context::new();
    harness.translate(0, &mut context, &mut FunctionBuilderContext::new()).expect("translates");
    let code = context.compile(&*harness.isa, &mut Default::default()).expect("compiles");
    assert!(code.code_buffer().len() > depth);
}

#[test]
fn branches_that_pass_too_many_values_are_a_limit() {
    let values = "(i32.const 0) ".repeat(1000);
    let branches = "(br_if 0 (local.get 0)) ".repeat(15_000);
    let results = "i32 ".repeat(1000);
    let wat = format!("(module (func (param i32) (result {results}) {values} {branches}))");
    let wasm = wat::parse_str(wat).expect("a module");
    let harness = Harness::new(&wasm, Tunables::default()).expect("it links");
    let mut scratch = FunctionBuilderContext::new();
    let error = harness.translate(0, &mut Context::new(), &mut scratch).expect_err("too many");
    assert!(matches!(error, CompileError::Limit { function: 0, .. }), "{error}");
    // What was left behind does not disturb the next function.
    let wasm = wat::parse_str(LOOP).expect("a module");
    let harness = Harness::new(&wasm, Tunables::default()).expect("it links");
    harness.translate(0, &mut Context::new(), &mut scratch).expect("translates");
}

#[test]
fn a_product_of_locals_and_branches_is_a_limit() {
    let limit = |body: &str, locals: usize| {
        let wat = format!("(module (func (param i32) (local {}) {body}))", "i32 ".repeat(locals));
        let wasm = wat::parse_str(wat).expect("a module");
        let harness = Harness::new(&wasm, Tunables::default()).expect("it links");
        let error =
            harness.translate(0, &mut Context::new(), &mut FunctionBuilderContext::new()).expect_err("too much");
        assert!(matches!(error, CompileError::Limit { function: 0, .. }), "{error}");
    };
    let each = |locals: usize, what: &str| (1..=locals).map(|i| what.replace('N', &i.to_string())).collect::<String>();
    // Loops that may have changed every local, for all the function can know when they begin.
    let loops = "(loop (br_if 0 (local.get 0)))".repeat(5_000);
    limit(&format!("{loops} {}", each(40_000, "(drop (local.get N))")), 40_000);
    // One block that is left from many places, with every local changed in between.
    let leave = "(br_if 0 (local.get 0))".repeat(20_000);
    let change = each(10_000, "(local.set N (local.get 0))");
    limit(&format!("(block {leave} {change} {leave}) {}", each(10_000, "(drop (local.get N))")), 10_000);
}

/// Why the first function of a module is refused.
fn refused(wat: &str) -> String {
    let wasm = wat::parse_str(wat).expect("a module");
    let harness = Harness::new(&wasm, Tunables::default()).expect("it links");
    match harness.translate(0, &mut Context::new(), &mut FunctionBuilderContext::new()) {
        Err(CompileError::Limit { function: 0, message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

/// Each loop passes all locals on, whichever of them sets one: ten kilobytes would be compiled for minutes.
#[test]
fn a_product_of_locals_and_loops_inside_of_each_other_is_a_limit() {
    let add = |local: usize| format!("(local.set {local} (i32.add (local.get {local}) (local.get 0)))");
    let nest = |loops: usize, locals: usize| {
        let (declared, adds) = ("i32 ".repeat(locals), (1..=locals).map(add).collect::<String>());
        let (open, close) = ("(loop ".repeat(loops), "(br_if 0 (local.get 0)))".repeat(loops));
        format!("(module (func (param i32) (local {declared}) {open} {adds} {close}))")
    };
    assert!(refused(&nest(200, 1000)).contains("loops"));
    assert!(refused(&nest(900, 10_000)).contains("loops"));
    compile(&nest(8, 300), &Tunables::default());
}

/// A `switch` whose cases fall through, each with a local of its own: wherever a case begins, those before may have run.
#[test]
fn a_product_of_locals_and_branches_that_meet_is_a_limit() {
    let switch = |cases: usize| {
        let labels: String = (0..cases).map(|case| format!("{case} ")).collect();
        let set = |case: usize| format!(") (local.set {case} (i32.add (local.get {case}) (i32.const 7)))");
        let (declared, sets) = ("i32 ".repeat(cases), (1..=cases).map(set).collect::<String>());
        let sum: String = (1..=cases).map(|case| format!("(local.get {case}) i32.add ")).collect();
        let open = "(block ".repeat(cases);
        format!(
            "(module (func (param i32) (result i32) (local {declared})
                {open} (br_table {labels} (local.get 0)) {sets} (i32.const 0) {sum}))"
        )
    };
    assert!(refused(&switch(1200)).contains("branches"));
    compile(&switch(100), &Tunables::default());
}

#[test]
fn loops_that_are_nested_too_deep_are_a_limit() {
    let nest = |loops: usize| format!("(module (func (param i32) {} {}))", "(loop ".repeat(loops), ")".repeat(loops));
    assert!(refused(&nest(20_000)).contains("nested"));
    compile(&nest(900), &Tunables::default());
}

#[test]
fn labels_of_a_branch_table_share_the_edges_that_pass_their_values() {
    let labels = "0 1 ".repeat(500);
    let wat = format!(
        "(module (func (param i32) (result i32)
            (block (result i32) (block (result i32) (br_table {labels} 1 (i32.const 5) (local.get 0))))))"
    );
    let compiled = compile(&wat, &Tunables::default());
    assert_eq!(compiled.clif.matches("jump ").count(), 3, "two edges, one end: {}", compiled.clif);
}

#[test]
fn real_programs_translate_to_code_that_verifies() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests");
    let Ok(entries) = folder.read_dir() else {
        let mut log = std::io::stderr();
        writeln!(log, "skipped: {} is not there", folder.display()).expect("standard error");
        return;
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut programs = 0;
    for path in paths.filter(|path| path.to_string_lossy().ends_with("-p1.wasm")) {
        let wasm = std::fs::read(&path).expect("a readable program");
        let harness = Harness::new(&wasm, Tunables::default()).expect("it links");
        let mut context = Context::new();
        let mut scratch = FunctionBuilderContext::new();
        for function in 0..harness.len() {
            context.clear();
            harness.translate(function, &mut context, &mut scratch).expect("translates");
            context.verify(&*harness.isa).expect("well formed");
        }
        programs += 1;
    }
    assert!(programs > 0, "no programs in {}", folder.display());
}
