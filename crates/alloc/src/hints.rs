//! What the maker of a template knows about those who will use its slots.

use core::ops::Range;

/// What becomes of a grown tail when its slot is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tails {
    /// It is inaccessible until a later use grows too: code may rely on the guard.
    #[default]
    Shrink,
    /// It may stay accessible, with zeros: the code that runs in these slots compares every address with
    /// a length of its own and needs no guard between that length and a region's limit.
    Keep,
}

/// Whether an allocator may learn which pages the users of a template write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Learning {
    /// It may; how long a use takes then tells something about earlier ones.
    #[default]
    Free,
    /// The pages in [`Hints::written`] are all it may ever assume: what one use of a slot writes and how far it grows has no
    /// influence on the timing of a later one.
    Frozen,
}

/// Hints for allocators. All may be ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints {
    /// What becomes of grown tails.
    pub tails: Tails,
    /// Whether more may be learned than `written` says.
    pub learning: Learning,
    /// Ranges of the slot that uses are known to write; rounded outwards to pages. What is inside no image
    /// region is ignored.
    pub written: Vec<Range<usize>>,
    /// Ranges of the slot that uses are known to make accessible by growth. Only of interest where tails stay.
    pub grown: Vec<Range<usize>>,
    /// The only bytes of volatile regions that are ever written, if not all of them may be. Whoever makes the template
    /// promises that for every writer there is.
    pub volatile: Option<Range<usize>>,
}
