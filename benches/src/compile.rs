//! `compile/…`: how long it takes to compile a module, on all cores.

use crate::case::Case;
use crate::measure::{Pair, elapsed};
use crate::{guest, peer};
use hatchery::{Engine, Module};

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::pair("compile/c-kitchen", "parallel", || compile("c-kitchen-p1.wasm")),
        Case::pair("compile/sqlite", "parallel", || compile("c-sqlite-p1.wasm")),
        Case::pair("compile/go", "parallel", || compile("go-kitchen-p1.wasm")),
    ]
}

fn compile(file: &'static str) -> anyhow::Result<Pair> {
    let bytes = guest::bytes(file)?;
    let copy = bytes.clone();
    let engine = Engine::new(&peer::our_config())?;
    let peer = peer::engine()?;
    Ok(Pair {
        ours: elapsed(move |n| (0..n).for_each(|_| drop(Module::new(&engine, &bytes).expect("it compiles")))),
        peer: elapsed(move |n| (0..n).for_each(|_| drop(wasmtime::Module::new(&peer, &copy).expect("it compiles")))),
        floor: None,
    })
}
