//! A slot under test beside a model of it that is too simple to be wrong.

use super::maps::stretches;
use crate::{FaultVerdict, GrowError, InstanceAllocator, PAGE, PrepareError, RegionKind, Slot, SlotLayout, Template};
use core::ops::Range;
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A template, and what its slots must contain.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) template: Arc<Template>,
    contents: Arc<[u8]>,
}

impl Sample {
    /// Slots of this layout, with a byte pattern wherever a run of `runs` lies.
    pub(super) fn new(layout: SlotLayout, runs: &[Range<usize>], seed: u8) -> Sample {
        let mut contents = vec![0; layout.bytes()];
        let mut stored = Vec::new();
        let mut list = Vec::new();
        for range in runs {
            list.push(crate::Run { slot_offset: range.start, file_offset: stored.len() as u64, len: range.len() });
            stored.extend(range.clone().map(|at| (at / 7) as u8 ^ seed ^ (at / PAGE) as u8));
        }
        let template = Template::new(layout, memfd(&stored), &list).expect("a sound template");
        for piece in template.pieces() {
            let from = piece.file_offset as usize;
            contents[piece.range()].copy_from_slice(&stored[from..from + piece.len]);
        }
        Sample { template: Arc::new(template), contents: contents.into() }
    }
}

fn memfd(bytes: &[u8]) -> Option<std::os::fd::OwnedFd> {
    if bytes.is_empty() {
        return None;
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("conformance", flags).expect("memfd"));
    file.write_all_at(bytes, 0).expect("write");
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW).expect("seal");
    Some(file.into())
}

