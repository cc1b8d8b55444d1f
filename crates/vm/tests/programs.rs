//! Compiled programs and the host functions they call: every form of argument, tables, references, stops.

use hatchery_alloc::{InstanceAllocator, OnDemand};
use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_image::{ExportItem, Image, InstanceId, Interruption, TrapCode, Tunables};
use hatchery_thirdparty_alloc::Recycler;
use hatchery_vm::{
    CallError, Callee, ExternWord, FuncWord, HostContext, HostFunction, HostSignature, HostType, Instance, Limits,
    Prepared, StackConfig, StackPool, StepFailure,
};
use std::sync::Arc;
use std::time::Duration;

fn image(wat: &str, interruption: Interruption) -> Arc<Image> {
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(wat).expect("wat"));
    set.add_instance(module, None, &[]);
    let tunables = Tunables { interruption, ..Tunables::default() };
    Arc::new(compile(&set, &tunables, &Budget::default()).expect("image"))
}

fn prepare<T: 'static>(image: Arc<Image>, functions: Vec<HostFunction<T>>) -> Prepared<T> {
    prepare_on(image, functions, Arc::new(OnDemand::strict()))
}

fn prepare_on<T: 'static>(
    image: Arc<Image>,
    functions: Vec<HostFunction<T>>,
    allocator: Arc<dyn InstanceAllocator>,
) -> Prepared<T> {
    let stacks = Arc::new(StackPool::new(StackConfig::default()).expect("stacks"));
    Prepared::new(image, allocator, stacks, functions, Limits::default()).expect("prepared")
}

fn export<T: 'static>(prepared: &Prepared<T>, name: &str) -> Callee {
    match prepared.image().export(InstanceId(0), name) {
        Some(ExportItem::Func(f)) => {
            prepared.callee(PackedFuncRef::new(f.ty, f.code_offset)).expect("an export can be called")
        }
        other => panic!("{name} is {other:?}"),
    }
}

fn call<T: 'static>(instance: &mut Instance<T>, name: &str, given: &[RawVal]) -> Result<Vec<RawVal>, CallError> {
    let mut access = instance.access();
    let callee = export(&access.prepared(), name);
    let mut values = given.to_vec();
    values.resize(values.len().max(callee.slots()), RawVal::ZERO);
    access.call(&callee, &mut values)?;
    Ok(values)
}

fn trap<V: std::fmt::Debug>(result: Result<V, CallError>) -> TrapCode {
    match result {
        Err(CallError::Trap(trap)) => trap.code,
        other => panic!("no trap but {other:?}"),
    }
}

const SCALARS: &str = r#"
    (module
      (import "host" "mix" (func $mix (param i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64) (result f64)))
      (func (export "mix") (result f64)
        (call $mix (i32.const -1) (i64.const -2) (f32.const 3.5) (f64.const 4.25) (i32.const 5) (i64.const 6)
                   (f32.const 7) (f64.const 8) (i32.const 9) (i64.const 10) (f32.const 11) (f64.const 12))))"#;

#[expect(clippy::too_many_arguments, reason = "as many as there can be")]
fn mix(a: i32, b: i64, c: f32, d: f64, e: u32, f: u64, g: f32, h: f64, i: i32, j: i64, k: f32, l: f64) -> f64 {
    let floats = f64::from(c) * 3.0 + d * 4.0 + f64::from(g) * 7.0 + h * 8.0 + f64::from(k) * 11.0 + l * 12.0;
    floats + f64::from(a) + b as f64 * 2.0 + f64::from(e) * 5.0 + f as f64 * 6.0 + f64::from(i) * 9.0 + j as f64 * 10.0
}

