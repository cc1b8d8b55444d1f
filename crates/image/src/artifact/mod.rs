//! An image in a file.
//!
//! ```text
//!  0x0000  ELF header, program header      for other tools
//!  0x0200  root                            fixed size; says where everything is, pins what it is for
//!  0x1000  .text                           mapped executable from the file
//!          .hatchery.pages                 whole pages, mapped privately into slots
//!          .hatchery.meta
//!            surface                       copied and checked when opened
//!            maps, data, elements          mapped, read in place
//!          symbols, section headers        for other tools
//! ```
//!
//! Opening reads the root and the surface and maps the rest. What that costs follows the program's
//! interface, not its code and not its memory. An image that was just compiled takes the same way
//! through a file in memory.
//!
//! A file is trusted with the rights of the process, as it holds machine code; what is checked here is
//! that it is the right file, whole and for this machine. Whatever else it contains, reading it
//! is sound and ends.

mod catches;
mod code;
mod cpu;
mod decode;
mod elf;
mod encode;
mod error;
mod fingerprint;
#[cfg(any(test, feature = "forge"))]
mod forge;
mod image;
mod list;
mod memfd;
mod meta;
mod named;
mod open;
mod parts;
mod perf_map;
mod pins;
mod records;
mod root;
mod save;
mod surface;
mod symbols;
#[cfg(test)]
mod tests;
mod to_parts;
mod verify;
mod withdrawal;

pub use catches::{Catches, Found, Look};
pub use code::{Addresses, FunctionRef, Functions, Traps};
pub use cpu::IsaFlags;
pub use decode::{ExportRef, HostImportRef};
pub use encode::{Encoded, encode};
pub use error::ArtifactError;
#[cfg(any(test, feature = "forge"))]
pub use forge::{Sections, forge};
pub use image::{CoreInstanceRef, ElemSegmentRef, Image, MappedRanges};
pub use list::List;
pub use open::{FileTrust, Note, OpenOptions, Purpose, RECOGNIZED_BY, is_artifact};
pub use parts::{CodeSymbol, ImageParts};
pub use pins::cache_key;
pub use root::VERSION;
pub use save::Durability;
pub use withdrawal::withdraw_at;
