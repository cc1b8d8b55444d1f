//! Where exceptions are caught, as the compiler lists it.

use crate::items::TagId;

/// A call that can end with an exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchSite {
    /// The call's return address, as an offset from the text.
    pub offset: u32,
    /// Bytes from the stack pointer that the landing pads expect up to the frame pointer.
    pub frame: u32,
    /// The first that matches an exception gets it; if none does, the next frame further out is asked.
    pub handlers: Box<[Handler]>,
}

/// What becomes of some exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handler {
    /// The tag of those exceptions; all when there is none.
    pub tag: Option<TagId>,
    /// Where code goes on, as an offset from the text; 0 for a barrier.
    pub landing: u32,
    /// What happens.
    pub kind: HandlerKind,
}

/// What a handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandlerKind {
    /// It wants the exception's values.
    Values,
    /// It wants a reference to the exception, and its values.
    Reference,
    /// It is none: the exception must not come this far, and stops the guest.
    Barrier,
}
