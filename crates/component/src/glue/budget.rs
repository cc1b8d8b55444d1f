//! What may be written: between components there is as much code as types and calls ask for, of which a small component
//! can have many.

use super::error::GlueError;

/// Most instructions of all functions that are written. Real programs have some ten thousand.
const INSTRUCTIONS: u64 = 1_000_000;

/// Most types that are looked at, and imports and exports of what is written; longer names count more often.
const PARTS: u64 = 4_000_000;

/// What has been used.
#[derive(Debug, Default)]
pub(super) struct Meter {
    instructions: u64,
    parts: u64,
}

impl Meter {
    pub(super) fn instructions(&mut self, count: usize) -> Result<(), GlueError> {
        self.instructions = self.instructions.saturating_add(count as u64);
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

/// As how many parts a name counts.
pub(super) fn name_parts(name: &str) -> usize {
    name.len() / 32
}

fn within(what: &'static str, used: u64, allowed: u64) -> Result<(), GlueError> {
    if used <= allowed { Ok(()) } else { Err(GlueError::Budget { what, allowed }) }
}
