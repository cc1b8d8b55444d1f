//! Instances from creation to drop: access, plan, data, errors.

use super::image::{DATA, DATA_SPLIT, Function, Guest, Recipe, trap_of};
use crate::{AccessError, CallError, CalleeError, HostFunction, Limits, PrepareImageError, StepFailure};
use hatchery_alloc::{OnDemand, Options};
use hatchery_image::abi::{Builtin, PackedFuncRef, RawVal};
use hatchery_image::{
    DataSegmentId, ElemSegmentId, GlobalId, InitStep, InstanceId, MemoryId, Plan, StepKind, TableId, TrapCode, TypeId,
    WASM_PAGE,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const M0: MemoryId = MemoryId(0);
const T0: TableId = TableId(0);

#[test]
fn a_fresh_instance_is_its_image() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(5u8);
    let mut access = instance.access();
    assert_eq!(access.memory_bytes(M0).map(<[u8]>::len), Some(2 * WASM_PAGE as usize));
    assert_eq!(access.table_len(T0), Some(10));
    assert_eq!(access.global_get(GlobalId(0)).map(RawVal::get_i64), Some(7));
    assert_eq!(access.global_get(GlobalId(1)).map(RawVal::get_i32), Some(9));
    *access.data_mut() += 1;
    assert_eq!(*instance.data(), 6);
    assert_eq!(instance.into_data(), 6);
}

#[test]
fn what_the_system_lacks_is_not_of_the_guest() {
    let pages = || hatchery_alloc::PrepareError::OutOfRange { start: 0, end: 1 };
    let host = |error: crate::HostError| CallError::Host { error, frames: Default::default() };
    let lacks: [CallError; 5] = [
        host(pages().into()),
        host(crate::machine::Unwritable.into()),
        CallError::Stack(crate::StackError::Exhausted { limit: 1 }),
        CallError::Busy,
        CallError::Withdrawn,
    ];
    assert!(!lacks.iter().any(CallError::is_of_guest) && !StepFailure::Pages(pages()).is_of_guest());
    assert!(!lacks.into_iter().any(|error| StepFailure::Start(error).is_of_guest()));
    assert!(host("the disk is full".into()).is_of_guest());
    assert!(StepFailure::Trap(TrapCode::MemoryOutOfBounds).is_of_guest());
    assert!(StepFailure::Memory { minimum: 1, found: 0 }.is_of_guest());
}

#[test]
fn access_is_checked() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(());
    let mut access = instance.access();
    assert!(access.memory(MemoryId(2)).is_none() && access.memory_bytes(MemoryId(2)).is_none());
    let mut memory = access.memory(M0).expect("memory");
    let end = memory.len();
    memory.write(end - 3, b"end").expect("inside");
    assert_eq!(memory.slice(end - 3..end).expect("inside"), b"end");
    for (start, end) in [(end - 2, end + 1), (end + 1, end + 1), (u64::MAX, u64::MAX), (5, 4)] {
        assert!(matches!(memory.slice(start..end), Err(AccessError::OutOfBounds { .. })));
        assert!(matches!(memory.slice_mut(start..end), Err(AccessError::OutOfBounds { .. })));
    }
    assert!(memory.write(end, b"").is_ok() && memory.write(end, b"x").is_err());
    let slices = memory.slices_mut(&[10..20, 0..10, 15..15]).expect("disjoint");
    assert_eq!(slices.iter().map(|s| s.len()).collect::<Vec<_>>(), [10, 10, 0]);
    assert!(memory.slices_mut(&[10..20, 19..30]).is_err());
    assert_eq!(memory.grow(4), None);
    assert_eq!(memory.grow(3), Some(2));
    assert!(memory.slice(end..5 * WASM_PAGE).expect("grown").iter().all(|byte| *byte == 0));
    assert!(matches!(access.table_get(T0, 10), Err(AccessError::OutOfBounds { length: 10, .. })));
    assert!(matches!(access.table_get(TableId(9), 0), Err(AccessError::NoSuchItem)));
    assert!(matches!(access.global_set(GlobalId(1), RawVal::ZERO), Err(AccessError::Immutable)));
    assert!(matches!(access.global_set(GlobalId(4), RawVal::ZERO), Err(AccessError::NoSuchItem)));
    access.global_set(GlobalId(2), RawVal::from_v128([3; 16])).expect("a vector");
    assert_eq!(access.global_get(GlobalId(2)).map(RawVal::get_v128), Some([3; 16]));
}

