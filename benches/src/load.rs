//! `load/…`: opening what was compiled before.

use crate::case::Case;
use crate::measure::{Pair, Side};
use crate::peer::{self, Plain};
use crate::trusted;
use hatchery::{Engine, Module};
use std::time::{Duration, Instant};

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    let case = |(name, bytes)| {
        Case::pair(format!("load/{name}"), "Module::deserialize_file, file in the page cache", move || load(bytes))
    };
    [("1-mb", 1_000_000), ("50-mb", 50_000_000)].into_iter().map(case).collect()
}

fn load(bytes: usize) -> anyhow::Result<Pair> {
    let folder = tempfile::tempdir()?;
    let (our_path, peer_path) = (folder.path().join("ours"), folder.path().join("peer"));
    let wasm = module(bytes);

    let engine = Engine::new(&peer::our_config())?;
    let compiled = Module::new(&engine, &wasm)?;
    let code = compiled.inspect().sections.iter().find(|section| section.name == ".text").map(|text| text.bytes);
    anyhow::ensure!(code.is_some_and(|code| code as usize >= bytes), "{code:?} bytes of code are too few");
    compiled.save(&our_path)?;

    let peer_engine = peer::engine()?;
    let compiled = wasmtime::Module::new(&peer_engine, &wasm).plain()?;
    anyhow::ensure!(compiled.text().len() >= bytes, "{} bytes of code are too few", compiled.text().len());
    std::fs::write(&peer_path, compiled.serialize().plain()?)?;

    // The folder is removed when the second side is.
    let folder = std::sync::Arc::new(folder);
    let kept = folder.clone();
    Ok(Pair {
        ours: opening(move || {
            let _folder = &folder;
            trusted::open(&engine, &our_path).expect("it opens")
        }),
        peer: opening(move || {
            let _folder = &kept;
            trusted::deserialize(&peer_engine, &peer_path).expect("it opens")
        }),
        floor: None,
    })
}

/// The time that opening takes; closing is not in it.
fn opening<M>(open: impl Fn() -> M + Send + 'static) -> Side {
    Box::new(move |count| {
        let mut total = Duration::ZERO;
        for _ in 0..count {
            let start = Instant::now();
            let module = open();
            total += start.elapsed();
            drop(module);
        }
        total
    })
}

/// Bytes of code that storing a constant takes, at least.
const STORE: usize = 24;
/// Stores in a function.
const STORES: usize = 200;

/// A module whose code takes so many bytes, in functions that store constants.
fn module(code_bytes: usize) -> Vec<u8> {
    let functions = code_bytes / (STORE * STORES) + 1;
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    section(&mut wasm, 1, &[1, 0x60, 0, 0]);
    let mut types = leb(functions);
    types.resize(types.len() + functions, 0);
    section(&mut wasm, 3, &types);
    section(&mut wasm, 5, &[1, 0, 1]);
    section(&mut wasm, 7, &[1, 1, b'f', 0, 0]);
    let mut bodies = leb(functions);
    for function in 0..functions {
        let body = body(function);
        bodies.extend(leb(body.len()));
        bodies.extend(body);
    }
    section(&mut wasm, 10, &bodies);
    wasm
}

/// No locals; for each store an address, a `v128.const`, a `v128.store`; an end.
fn body(function: usize) -> Vec<u8> {
    let mut body = vec![0];
    for store in 0..STORES {
        body.extend([0x41, 0, 0xfd, 0x0c]);
        body.extend(
            ((function * STORES + store) as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834).to_le_bytes(),
        );
        body.extend([0xfd, 0x0b, 0]);
        body.extend(leb(store * 16));
    }
    body.push(0x0b);
    body
}

fn section(wasm: &mut Vec<u8>, id: u8, contents: &[u8]) {
    wasm.push(id);
    wasm.extend(leb(contents.len()));
    wasm.extend(contents);
}

/// A number as LEB128.
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
