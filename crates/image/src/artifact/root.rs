//! The root: a fixed-size record at a fixed place of the file, which says what the rest is and what it
//! was made for, and checks itself.

use super::cpu::IsaFlags;
use super::error::{ArtifactError, hex};
use super::fingerprint::{ABI, checksum};
use super::pins;
use super::records::Table;
use crate::pages::PAGE;
use core::ops::Range;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version of the format; every change of a byte's meaning or place makes a new one.
pub const VERSION: u32 = 6;

/// Where the root is in the file: behind the ELF header and its program headers.
pub(super) const ROOT_START: u64 = 0x200;

/// Where the text is in the file: on the first page that the root leaves free.
pub(super) const TEXT_START: u64 = PAGE;

/// What a root begins with. The bytes behind the name are changed by whatever takes it for text.
pub(super) const MAGIC: [u8; 16] = *b"HATCHERY\r\n\x1a\n\0\xff\xfe\0";

/// The machine and system that code is for.
pub(super) const TARGET: &str = "x86_64-unknown-linux";

/// Most bytes of surface; what is larger is damage.
const MAX_SURFACE: u64 = 1 << 30;

macro_rules! root_records {
    ($($(#[$doc:meta])* $name:ident, $bytes:expr, { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub(super) struct $name {
                $($(#[$field_doc])* pub(super) $field: $ty,)*
            }

            const _: () = assert!(size_of::<$name>() == $bytes);
        )*
    };
}

root_records! {
    /// A part of the file that is a section, too.
    SectionRecord, 48, {
        /// First byte in the file.
        start: U64,
        /// Bytes that mean something; zeros follow up to the next section.
        bytes: U64,
        /// Hash of all bytes up to the next section.
        hash: [u8; 32],
    }

    /// Where an array is: bytes from the start of the metadata, and records.
    DirectoryEntry, 16, {
        start: U64,
        count: U64,
    }

    /// The layout, without the memories' and tables' places, which are with them.
    LayoutRecord, 32, {
        vmctx: U64,
        state_bytes: U64,
        slot_bytes: U64,
        data_dropped: U32,
        elem_dropped: U32,
    }

    /// The choices of the compilation.
    TunablesRecord, 72, {
        memory32_reservation: U64,
        memory64_reservation: U64,
        memory_guard: U64,
        table_room: U64,
        explicit_bounds: u8,
        speculation_guards: u8,
        interruption: u8,
        determinism: u8,
        opt_level: u8,
        cpu: u8,
        explicit_growth: u8,
        zero: [u8; 1],
        /// A named CPU's name, padded with zeros.
        cpu_name: [u8; 32],
    }

    /// The root. The first four fields keep their places in every version.
    RootRecord, 920, {
        magic: [u8; 16],
        version: U32,
        /// Bytes of this record, checksum included.
        root_bytes: U32,
        /// Bytes of the whole file.
        file_bytes: U64,
        /// Padded with zeros.
        target: [u8; 32],
        /// Who compiled it, padded with zeros. Informative.
        producer: [u8; 64],
        /// Bits of [`IsaFlags`].
        isa: U64,
        /// What compiled code expects of the machine that runs it.
        abi: U64,
        page_bytes: U64,
        tunables: TunablesRecord,
        /// Hash of what was compiled, as the compiler defines it.
        source: [u8; 32],
        text: SectionRecord,
        pages: SectionRecord,
        meta: SectionRecord,
        /// Hash of all bytes that belong to neither the root nor a section of ours.
        envelope: [u8; 32],
        /// Bytes of metadata, from its start, that belong to the surface.
        surface_bytes: U64,
        layout: LayoutRecord,
        /// Steps that the pages are past.
        cursor: U64,
        directory: [DirectoryEntry; Table::COUNT],
        /// FNV-1a of all bytes of the root before this one.
        checksum: U64,
    }
}

/// Bytes of the root.
pub(super) const ROOT_BYTES: usize = size_of::<RootRecord>();

const _: () = {
    assert!(core::mem::offset_of!(RootRecord, version) == 16);
    assert!(core::mem::offset_of!(RootRecord, root_bytes) == 20);
    assert!(core::mem::offset_of!(RootRecord, file_bytes) == 24);
    assert!(core::mem::offset_of!(RootRecord, checksum) == ROOT_BYTES - 8);
    assert!(ROOT_START + ROOT_BYTES as u64 <= TEXT_START, "the root ends before the text begins");
};

impl RootRecord {
    /// The checksum of everything before it.
    pub(super) fn compute_checksum(&self) -> U64 {
        U64::new(checksum(&self.as_bytes()[..ROOT_BYTES - 8]))
    }

    /// The root in the file's first page.
    ///
    /// # Errors
    ///
    /// When the page begins no artifact, or one of another version, or its root is damaged.
    pub(super) fn read(page: &[u8]) -> Result<RootRecord, ArtifactError> {
        let foreign = |what| Err(ArtifactError::Foreign { what });
        if page.is_empty() {
            return foreign("the file is empty");
        }
        if page.get(..4) != Some(b"\x7fELF") {
            return foreign("it is no ELF file");
        }
        let Some(bytes) = page.get(ROOT_START as usize..) else {
            return foreign("it is an ELF file that ends before an artifact's root");
        };
        if bytes.get(..MAGIC.len()) != Some(&MAGIC) {
            return foreign("it is an ELF file of another kind");
        }
        // Another version's root may be shorter or longer, and is not ours to judge.
        let number =
            |at: usize| bytes.get(at..).and_then(|rest| U32::read_from_prefix(rest).ok()).map(|(n, _)| n.get());
        match number(16) {
            Some(VERSION) => {}
            Some(found) => return Err(ArtifactError::Version { found, expected: VERSION }),
            None => return foreign("it ends in its root"),
        }
        let Ok((root, _)) = RootRecord::read_from_prefix(bytes) else {
            return foreign("it ends in its root");
        };
        ArtifactError::same("root's checksum", Hex(root.compute_checksum().get()), Hex(root.checksum.get()))?;
        ArtifactError::same("root's length", root.root_bytes.get(), ROOT_BYTES as u32)?;
        Ok(root)
    }

    /// Whether a file of this length, on this system, can be what the root says.
    ///
    /// # Errors
    ///
    /// Names the first pin or range that does not hold.
    pub(super) fn check(&self, file_bytes: u64) -> Result<(), ArtifactError> {
        ArtifactError::same("file length in bytes", file_bytes, self.file_bytes.get())?;
        let target = pins::text("target", &self.target)?;
        ArtifactError::same("target", target, TARGET)?;
        ArtifactError::same("contract of compiled code", Hex(self.abi.get()), Hex(ABI))?;
        ArtifactError::same("page size", self.page_bytes.get(), PAGE)?;
        pins::text("producer", &self.producer)?;
        self.check_sections(file_bytes)?;
        Table::ALL.iter().try_for_each(|table| self.range(*table).map(drop))
    }

    /// Errors unless this machine can run the code.
    pub(super) fn check_cpu(&self) -> Result<(), ArtifactError> {
        let missing = self.isa().missing_here();
        if missing.is_empty() { Ok(()) } else { Err(ArtifactError::CpuFeatures { missing: missing.names() }) }
    }

    /// Sections follow each other without a gap, so that their hashes cover every byte.
    fn check_sections(&self, file_bytes: u64) -> Result<(), ArtifactError> {
        // Text offsets are 32 bits wide.
        within("text", self.text.range(), "what an offset can reach", TEXT_START + u64::from(u32::MAX))?;
        let mut next = TEXT_START;
        for (name, section, align) in self.sections() {
            ArtifactError::same(name, section.start.get(), next)?;
            within(name, section.range(), "the file", file_bytes)?;
            next = section.range().end.next_multiple_of(align);
        }
        within("metadata", self.meta.start.get()..next, "the file", file_bytes)?;
        within("surface", 0..self.surface_bytes.get(), "the metadata", self.meta.bytes.get().min(MAX_SURFACE))?;
        ArtifactError::same("surface's alignment", self.surface_bytes.get() % PAGE, 0)?;
        ArtifactError::same("pages' alignment", self.pages.bytes.get() % PAGE, 0)
    }

    /// The sections in the order of the file, what messages call their starts, and what their ends are padded to.
    pub(super) fn sections(&self) -> [(&'static str, &SectionRecord, u64); 3] {
        [
            ("start of the text", &self.text, PAGE),
            ("start of the pages", &self.pages, PAGE),
            ("start of the metadata", &self.meta, 8),
        ]
    }

    /// The first byte of the file behind our sections.
    pub(super) fn tail_start(&self) -> u64 {
        self.meta.range().end.next_multiple_of(8)
    }

    /// Extensions that the code uses.
    pub(super) fn isa(&self) -> IsaFlags {
        IsaFlags::from_bits_retain(self.isa.get())
    }

    /// Bytes of the metadata that a table takes.
    ///
    /// # Errors
    ///
    /// When they lie outside the part of the metadata that the table belongs to.
    pub(super) fn range(&self, table: Table) -> Result<Range<usize>, ArtifactError> {
        let entry = &self.directory[table as usize];
        let start = entry.start.get();
        let end = entry.count.get().checked_mul(table.width()).and_then(|bytes| start.checked_add(bytes));
        let end = end.unwrap_or(u64::MAX);
        let surface = self.surface_bytes.get();
        if table.is_surface() {
            within(table.name(), start..end, "the surface", surface)?;
        } else {
            within(table.name(), start..end, "the metadata", self.meta.bytes.get())?;
            if start < surface {
                return Err(outside(
                    table.name(),
                    start..end,
                    "the metadata behind the surface",
                    self.meta.bytes.get(),
                ));
            }
        }
        Ok(start as usize..end as usize)
    }

    /// Errors unless the source is this one.
    pub(super) fn check_source(&self, expected: &[u8; 32]) -> Result<(), ArtifactError> {
        if self.source == *expected {
            return Ok(());
        }
        Err(ArtifactError::Field { field: "source hash", found: hex(&self.source), expected: hex(expected) })
    }
}

impl SectionRecord {
    /// Meaningful bytes in the file; clamped where they overflow.
    pub(super) fn range(&self) -> Range<u64> {
        self.start.get()..self.start.get().saturating_add(self.bytes.get()).min(u64::MAX - PAGE)
    }
}

fn within(part: &'static str, range: Range<u64>, container: &'static str, limit: u64) -> Result<(), ArtifactError> {
    if range.start <= range.end && range.end <= limit { Ok(()) } else { Err(outside(part, range, container, limit)) }
}

fn outside(part: &'static str, range: Range<u64>, container: &'static str, limit: u64) -> ArtifactError {
    ArtifactError::Range { part, start: range.start, end: range.end, container, limit }
}

/// A number that messages show in hexadecimal.
#[derive(PartialEq)]
struct Hex(u64);

impl core::fmt::Debug for Hex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}
