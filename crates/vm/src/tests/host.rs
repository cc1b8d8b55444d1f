//! Host functions: forms, failures, nesting.

use super::image::{Function, Guest, Recipe, trap_of};
use crate::{
    CallError, ExternWord, FuncWord, HostContext, HostFunction, HostSignature, HostType, ImportError, PrepareImageError,
};
use hatchery_image::abi::{Builtin, PackedFuncRef, RawVal};
use hatchery_image::{FuncType, MemoryId, RefType, TrapCode, TypeId, ValType};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const I64: ValType = ValType::I64;
const I32: ValType = ValType::I32;

fn recipe(imports: &[FuncType]) -> Recipe {
    Recipe { imports: imports.to_vec(), ..Recipe::default() }
}

fn binary() -> FuncType {
    FuncType::new([I64, I64], [I64])
}

#[test]
fn a_typed_function_gets_its_arguments_and_the_host_data() {
    let function = HostFunction::typed(|mut context: HostContext<'_, Vec<i64>>, a: i64, b: i64| {
        context.data_mut().push(a);
        a * 10 + b
    });
    let guest = Guest::new(&recipe(&[binary()]), vec![function]);
    let mut instance = guest.instance(vec![]);
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[4, 2]).expect("a result"), 42);
    assert_eq!(guest.call(&mut instance, Function::Repeat, &[1, 3]).expect("a result"), 13 + 12 + 11);
    assert_eq!(instance.data(), &[4, 1, 1, 1]);
}

#[test]
fn widths_and_signs_are_the_types() {
    let function =
        HostFunction::typed(|_: HostContext<'_, ()>, a: i32, b: u32, c: u64| i64::from(a) + i64::from(b) + c as i64);
    let guest = Guest::new(&recipe(&[FuncType::new([I32, I32, I64], [I64])]), vec![function]);
    let mut instance = guest.instance(());
    let arguments = [0x7fff_ffff_ffff_ffff, -1, 5];
    let sum = guest.call(&mut instance, Function::Import(0), &arguments).expect("a result");
    assert_eq!(sum, -1 + 0xffff_ffff + 5);
}

#[test]
fn what_is_passed_in_registers_has_no_more_bits_than_its_type() {
    let ty = FuncType::new([I32, I32, I64], [I64]);
    let function = || {
        let sum = |_: HostContext<'_, ()>, values: &mut [RawVal]| {
            let (a, b, c) = (values[0].get_i32(), values[1].get_i32(), values[2].get_i64());
            values[0] = RawVal::from_i64(i64::from(a) + i64::from(b) + c);
            Ok(())
        };
        HostFunction::in_registers::<3, _>(HostSignature::of(&ty), sum).expect("numbers only")
    };
    let calls = Arc::new(AtomicU64::new(0));
    for function in [function(), function().counted(calls.clone())] {
        let guest = Guest::new(&recipe(std::slice::from_ref(&ty)), vec![function]);
        let arguments = [0x7fff_ffff_ffff_ffff, 7, 5];
        let sum = guest.call(&mut guest.instance(()), Function::Import(0), &arguments).expect("a result");
        assert_eq!(sum, -1 + 7 + 5);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_failure_leaves_registers_as_one_leaves_an_array() {
    let ty = FuncType::new([I64], [I64]);
    let fail = |_: HostContext<'_, ()>, _: &mut [RawVal]| Err("nothing".into());
    let function = HostFunction::in_registers::<1, _>(HostSignature::of(&ty), fail).expect("numbers only");
    let guest = Guest::new(&recipe(&[ty]), vec![function]);
    let result = guest.call(&mut guest.instance(()), Function::Import(0), &[1]);
    assert!(matches!(result, Err(CallError::Host { error, .. }) if error.to_string() == "nothing"));
}

#[test]
fn several_results_go_through_an_array() {
    let function = HostFunction::typed(|_: HostContext<'_, ()>, a: i64| (a + 1, a * 100));
    let guest = Guest::new(&recipe(&[FuncType::new([I64], [I64, I64])]), vec![function]);
    // The thunk of the test adds both.
    assert_eq!(guest.call(&mut guest.instance(()), Function::Import(0), &[3]).expect("results"), 304);
}

#[test]
fn a_dynamic_function_serves_both_forms() {
    let sum = |_: HostContext<'_, ()>, given: &[RawVal], results: &mut [RawVal]| {
        let sum = given.iter().map(|v| v.get_i64()).sum::<i64>();
        results.iter_mut().for_each(|result| *result = RawVal::from_i64(sum));
        Ok(())
    };
    for results in [vec![I64], vec![I64, I64]] {
        let ty = FuncType::new([I64, I64, I64], results.clone());
        let function = HostFunction::dynamic(HostSignature::of(&ty), sum);
        let guest = Guest::new(&recipe(&[ty]), vec![function]);
        let is = guest.call(&mut guest.instance(()), Function::Import(0), &[1, 2, 3]).expect("results");
        assert_eq!(is, 6 * results.len() as i64);
    }
}

#[test]
fn an_error_comes_out_as_it_is_and_the_instance_stays_usable() {
    let function = HostFunction::typed(|_: HostContext<'_, ()>, a: i64, _: i64| -> Result<i64, std::fmt::Error> {
        if a == 0 { Err(std::fmt::Error) } else { Ok(a) }
    });
    let guest = Guest::new(&recipe(&[binary()]), vec![function]);
    let mut instance = guest.instance(());
    match guest.call(&mut instance, Function::Repeat, &[0, 1]) {
        Err(CallError::Host { error, frames }) => {
            assert!(error.is::<std::fmt::Error>());
            assert_eq!(frames.frames().len(), 1);
        }
        other => panic!("no host error but {other:?}"),
    }
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[9, 0]).expect("a result"), 9);
}

