//! Calls that are suspended: continued, on other threads too, and given up.

use hatchery::{Allocation, Caller, Config, Engine, Error, ErrorKind, HostFuture, Instance, Linker, Module, Trap};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

/// A future that is pending this many times.
struct Yield(u32);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

const WAT: &str = r#"(module
    (import "h" "wait" (func $wait (param i32) (result i32)))
    (import "h" "sync" (func $sync (param i32) (result i32)))
    (global $calls (export "calls") (mut i32) (i32.const 0))
    (func $count (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
    (func (export "run") (param i32) (result i32)
      (call $count)
      (local.set 0 (i32.add (call $wait (local.get 0)) (call $wait (local.get 0))))
      (call $count)
      (local.get 0))
    (func (export "through-sync") (param i32) (result i32) (call $sync (local.get 0)))
    (func (export "fine") (result i32) (i32.const 7)))"#;

/// What the host counts: futures that were dropped.
type Dropped = Arc<AtomicU32>;

struct CountDrop(Dropped);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn wait<'a>(mut caller: Caller<'a, Dropped>, (times,): (i32,)) -> HostFuture<'a, i32> {
    Box::pin(async move {
        let _count = CountDrop(caller.data_mut().clone());
        if times < 0 {
            return Err(Error::host("a negative time"));
        }
        Yield(times as u32).await;
        Ok(times * 10)
    })
}

fn sync(mut caller: Caller<'_, Dropped>, times: i32) -> Result<i32, Error> {
    let Some(hatchery::Extern::Func(run)) = caller.export("run") else { panic!("no export") };
    Ok(run.typed::<(i32,), (i32,)>(&mut caller)?.call(&mut caller, (times,))?.0)
}

fn instance() -> Instance<Dropped> {
    let engine = Engine::new(&Config::new().allocation(Allocation::Strict)).expect("an engine");
    let module = Module::new(&engine, WAT).expect("a module");
    let mut linker = Linker::new(&engine);
    linker.func_async("h", "wait", wait).expect("defined");
    linker.func("h", "sync", sync).expect("defined");
    linker.prepare(&module).expect("prepared").instantiate(Dropped::default()).expect("an instance")
}

#[test]
fn a_call_is_suspended_and_continued() {
    let mut instance = instance();
    let run = instance.func::<(i32,), (i32,)>("run").expect("run");
    for times in 0..5 {
        let result = pollster::block_on(run.call_async(&mut instance, (times,))).expect("a call");
        assert_eq!(result, (times * 20,));
    }
    assert_eq!(instance.data().load(Ordering::Relaxed), 10);
}

#[test]
fn a_suspended_call_continues_on_other_threads() {
    let mut instance = instance();
    let run = instance.func::<(i32,), (i32,)>("run").expect("run");
    let mut call = Box::pin(run.call_async(&mut instance, (20,)));
    let mut polls = 0;
    let result = loop {
        polls += 1;
        let polled = std::thread::scope(|scope| {
            scope.spawn(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))).join().expect("a thread")
        });
        if let Poll::Ready(result) = polled {
            break result;
        }
    };
    assert_eq!(result.expect("a call"), (400,));
    assert_eq!(polls, 41);
}

#[test]
fn a_dropped_call_is_cancelled_and_the_instance_stays_usable() {
    let mut instance = instance();
    let run = instance.func::<(i32,), (i32,)>("run").expect("run");
    let fine = instance.func::<(), (i32,)>("fine").expect("fine");
    for round in 1..=3 {
        {
            let mut call = pin!(run.call_async(&mut instance, (5,)));
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(instance.data().load(Ordering::Relaxed), round, "the future was dropped");
        assert_eq!(fine.call(&mut instance, ()).expect("a call"), (7,));
        let Some(hatchery::Extern::Global(calls)) = instance.export("calls") else { panic!("no export") };
        let count = calls.get(&mut instance).expect("a global");
        assert!(matches!(count, hatchery::Val::I32(n) if n == round as i32), "the guest did not go on: {count:?}");
    }
}

#[test]
fn an_instance_with_a_forgotten_call_refuses_to_be_entered_and_can_be_dropped() {
    let mut instance = instance();
    let dropped = instance.data().clone();
    let run = instance.func::<(i32,), (i32,)>("run").expect("run");
    let fine = instance.func::<(), (i32,)>("fine").expect("fine");
    let mut call = Box::pin(run.call_async(&mut instance, (5,)));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    std::mem::forget(call);
    let error = fine.call(&mut instance, ()).expect_err("it is suspended");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("suspended"), "{error}");
    drop(instance);
    assert_eq!(dropped.load(Ordering::Relaxed), 0, "what the future borrowed may be gone");
}

#[test]
fn an_async_function_cannot_be_reached_by_a_call_that_cannot_be_suspended() {
    let mut instance = instance();
    let run = instance.func::<(i32,), (i32,)>("run").expect("run");
    let error = run.call(&mut instance, (1,)).expect_err("a plain call");
    assert_eq!(error.trap(), Some(Trap::CannotSuspend));
    let through = instance.func::<(i32,), (i32,)>("through-sync").expect("through");
    let error = pollster::block_on(through.call_async(&mut instance, (1,))).expect_err("a plain call in between");
    assert_eq!(error.trap(), Some(Trap::CannotSuspend));
}

#[test]
fn an_async_functions_error_ends_the_call() {
    let mut instance = instance();
    let run = instance.func::<(i32,), (i32,)>("run").expect("run");
    let error = pollster::block_on(run.call_async(&mut instance, (-1,))).expect_err("a negative time");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Host, "a negative time"));
    let result = pollster::block_on(run.call_async(&mut instance, (1,))).expect("a call");
    assert_eq!(result, (20,));
}
