//! Our side.

use super::guests::{NAME, Task, Work};
use super::{Cycle, SLOTS, Start};
use crate::peer;
use anyhow::Context;
use hatchery::component::{Component, Instance, Linker, Prepared};
use hatchery::{Allocation, Engine, Pooling, SnapshotOptions};
use hatchery_wasi::WasiCtx;
use hatchery_wasi::host::MemoryOutput;
use std::sync::{Arc, Mutex};

/// An engine with a pool, whose slots have room for a memory of each module.
fn pooled(work: &Work, threads: usize) -> anyhow::Result<Engine> {
    let pooling = Pooling::new(SLOTS * threads).slot_bytes((work.room.modules as u64 + 1) * (5 << 30));
    Ok(Engine::new(&peer::our_config().allocation(Allocation::Pooling(pooling)))?)
}

fn component(engine: &Engine, work: &Work, start: Start) -> anyhow::Result<Component> {
    let component = Component::new(engine, &work.bytes)?;
    if start == Start::Plain {
        return Ok(component);
    }
    let (component, report) = component.snapshot(&linker(engine)?, SnapshotOptions::new(), context)?;
    anyhow::ensure!(report.steps_left() == 0, "the snapshot is not complete: {report}");
    Ok(component)
}

fn linker(engine: &Engine) -> anyhow::Result<Linker<WasiCtx>> {
    let mut linker = Linker::new(engine);
    hatchery_wasi::p2::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    Ok(linker)
}

fn context() -> WasiCtx {
    WasiCtx::builder().build()
}

/// The component, linked with WASI.
pub(super) fn prepared(engine: &Engine, work: &Work, start: Start) -> anyhow::Result<Prepared<WasiCtx>> {
    Ok(linker(engine)?.prepare(&component(engine, work, start)?)?)
}

/// A cycle.
pub(super) fn cycle(work: &Work, start: Start, threads: usize) -> anyhow::Result<Cycle> {
    let engine = pooled(work, threads)?;
    let task = work.task;
    if task == Task::Nop {
        let prepared = Linker::new(&engine).prepare(&component(&engine, work, start)?)?;
        return Ok(Arc::new(move || nop(&mut prepared.instantiate(()).expect("an instance"))));
    }
    let prepared = prepared(&engine, work, start)?;
    Ok(match task {
        Task::Nop | Task::NopWasi => Arc::new(move || nop(&mut prepared.instantiate(context()).expect("an instance"))),
        Task::Run => Arc::new(move || run(&prepared)),
        Task::Greet => Arc::new(move || greet(&mut prepared.instantiate(context()).expect("an instance"))),
    })
}

/// The same call in an instance that is kept.
pub(super) fn warm(work: &Work, start: Start) -> anyhow::Result<Cycle> {
    let instance = Mutex::new(prepared(&pooled(work, 1)?, work, start)?.instantiate(context())?);
    Ok(Arc::new(move || greet(&mut instance.lock().expect("nobody panicked"))))
}

/// An instance that belongs to no pool, before and after the call.
pub(super) fn fresh(
    work: &Work,
    start: Start,
) -> anyhow::Result<impl Fn() -> anyhow::Result<Instance<WasiCtx>> + use<>> {
    let engine = Engine::new(&peer::our_config().allocation(Allocation::OnDemand))?;
    let prepared = prepared(&engine, work, start)?;
    Ok(move || {
        let mut instance = prepared.instantiate(context()).context("no instance")?;
        greet(&mut instance);
        Ok(instance)
    })
}

fn nop<T: 'static>(instance: &mut Instance<T>) {
    let nop = instance.func::<(), ()>("nop").expect("nop");
    nop.call(instance, ()).expect("a call");
}

fn run(prepared: &Prepared<WasiCtx>) {
    let out = MemoryOutput::new(1 << 16);
    let ctx = WasiCtx::builder().stdout(out.clone()).build();
    let mut instance = prepared.instantiate(ctx).expect("an instance");
    let run = instance.func::<(), (Result<(), ()>,)>(("wasi:cli/run@0.2.6", "run")).expect("run");
    run.call(&mut instance, ()).expect("a call").0.expect("success");
    assert!(!out.contents().is_empty());
}

fn greet(instance: &mut Instance<WasiCtx>) {
    let greet = instance.func::<(&str,), (String,)>("greet").expect("greet");
    let (greeting,) = greet.call(instance, (NAME,)).expect("a call");
    assert!(greeting.contains(NAME));
}
