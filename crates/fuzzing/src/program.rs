//! What two machines run to be compared, and what they have to say about it.
//!
//! A [`Program`] is modules and the calls of their exports. A [`Machine`] runs one: ours in some mode, or another
//! engine. [`trace`] drives it and writes down everything that can be observed; the traces of two
//! machines agree as far as neither ran into a limit of its own.

use crate::host::HostCall;
use hatchery::{FuncType, Trap, ValType};
use std::fmt;

/// The name of an exported `i32` global that a module counts down, so that it ends.
pub const FUEL: &str = "left to do";

/// What the global [`FUEL`] is set to before each call.
pub const FUEL_OF_A_CALL: i32 = 400;

/// Stands for the type of a function that takes or returns exceptions, which no host can call.
pub const AMONG_GUESTS: &str = "a function with exceptions in its type";

/// Most calls of a trace.
const CALLS: usize = 48;

/// Modules that are instantiated in this order, once each. An import from `m0` means the export of the first
/// one's instance, and so on; one from `host` is a function of [`HOST`](crate::host::HOST).
#[derive(Clone)]
pub struct Program {
    /// In the binary format.
    pub modules: Vec<Vec<u8>>,
    /// Where arguments of calls come from.
    pub seed: u64,
    /// How often each export is called.
    pub rounds: u8,
    /// Whether the calls of host functions by start functions are observed, and call back: not where these have run before,
    /// for a snapshot.
    pub starts: Starts,
}

/// Whether it is observed what start functions call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// It is.
    Observed,
    /// It is not.
    Unobserved,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<_> = self.modules.iter().map(Vec::len).collect();
        let Program { seed, rounds, starts, .. } = self;
        write!(f, "modules of {lengths:?} bytes, {rounds} rounds, seed {seed:#x}, start functions {starts:?}")
    }
}

/// A value, as far as machines can agree on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An integer.
    I32(i32),
    /// An integer.
    I64(i64),
    /// A float's bits.
    F32(u32),
    /// A float's bits.
    F64(u64),
    /// A vector.
    V128(u128),
    /// Null, or a function by its type.
    Func(Option<String>),
    /// Null, or a host value.
    Extern(Option<u32>),
}

impl Value {
    /// Zero, or null; nothing for a type that has neither.
    pub fn zero(ty: ValType) -> Option<Value> {
        Some(match ty {
            ValType::I32 => Value::I32(0),
            ValType::I64 => Value::I64(0),
            ValType::F32 => Value::F32(0),
            ValType::F64 => Value::F64(0),
            ValType::V128 => Value::V128(0),
            ValType::FuncRef => Value::Func(None),
            ValType::ExternRef => Value::Extern(None),
            _ => return None,
        })
    }
}

/// How an initialization or a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With these results.
    Values(Vec<Value>),
    /// In a trap, or in an exception that nobody caught.
    Trapped(Trap),
    /// In the error of a host function.
    HostError,
    /// In a limit that machines may have at different places, as that of the stack.
    Limit,
}

/// What a module exports.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A function.
    Func(FuncType),
    /// A memory, a table or a global.
    Other,
}

/// What can be seen of an instance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Exported globals, but for references to exceptions.
    pub globals: Vec<(String, Value)>,
    /// Exported memories: length, and sum of the contents.
    pub memories: Vec<(String, u64, u64)>,
    /// Exported tables, but for those of exceptions.
    pub tables: Vec<(String, Vec<Value>)>,
}

/// What runs a program.
pub trait Machine {
    /// Initializes a module's instance; those before it are initialized.
    fn initialize(&mut self, module: usize) -> Outcome;

    /// What an initialized instance exports, in the module's order.
    fn exports(&mut self, module: usize) -> Vec<(String, Kind)>;

    /// What an initialized instance holds.
    fn state(&mut self, module: usize) -> State;

    /// Sets the exported global [`FUEL`] of an initialized instance, if there is one.
    fn refuel(&mut self, module: usize, fuel: i32);

