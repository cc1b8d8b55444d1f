//! `cycle/…`: a fresh instance, a look-up, a call, and everything given back.
//!
//! The peer pools as well, with its best settings for the case: a scan for written pages at release, and enough
//! of each memory kept resident.

use crate::Case;
use crate::measure::Pair;
use crate::peer::Plain;
use hatchery::{Allocation, Config, Engine, Linker, Module, Pooling};
use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

pub(crate) const CASES: &[Case] = &[
    Case { name: "cycle/nop", peer_config: PEER, make: || cycle(NOP.into()) },
    Case { name: "cycle/data-1", peer_config: PEER, make: || cycle(data(1, 4096)) },
    Case { name: "cycle/data-16", peer_config: PEER, make: || cycle(data(16, 4096)) },
    Case { name: "cycle/data-64", peer_config: PEER, make: || cycle(data(64, 4096)) },
    Case { name: "cycle/data-256", peer_config: PEER, make: || cycle(data(256, 4096)) },
    Case { name: "cycle/data-16-spread", peer_config: PEER, make: || cycle(data(16, 2 * 1024 * 1024 / 16)) },
    Case { name: "cycle/data-64-spread", peer_config: PEER, make: || cycle(data(64, 2 * 1024 * 1024 / 64)) },
    Case { name: "cycle/grow-1", peer_config: PEER, make: || cycle(grow(1)) },
    Case { name: "cycle/grow-16", peer_config: PEER, make: || cycle(grow(16)) },
];

const PEER: &str = "pooling, pagemap scan, keep resident 1 MiB";

const NOP: &str = r#"(module (memory 1) (func (export "run") (i32.store (i32.const 0) (i32.const 1))))"#;

/// A memory of 2 MiB, 512 KiB of data, a table of 2,000 elements, 20 globals; `pages` pages written, `stride` apart.
fn data(pages: u32, stride: u32) -> String {
    let globals: String = (0..20).map(|i| format!("(global (mut i32) (i32.const {i}))")).collect();
    let bytes: String = (0..512 * 1024).map(|i| ["\\01", "\\02", "\\03"][i % 3]).collect();
    let elements = "$f ".repeat(2000);
    format!(
        r#"(module (memory 32) (table 2000 2000 funcref) {globals}
            (data (i32.const 0) "{bytes}") (elem (i32.const 0) {elements}) (func $f)
            (func (export "run") (local $i i32) (local $at i32)
              (loop $again
                (i32.store (local.get $at) (i32.const 7))
                (local.set $at (i32.add (local.get $at) (i32.const {stride})))
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {pages}))))))"#
    )
}

/// A guest that grows by this many pages and writes the first and the last byte of what it got.
fn grow(pages: u32) -> String {
    format!(
        r#"(module (memory 1)
            (func (export "run") (local $old i32)
              (local.set $old (i32.mul (memory.grow (i32.const {pages})) (i32.const 65536)))
              (i32.store8 (local.get $old) (i32.const 1))
              (i32.store8 offset=65535 (i32.add (local.get $old) (i32.const {})) (i32.const 1))))"#,
        (pages - 1) * 65536
    )
}

fn cycle(wat: String) -> anyhow::Result<Pair> {
    let wasm = wat::parse_str(&wat)?;
    let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(Pooling::new(16))))?;
    let module = Module::new(&engine, &wasm)?;
    let prepared = Linker::new(&engine).prepare(&module)?;
    let engine = wasmtime::Engine::new(&peer_config()).plain()?;
    let module = wasmtime::Module::new(&engine, &wasm).plain()?;
    let pre = wasmtime::Linker::<()>::new(&engine).instantiate_pre(&module).plain()?;
    Ok(Pair {
        ours: Box::new(move |n| {
            for _ in 0..n {
                let mut instance = prepared.instantiate(()).expect("an instance");
                let run = instance.func::<(), ()>("run").expect("run");
                run.call(&mut instance, ()).expect("a call");
            }
        }),
        peer: Box::new(move |n| {
            for _ in 0..n {
                let mut store = Store::new(&engine, ());
                let instance = pre.instantiate(&mut store).expect("an instance");
                let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("run");
                run.call(&mut store, ()).expect("a call");
            }
        }),
    })
}

fn peer_config() -> wasmtime::Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(16);
    pool.total_memories(16);
    pool.total_tables(16);
    pool.max_memory_size(64 << 20);
    pool.table_elements(10_000);
    pool.linear_memory_keep_resident(1 << 20);
    pool.table_keep_resident(1 << 17);
    pool.pagemap_scan(Enabled::Auto);
    let mut config = wasmtime::Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
