//! What a slot consists of.

use core::ops::Range;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// What a region is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegionKind {
    /// Always readable and writable, zero when a slot is allocated, no part of the template's contents.
    Volatile,
    /// Starts with the template's contents; an allocator may keep pages write-protected until they are
    /// prepared or faulted on.
    Image,
}

/// A range of a slot that can be accessed, or can become accessible by growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    /// First byte, from the slot's base; a multiple of [`PAGE`].
    pub offset: usize,
    /// What it is for.
    pub kind: RegionKind,
    /// Bytes accessible when the slot is allocated; a multiple of [`PAGE`].
    pub accessible: usize,
    /// Bytes it can grow to; a multiple of [`PAGE`].
    pub limit: usize,
}

impl Region {
    /// Bytes of the slot that are accessible when it is allocated.
    pub fn accessible_range(&self) -> Range<usize> {
        self.offset..self.offset + self.accessible
    }

    /// Bytes of the slot that belong to it.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.limit
    }
}

/// Why regions are no layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutFlaw {
    /// The slot's size is zero or no multiple of the page size.
    #[error("a slot of {bytes} bytes is not a positive number of pages")]
    Size {
        /// The size asked for.
        bytes: usize,
    },
    /// A region's offset, accessible part or limit is no multiple of the page size.
    #[error("region {region} does not consist of whole pages")]
    Unaligned {
        /// Position in the list.
        region: usize,
    },
    /// A region is accessible beyond its own limit.
    #[error("region {region} is accessible beyond its limit")]
    BeyondLimit {
        /// Position in the list.
        region: usize,
    },
    /// A region ends behind the slot, or begins before the preceding one ends.
    #[error("region {region} overlaps the one before it, or ends behind the slot")]
    Overlap {
        /// Position in the list.
        region: usize,
    },
}

/// What a slot consists of: regions, and guard everywhere else.
///
/// Invariant (checked by [`SlotLayout::new`]): the size is a positive multiple of [`PAGE`]; regions are
/// sorted, disjoint, inside the slot, made of whole pages, and accessible up to their limit at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SlotLayout {
    bytes: usize,
    regions: Box<[Region]>,
}

impl SlotLayout {
    /// A layout of these regions.
    ///
    /// # Errors
    ///
    /// When they violate the type's invariant.
    pub fn new(bytes: usize, regions: impl Into<Box<[Region]>>) -> Result<SlotLayout, LayoutFlaw> {
        let regions = regions.into();
        if bytes == 0 || !bytes.is_multiple_of(PAGE) || bytes > isize::MAX as usize {
            return Err(LayoutFlaw::Size { bytes });
        }
        let mut free = 0;
        for (region, r) in regions.iter().enumerate() {
            if [r.offset, r.accessible, r.limit].iter().any(|n| !n.is_multiple_of(PAGE)) {
                return Err(LayoutFlaw::Unaligned { region });
            }
            if r.accessible > r.limit {
                return Err(LayoutFlaw::BeyondLimit { region });
            }
            let end = r.offset.checked_add(r.limit).filter(|end| r.offset >= free && *end <= bytes);
            free = end.ok_or(LayoutFlaw::Overlap { region })?;
        }
        Ok(SlotLayout { bytes, regions })
    }

    /// Bytes of a slot, guards included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The regions, by ascending offset.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Bytes that are accessible when a slot is allocated.
    pub fn accessible_bytes(&self) -> usize {
        self.regions.iter().map(|region| region.accessible).sum()
    }

    /// The region whose range contains this offset.
    pub fn region_at(&self, offset: usize) -> Option<usize> {
        self.regions.iter().position(|region| region.range().contains(&offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(offset: usize, accessible: usize, limit: usize) -> Region {
        Region { offset, kind: RegionKind::Image, accessible, limit }
    }

    #[test]
    fn each_flaw_is_found_and_names_the_region() {
        let cases: [(usize, Vec<Region>, LayoutFlaw); 7] = [
            (0, vec![], LayoutFlaw::Size { bytes: 0 }),
            (PAGE + 1, vec![], LayoutFlaw::Size { bytes: PAGE + 1 }),
            (PAGE, vec![region(1, 0, 0)], LayoutFlaw::Unaligned { region: 0 }),
            (PAGE, vec![region(0, PAGE, 0)], LayoutFlaw::BeyondLimit { region: 0 }),
            (PAGE, vec![region(0, 0, 2 * PAGE)], LayoutFlaw::Overlap { region: 0 }),
            (3 * PAGE, vec![region(PAGE, 0, PAGE), region(0, 0, PAGE)], LayoutFlaw::Overlap { region: 1 }),
            (
                3 * PAGE,
                vec![region(PAGE, 0, PAGE), region(usize::MAX - PAGE + 1, 0, PAGE)],
                LayoutFlaw::Overlap { region: 1 },
            ),
        ];
        for (bytes, regions, flaw) in cases {
            assert_eq!(SlotLayout::new(bytes, regions), Err(flaw));
        }
    }

    #[test]
    fn an_offset_belongs_to_the_region_that_can_grow_over_it() {
        let layout = SlotLayout::new(8 * PAGE, [region(0, PAGE, PAGE), region(3 * PAGE, 0, 2 * PAGE)]).expect("layout");
        assert_eq!(layout.region_at(PAGE - 1), Some(0));
        assert_eq!(layout.region_at(PAGE), None);
        assert_eq!(layout.region_at(4 * PAGE), Some(1));
        assert_eq!(layout.region_at(5 * PAGE), None);
        assert_eq!(layout.accessible_bytes(), PAGE);
    }
}
