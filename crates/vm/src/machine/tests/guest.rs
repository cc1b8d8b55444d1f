//! Guest code, an instance of it as small as can be, and how to call it.

use crate::machine::{
    Entry, GuestContext, Program, Progress, Ready, StackConfig, StackPool, Task, TaskRecord, Unwind, enter, start,
};
use hatchery_alloc::{
    AllocateError, FaultVerdict, GrowError, InstanceAllocator, LayoutRefused, OnDemand, PrepareError, Region,
    RegionKind, Slot, SlotLayout, Template,
};
use hatchery_image::abi::{HEADER_BYTES, RawVal, header};
use hatchery_image::artifact::ImageParts;
use hatchery_image::{
    CoreInstance, FuncType, FunctionRecord, Image, InstanceId, LayoutNeeds, LayoutPlan, TrapCode, Tunables, TypeId,
    TypeTable,
};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

// Every function is (rdi: vmctx, rsi: one parameter) -> rax. Traps are at the labels whose name begins with
// the function's and ends in `_trap`; `table` has the offset of each function and of its trap.
core::arch::global_asm!(
    ".pushsection .rodata.hatchery_test_guest, \"a\"",
    ".balign 64",
    "hatchery_test_guest:",
    // (vmctx, callee, values)
    "trampoline:",
    "  push rbp",
    "  mov rbp, rsp",
    "  push rbx",
    "  sub rsp, 8",
    "  mov rbx, rdx",
    "  mov rax, rsi",
    "  mov rsi, [rbx]",
    "  call rax",
    "  mov [rbx], rax",
    "  add rsp, 8",
    "  pop rbx",
    "  pop rbp",
    "  ret",
    // A thunk: calls the function whose address is where the host data is kept, as (vmctx, parameter).
    "thunk:",
    "  push rbp",
    "  mov rbp, rsp",
    "  mov rax, [rdi - 16]",
    "  mov [rax + 8], rbp",
    "  call [rdi - 56]",
    "  pop rbp",
    "  ret",
    // parameter + 1
    "increment:",
    "  push rbp",
    "  mov rbp, rsp",
    "  lea rax, [rsi + 1]",
    "  pop rbp",
    "  ret",
    // Ruins every register that it should have preserved, then traps.
    "halt:",
    "  push rbp",
    "  mov rbp, rsp",
    "  xor ebx, ebx",
    "  xor r12d, r12d",
    "  xor r13d, r13d",
    "  xor r14d, r14d",
    "  xor r15d, r15d",
    "halt_trap:",
    "  hlt",
    "undefined:",
    "  push rbp",
    "  mov rbp, rsp",
    "undefined_trap:",
    "  ud2",
    // 1 / parameter
    "divide:",
    "  push rbp",
    "  mov rbp, rsp",
    "  xor edx, edx",
    "  mov eax, 1",
    "divide_trap:",
    "  div rsi",
    "  pop rbp",
    "  ret",
    // The byte at this distance from vmctx.
    "load:",
    "  push rbp",
    "  mov rbp, rsp",
    "load_trap:",
    "  movzx eax, byte ptr [rdi + rsi]",
    "  pop rbp",
    "  ret",
    // The byte at this address.
    "peek:",
    "  push rbp",
    "  mov rbp, rsp",
    "peek_trap:",
    "  movzx eax, byte ptr [rsi]",
    "  pop rbp",
    "  ret",
    // As `load`, in an instruction that should not fault.
    "careless:",
    "  push rbp",
    "  mov rbp, rsp",
    "  movzx eax, byte ptr [rdi + rsi]",
    "  pop rbp",
    "  ret",
    // Adds one to the byte at this distance from vmctx and returns its new value.
    "store:",
    "  push rbp",
    "  mov rbp, rsp",
    "store_trap:",
    "  add byte ptr [rdi + rsi], 1",
    "  movzx eax, byte ptr [rdi + rsi]",
    "  pop rbp",
    "  ret",
    "recurse:",
    "  push rbp",
    "  mov rbp, rsp",
    "  call recurse",
    "  pop rbp",
    "  ret",
    // Frames of 40 pages, probed page by page.
    "huge:",
    "  push rbp",
    "  mov rbp, rsp",
    "  lea r11, [rsp - 163840]",
    "1: sub rsp, 4096",
    "  mov dword ptr [rsp], 0",
    "  cmp rsp, r11",
    "  jne 1b",
    "  call huge",
    "  mov rsp, rbp",
    "  pop rbp",
    "  ret",
    // host(parameter) + 1000
    "import:",
    "  push rbp",
    "  mov rbp, rsp",
    "  call thunk",
    "  add rax, 1000",
    "  pop rbp",
    "  ret",
    // Moves its stack pointer as near to the guard as its parameter says and waits for the byte at vmctx.
    "wait:",
    "  push rbp",
    "  mov rbp, rsp",
    "  mov rsp, rsi",
    "2: cmp byte ptr [rdi], 0",
    "  je 2b",
    "  mov eax, 1",
    "  mov rsp, rbp",
    "  pop rbp",
    "  ret",
    // Moves its stack pointer where its parameter says and calls `increment`.
    "brink:",
    "  push rbp",
    "  mov rbp, rsp",
    "  mov rsp, rsi",
    "  call increment",
    "  mov rsp, rbp",
    "  pop rbp",
    "  ret",
    // The sum of all that it was given by the host before a 0; keeps it in a register that switches must preserve.
    "sum:",
    "  push rbp",
    "  mov rbp, rsp",
    "  push rbx",
    "  push r12",
    "  xor ebx, ebx",
    "  mov r12, rdi",
    "3: mov rdi, r12",
    "  mov rsi, rbx",
    "  call thunk",
    "  add rbx, rax",
    "  test rax, rax",
    "  jne 3b",
    "  mov rax, rbx",
    "  pop r12",
    "  pop rbx",
    "  pop rbp",
    "  ret",
    "hatchery_test_guest_end:",
    ".balign 4",
    "hatchery_test_table:",
    "  .long increment - hatchery_test_guest, 0",
    "  .long halt - hatchery_test_guest, halt_trap - hatchery_test_guest",
    "  .long undefined - hatchery_test_guest, undefined_trap - hatchery_test_guest",
    "  .long divide - hatchery_test_guest, divide_trap - hatchery_test_guest",
    "  .long load - hatchery_test_guest, load_trap - hatchery_test_guest",
    "  .long peek - hatchery_test_guest, peek_trap - hatchery_test_guest",
    "  .long careless - hatchery_test_guest, 0",
    "  .long store - hatchery_test_guest, store_trap - hatchery_test_guest",
    "  .long recurse - hatchery_test_guest, 0",
    "  .long huge - hatchery_test_guest, 0",
    "  .long import - hatchery_test_guest, 0",
    "  .long wait - hatchery_test_guest, 0",
    "  .long brink - hatchery_test_guest, 0",
    "  .long sum - hatchery_test_guest, 0",
    "hatchery_test_table_end:",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "hatchery_test_guest"]
    safe static CODE: u8;
    #[link_name = "hatchery_test_guest_end"]
    safe static CODE_END: u8;
    #[link_name = "hatchery_test_table"]
    safe static TABLE: u32;
}

