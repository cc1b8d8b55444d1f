//! What no reset by copying could do without: a copy of as many pages as initialization and call write.

use super::guests::Work;
use super::{Start, ours};
use crate::cycle::guests::PAGE;
use crate::measure::{Side, computing};
use anyhow::Context;
use std::hint::black_box;

/// Such a copy, and how many pages it has.
pub(super) fn copy(work: &Work, start: Start) -> anyhow::Result<(Side, usize)> {
    let pages = written(work, start)?;
    let (original, mut copy) = (vec![1_u8; pages * PAGE], vec![2_u8; pages * PAGE]);
    let side = computing(move |count| {
        for _ in 0..count {
            copy.copy_from_slice(black_box(&original));
            black_box(&mut copy);
        }
    });
    Ok((side, pages))
}

/// Pages that an instance has of its own after the call: the kernel counts what was copied on write, and what was
/// written where nothing was.
fn written(work: &Work, start: Start) -> anyhow::Result<usize> {
    let fresh = ours::fresh(work, start)?;
    // The first brings everything in that is not the instance's.
    drop(fresh()?);
    let before = anonymous()?;
    let instance = fresh()?;
    let pages = anonymous()?.saturating_sub(before) / PAGE;
    drop(instance);
    Ok(pages)
}

/// Bytes of this process that are no file's.
fn anonymous() -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib: usize =
        line.and_then(|line| line.split_whitespace().next()).context("the kernel does not say")?.parse()?;
    Ok(kib * 1024)
}
