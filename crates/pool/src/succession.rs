//! What a clean slot leaves to another template. Where the layouts are the same, most of its mappings can stay.

use crate::attachment::{Attachment, Mode, RegionState};
use crate::ground::Core;
use crate::sys::Access;
use core::ops::Range;
use hatchery_alloc::Template;
use std::io;
use std::sync::Arc;

/// What is mapped where a slot is attached.
#[derive(Debug, Clone)]
pub(crate) enum Ground {
    /// Nothing that can be accessed.
    Bare,
    /// A clean slot of another template that has the same layout, and never grew.
    Like(Past),
}

/// What a slot was that is mapped for another template.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    template: Arc<Template>,
    mode: Mode,
    /// Whether its pages are the kernel's.
    blank: bool,
}

impl Ground {
    /// What a clean slot leaves behind for a template, if that can make use of it.
    pub(crate) fn of(a: &Attachment, template: &Template) -> Option<Ground> {
        let like = !a.regions.iter().any(RegionState::had_tail) && a.stock.template.layout() == template.layout();
        let past = || Past { template: a.stock.template.clone(), mode: a.mode(), blank: a.blank };
        like.then(|| Ground::Like(past()))
    }

    /// Gives a part of a slot that is to be zero its access.
    pub(crate) fn clear(&self, core: &Core, a: &Attachment, part: Range<usize>, access: Access) -> io::Result<()> {
        match self {
            Ground::Bare => core.space.protect(a.place(part), access),
            // Pages that others have written must not be taken for this template's, zeros or not.
            Ground::Like(past) if !past.is_zero(&part) => core.space.map_zeros(a.place(part), access),
            Ground::Like(past) if past.mode == Mode::Open && access == Access::ReadWrite => Ok(()),
            Ground::Like(_) => core.space.protect(a.place(part), access),
        }
    }
}

impl Past {
    /// Whether a part of the slot has neither pages nor contents.
    fn is_zero(&self, part: &Range<usize>) -> bool {
        let mut pieces = self.template.pieces().iter().map(hatchery_alloc::Run::range);
        self.blank && !pieces.any(|piece| piece.start < part.end && part.start < piece.end)
    }
}
