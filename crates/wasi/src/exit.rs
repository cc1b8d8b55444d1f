//! How a guest that ends itself is told from one that traps.

/// The guest called `proc_exit`: not a failure, but the call it was in does not return.
///
/// The embedder finds it by downcasting the error of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest exited with status {}", self.status())]
pub struct I32Exit(pub i32);

impl I32Exit {
    /// What a process can report to its parent: the low eight bits. Where they are zero and the others are not, it is 1, so that
    /// what failed does not seem to have succeeded.
    pub fn status(self) -> u8 {
        match self.0.to_le_bytes() {
            [0, rest @ ..] => (rest != [0; 3]).into(),
            [low, ..] => low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::I32Exit;

    #[test]
    fn the_status_is_the_low_eight_bits_and_zero_for_success_alone() {
        assert_eq!(I32Exit(0).status(), 0);
        assert_eq!(I32Exit(134).status(), 134);
        assert_eq!([256, 0x300, i32::MIN].map(|status| I32Exit(status).status()), [1; 3]);
        assert_eq!(I32Exit(257).status(), 1);
        assert_eq!(I32Exit(258).status(), 2);
        assert_eq!(I32Exit(-1).status(), 255);
    }
}
