//! What may be written: between components there is as much code as types and calls ask for, of which a small component
//! can have many.

use super::error::GlueError;
use super::fun::{Fun, Op};
use wasm_encoder::Instruction as I;

/// Most instructions of all functions that are written. Real programs have some ten thousand.
const INSTRUCTIONS: u64 = 1_000_000;

/// As how many instructions each target of a branch table counts: it is an edge between blocks, which takes the code generator
/// longer than an instruction does.
const TARGET: u64 = 4;

/// Most types that are looked at, and imports and exports of what is written; longer names count more often.
const PARTS: u64 = 4_000_000;

/// What has been used.
#[derive(Debug, Default)]
pub(super) struct Meter {
    instructions: u64,
    parts: u64,
}

impl Meter {
    /// Counts a function.
    pub(super) fn function(&mut self, fun: &Fun) -> Result<(), GlueError> {
        let targets: u64 = fun.ops.iter().map(targets).sum();
        let count = (fun.ops.len() + fun.locals.len()) as u64 + TARGET * targets;
        self.instructions = self.instructions.saturating_add(count);
        within("instructions", self.instructions, INSTRUCTIONS)
    }

    /// Counts a copy of a name.
    pub(super) fn name(&mut self, name: &str) -> Result<(), GlueError> {
        self.parts(name_parts(name))
    }

    pub(super) fn parts(&mut self, count: usize) -> Result<(), GlueError> {
        self.parts = self.parts.saturating_add(count as u64);
        within("parts", self.parts, PARTS)
    }
}

/// To how many places a branch table goes.
fn targets(op: &Op) -> u64 {
    match op {
        Op::Plain(I::BrTable(targets, _)) => targets.len() as u64,
        _ => 0,
    }
}

/// As how many parts a name counts.
pub(super) fn name_parts(name: &str) -> usize {
    name.len() / 32
}

fn within(what: &'static str, used: u64, allowed: u64) -> Result<(), GlueError> {
    if used <= allowed { Ok(()) } else { Err(GlueError::Budget { what, allowed }) }
}
