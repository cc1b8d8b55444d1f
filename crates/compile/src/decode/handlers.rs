//! How many exception handlers the calls of a body have, counted while it is validated.
//!
//! A handler is three bytes and a call is two, and each call has all handlers in force: of those with one tag the innermost, and
//! none beyond the first that takes all. Code that cannot be reached counts, and so does each tag that linking
//! may find to be another's: it is never less than what is compiled.

use std::collections::HashMap;
use wasmparser::{Catch, Operator};

/// The handlers in force.
#[derive(Debug, Default)]
pub(super) struct InForce {
    seen: Seen,
    /// What ends with each of the open blocks, innermost last.
    blocks: Vec<Option<Scope>>,
}

/// What an exception can meet.
#[derive(Debug, Default)]
struct Seen {
    /// By tag: of how many open blocks.
    tags: HashMap<u32, u32>,
    /// Whether the outermost takes all.
    all: bool,
}

/// A `try_table`.
#[derive(Debug)]
struct Scope {
    /// The tags that it takes.
    tags: Vec<u32>,
    /// What it hides, as it takes all.
    hidden: Option<Seen>,
}

impl InForce {
    /// Handlers that this instruction, the next one, has to do with.
    pub(super) fn next(&mut self, op: &Operator<'_>) -> u64 {
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::Try { .. } => {
                self.blocks.push(None);
                0
            }
            Operator::TryTable { try_table } => {
                self.enter(&try_table.catches);
                self.count()
            }
            Operator::End | Operator::Delegate { .. } => {
                self.leave();
                0
            }
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef => self.count(),
            _ => 0,
        }
    }

    fn count(&self) -> u64 {
        self.seen.tags.len() as u64 + u64::from(self.seen.all)
    }

    fn enter(&mut self, catches: &[Catch]) {
        let tag = |catch: &Catch| match *catch {
            Catch::One { tag, .. } | Catch::OneRef { tag, .. } => Some(tag),
            Catch::All { .. } | Catch::AllRef { .. } => None,
        };
        let tags: Vec<u32> = catches.iter().map_while(tag).collect();
        let all = tags.len() < catches.len();
        let hidden = all.then(|| core::mem::replace(&mut self.seen, Seen { all, ..Seen::default() }));
        for tag in &tags {
            *self.seen.tags.entry(*tag).or_default() += 1;
        }
        self.blocks.push(Some(Scope { tags, hidden }));
    }

    fn leave(&mut self) {
        let Some(Some(scope)) = self.blocks.pop() else { return };
        if let Some(hidden) = scope.hidden {
            self.seen = hidden;
            return;
        }
        for tag in scope.tags {
            if let Some(blocks) = self.seen.tags.get_mut(&tag) {
                *blocks -= 1;
                if *blocks == 0 {
                    self.seen.tags.remove(&tag);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Parser, Payload};

    /// Handlers of each call of the first body.
    fn handlers(body: &str) -> Vec<u64> {
        let text = format!("(module (tag $a) (tag $b) (func $f {body}))");
        let bytes = wat::parse_str(text).expect("test text");
        let bodies = Parser::new(0).parse_all(&bytes).filter_map(|payload| match payload.expect("a module") {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
        let mut in_force = InForce::default();
        let mut counts = Vec::new();
        for body in bodies {
            for op in body.get_operators_reader().expect("a body") {
                let op = op.expect("an instruction");
                let count = in_force.next(&op);
                counts.extend(matches!(op, Operator::Call { .. }).then_some(count));
            }
        }
        counts
    }

    #[test]
    fn a_call_has_the_handlers_that_its_exceptions_can_meet() {
        let call = "(call $f)";
        let inner = format!("(try_table (catch $b 0) (catch $a 0) {call})");
        let twice = format!("(try_table (catch $a 0) (catch $a 0) {call} (block {call}) {inner} {call}) {call}");
        assert_eq!(handlers(&twice), [1, 1, 2, 1, 0]);
        let all =
            format!("(try_table (catch $a 0) (try_table (catch_all 0) (catch $b 0) {call} {inner} {call}) {call})");
        assert_eq!(handlers(&all), [1, 3, 1, 1]);
    }
}
