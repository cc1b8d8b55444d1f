//! Gives up a call while it is suspended, and uses the instance again. Nothing here unwinds: it works the same
//! in a program that aborts on panic, and is run that way by the project's checks.

use hatchery::{Caller, Config, Engine, HostFuture, Linker, Module};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

/// Tells that it was dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn forever<'a>(caller: Caller<'a, Arc<AtomicBool>>, (): ()) -> HostFuture<'a, ()> {
    Box::pin(async move {
        let _guard = Guard(caller.data().clone());
        std::future::pending().await
    })
}

fn main() -> Result<(), hatchery::Error> {
    let engine = Engine::new(&Config::new())?;
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "forever" (func $forever))
            (func $inner (call $forever))
            (func (export "wait") (call $inner) unreachable)
            (func (export "seven") (result i32) (i32.const 7)))"#,
    )?;
    let mut linker = Linker::new(&engine);
    linker.func_async("host", "forever", forever)?;
    let dropped = Arc::new(AtomicBool::new(false));
    let mut instance = linker.prepare(&module)?.instantiate(dropped.clone())?;
    let wait = instance.func::<(), ()>("wait")?;
    let seven = instance.func::<(), (i32,)>("seven")?;
    for _ in 0..3 {
        dropped.store(false, Ordering::Relaxed);
        {
            let mut call = pin!(wait.call_async(&mut instance, ()));
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert!(!dropped.load(Ordering::Relaxed));
        }
        assert!(dropped.load(Ordering::Relaxed), "the host's future was dropped");
        assert_eq!(seven.call(&mut instance, ())?, (7,));
    }
    Ok(())
}
