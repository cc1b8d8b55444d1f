//! Why an operation on behalf of a guest stops it.

use hatchery_alloc::PrepareError;
use hatchery_image::TrapCode;

/// What has happened to an image that is withdrawn.
pub(crate) const LOST: &str =
    "the artifact was withdrawn: its file was shortened while it was in use; replace files by renaming";

/// Why an operation on behalf of a guest stops it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The specification says so, or the host asked for it.
    #[error("{0}")]
    Trap(TrapCode),
    /// The same, about this number.
    #[error("{}", .0.describe(Some(*.1)))]
    About(TrapCode, u32),
    /// The image's file has lost what was read.
    #[error("{LOST}")]
    Withdrawn,
    /// Pages could not be made writable.
    #[error(transparent)]
    Pages(#[from] PrepareError),
}

/// The range `start..start + length`, if it is inside `0..limit`.
pub(crate) fn within(start: u64, length: u64, limit: u64, trap: TrapCode) -> Result<(), Stop> {
    match start.checked_add(length) {
        Some(end) if end <= limit => Ok(()),
        _ => Err(Stop::Trap(trap)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_inside_up_to_the_limit_even_when_empty() {
        let check = |start, length| within(start, length, 10, TrapCode::MemoryOutOfBounds).is_ok();
        assert!(check(0, 10) && check(10, 0) && check(0, 0));
        assert!(!check(11, 0) && !check(1, 10) && !check(u64::MAX, 1) && !check(1, u64::MAX));
    }
}
