//! Numbers by which instances tell themselves from all others.
//!
//! Instances of one image are equal, snapshots included: what was drawn at random before a snapshot is the same in all.
//! A number that each has for itself is what they can be made different by.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Odd, so that multiplying by it is a bijection; otherwise arbitrary.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The next number: no other draw of this process gives it, and another process is unlikely to. Never 0.
pub(crate) fn draw() -> u64 {
    static BASE: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // The standard library's only source of random bits.
    let base = BASE.get_or_init(|| RandomState::new().build_hasher().finish());
    // Relaxed: only uniqueness matters.
    let next = || base.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE));
    match next() {
        0 => next(),
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_number_is_drawn_twice() {
        let numbers: HashSet<u64> = (0..10_000).map(|_| draw()).collect();
        assert_eq!(numbers.len(), 10_000);
        assert!(!numbers.contains(&0));
    }
}