#[test]
fn twelve_scalars_arrive_in_native_and_in_array_form() {
    let image = image(SCALARS, Interruption::None);
    let expected = mix(-1, -2, 3.5, 4.25, 5, 6, 7.0, 8.0, 9, 10, 11.0, 12.0);
    let typed = HostFunction::typed(|_: HostContext<'_, ()>, a, b, c, d, e, f, g, h, i, j, k, l| {
        mix(a, b, c, d, e, f, g, h, i, j, k, l)
    });
    let dynamic = HostFunction::dynamic(typed.signature().clone(), |_: HostContext<'_, ()>, v, results| {
        let float = |i: usize| f32::from_bits(v[i].get_f32_bits());
        let double = |i: usize| f64::from_bits(v[i].get_f64_bits());
        let (int, long) = (|i: usize| v[i].get_i32(), |i: usize| v[i].get_i64());
        let (e, f) = (int(4) as u32, long(5) as u64);
        let mixed = mix(
            int(0),
            long(1),
            float(2),
            double(3),
            e,
            f,
            float(6),
            double(7),
            int(8),
            long(9),
            float(10),
            double(11),
        );
        results[0] = RawVal::from_f64_bits(mixed.to_bits());
        Ok(())
    });
    for function in [typed, dynamic] {
        let mut instance = prepare(image.clone(), vec![function]).instantiate(()).expect("instance");
        let values = call(&mut instance, "mix", &[]).expect("results");
        assert_eq!(f64::from_bits(values[0].get_f64_bits()), expected);
    }
}

#[test]
fn vectors_and_several_results_go_through_arrays() {
    let wat = r#"
        (module
          (import "host" "swap" (func $swap (param v128 i32) (result i32 v128 f32)))
          (func (export "run") (param v128 i32) (result i32 v128 f32) (call $swap (local.get 0) (local.get 1))))"#;
    let signature = HostSignature::new([HostType::V128, HostType::I32], [HostType::I32, HostType::V128, HostType::F32]);
    let swap = HostFunction::dynamic(signature, |_: HostContext<'_, ()>, given, results| {
        let mut bytes = given[0].get_v128();
        bytes.reverse();
        let number = given[1].get_i32();
        results[0] = RawVal::from_i32(number + 1);
        results[1] = RawVal::from_v128(bytes);
        results[2] = RawVal::from_f32_bits((number as f32).to_bits());
        Ok(())
    });
    let mut instance = prepare(image(wat, Interruption::None), vec![swap]).instantiate(()).expect("instance");
    let bytes: [u8; 16] = core::array::from_fn(|i| i as u8);
    let values = call(&mut instance, "run", &[RawVal::from_v128(bytes), RawVal::from_i32(41)]).expect("results");
    assert_eq!(values[0].get_i32(), 42);
    assert_eq!(values[1].get_v128(), core::array::from_fn(|i| 15 - i as u8));
    assert_eq!(f32::from_bits(values[2].get_f32_bits()), 41.0);
}

#[test]
fn references_go_through_tables_to_the_host_and_back() {
    let wat = r#"
        (module
          (import "host" "make" (func $make (param i32) (result externref)))
          (import "host" "read" (func $read (param externref) (result i32)))
          (import "host" "pick" (func $pick (param funcref) (result funcref)))
          (type $unary (func (param i32) (result i32)))
          (table $values 4 externref)
          (table $functions 2 funcref)
          (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
          (elem declare func $double)
          (func (export "values") (param i32) (result i32)
            (table.set $values (i32.const 2) (call $make (local.get 0)))
            (i32.add (call $read (table.get $values (i32.const 2))) (call $read (ref.null extern))))
          (func (export "functions") (param i32) (result i32)
            (table.set $functions (i32.const 1) (call $pick (ref.func $double)))
            (call_indirect $functions (type $unary) (local.get 0) (i32.const 1))))"#;
    let make = HostFunction::typed(|mut context: HostContext<'_, ()>, number: i32| {
        context.externref_new(Box::new(number)).map(ExternWord)
    });
    let read = HostFunction::typed(|context: HostContext<'_, ()>, word: ExternWord| {
        context.externref(word.0, |value| value.map_or(-100, |value| *value.downcast_ref::<i32>().expect("an i32")))
    });
    let pick = HostFunction::typed(|_: HostContext<'_, ()>, word: FuncWord| word);
    let mut instance =
        prepare(image(wat, Interruption::None), vec![make, read, pick]).instantiate(()).expect("instance");
    assert_eq!(call(&mut instance, "values", &[RawVal::from_i32(142)]).expect("results")[0].get_i32(), 42);
    assert_eq!(call(&mut instance, "functions", &[RawVal::from_i32(21)]).expect("results")[0].get_i32(), 42);
}

