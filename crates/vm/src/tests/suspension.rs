//! Async host functions.

use super::image::{Function, Guest, Recipe, trap_of};
use crate::{CallError, HostContext, HostFunction, HostFuture, HostSignature};
use hatchery_image::abi::RawVal;
use hatchery_image::{FuncType, TrapCode, ValType};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

/// How many futures were dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

struct OnDrop(Drops);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drops {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ready after a poll, with the sum of both parameters; adds the second to the data meanwhile.
fn add<'a>(mut context: HostContext<'a, i64>, given: Box<[RawVal]>, drops: Drops) -> HostFuture<'a, Vec<RawVal>> {
    Box::pin(async move {
        let _counted = OnDrop(drops);
        let mut waited = false;
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let (a, b) = (given[0].get_i64(), given[1].get_i64());
        *context.data_mut() += b;
        match a {
            -1 => Err("asked to fail".into()),
            -2 => std::panic::panic_any("asked to panic"),
            -3 => Ok(vec![]),
            _ => Ok(vec![RawVal::from_i64(a + b)]),
        }
    })
}

fn guest(drops: &Drops) -> Guest<i64> {
    let ty = FuncType::new([ValType::I64; 2], [ValType::I64]);
    let drops = drops.clone();
    let function = HostFunction::asynchronous(HostSignature::of(&ty), move |context: HostContext<'_, i64>, given| {
        add(context, given, drops.clone())
    });
    Guest::new(&Recipe { imports: vec![ty], ..Recipe::default() }, vec![function])
}

fn values(a: i64, b: i64) -> Vec<RawVal> {
    vec![RawVal::from_i64(a), RawVal::from_i64(b)]
}

#[test]
fn the_guest_waits_and_goes_on() {
    let drops = Drops::default();
    let guest = guest(&drops);
    let mut instance = guest.instance(0);
    let results = pollster::block_on(instance.access().call_async(&guest.callee(Function::Repeat), values(100, 4)));
    assert_eq!(results.expect("results")[0].get_i64(), 400 + 4 + 3 + 2 + 1);
    assert_eq!((*instance.data(), drops.count()), (10, 4));
}

#[test]
fn a_call_goes_on_on_other_threads() {
    let drops = Drops::default();
    let guest = guest(&drops);
    let mut instance = guest.instance(0);
    let mut call = Box::pin(instance.access().call_async(&guest.callee(Function::Repeat), values(0, 3)));
    let mut polls = 0;
    let result = loop {
        polls += 1;
        let poll = std::thread::scope(|scope| {
            scope.spawn(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))).join().expect("polled")
        });
        if let Poll::Ready(result) = poll {
            break result;
        }
    };
    assert_eq!((result.expect("results")[0].get_i64(), polls), (6, 4));
}

#[test]
fn a_call_that_cannot_be_suspended_traps() {
    let drops = Drops::default();
    let guest = guest(&drops);
    let mut instance = guest.instance(0);
    assert_eq!(trap_of(guest.call(&mut instance, Function::Repeat, &[0, 1])), TrapCode::CannotSuspend);
    assert_eq!((*instance.data(), drops.count()), (0, 0), "the future is never polled");
    let again = pollster::block_on(instance.access().call_async(&guest.callee(Function::Import(0)), values(5, 6)));
    assert_eq!(again.expect("results")[0].get_i64(), 11);
}

