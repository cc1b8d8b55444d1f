//! Files that somebody changed who knows how to compute hashes, for tests of what hashes do not keep out.

use super::root::{ROOT_BYTES, ROOT_START, RootRecord, TEXT_START};
use core::iter::once;
use core::ops::Range;
use zerocopy::{FromBytes, IntoBytes};

/// Makes every hash and checksum of the artifact in `bytes` right, as far as there is one. Says where its
/// sections are, or nothing for bytes too few to have a root.
pub fn forge(bytes: &mut [u8]) -> Option<Sections> {
    let (mut root, _) = RootRecord::read_from_prefix(bytes.get(ROOT_START as usize..)?).ok()?;
    let (pages, meta, tail) = (root.pages.start.get(), root.meta.start.get(), root.tail_start());
    let length = bytes.len() as u64;
    let root_end = ROOT_START + ROOT_BYTES as u64;
    root.text.hash = hash(bytes, once(root.text.start.get()..pages));
    root.pages.hash = hash(bytes, once(pages..meta));
    root.meta.hash = hash(bytes, once(meta..tail));
    root.envelope = hash(bytes, [0..ROOT_START, root_end..TEXT_START, tail..length]);
    root.checksum = root.compute_checksum();
    bytes[ROOT_START as usize..][..ROOT_BYTES].copy_from_slice(root.as_bytes());
    let within = |range: Range<u64>| range.start.min(length) as usize..range.end.min(length) as usize;
    Some(Sections {
        root: within(ROOT_START..root_end),
        text: within(root.text.range()),
        pages: within(root.pages.range()),
        meta: within(root.meta.range()),
        surface: within(meta..meta.saturating_add(root.surface_bytes.get())),
    })
}

fn hash(bytes: &[u8], ranges: impl IntoIterator<Item = Range<u64>>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let part = |range: Range<u64>| bytes.get(range.start as usize..range.end as usize);
    ranges.into_iter().filter_map(part).for_each(|part| _ = hasher.update(part));
    *hasher.finalize().as_bytes()
}

/// Where the parts of an artifact are in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections {
    /// What says where the others are.
    pub root: Range<usize>,
    /// Machine code.
    pub text: Range<usize>,
    /// Initial contents of slots.
    pub pages: Range<usize>,
    /// Everything else.
    pub meta: Range<usize>,
    /// The part of `meta` that opening checks.
    pub surface: Range<usize>,
}
