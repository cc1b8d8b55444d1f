//! Host values that a guest holds references to.

use std::any::Any;

/// A host value behind an externref.
pub type HostValue = Box<dyn Any + Send + Sync>;

/// There is no room for another host value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the guest holds references to {limit} host values and may hold no more")]
pub struct ExternRefsExhausted {
    /// How many there can be.
    pub limit: usize,
}

/// The table behind externref words: index 0 is null, every other word counts from 1. A value lives as long
/// as its instance: a word can be anywhere in guest memory that has been a local, so none is freed early.
#[derive(Default)]
pub(crate) struct ExternRefs {
    values: Vec<HostValue>,
}

impl ExternRefs {
    /// Adds a value and gives its word.
    pub(crate) fn add(&mut self, value: HostValue, limit: usize) -> Result<u64, ExternRefsExhausted> {
        if self.values.len() >= limit {
            return Err(ExternRefsExhausted { limit });
        }
        self.values.push(value);
        Ok(self.values.len() as u64)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value behind a word.
    pub(crate) fn get(&self, word: u64) -> Option<&(dyn Any + Send + Sync)> {
        let at = usize::try_from(word).ok()?.checked_sub(1)?;
        self.values.get(at).map(|value| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_from_one_and_stop_at_the_limit() {
        let mut refs = ExternRefs::default();
        assert_eq!(refs.add(Box::new("first"), 2), Ok(1));
        assert_eq!(refs.add(Box::new(2u8), 2), Ok(2));
        assert_eq!(refs.add(Box::new(3u8), 2), Err(ExternRefsExhausted { limit: 2 }));
        assert_eq!(refs.get(1).and_then(|v| v.downcast_ref()), Some(&"first"));
        assert_eq!(refs.get(2).and_then(|v| v.downcast_ref()), Some(&2u8));
        assert!([0, 3, u64::MAX].iter().all(|word| refs.get(*word).is_none()));
    }
}
