//! Random bytes: the system's, or a repeatable sequence.

use super::Result;
use super::error::uninterrupted;
use rustix::rand::{GetRandomFlags, getrandom};

/// A source of random bytes.
pub trait Entropy: Send {
    /// Fills the whole slice.
    ///
    /// # Errors
    ///
    /// When the source fails; the slice's contents are then unspecified.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, mut bytes: &mut [u8]) -> Result<()> {
        while !bytes.is_empty() {
            let filled = uninterrupted(|| getrandom(&mut *bytes, GetRandomFlags::empty()))?;
            bytes = &mut bytes[filled..];
        }
        Ok(())
    }
}

/// A repeatable sequence for tests and deterministic runs. It is **not** fit for secrets: who sees a little of it can
/// compute the rest.
///
/// The sequence is SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014), taken
/// byte by byte, so that it does not depend on how it is cut into calls.
#[derive(Clone, Copy, Debug)]
pub struct SeededEntropy {
    state: u64,
    word: [u8; 8],
    used: usize,
}

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, word: [0; 8], used: 8 }
    }

    fn next_word(&mut self) -> [u8; 8] {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }

    fn next_byte(&mut self) -> u8 {
        if self.used == self.word.len() {
            self.word = self.next_word();
            self.used = 0;
        }
        self.used += 1;
        self.word[self.used - 1]
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill_with(|| self.next_byte());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_fills_everything() {
        let mut bytes = vec![0; 4096];
        SystemEntropy.fill(&mut bytes).unwrap();
        assert!(bytes.iter().filter(|&&byte| byte == 0).count() < 200);
    }

    #[test]
    fn a_seeded_sequence_does_not_depend_on_the_cuts() {
        let (mut whole, mut parts) = (SeededEntropy::new(1), SeededEntropy::new(1));
        let (mut a, mut b) = ([0; 20], [0; 20]);
        whole.fill(&mut a).unwrap();
        parts.fill(&mut b[..3]).unwrap();
        parts.fill(&mut b[3..]).unwrap();
        assert_eq!(a, b);
        // The first output for seed 0, as published with the algorithm.
        let mut first = [0; 8];
        SeededEntropy::new(0).fill(&mut first).unwrap();
        assert_eq!(u64::from_le_bytes(first), 0xe220_a839_7b1d_cdaf);
    }
}
