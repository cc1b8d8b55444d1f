//! `kernel/…` and `interrupt/…` with real programs: each run is a fresh instance, and what it prints is compared.

use crate::case::Skip;
use crate::kernel::{Answer, Mode, Sides};
use crate::measure::computing;
use crate::peer::Plain;
use hatchery::{Engine, Linker, Module};
use hatchery_wasi::host::MemoryOutput;
use hatchery_wasi::{I32Exit, WasiCtx};
use std::path::{Path, PathBuf};
use wasmtime::Store;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// Those that are measured.
pub(crate) const PROGRAMS: &[Program] = &[
    Program { name: "sqlite", file: "c-sqlite-p1.wasm", args: &[":memory:", SQL] },
    Program { name: "rust-sort", file: "rust-kitchen-p1.wasm", args: &["sort", "100000"] },
    Program { name: "c-qsort", file: "c-kitchen-p1.wasm", args: &["qsort", "100000"] },
    Program { name: "go-json", file: "go-kitchen-p1.wasm", args: &["json", "a", "b"] },
];

const SQL: &str = "create table t(a integer primary key, b text, c real); \
    with recursive n(x) as (select 1 union all select x + 1 from n where x < 20000) \
    insert into t select x, 'row ' || (x * 7919 % 20000), x / 3.0 from n; \
    create index i on t(b); \
    select count(*), sum(c) from t where b between 'row 1' and 'row 5'; \
    select b, c from t order by c desc, b limit 3;";

/// A program and its arguments.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    name: &'static str,
    file: &'static str,
    args: &'static [&'static str],
}

/// The bytes of a guest: from the project, or from the folder where larger ones are looked for.
pub(crate) fn bytes(file: &str) -> anyhow::Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let elsewhere = std::env::var_os("HATCHERY_GUESTS").map_or_else(|| root.join("../shared/guests"), PathBuf::from);
    let found = [root.join("guests"), elsewhere].into_iter().map(|folder| folder.join(file)).find(|path| path.exists());
    let path = found.ok_or_else(|| Skip(format!("there is no {file}; HATCHERY_GUESTS can name its folder")))?;
    Ok(std::fs::read(path)?)
}

impl Sides for Program {
    fn name(self) -> &'static str {
        self.name
    }

    fn ours(self, mode: Mode) -> anyhow::Result<Answer> {
        answer(self.run_ours(mode)?)
    }

    fn peer(self, mode: Mode) -> anyhow::Result<Answer> {
        answer(self.run_peer(mode)?)
    }
}

/// Runs it once, and then checks that it prints the same each time.
fn answer(mut run: impl FnMut() -> anyhow::Result<Vec<u8>> + Send + 'static) -> anyhow::Result<Answer> {
    let result = run()?;
    let printed = result.clone();
    let side = computing(move |n| (0..n).for_each(|_| assert_eq!(run().expect("it runs"), printed)));
    Ok(Answer { side, result })
}

impl Program {
    fn run_ours(self, mode: Mode) -> anyhow::Result<impl FnMut() -> anyhow::Result<Vec<u8>> + Send + use<>> {
        let engine = Engine::new(&mode.ours())?;
        let module = Module::new(&engine, bytes(self.file)?)?;
        let mut linker = Linker::new(&engine);
        hatchery_wasi::p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
        let prepared = linker.prepare(&module)?;
        let args = self.args;
        Ok(move || {
            let out = MemoryOutput::new(1 << 20);
            let ctx = WasiCtx::builder().arg("program").args(args.iter().copied()).stdout(out.clone()).build();
            let mut instance = prepared.instantiate(ctx)?;
            match instance.func::<(), ()>("_start")?.call(&mut instance, ()) {
                Ok(()) => {}
                Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(out.contents())
        })
    }

    fn run_peer(self, mode: Mode) -> anyhow::Result<impl FnMut() -> anyhow::Result<Vec<u8>> + Send + use<>> {
        let engine = mode.peer()?;
        let module = wasmtime::Module::new(&engine, bytes(self.file)?).plain()?;
        let mut linker = wasmtime::Linker::<WasiP1Ctx>::new(&engine);
        wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |ctx| ctx).plain()?;
        let pre = linker.instantiate_pre(&module).plain()?;
        let args = self.args;
        Ok(move || {
            let out = MemoryOutputPipe::new(1 << 20);
            let ctx = WasiCtxBuilder::new().arg("program").args(args).stdout(out.clone()).build_p1();
            let mut store = Store::new(&engine, ctx);
            mode.start(&mut store);
            let instance = pre.instantiate(&mut store).plain()?;
            match instance.get_typed_func::<(), ()>(&mut store, "_start").plain()?.call(&mut store, ()) {
                Ok(()) => {}
                Err(error) if error.downcast_ref::<wasmtime_wasi::I32Exit>().is_some_and(|exit| exit.0 == 0) => {}
                Err(error) => return Err(error).plain(),
            }
            Ok(out.contents().to_vec())
        })
    }
}
