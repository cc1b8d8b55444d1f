//! A program that starts from a snapshot behaves as one that initialized itself.

mod exports;
mod failures;
mod host;
mod imports;
mod reseed;
mod state;

use hatchery::{
    Config, Engine, Error, ErrorKind, Extern, ExternRef, InitImports, Instance, Interruption, Limits, Linker, Module,
    ModuleSet, SnapshotOptions, SnapshotReport, Trap, Val,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn engine() -> Engine {
    Engine::new(&Config::new()).expect("an engine")
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::with_name(engine, "program", text).expect("a module")
}

/// A snapshot without a host.
fn snapshot(engine: &Engine, text: &str) -> (Module, SnapshotReport) {
    module(engine, text).snapshot(&Linker::<()>::new(engine), SnapshotOptions::new(), || ()).expect("a snapshot")
}

fn instance(engine: &Engine, module: &Module) -> Instance<()> {
    Linker::new(engine).prepare(module).expect("prepared").instantiate(()).expect("an instance")
}

fn call<T: 'static>(instance: &mut Instance<T>, name: &str, args: &[Val]) -> Result<Vec<Val>, Error> {
    let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function `{name}`") };
    func.call_dynamic(instance, args)
}

fn i32_of<T: 'static>(instance: &mut Instance<T>, name: &str) -> i32 {
    match call(instance, name, &[]).as_deref() {
        Ok([Val::I32(value)]) => *value,
        other => panic!("`{name}` gave {other:?}"),
    }
}

/// A linker whose `host.now` counts its calls in `calls` and whose `host.pure` doubles.
fn host(engine: &Engine, calls: &Arc<AtomicU32>) -> Linker<()> {
    let (mut linker, calls) = (Linker::new(engine), calls.clone());
    linker.func("host", "now", move || calls.fetch_add(1, Ordering::Relaxed) as i32).expect("defined once");
    linker.func("host", "pure", |x: i32| x * 2).expect("defined once");
    linker
}

const ASKS: &str = r#"(module (import "host" "now" (func $now (result i32))) (global $at (mut i32) (i32.const -1))
    (memory 1) (data (i32.const 0) "a")
    (func $clock (global.set $at (call $now))) (func $start (i32.store8 (i32.const 0) (i32.const 1)) (call $clock))
    (start $start) (func (export "at") (result i32) (global.get $at)))"#;

const LONG: &str = r#"(module (global $n (mut i32) (i32.const 0))
    (func $start (loop $again (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (global.get $n) (i32.const 100000))))) (start $start)
    (func (export "n") (result i32) (global.get $n)))"#;