#[test]
fn a_forged_funcref_is_refused_everywhere() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(());
    let good = guest.word(Function::Nop);
    let ty = TypeId::from_index(good.type_id() - 1);
    let other = guest.word(Function::Touch);
    let forged = [
        PackedFuncRef::new(ty, good.code_offset() + 1),
        PackedFuncRef::new(ty, u32::MAX),
        PackedFuncRef::new(ty, other.code_offset()),
        PackedFuncRef(good.0 & !0xffff_ffff | 0xffff),
    ];
    let mut access = instance.access();
    for word in forged {
        assert_eq!(guest.prepared.callee(word).err(), Some(CalleeError::Unknown), "{word:?}");
        assert!(matches!(access.table_set(T0, 0, word.0), Err(AccessError::Reference)));
        assert!(matches!(access.table_grow(T0, 1, word.0), Err(AccessError::Reference)));
        assert!(matches!(access.global_set(GlobalId(3), RawVal::from_reference(word.0)), Err(AccessError::Reference)));
    }
    assert_eq!(guest.prepared.callee(PackedFuncRef::NULL).err(), Some(CalleeError::Null));
    access.table_set(T0, 0, good.0).expect("a function of the image");
    assert_eq!(access.table_grow(T0, 5, good.0).expect("a function of the image"), Some(10));
    assert_eq!(access.table_grow(TableId(1), 1, 0).expect("null"), None, "it is never grown");
}

#[test]
fn calls_are_checked() {
    let guest = || Guest::<()>::new(&Recipe::default(), vec![]);
    let (one, other) = (guest(), guest());
    let mut instance = one.instance(());
    let wrong = instance.access().call(&other.callee(Function::Nop), &mut []);
    assert!(matches!(wrong, Err(CallError::WrongInstance)));
    let few = instance.access().call(&one.callee(Function::Repeat), &mut [RawVal::ZERO]);
    assert!(matches!(few, Err(CallError::Values { needed: 2, given: 1 })));
}

#[test]
fn guest_code_writes_protected_pages_and_cannot_write_guards() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(());
    let memory = guest.prepared.image().layout().memories[0];
    let touch = |instance: &mut _, at| guest.call(instance, Function::Touch, &[at as i64]);
    for at in [0, 4096, 2 * WASM_PAGE - 8] {
        assert_eq!(touch(&mut instance, memory.offset + at).expect("a page that can be written"), 1);
        assert_eq!(touch(&mut instance, memory.offset + at).expect("an open page"), 2);
    }
    let mut fresh = guest.instance(());
    assert_eq!(touch(&mut fresh, memory.offset).expect("a page of its own"), 1);
}

fn step(kind: StepKind) -> InitStep {
    InitStep { instance: InstanceId(0), kind }
}

#[test]
fn steps_do_what_they_say() {
    let nop = Guest::<()>::new(&Recipe::default(), vec![]).word(Function::Nop).code_offset();
    let steps = vec![
        step(StepKind::CheckMemory { memory: M0, minimum: 2 * WASM_PAGE }),
        step(StepKind::CheckTable { table: T0, minimum: 10 }),
        step(StepKind::CoreData { segment: DataSegmentId(0), memory: M0, offset: 100 }),
        step(StepKind::CoreElem { segment: ElemSegmentId(0), table: T0, offset: 5 }),
        step(StepKind::CoreStart { code_offset: nop, function: None }),
    ];
    let recipe = Recipe { plan: Plan { steps, cursor: 0 }, ..Recipe::default() };
    let guest = Guest::new(&recipe, vec![]);
    let mut instance = guest.instance(());
    instance.access().initialize().expect("all steps");
    let access = instance.access();
    assert_eq!(&access.memory_bytes(M0).expect("memory")[100..100 + DATA_SPLIT], &DATA[..DATA_SPLIT]);
    let elements = guest.prepared.image().elem_segments().get(0).expect("a segment");
    assert_eq!(access.table_get(T0, 9).expect("inside"), elements.elements().nth(4).expect("five"));
    // Both segments were dropped: nothing can be taken from them, zero bytes aside.
    let init =
        |instance: &mut _, length| guest.call(instance, Function::Builtin(Builtin::MemoryInit), &[0, 0, 0, 0, length]);
    init(&mut instance, 0).expect("nothing");
    assert_eq!(trap_of(init(&mut instance, 1)), TrapCode::MemoryOutOfBounds);
    let elem = guest.call(&mut instance, Function::Builtin(Builtin::TableInit), &[0, 0, 0, 0, 1]);
    assert_eq!(trap_of(elem), TrapCode::TableOutOfBounds);
}

