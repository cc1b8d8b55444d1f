//! Traps of compiled programs: that they stop where they should, with the right backtrace, and leave everything usable.

use hatchery_alloc::OnDemand;
use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_image::{ExportItem, InstanceId, TrapCode, Tunables};
use hatchery_vm::{
    CallError, HostContext, HostError, HostFunction, Instance, Limits, Prepared, StackConfig, StackPool, Trap,
};
use std::sync::Arc;

fn prepare(wat: &str, functions: Vec<HostFunction<()>>) -> Prepared<()> {
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(wat).expect("wat"));
    set.add_instance(module, None, &[]);
    let image = compile(&set, &Tunables::default(), &Budget::default()).expect("image");
    let stacks = Arc::new(StackPool::new(StackConfig::default()).expect("stacks"));
    Prepared::new(Arc::new(image), Arc::new(OnDemand::strict()), stacks, functions, Limits::default())
        .expect("prepared")
}

struct Guest {
    prepared: Prepared<()>,
    instance: Instance<()>,
}

impl Guest {
    fn new(wat: &str) -> Guest {
        Guest::with_host(wat, Vec::new())
    }

    fn with_host(wat: &str, functions: Vec<HostFunction<()>>) -> Guest {
        let prepared = prepare(wat, functions);
        let mut instance = prepared.instantiate(()).expect("instance");
        instance.access().initialize().expect("initialized");
        Guest { prepared, instance }
    }

    /// Calls an export of one `i32` parameter and one `i32` result.
    fn call(&mut self, name: &str, parameter: i32) -> Result<i32, CallError> {
        let word = exported(&self.prepared, name);
        let callee = self.prepared.callee(word).expect("callable");
        let mut values = [RawVal::from_i32(parameter)];
        self.instance.access().call(&callee, &mut values)?;
        Ok(values[0].get_i32())
    }

    #[track_caller]
    fn trap(&mut self, name: &str, parameter: i32) -> Box<Trap> {
        match self.call(name, parameter) {
            Err(CallError::Trap(trap)) => trap,
            other => panic!("a trap was expected, not {other:?}"),
        }
    }
}

fn exported(prepared: &Prepared<()>, name: &str) -> PackedFuncRef {
    match prepared.image().export(InstanceId(0), name) {
        Some(ExportItem::Func(export)) => PackedFuncRef::new(export.ty, export.code_offset),
        other => panic!("{name} is {other:?}"),
    }
}

/// Names of the functions in a backtrace, innermost first.
fn names(trap: &Trap) -> Vec<&str> {
    trap.backtrace.frames().iter().map(|frame| frame.name().unwrap_or("?")).collect()
}

const RECURSION: &str = r#"
    (module
      (func $self (export "self") (param i32) (result i32)
        (i32.add (call $self (local.get 0)) (i32.const 1)))
      (func $even (export "mutual") (param i32) (result i32)
        (i32.add (call $odd (local.get 0)) (i32.const 1)))
      (func $odd (param i32) (result i32)
        (i32.add (call $even (local.get 0)) (i32.const 1)))
      (func $down (export "down") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
          (else (i32.const 0)))))
"#;

#[test]
fn endless_recursion_traps_ten_times_in_a_row() {
    let mut guest = Guest::new(RECURSION);
    for _ in 0..10 {
        for (function, expected) in [("self", ["self", "self"]), ("mutual", ["even", "odd"])] {
            let trap = guest.trap(function, 0);
            assert_eq!(trap.code, TrapCode::StackOverflow);
            assert!(trap.backtrace.is_truncated());
            let (mut found, mut expected) = (names(&trap)[..2].to_vec(), expected.to_vec());
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
        assert_eq!(guest.call("down", 1000).expect("returns"), 1000);
    }
}

/// A recursive function whose frame is larger than the guard: so many vectors are live across its call.
fn huge_frames(vectors: usize) -> String {
    use std::fmt::Write;
    let mut body = String::new();
    for local in 1..=vectors {
        let _ = writeln!(body, "(local.set {local} (v128.load (i32.const {})))", 16 * (local - 1));
    }
    let _ = writeln!(body, "(local.set 0 (call $huge (local.get 0)))");
    for local in 2..=vectors {
        let _ = writeln!(body, "(local.set 1 (v128.xor (local.get 1) (local.get {local})))");
    }
    let declared = "v128 ".repeat(vectors);
    format!(
        r#"
        (module
          (memory 4)
          (func $huge (export "huge") (param i32) (result i32) (local {declared})
            {body}
            (i32.add (local.get 0) (i32x4.extract_lane 0 (local.get 1))))
          (func (export "same") (param i32) (result i32)
            (local.get 0)))
        "#
    )
}

#[test]
fn huge_frames_do_not_step_over_the_guard() {
    // 16 bytes each: more than the 64 KiB of the guard.
    let mut guest = Guest::new(&huge_frames(5000));
    for n in 0..10 {
        let trap = guest.trap("huge", n);
        assert_eq!(trap.code, TrapCode::StackOverflow);
        assert!(trap.backtrace.frames().len() < 16, "frames are huge: {}", trap.backtrace.frames().len());
        assert_eq!(guest.call("same", n).expect("returns"), n);
    }
}

const NESTED: &str = r#"
    (module
      (import "host" "call" (func $host (param i32) (result i32)))
      (memory 1)
      (table funcref (elem $inner))
      (func $outer (export "outer") (param i32) (result i32)
        (call $middle (local.get 0)))
      (func $middle (param i32) (result i32)
        (i32.add (call $host (local.get 0)) (i32.const 1)))
      (func $load (export "load") (param i32) (result i32)
        (i32.load (local.get 0)))
      (func $inner (param i32) (result i32)
        (i32.div_u (i32.const 1) (local.get 0)))
      (func $indirect (export "indirect") (param i32) (result i32)
        (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0)))
      (func $never (export "never") (param i32) (result i32)
        (unreachable)))
