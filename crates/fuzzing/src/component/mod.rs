//! Values that pass through components arrive as they were sent, and what is malformed is refused as elsewhere.
//!
//! A random tree of components relays calls from the host to the host. Where all of them are honest, what the host
//! gets is known without any machine. Where some of them are not, another machine says what happens.

mod bytes;
mod guest;
mod handles;
mod known;
mod ours;
mod tree;
mod types;
mod values;
mod ways;

use crate::compare::{Agreement, compare};
use crate::late::Late;
use arbitrary::{Result as Random, Unstructured};
use guest::{Behaviour, Caller};
use hatchery::Trap;
use std::fmt;
use std::ops::AddAssign;
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
    /// For each export, whether a component may want values of its calls in memory where it has none; none for exports
    /// that come after these.
    pub stray: Vec<bool>,
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
    /// The host's other resource of this number was dropped.
    DroppedOther(u32),
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

/// The host's other resource.
#[derive(Debug)]
pub struct Other;

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
    /// Calls that ended otherwise, as they should.
    pub failed: usize,
    /// Calls among them of which nothing is known but what the oracle says.
    pub dishonest: usize,
    /// Instances whose calls came to a limit, and compositions of which there is none as they exceed one.
    pub limited: usize,
}

impl AddAssign for Relayed {
    fn add_assign(&mut self, other: Relayed) {
        self.returned += other.returned;
        self.failed += other.failed;
        self.dishonest += other.dishonest;
        self.limited += other.limited;
    }
}

/// Runs a random composition in a random mode of ours, and on the oracle. Whatever the bytes, they are a case.
///
/// # Panics
///
/// When values do not arrive, when the machines disagree, or something blames ourselves.
pub fn component(data: &[u8], oracle: &dyn ComponentOracle) -> Relayed {
    let mut u = Unstructured::new(data);
    let Ok((mode, composition)) = case(&mut u, Late::of(data)) else { return Relayed::default() };
    let all = ours::ours(&composition, &mode);
    let Some(first) = all.first() else { return Relayed { limited: 1, ..Relayed::default() } };
    let mut relayed = Relayed::default();
    if composition.honest {
        let agreement = check(&composition, &mode, &all, &expected(&composition));
        relayed = Relayed { dishonest: 0, ..counted(first, agreement) };
    }
    // What takes us too long could take longer elsewhere.
    let limited = all.iter().filter(|one| one.contains(&LIMIT)).count();
    if let Some(theirs) = (limited == 0).then(|| oracle.observe(&composition)).flatten() {
        let agreement = check(&composition, &mode, &all, &theirs);
        let limited = if agreement.limited { all.len() } else { 0 };
        if !composition.honest {
            relayed = counted(first, agreement);
        }
        return Relayed { limited, ..relayed };
    }
    Relayed { limited, ..relayed }
}

const LIMIT: Happening = Happening::Ended(Ending::Limit);

/// Compares what happened with what is expected: gives as far as all instances were compared.
fn check(composition: &Composition, mode: &ours::Mode, all: &[Vec<Happening>], expected: &[Happening]) -> Agreement {
    let mut least = Agreement { events: usize::MAX, limited: false };
    for (number, ours) in all.iter().enumerate() {
        let forgiven = |at, a: &_, b: &_| both_out_of_bounds(a, b) && composition.is_stray(call_at(ours, at));
        match compare(ours, expected, &LIMIT, forgiven) {
            Ok(one) => {
                least = Agreement { events: least.events.min(one.events), limited: least.limited || one.limited }
            }
            Err((ours, expected)) => {
                keep(composition);
                panic!("instance {number} in {mode:?} of {composition:?}: {ours:?}, expected {expected:?}");
            }
        }
    }
    least
}

/// Which of the calls something belongs to: those before it have ended.
fn call_at(happened: &[Happening], at: usize) -> usize {
    happened[..at].iter().filter(|one| matches!(one, Happening::Ended(_))).count()
}

/// Whether a call ended with a trap that we raise before parameters or a result are read from, or stored at, where a component
/// has no memory, and Wasmtime when it does so.
fn both_out_of_bounds(ours: &Happening, theirs: &Happening) -> bool {
    let fault = Happening::Ended(Ending::Trapped(Trap::MemoryOutOfBounds));
    *ours == Happening::Ended(Ending::Violation) && *theirs == fault
}

