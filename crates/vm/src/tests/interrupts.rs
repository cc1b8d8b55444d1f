//! Guests that are stopped.

use super::image::{Function, Guest, Recipe, trap_of};
use crate::{HostContext, HostFunction};
use hatchery_image::abi::{Builtin, PackedFuncRef};
use hatchery_image::{FuncType, TrapCode, ValType};
use std::time::{Duration, Instant};

#[test]
fn a_spinning_guest_stops_at_its_deadline() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(());
    let handle = instance.interrupt_handle();
    for _ in 0..3 {
        let start = Instant::now();
        handle.set_deadline(Some(Duration::from_millis(20)));
        assert_eq!(trap_of(guest.call(&mut instance, Function::Spin, &[])), TrapCode::DeadlineExceeded);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
    guest.call(&mut instance, Function::Poll, &[]).expect("the deadline was answered");
}

#[test]
fn a_spinning_guest_is_cancelled_from_another_thread() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(());
    let handle = instance.interrupt_handle();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(10));
        handle.cancel();
    });
    assert_eq!(trap_of(guest.call(&mut instance, Function::Spin, &[])), TrapCode::Cancelled);
    canceller.join().expect("joined");
    guest.call(&mut instance, Function::Poll, &[]).expect("the request was answered");
}

#[test]
fn a_request_is_seen_by_all_calls_of_the_stack() {
    let function = HostFunction::typed(|mut context: HostContext<'_, PackedFuncRef>, _: i64, _: i64| {
        let spin = context.prepared().callee(*context.data()).expect("callee");
        assert_eq!(trap_of(context.call(&spin, &mut [])), TrapCode::DeadlineExceeded);
        1i64
    });
    let recipe = Recipe { imports: vec![FuncType::new([ValType::I64; 2], [ValType::I64])], ..Recipe::default() };
    let guest = Guest::new(&recipe, vec![function]);
    let mut instance = guest.instance(guest.word(Function::Spin));
    instance.interrupt_handle().set_deadline(Some(Duration::from_millis(5)));
    // Swallowed by the host function; what it returned to goes on until its own next check.
    assert_eq!(guest.call(&mut instance, Function::Import(0), &[0, 0]).expect("a result"), 1);
    assert_eq!(trap_of(guest.call(&mut instance, Function::Spin, &[])), TrapCode::DeadlineExceeded);
}

#[test]
fn a_long_fill_stops_between_pieces() {
    let recipe = Recipe { memories: vec![(64, 64), (1, 1)], ..Recipe::default() };
    let guest = Guest::new(&recipe, vec![]);
    let mut instance = guest.instance(());
    instance.interrupt_handle().cancel();
    let fill = guest.call(&mut instance, Function::Builtin(Builtin::MemoryFill), &[0, 0, 1, 64 << 16]);
    assert_eq!(trap_of(fill), TrapCode::Cancelled);
    let access = instance.access();
    let bytes = access.memory_bytes(hatchery_image::MemoryId(0)).expect("memory");
    assert_eq!((bytes[0], bytes[(64 << 16) - 1]), (1, 0));
}

#[test]
fn fuel_is_kept_from_before_the_first_call_and_ends_the_guest() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(());
    instance.access().set_fuel(123);
    guest.call(&mut instance, Function::Nop, &[]).expect("a call");
    assert_eq!(instance.access().fuel(), 123);
    assert_eq!(trap_of(guest.call(&mut instance, Function::Builtin(Builtin::OutOfFuel), &[])), TrapCode::OutOfFuel);
}