/// The functions above, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Increment,
    Halt,
    Undefined,
    Divide,
    Load,
    Peek,
    Careless,
    Store,
    Recurse,
    Huge,
    Import,
    Wait,
    Brink,
    Sum,
}

const FUNCTIONS: usize = Function::Sum as usize + 1;

impl Function {
    fn code_of_trap(index: usize) -> TrapCode {
        match index {
            i if i == Function::Divide as usize => TrapCode::IntegerDivideByZero,
            i if [Function::Load, Function::Peek, Function::Store].iter().any(|f| *f as usize == i) => {
                TrapCode::MemoryOutOfBounds
            }
            _ => TrapCode::Unreachable,
        }
    }

    /// The function with this index, for names in assertions.
    pub(super) fn index(self) -> u32 {
        self as u32
    }
}

fn table() -> [[u32; 2]; FUNCTIONS] {
    // SAFETY: the table has a pair for each function, in the order of the enum, aligned to four bytes.
    unsafe { (&raw const TABLE).cast::<[[u32; 2]; FUNCTIONS]>().read() }
}

/// The image of the code above. Function `n` has the wasm offset `1000 n`, its trap one more.
fn image() -> Image {
    let (start, end) = (&raw const CODE, &raw const CODE_END);
    // SAFETY: both symbols delimit the same section's bytes.
    let code = unsafe { std::slice::from_raw_parts(start, end.offset_from(start) as usize) };
    let table = table();
    let ends = table[1..].iter().map(|[start, _]| *start).chain([code.len() as u32]);
    let functions = table.iter().zip(ends).enumerate().map(|(index, ([start, _], end))| FunctionRecord {
        start: *start,
        length: end - start,
        instance: InstanceId(0),
        index: index as u32,
        ty: TypeId::from_index(0),
        name: None,
    });
    let trapping = || table.iter().enumerate().filter(|(_, [_, trap])| *trap != 0);
    let traps = trapping().map(|(index, [_, trap])| (*trap, Function::code_of_trap(index)));
    let mut addresses: Vec<(u32, u32)> =
        table.iter().enumerate().map(|(index, [start, _])| (*start, index as u32 * 1000)).collect();
    addresses.extend(trapping().map(|(index, [_, trap])| (*trap, index as u32 * 1000 + 1)));
    addresses.sort_unstable();
    let tunables = Tunables::default();
    let layout = LayoutPlan::new(&LayoutNeeds::default(), &tunables).expect("a layout of nothing");
    let mut parts = ImageParts {
        types: TypeTable::new(vec![FuncType::new([], [])]),
        entry_trampolines: vec![None],
        instances: vec![CoreInstance::default()],
        code: code.to_vec(),
        traps: traps.collect(),
        addresses,
        functions: functions.collect(),
        ..ImageParts::new(tunables, layout)
    };
    parts.traps.sort_unstable_by_key(|(offset, _)| *offset);
    Image::from_parts(&parts).expect("an image")
}

