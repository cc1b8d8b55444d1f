//! A slot in use beside a model of it: what every test of the pool is made of.

#![expect(unsafe_code, reason = "plays the part of the machine: stores to slots")]
#![allow(clippy::print_stderr, reason = "says what is not tested")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use core::ops::Range;
use hatchery_alloc::{
    AllocateError, FaultVerdict, Hints, InstanceAllocator, PAGE, Region, RegionKind, Run, Slot, SlotLayout, Template,
};
use hatchery_pool::{Pool, PoolError, PoolOptions, Reset, Verify};
use rustix::fs::{MemfdFlags, SealFlags};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Pages of the slots that `Sample`s have, and where their memory starts.
pub(crate) const SLOT_PAGES: usize = 96;
pub(crate) const MEMORY: usize = 4;

/// A template and the bytes of its slots.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) template: Arc<Template>,
    pub(crate) contents: Arc<[u8]>,
}

fn sealed(bytes: &[u8]) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create("contents", flags).expect("memfd");
    assert_eq!(rustix::io::write(&file, bytes).expect("write"), bytes.len());
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW).expect("seal");
    file
}

impl Sample {
    /// A header page, two pages of state, and `pages` of memory that can grow to 64; bytes from `seed`
    /// where `runs` say (pages of the slot).
    pub(crate) fn new(pages: usize, runs: &[Range<usize>], seed: u8, hints: Hints) -> Sample {
        let region = |kind, offset: usize, accessible: usize, limit: usize| Region {
            offset: offset * PAGE,
            kind,
            accessible: accessible * PAGE,
            limit: limit * PAGE,
        };
        let regions = [
            region(RegionKind::Volatile, 0, 1, 1),
            region(RegionKind::Image, 1, 2, 2),
            region(RegionKind::Image, MEMORY, pages, 64),
        ];
        let layout = SlotLayout::new(SLOT_PAGES * PAGE, regions).expect("layout");
        let (mut stored, mut list, mut contents) = (Vec::new(), Vec::new(), vec![0; SLOT_PAGES * PAGE]);
        for run in runs {
            let (start, end) = (run.start * PAGE, run.end * PAGE);
            list.push(Run { slot_offset: start, file_offset: stored.len() as u64, len: end - start });
            let bytes: Vec<u8> = (start..end).map(|at| seed ^ (at / 5) as u8 | 1).collect();
            contents[start..end].copy_from_slice(&bytes);
            stored.extend(bytes);
        }
        let file = (!stored.is_empty()).then(|| sealed(&stored));
        let template = Template::new(layout, file, &list).expect("template").with_hints(hints);
        Sample { template: Arc::new(template), contents: contents.into() }
    }

    /// With contents in the state and in the memory's first pages.
    pub(crate) fn image(seed: u8) -> Sample {
        Sample::new(16, &[1..2, MEMORY..MEMORY + 6], seed, Hints::default())
    }

    /// Without contents.
    pub(crate) fn blank() -> Sample {
        Sample::new(16, &[], 0, Hints::default())
    }
}

pub(crate) fn options(reset: Reset, slots: usize) -> PoolOptions {
    PoolOptions { reset, verify: Verify::EveryReset, ..PoolOptions::new(slots, SLOT_PAGES * PAGE) }
}

pub(crate) fn pool(reset: Reset, slots: usize) -> Pool {
    Pool::new(options(reset, slots)).expect("pool")
}

/// The strategies that this kernel has; says which it lacks.
pub(crate) fn resets() -> Vec<Reset> {
    let has = |reset: &Reset| match Pool::new(options(*reset, 1)) {
        Ok(_) => true,
        Err(error @ PoolError::NoPagemapScan { .. }) => {
            eprintln!("without {reset}: {error}");
            false
        }
        Err(error) => panic!("{reset}: {error}"),
    };
    Reset::ALL.into_iter().filter(has).collect()
}

/// A slot in use.
///
/// Invariant: this is its only user, the pool is the one that made it, and no reference into it outlives a
/// method (C1, C2, C3).
#[derive(Debug)]
pub(crate) struct Use<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) slot: Slot,
    bytes: Vec<u8>,
    accessible: Vec<usize>,
}