const GROWTH: &str = r#"
    (module
      (memory 1 10)
      (table 1 20 funcref)
      (data (i32.const 65530) "at end")
      (data $more "more")
      (func (export "grow") (result i32)
        (drop (memory.grow (i32.const 3)))
        (memory.copy (i32.const 200000) (i32.const 65530) (i32.const 6))
        (memory.init $more (i32.const 200006) (i32.const 0) (i32.const 4))
        (memory.fill (i32.const 200010) (i32.const 33) (i32.const 1))
        (drop (table.grow (ref.null func) (i32.const 5)))
        (i32.add (memory.size) (table.size)))
      (func (export "beyond") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;

#[test]
fn programs_grow_and_fill_on_every_allocator() {
    let image = image(GROWTH, Interruption::None);
    let allocators: [Arc<dyn InstanceAllocator>; 3] =
        [Arc::new(OnDemand::strict()), Arc::new(OnDemand::default()), Arc::new(Recycler::new(8))];
    for allocator in allocators {
        let prepared = prepare_on::<()>(image.clone(), vec![], allocator);
        // Each round is a new instance, on the recycler in the slot of the one before.
        for _ in 0..3 {
            let mut instance = prepared.instantiate(()).expect("instance");
            let beyond = |instance: &mut _, at| trap(call(instance, "beyond", &[RawVal::from_i32(at)]));
            assert_eq!(beyond(&mut instance, 65536), TrapCode::MemoryOutOfBounds);
            assert_eq!(call(&mut instance, "grow", &[]).expect("results")[0].get_i32(), 4 + 6);
            let access = instance.access();
            let bytes = access.memory_bytes(hatchery_image::MemoryId(0)).expect("memory");
            assert_eq!((&bytes[200_000..200_011], bytes.len()), (&b"at endmore!"[..], 4 << 16));
            assert_eq!(beyond(&mut instance, 4 << 16), TrapCode::MemoryOutOfBounds);
        }
    }
}

#[test]
fn start_functions_run_as_steps_and_their_traps_are_the_steps() {
    let wat = r#"
        (module
          (import "host" "say" (func $say (param i32)))
          (memory (export "memory") 1)
          (func $start (call $say (i32.load8_u (i32.const 5))) unreachable)
          (data (i32.const 5) "A")
          (start $start))"#;
    let say = HostFunction::typed(|mut context: HostContext<'_, Vec<i32>>, value: i32| {
        assert!(context.main_memory().is_some());
        context.data_mut().push(value);
    });
    let mut instance = prepare(image(wat, Interruption::None), vec![say]).instantiate(vec![]).expect("instance");
    let failed = instance.access().initialize().expect_err("the start function traps");
    let StepFailure::Start(error) = failed.cause else { panic!("{failed}") };
    assert_eq!(trap::<()>(Err(error)), TrapCode::Unreachable);
    assert_eq!(instance.data(), &[65]);
}

const LOOPS: &str = r#"
    (module
      (memory 1000)
      (func (export "spin") (loop (br 0)))
      (func (export "fill") (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536000)) (br 0)))
      (func (export "count") (param i64) (loop
        (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
        (br_if 0 (i64.ne (local.get 0) (i64.const 0))))))"#;

