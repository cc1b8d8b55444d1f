//! The envelope: what makes an artifact an ELF file for other tools. We never read it ourselves.

use super::error::ArtifactError;
use super::root::{ROOT_BYTES, ROOT_START, TEXT_START};
use super::symbols::Symbol;
use crate::pages::PAGE;
use object::elf;
use object::write::WritableBuffer;
use object::write::elf::{FileHeader, ProgramHeader, SectionHeader, Sym, Writer};

/// Where our sections are, for the section headers; bytes that mean something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) text_bytes: u64,
    pub(super) pages_start: u64,
    pub(super) pages_bytes: u64,
    pub(super) meta_start: u64,
    pub(super) meta_bytes: u64,
}

/// The bytes in front of the root, and those behind the metadata.
pub(super) struct Envelope {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

/// Takes what the ELF writer writes, without the bytes between head and tail, which the writer only
/// ever pads over.
struct Ends {
    tail_start: usize,
    len: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl WritableBuffer for Ends {
    fn len(&self) -> usize {
        self.len
    }

    fn reserve(&mut self, _size: usize) -> Result<(), ()> {
        Ok(())
    }

    fn resize(&mut self, new_len: usize) {
        if self.len >= self.tail_start {
            self.tail.resize(self.tail.len() + (new_len - self.len), 0);
        }
        self.len = new_len;
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        let end = if self.len < self.tail_start { &mut self.head } else { &mut self.tail };
        end.extend_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Writes ELF header, program header, symbols and section headers around our sections.
///
/// # Errors
///
/// When the ELF writer refuses, which a file of this shape gives no reason for.
pub(super) fn envelope(places: &Places, symbols: &[Symbol]) -> Result<Envelope, ArtifactError> {
    let tail_start = (places.meta_start + places.meta_bytes).next_multiple_of(8) as usize;
    let mut ends = Ends { tail_start, len: 0, head: Vec::new(), tail: Vec::new() };
    write(&mut ends, places, symbols, tail_start).map_err(|error| ArtifactError::Encode { what: error.to_string() })?;
    ends.head.resize(ROOT_START as usize, 0);
    Ok(Envelope { head: ends.head, tail: ends.tail })
}

fn write(ends: &mut Ends, places: &Places, symbols: &[Symbol], tail_start: usize) -> object::write::Result<()> {
    let mut writer = Writer::new(object::Endianness::Little, true, ends);
    writer.reserve_file_header();
    writer.reserve_program_headers(1);
    writer.reserve_until(tail_start);
    // The text is the first of them.
    let [text, ..] = [(); 4].map(|()| writer.reserve_section_index());
    let sections = our_sections(places).map(|mut section| {
        section.header.name = Some(writer.add_section_name(section.name.as_bytes()));
        section.header
    });
    let names: Vec<_> = symbols.iter().map(|symbol| writer.add_string(symbol.name.as_bytes())).collect();
    writer.reserve_null_symbol_index();
    for _ in symbols {
        writer.reserve_symbol_index(Some(text));
    }
    writer.reserve_symtab_section_index();
    writer.reserve_strtab_section_index();
    writer.reserve_shstrtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab();
    writer.reserve_shstrtab();
    writer.reserve_section_headers();

    writer.write_file_header(&file_header())?;
    writer.write_align_program_headers();
    writer.write_program_header(&program_header(places));
    writer.pad_until(tail_start);
    writer.write_null_symbol();
    for (symbol, name) in symbols.iter().zip(names) {
        writer.write_symbol(&Sym {
            name: Some(name),
            section: Some(text),
            st_info: elf::STB_LOCAL << 4 | elf::STT_FUNC,
            st_other: elf::STV_DEFAULT,
            st_shndx: 0,
            st_value: TEXT_START + u64::from(symbol.start),
            st_size: u64::from(symbol.length),
        });
    }
    writer.write_strtab();
    writer.write_shstrtab();
    writer.write_null_section_header();
    for section in &sections {
        writer.write_section_header(section);
    }
    // Local symbols come first, and all are local, the null symbol included.
    writer.write_symtab_section_header(symbols.len() as u32 + 1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    Ok(())
}

fn file_header() -> FileHeader {
    FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        // A shared object: tools then take addresses for offsets from where the text is mapped.
        e_type: elf::ET_DYN,
        e_machine: elf::EM_X86_64,
        e_entry: 0,
        e_flags: 0,
    }
}

/// The text is loaded where it is in the file, so that both ways of turning an address into a symbol
/// agree. Profilers ask for it.
fn program_header(places: &Places) -> ProgramHeader {
    ProgramHeader {
        p_type: elf::PT_LOAD,
        p_flags: elf::PF_R | elf::PF_X,
        p_offset: TEXT_START,
        p_vaddr: TEXT_START,
        p_paddr: TEXT_START,
        p_filesz: places.text_bytes,
        p_memsz: places.text_bytes,
        p_align: PAGE,
    }
}

struct OurSection {
    name: &'static str,
    header: SectionHeader,
}

fn our_sections(places: &Places) -> [OurSection; 4] {
    let section = |name, start, bytes, align| OurSection {
        name,
        header: SectionHeader {
            name: None,
            sh_type: elf::SHT_PROGBITS,
            sh_flags: 0,
            sh_addr: 0,
            sh_offset: start,
            sh_size: bytes,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: align,
            sh_entsize: 0,
        },
    };
    let mut text = section(".text", TEXT_START, places.text_bytes, PAGE);
    text.header.sh_flags = u64::from(elf::SHF_ALLOC | elf::SHF_EXECINSTR);
    text.header.sh_addr = TEXT_START;
    [
        text,
        section(".hatchery.pages", places.pages_start, places.pages_bytes, PAGE),
        section(".hatchery.meta", places.meta_start, places.meta_bytes, PAGE),
        section(".hatchery.root", ROOT_START, ROOT_BYTES as u64, 8),
    ]
}
