//! Our side.

use super::guest;
use super::{Shape, Way, text};
use crate::measure::{Side, computing};
use crate::peer;
use hatchery::component::{
    Component, ComponentType, Instance, Lift, Linker, LinkerInstance, Lower, Resource, ResourceAny, WasmStr,
};
use hatchery::{Engine, Error};
use std::hint::black_box;

/// A record of the lists.
#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
struct Record {
    id: u32,
    weight: f64,
    kind: u8,
}

/// What the resources of the host are.
struct Thing;

fn instance(way: Way, shape: Shape) -> anyhow::Result<Instance<()>> {
    let engine = Engine::new(&peer::our_config())?;
    let component = Component::new(&engine, guest::text(way, shape))?;
    let mut linker = Linker::new(&engine);
    if way == Way::Out {
        define(&mut linker.instance("bench:calls/host")?, shape)?;
    }
    Ok(linker.prepare(&component)?.instantiate(())?)
}

fn define(host: &mut LinkerInstance<'_, ()>, shape: Shape) -> Result<(), Error> {
    host.resource::<Thing>("thing", |_, _| Ok(()))?;
    host.func("inc", |_, (x,): (u32,)| Ok((x.wrapping_add(1),)))?;
    match shape {
        Shape::OwnedText(_) => host.func("length", |_, (text,): (String,)| Ok((text.len() as u32,)))?,
        _ => host.func("length", |caller, (text,): (WasmStr,)| Ok((text.to_str(&caller)?.len() as u32,)))?,
    };
    host.func("echo", |_, (text,): (String,)| Ok((text,)))?;
    host.func("count", |_, (list,): (Vec<Record>,)| Ok((list.len() as u32,)))?;
    host.func("make", |_, ()| Ok((Resource::<Thing>::new_own(7),)))?;
    host.func("value", |_, (thing,): (Resource<Thing>,)| Ok((thing.rep(),)))?;
    Ok(())
}

/// Calls that a component makes.
pub(super) fn out_of_guest(way: Way, shape: Shape) -> anyhow::Result<Side> {
    let mut instance = instance(way, shape)?;
    let run = instance.func::<(u32,), (u32,)>("run")?;
    Ok(computing(move |n| {
        black_box(run.call(&mut instance, (n.max(1) as u32,)).expect("calls"));
    }))
}

/// Calls that the host makes.
pub(super) fn into_guest(shape: Shape) -> anyhow::Result<Side> {
    let mut instance = instance(Way::In, shape)?;
    Ok(match shape {
        Shape::U32 => {
            let inc = instance.func::<(u32,), (u32,)>("inc")?;
            each(move |i| inc.call(&mut instance, (i,)))
        }
        Shape::Text(bytes) | Shape::OwnedText(bytes) => {
            let (length, text) = (instance.func::<(&str,), (u32,)>("length")?, text(bytes));
            each(move |_| length.call(&mut instance, (text,)))
        }
        Shape::Echo(bytes) => {
            let (echo, text) = (instance.func::<(&str,), (String,)>("echo")?, text(bytes));
            each(move |_| echo.call(&mut instance, (text,)))
        }
        Shape::Records(count) => {
            let records: &[Record] = vec![Record { id: 1, weight: 1.0, kind: 1 }; count].leak();
            let count = instance.func::<(&[Record],), (u32,)>("count")?;
            each(move |_| count.call(&mut instance, (records,)))
        }
        Shape::Resource => {
            let (thing,) = instance.func::<(), (ResourceAny,)>("make")?.call(&mut instance, ())?;
            let value = instance.func::<(ResourceAny,), (u32,)>("value")?;
            each(move |_| value.call(&mut instance, (thing,)))
        }
    })
}

/// A call that is given the number of the turn.
fn each<R>(mut call: impl FnMut(u32) -> Result<R, Error> + Send + 'static) -> Side {
    computing(move |n| {
        for i in 0..n {
            black_box(call(i as u32).expect("a call"));
        }
    })
}