    /// Lets host functions call these functions back; until then they do not.
    fn arm(&mut self, functions: &[(usize, String)]);

    /// Calls an export.
    fn call(&mut self, module: usize, name: &str, args: &[Value]) -> Outcome;

    /// The calls of host functions since this was last asked, and whether one of them called back into a limit.
    fn host_calls(&mut self) -> (Vec<HostCall>, bool);
}

/// Something that was observed.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An instance was initialized, or was not.
    Initialized(usize, Outcome),
    /// Its export was called.
    Called(usize, String, Outcome),
    /// By which these host functions were called.
    Host(Vec<HostCall>),
    /// What an instance holds.
    State(usize, State),
    /// From here on, machines need not agree.
    Limit,
}

/// Runs a program and writes down what can be seen.
pub fn trace(machine: &mut dyn Machine, program: &Program) -> Vec<Event> {
    let mut events = Vec::new();
    // An error is the end.
    let _ = initialize(machine, program, &mut events).and_then(|()| call_all(machine, program, &mut events));
    events
}

struct End;

fn initialize(machine: &mut dyn Machine, program: &Program, events: &mut Vec<Event>) -> Result<(), End> {
    for module in 0..program.modules.len() {
        if program.starts == Starts::Observed {
            let callable = callable(machine, module);
            arm(machine, &callable);
        }
        let outcome = machine.initialize(module);
        let (host, limit) = machine.host_calls();
        if limit || outcome == Outcome::Limit {
            events.push(Event::Limit);
            return Err(End);
        }
        let failed = !matches!(outcome, Outcome::Values(_));
        events.push(Event::Initialized(module, outcome));
        if program.starts == Starts::Observed {
            events.push(Event::Host(host));
        }
        if failed {
            // It may have written to those before it.
            events.extend((0..module).map(|module| Event::State(module, machine.state(module))));
            return Err(End);
        }
    }
    events.extend((0..program.modules.len()).map(|module| Event::State(module, machine.state(module))));
    Ok(())
}

fn call_all(machine: &mut dyn Machine, program: &Program, events: &mut Vec<Event>) -> Result<(), End> {
    let callable = callable(machine, program.modules.len());
    arm(machine, &callable);
    let mut arguments = Arguments(program.seed);
    let mut calls = 0;
    for _ in 0..program.rounds {
        for (module, name, ty) in &callable {
            calls += 1;
            if calls > CALLS {
                break;
            }
            (0..program.modules.len()).for_each(|module| machine.refuel(module, FUEL_OF_A_CALL));
            let args: Option<Vec<_>> = ty.params().iter().map(|ty| arguments.next(*ty)).collect();
            let outcome = machine.call(*module, name, &args.unwrap_or_default());
            let (host, limit) = machine.host_calls();
            if limit || outcome == Outcome::Limit {
                events.push(Event::Limit);
                return Err(End);
            }
            events.push(Event::Called(*module, name.clone(), outcome));
            events.push(Event::Host(host));
        }
        events.extend((0..program.modules.len()).map(|module| Event::State(module, machine.state(module))));
    }
    Ok(())
}

/// Functions that the first modules export and a host can call: references to exceptions are nothing that it can have.
fn callable(machine: &mut dyn Machine, modules: usize) -> Vec<(usize, String, FuncType)> {
    let exports = |module| machine.exports(module).into_iter().map(move |(name, kind)| (module, name, kind));
    let callable = |ty: &FuncType| {
        ty.params().iter().all(|ty| Value::zero(*ty).is_some()) && !ty.results().contains(&ValType::ExnRef)
    };
    let functions = (0..modules).flat_map(exports).filter_map(|(module, name, kind)| match kind {
        Kind::Func(ty) if callable(&ty) => Some((module, name, ty)),
        _ => None,
    });
    functions.collect()
}

fn arm(machine: &mut dyn Machine, functions: &[(usize, String, FuncType)]) {
    machine.arm(&functions.iter().map(|(module, name, _)| (*module, name.clone())).collect::<Vec<_>>());
}

