//! `component/…`: calls into, out of and between components; cycles of them; how long they take to compile.

mod call;
mod compile;
mod cycle;

use crate::case::Case;

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    [call::cases(), compile::cases(), cycle::cases()].into_iter().flatten().collect()
}
