//! Exceptions: finding the frame that catches one, and going on there.
//!
//! A throw is a call of a built-in. From the frame of its thunk outwards, each caller's return address is looked up
//! in the image's map of catches, up to the innermost activation: no exception passes a frame of the host. The frame
//! that has a handler goes on at the handler's landing pad, which expects its own stack and frame pointers and no other
//! register; what its callers keep in registers, it has saved itself. The frames further in are abandoned.

#![expect(unsafe_code, reason = "abandons frames of guest code")]

use super::frames::Stack;
use super::task::TaskRecord;
use super::x86_64 as sys;
use hatchery_image::abi::RawVal;
use hatchery_image::artifact::Found;
use hatchery_image::{HandlerKind, TagId};
use std::ptr::NonNull;

/// Where guest code goes on: of a frame that is on the running stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Landing {
    pc: usize,
    sp: usize,
    fp: usize,
    /// Whether it wants a reference to the exception.
    pub(crate) wants_reference: bool,
}

/// What becomes of an exception.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It is caught.
    Caught(Landing),
    /// It is not, up to the innermost activation or to a frame that it must not pass.
    Uncaught,
    /// The image's file has lost what it takes to tell.
    Withdrawn,
}

/// Finds what catches an exception with this tag that guest code throws. Before it goes on to the next frame, it says how many
/// frames and handlers it has looked at since it last did: one and thousands, if the guest wants that.
///
/// # Errors
///
/// What `looked` answers, which ends the search.
///
/// # Safety
///
/// The caller runs on the stack of this record's task, in a built-in that guest code called through a thunk.
pub(crate) unsafe fn find<E>(
    record: NonNull<TaskRecord>,
    tag: TagId,
    mut looked: impl FnMut(usize) -> Result<(), E>,
) -> Result<Fate, E> {
    let task = record.as_ptr();
    // SAFETY: the record is live and this thread's. There is an innermost activation, whose guest code called here;
    // its context is live.
    let (stack, thunk, guest) = unsafe { (Stack::of(task), (*task).exit_frame, &*(*(*task).activation).guest) };
    let image = guest.image();
    let found = stack.callers(guest, thunk).find_map(|caller| {
        let look = image.catches().find(image.text().offset_of(caller.pc)?, tag);
        let gone_on = looked(1 + look.handlers);
        gone_on.map(|()| look.found.map(|found| (caller, found))).transpose()
    });
    if image.is_withdrawn() {
        return Ok(Fate::Withdrawn);
    }
    Ok(match found.transpose()? {
        Some((caller, Found { frame, handler })) if handler.kind != HandlerKind::Barrier => Fate::Caught(Landing {
            pc: image.text().base().addr() + handler.landing as usize,
            sp: caller.fp.wrapping_sub(frame as usize),
            fp: caller.fp,
            wants_reference: handler.kind == HandlerKind::Reference,
        }),
        _ => Fate::Uncaught,
    })
}

/// The words of the stack from a landing's frame outwards. What guest code that goes on there, and its callers, keep in
/// registers is among them.
///
/// # Safety
///
/// The record is live and this thread's, and the landing is of a frame on its stack, for as long as the words are read.
pub(crate) unsafe fn words(record: NonNull<TaskRecord>, landing: Landing) -> impl Iterator<Item = u64> {
    // SAFETY: promised.
    let stack = unsafe { Stack::of(record.as_ptr()) };
    stack.words(landing.sp).map(|word| word as u64)
}

/// Goes on at a landing, with the exception's reference and values.
///
/// # Safety
///
/// The landing was just found by [`find`], whose caller's promise still holds. None of the frames from the thunk up to
/// the caller owns anything with a destructor. The values are those of an exception with the tag that was searched, and
/// stay until guest code next calls the host or a built-in.
pub(crate) unsafe fn go_on(landing: Landing, reference: u64, values: *const RawVal) -> ! {
    // SAFETY: the compiler promises that code can go on at the landing pad with these registers (the map of catches is
    // the image's, which is trusted as its code is); the frame is on the stack, as a call of it has not returned.
    unsafe { sys::go_on(landing.pc, landing.sp, landing.fp, reference, values.cast()) }
}
