//! The process's handlers for the signals by which guest code traps.
//!
//! They are installed once, remember what was there before, and pass on what is not about guest code. `SIGBUS` is no
//! guest's mistake: it comes where an image's file has become shorter, from guest code and from the host's reading of
//! the image's maps.

#![expect(unsafe_code, reason = "signal handlers")]

use super::fault::{self, Cause, Verdict};
use super::thread;
use super::x86_64::Interrupted;
use libc::{c_int, c_void, siginfo_t};
use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

/// Page and protection faults, undefined instructions, integer division, pages that a file has lost.
pub(super) const SIGNALS: [c_int; 4] = [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS];

/// What was installed before, by position in [`SIGNALS`].
struct Previous([UnsafeCell<MaybeUninit<libc::sigaction>>; 4]);

// SAFETY: each cell is written once, before the handler that reads it is installed.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous([const { UnsafeCell::new(MaybeUninit::uninit()) }; 4]);

/// Installs the handlers of faults, once per process. The first call into a guest does it; before that, whoever maps
/// an artifact that others can shorten may.
///
/// # Errors
///
/// The kernel's.
pub fn install() -> io::Result<()> {
    static DONE: OnceLock<Result<(), i32>> = OnceLock::new();
    let install_all = || {
        let error = |error: io::Error| error.raw_os_error().unwrap_or(libc::EINVAL);
        SIGNALS.iter().enumerate().try_for_each(|(index, signal)| install_one(index, *signal)).map_err(error)
    };
    (*DONE.get_or_init(install_all)).map_err(io::Error::from_raw_os_error)
}

fn install_one(index: usize, signal: c_int) -> io::Result<()> {
    // SAFETY: plain system calls on initialized structures. The previous action is stored before our handler can
    // run, which is when the second call has been made. Between the two another thread could install its own,
    // which would be lost: nothing but the kernel could exclude that.
    unsafe {
        if libc::sigaction(signal, ptr::null(), (*PREVIOUS.0[index].get()).as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        // Not masked while it is handled: a fault inside a handler must reach somebody who reports it.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        libc::sigemptyset(&mut action.sa_mask);
        if libc::sigaction(signal, &action, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The handler.
///
/// # Safety
///
/// Called by the kernel, with what it passes to handlers installed with `SA_SIGINFO`.
unsafe extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's arguments are what they should be. `errno` is the interrupted code's.
    unsafe {
        let errno = *libc::__errno_location();
        let verdict = match (cause(signal, info), thread::current_task()) {
            (Some(cause), None) => fault::judge_host(cause),
            (Some(cause), Some(task)) => fault::judge(task.as_ptr(), cause, &mut Interrupted::new(context)),
            _ => Verdict::Foreign,
        };
        match verdict {
            Verdict::Retry | Verdict::Landed => *libc::__errno_location() = errno,
            Verdict::HostOverflow => host_overflow(),
            Verdict::Foreign => pass_on(signal, info, context),
        }
    }
}

/// What the processor complains about; `None` for signals that somebody sent.
///
/// # Safety
///
/// `info` is what the kernel passed to the handler.
unsafe fn cause(signal: c_int, info: *const siginfo_t) -> Option<Cause> {
    // Linux's number for "by the kernel", which says no more.
    const SI_KERNEL: c_int = 0x80;
    // SAFETY: the kernel filled it in.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    match (signal, code) {
        (_, ..=0) => None,
        (libc::SIGSEGV, SI_KERNEL) => Some(Cause::Protection),
        (libc::SIGSEGV, _) => Some(Cause::Page(address)),
        (libc::SIGBUS, _) => Some(Cause::Lost(address)),
        _ => Some(Cause::Instruction),
    }
}

/// Says what happened, as Rust does for its own threads, and ends the process: it is the host's bug.
fn host_overflow() -> ! {
    let message =
        b"\nhost code has overflowed the guest stack it was called on\nfatal runtime error: stack overflow, aborting\n";
    // SAFETY: both calls are async-signal-safe; the buffer is as long as it says.
    unsafe {
        libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len());
        libc::abort()
    }
}

/// Does what would have happened without our handler.
///
/// # Safety
///
/// The arguments are those of the running handler.
unsafe fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(index) = SIGNALS.iter().position(|s| *s == signal) else { return };
    // SAFETY: stored before the handler was installed, and not written since.
    let previous = unsafe { (*PREVIOUS.0[index].get()).assume_init_ref() };
    match previous.sa_sigaction {
        // SAFETY: the arguments are the handler's.
        libc::SIG_DFL => unsafe { default(signal, info) },
        // The kernel does not let a fault be ignored: executing it again under `SIG_IGN` kills the process.
        // SAFETY: as above.
        libc::SIG_IGN => unsafe { ignore(signal, info, previous) },
        // SAFETY: the action was installed by somebody who promised the kernel what it is.
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => unsafe {
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = std::mem::transmute(handler);
            handler(signal, info, context);
        },
        // SAFETY: as above, of the older kind.
        handler => unsafe {
            let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
            handler(signal);
        },
    }
}

/// The default action, which for these signals is to end the process: a fault recurs under it, a signal that was
/// sent is sent again.
///
/// # Safety
///
/// `info` is the running handler's.
unsafe fn default(signal: c_int, info: *const siginfo_t) {
    // SAFETY: plain system calls; an action of zeroes is `SIG_DFL` without flags.
    unsafe {
        let action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, &action, ptr::null_mut());
        if cause(signal, info).is_none() {
            libc::raise(signal);
        }
    }
}

/// `SIG_IGN`: nothing for a signal that was sent; a fault recurs.
///
/// # Safety
///
/// `info` is the running handler's.
unsafe fn ignore(signal: c_int, info: *const siginfo_t, previous: &libc::sigaction) {
    // SAFETY: `previous` is an action the kernel gave us.
    unsafe {
        if cause(signal, info).is_some() {
            libc::sigaction(signal, previous, ptr::null_mut());
        }
    }
}