/// Bytes of the slot from vmctx on: two pages that can be used, then guard.
pub(super) const USABLE: i64 = 8192;
pub(super) const SLOT: i64 = 61440;

/// An allocator from outside, which counts.
#[derive(Debug)]
pub(super) struct Counting {
    inner: OnDemand,
    pub(super) asked: AtomicUsize,
    pub(super) opened: AtomicUsize,
    /// Whether the system lets no page be opened.
    pub(super) short: AtomicBool,
}

// SAFETY: everything is the inner allocator's, whose guarantees are kept; counting is async-signal-safe.
unsafe impl InstanceAllocator for Counting {
    fn validate(&self, layout: &SlotLayout) -> Result<(), LayoutRefused> {
        self.inner.validate(layout)
    }

    fn allocate(&self, template: &Arc<Template>) -> Result<Slot, AllocateError> {
        self.inner.allocate(template)
    }

    unsafe fn grow(&self, slot: &mut Slot, region: usize, accessible: usize) -> Result<(), GrowError> {
        // SAFETY: the caller's.
        unsafe { self.inner.grow(slot, region, accessible) }
    }

    unsafe fn prepare_write(&self, slot: &Slot, range: Range<usize>) -> Result<Range<usize>, PrepareError> {
        // SAFETY: the caller's.
        unsafe { self.inner.prepare_write(slot, range) }
    }

    unsafe fn write_fault(&self, slot: &Slot, address: usize) -> FaultVerdict {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.short.load(Ordering::Relaxed) {
            return FaultVerdict::Failed;
        }
        // SAFETY: the caller's.
        let verdict = unsafe { self.inner.write_fault(slot, address) };
        self.opened.fetch_add(usize::from(verdict == FaultVerdict::Retry), Ordering::Relaxed);
        verdict
    }

    unsafe fn release(&self, slot: Slot) {
        // SAFETY: the caller's.
        unsafe { self.inner.release(slot) }
    }
}

/// A host function: `(vmctx, parameter)`.
pub(super) type Host = unsafe extern "C" fn(*mut u8, i64) -> i64;

/// An instance with a stack.
pub(super) struct Session {
    // First, as it is dropped before what a suspended call refers to.
    pub(super) task: Task,
    #[expect(dead_code, reason = "only kept")]
    stacks: Arc<StackPool>,
    pub(super) allocator: Arc<Counting>,
    context: Box<GuestContext>,
    /// What the context refers to.
    #[expect(dead_code, reason = "only kept")]
    program: Box<Program>,
    slot: Option<Box<Slot>>,
    /// The values of a call that is suspended.
    values: Box<[RawVal; 1]>,
}

// SAFETY: a session is used by whoever has it, and what it points to is its own.
unsafe impl Send for Session {}

pub(super) fn pool() -> Arc<StackPool> {
    Arc::new(StackPool::new(StackConfig::default()).expect("pool"))
}

impl Session {
    pub(super) fn new() -> Session {
        Session::in_pool(&pool())
    }

