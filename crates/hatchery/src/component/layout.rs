//! Where values are in memory and among flat values: numbers that the compiler computes for each Rust type.
//!
//! Source: component model, `CanonicalABI.md`, "alignment", "element size" and "flattening".

/// Most flat values that parameters are passed as.
pub(crate) const MAX_FLAT_PARAMS: usize = 16;
/// Most flat values that results are passed as.
pub(crate) const MAX_FLAT_RESULTS: usize = 1;
/// Most bytes of a string or a list.
pub(crate) const MAX_LIST_BYTES: u64 = (1 << 28) - 1;

/// Bytes and alignment of a value in memory.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Bytes, a multiple of the alignment.
    pub bytes: u32,
    /// A power of two.
    pub align: u32,
}

/// How values of a type are passed. Made by derives; nobody else needs to look inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeAbi {
    pub(crate) flat: usize,
    /// Occurrences of resource types among its parts.
    pub(crate) handles: usize,
    /// In a memory whose addresses have 32 bits.
    pub(crate) narrow: Extent,
    /// In one whose addresses have 64.
    pub(crate) wide: Extent,
}

/// What is larger than any memory stays so.
const fn align_up(at: u32, align: u32) -> u32 {
    at.saturating_add(align - 1) & !(align - 1)
}

const fn max(a: u32, b: u32) -> u32 {
    if a > b { a } else { b }
}

impl Extent {
    const fn field(self, next: Extent) -> Extent {
        Extent {
            bytes: align_up(self.bytes, next.align).saturating_add(next.bytes),
            align: max(self.align, next.align),
        }
    }

    const fn is(self, other: Extent) -> bool {
        self.bytes == other.bytes && self.align == other.align
    }

    const fn padded(self) -> Extent {
        Extent { bytes: align_up(self.bytes, self.align), align: self.align }
    }
}

const EMPTY: Extent = Extent { bytes: 0, align: 1 };

impl TypeAbi {
    /// A number, or what is passed as one.
    #[doc(hidden)]
    pub const fn scalar(bytes: u32) -> TypeAbi {
        let extent = Extent { bytes, align: bytes };
        TypeAbi { flat: 1, handles: 0, narrow: extent, wide: extent }
    }

    /// A handle of a resource.
    #[doc(hidden)]
    pub const fn handle() -> TypeAbi {
        TypeAbi { handles: 1, ..TypeAbi::scalar(4) }
    }

    /// A string, or a list of elements with this many handles: a pointer and a length.
    #[doc(hidden)]
    pub const fn list(handles: usize) -> TypeAbi {
        let (narrow, wide) = (Extent { bytes: 8, align: 4 }, Extent { bytes: 16, align: 8 });
        TypeAbi { flat: 2, handles, narrow, wide }
    }

    /// A list whose length is part of its type.
    #[doc(hidden)]
    pub const fn array(element: TypeAbi, count: u32) -> TypeAbi {
        TypeAbi {
            flat: element.flat.saturating_mul(count as usize),
            handles: element.handles,
            narrow: Extent { bytes: element.narrow.bytes.saturating_mul(count), align: element.narrow.align },
            wide: Extent { bytes: element.wide.bytes.saturating_mul(count), align: element.wide.align },
        }
    }

    /// So many bits.
    #[doc(hidden)]
    pub const fn flags(count: usize) -> TypeAbi {
        TypeAbi::scalar(match count {
            0..=8 => 1,
            9..=16 => 2,
            _ => 4,
        })
    }

    /// One behind the other.
    #[doc(hidden)]
    pub const fn record(fields: &[TypeAbi]) -> TypeAbi {
        let mut abi = TypeAbi { flat: 0, handles: 0, narrow: EMPTY, wide: EMPTY };
        let mut i = 0;
        while i < fields.len() {
            abi.flat = abi.flat.saturating_add(fields[i].flat);
            abi.handles += fields[i].handles;
            abi.narrow = abi.narrow.field(fields[i].narrow);
            abi.wide = abi.wide.field(fields[i].wide);
            i += 1;
        }
        abi.narrow = abi.narrow.padded();
        abi.wide = abi.wide.padded();
        abi
    }

