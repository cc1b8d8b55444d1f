//! A program does the same in any of our modes and on another machine.

use crate::compare::{Agreement, compare};
use crate::host;
use crate::interface::{self, Item};
use crate::late::Late;
use crate::modules;
use crate::ours::{Mode, ours};
use crate::program::{Event, Outcome, Program, Starts};
use crate::typed;
use arbitrary::{Result as Random, Unstructured};
use std::ops::AddAssign;
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
    /// Events that all of them were compared in.
    pub events: usize,
    /// Calls among them that returned.
    pub returned: usize,
    /// Calls among them that trapped.
    pub trapped: usize,
    /// Traces that a limit cut short, and programs of which there is none as they exceed one.
    pub limited: usize,
}

impl AddAssign for Checked {
    fn add_assign(&mut self, other: Checked) {
        self.traces += other.traces;
        self.events += other.events;
        self.returned += other.returned;
        self.trapped += other.trapped;
        self.limited += other.limited;
    }
}

/// Runs a random program in a random mode of ours and on the oracle. Each bytes that `data` is another case.
///
/// # Panics
///
/// When they disagree, or something blames ourselves.
pub fn differential(data: &[u8], oracle: &dyn Oracle) -> Checked {
    let mut u = Unstructured::new(data);
    let Ok((mode, program)) = case(&mut u, Late::of(data)) else { return Checked::default() };
    let exceeded = Checked { limited: 1, ..Checked::default() };
    let traces = ours(&program, &mode);
    if traces.is_empty() {
        return exceeded;
    }
    let Some(expected) = oracle.trace(&program) else { return exceeded };
    let mut agreements = Vec::new();
    for (number, found) in traces.iter().enumerate() {
        match compare(found, &expected, &Event::Limit, |_, _, _| false) {
            Ok(agreement) => agreements.push(agreement),
            Err((found, expected)) => {
                keep(&program);
                panic!("instance {number} in {mode:?} of {program:?}: {found:?}, expected {expected:?}");
            }
        }
    }
    checked(&agreements, &expected)
}

/// What was compared in all traces.
fn checked(agreements: &[Agreement], expected: &[Event]) -> Checked {
    let events = agreements.iter().map(|agreement| agreement.events).min().unwrap_or(0);
    let outcomes = || {
        expected[..events].iter().filter_map(|event| match event {
            Event::Called(_, _, outcome) => Some(outcome),
            _ => None,
        })
    };
    let returned = outcomes().filter(|outcome| matches!(outcome, Outcome::Values(_))).count();
    let limited = agreements.iter().filter(|agreement| agreement.limited).count();
    Checked { traces: agreements.len(), events, returned, trapped: outcomes().count() - returned, limited }
}

/// Writes the modules to the folder that `HATCHERY_FUZZ_KEEP` names, for whoever looks into a finding.
fn keep(program: &Program) {
    let Some(folder) = std::env::var_os("HATCHERY_FUZZ_KEEP").map(PathBuf::from) else { return };
    for (number, module) in program.modules.iter().enumerate() {
        // Where it cannot be written, there is still the panic.
        let _ = std::fs::write(folder.join(format!("m{number}.wasm")), module);
    }
}

fn case(u: &mut Unstructured<'_>, late: Late) -> Random<(Mode, Program)> {
    let canonical_nans = u.ratio(1, 4)?;
    let mode = Mode::arbitrary(u, canonical_nans, late)?;
    let starts = if mode.has_snapshot() { Starts::Unobserved } else { Starts::Observed };
    let program = Program { starts, ..program(u, canonical_nans)? };
    // Modules make their own NaNs canonical, but not those.
    let converted = program.modules.iter().any(|module| modules::converts_floats(module));
    Ok((if converted { mode.strict() } else { mode }, program))
}

/// One or two modules, the second of which can import the first one's exports, with some that call a function
/// of theirs when they start.
fn program(u: &mut Unstructured<'_>, canonical_nans: bool) -> Random<Program> {
    let (seed, rounds) = (u.arbitrary()?, u.int_in_range(1..=3)?);
    let mut program = Program { modules: Vec::new(), seed, rounds, starts: Starts::Observed };
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
    fn only_what_was_compared_counts() {
        let returned = || Event::Called(0, "f".into(), Outcome::Values(Vec::new()));
        let trapped = || Event::Called(0, "g".into(), Outcome::Trapped(hatchery::Trap::Unreachable));
        let expected = [returned(), trapped(), returned()];
        let whole = Agreement { events: 3, limited: false };
        let all = checked(&[whole, whole], &expected);
        assert_eq!(all, Checked { traces: 2, events: 3, returned: 2, trapped: 1, limited: 0 });
        let none = checked(&[whole, Agreement { events: 0, limited: true }], &expected);
        assert_eq!(none, Checked { traces: 2, limited: 1, ..Checked::default() });
    }

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
            let program = case(&mut Unstructured::new(&data), Late::of(&data));
            programs += usize::from(program.is_ok_and(|(_, program)| !program.modules.is_empty()));
        }
        assert!(programs > 50, "{programs} of 100");
    }
}
