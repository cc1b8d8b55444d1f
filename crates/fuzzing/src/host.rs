//! Host functions that every machine has, and whose answers follow from their arguments.

use crate::program::{Outcome, Value};
use hatchery::ValType;

/// A host function of the module `host`.
#[derive(Debug)]
pub struct HostFunction {
    /// Its name.
    pub name: &'static str,
    /// Types of its parameters.
    pub params: &'static [ValType],
    /// Types of its results.
    pub results: &'static [ValType],
}

const fn function(name: &'static str, params: &'static [ValType], results: &'static [ValType]) -> HostFunction {
    HostFunction { name, params, results }
}

/// All there are.
pub const HOST: [HostFunction; 10] = [
    function("mix", &[ValType::I32], &[ValType::I32]),
    function("two", &[ValType::I64, ValType::I32], &[ValType::I32, ValType::I64]),
    function("nothing", &[], &[]),
    function("floats", &[ValType::F32, ValType::F64], &[ValType::F64, ValType::F32]),
    function("vector", &[ValType::V128], &[ValType::V128]),
    function("same function", &[ValType::FuncRef], &[ValType::FuncRef]),
    function("same host value", &[ValType::ExternRef], &[ValType::ExternRef]),
    function("call back", &[ValType::I32], &[ValType::I32]),
    function("fail sometimes", &[ValType::I32], &[]),
    function("many", &[ValType::I64; 10], &[ValType::I64; 4]),
];

/// A module that imports all of them.
pub(crate) fn imports() -> String {
    let types = |types: &[ValType]| types.iter().map(|ty| format!("{ty} ")).collect::<String>();
    let import = |f: &HostFunction| {
        let (params, results) = (types(f.params), types(f.results));
        format!(r#"(import "host" "{}" (func (param {params}) (result {results})))"#, f.name)
    };
    HOST.iter().map(import).collect()
}

/// A call of a host function that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct HostCall {
    /// Its number in [`HOST`].
    pub function: usize,
    /// What it was called with.
    pub args: Vec<Value>,
}

/// What a host function does.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Returns these.
    Values(Vec<Value>),
    /// Returns its arguments.
    Arguments,
    /// Fails.
    Error,
    /// Calls one of the functions that it may, and returns how that ended.
    CallBack(u32),
}

/// What the host function of this number does.
pub fn answer(function: usize, args: &[Value]) -> Answer {
    match (HOST[function].name, args) {
        ("mix", [Value::I32(x)]) => Answer::Values(vec![Value::I32(x.rotate_left(7) ^ 0x5bd1_e995)]),
        ("two", [Value::I64(x), Value::I32(y)]) => {
            Answer::Values(vec![Value::I32(*x as i32 ^ y), Value::I64(x.wrapping_mul((*y).into()))])
        }
        // The sign changes even of a NaN, whose other bits stay.
        ("floats", [Value::F32(x), Value::F64(y)]) => {
            Answer::Values(vec![Value::F64(y ^ 1 << 63), Value::F32(x ^ 1 << 31)])
        }
        ("vector", [Value::V128(x)]) => Answer::Values(vec![Value::V128(!x)]),
        ("same function" | "same host value", _) => Answer::Arguments,
        ("call back", [Value::I32(which)]) => Answer::CallBack(*which as u32),
        ("fail sometimes", [Value::I32(x)]) if x % 5 == 3 => Answer::Error,
        ("many", args) => Answer::Values(args.iter().rev().take(4).cloned().collect()),
        _ => Answer::Values(HOST[function].results.iter().filter_map(|ty| Value::zero(*ty)).collect()),
    }
}

/// The host data of a machine whose functions are `F`.
#[derive(Debug)]
pub struct HostState<F> {
    /// What was called since somebody looked.
    pub calls: Vec<HostCall>,
    /// Whether a function that was called back reached a limit.
    pub limit: bool,
    /// What can be called back, with the arguments for it.
    pub functions: Vec<(F, Vec<Value>)>,
    depth: u32,
    budget: u32,
}

impl<F> Default for HostState<F> {
    fn default() -> HostState<F> {
        HostState { calls: Vec::new(), limit: false, functions: Vec::new(), depth: 0, budget: 0 }
    }
}

impl<F: Clone> HostState<F> {
    /// What was called since this was last asked, and whether a limit was reached. Allows a few more callbacks.
    pub fn take(&mut self) -> (Vec<HostCall>, bool) {
        self.budget = 20;
        (std::mem::take(&mut self.calls), std::mem::take(&mut self.limit))
    }

    /// The function to call back, if there may be a callback. [`HostState::called_back`] must follow.
    pub fn call_back(&mut self, which: u32) -> Option<(F, Vec<Value>)> {
        if self.depth == 2 || self.budget == 0 || self.functions.is_empty() {
            return None;
        }
        (self.depth, self.budget) = (self.depth + 1, self.budget - 1);
        Some(self.functions[which as usize % self.functions.len()].clone())
    }

    /// What the host function returns for how a callback ended.
    pub fn called_back(&mut self, outcome: &Outcome) -> i32 {
        self.depth -= 1;
        self.limit |= *outcome == Outcome::Limit;
        match outcome {
            Outcome::Values(values) => values.len() as i32,
            Outcome::Trapped(_) => -1,
            Outcome::HostError => -2,
            Outcome::Limit => -3,
        }
    }
}
