//! Exports that were found and checked before, by path and types.

use super::func::{Lifted, TypedFunc};
use crate::error::Error;
use std::any::TypeId;
use std::sync::{Arc, OnceLock};

/// What was found is not remembered beyond this many. Paths that lead to one export can be spelled in many ways.
const MOST: usize = 32;

/// A list that only grows, so that looking needs no lock.
#[derive(Debug, Default)]
pub(crate) struct Found(OnceLock<Box<Entry>>);

#[derive(Debug)]
struct Entry {
    path: Box<[Box<str>]>,
    /// The Rust types of parameters and results; lifetimes are none of their differences.
    types: TypeId,
    lifted: Arc<Lifted>,
    next: Found,
}

impl Entry {
    fn is(&self, path: &[&str], types: TypeId) -> bool {
        self.types == types && self.path.len() == path.len() && self.path.iter().zip(path).all(|(a, b)| **a == **b)
    }
}

impl Found {
    /// The function that was found at this path with these types, or the one that is found now.
    ///
    /// # Errors
    ///
    /// Those of `find`; they are not remembered.
    #[inline]
    pub(crate) fn get_or_find<P, R>(
        &self,
        path: &[&str],
        find: impl FnOnce() -> Result<TypedFunc<P, R>, Error>,
    ) -> Result<TypedFunc<P, R>, Error> {
        let types = typeid::of::<(P, R)>();
        let mut end = self;
        for _ in 0..MOST {
            match end.0.get() {
                Some(entry) if entry.is(path, types) => return Ok(TypedFunc::of(entry.lifted.clone())),
                Some(entry) => end = &entry.next,
                None => return end.remember(path, types, find()?),
            }
        }
        find()
    }

    /// Keeps what was found, unless another thread is first at this end: then it is found again some time.
    #[cold]
    fn remember<P, R>(&self, path: &[&str], types: TypeId, func: TypedFunc<P, R>) -> Result<TypedFunc<P, R>, Error> {
        let path = path.iter().map(|name| Box::from(*name)).collect();
        let entry = Entry { path, types, lifted: func.lifted().clone(), next: Found::default() };
        // Whoever was first has the place.
        let _ = self.0.set(Box::new(entry));
        Ok(func)
    }
}
