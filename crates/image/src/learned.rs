//! What instances of an image were found to do with their slots.

use core::ops::Range;

/// What instances of an image do with their slots, as ranges of the slot in bytes: where a new slot can begin.
///
/// It says nothing about what they compute, and an image works the same with any. But it tells where they write, so it
/// belongs to those who may know that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Learned {
    /// What they write, in whole pages; behind the header.
    pub written: Vec<Range<u64>>,
    /// What they make accessible by growth, in whole pages; behind the header.
    pub grown: Vec<Range<u64>>,
}

impl Learned {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.grown.is_empty()
    }
}
