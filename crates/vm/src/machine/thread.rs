//! What each thread that enters guest code has: the task it runs, and the means to survive its faults.

#![expect(unsafe_code, reason = "signal stacks and signal masks")]

use super::task::TaskRecord;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// Room for the kernel's frame, our handler, and one that was there before, in a debug build.
const SIGNAL_STACK: usize = 64 << 10;
const PAGE: usize = 4096;

/// The thread's state. Constant, without destructor: a signal handler reads it.
struct Thread {
    current: Cell<*mut TaskRecord>,
    ready: Cell<bool>,
}

thread_local! {
    static THREAD: Thread = const { Thread { current: Cell::new(ptr::null_mut()), ready: Cell::new(false) } };
    /// Frees the signal stack when the thread ends.
    static OWN: RefCell<Option<SignalStack>> = const { RefCell::new(None) };
}

/// The task on whose stack guest code of this thread runs, or the host function that it called.
///
/// Not inlined, so that no address of a thread's state is kept across a suspension.
#[inline(never)]
pub(crate) fn current_task() -> Option<NonNull<TaskRecord>> {
    NonNull::new(THREAD.with(|thread| thread.current.get()))
}

/// Makes `task` the current one and returns the one that was.
#[inline(always)]
pub(super) fn set_current(task: *mut TaskRecord) -> *mut TaskRecord {
    THREAD.with(|thread| thread.current.replace(task))
}

/// Whether [`make_ready`] has been done.
#[inline(always)]
pub(super) fn is_ready() -> bool {
    THREAD.with(|thread| thread.ready.get())
}

/// Sees to it, once per thread, that faults of guest code can be handled: their signals are not blocked, and
/// there is a stack to handle them on.
///
/// A host that blocks the signals or takes the signal stack away afterwards ends the process at the next fault;
/// so does a thread's destructor that runs guest code after the standard library removed the signal stack.
pub(super) fn make_ready() -> io::Result<()> {
    if is_ready() {
        return Ok(());
    }
    unblock()?;
    if !current_stack()?.is_enough() {
        let mut own = Some(SignalStack::install()?);
        // When this thread's destructors have run already, nobody will free it.
        let _ = OWN.try_with(|slot| slot.replace(own.take()));
        std::mem::forget(own);
    }
    THREAD.with(|thread| thread.ready.set(true));
    Ok(())
}

fn unblock() -> io::Result<()> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initializes the set, the others read and write it; no mask is asked back.
    let error = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in super::signals::SIGNALS {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut())
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// What the kernel has as this thread's signal stack.
struct Installed(libc::stack_t);

impl Installed {
    fn is_enough(&self) -> bool {
        self.0.ss_flags & libc::SS_DISABLE == 0 && self.0.ss_size >= SIGNAL_STACK
    }
}

fn current_stack() -> io::Result<Installed> {
    let mut stack = MaybeUninit::uninit();
    // SAFETY: asks for the current one only, which the call stores.
    if unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded.
    Ok(Installed(unsafe { stack.assume_init() }))
}

/// A signal stack of ours, with a guard page below.
struct SignalStack {
    base: NonNull<u8>,
}

impl SignalStack {
    const BYTES: usize = PAGE + SIGNAL_STACK;

    fn install() -> io::Result<SignalStack> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
        // SAFETY: a new mapping where the kernel finds room touches no existing one.
        let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), Self::BYTES, ProtFlags::empty(), flags) }?;
        let stack = SignalStack { base: NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)? };
        // SAFETY: the upper part of the mapping just made.
        unsafe {
            rustix::mm::mprotect(stack.usable().cast(), SIGNAL_STACK, MprotectFlags::READ | MprotectFlags::WRITE)?;
        }
        let new = libc::stack_t { ss_sp: stack.usable().cast(), ss_flags: 0, ss_size: SIGNAL_STACK };
        // SAFETY: the range is ours, accessible, and stays so until `drop`, which takes it away first.
        if unsafe { libc::sigaltstack(&new, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    fn usable(&self) -> *mut u8 {
        // SAFETY: inside the mapping.
        unsafe { self.base.as_ptr().add(PAGE) }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // What was there before may be gone by now, so it is not put back: the thread ends with none.
        if current_stack().is_ok_and(|now| now.0.ss_sp == self.usable().cast()) {
            let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
            // SAFETY: disables; no handler is running on it, as this is no handler.
            unsafe { libc::sigaltstack(&none, ptr::null_mut()) };
        }
        THREAD.with(|thread| thread.ready.set(false));
        // SAFETY: the mapping is ours, and the kernel does not know it any more.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), Self::BYTES) };
        debug_assert!(unmapped.is_ok(), "a mapping made by mmap can be unmapped");
    }
}
