//! `kernel/…`: how fast compiled code is. Each kernel returns a number that both sides must agree on.
//!
//! `interrupt/…`: the same when a guest can be interrupted, against the peer with epochs, and against ourselves without.

use crate::case::{Case, Row};
use crate::guest;
use crate::measure::{self, Pair, Side, computing};
use crate::peer::{self, Plain};
use hatchery::{Engine, Interruption, Linker, Module, ModuleSet};
use std::hint::black_box;
use wasmtime::Store;

/// A kernel in the text format, how many rounds one call runs, and a module that it imports from.
#[derive(Clone, Copy)]
struct Kernel {
    name: &'static str,
    wat: &'static str,
    rounds: i32,
    library: Option<&'static str>,
}

/// Whether a guest can be interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Free,
    Interruptible,
}

macro_rules! kernels {
    ($($name:literal, $file:literal, $rounds:literal, $library:expr;)*) => {
        const KERNELS: &[Kernel] = &[
            $(Kernel {
                name: $name,
                wat: include_str!(concat!("kernels/", $file, ".wat")),
                rounds: $rounds,
                library: $library,
            },)*
        ];
    };
}

kernels! {
    "integer-xorshift", "xorshift", 100_000, None;
    "recursive-fib", "fib", 22, None;
    "float-matmul", "matmul", 1, None;
    "float-nbody", "nbody", 20_000, None;
    "simd-dot", "simd", 20, None;
    "memory-sum", "sum", 1, None;
    "memory-fill", "fill", 1, None;
    "byte-histogram", "histogram", 1, None;
    "branchy-sieve", "sieve", 1, None;
    "branchy-interpreter", "interpreter", 10_000, None;
    "indirect-sort", "sort", 1, None;
    "indirect-one", "indirect-one", 100_000, None;
    "indirect-8", "indirect-8", 100_000, None;
    "indirect-512-random", "indirect-512-random", 100_000, None;
    "indirect-512-turn", "indirect-512-turn", 100_000, None;
    "cross-module", "cross", 100_000, Some(include_str!("kernels/cross-library.wat"));
}

/// What makes a side of a kernel or of a program.
pub(crate) trait Sides: Copy + 'static {
    fn name(self) -> &'static str;
    fn ours(self, mode: Mode) -> anyhow::Result<Answer>;
    fn peer(self, mode: Mode) -> anyhow::Result<Answer>;
}

/// A side that has run once, and what came out.
pub(crate) struct Answer {
    pub(crate) side: Side,
    pub(crate) result: Vec<u8>,
}

/// All of `kernel/…`.
pub(crate) fn cases() -> Vec<Case> {
    KERNELS.iter().map(|kernel| plain(*kernel)).chain(guest::PROGRAMS.iter().map(|program| plain(*program))).collect()
}

/// All of `interrupt/…`.
pub(crate) fn interrupt_cases() -> Vec<Case> {
    let kernels = KERNELS.iter().map(|kernel| interruptible(*kernel));
    kernels.chain(guest::PROGRAMS.iter().map(|program| interruptible(*program))).collect()
}

fn plain(sides: impl Sides) -> Case {
    Case::pair(format!("kernel/{}", sides.name()), "default", move || pair(sides, Mode::Free))
}

fn interruptible(sides: impl Sides) -> Case {
    Case::new(format!("interrupt/{}", sides.name()), move |effort| {
        let mut pair = pair(sides, Mode::Interruptible)?;
        pair.floor = Some(sides.ours(Mode::Free)?.side);
        let outcome = measure::compare(&mut pair, effort);
        let mut row = Row::timed(&outcome, "epochs".to_owned());
        row.our_config = "deadlines".to_owned();
        row.more.extend(row.floor.take().map(|off| ("ours_off_ns", off)));
        row.more.extend(row.over_floor.take().map(|ratio| ("on_by_off", ratio)));
        Ok(row)
    })
}

/// Both, if they agree.
fn pair(sides: impl Sides, mode: Mode) -> anyhow::Result<Pair> {
    let (ours, peer) = (sides.ours(mode)?, sides.peer(mode)?);
    anyhow::ensure!(!ours.result.is_empty() && ours.result == peer.result, "the sides disagree");
    Ok(Pair { ours: ours.side, peer: peer.side, floor: None })
}

impl Mode {
    /// Us, interruptible or not.
    pub(crate) fn ours(self) -> hatchery::Config {
        let config = peer::our_config();
        if self == Mode::Interruptible { config.interruption(Interruption::Deadline) } else { config }
    }

    /// The peer, the same.
    pub(crate) fn peer(self) -> anyhow::Result<wasmtime::Engine> {
        let mut config = peer::config();
        config.epoch_interruption(self == Mode::Interruptible);
        wasmtime::Engine::new(&config).plain()
    }

    /// Lets the peer's guest run.
    pub(crate) fn start<T>(self, store: &mut Store<T>) {
        if self == Mode::Interruptible {
            store.set_epoch_deadline(1 << 40);
        }
    }
}

impl Sides for Kernel {
    fn name(self) -> &'static str {
        self.name
    }

    fn ours(self, mode: Mode) -> anyhow::Result<Answer> {
        Ok(answer(self.run_ours(mode)?))
    }

    fn peer(self, mode: Mode) -> anyhow::Result<Answer> {
        Ok(answer(self.run_peer(mode)?))
    }
}

fn answer(mut run: impl FnMut() -> i64 + Send + 'static) -> Answer {
    let result = run().to_le_bytes().to_vec();
    let side = computing(move |n| {
        for _ in 0..n {
            black_box(run());
        }
    });
    Answer { side, result }
}

impl Kernel {
    fn run_ours(self, mode: Mode) -> anyhow::Result<impl FnMut() -> i64 + Send + use<>> {
        let engine = Engine::new(&mode.ours())?;
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

    fn run_peer(self, mode: Mode) -> anyhow::Result<impl FnMut() -> i64 + Send + use<>> {
        let engine = mode.peer()?;
        let mut store = Store::new(&engine, ());
        mode.start(&mut store);
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
