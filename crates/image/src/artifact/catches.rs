//! Which handler an exception meets at a call, looked up where the tables lie.
//!
//! As with the other maps from addresses, a lookup is sound whatever the tables contain, allocates nothing and
//! takes no lock.

use super::records::{CatchRecord, HandlerRecord, NONE};
use crate::catch::{CatchSite, Handler, HandlerKind};
use crate::items::TagId;
use core::ops::Range;
use zerocopy::little_endian::U32;

/// The calls that can end with an exception, in place.
#[derive(Debug, Clone, Copy)]
pub struct Catches<'a> {
    pub(super) offsets: &'a [U32],
    pub(super) sites: &'a [CatchRecord],
    pub(super) handlers: &'a [HandlerRecord],
}

/// The handler that an exception meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Bytes from the stack pointer that the landing pad expects up to the frame pointer.
    pub frame: u32,
    /// The handler.
    pub handler: Handler,
}

/// What a look at the handlers of a call gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What catches the exception.
    pub found: Option<Found>,
    /// Handlers that were looked at: all of the call up to the one that was found.
    pub handlers: usize,
}

impl Catches<'_> {
    /// What catches an exception with this tag at the call that returns to `offset`. A call can have many handlers, and each
    /// is looked at: whoever asks for a guest has to care what that takes.
    pub fn find(&self, offset: u32, tag: TagId) -> Look {
        self.look(offset, tag).unwrap_or(Look { found: None, handlers: 0 })
    }

    fn look(&self, offset: u32, tag: TagId) -> Option<Look> {
        let at = self.offsets.binary_search_by_key(&offset, |entry| entry.get()).ok()?;
        let frame = self.sites.get(at)?.frame.get();
        let handlers = self.handlers.get(self.range(at))?;
        let matches = |record: &HandlerRecord| record.tag.get() == NONE || record.tag.get() == tag.0;
        let found = handlers.iter().position(matches);
        let handler = found.and_then(|at| handlers.get(at)?.decode());
        let handlers = found.map_or(handlers.len(), |at| at + 1);
        Some(Look { found: handler.map(|handler| Found { frame, handler }), handlers })
    }

    /// Number of calls.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether no call can end with an exception.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// All calls, by ascending offset.
    pub fn iter(&self) -> impl Iterator<Item = CatchSite> {
        self.offsets.iter().zip(self.sites).enumerate().map(|(at, (offset, site))| {
            let handlers = self.handlers.get(self.range(at)).unwrap_or(&[]);
            let handlers = handlers.iter().filter_map(HandlerRecord::decode).collect();
            CatchSite { offset: offset.get(), frame: site.frame.get(), handlers }
        })
    }

    /// Where the handlers of a call are.
    pub(super) fn range(&self, at: usize) -> Range<usize> {
        let end = |at: usize| self.sites.get(at).map_or(0, |site| site.end.get() as usize);
        at.checked_sub(1).map_or(0, end)..end(at)
    }
}

impl HandlerRecord {
    /// What it says, if that means something.
    pub(super) fn decode(&self) -> Option<Handler> {
        let kind = match self.kind.get() {
            0 => HandlerKind::Values,
            1 => HandlerKind::Reference,
            2 => HandlerKind::Barrier,
            _ => return None,
        };
        let tag = Some(self.tag.get()).filter(|tag| *tag != NONE).map(TagId);
        Some(Handler { tag, landing: self.landing.get(), kind })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{Image, ImageParts};
    use super::*;

    fn handler(tag: Option<u32>, landing: u32, kind: HandlerKind) -> Handler {
        Handler { tag: tag.map(TagId), landing, kind }
    }

    #[test]
    fn the_first_handler_that_matches_is_found() {
        let sites = vec![
            CatchSite {
                offset: 65,
                frame: 32,
                handlers: [
                    handler(Some(1), 66, HandlerKind::Values),
                    handler(None, 67, HandlerKind::Reference),
                    handler(Some(2), 68, HandlerKind::Values),
                ]
                .into(),
            },
            CatchSite { offset: 66, frame: 0, handlers: [].into() },
            CatchSite { offset: 69, frame: 64, handlers: [handler(Some(1), 66, HandlerKind::Values)].into() },
        ];
        let image = Image::from_parts(&ImageParts { catches: sites.clone(), ..sample() }).expect("encodes");
        image.verify().expect("sound");
        let catches = image.catches();
        let look = |offset, tag| catches.find(offset, TagId(tag));
        let found = |offset, tag| look(offset, tag).found.map(|found| (found.frame, found.handler.landing));
        assert_eq!((found(65, 1), found(65, 2), found(65, 9)), (Some((32, 66)), Some((32, 67)), Some((32, 67))));
        assert_eq!((found(66, 1), found(67, 1)), (None, None));
        assert_eq!((found(69, 1), found(69, 2)), (Some((64, 66)), None));
        assert_eq!(
            [(65, 1), (65, 2), (66, 1), (67, 1), (69, 2)].map(|(at, tag)| look(at, tag).handlers),
            [1, 2, 0, 0, 1]
        );
        assert_eq!(catches.iter().collect::<Vec<_>>(), sites);
    }
}
