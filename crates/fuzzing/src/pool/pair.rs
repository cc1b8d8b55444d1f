//! An instance in a slot of the pool, and one that is mapped for itself, which do the same.

use super::guest::CALLS;
use crate::program::hash;
use hatchery::{Error, ErrorKind, Extern, Func, Instance, Trap, Val};

/// What happened.
pub(super) type Done = Result<Vec<u64>, Failure>;

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Trapped(Trap),
    HostError,
    Refused,
    Exhausted,
}

/// The failure that an error stands for.
///
/// # Panics
///
/// When it blames ourselves.
pub(super) fn failure(error: &Error) -> Failure {
    match (error.trap(), error.kind()) {
        (Some(trap), _) => Failure::Trapped(trap),
        (None, ErrorKind::Exhausted | ErrorKind::Limit) => Failure::Exhausted,
        (None, ErrorKind::Host) => Failure::HostError,
        (None, ErrorKind::Usage) => Failure::Refused,
        (None, _) => panic!("{error:?}"),
    }
}

/// Something that is done to an instance.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Calls an export of [`CALLS`].
    Call { export: usize, args: [i32; 3] },
    /// Writes to the memory.
    Write { at: u64, length: u64, byte: u8 },
    /// Grows the memory by pages.
    Grow(u64),
    /// Grows the table by elements.
    GrowTable(u64),
    /// Sets a global.
    SetGlobal(i64),
    /// Reads everything.
    Look,
}

impl Act {
    /// Whether it needs memory that the instance does not have yet.
    pub(super) fn grows(self) -> bool {
        match self {
            Act::Grow(_) => true,
            Act::Call { export, .. } => matches!(CALLS[export].0, "grow" | "grow and touch"),
            _ => false,
        }
    }
}

pub(super) struct Pair {
    pub(super) pooled: Instance<()>,
    pub(super) fresh: Instance<()>,
}

impl Pair {
    /// Does it to both; `false` if the one in the pool lacked the memory that it asked for, which `scarce` allows.
    ///
    /// # Panics
    ///
    /// When they differ otherwise.
    pub(super) fn act(&mut self, act: Act, scarce: bool) -> bool {
        let (found, expected) = (perform(&mut self.pooled, act), perform(&mut self.fresh, act));
        if scarce && act.grows() && found != expected {
            return false;
        }
        assert_eq!(found, expected, "{act:?}");
        true
    }
}

/// What comes of doing it.
pub(super) fn perform(instance: &mut Instance<()>, act: Act) -> Done {
    let done = match act {
        Act::Call { export, args } => return call(instance, export, args),
        Act::Write { at, length, byte } => match instance.export("memory") {
            Some(Extern::Memory(memory)) => memory.write(instance, at, &vec![byte; length as usize]).map(|()| 0),
            _ => unreachable!("all have one"),
        },
        Act::Grow(pages) => match instance.export("memory") {
            Some(Extern::Memory(memory)) => memory.grow(instance, pages),
            _ => unreachable!("all have one"),
        },
        Act::GrowTable(elements) => match instance.export("table") {
            Some(Extern::Table(table)) => table.grow(instance, elements, Val::FuncRef(None)),
            _ => unreachable!("all have one"),
        },
        Act::SetGlobal(value) => match instance.export("a") {
            Some(Extern::Global(global)) => global.set(instance, Val::I64(value)).map(|()| 0),
            _ => unreachable!("all have one"),
        },
        Act::Look => return Ok(look(instance)),
    };
    done.map(|value| vec![value]).map_err(|error| failure(&error))
}

fn call(instance: &mut Instance<()>, export: usize, args: [i32; 3]) -> Done {
    let (name, params) = CALLS[export];
    let Some(Extern::Func(func)) = instance.export(name) else { unreachable!("all have them all") };
    let args = args[..params].iter().map(|arg| Val::I32(*arg)).collect::<Vec<_>>();
    let results = func.call_dynamic(instance, &args).map_err(|error| failure(&error))?;
    Ok(results.iter().map(number).collect())
}

fn number(value: &Val) -> u64 {
    match value {
        Val::I32(x) => *x as u64,
        Val::I64(x) => *x as u64,
        other => unreachable!("{other:?} is no integer"),
    }
}

/// Everything that can be seen.
fn look(instance: &mut Instance<()>) -> Vec<u64> {
    let mut seen = Vec::new();
    for (_, item) in instance.exports() {
        match item {
            Extern::Memory(memory) => {
                seen.push(memory.size(&mut *instance));
                let hashed = memory.borrow(&mut *instance, |memory| Ok(hash(memory.slice(0, memory.len())?)));
                seen.push(hashed.expect("all of it"));
            }
            Extern::Global(global) => seen.push(number(&global.get(&mut *instance).expect("its own"))),
            Extern::Table(table) => {
                let length = table.size(&mut *instance);
                seen.push(length);
                seen.extend((0..length).map(|index| match table.get(&mut *instance, index).expect("an element") {
                    Val::FuncRef(Some(reference)) => {
                        let func = Func::from_ref(&mut *instance, reference).expect("its own");
                        1 + func.ty(&mut *instance).expect("its own").params().len() as u64
                    }
                    _ => 0,
                }));
            }
            _ => {}
        }
    }
    seen
}
