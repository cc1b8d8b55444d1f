//! The instructions no compiler writes for us: changing stacks, landing, and reading what the kernel
//! says about a fault.
//!
//! Every function that leaves a stack pushes the callee-saved registers in the same order, so that any
//! stack pointer so saved can be landed on or resumed:
//!
//! ```text
//!  saved sp -> r15 | r14 | r13 | r12 | rbx | rbp | return address
//! ```
//!
//! The control bits of `mxcsr` are callee-saved as well. They are the default while guest code runs
//! ([`float_control`] is checked before), guest code never changes them, and host functions restore them like
//! any function does; so they are the same on both sides of every switch. The same holds for
//! the x87 control word, which guest code does not even read.

#![expect(unsafe_code, reason = "switches stacks")]

use core::arch::{asm, naked_asm};

/// What the functions below return: the guest function returned.
pub(super) const RETURNED: usize = 0;
/// A trap landed; the record has the fault.
pub(super) const FAULTED: usize = 1;
/// A host function raised; the record has what.
pub(super) const RAISED: usize = 2;
/// The task was suspended.
pub(super) const SUSPENDED: usize = 3;

/// `mxcsr` as guest code expects it: all exceptions masked, round to nearest, denormals kept.
const FLOAT_DEFAULT: u32 = 0x1f80;
/// Its bits that control; the others are sticky flags.
const FLOAT_CONTROL: u32 = 0xffc0;

/// Saves the callee-saved registers, with `rbp` as the frame's pointer meanwhile; unwinders find them by it
/// whatever becomes of the stack pointer.
macro_rules! save_registers {
    () => {
        concat!(
            "push rbp\n.cfi_def_cfa_offset 16\n.cfi_offset rbp, -16\n",
            "mov rbp, rsp\n.cfi_def_cfa_register rbp\n",
            "push rbx\n.cfi_offset rbx, -24\n",
            "push r12\n.cfi_offset r12, -32\n",
            "push r13\n.cfi_offset r13, -40\n",
            "push r14\n.cfi_offset r14, -48\n",
            "push r15\n.cfi_offset r15, -56",
        )
    };
}

/// The opposite, for a stack pointer under which they were saved.
macro_rules! restore_registers {
    () => {
        concat!(
            ".cfi_def_cfa rsp, 56\n.cfi_offset rbp, -16\n.cfi_offset rbx, -24\n.cfi_offset r12, -32\n",
            ".cfi_offset r13, -40\n.cfi_offset r14, -48\n.cfi_offset r15, -56\n",
            "pop r15\n.cfi_adjust_cfa_offset -8\n.cfi_restore r15\n",
            "pop r14\n.cfi_adjust_cfa_offset -8\n.cfi_restore r14\n",
            "pop r13\n.cfi_adjust_cfa_offset -8\n.cfi_restore r13\n",
            "pop r12\n.cfi_adjust_cfa_offset -8\n.cfi_restore r12\n",
            "pop rbx\n.cfi_adjust_cfa_offset -8\n.cfi_restore rbx\n",
            "pop rbp\n.cfi_adjust_cfa_offset -8\n.cfi_restore rbp",
        )
    };
}

/// Calls `trampoline(vmctx, callee, args)` on the stack that ends at `top`, a multiple of 16. Stores the stack
/// pointer to land on through `landing` first. Returns a status.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter_on(
    vmctx: *mut u8,
    callee: *const u8,
    args: *mut u8,
    trampoline: *const u8,
    top: *mut u8,
    landing: *mut usize,
) -> usize {
    naked_asm!(
        ".cfi_startproc",
        save_registers!(),
        "mov [r9], rsp",
        "mov rsp, r8",
        "call rcx",
        // The trampoline preserved the registers: only the stack pointer has to be found again.
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "xor eax, eax",
        "ret",
        ".cfi_endproc",
    )
}

/// As [`enter_on`], on the stack the caller runs on.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter_here(
    vmctx: *mut u8,
    callee: *const u8,
    args: *mut u8,
    trampoline: *const u8,
    landing: *mut usize,
) -> usize {
    naked_asm!(
        ".cfi_startproc",
        save_registers!(),
        "mov [r8], rsp",
        // Six words and a return address: one more makes a multiple of 16.
        "push rax",
        "call rcx",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "xor eax, eax",
        "ret",
        ".cfi_endproc",
    )
}

