//! Takes everything out of an idle instance that makes it what it is.

use crate::image::{self, Progress};
use crate::work::Job;
use hatchery_image::{MemoryId, PagesBuilder, TableId};
use hatchery_vm::Access;

/// The instance's bytes and lengths, after these jobs; `None` while a call is on a stack.
pub(crate) fn capture<T>(access: &Access<'_, T>, done: Vec<Job>) -> Option<Progress> {
    let mut pages = PagesBuilder::new();
    access.capture()?.for_each(|(offset, bytes)| pages.write(offset, bytes));
    let memories = 0..image::memory_minimums(access.image()).count() as u32;
    let tables = 0..image::table_minimums(access.image()).count() as u32;
    let memory = |number| access.memory_bytes(MemoryId(number)).map_or(0, |bytes| bytes.len() as u64);
    let table = |number| access.table_len(TableId(number)).unwrap_or(0);
    Some(Progress { pages, memories: memories.map(memory).collect(), tables: tables.map(table).collect(), done })
}
