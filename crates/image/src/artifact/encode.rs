//! From parts to a file: everything is laid out and hashed first, then written once from front to back.

use super::elf::{Envelope, Places, envelope};
use super::error::ArtifactError;
use super::fingerprint::ABI;
use super::meta::{Meta, encode as encode_meta};
use super::parts::ImageParts;
use super::pins;
use super::root::{
    LayoutRecord, MAGIC, ROOT_BYTES, ROOT_START, RootRecord, SectionRecord, TARGET, TEXT_START, VERSION,
};
use super::symbols::symbols;
use crate::pages::PAGE;
use std::io::{self, Write};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromZeros, IntoBytes};

/// An artifact that is ready to be written.
pub struct Encoded<'a> {
    parts: &'a ImageParts,
    root: Box<RootRecord>,
    meta: Meta,
    envelope: Envelope,
}

/// Lays an image out as a file.
///
/// # Errors
///
/// When the parts do not belong together, or something exceeds what the format can say.
pub fn encode(parts: &ImageParts) -> Result<Encoded<'_>, ArtifactError> {
    let meta = encode_meta(parts)?;
    let text_bytes = parts.code.len() as u64;
    if text_bytes > u64::from(u32::MAX) {
        return Err(ArtifactError::Encode { what: format!("{text_bytes} bytes of code are more than 4 GiB") });
    }
    let pages_bytes = parts.pages.runs().last().map_or(0, |run| run.file_offset + run.length);
    let pages_start = (TEXT_START + text_bytes).next_multiple_of(PAGE);
    let (meta_start, meta_bytes) = (pages_start + pages_bytes, meta.bytes.len() as u64);
    let places = Places { text_bytes, pages_start, pages_bytes, meta_start, meta_bytes };
    let envelope = envelope(&places, &symbols(parts))?;
    let file_bytes = meta_start + meta_bytes + envelope.tail.len() as u64;
    let mut root = Box::new(RootRecord {
        magic: MAGIC,
        version: U32::new(VERSION),
        root_bytes: U32::new(ROOT_BYTES as u32),
        file_bytes: U64::new(file_bytes),
        target: pins::pad("target", TARGET)?,
        producer: pins::pad("producer", &parts.producer)?,
        isa: U64::new(parts.isa.bits()),
        abi: U64::new(ABI),
        page_bytes: U64::new(PAGE),
        tunables: pins::encode(&parts.tunables)?,
        source: parts.source,
        text: section(TEXT_START, text_bytes, hash([&parts.code[..], &padding(text_bytes)])),
        pages: section(pages_start, pages_bytes, hash(parts.pages.stored())),
        meta: section(meta_start, meta_bytes, hash([&meta.bytes[..]])),
        envelope: hash([&envelope.head[..], gap(), &envelope.tail]),
        surface_bytes: U64::new(meta.surface_bytes),
        layout: layout(parts),
        cursor: U64::new(parts.plan.cursor as u64),
        directory: meta.directory,
        checksum: FromZeros::new_zeroed(),
    });
    root.checksum = root.compute_checksum();
    Ok(Encoded { parts, root, meta, envelope })
}

impl Encoded<'_> {
    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.root.file_bytes.get()
    }

    /// Writes the file from its first byte to its last.
    ///
    /// # Errors
    ///
    /// When writing fails.
    pub fn write_to(&self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.envelope.head)?;
        to.write_all(self.root.as_bytes())?;
        to.write_all(gap())?;
        to.write_all(&self.parts.code)?;
        to.write_all(&padding(self.parts.code.len() as u64))?;
        self.parts.pages.stored().try_for_each(|page| to.write_all(page))?;
        to.write_all(&self.meta.bytes)?;
        to.write_all(&self.envelope.tail)?;
        to.flush()
    }

    /// The file's bytes.
    ///
    /// # Errors
    ///
    /// Never: memory takes what is written to it.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.file_bytes() as usize);
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }
}

/// Zeros between the root and the text.
fn gap() -> &'static [u8] {
    const GAP: usize = (TEXT_START - ROOT_START) as usize - ROOT_BYTES;
    &[0; GAP]
}

/// Zeros up to a whole page.
fn padding(bytes: u64) -> Vec<u8> {
    vec![0; (bytes.next_multiple_of(PAGE) - bytes) as usize]
}

fn hash<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    *hasher.finalize().as_bytes()
}

fn section(start: u64, bytes: u64, hash: [u8; 32]) -> SectionRecord {
    SectionRecord { start: U64::new(start), bytes: U64::new(bytes), hash }
}

fn layout(parts: &ImageParts) -> LayoutRecord {
    let layout = &parts.layout;
    LayoutRecord {
        vmctx: U64::new(layout.vmctx),
        state_bytes: U64::new(layout.state_bytes),
        slot_bytes: U64::new(layout.slot_bytes),
        data_dropped: U32::new(layout.data_dropped),
        elem_dropped: U32::new(layout.elem_dropped),
    }
}
