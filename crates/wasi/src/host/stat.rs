//! What is known about a file, whichever kind it is.

use super::{Error, Result};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

/// What kind of thing a descriptor or a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// None of the others, or not known without looking closer. Pipes are among them.
    Unknown,
    /// A block device.
    BlockDevice,
    /// A character device; terminals are among them.
    CharacterDevice,
    /// A directory.
    Directory,
    /// A regular file.
    Regular,
    /// A socket.
    Socket,
    /// A symbolic link, not followed.
    SymbolicLink,
}

impl From<rustix::fs::FileType> for FileType {
    fn from(kind: rustix::fs::FileType) -> Self {
        match kind {
            rustix::fs::FileType::RegularFile => Self::Regular,
            rustix::fs::FileType::Directory => Self::Directory,
            rustix::fs::FileType::Symlink => Self::SymbolicLink,
            rustix::fs::FileType::CharacterDevice => Self::CharacterDevice,
            rustix::fs::FileType::BlockDevice => Self::BlockDevice,
            rustix::fs::FileType::Socket => Self::Socket,
            _ => Self::Unknown,
        }
    }
}

/// The attributes of a file. Times are nanoseconds since 1970, and 0 for anything earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The device that holds it.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
    /// What it is.
    pub file_type: FileType,
    /// How many names it has.
    pub links: u64,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last read.
    pub accessed: u64,
    /// When its bytes last changed.
    pub modified: u64,
    /// When its attributes last changed.
    pub changed: u64,
}

impl Stat {
    /// What is said of a stream that is not a file: only its kind.
    pub fn of_stream(file_type: FileType) -> Self {
        Self { device: 0, inode: 0, file_type, links: 0, size: 0, accessed: 0, modified: 0, changed: 0 }
    }
}

impl From<rustix::fs::Stat> for Stat {
    fn from(stat: rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            file_type: rustix::fs::FileType::from_raw_mode(stat.st_mode).into(),
            links: stat.st_nlink,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            accessed: nanos(stat.st_atime, stat.st_atime_nsec),
            modified: nanos(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanos(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// Seconds and a fraction as nanoseconds, held between 0 and the year 2554, where 64 bits end.
fn nanos(seconds: i64, fraction: u64) -> u64 {
    u64::try_from(seconds).map_or(0, |seconds| seconds.saturating_mul(1_000_000_000).saturating_add(fraction))
}

/// What to do with one of a file's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Leave it.
    Keep,
    /// Set it to the host's present.
    Now,
    /// Set it to this many nanoseconds since 1970.
    To(u64),
}

impl SetTime {
    fn timespec(self) -> Result<Timespec> {
        let (tv_sec, tv_nsec) = match self {
            Self::Keep => (0, UTIME_OMIT),
            Self::Now => (0, UTIME_NOW),
            Self::To(nanos) => (nanos / 1_000_000_000, i64::try_from(nanos % 1_000_000_000).unwrap_or(0)),
        };
        let tv_sec = i64::try_from(tv_sec).map_err(|_| Error::Os(Errno::INVAL))?;
        Ok(Timespec { tv_sec, tv_nsec })
    }

    /// Both times in the form the system call takes.
    pub(super) fn pair(accessed: Self, modified: Self) -> Result<Timestamps> {
        Ok(Timestamps { last_access: accessed.timespec()?, last_modification: modified.timespec()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_the_range_are_held_at_its_ends() {
        assert_eq!(nanos(-5, 999), 0);
        assert_eq!(nanos(1, 5), 1_000_000_005);
        assert_eq!(nanos(i64::MAX, 0), u64::MAX);
    }

    #[test]
    fn every_time_can_be_set() {
        let latest = SetTime::To(u64::MAX).timespec().unwrap();
        assert_eq!(latest.tv_sec, 18_446_744_073);
        assert_eq!(SetTime::Now.timespec().unwrap().tv_nsec, UTIME_NOW);
        assert_eq!(SetTime::Keep.timespec().unwrap().tv_nsec, UTIME_OMIT);
    }
}
