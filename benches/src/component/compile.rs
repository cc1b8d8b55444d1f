//! `component/compile/…`: how long it takes to compile a component, on all cores.

use crate::case::Case;
use crate::measure::{Pair, elapsed};
use crate::{guest, peer};
use hatchery::Engine;
use hatchery::component::Component;

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let files = [
        ("rust-cli-hello", "rust-cli-hello.wasm"),
        ("sqlite-adapted", "c-sqlite-p1adapted.wasm"),
        ("js-pure", "js-pure-sm.wasm"),
        ("py-pure", "py-pure.wasm"),
    ];
    let case = |(name, file)| Case::pair(format!("component/compile/{name}"), "parallel", move || compile(file));
    files.into_iter().map(case).collect()
}

fn compile(file: &str) -> anyhow::Result<Pair> {
    let bytes = guest::bytes(file)?;
    let copy = bytes.clone();
    let engine = Engine::new(&peer::our_config())?;
    let peer = peer::engine()?;
    let theirs = move || wasmtime::component::Component::new(&peer, &copy).expect("it compiles");
    Ok(Pair {
        ours: elapsed(move |n| (0..n).for_each(|_| drop(Component::new(&engine, &bytes).expect("it compiles")))),
        peer: elapsed(move |n| (0..n).for_each(|_| drop(theirs()))),
        floor: None,
    })
}