/// As [`enter_on`], but returns to whoever entered or resumed last: `*landing` at the time the guest returns.
/// `landing` therefore outlives the call.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn start_on(
    vmctx: *mut u8,
    callee: *const u8,
    args: *mut u8,
    trampoline: *const u8,
    top: *mut u8,
    landing: *mut usize,
) -> usize {
    naked_asm!(
        ".cfi_startproc",
        save_registers!(),
        "mov [r9], rsp",
        "mov rbx, r9",
        "mov rsp, r8",
        // The frames of whoever resumes will not be below this one: for unwinders this is where the stack begins.
        ".cfi_undefined rip",
        "xor ebp, ebp",
        "call rcx",
        "mov rdi, [rbx]",
        "xor esi, esi",
        "jmp {land}",
        ".cfi_endproc",
        land = sym land,
    )
}

/// Continues on a saved stack pointer, as if the function that saved it returned `status`.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn land(saved: usize, status: usize) -> ! {
    naked_asm!(".cfi_startproc", "mov rsp, rdi", "mov rax, rsi", restore_registers!(), "ret", ".cfi_endproc",)
}

/// Continues guest code at `pc` with these stack and frame pointers. The exception's reference and the address of its values
/// are where landing pads expect them.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn go_on(pc: usize, sp: usize, fp: usize, reference: u64, values: *const u8) -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "mov rsp, rsi",
        "mov rbp, rdx",
        "mov rax, rcx",
        "mov rdx, r8",
        "jmp rdi",
        ".cfi_endproc",
    )
}

/// Saves the running stack through `saved`, then continues on the stack pointer `to`, where `status` is
/// returned. Returns what is passed when the saved stack is continued in turn.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn switch(saved: *mut usize, to: usize, status: usize) -> usize {
    naked_asm!(
        ".cfi_startproc",
        save_registers!(),
        "mov [rdi], rsp",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "jmp {land}",
        ".cfi_endproc",
        land = sym land,
    )
}

/// The control bits of `mxcsr`, if guest code can run under them.
#[inline(always)]
pub(super) fn float_control_is_default() -> bool {
    float_control() & FLOAT_CONTROL == FLOAT_DEFAULT
}

#[inline(always)]
fn float_control() -> u32 {
    let mut value = 0u32;
    // SAFETY: stores the register's four bytes to a local of that size, and changes nothing.
    unsafe { asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack, preserves_flags)) };
    value
}

/// Runs `body` with the default floating point control and puts the thread's own back.
#[cold]
pub(super) fn with_default_float_control<R>(body: impl FnOnce() -> R) -> R {
    let own = float_control();
    set_float_control(FLOAT_DEFAULT);
    // Neither a trap nor a panic passes through here: both come back as values.
    let result = body();
    set_float_control(own);
    result
}

fn set_float_control(value: u32) {
    // SAFETY: the value is the default, or one that was read from the register.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &value, options(nostack, readonly, preserves_flags)) };
}

/// Registers of the interrupted code, and what the processor said about its fault.
pub(super) struct Interrupted<'a>(&'a mut libc::mcontext_t);

impl<'a> Interrupted<'a> {
    /// The context of a signal handler.
    ///
    /// # Safety
    ///
    /// `context` is the third argument of a handler that was installed with `SA_SIGINFO`, which is still running.
    pub(super) unsafe fn new(context: *mut libc::c_void) -> Interrupted<'a> {
        // SAFETY: the kernel passes a `ucontext_t` there, which is the handler's until it returns.
        Interrupted(unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext })
    }

    /// The instruction that was interrupted.
    pub(super) fn pc(&self) -> usize {
        self.register(libc::REG_RIP)
    }

    /// Its stack pointer.
    pub(super) fn sp(&self) -> usize {
        self.register(libc::REG_RSP)
    }

    /// Its frame pointer.
    pub(super) fn fp(&self) -> usize {
        self.register(libc::REG_RBP)
    }

    /// Whether the exception was a page fault of a write. Only meaningful where an exception is what interrupted.
    pub(super) fn was_write(&self) -> bool {
        const PAGE_FAULT: usize = 14;
        const WRITE: usize = 2;
        self.register(libc::REG_TRAPNO) == PAGE_FAULT && self.register(libc::REG_ERR) & WRITE != 0
    }

    /// Makes the handler return to [`land`].
    pub(super) fn land(&mut self, saved: usize, status: usize) {
        self.set(libc::REG_RSP, saved);
        self.set(libc::REG_RDI, saved);
        self.set(libc::REG_RSI, status);
        self.set(libc::REG_RIP, land as *const () as usize);
    }

    fn register(&self, number: libc::c_int) -> usize {
        self.0.gregs[number as usize] as usize
    }

    fn set(&mut self, number: libc::c_int, value: usize) {
        self.0.gregs[number as usize] = value as libc::greg_t;
    }
}

/// First byte of `push rbp`, with which every guest function begins.
pub(super) const PUSH_FRAME_POINTER: u8 = 0x55;
/// `hlt`, which is what explicit traps in compiled code are: privileged, hence a fault.
pub(super) const HALT: u8 = 0xf4;