/// A slot and its model: a plain vector of its bytes, and how much of each region is accessible.
///
/// Invariant: this is the only user of the slot, on one thread at a time (C2), and the allocator is the one that
/// made it (C1). No reference into the slot outlives a method (C3), and stores go to prepared ranges (C4).
pub(super) struct Subject<'a> {
    allocator: &'a dyn InstanceAllocator,
    slot: Slot,
    /// What the slot contained at first.
    contents: Arc<[u8]>,
    bytes: Vec<u8>,
    accessible: Vec<usize>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(allocator: &'a dyn InstanceAllocator, sample: &Sample) -> Subject<'a> {
        let slot = allocator.allocate(&sample.template).expect("a slot");
        Subject::of(allocator, slot, sample)
    }

    pub(super) fn of(allocator: &'a dyn InstanceAllocator, slot: Slot, sample: &Sample) -> Subject<'a> {
        assert!((slot.base().as_ptr() as usize).is_multiple_of(PAGE), "G1: a slot starts at a page");
        let accessible = slot.layout().regions().iter().map(|region| region.accessible).collect();
        let (contents, bytes) = (sample.contents.clone(), sample.contents.to_vec());
        let subject = Subject { allocator, slot, contents, bytes, accessible };
        subject.check();
        subject
    }

    pub(super) fn address(&self, offset: usize) -> usize {
        self.slot.base().as_ptr() as usize + offset
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.address(0)..self.address(self.bytes.len())
    }

    pub(super) fn layout(&self) -> &SlotLayout {
        self.slot.layout()
    }

    /// The accessible part of a region.
    pub(super) fn accessible(&self, region: usize) -> Range<usize> {
        let start = self.layout().regions()[region].offset;
        start..start + self.accessible[region]
    }

    fn is_accessible(&self, range: &Range<usize>) -> bool {
        (0..self.accessible.len()).any(|region| {
            let part = self.accessible(region);
            part.start <= range.start && range.start <= range.end && range.end <= part.end
        })
    }

    /// Prepares a range and fills it when that is allowed; both must agree with the model.
    pub(super) fn write(&mut self, range: Range<usize>, value: u8) {
        // SAFETY: the type's invariant is C1 and C2.
        let prepared = unsafe { self.allocator.prepare_write(&self.slot, range.clone()) };
        if !self.is_accessible(&range) {
            assert!(matches!(prepared, Err(PrepareError::OutOfRange { .. })), "{range:x?} is not accessible");
            return;
        }
        let prepared = prepared.unwrap_or_else(|error| panic!("{range:x?} is accessible: {error}"));
        assert!(prepared.start <= range.start && range.end <= prepared.end, "{range:x?} is not in {prepared:x?}");
        assert!(self.is_accessible(&prepared), "{prepared:x?}, given for {range:x?}, is not all accessible");
        assert!(self.is_writable(prepared.clone()), "{prepared:x?}, given for {range:x?}, is not all writable");
        self.store(range, value);
    }

    /// Fills a prepared range.
    fn store(&mut self, range: Range<usize>, value: u8) {
        self.bytes[range.clone()].fill(value);
        // SAFETY: the caller had the range prepared, so it is accessible and writable; the slot is ours alone.
        unsafe { self.slot.base().as_ptr().add(range.start).write_bytes(value, range.len()) };
    }

    /// Acts as a signal handler and a guest's store would: asks about a fault at `offset`, then stores there.
    pub(super) fn fault(&mut self, offset: usize, value: u8) {
        // SAFETY: the type's invariant is C1 and C2.
        let verdict = unsafe { self.allocator.write_fault(&self.slot, self.address(offset)) };
        let region = self.layout().region_at(offset).filter(|_| self.is_accessible(&(offset..offset + 1)));
        let Some(region) = region else {
            assert_eq!(verdict, FaultVerdict::Refused, "G5: {offset:#x} is not accessible");
            return;
        };
        if self.layout().regions()[region].kind == RegionKind::Volatile {
            assert_eq!(verdict, FaultVerdict::Refused, "G5: a volatile page is never protected");
        }
        assert!(
            self.is_writable(offset..offset + 1),
            "G5: a page is writable after its fault was answered, or was before"
        );
        // SAFETY: as above.
        let again = unsafe { self.allocator.write_fault(&self.slot, self.address(offset)) };
        assert_eq!(again, FaultVerdict::Refused, "G5: a page that is writable has no write fault");
        self.store(offset..offset + 1, value);
    }

    fn is_writable(&self, range: Range<usize>) -> bool {
        stretches(self.address(range.start)..self.address(range.end)).iter().all(|stretch| stretch.write)
    }

    /// Grows a region where the layout allows it; otherwise that must be refused.
    pub(super) fn grow(&mut self, region: usize, accessible: usize) {
        // SAFETY: the type's invariant is C1 and C2.
        let grown = unsafe { self.allocator.grow(&mut self.slot, region, accessible) };
        let Some(limit) = self.layout().regions().get(region).map(|r| r.limit) else {
            assert!(matches!(grown, Err(GrowError::Region { .. })), "there is no region {region}");
            return;
        };
        if accessible > limit {
            assert!(matches!(grown, Err(GrowError::Limit { .. })), "{accessible} bytes exceed the limit");
        } else if !accessible.is_multiple_of(PAGE) {
            assert!(matches!(grown, Err(GrowError::Unaligned { .. })), "{accessible} bytes are no pages");
        } else {
            grown.unwrap_or_else(|error| panic!("growth to {accessible} of {limit} bytes: {error}"));
            self.accessible[region] = self.accessible[region].max(accessible);
        }
    }

    /// Compares all bytes and all protections with the model.
    pub(super) fn check(&self) {
        for region in 0..self.accessible.len() {
            let part = self.accessible(region);
            // SAFETY: accessible parts are readable (G3), and nobody writes them while we look.
            let bytes = unsafe { core::slice::from_raw_parts(self.slot.base().as_ptr().add(part.start), part.len()) };
            let expected = &self.bytes[part.clone()];
            // Compared whole first: one by one takes builds without optimization a hundred times as long.
            if bytes != expected {
                let at = bytes.iter().zip(expected).position(|(is, should)| is != should).expect("they differ");
                panic!("G2: byte {:#x} is {}, not {}", part.start + at, bytes[at], expected[at]);
            }
        }
        self.check_protections();
        self.check_touched();
    }

    /// Compares what is said to be as in the template with what is.
    fn check_touched(&self) {
        let image = |region: &usize| self.layout().regions()[*region].kind == RegionKind::Image;
        for part in (0..self.accessible.len()).filter(image).map(|region| self.accessible(region)) {
            let mut untouched = part.start;
            for touched in self.allocator.touched(&self.slot, part.clone()) {
                assert!(untouched <= touched.start && touched.start <= touched.end, "G7: {touched:x?} is in order");
                self.check_contents(untouched..touched.start);
                untouched = touched.end;
            }
            assert!(untouched <= part.end, "G7: {untouched:#x} is behind {part:x?}");
            self.check_contents(untouched..part.end);
        }
    }

    fn check_contents(&self, range: Range<usize>) {
        let same = self.bytes[range.clone()] == self.contents[range.clone()];
        assert!(same, "G7: {range:x?} is not as in the template, and nothing says so");
    }

    fn check_protections(&self) {
        let base = self.address(0);
        let mut expected = base;
        for stretch in stretches(self.range()) {
            assert_eq!(stretch.range.start, expected, "G1: every byte of a slot is mapped");
            expected = stretch.range.end;
            assert!(!stretch.execute, "G3: no byte of a slot is executable");
            for page in stretch.range.clone().step_by(PAGE).map(|page| page - base) {
                let accessible = self.is_accessible(&(page..page + PAGE));
                assert_eq!(stretch.read, accessible, "G3, G4: access to page {page:#x}");
                assert!(accessible || !stretch.write, "G4: page {page:#x} is guard");
                let volatile = accessible
                    && self
                        .layout()
                        .region_at(page)
                        .is_some_and(|r| self.layout().regions()[r].kind == RegionKind::Volatile);
                assert!(!volatile || stretch.write, "G3: page {page:#x} is volatile");
            }
        }
        assert_eq!(expected, self.range().end, "G1: every byte of a slot is mapped");
    }

    /// Fills everything, tails included, so that whatever is not reset shows.
    pub(super) fn scribble(&mut self, value: u8) {
        for region in 0..self.accessible.len() {
            self.grow(region, self.layout().regions()[region].limit);
            self.write(self.accessible(region), value);
        }
    }

    pub(super) fn release(self) {
        // SAFETY: the type's invariant is C1, C2 and C3.
        unsafe { self.allocator.release(self.slot) }
    }
}
