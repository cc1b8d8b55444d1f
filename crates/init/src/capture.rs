//! Takes everything out of an idle instance that makes it what it is.

use crate::image::{self, Progress};
use crate::roots::Refusal;
use crate::work::Job;
use hatchery_image::{MAX_RUNS, MemoryId, PagesBuilder, TableId};
use hatchery_vm::Access;
use std::time::{Duration, Instant};

/// The instance's bytes and lengths, after these jobs. It is a step like theirs, and has as much time: the guest decides how
/// much there is to copy.
///
/// # Errors
///
/// While a call is on a stack; when time is up; when pages lie so far apart that no slot should map them.
pub(crate) fn capture<T>(
    access: &Access<'_, T>,
    deadline: Option<Duration>,
    done: Vec<Job>,
) -> Result<Progress, Refusal> {
    let (begun, mut pages) = (Instant::now(), PagesBuilder::new());
    for part in access.capture().ok_or(Refusal::Busy)? {
        if deadline.is_some_and(|deadline| begun.elapsed() > deadline) {
            return Err(Refusal::Slow);
        }
        part.into_iter().for_each(|(offset, bytes)| pages.write(offset, bytes));
    }
    let runs = pages.runs().len();
    if runs > MAX_RUNS {
        return Err(Refusal::Scattered { runs });
    }
    let memories = 0..image::memory_minimums(access.image()).count() as u32;
    let tables = 0..image::table_minimums(access.image()).count() as u32;
    let memory = |number| access.memory_bytes(MemoryId(number)).map_or(0, |bytes| bytes.len() as u64);
    let table = |number| access.table_len(TableId(number)).unwrap_or(0);
    Ok(Progress { pages, memories: memories.map(memory).collect(), tables: tables.map(table).collect(), done })
}
