//! The interface's structures as bytes, and integers in the guest's memory.

use super::{Errno, Fault, FdFlags, Memory, Rights};
use crate::host::{FileType, Stat};

/// One byte less than the system's `PATH_MAX`, which counts the terminating zero.
const LONGEST_PATH: u32 = 4095;

pub(super) fn write_u32(memory: &mut impl Memory, at: u32, value: u32) -> Result<(), Fault> {
    memory.bytes_mut(at, 4)?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

pub(super) fn write_u64(memory: &mut impl Memory, at: u32, value: u64) -> Result<(), Fault> {
    memory.bytes_mut(at, 8)?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

pub(super) fn write_bytes(memory: &mut impl Memory, at: u32, bytes: &[u8]) -> Result<(), Fault> {
    let len = u32::try_from(bytes.len()).map_err(|_| Fault)?;
    memory.bytes_mut(at, len)?.copy_from_slice(bytes);
    Ok(())
}

/// The integer at an offset of bytes known to be long enough.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// The integer at an offset of bytes known to be long enough.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// A path. It is copied: what the guest can change must not be looked at twice.
pub(super) fn read_path(memory: &impl Memory, at: i32, len: i32) -> Result<String, Errno> {
    let (at, len) = (at.cast_unsigned(), len.cast_unsigned());
    memory.check(at, len)?;
    if len > LONGEST_PATH {
        return Err(Errno::NameTooLong);
    }
    let path = str::from_utf8(memory.bytes(at, len)?).map_err(|_| Errno::Ilseq)?;
    match path {
        "" => Err(Errno::NoEnt),
        _ if path.contains('\0') => Err(Errno::Inval),
        _ => Ok(path.to_owned()),
    }
}

/// An offset or length in a file. Those beyond the largest file there can be are invalid.
pub(super) fn file_offset(value: i64) -> Result<u64, Errno> {
    u64::try_from(value).map_err(|_| Errno::Inval)
}

/// The number of a kind of file. There is none for a pipe; sockets are all taken for those that carry streams.
pub(super) fn file_type(file_type: FileType) -> u8 {
    match file_type {
        FileType::Unknown => 0,
        FileType::BlockDevice => 1,
        FileType::CharacterDevice => 2,
        FileType::Directory => 3,
        FileType::Regular => 4,
        FileType::Socket => 6,
        FileType::SymbolicLink => 7,
    }
}

pub(super) const FDSTAT_SIZE: u32 = 24;

/// `fdstat`: kind at 0, flags at 2, rights at 8, rights passed on at 16.
pub(super) fn fdstat(kind: FileType, flags: FdFlags, base: Rights, inheriting: Rights) -> [u8; FDSTAT_SIZE as usize] {
    let mut bytes = [0; FDSTAT_SIZE as usize];
    bytes[0] = file_type(kind);
    bytes[2..4].copy_from_slice(&flags.bits().to_le_bytes());
    bytes[8..16].copy_from_slice(&base.bits().to_le_bytes());
    bytes[16..].copy_from_slice(&inheriting.bits().to_le_bytes());
    bytes
}

pub(super) const FILESTAT_SIZE: u32 = 64;

/// `filestat`: eight words of eight bytes, the kind being a byte in the third.
pub(super) fn filestat(stat: &Stat) -> [u8; FILESTAT_SIZE as usize] {
    let kind = u64::from(file_type(stat.file_type));
    let words = [stat.device, stat.inode, kind, stat.links, stat.size, stat.accessed, stat.modified, stat.changed];
    let mut bytes = [0; FILESTAT_SIZE as usize];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

pub(super) const DIRENT_SIZE: usize = 24;

/// `dirent`: where to continue at 0, inode at 8, length of the name at 16, kind at 20; the name follows.
pub(super) fn dirent(next: u64, inode: u64, name: u32, kind: FileType) -> [u8; DIRENT_SIZE] {
    let mut bytes = [0; DIRENT_SIZE];
    bytes[..8].copy_from_slice(&next.to_le_bytes());
    bytes[8..16].copy_from_slice(&inode.to_le_bytes());
    bytes[16..20].copy_from_slice(&name.to_le_bytes());
    bytes[20] = file_type(kind);
    bytes
}