#[test]
fn a_panic_goes_to_the_caller_with_its_payload() {
    let function = HostFunction::typed(|_: HostContext<'_, ()>, a: i64, _: i64| -> i64 {
        if a == 0 { std::panic::panic_any("payload") } else { a }
    });
    let guest = Guest::new(&recipe(&[binary()]), vec![function]);
    let mut instance = guest.instance(());
    let panic = catch_unwind(AssertUnwindSafe(|| guest.call(&mut instance, Function::Repeat, &[0, 1])));
    assert_eq!(panic.expect_err("a panic").downcast_ref(), Some(&"payload"));
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[9, 0]).expect("a result"), 9);
}

#[test]
fn calls_nest_and_traps_stop_at_the_innermost() {
    let function =
        HostFunction::typed(|mut context: HostContext<'_, u32>, depth: i64, _: i64| -> Result<i64, CallError> {
            *context.data_mut() += 1;
            let prepared = context.prepared();
            if depth == 0 {
                let raise = prepared.image().functions().iter().nth(Builtin::Raise as usize).expect("listed");
                let raise = prepared.callee(PackedFuncRef::new(raise.ty, raise.start)).expect("callee");
                let trapped =
                    context.call(&raise, &mut [RawVal::from_i32(TrapCode::IntegerOverflow as i32), RawVal::ZERO]);
                assert_eq!(trap_of(trapped), TrapCode::IntegerOverflow);
                return Ok(1000);
            }
            let import = context.import();
            let again = prepared.callee(PackedFuncRef::new(import.ty, import.thunk)).expect("callee");
            let mut values = [RawVal::from_i64(depth - 1), RawVal::ZERO];
            context.call(&again, &mut values)?;
            Ok(values[0].get_i64() + 1)
        });
    let guest = Guest::new(&recipe(&[binary()]), vec![function]);
    let mut instance = guest.instance(0);
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[20, 0]).expect("a result"), 1020);
    assert_eq!(*instance.data(), 21);
}

#[test]
fn memory_and_data_are_reached_at_once() {
    let function = HostFunction::typed(|mut context: HostContext<'_, Vec<u8>>, at: i64, length: i64| -> i64 {
        let main = context.main_memory().expect("a main memory");
        let (data, mut memory) = context.data_and_memory(main).expect("memory");
        data.extend_from_slice(memory.slice(at as u64..(at + length) as u64).expect("inside"));
        memory.write(at as u64 + 9000, data).expect("inside");
        data.len() as i64
    });
    let guest = Guest::new(&recipe(&[binary()]), vec![function]);
    let mut instance = guest.instance(b"> ".to_vec());
    instance.access().memory(MemoryId(0)).expect("memory").write(50, b"bytes").expect("inside");
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[50, 5]).expect("a result"), 7);
    assert_eq!(&instance.access().memory_bytes(MemoryId(0)).expect("memory")[9050..9057], b"> bytes");
}

#[test]
fn a_reference_that_the_host_returns_is_checked() {
    let funcref = ValType::Ref(RefType::FUNCREF);
    let function = HostFunction::typed(|_: HostContext<'_, ()>, word: i64| FuncWord(word as u64));
    let guest = Guest::new(&recipe(&[FuncType::new([I64], [funcref])]), vec![function]);
    let mut instance = guest.instance(());
    let good = guest.word(Function::Nop).0 as i64;
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[good]).expect("a function"), good);
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[0]).expect("null"), 0);
    let forged = guest.call(&mut instance, Function::Import(0), &[good + (1 << 32)]);
    assert!(matches!(forged, Err(CallError::Host { .. })), "{forged:?}");
}

#[test]
fn a_reference_parameter_from_the_host_is_checked() {
    let nop = Guest::<()>::new(&recipe(&[]), vec![]).word(Function::Nop);
    let exact =
        RefType { nullable: false, heap: hatchery_image::HeapType::Concrete(TypeId::from_index(nop.type_id() - 1)) };
    let function = HostFunction::typed(|_: HostContext<'_, ()>, word: FuncWord, _: ExternWord| word.0 as i64);
    let ty = FuncType::new([ValType::Ref(exact), ValType::Ref(RefType::EXTERNREF)], [I64]);
    let guest = Guest::new(&recipe(&[ty]), vec![function]);
    let mut instance = guest.instance(());
    let good = guest.word(Function::Nop).0 as i64;
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[good, 77]).expect("a function"), good);
    for wrong in [0, good + (1 << 32), guest.word(Function::Touch).0 as i64] {
        let refused = guest.call(&mut instance, Function::Import(0), &[wrong, 0]);
        assert!(matches!(refused, Err(CallError::Reference { index: 0 })), "{refused:?}");
    }
}

#[test]
fn types_and_numbers_of_functions_are_checked_once() {
    let prepare = |functions| {
        let stacks = Arc::new(crate::StackPool::new(crate::StackConfig::default()).expect("stacks"));
        let allocator = Arc::new(hatchery_alloc::OnDemand::default());
        let image = super::image::image(&recipe(&[binary()]));
        crate::Prepared::<()>::new(image, allocator, stacks, functions, crate::Limits::default()).err()
    };
    let wrong = HostFunction::typed(|_: HostContext<'_, ()>, _: i64, _: i32| 1i64);
    assert_eq!(*wrong.signature(), HostSignature::new([HostType::I64, HostType::I32], [HostType::I64]));
    let error = prepare(vec![wrong]).expect("refused").to_string();
    assert!(error.contains("incompatible import type") && error.contains("(i64, i32) -> (i64)"), "{error}");
    let none = prepare(vec![]);
    assert!(matches!(none, Some(PrepareImageError::Import(ImportError::Count { needed: 1, given: 0 }))));
}