#[test]
fn a_start_function_has_a_type_of_its_own_among_those_that_look_like_it() {
    const TEXT: &str = r#"(module
        (rec (type (func)) (type (func (param i32))))
        (type $t (func))
        (global $started (export "started") (mut i32) (i32.const 0))
        (func $s (type $t) (global.set $started (i32.const 1)))
        (start $s)
        (func (export "get") (result i32) (global.get $started)))"#;
    let prepared = prepare::<()>(image(TEXT, Interruption::None), vec![]);
    let mut instance = prepared.instantiate(()).expect("instance");
    instance.access().run_steps(usize::MAX).expect("it starts");
    assert_eq!(call(&mut instance, "get", &[]).expect("a number")[0].get_i32(), 1);
}

#[test]
fn compiled_loops_stop_at_their_deadline() {
    let prepared = prepare::<()>(image(LOOPS, Interruption::Poll), vec![]);
    let mut instance = prepared.instantiate(()).expect("instance");
    for name in ["spin", "fill"] {
        instance.interrupt_handle().set_deadline(Some(Duration::from_millis(20)));
        assert_eq!(trap(call(&mut instance, name, &[])), TrapCode::DeadlineExceeded);
    }
    call(&mut instance, "count", &[RawVal::from_i64(1000)]).expect("the deadlines were answered");
}

#[test]
fn fuel_is_used_deterministically() {
    let prepared = prepare::<()>(image(LOOPS, Interruption::Fuel), vec![]);
    let used = |rounds| {
        let mut instance = prepared.instantiate(()).expect("instance");
        instance.access().set_fuel(1_000_000);
        call(&mut instance, "count", &[RawVal::from_i64(rounds)]).expect("enough fuel");
        1_000_000 - instance.access().fuel()
    };
    assert_eq!(used(10), used(10));
    assert_eq!(used(30) - used(20), used(20) - used(10));
    let mut instance = prepared.instantiate(()).expect("instance");
    instance.access().set_fuel(1000);
    assert_eq!(trap(call(&mut instance, "spin", &[])), TrapCode::OutOfFuel);
}

#[test]
fn host_calls_at_the_end_of_the_stack_trap_and_the_instance_goes_on() {
    let wat = r#"
        (module
          (import "host" "nop" (func $nop))
          (func $down (export "down") (call $nop) (call $down))
          (func (export "nop") (call $nop)))"#;
    let nop = HostFunction::typed(|mut context: HostContext<'_, u64>| *context.data_mut() += 1);
    let mut instance = prepare(image(wat, Interruption::None), vec![nop]).instantiate(0).expect("instance");
    for _ in 0..3 {
        assert_eq!(trap(call(&mut instance, "down", &[])), TrapCode::StackOverflow);
    }
    let before = *instance.data();
    assert!(before > 100);
    call(&mut instance, "nop", &[]).expect("a call");
    assert_eq!(*instance.data(), before + 1);
}

#[test]
fn a_program_waits_for_async_host_functions() {
    let wat = r#"
        (module
          (import "host" "wait" (func $wait (param i32) (result i32)))
          (func (export "run") (param i32) (result i32)
            (i32.add (call $wait (local.get 0)) (call $wait (i32.const 7)))))"#;
    let signature = HostSignature::new([HostType::I32], [HostType::I32]);
    let wait = HostFunction::asynchronous(signature, |mut context: HostContext<'_, u32>, given| {
        Box::pin(async move {
            *context.data_mut() += 1;
            Ok(vec![RawVal::from_i32(given[0].get_i32() * 3)])
        })
    });
    let prepared = prepare(image(wat, Interruption::None), vec![wait]);
    let mut instance = prepared.instantiate(0).expect("instance");
    let run = export(&prepared, "run");
    let results = pollster::block_on(instance.access().call_async(&run, vec![RawVal::from_i32(5)])).expect("results");
    assert_eq!((results.len(), results[0].get_i32(), *instance.data()), (1, 36, 2));
    assert_eq!(trap(call(&mut instance, "run", &[RawVal::from_i32(5)])), TrapCode::CannotSuspend);
}
