//! A program does the same in any of our modes and on another machine.

use crate::host;
use crate::interface::{self, Item};
use crate::modules;
use crate::ours::{Mode, ours};
use crate::program::{Event, Outcome, Program, disagreement};
use crate::typed;
use arbitrary::{Result as Random, Unstructured};
use std::path::PathBuf;

/// Another machine, which is right.
pub trait Oracle {
    /// What it has to say of a program; nothing if the program exceeds a limit of it.
    fn trace(&self, program: &Program) -> Option<Vec<Event>>;
}

/// Our own machine in its plainest mode, as an oracle for the others.
#[derive(Debug)]
pub struct OurOwn;

impl Oracle for OurOwn {
    fn trace(&self, program: &Program) -> Option<Vec<Event>> {
        ours(program, &Mode::plain()).pop()
    }
}

/// What a case was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Traces of ours that were compared.
    pub traces: usize,
    /// Events of the oracle that all of them were compared with.
    pub events: usize,
    /// Calls that returned.
    pub returned: usize,
    /// Calls that trapped.
    pub trapped: usize,
}

/// Runs a random program in a random mode of ours and on the oracle. Each bytes that `data` is another case.
///
/// # Panics
///
/// When they disagree, or something blames ourselves.
pub fn differential(data: &[u8], oracle: &dyn Oracle) -> Checked {
    let mut u = Unstructured::new(data);
    let Ok((mode, program)) = case(&mut u) else { return Checked::default() };
    let traces = ours(&program, &mode);
    if traces.is_empty() {
        return Checked::default();
    }
    let Some(expected) = oracle.trace(&program) else { return Checked::default() };
    for (number, found) in traces.iter().enumerate() {
        if let Some((found, expected)) = disagreement(found, &expected) {
            keep(&program);
            panic!("instance {number} in {mode:?} of {program:?}: {found:?}, expected {expected:?}");
        }
    }
    checked(traces.len(), &expected)
}

fn checked(traces: usize, events: &[Event]) -> Checked {
    let outcomes = || {
        events.iter().filter_map(|event| match event {
            Event::Called(_, _, outcome) => Some(outcome),
            _ => None,
        })
    };
    let returned = outcomes().filter(|outcome| matches!(outcome, Outcome::Values(_))).count();
    Checked { traces, events: events.len(), returned, trapped: outcomes().count() - returned }
}

/// Writes the modules to the folder that `HATCHERY_FUZZ_KEEP` names, for whoever looks into a finding.
fn keep(program: &Program) {
    let Some(folder) = std::env::var_os("HATCHERY_FUZZ_KEEP").map(PathBuf::from) else { return };
    for (number, module) in program.modules.iter().enumerate() {
        // Where it cannot be written, there is still the panic.
        let _ = std::fs::write(folder.join(format!("m{number}.wasm")), module);
    }
}

fn case(u: &mut Unstructured<'_>) -> Random<(Mode, Program)> {
    let canonical_nans = u.ratio(1, 4)?;
    let mode = Mode::arbitrary(u, canonical_nans)?;
    let program = program(u, canonical_nans)?;
    // Modules make their own NaNs canonical, but not those.
    let converted = program.modules.iter().any(|module| modules::converts_floats(module));
    Ok((if converted { mode.strict() } else { mode }, program))
}

/// One or two modules, the second of which can import the first one's exports, with some that call a function
/// of theirs when they start.
fn program(u: &mut Unstructured<'_>, canonical_nans: bool) -> Random<Program> {
    let (seed, rounds) = (u.arbitrary()?, u.int_in_range(1..=3)?);
    let mut program = Program { modules: Vec::new(), seed, rounds };
    let count = if u.ratio(1, 3)? { 2 } else { 1 };
    let starters: Vec<Vec<usize>> = (0..count).map(|_| starters(u)).collect::<Random<_>>()?;
    // Each has its share of the bytes, so that none is made of what another left.
    let share = u.len() / count;
    let mut imports = host::imports();
    for starters in &starters {
        let mut u = Unstructured::new(u.bytes(share)?);
        let available = assembled(&format!("(module {imports})"))?;
        let module = if u.ratio(1, 6)? {
            assembled(&typed::module(&mut u)?)?
        } else {
            modules::ending(&mut u, &available, canonical_nans)?
        };
        let (items, name) = (interface::items(&module), format!("m{}", program.modules.len()));
        program.modules.push(module);
        imports.extend(items.iter().map(|item| item.import(&name)));
        let functions: Vec<_> = items.iter().filter_map(|item: &Item| item.starter(&name)).collect();
        for which in starters.iter().filter(|_| !functions.is_empty()) {
            program.modules.push(assembled(&functions[which % functions.len()])?);
        }
    }
    Ok(program)
}

fn starters(u: &mut Unstructured<'_>) -> Random<Vec<usize>> {
    (0..u.int_in_range(0..=2)?).map(|_| u.int_in_range(0..=15)).collect()
}

fn assembled(text: &str) -> Random<Vec<u8>> {
    wat::parse_str(text).map_err(|_| arbitrary::Error::IncorrectFormat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_has_can_be_imported() {
        assembled(&format!("(module {})", host::imports())).expect("text");
    }

    #[test]
    fn most_bytes_are_a_program() {
        let mut state = 1u64;
        let mut byte = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8
        };
        let mut programs = 0;
        for _ in 0..100 {
            let data: Vec<u8> = (0..600).map(|_| byte()).collect();
            let program = case(&mut Unstructured::new(&data));
            programs += usize::from(program.is_ok_and(|(_, program)| !program.modules.is_empty()));
        }
        assert!(programs > 50, "{programs} of 100");
    }
}
