//! Looking at everything: whether all bytes are those that were written, and all tables sound.

use super::code::Code;
use super::error::{ArtifactError, same_hash};
use super::image::Image;
use super::memfd::pieces;
use super::records::{FunctionEntry, NONE, Table};
use super::root::{ROOT_BYTES, ROOT_START, TEXT_START};
use super::surface::{Flaw, ensure, flawed};
use crate::abi::PackedFuncRef;
use crate::trap::TrapCode;
use core::iter::once;
use core::ops::Range;
use std::os::unix::fs::FileExt;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

impl Image {
    /// Reads the whole file and checks every hash, then every table.
    ///
    /// # Errors
    ///
    /// Names the first part that is not what was written.
    pub fn verify(&self) -> Result<(), ArtifactError> {
        let tail = self.root.tail_start();
        let root_end = ROOT_START + ROOT_BYTES as u64;
        let root = self.hash(once(ROOT_START..root_end))?;
        same_hash("root", &root, blake3::hash(self.root.as_bytes()).as_bytes())?;
        let envelope = self.hash([0..ROOT_START, root_end..TEXT_START, tail..self.file_bytes()])?;
        same_hash("ELF envelope", &envelope, &self.root.envelope)?;
        let [text, pages] = [&self.root.text, &self.root.pages];
        same_hash("text", &self.hash(once(text.start.get()..pages.start.get()))?, &text.hash)?;
        same_hash("pages", &self.hash(once(pages.start.get()..self.root.meta.start.get()))?, &pages.hash)?;
        // A copy, as no check holds for bytes that a shortened file no longer has.
        let mut meta = vec![0; (tail - self.root.meta.start.get()) as usize];
        let read = self.file.read_exact_at(&mut meta, self.root.meta.start.get());
        read.map_err(ArtifactError::system("read the metadata"))?;
        same_hash("metadata", blake3::hash(&meta).as_bytes(), &self.root.meta.hash)?;
        let surface_bytes = self.root.surface_bytes.get() as usize;
        let bytes = meta.get(surface_bytes..).unwrap_or(&[]);
        check_code(Code { bytes, surface_bytes, surface: &self.surface })
    }

    fn hash(&self, ranges: impl IntoIterator<Item = Range<u64>>) -> Result<[u8; 32], ArtifactError> {
        let mut hasher = blake3::Hasher::new();
        for range in ranges {
            let hashed = pieces(&self.file, range, |piece| {
                hasher.update(piece);
                Ok(())
            });
            hashed.map_err(ArtifactError::system("read the file"))?;
        }
        Ok(*hasher.finalize().as_bytes())
    }
}

/// Whether lookups in the tables can find what was put there.
fn check_code(code: Code<'_>) -> Result<(), ArtifactError> {
    let mut end = 0;
    for (index, entry) in code.functions().entries.iter().enumerate() {
        end = check_function(code, entry, end).map_err(flawed(Table::Functions.name(), index))?;
    }
    let traps = code.traps();
    check_offsets(code, Table::TrapOffsets, traps.offsets, traps.codes.len())?;
    for (index, number) in traps.codes.iter().enumerate() {
        let known = TrapCode::from_number(*number).is_some();
        ensure(known, "no such trap").map_err(flawed(Table::TrapCodes.name(), index))?;
    }
    let addresses = code.addresses();
    check_offsets(code, Table::AddressOffsets, addresses.offsets, addresses.wasm.len())?;
    check_catches(code)?;
    for (index, element) in code.elements().iter().enumerate() {
        check_element(code, *element).map_err(flawed(Table::Elements.name(), index))?;
    }
    Ok(())
}

/// Behind the function, whose code begins no earlier than `after`.
fn check_function(code: Code<'_>, entry: &FunctionEntry, after: u64) -> Result<u64, Flaw> {
    let start = u64::from(entry.start.get());
    let end = start + u64::from(entry.length.get());
    ensure(start >= after, "its code overlaps the one before it")?;
    ensure(end <= code.surface.text_bytes, "its code lies outside the text")?;
    code.surface.index(Table::Instances, entry.instance)?;
    code.surface.type_id(entry.ty)?;
    if entry.name.start.get() != NONE {
        let range =
            code.surface.span(Table::FunctionNames, entry.name.start.get().into(), entry.name.length.get().into())?;
        let name = code.records::<u8>(Table::FunctionNames).get(range).unwrap_or(&[]);
        ensure(core::str::from_utf8(name).is_ok(), "its name is not UTF-8")?;
    }
    Ok(end)
}

/// Ascending, inside the text, and one for each of the answers.
fn check_offsets(code: Code<'_>, table: Table, offsets: &[U32], answers: usize) -> Result<(), ArtifactError> {
    let flaw = |index| flawed(table.name(), index);
    ensure(offsets.len() == answers, "there is not one for each answer").map_err(flaw(0))?;
    let mut last = 0;
    for (index, offset) in offsets.iter().enumerate() {
        let offset = offset.get();
        ensure(offset >= last, "it is not in order").map_err(flaw(index))?;
        ensure(u64::from(offset) <= code.surface.text_bytes, "it lies outside the text").map_err(flaw(index))?;
        last = offset;
    }
    Ok(())
}

/// Every call has handlers of its own, which lead into the text.
fn check_catches(code: Code<'_>) -> Result<(), ArtifactError> {
    let catches = code.catches();
    check_offsets(code, Table::CatchOffsets, catches.offsets, catches.sites.len())?;
    for index in 0..catches.len() {
        let range = catches.range(index);
        let inside = range.start <= range.end && range.end <= catches.handlers.len();
        ensure(inside, "its handlers are not there").map_err(flawed(Table::Catches.name(), index))?;
    }
    for (index, record) in catches.handlers.iter().enumerate() {
        let landing = record.decode().map(|handler| u64::from(handler.landing));
        let inside = landing.is_some_and(|landing| landing < code.surface.text_bytes);
        ensure(inside, "it leads nowhere").map_err(flawed(Table::Handlers.name(), index))?;
    }
    Ok(())
}

fn check_element(code: Code<'_>, element: U64) -> Result<(), Flaw> {
    let func = PackedFuncRef(element.get());
    if func.is_null() {
        return Ok(());
    }
    code.surface.type_id(U32::new(func.type_id()))?;
    code.surface.code(func.code_offset()).map(drop)
}