    /// Whether values are passed in the same way.
    pub(crate) const fn is(&self, other: &TypeAbi) -> bool {
        self.flat == other.flat
            && self.handles == other.handles
            && self.narrow.is(other.narrow)
            && self.wide.is(other.wide)
    }

    /// Which, in a memory whose addresses have 64 bits or not.
    #[inline(always)]
    pub(crate) const fn extent(&self, wide: bool) -> Extent {
        if wide { self.wide } else { self.narrow }
    }
}

/// How a variant is passed: a discriminant, and the payload of one of the cases.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct VariantAbi {
    /// As a whole.
    pub abi: TypeAbi,
    pub(crate) cases: u32,
    pub(crate) discriminant: u32,
    payload: (u32, u32),
}

impl VariantAbi {
    /// Of these cases.
    pub const fn new(cases: &[Option<TypeAbi>]) -> VariantAbi {
        let discriminant = match cases.len() {
            0..=256 => 1,
            257..=65536 => 2,
            _ => 4,
        };
        let (mut flat, mut handles) = (0, 0);
        let (mut narrow, mut wide) = (EMPTY, EMPTY);
        let mut i = 0;
        while i < cases.len() {
            if let Some(case) = cases[i] {
                flat = if case.flat > flat { case.flat } else { flat };
                handles += case.handles;
                narrow = union(narrow, case.narrow);
                wide = union(wide, case.wide);
            }
            i += 1;
        }
        let payload = (align_up(discriminant, narrow.align), align_up(discriminant, wide.align));
        let head = Extent { bytes: discriminant, align: discriminant };
        let (narrow, wide) = (head.field(narrow).padded(), head.field(wide).padded());
        let abi = TypeAbi { flat: flat.saturating_add(1), handles, narrow, wide };
        VariantAbi { abi, cases: cases.len() as u32, discriminant, payload }
    }

    /// Where the payload is, from the start.
    #[inline(always)]
    pub(crate) const fn payload(&self, wide: bool) -> u64 {
        (if wide { self.payload.1 } else { self.payload.0 }) as u64
    }

    /// Handles in the cases before one.
    pub const fn handles_before(cases: &[Option<TypeAbi>], case: usize) -> usize {
        let (mut handles, mut i) = (0, 0);
        while i < case {
            if let Some(abi) = cases[i] {
                handles += abi.handles;
            }
            i += 1;
        }
        handles
    }
}

const fn union(a: Extent, b: Extent) -> Extent {
    Extent { bytes: max(a.bytes, b.bytes), align: max(a.align, b.align) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_variants_are_laid_out_as_the_specification_says() {
        let (byte, half, word, long) = (TypeAbi::scalar(1), TypeAbi::scalar(2), TypeAbi::scalar(4), TypeAbi::scalar(8));
        let record = TypeAbi::record(&[byte, word, half, long, byte]);
        assert_eq!((record.flat, record.narrow), (5, Extent { bytes: 32, align: 8 }));
        let text = TypeAbi::list(0);
        let pair = TypeAbi::record(&[byte, text]);
        assert_eq!((pair.narrow, pair.wide), (Extent { bytes: 12, align: 4 }, Extent { bytes: 24, align: 8 }));
        let result = VariantAbi::new(&[Some(byte), Some(text), None]);
        assert_eq!((result.abi.flat, result.payload(false), result.payload(true)), (3, 4, 8));
        assert_eq!((result.abi.narrow.bytes, result.abi.wide.bytes), (12, 24));
        let plain = VariantAbi::new(&[None; 257]);
        assert_eq!((plain.abi.flat, plain.abi.narrow), (1, Extent { bytes: 2, align: 2 }));
        let array = TypeAbi::array(half, 5);
        assert_eq!((array.flat, array.narrow), (5, Extent { bytes: 10, align: 2 }));
    }
}
