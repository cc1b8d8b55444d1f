//! Choices that are read from the end of an input.
//!
//! All others are read from its beginning, one after the other: one more among them would make every input that was found
//! before another case. One that is read here leaves the rest of a case as it was.

/// The last byte of an input.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Late(u8);

impl Late {
    pub(crate) fn of(data: &[u8]) -> Late {
        Late(data.last().copied().unwrap_or(0))
    }

    /// Whether it says yes to the choice of this number.
    pub(crate) fn says(self, choice: u32) -> bool {
        self.0 >> choice & 1 == 1
    }
}
