//! Speculation guards are in the code generator's input where they are asked for, and nowhere else.

use hatchery_compile::{LinkSet, clif};
use hatchery_image::Tunables;

const GUARD: &str = "select_spectre_guard";

/// The first function of a module, as the code generator gets it.
fn translate(text: &str, tunables: &Tunables) -> String {
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(text).expect("test text"));
    set.add_instance(module, None, &[]);
    clif(&set, tunables, 0).expect("it translates")
}

/// Number of speculation guards with and without them switched on.
fn guards(text: &str, tunables: &Tunables) -> (usize, usize) {
    let count = |speculation_guards| {
        let tunables = Tunables { speculation_guards, ..tunables.clone() };
        translate(text, &tunables).matches(GUARD).count()
    };
    (count(true), count(false))
}

/// Explicit bounds because the reservation is small.
fn dense() -> Tunables {
    Tunables { memory32_reservation: 1 << 20, memory_guard: 1 << 16, ..Tunables::default() }
}

#[test]
fn explicit_heap_checks_are_guarded() {
    for access in [
        "(drop (i32.load8_u (local.get 0)))",
        "(drop (i64.load offset=70000 (local.get 0)))",
        "(f64.store (local.get 0) (f64.const 0))",
        "(drop (v128.load (local.get 0)))",
        "(v128.store32_lane 1 (local.get 0) (v128.const i64x2 0 0))",
    ] {
        let text = format!("(module (memory 1 2) (func (param i32) {access}))");
        assert_eq!(guards(&text, &dense()), (1, 0), "{access}");
        // Every index is inside the reservation, where behind the length there is nothing to be told.
        let explicit = Tunables { explicit_bounds: true, ..Tunables::default() };
        assert_eq!(guards(&text, &explicit), (0, 0), "{access}");
        assert!(translate(&text, &explicit).contains("trapnz"), "{access}");
        let text = format!("(module (memory i64 1 2) (func (param i64) {access}))");
        assert_eq!(guards(&text, &Tunables::default()), (1, 0), "64-bit {access}");
    }
}

#[test]
fn guard_pages_need_no_checks() {
    let text = "(module (memory 1) (func (param i32) (drop (i32.load offset=8 (local.get 0)))))";
    assert_eq!(guards(text, &Tunables::default()), (0, 0));
    let clif = translate(text, &Tunables::default());
    assert!(!clif.contains("icmp") && !clif.contains("trapnz"), "{clif}");
}

#[test]
fn an_offset_beyond_the_guard_is_checked_and_guarded() {
    let text = "(module (memory 1) (func (param i32) (drop (i32.load offset=0x7fffffff (local.get 0)))))";
    assert_eq!(guards(text, &Tunables::default()), (1, 0));
}

#[test]
fn table_accesses_are_guarded() {
    for (access, growable) in [
        ("(drop (table.get $t (local.get 0)))", false),
        ("(table.set $t (local.get 0) (ref.null func))", false),
        ("(call_indirect $t (local.get 0))", false),
        ("(return_call_indirect $t (local.get 0))", false),
        ("(drop (table.get $t (local.get 0)))", true),
        ("(call_indirect $t (local.get 0))", true),
    ] {
        let grow = if growable { "(func (drop (table.grow $t (ref.null func) (i32.const 1))))" } else { "" };
        let text = format!("(module (table $t 7 funcref) (func (param i32) {access}) {grow})");
        assert_eq!(guards(&text, &Tunables::default()), (1, 0), "{access}, growable: {growable}");
    }
}
