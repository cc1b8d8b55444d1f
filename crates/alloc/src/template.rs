//! What slots are made from.

#![expect(unsafe_code, reason = "one constructor trusts its caller that a file will not change")]

use crate::hints::Hints;
use crate::layout::{PAGE, RegionKind, SlotLayout};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use rustix::fs::SealFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A contiguous range of the slot that the template's file holds; all in bytes and whole pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// First byte, from the slot's base.
    pub slot_offset: usize,
    /// First byte in the file.
    pub file_offset: u64,
    /// Length.
    pub len: usize,
}

impl Run {
    /// The range of the slot.
    pub fn range(&self) -> Range<usize> {
        self.slot_offset..self.slot_offset + self.len
    }
}

/// A template's number, unique in the process: what allocators key their stocks by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateId(u64);

impl TemplateId {
    fn next() -> TemplateId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only uniqueness matters, nothing is published through the number.
        TemplateId(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There are runs and no file.
    #[error("there are contents but no file that holds them")]
    NoFile,
    /// A run does not consist of whole pages, overlaps the one before it, or ends behind the slot.
    #[error("run {run} is not a range of whole pages of the slot behind the one before it")]
    Run {
        /// Position in the list.
        run: usize,
    },
    /// A run ends behind the file.
    #[error("run {run} ends at byte {end} of a file of {bytes} bytes")]
    ShortFile {
        /// Position in the list.
        run: usize,
        /// Where it ends in the file.
        end: u64,
        /// The file's size.
        bytes: u64,
    },
    /// The file is not sealed against writing and shrinking.
    #[error("the file that holds the contents is not sealed against changes")]
    NotSealed,
    /// The kernel refused.
    #[error("cannot inspect the file that holds the contents: {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// What slots are made from: a layout, and the initial contents of its image regions.
///
/// Invariant: the pieces are whole pages inside accessible parts of image regions, ascending, disjoint, and
/// inside the file, whose bytes do not change while the template lives.
#[derive(Debug)]
pub struct Template {
    id: TemplateId,
    layout: SlotLayout,
    file: Option<OwnedFd>,
    pieces: Box<[Run]>,
    hints: Hints,
}

impl Template {
    /// A template whose contents are in a sealed memfd. Parts of runs that lie outside the accessible part of
    /// every image region are ignored: they are the zeros that bridge a gap.
    ///
    /// # Errors
    ///
    /// When the runs do not fit the layout or the file, or the file could still be changed.
    pub fn new(layout: SlotLayout, file: Option<OwnedFd>, runs: &[Run]) -> Result<Template, TemplateError> {
        if let Some(file) = &file {
            let seals = rustix::fs::fcntl_get_seals(file).map_err(|_| TemplateError::NotSealed)?;
            if !seals.contains(SealFlags::WRITE | SealFlags::SHRINK) {
                return Err(TemplateError::NotSealed);
            }
        }
        // SAFETY: the seals are there and can never be taken back.
        unsafe { Template::new_unsealed(layout, file, runs) }
    }

    /// As [`Template::new`], for a file that the caller vouches for.
    ///
    /// # Safety
    ///
    /// While the template or a slot of it lives, the file neither shrinks nor changes.
    ///
    /// # Errors
    ///
    /// When the runs do not fit the layout or the file.
    pub unsafe fn new_unsealed(
        layout: SlotLayout,
        file: Option<OwnedFd>,
        runs: &[Run],
    ) -> Result<Template, TemplateError> {
        check_runs(&layout, runs)?;
        check_file(file.as_ref(), runs)?;
        let pieces = runs.iter().flat_map(|run| pieces_of(&layout, *run)).collect();
        Ok(Template { id: TemplateId::next(), layout, file, pieces, hints: Hints::default() })
    }

    /// The same template, with what its maker knows about those who will use its slots.
    pub fn with_hints(mut self, hints: Hints) -> Template {
        self.hints = hints;
        self
    }

    /// What its maker knows about those who will use its slots.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Its number.
    pub fn id(&self) -> TemplateId {
        self.id
    }

    /// What its slots consist of.
    pub fn layout(&self) -> &SlotLayout {
        &self.layout
    }

    /// The file with the contents.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// The parts of the runs that lie in accessible parts of image regions, by ascending offset. Each is a
    /// mapping of every slot; there is a file if there is one of these.
    pub fn pieces(&self) -> &[Run] {
        &self.pieces
    }
}

fn check_runs(layout: &SlotLayout, runs: &[Run]) -> Result<(), TemplateError> {
    let mut free = 0;
    for (run, r) in runs.iter().enumerate() {
        let whole = [r.slot_offset, r.file_offset as usize, r.len].iter().all(|n| n.is_multiple_of(PAGE));
        let end = r.slot_offset.checked_add(r.len).filter(|end| r.slot_offset >= free && *end <= layout.bytes());
        match end {
            Some(end) if whole => free = end,
            _ => return Err(TemplateError::Run { run }),
        }
    }
    Ok(())
}

fn check_file(file: Option<&OwnedFd>, runs: &[Run]) -> Result<(), TemplateError> {
    if runs.is_empty() {
        return Ok(());
    }
    let file = file.ok_or(TemplateError::NoFile)?;
    let stat = rustix::fs::fstat(file).map_err(|e| TemplateError::System { step: "fstat", source: e.into() })?;
    let bytes = stat.st_size as u64;
    for (run, r) in runs.iter().enumerate() {
        let end = r.file_offset.saturating_add(r.len as u64);
        if end > bytes {
            return Err(TemplateError::ShortFile { run, end, bytes });
        }
    }
    Ok(())
}

/// The parts of a run that slots map.
fn pieces_of(layout: &SlotLayout, run: Run) -> impl Iterator<Item = Run> + '_ {
    layout.regions().iter().filter(|region| region.kind == RegionKind::Image).filter_map(move |region| {
        let inside = region.accessible_range();
        let start = inside.start.max(run.slot_offset);
        let end = inside.end.min(run.range().end);
        let file_offset = run.file_offset + start.saturating_sub(run.slot_offset) as u64;
        (start < end).then(|| Run { slot_offset: start, file_offset, len: end - start })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Region;
    use rustix::fs::MemfdFlags;

    fn layout() -> SlotLayout {
        let region = |offset, kind, accessible, limit| Region { offset, kind, accessible, limit };
        SlotLayout::new(
            16 * PAGE,
            [
                region(0, RegionKind::Volatile, PAGE, PAGE),
                region(PAGE, RegionKind::Image, 2 * PAGE, 2 * PAGE),
                region(5 * PAGE, RegionKind::Image, 3 * PAGE, 8 * PAGE),
            ],
        )
        .expect("layout")
    }

    fn memfd(pages: usize, seals: SealFlags) -> OwnedFd {
        let fd = rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
        rustix::fs::ftruncate(&fd, (pages * PAGE) as u64).expect("ftruncate");
        rustix::fs::fcntl_add_seals(&fd, seals).expect("seal");
        fd
    }

    fn sealed(pages: usize) -> Option<OwnedFd> {
        Some(memfd(pages, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW))
    }

    #[test]
    fn a_run_over_header_guard_and_tail_is_cut_to_what_slots_map() {
        let run = Run { slot_offset: 0, file_offset: 0, len: 12 * PAGE };
        let template = Template::new(layout(), sealed(12), &[run]).expect("template");
        assert_eq!(
            template.pieces(),
            [
                Run { slot_offset: PAGE, file_offset: PAGE as u64, len: 2 * PAGE },
                Run { slot_offset: 5 * PAGE, file_offset: 5 * PAGE as u64, len: 3 * PAGE },
            ]
        );
    }

    #[test]
    fn a_file_that_could_change_is_refused() {
        let run = Run { slot_offset: PAGE, file_offset: 0, len: PAGE };
        let writable = memfd(1, SealFlags::SHRINK);
        assert!(matches!(Template::new(layout(), Some(writable), &[run]), Err(TemplateError::NotSealed)));
        let shrinkable = memfd(1, SealFlags::WRITE);
        assert!(matches!(Template::new(layout(), Some(shrinkable), &[run]), Err(TemplateError::NotSealed)));
    }

    #[test]
    fn runs_must_fit_slot_and_file() {
        let run = |slot_offset, len| Run { slot_offset, file_offset: 0, len };
        let of = |runs: &[Run]| Template::new(layout(), sealed(4), runs);
        assert!(matches!(of(&[run(1, PAGE)]), Err(TemplateError::Run { run: 0 })));
        assert!(matches!(of(&[run(15 * PAGE, 2 * PAGE)]), Err(TemplateError::Run { run: 0 })));
        assert!(matches!(of(&[run(PAGE, PAGE), run(PAGE, PAGE)]), Err(TemplateError::Run { run: 1 })));
        assert!(matches!(of(&[run(PAGE, 5 * PAGE)]), Err(TemplateError::ShortFile { run: 0, .. })));
        assert!(matches!(Template::new(layout(), None, &[run(PAGE, PAGE)]), Err(TemplateError::NoFile)));
    }

    #[test]
    fn numbers_are_unique() {
        let of = || Template::new(layout(), None, &[]).expect("template").id();
        assert_ne!(of(), of());
    }
}
