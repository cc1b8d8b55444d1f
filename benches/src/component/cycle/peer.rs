//! The peer's side. Exports are found by their index, which it knows for all instances.

use super::guests::{NAME, Task, Work};
use super::{Cycle, SLOTS};
use crate::cycle::knobs::{KEEP_SCAN, Knobs};
use crate::peer::Plain;
use crate::trusted;
use anyhow::Context;
use std::sync::{Arc, Mutex};
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What an instance has of its host.
struct Host {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

fn host() -> Host {
    Host { ctx: WasiCtx::builder().build(), table: ResourceTable::new() }
}

/// A component, linked, and where its export is.
struct Ready<T: 'static> {
    pre: InstancePre<T>,
    export: ComponentExportIndex,
}

impl<T: 'static> Ready<T> {
    fn new(linker: &Linker<T>, component: &Component, path: &[&str]) -> anyhow::Result<Ready<T>> {
        let mut export = None;
        for name in path {
            let found = component.get_export_index(export.as_ref(), name);
            export = Some(found.with_context(|| format!("there is no {name}"))?);
        }
        let export = export.context("no path")?;
        Ok(Ready { pre: linker.instantiate_pre(component).plain()?, export })
    }

    fn instance(&self, data: T) -> (Store<T>, Instance) {
        let mut store = Store::new(self.pre.engine(), data);
        let instance = self.pre.instantiate(&mut store).expect("an instance");
        (store, instance)
    }
}

fn engine(work: &Work, knobs: &Knobs, threads: usize) -> anyhow::Result<Engine> {
    Engine::new(&knobs.component_config(SLOTS * threads, work.room)).plain()
}

/// A component that is compiled once for all settings of the pool, which large ones take long for.
pub(super) struct Compiled<'a> {
    work: &'a Work,
    bytes: Vec<u8>,
}

impl<'a> Compiled<'a> {
    pub(super) fn new(work: &'a Work) -> anyhow::Result<Compiled<'a>> {
        let bytes = engine(work, &KEEP_SCAN, 1)?.precompile_component(&work.bytes).plain()?;
        Ok(Compiled { work, bytes })
    }
}

/// The component, linked with WASI.
fn ready(engine: &Engine, compiled: &Compiled<'_>) -> anyhow::Result<Ready<Host>> {
    let component = trusted::component(engine, &compiled.bytes)?;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).plain()?;
    let path: &[&str] = match compiled.work.task {
        Task::Nop | Task::NopWasi => &["nop"],
        Task::Run => &["wasi:cli/run@0.2.6", "run"],
        Task::Greet => &["greet"],
    };
    Ready::new(&linker, &component, path)
}

/// A cycle.
pub(super) fn cycle(compiled: &Compiled<'_>, knobs: &Knobs, threads: usize) -> anyhow::Result<Cycle> {
    let work = compiled.work;
    let engine = engine(work, knobs, threads)?;
    if work.task == Task::Nop {
        let component = trusted::component(&engine, &compiled.bytes)?;
        let ready = Ready::new(&Linker::<()>::new(&engine), &component, &["nop"])?;
        return Ok(Arc::new(move || nop(&ready, ())));
    }
    let ready = ready(&engine, compiled)?;
    Ok(match work.task {
        Task::Nop | Task::NopWasi => Arc::new(move || nop(&ready, host())),
        Task::Run => Arc::new(move || run(&ready)),
        Task::Greet => Arc::new(move || {
            let (mut store, instance) = ready.instance(host());
            greet(&mut store, &instance, &ready.export);
        }),
    })
}

/// The same call in an instance that is kept.
pub(super) fn warm(work: &Work) -> anyhow::Result<Cycle> {
    let ready = ready(&engine(work, &KEEP_SCAN, 1)?, &Compiled::new(work)?)?;
    let state = Mutex::new(ready.instance(host()));
    Ok(Arc::new(move || {
        let (store, instance) = &mut *state.lock().expect("nobody panicked");
        greet(store, instance, &ready.export);
    }))
}

fn nop<T: 'static>(ready: &Ready<T>, data: T) {
    let (mut store, instance) = ready.instance(data);
    let run = instance.get_typed_func::<(), ()>(&mut store, &ready.export).expect("run");
    run.call(&mut store, ()).expect("a call");
}

fn run(ready: &Ready<Host>) {
    let out = MemoryOutputPipe::new(1 << 16);
    let ctx = WasiCtx::builder().stdout(out.clone()).build();
    let (mut store, instance) = ready.instance(Host { ctx, table: ResourceTable::new() });
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut store, &ready.export).expect("run");
    run.call(&mut store, ()).expect("a call").0.expect("success");
    assert!(!out.contents().is_empty());
}

fn greet(store: &mut Store<Host>, instance: &Instance, export: &ComponentExportIndex) {
    let greet = instance.get_typed_func::<(&str,), (String,)>(&mut *store, export).expect("greet");
    let (greeting,) = greet.call(store, (NAME,)).expect("a call");
    assert!(greeting.contains(NAME));
}
