//! Names for profilers where there is no file they could read them from.

use super::error::ArtifactError;
use super::image::Image;
use super::root::TEXT_START;
use super::symbols::Symbol;
use object::read::elf::ElfFile64;
use object::read::{Object, ObjectSymbol, ReadCache};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Write;

impl Image {
    /// The symbols in the file, as tools read them.
    ///
    /// # Errors
    ///
    /// When the ELF envelope is damaged.
    pub(super) fn symbols(&self) -> Result<Vec<Symbol>, ArtifactError> {
        let damaged = |_| ArtifactError::Foreign { what: "its ELF envelope is damaged" };
        let file = self.file.try_clone().map_err(ArtifactError::system("duplicate the file"))?;
        let cache = ReadCache::new(file);
        let elf = ElfFile64::<object::LittleEndian, _>::parse(&cache).map_err(damaged)?;
        let symbol = |symbol: object::read::elf::ElfSymbol64<'_, '_, object::LittleEndian, _>| {
            let start = u32::try_from(symbol.address().checked_sub(TEXT_START)?).ok()?;
            let length = u32::try_from(symbol.size()).ok()?;
            Some(Symbol { start, length, name: symbol.name().ok()?.to_owned() })
        };
        Ok(elf.symbols().filter_map(symbol).collect())
    }

    /// Appends the addresses and names of all code to the map of this process that `perf` looks for,
    /// `/tmp/perf-<process>.map`. For images that were made in memory; files carry their names.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn append_perf_map(&self) -> Result<(), ArtifactError> {
        let path = format!("/tmp/perf-{}.map", std::process::id());
        let base = self.text.base() as usize;
        let mut lines = String::new();
        for symbol in self.symbols()? {
            lines.push_str(&format!("{:x} {:x} {}\n", base + symbol.start as usize, symbol.length, symbol.name));
        }
        // The directory is everybody's: a link that somebody put there is not followed.
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(ArtifactError::system("open the perf map"))?;
        File::from(fd).write_all(lines.as_bytes()).map_err(ArtifactError::system("write the perf map"))
    }
}
