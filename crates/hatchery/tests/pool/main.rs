//! Instances from a pool, seen from outside: what one leaves behind, another never meets. Every pool here compares every
//! slot with its image after every reset.

mod components;
mod isolation;
mod metrics;
mod oracle;
mod residue;
mod sizes;
mod snapshots;
mod stacks;
mod steady;
mod threads;

use hatchery::{
    Allocation, Bounds, Config, Engine, Error, ErrorKind, Extern, HostFuture, Instance, Interruption, Isolation,
    Learning, Limits, Linker, Module, Placement, PoolMetrics, Pooling, Prepared, Reset, Scrub, SnapshotOptions, Trap,
    Val, Verify, WasmValues, WorkingSets,
};
use std::time::Duration;

const RESETS: [Reset; 3] = [Reset::WorkingSet, Reset::PagemapScan, Reset::Decommit];

fn config(pooling: Pooling) -> Config {
    Config::new().allocation(Allocation::Pooling(pooling.verify(Verify::EveryReset)))
}

fn engine(pooling: Pooling) -> Engine {
    Engine::new(&config(pooling)).expect("an engine")
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, text).expect("a module")
}

/// A module without imports, made ready.
fn prepared(engine: &Engine, text: &str) -> Prepared<()> {
    Linker::new(engine).prepare(&module(engine, text)).expect("no imports")
}

fn metrics(engine: &Engine) -> PoolMetrics {
    engine.pool_metrics().expect("a pool")
}

#[track_caller]
fn call<T: 'static, P: WasmValues, R: WasmValues>(instance: &mut Instance<T>, name: &str, params: P) -> R {
    try_call(instance, name, params).expect("a call")
}

fn try_call<T: 'static, P: WasmValues, R: WasmValues>(
    instance: &mut Instance<T>,
    name: &str,
    params: P,
) -> Result<R, Error> {
    instance.func::<P, R>(name)?.call(instance, params)
}

/// Everything that can be seen of an instance's exports: lengths, bytes, elements, values.
#[derive(Debug, PartialEq, Eq)]
struct Seen(Vec<(String, Vec<u8>)>);

fn observe<T: 'static>(instance: &mut Instance<T>) -> Seen {
    let exports = instance.exports();
    Seen(exports.into_iter().map(|(name, item)| (name, bytes_of(instance, item))).collect())
}

fn bytes_of<T: 'static>(instance: &mut Instance<T>, item: Extern) -> Vec<u8> {
    match item {
        Extern::Memory(memory) => {
            let mut bytes = vec![0; memory.size(&mut *instance) as usize];
            memory.read(instance, 0, &mut bytes).expect("all of it");
            bytes
        }
        Extern::Table(table) => {
            let size = table.size(&mut *instance);
            (0..size).flat_map(|i| value(&table.get(&mut *instance, i).expect("an element"))).collect()
        }
        Extern::Global(global) => value(&global.get(instance).expect("a global")),
        _ => Vec::new(),
    }
}

/// A value as text; of a reference, whether it is null.
fn value(value: &Val) -> Vec<u8> {
    match value {
        Val::FuncRef(reference) => vec![u8::from(reference.is_some())],
        Val::ExternRef(reference) => vec![u8::from(reference.is_some())],
        other => format!("{other:?}").into_bytes(),
    }
}
