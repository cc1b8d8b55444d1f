//! A valid module runs the same in every mode, and nothing it does is our fault.

use crate::limit::fitting;
use crate::modules;
use crate::ours::{but_for_exceptions, type_of};
use crate::program::checksum;
use arbitrary::Unstructured;
use hatchery::{
    Allocation, Bounds, Config, Determinism, Engine, Error, ErrorKind, Extern, Func, Instance, Interruption, Limits,
    Linker, Module, Optimization, Trap, Val, ValType,
};

/// Enough for a random module to do something, and little enough to try many.
const FUEL: u64 = 20_000;

/// What a call resulted in.
pub(crate) type Called = Result<Vec<String>, Option<Trap>>;

/// What can be observed of a run.
#[derive(Debug, PartialEq)]
struct Observed {
    instantiated: Result<(), Option<Trap>>,
    /// Up to the first that overflows the stack, if one does.
    calls: Vec<(String, Called)>,
    /// After all calls, unless one of them overflowed the stack.
    state: Option<State>,
}

/// What an instance holds.
#[derive(Debug, PartialEq)]
pub(crate) struct State {
    globals: Vec<(String, String)>,
    memories: Vec<(String, u64, u64)>,
    tables: Vec<(String, Vec<String>)>,
}

impl State {
    pub(crate) fn of(instance: &mut Instance<()>, exports: &[(String, Extern)]) -> State {
        State {
            globals: globals(instance, exports),
            memories: memories(instance, exports),
            tables: tables(instance, exports),
        }
    }
}

/// Runs a random module with guard pages and optimization, and again without either, with every page
/// write-protected until it is written, and compares what can be observed. Gives how many calls were compared.
///
/// # Panics
///
/// When the modes differ, an error blames ourselves, or what is valid is refused.
pub fn run(data: &[u8]) -> usize {
    let Ok(bytes) = modules::valid(&mut Unstructured::new(data)) else { return 0 };
    let plain = Config::new().determinism(Determinism::Strict).interruption(Interruption::Fuel);
    let other = plain.clone().allocation(Allocation::Strict).bounds(Bounds::Explicit).optimization(Optimization::None);
    match (observe(&plain, &bytes), observe(&other, &bytes)) {
        (Some(a), Some(b)) => compare(&a, &b),
        (a, b) => {
            assert_eq!(a, b, "only one of the modes has a limit that the module exceeds");
            0
        }
    }
}

/// Where the stack ends depends on how code was compiled: what follows is not compared.
fn compare(a: &Observed, b: &Observed) -> usize {
    let overflow = Err(Some(Trap::StackOverflow));
    if a.instantiated == overflow || b.instantiated == overflow {
        return 0;
    }
    assert_eq!(a.instantiated, b.instantiated, "the modes differ");
    let compared = a.calls.len().min(b.calls.len());
    assert_eq!(a.calls[..compared], b.calls[..compared], "the modes differ");
    if a.state.is_some() && b.state.is_some() {
        assert_eq!(a, b, "the modes differ");
    }
    compared
}

/// An error as far as two modes must agree on it.
fn trap(error: &Error) -> Option<Trap> {
    assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
    error.trap()
}

fn observe(config: &Config, bytes: &[u8]) -> Option<Observed> {
    let engine = Engine::new(config).expect("a plain configuration");
    let module = fitting(Module::new(&engine, bytes))?;
    let prepared = Linker::new(&engine).prepare_with(&module, Limits::new().fuel(FUEL)).expect("no imports");
    let mut instance = match prepared.instantiate(()) {
        Ok(instance) => instance,
        Err(error) => return Some(Observed { instantiated: Err(trap(&error)), calls: vec![], state: None }),
    };
    let exports = instance.exports();
    let mut calls = Vec::new();
    for (name, item) in &exports {
        let Extern::Func(func) = item else { continue };
        let Some(called) = call(&mut instance, *func) else { continue };
        if called == Err(Some(Trap::StackOverflow)) {
            return Some(Observed { instantiated: Ok(()), calls, state: None });
        }
        calls.push((name.clone(), called));
    }
    Some(Observed { instantiated: Ok(()), calls, state: Some(State::of(&mut instance, &exports)) })
}

/// Calls a function with zeros; nothing if there is no such argument, or a result that no host can have.
pub(crate) fn call(instance: &mut Instance<()>, func: Func) -> Option<Called> {
    let types = func.ty(&mut *instance).expect("its own");
    let args: Vec<Val> = types.params().iter().map(|ty| zero(*ty)).collect::<Option<_>>()?;
    if types.results().contains(&ValType::ExnRef) {
        return None;
    }
    instance.set_fuel(FUEL);
    let result = func.call_dynamic(&mut *instance, &args);
    let shown = result.map(|values| values.iter().map(show).collect());
    Some(shown.map_err(|error| trap(&error)))
}

fn globals(instance: &mut Instance<()>, exports: &[(String, Extern)]) -> Vec<(String, String)> {
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

fn memories(instance: &mut Instance<()>, exports: &[(String, Extern)]) -> Vec<(String, u64, u64)> {
    let memory = |(name, item): &(String, Extern)| match item {
        Extern::Memory(memory) => {
            let sum = memory.borrow(&mut *instance, |memory| Ok(checksum(memory.slice(0, memory.len())?)));
            let size = memory.size(&mut *instance);
            Some((name.clone(), size, sum.expect("all of it")))
        }
        _ => None,
    };
    exports.iter().filter_map(memory).collect()
}

fn tables(instance: &mut Instance<()>, exports: &[(String, Extern)]) -> Vec<(String, Vec<String>)> {
    let mut tables = Vec::new();
    for (name, item) in exports {
        let Extern::Table(table) = item else { continue };
        let length = table.size(&mut *instance);
        let element = |index| {
            Some(match but_for_exceptions(table.get(&mut *instance, index))? {
                Val::FuncRef(Some(reference)) => type_of(&mut *instance, reference),
                value => show(&value),
            })
        };
        let elements: Option<Vec<_>> = (0..length).map(element).collect();
        tables.extend(elements.map(|elements| (name.clone(), elements)));
    }
    tables
}

/// A zero, or null; nothing for a type that has neither.
fn zero(ty: ValType) -> Option<Val> {
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
fn show(value: &Val) -> String {
    match value {
        Val::FuncRef(Some(_)) => "a function".into(),
        Val::ExternRef(Some(_)) => "a host value".into(),
        value => format!("{value:?}"),
    }
}
