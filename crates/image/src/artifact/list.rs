//! Lists that are read where they lie.

use super::image::Image;
use core::fmt;
use core::ops::Range;

/// Reads the entry at an index of some table.
pub(super) type Read<'a, T> = fn(&'a Image, usize) -> Option<T>;

/// A list in an artifact: entries are read when they are asked for, and own nothing.
pub struct List<'a, T> {
    view: &'a Image,
    range: Range<usize>,
    read: Read<'a, T>,
}

impl<'a, T> List<'a, T> {
    pub(super) fn new(view: &'a Image, range: Range<usize>, read: Read<'a, T>) -> List<'a, T> {
        List { view, range, read }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The entry at `index`.
    pub fn get(&self, index: usize) -> Option<T> {
        let at = self.range.start.checked_add(index).filter(|at| *at < self.range.end)?;
        (self.read)(self.view, at)
    }

    /// All entries. Opening has read each of them once, so none is missing.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let (view, read) = (self.view, self.read);
        self.range.clone().filter_map(move |at| read(view, at))
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        List { view: self.view, range: self.range.clone(), read: self.read }
    }
}

impl<T: fmt::Debug> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
