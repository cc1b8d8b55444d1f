//! Values that pass through components arrive as they were sent, and what is malformed is refused as elsewhere.
//!
//! A random tree of components relays calls from the host to the host. Where all of them are honest, what the host
//! gets is known without any machine. Where some of them are not, another machine says what happens.

mod bytes;
mod guest;
mod handles;
mod ours;
mod tree;
mod types;
mod values;

use arbitrary::{Result as Random, Unstructured};
use guest::Behaviour;
use hatchery::Trap;
use std::fmt;
use std::path::PathBuf;
use types::Types;

pub use bytes::{Became, component_bytes};
pub use tree::Signature;
pub use types::Ty;
pub use values::Datum;

/// A component, what its host answers, and the calls of its exports.
#[derive(Clone)]
pub struct Composition {
    /// The text of a component that imports functions `f0`, `f1`, and so on, from `up`, and exports functions with such
    /// names, too.
    pub text: String,
    /// The same in the binary format.
    pub binary: Vec<u8>,
    /// Types of what is imported.
    pub imports: Vec<Signature>,
    /// Types of what is exported.
    pub exports: Vec<Signature>,
    /// What the host's functions answer, in this order, again and again.
    pub answers: Vec<Vec<Answer>>,
    /// What the host does. Where one ends in a trap or an error, it goes on with a new instance.
    pub calls: Vec<Call>,
    /// Whether all components do nothing but relay.
    pub honest: bool,
}

impl fmt::Debug for Composition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\ncalls {:?}\nanswers {:?}", self.text, self.calls, self.answers)
    }
}

/// Something that the host does with an instance.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Calls the export of this number with these arguments, unless one is a resource that the host does not have.
    Export(usize, Vec<Datum>),
    /// Drops the resource of a component that it got as the one of this number, if it still has it.
    Drop(usize),
}

/// What a host function answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Its result.
    Result(Option<Datum>),
    /// It fails, with [`FAILURE`].
    Failure,
}

/// The message of a host function that fails.
pub const FAILURE: &str = "the host fails";

/// Something that can be observed from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The host's function of this number was called.
    Host(usize, Vec<Datum>),
    /// The host's resource of this number was dropped.
    Dropped(u32),
    /// A call ended.
    Ended(Ending),
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// With this result.
    Returned(Option<Datum>),
    /// In a trap of core code.
    Trapped(Trap),
    /// In a trap of the canonical ABI.
    Violation,
    /// Since a host function failed.
    HostFailed,
    /// In a limit that machines may have at different places.
    Limit,
}

/// The host of a composition, for a machine whose resources are `R`.
#[derive(Debug)]
pub struct Host<R> {
    answers: Vec<Vec<Answer>>,
    asked: Vec<usize>,
    /// What happened so far.
    pub happened: Vec<Happening>,
    /// Resources of components, in the order in which the host got them, as long as it has them.
    pub things: Vec<Option<R>>,
}

/// The host's resource.
#[derive(Debug)]
pub struct Res;

impl<R: Copy> Host<R> {
    /// A host that nobody has called yet.
    pub fn new(of: &Composition) -> Host<R> {
        let (answers, asked) = (of.answers.clone(), vec![0; of.answers.len()]);
        Host { answers, asked, happened: Vec::new(), things: Vec::new() }
    }

    /// A function was called: what it answers.
    pub fn called(&mut self, function: usize, args: Vec<Datum>) -> Answer {
        self.happened.push(Happening::Host(function, args));
        let answers = &self.answers[function];
        self.asked[function] += 1;
        answers[(self.asked[function] - 1) % answers.len()].clone()
    }

    /// The host got a resource of a component.
    pub fn got(&mut self, thing: R) -> Datum {
        self.things.push(Some(thing));
        Datum::Thing(self.things.len() - 1)
    }