impl Composition {
    /// Whether a component may want values of this call where it has no memory.
    fn is_stray(&self, call: usize) -> bool {
        match self.calls.get(call) {
            Some(Call::Export(number, _)) => self.stray.get(*number) == Some(&true),
            _ => false,
        }
    }
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

/// The calls that were compared.
fn counted(happened: &[Happening], agreement: Agreement) -> Relayed {
    let compared = &happened[..agreement.events.min(happened.len())];
    let calls = compared.iter().filter(|one| matches!(one, Happening::Ended(_))).count();
    let returned = compared.iter().filter(|one| matches!(one, Happening::Ended(Ending::Returned(_)))).count();
    Relayed { returned, failed: calls - returned, dishonest: calls, limited: 0 }
}

/// Writes the component to the folder that `HATCHERY_FUZZ_KEEP` names, for whoever looks into a finding.
fn keep(composition: &Composition) {
    let Some(folder) = std::env::var_os("HATCHERY_FUZZ_KEEP").map(PathBuf::from) else { return };
    // Where it cannot be written, there is still the panic.
    let _ = std::fs::write(folder.join("component.wat"), &composition.text);
}

fn case(u: &mut Unstructured<'_>, late: Late) -> Random<(ours::Mode, Composition)> {
    let kind = u.int_in_range(0..=5)?;
    let mode = ours::Mode::arbitrary(u, late)?;
    let composition = match kind {
        0 | 1 => composition(u, true, late)?,
        2 | 3 => composition(u, false, late)?,
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
    Ok(Composition { binary: binary(&text)?, text, imports, exports, answers, calls, honest: false, stray: Vec::new() })
}

fn composition(u: &mut Unstructured<'_>, honest: bool, late: Late) -> Random<Composition> {
    let mut types = Types::default();
    // Most are small, as it is compiling that takes time.
    let count = *u.choose(&[1, 1, 1, 1, 2, 2, 3])?;
    let signatures: Vec<_> = (0..count).map(|_| signature(u, &mut types, late)).collect::<Random<_>>()?;
    relaying(u, &types, signatures, honest)
}

/// Components that relay calls of these functions.
fn relaying(u: &mut Unstructured<'_>, types: &Types, signatures: Vec<Signature>, honest: bool) -> Random<Composition> {
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
    let callers = |part| if part + 1 == parts.len() { Caller::Host } else { Caller::Component };
    let stray = signatures
        .iter()
        .enumerate()
        .map(|(number, of)| parts.iter().enumerate().any(|(index, part)| part.is_stray(number, of, callers(index))));
    let stray = stray.collect();
    let (binary, imports, mut exports) = (binary(&text)?, signatures.clone(), signatures);
    exports.extend(parts.iter().map(|_| tree::poke()));
    Ok(Composition { text, binary, imports, exports, answers, calls, honest, stray })
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

/// The [`Late`] choice of functions whose types are known in Rust.
const KNOWN: u32 = 0;

fn signature(u: &mut Unstructured<'_>, types: &mut Types, late: Late) -> Random<Signature> {
    if late.says(KNOWN) {
        return ways::random(u, types);
    }
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
    Ok(Signature { params, result, way: None })
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
            let Ok((_, composition)) = case(&mut Unstructured::new(&data), Late::of(&data)) else { continue };
            let valid = wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
                .validate_all(&composition.binary);
            valid.unwrap_or_else(|e| panic!("{e}\n{}", composition.text));
            compositions += 1;
        }
        assert!(compositions > 390, "{compositions}");
    }

    #[test]
    fn functions_of_known_types_relay_in_every_way() {
        use crate::paths::{Calls, Host};
        let data = bytes(&mut 9, 20_000);
        let (mut u, mut returned) = (Unstructured::new(&data), 0);
        let all: Vec<usize> = ways::RELAYED.collect();
        for ways in all.chunks(3) {
            let mut types = Types::default();
            let signatures: Vec<_> = ways.iter().map(|way| ways::named(*way, &mut types)).collect();
            let mut composition = relaying(&mut u, &types, signatures.clone(), true).expect("bytes enough");
            let call = |number: usize| {
                let args = signatures[number % ways.len()].params.iter().map(|ty| Datum::random(&mut u, ty));
                Call::Export(number % ways.len(), args.collect::<Random<_>>().expect("bytes enough"))
            };
            composition.calls = (0..3 * ways.len()).map(call).collect();
            let expected = ours::ours(&composition, &ours::Mode::plain()).pop().expect("no limits");
            for (host, typed, suspending) in [
                (Host::Typed, true, false),
                (Host::Suspending, true, true),
                (Host::Suspending, false, true),
                (Host::Dynamic, true, true),
            ] {
                let mode = ours::Mode { host, calls: Calls { typed, suspending }, ..ours::Mode::plain() };
                let found = ours::ours(&composition, &mode);
                let agreement = check(&composition, &mode, &found, &expected);
                if composition.honest {
                    check(&composition, &mode, &found, &super::expected(&composition));
                }
                returned += counted(&expected, agreement).returned;
            }
        }
        assert!(returned > 200, "{returned}");
    }

    #[test]
    fn only_values_that_a_component_wants_anywhere_are_forgiven_for_where_they_are() {
        let violation = Happening::Ended(Ending::Violation);
        let fault = Happening::Ended(Ending::Trapped(Trap::MemoryOutOfBounds));
        assert!(both_out_of_bounds(&violation, &fault));
        assert!(!both_out_of_bounds(&fault, &violation), "we never store before we look");
        let host = Happening::Host(0, Vec::new());
        let returned = Happening::Ended(Ending::Returned(None));
        let composition = Composition {
            text: String::new(),
            binary: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            answers: Vec::new(),
            calls: vec![Call::Export(0, Vec::new()), Call::Export(1, Vec::new()), Call::Export(2, Vec::new())],
            honest: false,
            stray: vec![false, true],
        };
        let happened = [host.clone(), returned.clone(), host, returned, violation];
        let strays = [1, 3, 4].map(|at| composition.is_stray(call_at(&happened, at)));
        assert_eq!(strays, [false, true, false]);
    }

    #[test]
    fn only_calls_that_were_compared_count() {
        let (returned, violation) = (Happening::Ended(Ending::Returned(None)), Happening::Ended(Ending::Violation));
        let happened = [Happening::Host(0, Vec::new()), returned, violation, LIMIT];
        let one = counted(&happened, Agreement { events: 2, limited: true });
        assert_eq!(one, Relayed { returned: 1, failed: 0, dishonest: 1, limited: 0 });
        let all = counted(&happened, Agreement { events: 3, limited: true });
        assert_eq!(all, Relayed { returned: 1, failed: 1, dishonest: 2, limited: 0 });
    }
}
