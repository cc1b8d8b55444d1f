//! Putting bytes back, through the caches or around them.
//!
//! A slot whose turn comes again soon is in a cache, and a copy that goes through it is as fast as one can be. Where many
//! slots take turns, the copy has to fetch each line from memory first, only to overwrite it, and it pushes out
//! what others need. Stores that bypass the caches do neither, for half the time; but what the next user touches of
//! the pages comes from memory then, and lines that the last one wrote, which are in a cache, have to leave it first. So a
//! slot's pages go around the caches when both hold: this thread put back more than a cache has room for since it reset
//! the slot last, and users write only a little of each page.

use crate::attachment::Run;
use crate::free::thread;
use core::arch::x86_64::{__m128i, _mm_load_si128, _mm_setzero_si128, _mm_sfence, _mm_stream_si128};
use core::cell::Cell;

/// Bytes put back between two resets of a slot from which on it is unlikely to be in a cache: half of what cores
/// of servers share of one, or more than they have each.
const FAR: u64 = 12 << 20;

/// What is written at a time where the caches are bypassed: a line of them.
const LINE: usize = 64;

thread_local! {
    /// Bytes that this thread put back so far.
    static WAY: Cell<u64> = const { Cell::new(0) };
}

/// When a slot was reset last: by which thread, and how much that had put back until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Milestone {
    thread: u32,
    way: u64,
}

/// How bytes are put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As any copy.
    Cached,
    /// Around the caches.
    Streamed,
}

impl Milestone {
    /// Notes that the slot is reset now, by putting back this many bytes. Says whether that is long after the last time:
    /// whether it left the caches, as far as can be told.
    #[inline]
    pub(crate) fn pass(&mut self, bytes: usize) -> bool {
        let now = Milestone { thread: thread::number(), way: WAY.get().wrapping_add(bytes as u64) };
        WAY.set(now.way);
        let last = core::mem::replace(self, now);
        // Ways of different threads cannot be compared.
        last.thread == now.thread && now.way.wrapping_sub(last.way) >= FAR
    }
}

/// Puts back what a run covers.
///
/// # Safety
///
/// The run lies in accessible, writable pages of a slot that the caller owns and nobody uses (P2, C3); its source is
/// null or readable for its whole length, elsewhere.
#[inline]
pub(super) unsafe fn put_back(run: &Run) {
    if run.from.is_null() {
        // SAFETY: the caller's.
        unsafe { run.to.write_bytes(0, run.len) }
    } else {
        // SAFETY: the caller's.
        unsafe { run.from.copy_to_nonoverlapping(run.to, run.len) }
    }
}

/// Puts back what runs of whole pages cover, around the caches.
///
/// # Safety
///
/// As [`put_back`], for each; the runs and their sources begin and end with pages.
#[inline(never)]
pub(super) unsafe fn stream(runs: &[Run]) {
    for run in runs {
        // SAFETY: the caller's.
        unsafe { stream_one(run) }
    }
    // SAFETY: all x86-64 has SSE. Such stores are not ordered with those that pass the slot on (P2), but for this.
    unsafe { _mm_sfence() }
}

/// # Safety
///
/// As [`stream`]; and the caller orders the stores before it passes the slot on.
unsafe fn stream_one(run: &Run) {
    debug_assert!(run.to.addr().is_multiple_of(LINE) && run.len.is_multiple_of(LINE), "whole pages");
    for at in (0..run.len).step_by(size_of::<__m128i>()) {
        // SAFETY: the caller's: pages are aligned and hold a number of such words; all x86-64 has SSE2.
        unsafe {
            let word = match run.from.is_null() {
                true => _mm_setzero_si128(),
                false => _mm_load_si128(run.from.add(at).cast()),
            };
            _mm_stream_si128(run.to.add(at).cast(), word);
        }
    }
}

/// How many lines of a page are looked at to see how much of it was written.
pub(super) const PROBES: usize = 4;

/// How many of some lines of a page are not as they should be.
pub(super) fn probe(is: &[u8], should: &[u8]) -> usize {
    // Neither the first lines nor the last ones, where headers and ends of stacks are.
    let lines = (1..=PROBES).map(|i| i * (is.len() / LINE) / (PROBES + 1) * LINE);
    lines.filter(|at| is[*at..at + LINE] != should[*at..at + LINE]).count()
}
