//! What a function may cost the code generator. A small binary can ask for work that is the product of
//! two of its parts; without limits it would take all memory.
//!
//! * A local's value is found at each use by a walk back over the edges between its definitions and the
//!   use, and the builder keeps a table of the local's values by block. So a local costs as many units as
//!   there are edges and blocks in front of its last use.
//! * Every value, and every value passed along an edge, costs the code generator's later passes.

use super::Translator;
use crate::error::CompileError;
use cranelift_codegen::ir::DataFlowGraph;
use wasmparser::Operator;

/// Most units of all locals.
const MAX_UNITS: u64 = 250_000_000;

/// Most values, and most instructions.
const MAX_VALUES: usize = 10_000_000;

/// Most entries of the code generator's value lists: arguments of calls and edges.
const MAX_ARGUMENTS: usize = 64 << 20;

/// What a function has cost so far.
#[derive(Debug, Default)]
pub(super) struct Effort {
    /// Edges and blocks so far, roughly.
    units: u64,
    /// By local: units in front of its last use.
    locals: Vec<u64>,
    /// Sum over the locals.
    total: u64,
    /// Room for arguments that an earlier function has left.
    arguments_before: usize,
}

impl Effort {
    pub(super) fn new(graph: &DataFlowGraph) -> Effort {
        Effort { arguments_before: graph.value_lists.capacity(), ..Effort::default() }
    }

    /// Takes account of edges that are in no instruction of their own.
    pub(super) fn edges(&mut self, edges: usize) {
        self.units += edges as u64;
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
        if self.effort.total > MAX_UNITS {
            return Err(self.env.limit("it has too many locals for as many branches"));
        }
        let graph = &self.builder.func.dfg;
        let arguments = graph.value_lists.capacity();
        if graph.num_values().max(graph.num_insts()) > MAX_VALUES
            || arguments > MAX_ARGUMENTS.max(self.effort.arguments_before)
        {
            return Err(self.env.limit("it has too many values, or its branches pass too many"));
        }
        Ok(())
    }
}
