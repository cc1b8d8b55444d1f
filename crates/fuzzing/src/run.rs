//! A valid module runs the same in every mode, and nothing it does is our fault.

use crate::modules;
use arbitrary::Unstructured;
use hatchery::{
    Allocation, Bounds, Config, Determinism, Engine, Error, ErrorKind, Extern, Instance, Interruption, Limits, Linker,
    Module, Optimization, Trap, Val, ValType,
};

/// Enough for a random module to do something, and little enough to try many.
const FUEL: u64 = 20_000;

/// What a call resulted in.
pub(crate) type Called = Result<Vec<String>, Option<Trap>>;

/// What can be observed of a run.
#[derive(Debug, PartialEq)]
struct Observed {
    instantiated: Result<(), Option<Trap>>,
    calls: Vec<(String, Called)>,
    globals: Vec<(String, String)>,
    memories: Vec<(String, u64, u64)>,
}

/// Runs a random module with guard pages and optimization, and again without either, with every page
/// write-protected until it is written, and compares what can be observed.
///
/// # Panics
///
/// When the modes differ, or an error blames ourselves.
pub fn run(data: &[u8]) {
    let Ok(bytes) = modules::valid(&mut Unstructured::new(data)) else { return };
    let plain = Config::new().determinism(Determinism::Strict).interruption(Interruption::Fuel);
    let other = plain.clone().allocation(Allocation::Strict).bounds(Bounds::Explicit).optimization(Optimization::None);
    let (a, b) = (observe(&plain, &bytes), observe(&other, &bytes));
    assert_eq!(a, b, "the modes differ");
}

/// An error as far as two modes must agree on it. Where the stack ends depends on how code was compiled.
fn trap(error: &Error) -> Option<Trap> {
    assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
    error.trap()
}

fn observe(config: &Config, bytes: &[u8]) -> Option<Observed> {
    let engine = Engine::new(config).expect("a plain configuration");
    let module = match Module::new(&engine, bytes) {
        Ok(module) => module,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
            return None;
        }
    };
    let prepared = Linker::new(&engine).prepare_with(&module, Limits::new().fuel(FUEL)).expect("no imports");
    let mut instance = match prepared.instantiate(()) {
        Ok(instance) => instance,
        Err(error) => {
            let instantiated = Err(trap(&error));
            return Some(Observed { instantiated, calls: vec![], globals: vec![], memories: vec![] });
        }
    };
    let exports = instance.exports();
    let mut calls = Vec::new();
    for (name, item) in &exports {
        let Extern::Func(func) = item else { continue };
        let args: Vec<Val> =
            func.ty(&mut instance).expect("its own").params().iter().map(|ty| zero(*ty)).collect::<Option<_>>()?;
        instance.set_fuel(FUEL);
        let result = func.call_dynamic(&mut instance, &args);
        if result.as_ref().is_err_and(|error| error.trap() == Some(Trap::StackOverflow)) {
            return None;
        }
        let shown = result.map(|values| values.iter().map(show).collect());
        calls.push((name.clone(), shown.map_err(|error| trap(&error))));
    }
    Some(Observed {
        instantiated: Ok(()),
        calls,
        globals: globals(&mut instance, &exports),
        memories: memories(&mut instance, &exports),
    })
}

pub(crate) fn globals(instance: &mut Instance<()>, exports: &[(String, Extern)]) -> Vec<(String, String)> {
    let global = |(name, item): &(String, Extern)| match item {
        Extern::Global(global) => {
            // A reference to an exception is no value that the host can have.
            let value = global.get(&mut *instance);
            Some((name.clone(), value.map_or_else(|_| "a reference".into(), |value| show(&value))))
        }
        _ => None,
    };
    exports.iter().filter_map(global).collect()
}

pub(crate) fn memories(instance: &mut Instance<()>, exports: &[(String, Extern)]) -> Vec<(String, u64, u64)> {
    let memory = |(name, item): &(String, Extern)| match item {
        Extern::Memory(memory) => {
            let hashed = memory.borrow(&mut *instance, |memory| Ok(hash(memory.slice(0, memory.len())?)));
            let size = memory.size(&mut *instance);
            Some((name.clone(), size, hashed.expect("all of it")))
        }
        _ => None,
    };
    exports.iter().filter_map(memory).collect()
}

/// FNV-1a, by words: the memories are large.
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let step = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0100_0000_01b3);
    let hash = words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| step(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)))
}

/// A zero, or null; nothing for a type that has neither.
pub(crate) fn zero(ty: ValType) -> Option<Val> {
    Some(match ty {
        ValType::I32 => Val::I32(0),
        ValType::I64 => Val::I64(0),
        ValType::F32 => Val::F32(0),
        ValType::F64 => Val::F64(0),
        ValType::V128 => Val::V128(0),
        ValType::FuncRef => Val::FuncRef(None),
        ValType::ExternRef => Val::ExternRef(None),
        _ => return None,
    })
}

/// A value, references only as far as modes can agree on them.
pub(crate) fn show(value: &Val) -> String {
    match value {
        Val::FuncRef(Some(_)) => "a function".into(),
        Val::ExternRef(Some(_)) => "a host value".into(),
        value => format!("{value:?}"),
    }
}
