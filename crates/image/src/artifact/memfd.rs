//! Files in memory that nobody can change any more.

use super::error::ArtifactError;
use core::ops::Range;
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// Bytes copied at a time.
const CHUNK: usize = 256 << 10;

/// A file in memory with what `fill` writes, sealed.
pub(super) fn sealed(
    name: &'static str,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<File, ArtifactError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(name, flags).map_err(ArtifactError::system("make a file in memory"))?;
    let mut file = File::from(fd);
    fill(&mut file).map_err(ArtifactError::system("fill a file in memory"))?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals).map_err(ArtifactError::system("seal a file in memory"))?;
    Ok(file)
}

/// Hands a range of a file to `visit`, piece by piece, without mapping it: a file that has become shorter is
/// an error.
pub(super) fn pieces(file: &File, range: Range<u64>, mut visit: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK.min(range.end.saturating_sub(range.start) as usize)];
    let mut at = range.start;
    while at < range.end {
        let now = buffer.len().min((range.end - at) as usize);
        file.read_exact_at(&mut buffer[..now], at)?;
        visit(&buffer[..now])?;
        at += now as u64;
    }
    Ok(())
}

/// Appends a range of a file to another, inside the kernel where it can.
pub(super) fn copy(file: &File, range: Range<u64>, to: &mut File) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let left = range.end - at;
        match rustix::fs::sendfile(&*to, file, Some(&mut at), left as usize) {
            // What is missing, or why, reading tells.
            Ok(0) | Err(_) => return pieces(file, at..range.end, |piece| to.write_all(piece)),
            Ok(_) => {}
        }
    }
    Ok(())
}