/// Arguments that follow from a seed.
struct Arguments(u64);

impl Arguments {
    fn number(&mut self) -> u64 {
        // Marsaglia's xorshift; a seed of 0 would stay 0.
        let mut x = self.0 | 1 << 63;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        x
    }

    /// A value of this type: small, at an edge, or any.
    fn next(&mut self, ty: ValType) -> Option<Value> {
        const EDGES: [u64; 8] =
            [0, 1, u64::MAX, 1 << 31, 1 << 63, 0x7fff_ffff_ffff_ffff, 0x7ff8_0000_7fc0_0000, 0x8000_0000_ffff_fffe];
        let number = match self.number() % 3 {
            0 => self.number() % 70,
            1 => EDGES[(self.number() >> 7) as usize % EDGES.len()],
            _ => self.number(),
        };
        Some(match ty {
            ValType::I32 => Value::I32(number as i32),
            ValType::I64 => Value::I64(number as i64),
            ValType::F32 => Value::F32(number as u32),
            ValType::F64 => Value::F64(number),
            ValType::V128 => Value::V128(u128::from(number) << 64 | u128::from(self.number())),
            ValType::ExternRef if number.is_multiple_of(2) => Value::Extern(Some(number as u32)),
            ty => Value::zero(ty)?,
        })
    }
}

/// A sum of what may be a large memory.
pub fn checksum(bytes: &[u8]) -> u64 {
    crc32fast::hash(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with a start function that calls the host, and lets itself be called back.
    #[derive(Default)]
    struct Starting {
        initialized: usize,
        armed: Vec<Vec<(usize, String)>>,
    }

    impl Machine for Starting {
        fn initialize(&mut self, _: usize) -> Outcome {
            self.initialized += 1;
            Outcome::Values(Vec::new())
        }

        fn exports(&mut self, module: usize) -> Vec<(String, Kind)> {
            assert!(module < self.initialized, "{module} is asked before it is initialized");
            vec![("f".into(), Kind::Func(FuncType::new([], [])))]
        }

        fn state(&mut self, _: usize) -> State {
            State::default()
        }

        fn refuel(&mut self, _: usize, _: i32) {}

        fn arm(&mut self, functions: &[(usize, String)]) {
            self.armed.push(functions.to_vec());
        }

        fn call(&mut self, _: usize, _: &str, _: &[Value]) -> Outcome {
            Outcome::Values(Vec::new())
        }

        fn host_calls(&mut self) -> (Vec<HostCall>, bool) {
            (vec![HostCall { function: self.initialized, args: Vec::new() }], false)
        }
    }

    fn started(starts: Starts) -> (Vec<Event>, Vec<usize>) {
        let program = Program { modules: vec![Vec::new(); 2], seed: 0, rounds: 0, starts };
        let mut machine = Starting::default();
        let events = trace(&mut machine, &program);
        (events, machine.armed.iter().map(Vec::len).collect())
    }

    #[test]
    fn what_start_functions_call_is_observed_and_can_call_back_those_before() {
        let (events, armed) = started(Starts::Observed);
        let called = |number| Event::Host(vec![HostCall { function: number, args: Vec::new() }]);
        let initialized = |module| Event::Initialized(module, Outcome::Values(Vec::new()));
        assert_eq!(events[..4], [initialized(0), called(1), initialized(1), called(2)]);
        assert_eq!(armed, [0, 1, 2]);
        let (events, armed) = started(Starts::Unobserved);
        assert_eq!(events[..2], [initialized(0), initialized(1)]);
        assert_eq!(armed, [2], "a snapshot is made before anything can be called back");
    }

    #[test]
    fn arguments_are_the_same_for_the_same_seed_and_cover_edges() {
        let take = |seed| {
            let mut arguments = Arguments(seed);
            (0..200).map(|_| arguments.next(ValType::I64)).collect::<Vec<_>>()
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
        for edge in [0, 1, -1, i64::MIN] {
            assert!(take(0).contains(&Some(Value::I64(edge))), "{edge}");
        }
    }
}
