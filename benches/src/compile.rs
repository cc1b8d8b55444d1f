//! `compile/…`: how long it takes to compile a module, on all cores.

use crate::measure::Pair;
use crate::{Case, guest, peer};
use hatchery::{Config, Engine, Module};

pub(crate) const CASES: &[Case] = &[
    Case { name: "compile/c-kitchen", peer_config: "parallel", make: || compile("c-kitchen-p1.wasm") },
    Case { name: "compile/sqlite", peer_config: "parallel", make: || compile("c-sqlite-p1.wasm") },
    Case { name: "compile/go", peer_config: "parallel", make: || compile("go-kitchen-p1.wasm") },
];

fn compile(file: &'static str) -> anyhow::Result<Pair> {
    let bytes = guest::bytes(file)?;
    let copy = bytes.clone();
    let engine = Engine::new(&Config::new())?;
    let peer = peer::engine()?;
    Ok(Pair {
        ours: Box::new(move |n| (0..n).for_each(|_| drop(Module::new(&engine, &bytes).expect("it compiles")))),
        peer: Box::new(move |n| (0..n).for_each(|_| drop(wasmtime::Module::new(&peer, &copy).expect("it compiles")))),
    })
}
