//! The services that compiled code calls through the header's table.
//!
//! Each is an `extern "C"` function on the guest's stack, called through a thunk that stored the exit frame.
//! It turns its arguments into a call of [`Inner`] and a [`Stop`] into a trap, which it raises from a frame
//! that owns nothing (rule 2 of [`machine`](crate::machine)). None of them panics: the numbers they are given are the
//! compiler's.

#![expect(unsafe_code, reason = "is called by compiled code")]

use crate::exception_search::Search;
use crate::exceptions::Thrown;
use crate::header::Vmctx;
use crate::instance::Inner;
use crate::machine::{HostFailure, Raise, find, go_on, raise};
use crate::stop::Stop;
use core::ptr::NonNull;
use hatchery_image::abi::{Builtin, RawVal};
use hatchery_image::{DataSegmentId, ElemSegmentId, MemoryId, TableId, TagId, TrapCode};

/// Addresses of the built-ins, in the order of their numbers.
struct Table([*const u8; Builtin::ALL.len()]);

// SAFETY: addresses of functions, never written.
unsafe impl Sync for Table {}

static TABLE: Table = Table([
    memory_grow as *const u8,
    memory_fill as *const u8,
    memory_copy as *const u8,
    memory_init as *const u8,
    data_drop as *const u8,
    table_grow as *const u8,
    table_fill as *const u8,
    table_copy as *const u8,
    table_init as *const u8,
    elem_drop as *const u8,
    out_of_fuel as *const u8,
    raise_code as *const u8,
    fma_f32 as *const u8,
    fma_f64 as *const u8,
    throw as *const u8,
    throw_ref as *const u8,
]);

/// What the header's word points to.
pub(crate) fn table() -> *const *const u8 {
    TABLE.0.as_ptr()
}

/// What compiled code passes first.
type Context = *mut u8;

/// # Safety
///
/// Guest code of a live instance called the built-in with this context.
unsafe fn inner<'a>(context: Context) -> &'a Inner {
    // SAFETY: promised; compiled code passes the context that it was entered with (H1, H2). I1: the instance
    // outlives its running code.
    unsafe { Vmctx::new(NonNull::new_unchecked(context)).instance().as_ref() }
}

/// Raises what `stop` says.
///
/// # Safety
///
/// As for [`inner`]; no frame up to the thunk owns anything.
#[cold]
#[inline(never)]
unsafe fn end(context: Context, stop: Stop) -> ! {
    let reason = match stop {
        Stop::Trap(code) => Raise::Trap(code),
        Stop::About(code, detail) => Raise::About(code, detail),
        Stop::Withdrawn => Raise::Withdrawn,
        Stop::Pages(error) => Raise::Host(HostFailure::Error(error.into())),
    };
    // SAFETY: promised; the task is the one that runs, as the guest called here.
    unsafe { raise(Vmctx::new(NonNull::new_unchecked(context)).task(), reason) }
}

/// Returns to the guest, or ends its activation.
///
/// # Safety
///
/// As for [`end`].
#[inline(always)]
unsafe fn done(context: Context, result: Result<(), Stop>) {
    if let Err(stop) = result {
        // SAFETY: promised; `stop` is moved.
        unsafe { end(context, stop) }
    }
}

/// The result of a growth.
fn grown(old: Option<u64>) -> i64 {
    old.map_or(-1, |old| old as i64)
}

unsafe extern "C" fn memory_grow(context: Context, memory: u32, delta: u64) -> i64 {
    // SAFETY: called by guest code.
    grown(unsafe { inner(context) }.memory_grow(MemoryId(memory), delta))
}

unsafe extern "C" fn memory_fill(context: Context, memory: u32, to: u64, value: u32, length: u64) {
    // SAFETY: called by guest code; nothing here is owned.
    unsafe { done(context, inner(context).memory_fill(MemoryId(memory), to, value as u8, length)) }
}

unsafe extern "C" fn memory_copy(context: Context, to_memory: u32, from_memory: u32, to: u64, from: u64, length: u64) {
    let (to, from) = ((MemoryId(to_memory), to), (MemoryId(from_memory), from));
    // SAFETY: as above.
    unsafe { done(context, inner(context).memory_copy(to, from, length)) }
}