    /// Whether it has all resources among arguments of these types. Those that it gives away it has no longer.
    pub fn give(&mut self, types: &[Ty], args: &[Datum]) -> Option<Vec<Option<R>>> {
        let number = |arg: &Datum| match arg {
            Datum::Thing(number) => Some(*number),
            _ => None,
        };
        let numbers: Vec<_> = args.iter().map(number).collect();
        let thing = |number: &Option<usize>| number.map(|number| self.things.get(number).copied().flatten());
        let things: Vec<_> = numbers.iter().map(thing).collect();
        if things.iter().any(|thing| matches!(thing, Some(None))) {
            return None;
        }
        for (number, _) in numbers.iter().zip(types).filter(|(_, ty)| **ty == Ty::OwnThing) {
            self.take((*number)?);
        }
        Some(things.into_iter().map(Option::flatten).collect())
    }

    /// Goes on with a new instance, of which it has nothing.
    pub fn again(mut self) -> Host<R> {
        self.things.clear();
        self
    }

    /// A resource that it has no longer.
    pub fn take(&mut self, number: usize) -> Option<R> {
        self.things.get_mut(number)?.take()
    }
}

/// Another machine, which is right.
pub trait ComponentOracle {
    /// What happens; nothing if it cannot say.
    fn observe(&self, composition: &Composition) -> Option<Vec<Happening>>;
}

/// Our own machine in its plainest mode, as an oracle for the others.
#[derive(Debug)]
pub struct OurOwnComponents;

impl ComponentOracle for OurOwnComponents {
    fn observe(&self, composition: &Composition) -> Option<Vec<Happening>> {
        ours::ours(composition, &ours::Mode::plain()).pop()
    }
}

/// What a case was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relayed {
    /// Calls that returned what they should.
    pub returned: usize,
    /// Calls that ended otherwise.
    pub failed: usize,
    /// Calls of which nothing is known but what the oracle says.
    pub dishonest: usize,
}

/// Runs a random composition in a random mode of ours, and on the oracle. Whatever the bytes, they are a case.
///
/// # Panics
///
/// When values do not arrive, when the machines disagree, or something blames ourselves.
pub fn component(data: &[u8], oracle: &dyn ComponentOracle) -> Relayed {
    let mut u = Unstructured::new(data);
    let Ok((mode, composition)) = case(&mut u) else { return Relayed::default() };
    let all = ours::ours(&composition, &mode);
    let Some(first) = all.first() else { return Relayed::default() };
    if composition.honest {
        check(&composition, &mode, &all, &expected(&composition));
    }
    // What takes us too long could take longer elsewhere.
    let limited = first.contains(&Happening::Ended(Ending::Limit));
    if let Some(theirs) = (!limited).then(|| oracle.observe(&composition)).flatten() {
        check(&composition, &mode, &all, &theirs);
    }
    relayed(&composition, first)
}

fn check(composition: &Composition, mode: &ours::Mode, all: &[Vec<Happening>], expected: &[Happening]) {
    for (number, ours) in all.iter().enumerate() {
        if let Some((ours, expected)) = difference(ours, expected) {
            keep(composition);
            panic!("instance {number} in {mode:?} of {composition:?}: {ours:?}, expected {expected:?}");
        }
    }
}

/// The first thing that is told differently, up to where one side reached a limit.
fn difference<'a>(
    ours: &'a [Happening],
    theirs: &'a [Happening],
) -> Option<(Option<&'a Happening>, Option<&'a Happening>)> {
    const LIMIT: Happening = Happening::Ended(Ending::Limit);
    for i in 0..ours.len().max(theirs.len()) {
        let (a, b) = (ours.get(i), theirs.get(i));
        if a == Some(&LIMIT) || b == Some(&LIMIT) {
            return None;
        }
        if a != b && !both_out_of_bounds(a, b) {
            return Some((a, b));
        }
    }
    None
}