impl<'a> Use<'a> {
    pub(crate) fn new(pool: &'a Pool, sample: &Sample) -> Use<'a> {
        Use::try_new(pool, sample).expect("a slot")
    }

    pub(crate) fn try_new(pool: &'a Pool, sample: &Sample) -> Result<Use<'a>, AllocateError> {
        Ok(Use::of(pool, pool.allocate(&sample.template)?, sample))
    }

    /// Checks that the slot is fresh.
    pub(crate) fn of(pool: &'a Pool, slot: Slot, sample: &Sample) -> Use<'a> {
        let accessible = slot.layout().regions().iter().map(|region| region.accessible).collect();
        let fresh = Use { pool, slot, bytes: sample.contents.to_vec(), accessible };
        fresh.check();
        fresh
    }

    pub(crate) fn base(&self) -> usize {
        self.slot.base().as_ptr() as usize
    }

    pub(crate) fn accessible(&self, region: usize) -> Range<usize> {
        let start = self.slot.layout().regions()[region].offset;
        start..start + self.accessible[region]
    }

    /// Prepares and fills; `false` if the pool refused.
    pub(crate) fn write(&mut self, range: Range<usize>, value: u8) -> bool {
        // SAFETY: the type's invariant.
        let prepared = unsafe { self.pool.prepare_write(&self.slot, range.clone()) }.is_ok();
        if prepared {
            // SAFETY: prepared, so accessible and writable.
            unsafe { self.slot.base().as_ptr().add(range.start).write_bytes(value, range.len()) };
            self.bytes[range].fill(value);
        }
        prepared
    }

    /// Writes a byte of each of these pages of the slot.
    pub(crate) fn write_pages(&mut self, pages: impl IntoIterator<Item = usize>, value: u8) {
        for page in pages {
            assert!(self.write(page * PAGE + 17..page * PAGE + 18, value), "page {page} is accessible");
        }
    }

    /// A fault, answered as a handler would, and the store if it says so or the page was open.
    pub(crate) fn fault(&mut self, offset: usize, value: u8) -> FaultVerdict {
        // SAFETY: the type's invariant.
        let verdict = unsafe { self.pool.write_fault(&self.slot, self.base() + offset) };
        if verdict == FaultVerdict::Retry {
            // SAFETY: the pool says that the page is writable.
            unsafe { self.slot.base().as_ptr().add(offset).write(value) };
            self.bytes[offset] = value;
        }
        verdict
    }

    /// Grows a region to this many pages; `false` if the pool refused.
    pub(crate) fn grow(&mut self, region: usize, pages: usize) -> bool {
        // SAFETY: the type's invariant.
        let grown = unsafe { self.pool.grow(&mut self.slot, region, pages * PAGE) }.is_ok();
        if grown {
            self.accessible[region] = self.accessible[region].max(pages * PAGE);
        }
        grown
    }

    /// Compares all accessible bytes with the model.
    pub(crate) fn check(&self) {
        for region in 0..self.accessible.len() {
            let part = self.accessible(region);
            for page in part.clone().step_by(PAGE) {
                // SAFETY: accessible parts are readable, and nobody writes them while we look.
                let is = unsafe { core::slice::from_raw_parts(self.slot.base().as_ptr().add(page), PAGE) };
                let should = &self.bytes[page..page + PAGE];
                if is != should {
                    let at = is.iter().zip(should).position(|(is, should)| is != should).unwrap_or(0);
                    panic!("byte {:#x} is {}, not {}", page + at, is[at], should[at]);
                }
            }
        }
    }

    pub(crate) fn release(self) {
        // SAFETY: the type's invariant.
        unsafe { self.pool.release(self.slot) }
    }
}

/// What the kernel says of the mapping with this address, or of the first behind it: a value of `smaps` by its name.
pub(crate) fn mapping(address: usize, name: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
    let end = |line: &str| {
        let (_, end) = line.split_once(' ')?.0.split_once('-')?;
        usize::from_str_radix(end, 16).ok()
    };
    let behind = text.lines().skip_while(|line| end(line).is_none_or(|end| end <= address));
    let value = behind.skip(1).find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("the kernel does not say {name}")).trim().to_owned()
}

/// `r`, `rw` or nothing, for the page at an address.
pub(crate) fn access(address: usize) -> &'static str {
    let text = std::fs::read_to_string("/proc/self/maps").expect("maps");
    for line in text.lines() {
        let (range, rest) = line.split_once(' ').expect("a line");
        let (start, end) = range.split_once('-').expect("a range");
        let hex = |digits| usize::from_str_radix(digits, 16).expect("hexadecimal");
        if (hex(start)..hex(end)).contains(&address) {
            return match &rest[..2] {
                "r-" => "r",
                "rw" => "rw",
                _ => "",
            };
        }
    }
    "unmapped"
}

/// Bytes of a range of addresses that are in memory or swapped out, whoever may access them.
pub(crate) fn resident(range: Range<usize>) -> usize {
    // The two highest bits of an entry.
    pages_with(range, |entry| entry >> 62 != 0)
}

/// Bytes of a range of addresses that are private copies: in memory, not of a file, and not the page of zeros that readers
/// of nothing share.
pub(crate) fn copied(range: Range<usize>) -> usize {
    // Present; of a file or shared; mapped by this process alone, which the page of zeros never is.
    pages_with(range, |entry| entry >> 63 != 0 && entry >> 61 & 1 == 0 && entry >> 56 & 1 != 0)
}

fn pages_with(range: Range<usize>, what: impl Fn(u64) -> bool) -> usize {
    use std::os::unix::fs::FileExt;
    let map = std::fs::File::open("/proc/self/pagemap").expect("pagemap");
    let mut entries = vec![0; range.len() / PAGE * 8];
    map.read_exact_at(&mut entries, (range.start / PAGE * 8) as u64).expect("an entry for each page");
    let entries = entries.chunks(8).map(|entry| u64::from_le_bytes(entry.try_into().expect("eight bytes")));
    entries.filter(|entry| what(*entry)).count() * PAGE
}

/// Kernel mappings and open files of this process.
pub(crate) fn holdings() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps").lines().count();
    (maps, std::fs::read_dir("/proc/self/fd").expect("fd").count())
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
