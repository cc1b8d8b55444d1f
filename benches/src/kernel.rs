//! `kernel/…`: how fast compiled code is. Each kernel returns a number that both sides must agree on.

use crate::measure::Pair;
use crate::peer::Plain;
use crate::{Case, peer};
use hatchery::{Config, Engine, Linker, Module, ModuleSet};
use std::hint::black_box;
use wasmtime::Store;

/// A kernel in the text format, how many rounds one call runs, and a module that it imports from.
struct Kernel {
    wat: &'static str,
    rounds: i32,
    library: Option<&'static str>,
}

macro_rules! kernels {
    ($($name:literal, $file:literal, $rounds:literal $(, $library:literal)?;)*) => {
        pub(crate) const CASES: &[Case] = &[
            $(Case {
                name: concat!("kernel/", $name),
                peer_config: "default",
                make: || {
                    #[allow(unused_mut, unused_assignments, reason = "most kernels have no library")]
                    let mut library = None;
                    $(library = Some(include_str!(concat!("kernels/", $library)));)?
                    Kernel { wat: include_str!(concat!("kernels/", $file)), rounds: $rounds, library }.pair()
                },
            },)*
        ];
    };
}

kernels! {
    "xorshift", "xorshift.wat", 100_000;
    "fib", "fib.wat", 22;
    "matmul", "matmul.wat", 1;
    "nbody", "nbody.wat", 20_000;
    "simd-dot", "simd.wat", 20;
    "sum", "sum.wat", 1;
    "fill", "fill.wat", 1;
    "histogram", "histogram.wat", 1;
    "sieve", "sieve.wat", 1;
    "interpreter", "interpreter.wat", 10_000;
    "sort", "sort.wat", 1;
    "indirect-one", "indirect-one.wat", 100_000;
    "indirect-8", "indirect-8.wat", 100_000;
    "indirect-512-random", "indirect-512-random.wat", 100_000;
    "indirect-512-turn", "indirect-512-turn.wat", 100_000;
    "cross-module", "cross.wat", 100_000, "cross-library.wat";
}

impl Kernel {
    fn pair(self) -> anyhow::Result<Pair> {
        let (mut ours, mut peer) = (self.ours()?, self.peer()?);
        let (a, b) = (ours(), peer());
        anyhow::ensure!(a == b, "the sides disagree: {a:#x} and {b:#x}");
        Ok(Pair {
            ours: Box::new(move |n| (0..n).for_each(|_| drop(black_box(ours())))),
            peer: Box::new(move |n| (0..n).for_each(|_| drop(black_box(peer())))),
        })
    }

    fn ours(&self) -> anyhow::Result<impl FnMut() -> i64 + use<>> {
        let engine = Engine::new(&Config::new())?;
        let mut set = ModuleSet::new(&engine);
        let mut imports = Vec::new();
        if let Some(library) = self.library {
            let module = set.module(library)?;
            imports.push(("library", set.instance(module, Some("library"), &[])));
        }
        let module = set.module(self.wat)?;
        set.instance(module, None, &imports);
        let module: Module = set.compile()?;
        let mut instance = Linker::new(&engine).prepare(&module)?.instantiate(())?;
        let run = instance.func::<(i32,), (i64,)>("run")?;
        let rounds = self.rounds;
        Ok(move || run.call(&mut instance, (rounds,)).expect("the kernel runs").0)
    }

    fn peer(&self) -> anyhow::Result<impl FnMut() -> i64 + use<>> {
        let engine = peer::engine()?;
        let mut store = Store::new(&engine, ());
        let mut linker = wasmtime::Linker::new(&engine);
        if let Some(library) = self.library {
            let library = wasmtime::Module::new(&engine, wat::parse_str(library)?).plain()?;
            linker.module(&mut store, "library", &library).plain()?;
        }
        let module = wasmtime::Module::new(&engine, wat::parse_str(self.wat)?).plain()?;
        let instance = linker.instantiate(&mut store, &module).plain()?;
        let run = instance.get_typed_func::<(i32,), (i64,)>(&mut store, "run").plain()?;
        let rounds = self.rounds;
        Ok(move || run.call(&mut store, (rounds,)).expect("the kernel runs").0)
    }
}