#[test]
fn a_failed_step_keeps_earlier_effects_and_the_next_instance_can_go_on() {
    let steps = vec![
        step(StepKind::CoreData { segment: DataSegmentId(1), memory: M0, offset: 0 }),
        step(StepKind::CoreData { segment: DataSegmentId(0), memory: M0, offset: 2 * WASM_PAGE - 1 }),
        step(StepKind::DropElem { segment: ElemSegmentId(0) }),
        step(StepKind::CheckTable { table: T0, minimum: 11 }),
        step(StepKind::CheckMemory { memory: M0, minimum: 2 * WASM_PAGE + 1 }),
    ];
    let recipe = Recipe { plan: Plan { steps, cursor: 0 }, ..Recipe::default() };
    let guest = Guest::new(&recipe, vec![]);
    let mut instance = guest.instance(());
    let mut access = instance.access();
    let failed = access.run_steps(3).expect_err("it does not fit");
    assert_eq!(failed.step, 1);
    assert!(matches!(failed.cause, StepFailure::Trap(TrapCode::MemoryOutOfBounds)));
    assert_eq!(access.memory_bytes(M0).expect("memory")[..10], DATA[DATA_SPLIT..]);
    assert_eq!(access.cursor(), 3);
    let failed = access.run_steps(4).expect_err("the table is too short");
    assert!(matches!(failed.cause, StepFailure::Table { minimum: 11, found: 10 }), "{failed}");
    let failed = access.run_steps(5).expect_err("the memory is too short");
    assert!(failed.to_string().starts_with("incompatible import type"), "{failed}");
    access.run_steps(99).expect("nothing is left");
    // The third step was skipped: the segment is still there.
    guest.call(&mut instance, Function::Builtin(Builtin::TableInit), &[0, 0, 0, 0, 5]).expect("not dropped");
}

#[test]
fn a_plan_begins_at_the_images_cursor() {
    let steps = vec![
        step(StepKind::CheckTable { table: T0, minimum: 99 }),
        step(StepKind::CheckTable { table: T0, minimum: 1 }),
    ];
    let recipe = Recipe { plan: Plan { steps, cursor: 1 }, ..Recipe::default() };
    Guest::new(&recipe, vec![]).instance(()).access().initialize().expect("the first step is done in the image");
}

#[test]
fn what_exceeds_the_limits_is_refused_when_it_is_prepared() {
    let prepare = |limits| {
        let stacks = Arc::new(crate::StackPool::new(crate::StackConfig::default()).expect("stacks"));
        let image = super::image::image(&Recipe::default());
        crate::Prepared::<()>::new(image, Arc::new(OnDemand::default()), stacks, vec![], limits).err()
    };
    let memory = prepare(Limits { memory_bytes: 2 * WASM_PAGE, ..Limits::default() });
    assert!(matches!(memory, Some(PrepareImageError::Memory { needed, .. }) if needed == 3 * WASM_PAGE));
    let table = prepare(Limits { table_elements: 19, ..Limits::default() });
    assert!(matches!(table, Some(PrepareImageError::Table { needed: 20, limit: 19 })));
}

#[test]
fn exhaustion_leaves_the_data_with_nobody_and_the_slot_free() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let allocator = Arc::new(OnDemand::new(Options { max_live: 1, ..Options::default() }));
    let guest =
        Guest::with(&Recipe::default(), Vec::<HostFunction<Counted>>::new(), allocator.clone(), Limits::default());
    let dropped = Arc::new(AtomicUsize::new(0));
    let first = guest.instance(Counted(dropped.clone()));
    let refused = guest.prepared.instantiate(Counted(dropped.clone()));
    assert!(matches!(refused, Err(hatchery_alloc::AllocateError::Exhausted { limit: 1 })));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    drop(first);
    assert_eq!((dropped.load(Ordering::Relaxed), allocator.live()), (2, 0));
}

#[test]
fn an_instance_moves_between_threads() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(0u32);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                guest.call(&mut instance, Function::Nop, &[]).expect("a call");
                let raised = guest.call(&mut instance, Function::Builtin(Builtin::Raise), &[1]);
                assert_eq!(trap_of(raised), TrapCode::Unreachable);
            });
        });
    }
}

#[test]
fn host_values_are_kept_until_the_limit() {
    let limits = Limits { externrefs: 1, ..Limits::default() };
    let guest = Guest::with(&Recipe::default(), vec![], Arc::new(OnDemand::strict()), limits);
    let mut instance = guest.instance(());
    let mut access = instance.access();
    let word = access.externref_new(Box::new("value")).expect("room");
    let read = |word| access.externref(word, |value| value.and_then(|v| v.downcast_ref::<&str>().copied()));
    assert_eq!((read(word), read(0), read(2)), (Some("value"), None, None));
    assert!(access.externref_new(Box::new(1)).is_err());
}
