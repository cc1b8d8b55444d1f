//! What a function may cost the code generator. A small binary can ask for work that is the product of
//! two of its parts; without limits it would take all memory.
//!
//! * A local's value is found at each use by a walk back over the edges between its definitions and the
//!   use, and the builder keeps a table of the local's values by block. So a local costs as many units as
//!   there are edges and blocks in front of its last use.
//! * Every value, and every value passed along an edge, costs the code generator's later passes.
//! * A local that has several values where ways meet is a parameter of the block there. A few bytes make many of
//!   them: the header of a loop has one for each local that any loop inside of it sets, and a block's end one for each
//!   that has been set on some of the ways to it. No real function has as many as bytes.
//! * Those of loops inside of each other all live at the same time. Registers are allocated in a time that grows with the
//!   pairs of them.

use super::Translator;
use crate::error::CompileError;
use cranelift_codegen::ir::DataFlowGraph;
use wasmparser::Operator;

// What is said beside each is the most that a function has of the programs that we know (Go, SQLite, and what interprets Python
// and JavaScript), with fuel and explicit bounds.

/// Most units of all locals: 2.5 million.
const MAX_UNITS: u64 = 100_000_000;

/// Most parameters of blocks: of any function, and more for each byte of its body: 17,000 in all, and one for two bytes.
pub(super) const PARAMETERS: u64 = 10_000;
pub(super) const PARAMETERS_PER_BYTE: u64 = 1;

/// Most pairs of values that loops inside of each other carry: 17,000.
const MAX_PAIRS: u64 = 10_000_000;

/// Most loops inside of each other: each costs the code generator as much as there are around it.
const MAX_LOOPS: usize = 1000;

/// Most values, and most instructions: of any function, and more for each byte of its body: 550,000 in all, and four for a
/// byte.
pub(super) const VALUES: u64 = 200_000;
pub(super) const VALUES_PER_BYTE: u64 = 16;

/// Most entries of the code generator's value lists: arguments of calls and edges.
const MAX_ARGUMENTS: usize = 64 << 20;

/// What a function has cost so far.
#[derive(Debug, Default)]
pub(super) struct Effort {
    /// Of the function's body.
    bytes: u64,
    /// Edges and blocks so far, roughly.
    units: u64,
    /// By local: units in front of its last use.
    locals: Vec<u64>,
    /// Sum over the locals.
    total: u64,
    /// For each open loop, values that the loops inside of it carry.
    loops: Vec<u64>,
    /// Pairs of values that loops inside of each other carry.
    pairs: u64,
    /// Room for arguments that an earlier function has left.
    arguments_before: usize,
}

impl Effort {
    /// For a function whose body has so many bytes.
    pub(super) fn new(bytes: u64, graph: &DataFlowGraph) -> Effort {
        Effort { bytes, arguments_before: graph.value_lists.capacity(), ..Effort::default() }
    }

    /// Takes account of edges that are in no instruction of their own.
    pub(super) fn edges(&mut self, edges: usize) {
        self.units += edges as u64;
    }

    /// A loop begins.
    pub(super) fn enter_loop(&mut self) {
        self.loops.push(0);
    }

    /// A loop ends that carries so many values from each turn to the next.
    pub(super) fn leave_loop(&mut self, values: usize) {
        let values = values as u64;
        let inside = self.loops.pop().unwrap_or_default() + values;
        self.pairs = self.pairs.saturating_add(values.saturating_mul(inside));
        if let Some(around) = self.loops.last_mut() {
            *around += inside;
        }
    }

    fn access(&mut self, local: u32) {
        let local = local as usize;
        if local >= self.locals.len() {
            self.locals.resize(local + 1, 0);
        }
        if let Some(last) = self.locals.get_mut(local) {
            self.total += self.units - *last;
            *last = self.units;
        }
    }
}

impl Translator<'_, '_> {
    /// Takes account of an instruction that has been translated.
    pub(super) fn spend(&mut self, op: &Operator<'_>) -> Result<(), CompileError> {
        match op {
            Operator::LocalGet { local_index }
            | Operator::LocalSet { local_index }
            | Operator::LocalTee { local_index } => self.effort.access(*local_index),
            Operator::BrTable { targets } => self.effort.units += 1 + u64::from(targets.len()),
            // At most a check for interruption, a test, and where it goes from there.
            Operator::Block { .. }
            | Operator::TryTable { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCallIndirect { .. } => self.effort.units += 4,
            _ => {}
        }
        if self.effort.loops.len() > MAX_LOOPS {
            return Err(self.env.limit("its loops are nested too deep"));
        }
        if self.effort.pairs > MAX_PAIRS {
            return Err(self.env.limit("its loops, inside of each other, change too many locals"));
        }
        if self.effort.total > MAX_UNITS {
            return Err(self.env.limit("it has too many locals for as many branches"));
        }
        let graph = &self.builder.func.dfg;
        let arguments = graph.value_lists.capacity();
        if graph.num_values().max(graph.num_insts()) as u64 > VALUES + VALUES_PER_BYTE * self.effort.bytes
            || arguments > MAX_ARGUMENTS.max(self.effort.arguments_before)
        {
            return Err(self.env.limit("it has too many values, or its branches pass too many"));
        }
        Ok(())
    }

    /// Takes account of the whole function, which has been translated.
    pub(super) fn spend_blocks(&self) -> Result<(), CompileError> {
        let func = &self.builder.func;
        let parameters: usize = func.layout.blocks().map(|block| func.dfg.num_block_params(block)).sum();
        if parameters as u64 > PARAMETERS + PARAMETERS_PER_BYTE * self.effort.bytes {
            return Err(self.env.limit("it changes too many locals for as many branches"));
        }
        Ok(())
    }
}
