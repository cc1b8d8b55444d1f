//! What a guest makes its host allocate with one call, as the host's allocator sees it.

#![expect(unsafe_code, reason = "an allocator that counts")]

use hatchery::component::{Component, Instance, Lift, Linker, Prepared, Results, WasmStr};
use hatchery::{Config, Engine, Error, ErrorKind, Limits};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

thread_local! {
    /// Bytes that the thread has allocated and not freed, and the most of them since somebody looked.
    static ALLOCATED: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(change: isize) {
    ALLOCATED.with(|allocated| {
        let (now, peak) = allocated.get();
        allocated.set((now + change, peak.max(now + change)));
    });
}

// SAFETY: everything is passed on to the system's allocator. What grows is there twice for a moment, as `realloc` is not
// among it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What calls cost that has nothing to do with what the guest passes.
const BESIDE: isize = 32 << 10;

/// Passes half a mebibyte of text, or 50,000 elements of eight bytes, out of the same memory. The first bytes of elements are zero
/// and one, and their first words differ.
const COMPONENT: &str = r#"
(component
  (import "say" (func $say (param "text" string)))
  (core module $mem (memory (export "memory") 40))
  (core instance $mem (instantiate $mem))
  (core func $latin1 (canon lower (func $say) (memory (core memory $mem "memory")) string-encoding=latin1+utf16))
  (core func $utf16 (canon lower (func $say) (memory (core memory $mem "memory")) string-encoding=utf16))
  (core module $m
    (import "mem" "memory" (memory 40))
    (import "say" "latin1" (func $latin1 (param i32 i32)))
    (import "say" "utf16" (func $utf16 (param i32 i32)))
    (func $result (param $count i32) (result i32)
      (i32.store (i32.const 0) (i32.const 65536))
      (i32.store (i32.const 4) (local.get $count))
      (i32.const 0))
    (func $fill (param $byte i32)
      (memory.fill (i32.const 65536) (local.get $byte) (i32.const 524288)))
    (func (export "latin1") (result i32) (call $fill (i32.const 255)) (call $result (i32.const 524288)))
    (func (export "utf16") (result i32) (call $fill (i32.const 49)) (call $result (i32.const 262144)))
    (func (export "say-latin1") (call $fill (i32.const 255)) (call $latin1 (i32.const 65536) (i32.const 524288)))
    (func (export "say-utf16") (call $fill (i32.const 49)) (call $utf16 (i32.const 65536) (i32.const 262144)))
    (func (export "elements") (result i32) (local $i i32)
      (loop $next
        (i32.store
          (i32.add (i32.const 65536) (i32.mul (local.get $i) (i32.const 8)))
          (i32.or (i32.shl (local.get $i) (i32.const 8)) (i32.and (local.get $i) (i32.const 1))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 50000))))
      (call $result (i32.const 50000))))
  (core instance $m (instantiate $m
    (with "mem" (instance $mem))
    (with "say" (instance (export "latin1" (func $latin1)) (export "utf16" (func $utf16))))))
  (alias core export $mem "memory" (core memory $memory))
  (func (export "latin1") (result string)
    (canon lift (core func $m "latin1") (memory $memory) string-encoding=latin1+utf16))
  (func (export "utf16") (result string)
    (canon lift (core func $m "utf16") (memory $memory) string-encoding=utf16))
  (func (export "say-latin1") (canon lift (core func $m "say-latin1")))
  (func (export "say-utf16") (canon lift (core func $m "say-utf16")))
  (func (export "map") (result (map u32 u32)) (canon lift (core func $m "elements") (memory $memory)))
  (func (export "list") (result (list (tuple u32 u32))) (canon lift (core func $m "elements") (memory $memory)))
  (func (export "options") (result (list (option u32))) (canon lift (core func $m "elements") (memory $memory)))
  (type $flags' (flags "a" "b" "c" "d" "e" "f" "g" "h"))
  (export $flags "flags" (type $flags'))
  (func (export "flags-list") (result (list $flags)) (canon lift (core func $m "elements") (memory $memory))))
"#;

/// Checks for some limits that a call makes the host allocate no more, and that it succeeds if and only if there is enough.
fn check<R>(name: &str, call: impl Fn(&Prepared<()>, &mut Instance<()>) -> Result<R, Error>) {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let component = Component::new(&engine, COMPONENT).expect("a component");
    let mut linker = Linker::<()>::new(&engine);
    let mut root = linker.root();
    root.func("say", |caller, (text,): (WasmStr,)| text.to_str(&caller).map(drop)).expect("defined once");
    let mut results = Vec::new();
    for shift in 16..=24 {
        let limit = 1 << shift;
        let prepared = linker.prepare_with(&component, Limits::new().max_lifted(limit)).expect("prepares");
        let mut instance = prepared.instantiate(()).expect("an instance");
        let before = ALLOCATED.with(|allocated| {
            let (now, _) = allocated.replace((allocated.get().0, allocated.get().0));
            now
        });
        let result = call(&prepared, &mut instance);
        let peak = ALLOCATED.get().1 - before;
        assert!(peak <= limit as isize + BESIDE, "{name}: {peak} bytes with a limit of {limit}");
        if let Err(error) = &result {
            assert!(error.kind() == ErrorKind::Trap && error.to_string().contains("max_lifted"), "{name}: {error}");
        }
        results.push(result.is_ok());
    }
    assert!(results.is_sorted() && !results[0] && results[results.len() - 1], "{name}: {results:?}");
}

fn typed<R>(name: &'static str)
where
    (R,): Results + Lift,
{
    check(name, |prepared, instance| prepared.func::<(), (R,)>(name)?.call(instance, ()));
}

fn dynamic(name: &'static str) {
    check(name, |prepared, instance| prepared.func_dynamic(name)?.call(instance, &[]));
}

#[test]
fn strings_of_other_encodings_are_limited_by_what_they_are_in_the_hosts() {
    for name in ["latin1", "utf16"] {
        typed::<String>(name);
        typed::<Box<str>>(name);
        dynamic(name);
    }
}

#[test]
fn strings_that_are_copied_when_they_are_looked_at_are_limited() {
    for name in ["say-latin1", "say-utf16"] {
        check(name, |prepared, instance| prepared.func::<(), ()>(name)?.call(instance, ()));
    }
}

#[test]
fn maps_are_limited_by_what_they_are_made_of_and_what_they_are() {
    typed::<HashMap<u32, u32>>("map");
    typed::<BTreeMap<u32, u32>>("map");
    dynamic("map");
}

#[test]
fn lists_of_dynamic_values_are_limited_while_they_are_made() {
    dynamic("list");
    dynamic("options");
    dynamic("flags-list");
    typed::<Vec<(u32, u32)>>("list");
}
