//! The peer's side: without what lets a store run several tasks, which makes its calls slower.

use super::guest;
use super::{Shape, Way, text};
use crate::measure::{Side, computing};
use crate::peer::{self, Plain};
use std::hint::black_box;
use wasmtime::component::{
    Component, ComponentType, Instance, Lift, Linker, LinkerInstance, Lower, Resource, ResourceAny, ResourceType,
    TypedFunc, WasmStr,
};
use wasmtime::{Engine, Store};

/// How it is configured.
pub(super) const CONFIG: &str = "typed functions, concurrency off";

/// A record of the lists.
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct Record {
    id: u32,
    weight: f64,
    kind: u8,
}

/// What the resources of the host are.
struct Thing;

fn instance(way: Way, shape: Shape) -> anyhow::Result<(Store<()>, Instance)> {
    let mut config = peer::config();
    config.concurrency_support(false);
    let engine = Engine::new(&config).plain()?;
    let component = Component::new(&engine, wat::parse_str(guest::text(way, shape))?).plain()?;
    let mut linker = Linker::new(&engine);
    if way == Way::Out {
        define(&mut linker.instance("bench:calls/host").plain()?, shape).plain()?;
    }
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &component).plain()?;
    Ok((store, instance))
}

fn define(host: &mut LinkerInstance<'_, ()>, shape: Shape) -> wasmtime::Result<()> {
    host.resource("thing", ResourceType::host::<Thing>(), |_, _| Ok(()))?;
    host.func_wrap("inc", |_, (x,): (u32,)| Ok((x.wrapping_add(1),)))?;
    match shape {
        Shape::OwnedText(_) => host.func_wrap("length", |_, (text,): (String,)| Ok((text.len() as u32,)))?,
        _ => host.func_wrap("length", |store, (text,): (WasmStr,)| Ok((text.to_str(&store)?.len() as u32,)))?,
    }
    host.func_wrap("echo", |_, (text,): (String,)| Ok((text,)))?;
    host.func_wrap("count", |_, (list,): (Vec<Record>,)| Ok((list.len() as u32,)))?;
    host.func_wrap("make", |_, ()| Ok((Resource::<Thing>::new_own(7),)))?;
    host.func_wrap("value", |_, (thing,): (Resource<Thing>,)| Ok((thing.rep(),)))
}

/// Calls that a component makes.
pub(super) fn out_of_guest(way: Way, shape: Shape) -> anyhow::Result<Side> {
    let (mut store, instance) = instance(way, shape)?;
    let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "run").plain()?;
    Ok(computing(move |n| {
        black_box(run.call(&mut store, (n.max(1) as u32,)).expect("calls"));
    }))
}

/// Calls that the host makes.
pub(super) fn into_guest(shape: Shape) -> anyhow::Result<Side> {
    let (mut store, instance) = instance(Way::In, shape)?;
    Ok(match shape {
        Shape::U32 => {
            let inc: TypedFunc<(u32,), (u32,)> = instance.get_typed_func(&mut store, "inc").plain()?;
            each(move |i| inc.call(&mut store, (i,)))
        }
        Shape::Text(bytes) | Shape::OwnedText(bytes) => {
            let length: TypedFunc<(&str,), (u32,)> = instance.get_typed_func(&mut store, "length").plain()?;
            let text = text(bytes);
            each(move |_| length.call(&mut store, (text,)))
        }
        Shape::Echo(bytes) => {
            let echo: TypedFunc<(&str,), (String,)> = instance.get_typed_func(&mut store, "echo").plain()?;
            let text = text(bytes);
            each(move |_| echo.call(&mut store, (text,)))
        }
        Shape::Records(count) => {
            let records: &[Record] = vec![Record { id: 1, weight: 1.0, kind: 1 }; count].leak();
            let count: TypedFunc<(&[Record],), (u32,)> = instance.get_typed_func(&mut store, "count").plain()?;
            each(move |_| count.call(&mut store, (records,)))
        }
        Shape::Resource => {
            let make: TypedFunc<(), (ResourceAny,)> = instance.get_typed_func(&mut store, "make").plain()?;
            let (thing,) = make.call(&mut store, ()).plain()?;
            let value: TypedFunc<(ResourceAny,), (u32,)> = instance.get_typed_func(&mut store, "value").plain()?;
            each(move |_| value.call(&mut store, (thing,)))
        }
    })
}

/// A call that is given the number of the turn.
fn each<R>(mut call: impl FnMut(u32) -> wasmtime::Result<R> + Send + 'static) -> Side {
    computing(move |n| {
        for i in 0..n {
            black_box(call(i as u32).expect("a call"));
        }
    })
}