    pub(super) fn in_pool(pool: &Arc<StackPool>) -> Session {
        let inner = OnDemand::strict();
        let allocator = Arc::new(Counting {
            inner,
            asked: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            short: AtomicBool::new(false),
        });
        let region = |offset, kind, bytes| Region { offset, kind, accessible: bytes, limit: bytes };
        let regions =
            [region(0, RegionKind::Volatile, HEADER_BYTES), region(HEADER_BYTES, RegionKind::Image, USABLE as usize)];
        let layout = SlotLayout::new(HEADER_BYTES + SLOT as usize, regions).expect("layout");
        let template = Arc::new(Template::new(layout, None, &[]).expect("template"));
        let slot = Box::new(allocator.allocate(&template).expect("slot"));
        let program = Box::new(Program { image: Arc::new(image()), allocator: allocator.clone() });
        // SAFETY: the slot is boxed and released when the session is dropped, after its task; so is the program.
        let context = Box::new(unsafe { GuestContext::new(&program, &raw const *slot) });
        // SAFETY: the session keeps the pool.
        let task = unsafe { Task::new(pool, crate::machine::Scrub::Keep) }.expect("task");
        Session {
            task,
            stacks: Arc::clone(pool),
            allocator,
            context,
            program,
            slot: Some(slot),
            values: Box::new([RawVal::ZERO]),
        }
    }

    pub(super) fn vmctx(&self) -> *mut u8 {
        let slot = self.slot.as_ref().expect("a slot until drop");
        // SAFETY: the header is what the slot begins with.
        unsafe { slot.base().as_ptr().add(HEADER_BYTES) }
    }

    pub(super) fn image(&self) -> &Arc<Image> {
        self.context.image()
    }

    /// Sets the function that `thunk` calls; it finds this session by [`Session::of`].
    pub(super) fn set_host(&self, host: Host) {
        self.set_header(header::HOST_DATA, host as *const () as u64);
    }

    /// The session whose `vmctx` this is.
    ///
    /// # Safety
    ///
    /// It is running.
    pub(super) unsafe fn of<'a>(vmctx: *mut u8) -> &'a Session {
        // SAFETY: written by `entry`, and a session does not move while it is called.
        unsafe { &**vmctx.offset(header::INSTANCE as isize).cast::<*const Session>() }
    }

    fn set_header(&self, offset: i32, word: u64) {
        // SAFETY: a word of the header page, which is always writable.
        unsafe { self.vmctx().offset(offset as isize).cast::<u64>().write(word) }
    }

    pub(super) fn record(&self) -> NonNull<TaskRecord> {
        self.task.record()
    }

    fn entry(&self, function: Function, values: *mut RawVal) -> Entry<'_> {
        self.set_header(header::TASK, self.record().as_ptr() as u64);
        self.set_header(header::INSTANCE, self as *const Session as u64);
        let base = self.image().text().base();
        // SAFETY: the trampoline is the first thing in the text, and it is one.
        let trampoline = unsafe { std::mem::transmute::<*const u8, crate::machine::Trampoline>(base) };
        let callee = base.wrapping_add(table()[function as usize][0] as usize);
        Entry { guest: &self.context, trampoline, vmctx: self.vmctx(), callee, args: values }
    }

    /// Calls a function of the guest.
    pub(super) fn call(&self, function: Function, parameter: i64) -> Result<i64, Box<Unwind>> {
        let mut values = [RawVal { i64: parameter }];
        let entry = self.entry(function, values.as_mut_ptr());
        // SAFETY: the entry's parts belong together. Host functions of these tests own nothing when they raise.
        unsafe { enter(self.record(), &entry, Ready::here()) }?;
        // SAFETY: every bit pattern is an `i64`.
        Ok(unsafe { values[0].i64 })
    }

    /// As [`Session::call`], many times, without looking at the result.
    pub(super) fn repeat(&self, function: Function, parameter: i64, times: usize) -> usize {
        let mut values = [RawVal { i64: parameter }];
        let entry = self.entry(function, values.as_mut_ptr());
        // SAFETY: as in `call`.
        (0..times).filter(|_| unsafe { enter(self.record(), &entry, Ready::here()) }.is_err()).count()
    }

    /// Starts a call that may be suspended. The session must not move until it has ended.
    pub(super) fn start(&mut self, function: Function, parameter: i64) -> Progress {
        self.values[0] = RawVal { i64: parameter };
        let values = self.values.as_mut_ptr();
        let entry = self.entry(function, values);
        // SAFETY: as in `call`; all that the entry names is boxed and lives as long as the session, whose task goes first.
        unsafe { start(self.record(), &entry) }
    }

    /// The result of a call that was started and is done.
    pub(super) fn result(&self) -> i64 {
        // SAFETY: every bit pattern is an `i64`.
        unsafe { self.values[0].i64 }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A suspended call refers to the slot: end it now.
        // SAFETY: the record is the session's own.
        let _ = unsafe { crate::machine::resume(self.record(), crate::machine::Resume::Cancel) };
        let slot = *self.slot.take().expect("a slot until drop");
        // SAFETY: the slot is this allocator's, and with the task idle nothing points into it.
        unsafe { self.allocator.release(slot) }
    }
}
