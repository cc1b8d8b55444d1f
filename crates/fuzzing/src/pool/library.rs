//! Modules that many cases use, compiled once.

use super::guest;
use crate::artifact;
use arbitrary::{Result as Random, Unstructured};
use hatchery::{Bounds, Config, Engine, Linker, Module, SnapshotOptions};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Modules in the library.
const MODULES: usize = 40;

/// Where instances of a module begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Start {
    Beginning,
    Snapshot,
}

/// A module.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// One of the library.
    Known(usize),
    /// One that is compiled for this case.
    New(String),
}

impl Source {
    pub(super) fn arbitrary(u: &mut Unstructured<'_>) -> Random<Source> {
        Ok(if u.ratio(1, 12)? { Source::New(guest::module(u)?) } else { Source::Known(u.choose_index(MODULES)?) })
    }

    /// The module, compiled as the engine wants it.
    pub(super) fn module(&self, engine: &Engine, config: &Config, bounds: Bounds, start: Start) -> Module {
        let bytes = match self {
            Source::New(text) => compiled(config, text, start),
            Source::Known(number) => known(*number, config, bounds, start),
        };
        artifact::reopened(engine, &bytes)
    }
}

type Compiled = HashMap<(usize, Bounds, Start), Arc<[u8]>>;

fn known(number: usize, config: &Config, bounds: Bounds, start: Start) -> Arc<[u8]> {
    static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);
    let mut all = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry((number, bounds, start)).or_insert_with(|| compiled(config, &text(number), start)).clone()
}

/// The same text for the same number.
pub(super) fn text(number: usize) -> String {
    let mut state = number as u64 + 1;
    let byte = || {
        // Knuth's constants.
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    let bytes: Vec<u8> = std::iter::repeat_with(byte).take(200).collect();
    guest::module(&mut Unstructured::new(&bytes)).expect("bytes enough")
}

/// The artifact. A module whose initialization traps begins at the beginning.
fn compiled(config: &Config, text: &str, start: Start) -> Arc<[u8]> {
    let engine = Engine::new(config).expect("a possible configuration");
    let module = Module::new(&engine, text).expect("valid");
    let module = match start {
        Start::Beginning => module,
        Start::Snapshot => {
            let linker: Linker<()> = super::linker(&engine);
            module.snapshot(&linker, SnapshotOptions::new(), || ()).expect("nothing that a snapshot cannot hold").0
        }
    };
    module.serialize().expect("an artifact").into()
}