/// Whether a call ended with a trap that we raise before a result is stored where its caller wants it, and Wasmtime when it
/// stores it there.
fn both_out_of_bounds(ours: Option<&Happening>, theirs: Option<&Happening>) -> bool {
    let fault = Happening::Ended(Ending::Trapped(Trap::MemoryOutOfBounds));
    ours == Some(&Happening::Ended(Ending::Violation)) && theirs == Some(&fault)
}

/// What must happen when all relay: each call reaches the host, and its answer reaches the caller.
fn expected(composition: &Composition) -> Vec<Happening> {
    let mut host = Host::<()>::new(composition);
    for call in &composition.calls {
        let Call::Export(function, args) = call else { continue };
        let ending = match host.called(*function, args.clone()) {
            Answer::Result(result) => Ending::Returned(result),
            Answer::Failure => Ending::HostFailed,
        };
        host.happened.push(Happening::Ended(ending));
    }
    host.happened
}

fn relayed(composition: &Composition, happened: &[Happening]) -> Relayed {
    let calls = happened.iter().filter(|one| matches!(one, Happening::Ended(_))).count();
    let returned = happened.iter().filter(|one| matches!(one, Happening::Ended(Ending::Returned(_)))).count();
    let dishonest = if composition.honest { 0 } else { calls };
    Relayed { returned, failed: calls - returned, dishonest }
}

/// Writes the component to the folder that `HATCHERY_FUZZ_KEEP` names, for whoever looks into a finding.
fn keep(composition: &Composition) {
    let Some(folder) = std::env::var_os("HATCHERY_FUZZ_KEEP").map(PathBuf::from) else { return };
    // Where it cannot be written, there is still the panic.
    let _ = std::fs::write(folder.join("component.wat"), &composition.text);
}

fn case(u: &mut Unstructured<'_>) -> Random<(ours::Mode, Composition)> {
    let kind = u.int_in_range(0..=5)?;
    let mode = ours::Mode::arbitrary(u)?;
    let composition = match kind {
        0 | 1 => composition(u, true)?,
        2 | 3 => composition(u, false)?,
        _ => handles(u)?,
    };
    Ok((mode, composition))
}

fn binary(text: &str) -> Random<Vec<u8>> {
    wat::parse_str(text).map_err(|error| {
        debug_assert!(false, "{error}\n{text}");
        arbitrary::Error::IncorrectFormat
    })
}

/// Components that do as they like with handles.
fn handles(u: &mut Unstructured<'_>) -> Random<Composition> {
    let (imports, exports) = (handles::imports(), handles::exports());
    let calls = (0..u.int_in_range(1..=8)?).map(|_| handles::call(u, &exports)).collect::<Random<Vec<_>>>()?;
    let answers = imports.iter().map(|of| answers(u, of)).collect::<Random<_>>()?;
    let text = handles::text(u)?;
    Ok(Composition { binary: binary(&text)?, text, imports, exports, answers, calls, honest: false })
}

fn composition(u: &mut Unstructured<'_>, honest: bool) -> Random<Composition> {
    let mut types = Types::default();
    // Most are small, as it is compiling that takes time.
    let count = *u.choose(&[1, 1, 1, 1, 2, 2, 3])?;
    let signatures: Vec<_> = (0..count).map(|_| signature(u, &mut types)).collect::<Random<_>>()?;
    let mut parts = Vec::new();
    for _ in 0..*u.choose(&[1, 1, 2, 2, 2, 3])? {
        parts.push(match honest {
            true => Behaviour::honest(u, signatures.len())?,
            false => Behaviour::any(u, &signatures)?,
        });
    }
    let answers = signatures.iter().map(|of| answers(u, of)).collect::<Random<_>>()?;
    let mut calls = Vec::new();
    for _ in 0..u.int_in_range(1..=8)? {
        if !honest {
            pokes(u, signatures.len(), parts.len(), &mut calls)?;
        }
        calls.push(call(u, &signatures)?);
    }
    let text = tree::text(&types.named, &signatures, &parts);
    let honest = honest && signatures.iter().all(Signature::gives_borrows_back);
    let (binary, imports, mut exports) = (binary(&text)?, signatures.clone(), signatures);
    exports.extend(parts.iter().map(|_| tree::poke()));
    Ok(Composition { text, binary, imports, exports, answers, calls, honest })
}

