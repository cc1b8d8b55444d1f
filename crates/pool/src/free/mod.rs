//! Lists of free slots, by index. They believe nothing: who takes a slot looks at its record.

mod indices;
mod shards;
mod stack;
pub(crate) mod thread;

pub(crate) use indices::Indices;
pub(crate) use shards::Shards;
pub(crate) use stack::{Links, Stack};
