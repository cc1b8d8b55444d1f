//! An instance in a slot of the pool, and one that is mapped for itself, which do the same.

use super::guest::{CALLS, LATER};
use crate::program::checksum;
use hatchery::{Error, ErrorKind, Extern, ExternRef, Func, Instance, Trap, Val};

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
    /// Calls an export of [`LATER`], if there is such.
    CallLater { export: usize, args: [i32; 3] },
    /// Writes to the memory.
    Write { at: u64, length: u64, byte: u8 },
    /// Grows the memory by pages.
    Grow(u64),
    /// Grows the table by elements.
    GrowTable(u64),
    /// Puts a value of the host into the table of references.
    Refer { at: u64, value: u32 },
    /// Sets a global.
    SetGlobal(i64),
    /// Reads everything.
    Look,
}

/// What a growth in the guest's code returns that fails.
const NO_GROWTH: u64 = -1i32 as u64;

impl Act {
    /// Another act in its place, of those that came later.
    pub(super) fn later(self) -> Act {
        match self {
            Act::Call { export, args } => Act::CallLater { export: export % LATER.len(), args },
            Act::Write { at, length, .. } => Act::Refer { at: at % 4, value: length as u32 },
            act => act,
        }
    }

    /// Whether it needs memory that the instance does not have yet.
    pub(super) fn grows(self) -> bool {
        matches!(self, Act::Grow(_)) || matches!(self.export(), Some("grow" | "grow and touch" | "grow second"))
    }

    /// The export that it calls.
    fn export(self) -> Option<&'static str> {
        match self {
            Act::Call { export, .. } => Some(CALLS[export].0),
            Act::CallLater { export, .. } => Some(LATER[export].0),
            _ => None,
        }
    }

    /// Whether this can come of it for want of memory.
    fn lacks_memory(self, done: &Done) -> bool {
        match (self.export(), done) {
            (Some("grow" | "grow second"), Ok(old)) => *old == [NO_GROWTH],
            // It touches what it did not get.
            (Some("grow and touch"), Err(failure)) => *failure == Failure::Trapped(Trap::MemoryOutOfBounds),
            (None, Err(failure)) => *failure == Failure::Exhausted,
            _ => false,
        }
    }

    /// Whether this can come of it when a system call fails underneath.
    fn may_fail_as(self, done: &Done) -> bool {
        match (self.export(), done) {
            // The system's error, or that there is no memory: whoever writes to a page that cannot be opened must stop.
            (_, Err(Failure::HostError | Failure::Exhausted)) => true,
            (Some("grow table" | "grow references"), Ok(old)) => *old == [NO_GROWTH],
            _ => self.lacks_memory(done),
        }
    }

    /// Whether it is done whole or not at all, even where pages cannot be opened.
    fn is_whole(self) -> bool {
        const IN_PARTS: [&str; 11] = [
            "fill",
            "stride",
            "copy",
            "init",
            "drop",
            "grow and touch",
            "set globals",
            "fill second",
            "out of second",
            "into second",
            "copy references",
        ];
        self.export().is_none_or(|export| !IN_PARTS.contains(&export))
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
        let before = if scarce && act.grows() { Some(look(&mut self.fresh)) } else { None };
        let (found, expected) = (perform(&mut self.pooled, act), perform(&mut self.fresh, act));
        self.agree(act, &found, &expected, before)
    }

    /// Looks at what came of it on both sides; `false` if the one in the pool lacked memory. Where it may, `before` is what was to
    /// be seen of the other, and nothing may have changed since.
    pub(super) fn agree(&mut self, act: Act, found: &Done, expected: &Done, before: Option<Vec<u64>>) -> bool {
        match before {
            Some(before) if found != expected && act.lacks_memory(found) => {
                assert_eq!(look(&mut self.pooled), before, "{act:?} lacked memory and did something");
                false
            }
            _ => {
                assert_eq!(found, expected, "{act:?}");
                true
            }
        }
    }

    /// As [`agree`](Pair::agree), where a system call failed in the pool: then it may be missing there.
    pub(super) fn agree_but_for_failure(&mut self, act: Act, found: &Done, expected: &Done, before: &[u64]) {
        let seen = look(&mut self.pooled);
        let done = seen == look(&mut self.fresh);
        if found == expected {
            assert!(done, "{act:?} ended with {found:?}, as it should, but did not do all of it");
            return;
        }
        assert!(act.may_fail_as(found), "{act:?} under a failure: {found:?}, expected {expected:?}");
        assert!(done || seen == before || !act.is_whole(), "{act:?} failed with {found:?}, and did something else");
    }
}

