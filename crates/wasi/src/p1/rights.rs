//! Rights and descriptor flags: what a descriptor may be used for, and how.

use super::Errno;
use crate::host::FileType;

bitflags::bitflags! {
    /// What a descriptor may be used for. The names are the specification's.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Rights: u64 {
        /// To `fd_datasync`.
        const FD_DATASYNC = 1 << 0;
        /// To `fd_read`.
        const FD_READ = 1 << 1;
        /// To `fd_seek`, and with the right to transfer, to do so at an offset.
        const FD_SEEK = 1 << 2;
        /// To `fd_fdstat_set_flags`.
        const FD_FDSTAT_SET_FLAGS = 1 << 3;
        /// To `fd_sync`.
        const FD_SYNC = 1 << 4;
        /// To `fd_tell`.
        const FD_TELL = 1 << 5;
        /// To `fd_write`.
        const FD_WRITE = 1 << 6;
        /// To `fd_advise`.
        const FD_ADVISE = 1 << 7;
        /// To `fd_allocate`.
        const FD_ALLOCATE = 1 << 8;
        /// To `path_create_directory`.
        const PATH_CREATE_DIRECTORY = 1 << 9;
        /// To create files with `path_open`.
        const PATH_CREATE_FILE = 1 << 10;
        /// To give what is in it further names with `path_link`.
        const PATH_LINK_SOURCE = 1 << 11;
        /// To put further names in it with `path_link`.
        const PATH_LINK_TARGET = 1 << 12;
        /// To `path_open`.
        const PATH_OPEN = 1 << 13;
        /// To `fd_readdir`.
        const FD_READDIR = 1 << 14;
        /// To `path_readlink`.
        const PATH_READLINK = 1 << 15;
        /// To move what is in it with `path_rename`.
        const PATH_RENAME_SOURCE = 1 << 16;
        /// To move something into it with `path_rename`.
        const PATH_RENAME_TARGET = 1 << 17;
        /// To `path_filestat_get`.
        const PATH_FILESTAT_GET = 1 << 18;
        /// To empty files with `path_open`.
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        /// To `path_filestat_set_times`.
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        /// To `fd_filestat_get`.
        const FD_FILESTAT_GET = 1 << 21;
        /// To `fd_filestat_set_size`.
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        /// To `fd_filestat_set_times`.
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        /// To `path_symlink`.
        const PATH_SYMLINK = 1 << 24;
        /// To `path_remove_directory`.
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        /// To `path_unlink_file`.
        const PATH_UNLINK_FILE = 1 << 26;
        /// To wait for it with `poll_oneoff`.
        const POLL_FD_READWRITE = 1 << 27;
        /// To `sock_shutdown`.
        const SOCK_SHUTDOWN = 1 << 28;
        /// To `sock_accept`.
        const SOCK_ACCEPT = 1 << 29;
    }

    /// How a descriptor is used.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FdFlags: u16 {
        /// Writes go to the end.
        const APPEND = 1 << 0;
        /// Bytes written are on the disk when the write returns.
        const DSYNC = 1 << 1;
        /// What would wait fails instead.
        const NONBLOCK = 1 << 2;
        /// Reads wait for pending writes; file systems here behave so anyway.
        const RSYNC = 1 << 3;
        /// Bytes and attributes are on the disk when the write returns.
        const SYNC = 1 << 4;
    }
}

impl Rights {
    /// What a descriptor is opened for.
    pub(super) const TRANSFER: Self = Self::FD_READ.union(Self::FD_WRITE);

    /// What can be done with a directory itself.
    pub const DIRECTORY: Self = Self::FD_DATASYNC
        .union(Self::FD_FDSTAT_SET_FLAGS)
        .union(Self::FD_SYNC)
        .union(Self::FD_READDIR)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::FD_FILESTAT_SET_TIMES)
        .union(Self::PATH_CREATE_DIRECTORY)
        .union(Self::PATH_CREATE_FILE)
        .union(Self::PATH_LINK_SOURCE)
        .union(Self::PATH_LINK_TARGET)
        .union(Self::PATH_OPEN)
        .union(Self::PATH_READLINK)
        .union(Self::PATH_RENAME_SOURCE)
        .union(Self::PATH_RENAME_TARGET)
        .union(Self::PATH_FILESTAT_GET)
        .union(Self::PATH_FILESTAT_SET_SIZE)
        .union(Self::PATH_FILESTAT_SET_TIMES)
        .union(Self::PATH_SYMLINK)
        .union(Self::PATH_REMOVE_DIRECTORY)
        .union(Self::PATH_UNLINK_FILE);

    /// What can be done with a stream, in whichever direction it goes.
    const STREAM: Self = Self::FD_FDSTAT_SET_FLAGS
        .union(Self::FD_DATASYNC)
        .union(Self::FD_SYNC)
        .union(Self::FD_FILESTAT_GET)
        .union(Self::POLL_FD_READWRITE);

    /// What can be done with a stream that is read.
    pub const INPUT: Self = Self::STREAM.union(Self::FD_READ);

    /// What can be done with a stream that is written.
    pub const OUTPUT: Self = Self::STREAM.union(Self::FD_WRITE);

    /// What can be done with a device or pipe found in a directory.
    const SPECIAL: Self = Self::INPUT.union(Self::OUTPUT).union(Self::FD_FILESTAT_SET_TIMES);

    /// What can be done with a regular file.
    pub const FILE: Self = Self::SPECIAL
        .union(Self::FD_SEEK)
        .union(Self::FD_TELL)
        .union(Self::FD_ADVISE)
        .union(Self::FD_ALLOCATE)
        .union(Self::FD_FILESTAT_SET_SIZE);

    /// What apply to a kind of thing at all. Only terminals lack positions among the devices: a guest takes a
    /// character device without them for a terminal.
    pub(super) fn applying_to(file_type: FileType) -> Self {
        match file_type {
            FileType::Directory => Self::DIRECTORY,
            FileType::Regular | FileType::BlockDevice => Self::FILE,
            FileType::CharacterDevice => Self::SPECIAL.union(Self::FD_SEEK).union(Self::FD_TELL),
            _ => Self::SPECIAL,
        }
    }

    /// A guest's word. Bits without a meaning are dropped: many guests say "all" with all bits set.
    pub(super) fn from_guest(bits: i64) -> Self {
        Self::from_bits_truncate(bits.cast_unsigned())
    }
}

impl FdFlags {
    /// A guest's word.
    pub(super) fn from_guest(bits: i32) -> Result<Self, Errno> {
        u16::try_from(bits).ok().and_then(Self::from_bits).ok_or(Errno::Inval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_the_specification_s() {
        assert_eq!(Rights::all().bits(), 0x3fff_ffff);
        assert_eq!(Rights::from_guest(-1), Rights::all());
        assert_eq!(Rights::PATH_OPEN.bits(), 0x2000);
        assert_eq!(FdFlags::all().bits(), 0x1f);
        assert_eq!(FdFlags::from_guest(0x20), Err(Errno::Inval));
        assert_eq!(FdFlags::from_guest(-1), Err(Errno::Inval));
    }

    #[test]
    fn directories_are_not_read_and_files_not_listed() {
        assert!(!Rights::DIRECTORY.intersects(Rights::FD_READ | Rights::FD_WRITE | Rights::FD_SEEK));
        assert!(!Rights::FILE.intersects(Rights::FD_READDIR | Rights::PATH_OPEN));
    }
}
