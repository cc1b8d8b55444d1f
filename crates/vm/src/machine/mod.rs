//! The machine half of the crate: entering guest code, leaving it, and everything that makes leaving
//! it early safe. It knows code, stacks, signals and threads; it knows no instance, no memory, no host
//! function. The other half builds on these pieces:
//!
//! | piece | is |
//! |---|---|
//! | [`StackPool`] | guest stacks with guards; locked when a stack is attached or detached, not per call |
//! | [`Task`] | a guest stack that is attached, with its [`TaskRecord`]; lends its record's address |
//! | [`GuestContext`] | what a fault in guest code is judged by: image, slot, allocator |
//! | [`enter`] | runs a guest function to its end as a new activation, nested or not |
//! | [`start`], [`resume`] | run a guest function that may be suspended |
//! | [`suspend`] | called by a host function on the guest's stack: back to whoever started or resumed it |
//! | [`find`], [`go_on`] | called by a built-in: find the frame that catches an exception, and go on there |
//! | [`raise`] | called by a host function on the guest's stack: ends the innermost activation |
//! | [`Unwind`] | why an activation ended other than by returning, with its [`Backtrace`] |
//!
//! # Stacks and activations
//!
//! ```text
//!  mapping                                                                          TaskRecord
//!  |                                                                                     |
//!  v                                                                                     v
//!  +-------+------------------+--------------------------------------------------+-------+
//!  | guard | host reserve     | guest and host frames, growing down        <---  | record|
//!  +-------+------------------+--------------------------------------------------+-------+
//!          ^ lowest           ^ host limit
//! ```
//!
//! An *activation* is one call from the host into the guest. The outermost of a task switches to the
//! task's stack; one that a host function makes while it runs on that stack is nested and stays there.
//! Each activation has a *landing*: a stack pointer under which the callee-saved registers of the host
//! frame that made it lie. Ending an activation early means to load that stack pointer, pop them and return
//! a status: guest frames, and host frames that promised to have no destructors, are abandoned, never unwound.
//! So nothing here depends on unwinding, and `panic = "abort"` changes nothing.
//!
//! # Rules for the other half
//!
//! 1. A panic never leaves a host function: shims catch it and [`raise`] it as a [`HostFailure`].
//! 2. [`raise`] and [`go_on`] are called from a frame that owns nothing, called by such frames only, down to the thunk.
//! 3. Header words are the other half's: `TASK` must be the task's record before it is entered, on every thread.
//! 4. A task that is suspended may be resumed on another thread. The frames between the thunk and
//!    [`suspend`] therefore must not keep anything that belongs to a thread, addresses of
//!    thread-locals included; user code is best polled on the resumer's stack, not on the guest's.
//! 5. Dropping a suspended call is `resume(record, Resume::Cancel)`. Whoever was suspended learns it from
//!    [`Resumed::Cancelled`] and raises [`Raise::Cancelled`]; it must not return to the guest. Until then
//!    every entry is refused with [`Reason::Cancelled`].
//! 6. What `start` was given (context, `vmctx`, arguments) stays valid until the task is idle again. A
//!    [`Task`] that is dropped while suspended is cancelled first, so it must be dropped before those.

mod activation;
mod backtrace;
mod context;
mod exceptions;
mod fault;
mod frames;
mod signals;
mod stack;
mod stacks;
mod suspend;
mod task;
mod thread;
mod unwind;
mod x86_64;

pub use backtrace::{Backtrace, Frame};
pub use signals::install as handle_faults;
pub use stack::{Scrub, StackConfig, StackError};
pub use stacks::StackPool;
pub use unwind::HostFailure;

pub(crate) use activation::{Entry, Ready, Trampoline, enter, raise};
pub(crate) use context::{GuestContext, Program};
pub(crate) use exceptions::{Fate, Landing, find, go_on, words};
pub(crate) use suspend::{Progress, Resume, Resumed, resume, start, suspend};
pub(crate) use task::{Task, TaskRecord};
pub(crate) use unwind::{Raise, Reason, Refusal, Unwind, Unwritable};

#[cfg(test)]
mod tests;