/// What comes of doing it.
pub(super) fn perform(instance: &mut Instance<()>, act: Act) -> Done {
    let done = match act {
        Act::Call { export, args } => return call(instance, CALLS[export], args),
        Act::CallLater { export, args } => return call(instance, LATER[export], args),
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
        Act::Refer { at, value } => match instance.export("references") {
            Some(Extern::Table(table)) => {
                let reference = ExternRef::new(&mut *instance, value).map(Some);
                reference.and_then(|one| table.set(instance, at, Val::ExternRef(one)).map(|()| 0))
            }
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

fn call(instance: &mut Instance<()>, (name, params): (&str, usize), args: [i32; 3]) -> Done {
    let Some(Extern::Func(func)) = instance.export(name) else { return Err(Failure::Refused) };
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
pub(super) fn look(instance: &mut Instance<()>) -> Vec<u64> {
    let mut seen = Vec::new();
    for (_, item) in instance.exports() {
        match item {
            Extern::Memory(memory) => {
                seen.push(memory.size(&mut *instance));
                let sum = memory.borrow(&mut *instance, |memory| Ok(checksum(memory.slice(0, memory.len())?)));
                seen.push(sum.expect("all of it"));
            }
            Extern::Global(global) => {
                let value = global.get(&mut *instance).expect("its own");
                seen.push(shown(instance, &value));
            }
            Extern::Table(table) => {
                let length = table.size(&mut *instance);
                seen.push(length);
                for index in 0..length {
                    let value = table.get(&mut *instance, index).expect("an element");
                    seen.push(shown(instance, &value));
                }
            }
            _ => {}
        }
    }
    seen
}

/// A value as a number: a function by how many parameters it has.
fn shown(instance: &mut Instance<()>, value: &Val) -> u64 {
    match value {
        Val::FuncRef(None) | Val::ExternRef(None) => 0,
        Val::FuncRef(Some(reference)) => {
            let func = Func::from_ref(&mut *instance, *reference).expect("its own");
            1 + func.ty(&mut *instance).expect("its own").params().len() as u64
        }
        Val::ExternRef(Some(reference)) => {
            1 + u64::from(reference.downcast::<u32>(instance).expect("what was put there"))
        }
        value => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calling(name: &str) -> Act {
        let of = |exports: &[(&str, usize)]| exports.iter().position(|export| export.0 == name);
        let args = [0; 3];
        match (of(&CALLS), of(&LATER)) {
            (Some(export), _) => Act::Call { export, args },
            (None, Some(export)) => Act::CallLater { export, args },
            (None, None) => panic!("nothing is called {name}"),
        }
    }

    #[test]
    fn a_failure_underneath_excuses_neither_values_nor_other_traps() {
        let (load, grow, look) = (calling("load"), calling("grow"), Act::Look);
        assert!(load.may_fail_as(&Err(Failure::HostError)) && look.may_fail_as(&Err(Failure::HostError)));
        assert!(!load.may_fail_as(&Ok(vec![7])), "a load gives what is there, or nothing");
        assert!(!load.may_fail_as(&Err(Failure::Trapped(Trap::MemoryOutOfBounds))));
        assert!(grow.may_fail_as(&Ok(vec![NO_GROWTH])) && calling("grow table").may_fail_as(&Ok(vec![NO_GROWTH])));
        assert!(!grow.may_fail_as(&Ok(vec![5])), "a growth gives the old length, or fails");
    }

    #[test]
    fn scarcity_excuses_growth_that_fails_only() {
        for name in ["grow", "grow second"] {
            assert!(calling(name).grows() && calling(name).lacks_memory(&Ok(vec![NO_GROWTH])), "{name}");
            assert!(!calling(name).lacks_memory(&Ok(vec![0])) && !calling(name).lacks_memory(&Err(Failure::HostError)));
        }
        let trapped = |trap| Err(Failure::Trapped(trap));
        assert!(calling("grow and touch").lacks_memory(&trapped(Trap::MemoryOutOfBounds)));
        assert!(!calling("grow and touch").lacks_memory(&trapped(Trap::Unreachable)));
        assert!(Act::Grow(1).lacks_memory(&Err(Failure::Exhausted)) && !Act::Grow(1).lacks_memory(&Ok(vec![1])));
    }
}
