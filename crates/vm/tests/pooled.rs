//! Slots whose pages open by real faults: in threads that nobody prepared for that, and on stacks that others used.

#![expect(unsafe_code, reason = "blocks signals")]

use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_image::{ExportItem, InstanceId, TrapCode, Tunables};
use hatchery_pool::{Discovery, Pool, PoolOptions, Verify, WorkingSets};
use hatchery_vm::{CallError, Instance, Limits, Prepared, StackConfig, StackPool};
use std::mem::MaybeUninit;
use std::sync::Arc;

const WAT: &str = r#"(module (memory 2) (global $g (mut i32) (i32.const 1))
    (func (export "store") (param i32) (result i32)
      (i32.store (local.get 0) (i32.const 7))
      (global.set $g (i32.add (global.get $g) (i32.load (local.get 0))))
      (global.get $g)))"#;

fn prepare() -> (Prepared<()>, Arc<Pool>) {
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(WAT).expect("wat"));
    set.add_instance(module, None, &[]);
    let image = compile(&set, &Tunables::default(), &Budget::default()).expect("image");
    let stacks = Arc::new(StackPool::new(StackConfig { limit: 2, ..StackConfig::default() }).expect("stacks"));
    // Every page is protected until the guest's own store faults.
    let working_sets = WorkingSets { discovery: Discovery::Faults, ..WorkingSets::default() };
    let slot_bytes = usize::try_from(image.layout().slot_bytes).expect("64 bits");
    let options = PoolOptions { working_sets, verify: Verify::EveryReset, ..PoolOptions::new(2, slot_bytes) };
    let pool = Arc::new(Pool::new(options).expect("pool"));
    let prepared = Prepared::new(Arc::new(image), pool.clone(), stacks, vec![], Limits::default());
    (prepared.expect("prepared"), pool)
}

fn store(prepared: &Prepared<()>, instance: &mut Instance<()>, at: i32) -> Result<i32, CallError> {
    let Some(ExportItem::Func(export)) = prepared.image().export(InstanceId(0), "store") else { panic!("no export") };
    let callee = prepared.callee(PackedFuncRef::new(export.ty, export.code_offset)).expect("callable");
    let mut values = [RawVal::from_i32(at)];
    instance.access().call(&callee, &mut values)?;
    Ok(values[0].get_i32())
}

fn block_faults() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is initialized first; no mask is asked back.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGSEGV);
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()), 0);
    }
}

#[test]
fn a_thread_with_sigsegv_blocked_opens_pages_and_traps_all_the_same() {
    let (prepared, pool) = prepare();
    for round in 0..3u64 {
        let prepared = prepared.clone();
        let thread = std::thread::spawn(move || {
            block_faults();
            let mut instance = prepared.instantiate(()).expect("instance");
            assert_eq!(store(&prepared, &mut instance, 4096 * 9 + 4 * round as i32).expect("returns"), 8);
            match store(&prepared, &mut instance, 2 << 16) {
                Err(CallError::Trap(trap)) => assert_eq!(trap.code, TrapCode::MemoryOutOfBounds),
                other => panic!("a trap was expected, not {other:?}"),
            }
        });
        thread.join().expect("the thread lives");
        let m = pool.metrics();
        assert_eq!((m.live, m.withdrawals, m.resets[0]), (0, 0, round + 1));
        assert!(m.faults_learned > 0, "the stores faulted");
    }
}

#[test]
fn an_instance_that_faults_on_many_threads_is_one_instance() {
    let (prepared, pool) = prepare();
    let mut instance = prepared.instantiate(()).expect("instance");
    for round in 0..12 {
        let prepared = &prepared;
        let instance = &mut instance;
        let sum = std::thread::scope(|scope| scope.spawn(move || store(prepared, instance, round * 8192)).join());
        assert_eq!(sum.expect("the thread lives").expect("returns"), 1 + 7 * (round + 1));
    }
    drop(instance);
    let mut next = prepared.instantiate(()).expect("instance");
    assert_eq!(store(&prepared, &mut next, 0).expect("returns"), 8);
    assert_eq!(pool.metrics().live, 1);
}
