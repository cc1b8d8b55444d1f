//! How a guest that ends itself is told from one that traps.

/// The guest called `proc_exit`: not a failure, but the call it was in does not return.
///
/// The embedder finds it by downcasting the error of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest exited with status {}", self.status())]
pub struct I32Exit(pub i32);

impl I32Exit {
    /// What an operating system would report to the parent process: the low eight bits.
    pub fn status(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::I32Exit;

    #[test]
    fn the_status_is_the_low_eight_bits() {
        assert_eq!(I32Exit(0).status(), 0);
        assert_eq!(I32Exit(134).status(), 134);
        assert_eq!(I32Exit(256).status(), 0);
        assert_eq!(I32Exit(-1).status(), 255);
    }
}
