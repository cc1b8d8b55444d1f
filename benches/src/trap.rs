//! `trap/…`: how long a call takes that ends in a trap.

use crate::case::Case;
use crate::measure::Pair;
use crate::peer::Plain;
use crate::{call, peer};

const GUEST: &str = r#"
    (module
      (memory 1)
      (func (export "load") (drop (i32.load (i32.const 0x7fffffff))))
      (func (export "unreachable") unreachable)
      (func (export "divide") (drop (i32.div_s (i32.const 1) (i32.load (i32.const 0))))))
"#;

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::pair("trap/memory-out-of-bounds", "default", || trap("load")),
        Case::pair("trap/unreachable", "default", || trap("unreachable")),
        Case::pair("trap/divide-by-zero", "default", || trap("divide")),
    ]
}

fn trap(name: &'static str) -> anyhow::Result<Pair> {
    let mut instance = call::ours(GUEST)?;
    let func = instance.func::<(), ()>(name)?;
    let (mut store, peer) = peer::instantiate(GUEST)?;
    let peer = peer.get_typed_func::<(), ()>(&mut store, name).plain()?;
    Ok(Pair::computing(
        move |n| (0..n).for_each(|_| drop(func.call(&mut instance, ()).expect_err("a trap"))),
        move |n| (0..n).for_each(|_| drop(peer.call(&mut store, ()).expect_err("a trap"))),
    ))
}
