//! `call/…`: how long it takes to get into a guest, and out of it.

use crate::case::Case;
use crate::measure::Pair;
use crate::peer;
use crate::peer::Plain;
use hatchery::{Engine, Instance, Linker, Module};
use std::hint::black_box;

const GUEST: &str = r#"
    (module
      (import "host" "nop" (func $host_nop))
      (import "host" "inc" (func $host_inc (param i32) (result i32)))
      (func (export "nop"))
      (func (export "inc") (param i32) (result i32)
        (i32.add (local.get 0) (i32.const 1)))
      (func (export "out-nop") (param $n i32)
        (loop $again
          (call $host_nop)
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "out-inc") (param $n i32) (result i32) (local $x i32)
        (loop $again
          (local.set $x (call $host_inc (local.get $x)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x))
      (func (export "loop") (param $n i32) (result i32) (local $x i32)
        (loop $again
          (local.set $x (i32.add (local.get $x) (i32.const 1)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x)))
"#;

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::pair("call/in-nop", "typed func", in_nop),
        Case::pair("call/in-i32-i32", "typed func", in_inc),
        Case::pair("call/out-nop", "func_wrap", out_nop),
        Case::pair("call/out-i32-i32", "func_wrap", out_inc),
    ]
}

/// An instance of ours.
pub(crate) fn ours(wat: &str) -> anyhow::Result<Instance<()>> {
    let engine = Engine::new(&peer::our_config())?;
    let module = Module::new(&engine, wat)?;
    let mut linker = Linker::new(&engine);
    linker.func("host", "nop", || {})?;
    linker.func("host", "inc", |x: i32| x.wrapping_add(1))?;
    Ok(linker.prepare(&module)?.instantiate(())?)
}

fn in_nop() -> anyhow::Result<Pair> {
    let mut instance = ours(GUEST)?;
    let func = instance.func::<(), ()>("nop")?;
    let (mut store, peer) = peer::instantiate(GUEST)?;
    let peer = peer.get_typed_func::<(), ()>(&mut store, "nop").plain()?;
    Ok(Pair::computing(
        move |n| (0..n).for_each(|_| func.call(&mut instance, ()).expect("a nop")),
        move |n| (0..n).for_each(|_| peer.call(&mut store, ()).expect("a nop")),
    ))
}

fn in_inc() -> anyhow::Result<Pair> {
    let mut instance = ours(GUEST)?;
    let func = instance.func::<(i32,), (i32,)>("inc")?;
    let (mut store, peer) = peer::instantiate(GUEST)?;
    let peer = peer.get_typed_func::<(i32,), (i32,)>(&mut store, "inc").plain()?;
    Ok(Pair::computing(
        move |n| {
            for i in 0..n {
                black_box(func.call(&mut instance, (i as i32,)).expect("an addition"));
            }
        },
        move |n| {
            for i in 0..n {
                black_box(peer.call(&mut store, (i as i32,)).expect("an addition"));
            }
        },
    ))
}

fn out_nop() -> anyhow::Result<Pair> {
    let mut instance = ours(GUEST)?;
    let func = instance.func::<(i32,), ()>("out-nop")?;
    let (mut store, peer) = peer::instantiate(GUEST)?;
    let peer = peer.get_typed_func::<(i32,), ()>(&mut store, "out-nop").plain()?;
    Ok(Pair::computing(
        move |n| func.call(&mut instance, (n.max(1) as i32,)).expect("calls"),
        move |n| peer.call(&mut store, (n.max(1) as i32,)).expect("calls"),
    ))
}

fn out_inc() -> anyhow::Result<Pair> {
    let mut instance = ours(GUEST)?;
    let func = instance.func::<(i32,), (i32,)>("out-inc")?;
    let (mut store, peer) = peer::instantiate(GUEST)?;
    let peer = peer.get_typed_func::<(i32,), (i32,)>(&mut store, "out-inc").plain()?;
    Ok(Pair::computing(
        move |n| {
            let (x,) = func.call(&mut instance, (n.max(1) as i32,)).expect("calls");
            assert_eq!(x, n.max(1) as i32);
        },
        move |n| {
            let (x,) = peer.call(&mut store, (n.max(1) as i32,)).expect("calls");
            assert_eq!(x, n.max(1) as i32);
        },
    ))
}