/// Calls that change a few words of the parts' memories.
fn pokes(u: &mut Unstructured<'_>, functions: usize, parts: usize, calls: &mut Vec<Call>) -> Random<()> {
    for _ in 0..u.int_in_range(0..=3)? {
        let function = functions + u.choose_index(parts)?;
        let (at, word) = guest::poke(u)?;
        calls.push(Call::Export(function, vec![Datum::Int(at.into()), Datum::Int(word.into())]));
    }
    Ok(())
}

fn signature(u: &mut Unstructured<'_>, types: &mut Types) -> Random<Signature> {
    let count = if u.ratio(1, 8)? { u.int_in_range(5..=18)? } else { u.int_in_range(0..=4)? };
    let mut params = Vec::new();
    for _ in 0..count {
        params.push(types.ty(u, true)?);
    }
    let result = match u.int_in_range(0..=3)? {
        0 => None,
        1 => params.iter().find(|ty| !ty.has_borrows()).cloned(),
        _ => Some(types.ty(u, false)?),
    };
    Ok(Signature { params, result })
}

fn call(u: &mut Unstructured<'_>, signatures: &[Signature]) -> Random<Call> {
    let function = u.choose_index(signatures.len())?;
    let args = signatures[function].params.iter().map(|ty| Datum::random(u, ty)).collect::<Random<_>>()?;
    Ok(Call::Export(function, args))
}

fn answers(u: &mut Unstructured<'_>, of: &Signature) -> Random<Vec<Answer>> {
    let answer = |u: &mut Unstructured<'_>| {
        if u.ratio(1, 20)? {
            return Ok(Answer::Failure);
        }
        Ok(Answer::Result(of.result.as_ref().map(|ty| Datum::random(u, ty)).transpose()?))
    };
    (0..u.int_in_range(1..=2)?).map(|_| answer(u)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(state: &mut u64, count: usize) -> Vec<u8> {
        let mut byte = || {
            *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (*state >> 56) as u8
        };
        (0..count).map(|_| byte()).collect()
    }

    #[test]
    fn all_are_valid() {
        let (mut state, mut compositions) = (5, 0);
        for length in 0..400 {
            let data = bytes(&mut state, length * 4);
            let Ok((_, composition)) = case(&mut Unstructured::new(&data)) else { continue };
            let valid = wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
                .validate_all(&composition.binary);
            valid.unwrap_or_else(|e| panic!("{e}\n{}", composition.text));
            compositions += 1;
        }
        assert!(compositions > 390, "{compositions}");
    }

    #[test]
    fn differences_are_looked_for_up_to_a_limit() {
        let returned = |n| Happening::Ended(Ending::Returned(Some(Datum::Int(n))));
        let limit = || Happening::Ended(Ending::Limit);
        assert_eq!(difference(&[returned(1)], &[returned(1)]), None);
        assert_eq!(difference(&[returned(1), limit()], &[returned(1), returned(2)]), None);
        assert_eq!(difference(&[returned(1)], &[returned(1), returned(2)]), Some((None, Some(&returned(2)))));
        assert_eq!(difference(&[returned(3)], &[returned(1), limit()]), Some((Some(&returned(3)), Some(&returned(1)))));
        let violation = Happening::Ended(Ending::Violation);
        let fault = Happening::Ended(Ending::Trapped(Trap::MemoryOutOfBounds));
        assert_eq!(difference(std::slice::from_ref(&violation), std::slice::from_ref(&fault)), None);
        assert!(difference(&[fault], &[violation]).is_some(), "we never store before we look");
    }
}
