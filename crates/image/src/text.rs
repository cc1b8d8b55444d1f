//! Machine code, mapped readable and executable.

#![expect(unsafe_code, reason = "maps a sealed memfd executable")]

use memmap2::{Mmap, MmapOptions};
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io::Write;

/// Why code could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The kernel refused one of the steps.
    #[error("cannot make {bytes} bytes of code executable: {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// Size of the code.
        bytes: usize,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// The code of an image: position independent, read and executed, never written.
///
/// That of an image that was [opened to be read](crate::artifact::Purpose::Read) is not executable.
#[derive(Debug)]
pub struct Text {
    map: Option<Mmap>,
}

impl Text {
    /// Copies `code` into a sealed memfd and maps it executable.
    ///
    /// # Errors
    ///
    /// When the kernel refuses a memfd, a seal or an executable mapping.
    pub fn from_code(code: &[u8]) -> Result<Text, TextError> {
        if code.is_empty() {
            return Ok(Text { map: None });
        }
        let failed = |step| move |source: std::io::Error| TextError::System { step, bytes: code.len(), source };
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create("hatchery-text", flags).map_err(|e| failed("memfd_create")(e.into()))?;
        let mut file = File::from(fd);
        file.write_all(code).map_err(failed("write"))?;
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals).map_err(|e| failed("seal")(e.into()))?;
        // SAFETY: the file is ours alone and sealed against writing and resizing, so the mapping's
        // bytes never change and no access to them raises SIGBUS.
        let map = unsafe { MmapOptions::new().len(code.len()).map_exec(&file) }.map_err(failed("mmap"))?;
        Ok(Text { map: Some(map) })
    }

    /// Code that is mapped already: executable, unless it is only to be read.
    pub(crate) fn mapped(map: Mmap) -> Text {
        Text { map: Some(map) }
    }

    /// The code.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }

    /// Address of the first byte; dangling, but not null, where there is no code.
    pub fn base(&self) -> *const u8 {
        self.bytes().as_ptr()
    }

    /// The offset of an address inside the text.
    pub fn offset_of(&self, address: usize) -> Option<u32> {
        let offset = address.checked_sub(self.base() as usize)?;
        (offset < self.bytes().len()).then_some(offset as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_mapped_as_written_and_found_by_address() {
        let text = Text::from_code(&[0xb8, 7, 0, 0, 0, 0xc3]).expect("text");
        assert_eq!(text.bytes(), [0xb8, 7, 0, 0, 0, 0xc3]);
        let base = text.base() as usize;
        assert_eq!(text.offset_of(base + 5), Some(5));
        assert_eq!(text.offset_of(base + 6), None);
        assert_eq!(text.offset_of(base - 1), None);
    }

    #[test]
    fn mapped_code_runs() {
        let text = Text::from_code(&[0xb8, 7, 0, 0, 0, 0xc3]).expect("text");
        // SAFETY: the bytes are `mov eax, 7; ret`, a complete function of this type.
        let function: extern "C" fn() -> i32 = unsafe { core::mem::transmute(text.base()) };
        assert_eq!(function(), 7);
    }

    #[test]
    fn no_code_is_no_mapping() {
        let text = Text::from_code(&[]).expect("text");
        assert!(text.bytes().is_empty());
        assert_eq!(text.offset_of(0x1000), None);
    }
}