"#;

/// `call(n)`: calls `load(n)` in the guest that called; -1 if that traps out of bounds.
fn call_back(mut context: HostContext<'_, ()>, parameter: i32) -> Result<i32, HostError> {
    let prepared = context.prepared();
    let callee = prepared.callee(exported(&prepared, "load"))?;
    let mut values = [RawVal::from_i32(parameter)];
    match context.call(&callee, &mut values) {
        Ok(()) => Ok(values[0].get_i32()),
        Err(CallError::Trap(trap)) if trap.code == TrapCode::MemoryOutOfBounds => {
            assert_eq!(names(&trap), ["load", "middle", "outer"]);
            Ok(-1)
        }
        Err(other) => Err(other.into()),
    }
}

#[test]
fn a_trap_in_a_nested_call_is_its_callers_to_handle() {
    let mut guest = Guest::with_host(NESTED, vec![HostFunction::typed(call_back)]);
    for _ in 0..100 {
        assert_eq!(guest.call("outer", 0).expect("returns"), 1);
        assert_eq!(guest.call("outer", -4).expect("returns"), 0);
    }
}

#[test]
fn a_backtrace_goes_through_calls_of_every_kind() {
    let mut guest = Guest::with_host(NESTED, vec![HostFunction::typed(call_back)]);
    let trap = guest.trap("indirect", 0);
    assert_eq!(trap.code, TrapCode::IntegerDivideByZero);
    assert_eq!(names(&trap), ["inner", "indirect"]);
    assert_eq!(guest.call("indirect", 1).expect("returns"), 1);
    let trap = guest.trap("never", 0);
    assert_eq!((trap.code, names(&trap)), (TrapCode::Unreachable, vec!["never"]));
}

#[test]
fn a_frames_offset_is_that_of_its_instruction() {
    let source = r#"
        (module
          (func $first (param i32) (result i32) (i32.const 7))
          (func $never (export "never") (param i32) (result i32)
            (drop (call $first (local.get 0)))
            (call $stop (local.get 0)))
          (func $stop (param i32) (result i32)
            (nop) (unreachable)))
    "#;
    let bytes = wat::parse_str(source).expect("wat");
    let mut guest = Guest::new(source);
    let trap = guest.trap("never", 0);
    assert_eq!(names(&trap), ["stop", "never"]);
    let instruction = |frame: usize| {
        let offset = trap.backtrace.frames()[frame].wasm_offset().expect("an offset") as usize;
        &bytes[offset..offset + 2]
    };
    assert_eq!(instruction(0)[0], 0x00, "unreachable");
    assert_eq!(instruction(1), [0x10, 2], "call 2");
}

#[test]
fn failing_host_functions_report_where_the_guest_was() {
    let fail = |_: HostContext<'_, ()>, _: i32| -> Result<i32, HostError> { Err("out of paper".into()) };
    let mut guest = Guest::with_host(NESTED, vec![HostFunction::typed(fail)]);
    let Err(CallError::Host { error, frames }) = guest.call("outer", 0) else { panic!("fails") };
    assert_eq!(error.to_string(), "out of paper");
    let names: Vec<_> = frames.frames().iter().filter_map(|frame| frame.name()).collect();
    assert_eq!(names, ["middle", "outer"]);
    assert_eq!(guest.call("load", 0).expect("returns"), 0);
}

#[test]
fn recursion_through_the_host_ends_with_room_to_spare() {
    // Each level is a guest frame and a host function's: the check before host calls stops it.
    fn again(mut context: HostContext<'_, ()>, parameter: i32) -> Result<i32, HostError> {
        let prepared = context.prepared();
        let callee = prepared.callee(exported(&prepared, "outer"))?;
        let mut values = [RawVal::from_i32(parameter + 1)];
        match context.call(&callee, &mut values) {
            Ok(()) => Ok(values[0].get_i32()),
            Err(CallError::Trap(trap)) if trap.code == TrapCode::StackOverflow => Ok(parameter),
            Err(other) => Err(other.into()),
        }
    }
    let mut guest = Guest::with_host(NESTED, vec![HostFunction::typed(again)]);
    let first = guest.call("outer", 0).expect("returns");
    assert!(first > 100, "{first} levels");
    for _ in 0..9 {
        assert_eq!(guest.call("outer", 0).expect("returns"), first);
    }
}
