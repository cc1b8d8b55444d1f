//! Whose slots an instance may share.

/// Whether a pool learns which pages instances write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Learning {
    /// It does: an instance that writes what earlier ones wrote runs without a fault. How long it takes tells something
    /// about them.
    #[default]
    Free,
    /// It does not: all it assumes is what the module brought with it, for each instance anew. What an instance writes, how far
    /// it grows its memories and how deep it goes on its stack has no influence on the timing of a later one; pages that the
    /// module does not say fault when they are first written, every time. With
    /// [`Reset::WorkingSet`](crate::Reset::WorkingSet), pages that are only read stay mapped for later instances of the same tag;
    /// with the other resets nothing does.
    Frozen,
}

/// Whose slots an instance may share.
///
/// An instance always starts in exactly the module's state. What shows through, in a pool with
/// [`Reset::WorkingSet`](crate::Reset::WorkingSet), is time: pages that others of the same isolation wrote can be
/// written without a fault.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Isolation {
    vm: hatchery_vm::Isolation,
}

impl Isolation {
    /// That of everything that says nothing else: no tag, and learning is free.
    pub fn new() -> Isolation {
        Isolation::default()
    }

    /// Instances of different tags, those of tenants for example, share no slot and no working set. Those of the same
    /// tag and module share them, as long as anything is prepared for it.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Isolation {
        self.vm.tag = Some(tag.into().into_boxed_str());
        self
    }

    /// Whether those of one tag learn from each other.
    #[must_use]
    pub fn learning(mut self, learning: Learning) -> Isolation {
        self.vm.learning = match learning {
            Learning::Free => hatchery_alloc::Learning::Free,
            Learning::Frozen => hatchery_alloc::Learning::Frozen,
        };
        self
    }

    pub(crate) fn vm(&self) -> &hatchery_vm::Isolation {
        &self.vm
    }
}
