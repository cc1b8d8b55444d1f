//! Where the guest was: walked without allocating when it stops, given names when somebody asks.

#![expect(unsafe_code, reason = "reads frame pointers off a guest stack")]

use super::activation::Activation;
use super::context::GuestContext;
use super::frames::{Stack, in_text};
use super::task::TaskRecord;
use super::x86_64::PUSH_FRAME_POINTER;
use hatchery_image::{Image, InstanceId};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Most frames that are kept: the innermost.
const MOST: usize = 128;

/// The guest functions that were active when the guest stopped, innermost first, over all nested calls
/// on its stack.
#[derive(Debug, Clone, Default)]
pub struct Backtrace {
    frames: Box<[Frame]>,
    truncated: bool,
}

/// A guest function that was active.
#[derive(Debug, Clone)]
pub struct Frame {
    image: Arc<Image>,
    /// Of the instruction that trapped or of some byte of the call.
    offset: u32,
    instance: InstanceId,
    index: u32,
}

impl Backtrace {
    /// The frames, innermost first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Whether there were more, further out.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// # Safety
    ///
    /// The contexts of the activations that the trace went through are live.
    pub(super) unsafe fn resolve(trace: &Trace) -> Backtrace {
        let resolve = |raw: &RawFrame| {
            // SAFETY: promised by the caller.
            let image = unsafe { &*raw.guest }.image();
            let offset = image.text().offset_of(raw.pc)?;
            let function = image.functions().find(offset)?;
            Some(Frame { image: Arc::clone(image), offset, instance: function.instance, index: function.index })
        };
        let frames = trace.frames().iter().filter_map(resolve).collect();
        Backtrace { frames, truncated: trace.truncated }
    }
}

impl Frame {
    /// The core instance whose function it is.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The function's index in its module.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The function's name, if it has one and the image was not withdrawn since.
    pub fn name(&self) -> Option<&str> {
        self.image.functions().find(self.offset)?.name
    }

    /// The image the function is part of.
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// Offset in its module's binary of the instruction it had come to, where the image knows.
    pub fn wasm_offset(&self) -> Option<u32> {
        self.image.addresses().find(self.offset)
    }
}

/// Raw material of a backtrace.
pub(super) struct Trace {
    length: usize,
    truncated: bool,
    /// Initialized up to `length`.
    frames: [MaybeUninit<RawFrame>; MOST],
}

#[derive(Clone, Copy)]
struct RawFrame {
    pc: usize,
    guest: *const GuestContext,
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// In guest code, at an instruction that faulted.
    Fault { pc: usize, sp: usize, fp: usize },
    /// Behind the thunk through which the guest last left its code.
    Exit,
}

impl Trace {
    /// No frames. A function and inlined, as a constant would be copied, uninitialized frames and all.
    #[inline(always)]
    pub(super) fn empty() -> Trace {
        Trace { length: 0, truncated: false, frames: [const { MaybeUninit::uninit() }; MOST] }
    }

    fn frames(&self) -> &[RawFrame] {
        // SAFETY: `push` initialized them.
        unsafe { self.frames[..self.length].assume_init_ref() }
    }

    /// Adds a frame's callers.
    fn follow(&mut self, stack: &Stack, guest: &GuestContext, fp: usize) {
        for caller in stack.callers(guest, fp) {
            if self.truncated {
                return;
            }
            // Any byte of the call will do to find its function and instruction.
            self.push(caller.pc - 1, guest);
        }
    }

    fn push(&mut self, pc: usize, guest: *const GuestContext) {
        match self.frames.get_mut(self.length) {
            Some(frame) => {
                frame.write(RawFrame { pc, guest });
                self.length += 1;
            }
            None => self.truncated = true,
        }
    }
}

/// Fills the record's trace, from the innermost activation outwards. Allocates nothing, takes no lock and reads
/// nothing outside the stack, so that a signal handler may do it.
///
/// # Safety
///
/// The record is live and this thread's, it has an activation, and the contexts of all its activations are live.
pub(super) unsafe fn walk(task: *mut TaskRecord, origin: Origin) {
    // SAFETY: the record is live and not borrowed: guest code was interrupted, or raises.
    let (trace, exit, mut activation) =
        unsafe { (&mut (*task).trace, (*task).exit_frame, (*task).activation as *const Activation) };
    // SAFETY: as above.
    let stack = unsafe { Stack::of(task) };
    trace.length = 0;
    trace.truncated = false;
    let mut exit = Some(exit);
    if let Origin::Fault { pc, sp, fp } = origin {
        // SAFETY: there is an activation, and its context is live.
        let guest = unsafe { &*(*activation).guest };
        trace.push(pc, guest);
        if begins_function(guest.image(), pc) {
            // The function has no frame yet: its return address is on top of the stack.
            stack.word(sp).filter(|pc| in_text(guest, *pc)).inspect(|pc| trace.push(pc - 1, guest));
        }
        trace.follow(&stack, guest, fp);
        exit = None;
    }
    // SAFETY: the chain's activations are live, from the innermost to the outermost.
    while let Some(current) = unsafe { activation.as_ref() } {
        if let Some(thunk) = exit {
            // SAFETY: the contexts of all activations are live.
            trace.follow(&stack, unsafe { &*current.guest }, thunk);
        }
        exit = Some(current.outer_exit);
        activation = current.outer;
    }
}

/// Whether `pc` is the first instruction of a function, before which the frame pointer is still the caller's.
fn begins_function(image: &Image, pc: usize) -> bool {
    let Some(offset) = image.text().offset_of(pc) else { return false };
    image.text().bytes()[offset as usize] == PUSH_FRAME_POINTER
        && image.functions().find(offset).is_some_and(|function| function.start == offset)
}