unsafe extern "C" fn memory_init(context: Context, segment: u32, memory: u32, to: u64, from: u32, length: u32) {
    let to = (MemoryId(memory), to);
    // SAFETY: as above.
    unsafe { done(context, inner(context).memory_init(DataSegmentId(segment), to, from, length)) }
}

unsafe extern "C" fn data_drop(context: Context, segment: u32) {
    // SAFETY: as above.
    unsafe { done(context, inner(context).data_drop(DataSegmentId(segment))) }
}

unsafe extern "C" fn table_grow(context: Context, table: u32, init: u64, delta: u64) -> i64 {
    // SAFETY: as above.
    grown(unsafe { inner(context) }.table_grow(TableId(table), init, delta))
}

unsafe extern "C" fn table_fill(context: Context, table: u32, to: u64, value: u64, length: u64) {
    // SAFETY: as above.
    unsafe { done(context, inner(context).table_fill(TableId(table), to, value, length)) }
}

unsafe extern "C" fn table_copy(context: Context, to_table: u32, from_table: u32, to: u64, from: u64, length: u64) {
    let (to, from) = ((TableId(to_table), to), (TableId(from_table), from));
    // SAFETY: as above.
    unsafe { done(context, inner(context).table_copy(to, from, length)) }
}

unsafe extern "C" fn table_init(context: Context, segment: u32, table: u32, to: u64, from: u32, length: u32) {
    let to = (TableId(table), to);
    // SAFETY: as above.
    unsafe { done(context, inner(context).table_init(ElemSegmentId(segment), to, from, length)) }
}

unsafe extern "C" fn elem_drop(context: Context, segment: u32) {
    // SAFETY: as above.
    unsafe { done(context, inner(context).elem_drop(ElemSegmentId(segment))) }
}

unsafe extern "C" fn out_of_fuel(context: Context) {
    // SAFETY: as above.
    unsafe { end(context, Stop::Trap(TrapCode::OutOfFuel)) }
}

unsafe extern "C" fn raise_code(context: Context, code: u32, detail: u32) {
    // A number that is no code is the compiler's fault, and stops the guest as well.
    let code = u8::try_from(code).ok().and_then(TrapCode::from_number).unwrap_or(TrapCode::Unreachable);
    // SAFETY: as above.
    unsafe { end(context, Stop::About(code, detail)) }
}

extern "C" fn fma_f32(_: Context, a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

extern "C" fn fma_f64(_: Context, a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

unsafe extern "C" fn throw(context: Context, tag: u32, values: *const RawVal, count: u32) {
    // SAFETY: called by guest code, which stored as many values there as it says.
    let values = if count == 0 { &[] } else { unsafe { core::slice::from_raw_parts(values, count as usize) } };
    // SAFETY: as above; nothing here is owned.
    unsafe {
        let thrown = inner(context).exceptions.borrow_mut().throw(TagId(tag), values);
        unwind(context, thrown)
    }
}

unsafe extern "C" fn throw_ref(context: Context, exception: u64) {
    // SAFETY: as above.
    unsafe {
        let thrown = inner(context).exceptions.borrow().throw_again(exception);
        match thrown {
            Some(thrown) => unwind(context, thrown),
            // A word that refers to nothing is the compiler's fault, and stops the guest as well.
            None => end(context, Stop::Trap(TrapCode::NullExceptionReference)),
        }
    }
}

/// Goes on where an exception is caught, or ends the guest's activation.
///
/// # Safety
///
/// As for [`end`].
#[cold]
#[inline(never)]
unsafe fn unwind(context: Context, thrown: Thrown) -> ! {
    // SAFETY: promised; the task is the one that runs, as the guest called here.
    unsafe {
        let inner = inner(context);
        let mut search = Search::new(inner);
        let fate = find(Vmctx::new(NonNull::new_unchecked(context)).task(), thrown.tag, |at| search.looked(at));
        let arrived = fate.and_then(|fate| inner.arrive(thrown, fate));
        match arrived.and_then(|arrived| search.pay().map(|()| arrived)) {
            Ok((landing, reference, values)) => go_on(landing, reference, values),
            Err(stop) => end(context, stop),
        }
    }
}
