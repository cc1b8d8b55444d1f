//! Values by number: what a host keeps behind the resources that it gives to components.

use super::resource::Resource;
use std::any::{Any, type_name};

/// Values of the host by the numbers of their resources. Hosts put one into their data.
///
/// A value can be pushed as the child of another, which then cannot be deleted before it.
#[derive(Debug)]
pub struct ResourceTable {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    cap: usize,
}

#[derive(Debug)]
struct Entry {
    value: Box<dyn Any + Send>,
    parent: Option<u32>,
    children: u32,
}

/// Why a table does not do what it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceTableError {
    /// It has as many values as it may have.
    #[error("the table has {cap} resources, and may not have more")]
    Full {
        /// Values that it may have.
        cap: usize,
    },
    /// There is no value with this number.
    #[error("there is no resource {rep}")]
    NotPresent {
        /// The number.
        rep: u32,
    },
    /// The value is of another type.
    #[error("the resource {rep} is no `{wanted}`")]
    WrongType {
        /// The number.
        rep: u32,
        /// The type that was expected.
        wanted: &'static str,
    },
    /// The value has children.
    #[error("the resource {rep} still has {children} children")]
    HasChildren {
        /// The number.
        rep: u32,
        /// How many.
        children: u32,
    },
}

impl From<ResourceTableError> for crate::Error {
    fn from(error: ResourceTableError) -> crate::Error {
        let kind = match error {
            ResourceTableError::Full { .. } => crate::ErrorKind::Exhausted,
            _ => crate::ErrorKind::Host,
        };
        crate::Error::source_of(kind, error)
    }
}

impl Default for ResourceTable {
    fn default() -> ResourceTable {
        ResourceTable::new()
    }
}

impl ResourceTable {
    /// Most values unless told otherwise.
    pub const DEFAULT_CAP: usize = 1 << 20;

    /// An empty table.
    pub fn new() -> ResourceTable {
        ResourceTable::with_cap(ResourceTable::DEFAULT_CAP)
    }

    /// An empty table for so many values.
    pub fn with_cap(cap: usize) -> ResourceTable {
        ResourceTable { entries: Vec::new(), free: Vec::new(), cap: cap.min(u32::MAX as usize) }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a value in.
    ///
    /// # Errors
    ///
    /// When it is full.
    pub fn push<R: Send + 'static>(&mut self, value: R) -> Result<Resource<R>, ResourceTableError> {
        self.insert(Box::new(value), None).map(Resource::new_own)
    }

    /// Puts a value in that depends on another.
    ///
    /// # Errors
    ///
    /// When the table is full, or the other is not there.
    pub fn push_child<R: Send + 'static, P: 'static>(
        &mut self,
        value: R,
        parent: &Resource<P>,
    ) -> Result<Resource<R>, ResourceTableError> {
        self.get(parent)?;
        let rep = self.insert(Box::new(value), Some(parent.rep()))?;
        self.entry_mut(parent.rep())?.children += 1;
        Ok(Resource::new_own(rep))
    }

    fn insert(&mut self, value: Box<dyn Any + Send>, parent: Option<u32>) -> Result<u32, ResourceTableError> {
        let entry = Some(Entry { value, parent, children: 0 });
        if let Some(rep) = self.free.pop() {
            self.entries[rep as usize] = entry;
            return Ok(rep);
        }
        if self.entries.len() >= self.cap {
            return Err(ResourceTableError::Full { cap: self.cap });
        }
        self.entries.push(entry);
        Ok(self.entries.len() as u32 - 1)
    }

    fn entry_mut(&mut self, rep: u32) -> Result<&mut Entry, ResourceTableError> {
        let entry = self.entries.get_mut(rep as usize).and_then(Option::as_mut);
        entry.ok_or(ResourceTableError::NotPresent { rep })
    }

    /// A value.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub fn get<R: 'static>(&self, resource: &Resource<R>) -> Result<&R, ResourceTableError> {
        let rep = resource.rep();
        let entry = self.entries.get(rep as usize).and_then(Option::as_ref);
        let entry = entry.ok_or(ResourceTableError::NotPresent { rep })?;
        entry.value.downcast_ref().ok_or(ResourceTableError::WrongType { rep, wanted: type_name::<R>() })
    }

    /// A value, to be changed.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub fn get_mut<R: 'static>(&mut self, resource: &Resource<R>) -> Result<&mut R, ResourceTableError> {
        let rep = resource.rep();
        let wrong = ResourceTableError::WrongType { rep, wanted: type_name::<R>() };
        self.entry_mut(rep)?.value.downcast_mut().ok_or(wrong)
    }

    /// Takes a value out.
    ///
    /// # Errors
    ///
    /// When it is not there or has children.
    pub fn delete<R: 'static>(&mut self, resource: Resource<R>) -> Result<R, ResourceTableError> {
        self.get(&resource)?;
        let rep = resource.rep();
        let children = self.entry_mut(rep)?.children;
        if children > 0 {
            return Err(ResourceTableError::HasChildren { rep, children });
        }
        let entry = self.entries[rep as usize].take().ok_or(ResourceTableError::NotPresent { rep })?;
        self.free.push(rep);
        if let Some(parent) = entry.parent {
            self.entry_mut(parent)?.children -= 1;
        }
        let wrong = ResourceTableError::WrongType { rep, wanted: type_name::<R>() };
        entry.value.downcast().map(|value| *value).map_err(|_| wrong)
    }

    /// The children of a value: their numbers and types.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub fn iter_children<P: 'static>(
        &self,
        parent: &Resource<P>,
    ) -> Result<impl Iterator<Item = &(dyn Any + Send)>, ResourceTableError> {
        self.get(parent)?;
        let rep = parent.rep();
        Ok(self.entries.iter().flatten().filter(move |entry| entry.parent == Some(rep)).map(|entry| &*entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_types_are_checked() {
        let mut table = ResourceTable::with_cap(2);
        let one = table.push("one").expect("room");
        let two = table.push(2u64).expect("room");
        assert_eq!(table.push(()).unwrap_err(), ResourceTableError::Full { cap: 2 });
        assert_eq!((table.get(&one), table.get(&two)), (Ok(&"one"), Ok(&2)));
        let wrong = Resource::<u64>::new_borrow(one.rep());
        assert!(matches!(table.get(&wrong), Err(ResourceTableError::WrongType { rep: 0, .. })));
        assert_eq!(table.delete(one), Ok("one"));
        assert_eq!(table.get(&wrong), Err(ResourceTableError::NotPresent { rep: 0 }));
        assert_eq!((table.push('c').expect("room").rep(), table.len()), (0, 2));
        *table.get_mut(&two).expect("there") += 1;
        assert_eq!(table.get(&two), Ok(&3));
    }

    #[test]
    fn a_parent_stays_as_long_as_its_children() {
        let mut table = ResourceTable::new();
        let parent = table.push("parent").expect("room");
        let child = table.push_child(1u8, &parent).expect("room");
        assert_eq!(table.iter_children(&parent).expect("there").count(), 1);
        let again = Resource::<&str>::new_own(parent.rep());
        assert_eq!(table.delete(again).unwrap_err(), ResourceTableError::HasChildren { rep: 0, children: 1 });
        table.delete(child).expect("no children");
        table.delete(parent).expect("no children");
        assert!(table.is_empty());
    }
}
