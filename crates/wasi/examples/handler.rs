//! A host of request handlers, complete: each request has a clean instance from a pool, a context of WASI of its own, a
//! deadline and a limit of memory, and no thread waits for it.
//!
//! ```sh
//! cargo run --example handler
//! ```

#![allow(clippy::print_stdout, reason = "a program that prints")]

use hatchery::{
    Allocation, Caller, Config, Engine, Error, ErrorKind, HostFuture, Interruption, Limits, Linker, Module, Pooling,
    Prepared, Trap,
};
use hatchery_wasi::host::{MemoryInput, MemoryOutput};
use hatchery_wasi::{I32Exit, WasiCtx, p1};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

/// Requests at a time. Who comes then is told to come again.
const SLOTS: usize = 2;

/// What each instance has of the host.
struct Request {
    wasi: WasiCtx,
    user: u32,
}

/// What the guest asks the host for: how often the user was here. The guest is suspended until the answer is there.
fn visits<'a>(caller: Caller<'a, Request>, (): ()) -> HostFuture<'a, i32> {
    let user = caller.data().user;
    Box::pin(async move {
        query().await;
        Ok(user as i32 % 10)
    })
}

/// Stands for a query over the network: it is not ready when it is first asked.
async fn query() {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Once for each program: compiled, linked, and all its types checked.
fn prepare(program: &str) -> Result<Prepared<Request>, Error> {
    let config =
        Config::new().allocation(Allocation::Pooling(Pooling::new(SLOTS))).interruption(Interruption::Deadline);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, program)?;
    let mut linker = Linker::new(&engine);
    p1::add_to_linker(&mut linker, |request: &mut Request| &mut request.wasi)?;
    linker.func_async("backend", "visits", visits)?;
    // A deadline for an engine without the interruption would be an error here.
    linker.prepare_with(&module, Limits::new().deadline(Duration::from_secs(1)).max_memory(1 << 20))
}

/// Once for each request: a status and a body, as HTTP has them.
async fn handle(prepared: &Prepared<Request>, user: u32, body: &str) -> (u16, String) {
    let out = MemoryOutput::new(1 << 16);
    let wasi = WasiCtx::builder().stdin(MemoryInput::new(body.as_bytes())).stdout(out.clone()).build();
    let status = status(run(prepared, Request { wasi, user }).await);
    (status, String::from_utf8_lossy(&out.contents()).into_owned())
}

async fn run(prepared: &Prepared<Request>, request: Request) -> Result<(), Error> {
    // Where there is no slot, this is an error at once; `instantiate_async` would wait for one.
    let mut instance = prepared.instantiate(request)?;
    let start = instance.func::<(), ()>("_start")?;
    start.call_async(&mut instance, ()).await
}

/// How a request ended. A program that exits ends its call with an error.
fn status(ended: Result<(), Error>) -> u16 {
    let Err(error) = ended else { return 200 };
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return if exit.status() == 0 { 200 } else { 400 };
    }
    match (error.kind(), error.trap()) {
        (ErrorKind::Exhausted, _) => 503,
        (_, Some(Trap::DeadlineExceeded)) => 504,
        _ => 500,
    }
}

fn main() -> Result<(), Error> {
    let prepared = prepare(PROGRAM)?;
    let handle = |user, body| pollster::block_on(handle(&prepared, user, body));
    assert_eq!(handle(7, "visits: "), (200, "visits: 7".into()));
    assert_eq!(handle(8, "clean: "), (200, "clean: 8".into()));
    assert_eq!(handle(7, ""), (400, String::new()), "the program exits with 3");
    assert_eq!(handle(7, "!"), (504, String::new()), "the program spins");

    let request = || Request { wasi: WasiCtx::builder().build(), user: 0 };
    let others = [prepared.instantiate(request())?, prepared.instantiate(request())?];
    assert_eq!(handle(7, "visits: ").0, 503, "all slots are in use");
    drop(others);

    let (status, body) = handle(9, "visits: ");
    println!("{status} {body}");
    Ok(())
}

/// Answers with what it was asked, and how often the user was here. It would be a file, made by any compiler for WASI.
const PROGRAM: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "backend" "visits" (func $visits (result i32)))
  (memory (export "memory") 1)
  ;; A list of one buffer: 64 bytes at 64. Behind it is how many of them were read or written.
  (data (i32.const 0) "\40\00\00\00\40\00\00\00")
  (func (export "_start") (local $length i32)
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $length (i32.load (i32.const 8)))
    (if (i32.eqz (local.get $length)) (then (call $exit (i32.const 3))))
    ;; An exclamation mark.
    (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 33)) (then (loop $again (br $again))))
    (i32.store8 (i32.add (i32.const 64) (local.get $length)) (i32.add (i32.const 48) (call $visits)))
    (i32.store (i32.const 4) (i32.add (local.get $length) (i32.const 1)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
"#;

#[cfg(test)]
mod tests {
    #[test]
    fn requests_are_handled() {
        super::main().unwrap_or_else(|error| panic!("{error}"));
    }
}