#[test]
fn errors_panics_and_wrong_numbers_end_the_call() {
    let drops = Drops::default();
    let guest = guest(&drops);
    let mut instance = guest.instance(0);
    let mut run = |a| {
        let callee = guest.callee(Function::Import(0));
        catch_unwind(AssertUnwindSafe(|| pollster::block_on(instance.access().call_async(&callee, values(a, 0)))))
    };
    let failed = run(-1).expect("no panic");
    assert!(
        matches!(&failed, Err(CallError::Host { error, .. }) if error.to_string() == "asked to fail"),
        "{failed:?}"
    );
    assert_eq!(run(-2).expect_err("a panic").downcast_ref(), Some(&"asked to panic"));
    let failed = run(-3).expect("no panic");
    assert!(
        matches!(&failed, Err(CallError::Host { error, .. }) if error.to_string().contains("0 values")),
        "{failed:?}"
    );
    assert_eq!(run(7).expect("no panic").expect("results")[0].get_i64(), 7);
    assert_eq!(drops.count(), 4);
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) {
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_dropped_call_is_cancelled_and_the_instance_stays_usable() {
    let drops = Drops::default();
    let guest = guest(&drops);
    let mut instance = guest.instance(0);
    {
        let mut call = pin!(instance.access().call_async(&guest.callee(Function::Repeat), values(0, 9)));
        poll_once(call.as_mut());
        assert_eq!(drops.count(), 0);
    }
    assert_eq!((*instance.data(), drops.count()), (0, 1));
    let again = pollster::block_on(instance.access().call_async(&guest.callee(Function::Import(0)), values(5, 6)));
    assert_eq!(again.expect("results")[0].get_i64(), 11);
    let never = instance.access().call_async(&guest.callee(Function::Import(0)), values(5, 6));
    drop(never);
}

#[test]
fn a_leaked_call_keeps_the_instance_busy_until_it_is_dropped() {
    let drops = Drops::default();
    let guest = guest(&drops);
    let mut instance = guest.instance(0);
    let mut call = Box::pin(instance.access().call_async(&guest.callee(Function::Repeat), values(0, 9)));
    poll_once(call.as_mut());
    std::mem::forget(call);
    assert!(matches!(guest.call(&mut instance, Function::Nop, &[]), Err(CallError::Busy)));
    let other = pollster::block_on(instance.access().call_async(&guest.callee(Function::Nop), vec![]));
    assert!(matches!(other, Err(CallError::Busy)), "{other:?}");
    drop(instance);
    assert_eq!(drops.count(), 0, "what the future borrowed may be gone");
}

/// Never ready.
fn forever(drops: &Drops) -> Guest<()> {
    let ty = FuncType::new([ValType::I64; 2], [ValType::I64]);
    let drops = drops.clone();
    let function = HostFunction::asynchronous(HostSignature::of(&ty), move |_: HostContext<'_, ()>, _| {
        let counted = OnDrop(drops.clone());
        Box::pin(async move {
            let _counted = counted;
            std::future::pending().await
        })
    });
    Guest::new(&Recipe { imports: vec![ty], ..Recipe::default() }, vec![function])
}

#[test]
fn a_call_that_waits_for_ever_ends_at_its_deadline() {
    let drops = Drops::default();
    let guest = forever(&drops);
    let mut instance = guest.instance(());
    for round in 1..3 {
        instance.access().interrupt_handle().set_deadline(Some(std::time::Duration::from_millis(20)));
        let call = instance.access().call_async(&guest.callee(Function::Repeat), values(0, 1));
        assert_eq!(trap_of(pollster::block_on(call)), TrapCode::DeadlineExceeded);
        assert_eq!(drops.count(), round, "the host's future was dropped");
    }
}

#[test]
fn a_call_that_waits_for_ever_is_cancelled_from_another_thread() {
    let drops = Drops::default();
    let guest = forever(&drops);
    let mut instance = guest.instance(());
    let handle = instance.access().interrupt_handle();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        handle.cancel();
    });
    let call = instance.access().call_async(&guest.callee(Function::Repeat), values(0, 1));
    assert_eq!(trap_of(pollster::block_on(call)), TrapCode::Cancelled);
    canceller.join().expect("joined");
    assert_eq!(drops.count(), 1);
}

/// Who ended keeps no waker, which may keep a task of the host's from being freed.
#[test]
fn the_waker_of_a_call_that_has_ended_is_let_go() {
    struct Counted;
    impl std::task::Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }
    let drops = Drops::default();
    let (waiting, adding) = (forever(&drops), guest(&drops));
    let task = Arc::new(Counted);
    let waker = Waker::from(task.clone());
    let references = Arc::strong_count(&task);
    {
        let mut instance = waiting.instance(());
        let mut call = pin!(instance.access().call_async(&waiting.callee(Function::Repeat), values(0, 1)));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&task), references + 1, "it is to be woken");
    }
    assert_eq!(Arc::strong_count(&task), references);
    let mut instance = adding.instance(0);
    let mut call = Box::pin(instance.access().call_async(&adding.callee(Function::Repeat), values(0, 2)));
    while call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {}
    drop(call);
    assert_eq!(Arc::strong_count(&task), references);
}
