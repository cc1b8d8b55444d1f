//! Which slots of a class are cold, without a word of memory for those that never were anything else.

use std::collections::HashMap;

/// Numbers below a limit, taken out and put back.
///
/// Behaves like a vector that first holds all numbers, the lowest last; but only positions that hold something
/// else than at first are stored.
#[derive(Debug)]
pub(crate) struct Indices {
    limit: u32,
    len: u32,
    moved: HashMap<u32, u32>,
}

impl Indices {
    /// All numbers below `limit`.
    pub(crate) fn new(limit: u32) -> Indices {
        Indices { limit, len: limit, moved: HashMap::new() }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    fn at(&self, position: u32) -> u32 {
        self.moved.get(&position).copied().unwrap_or(self.limit - 1 - position)
    }

    fn put(&mut self, position: u32, index: u32) {
        if index == self.limit - 1 - position {
            self.moved.remove(&position);
        } else {
            self.moved.insert(position, index);
        }
    }

    /// Takes out the number that was put back last, or the lowest one that was never out.
    pub(crate) fn take_next(&mut self) -> Option<u32> {
        self.take_at(self.len.checked_sub(1)?)
    }

    /// Takes out the number at a position.
    pub(crate) fn take_at(&mut self, position: u32) -> Option<u32> {
        let last = self.len.checked_sub(1).filter(|last| position <= *last)?;
        let (taken, moved) = (self.at(position), self.at(last));
        self.moved.remove(&last);
        if position < last {
            self.put(position, moved);
        }
        self.len = last;
        Some(taken)
    }

    /// Puts a number back that was taken out.
    pub(crate) fn give(&mut self, index: u32) {
        assert!(index < self.limit && self.len < self.limit, "a slot of another class");
        self.put(self.len, index);
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lowest_come_first() {
        let mut indices = Indices::new(3);
        assert_eq!([(); 4].map(|()| indices.take_next()), [Some(0), Some(1), Some(2), None]);
        assert_eq!(Indices::new(0).take_next(), None);
    }

    proptest! {
        #[test]
        fn as_a_vector_would(limit in 0..20u32, moves in proptest::collection::vec((0..3u8, any::<u32>()), 0..80)) {
            let (mut indices, mut model) = (Indices::new(limit), (0..limit).rev().collect::<Vec<_>>());
            let mut out = Vec::new();
            for (kind, n) in moves {
                let taken = match kind {
                    0 => (indices.take_next(), model.pop()),
                    1 if !model.is_empty() => {
                        let at = n % model.len() as u32;
                        (indices.take_at(at), Some(model.swap_remove(at as usize)))
                    }
                    _ => {
                        if !out.is_empty() {
                            let back = out.swap_remove(n as usize % out.len());
                            indices.give(back);
                            model.push(back);
                        }
                        (None, None)
                    }
                };
                prop_assert_eq!(taken.0, taken.1);
                out.extend(taken.0);
                prop_assert_eq!(indices.len() as usize, model.len());
            }
        }
    }
}
