//! An open file: reading, writing and its attributes.
//!
//! Whether a write appends, and how durable it must be before it returns, is said with each write and not kept in
//! the kernel's descriptor: so a positioned write goes where it says even while appending is on.

use super::error::uninterrupted;
use super::{Access, Error, FilePerms, FileType, Interest, Ready, Result, SetTime, Stat, Watch, wait};
use rustix::fs::{Advice as OsAdvice, FallocateFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::{IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Where in a file something is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// At the descriptor's own position, which moves along.
    Current,
    /// At this offset; the descriptor's position stays.
    At(u64),
    /// At the end, wherever that is when the bytes arrive; the descriptor's position moves there. Writing only.
    End,
}

/// What must have reached the disk when a write returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing.
    None,
    /// The bytes, and what is needed to read them.
    Data,
    /// All attributes, too.
    File,
}

impl Durability {
    fn flags(self) -> ReadWriteFlags {
        match self {
            Self::None => ReadWriteFlags::empty(),
            Self::Data => ReadWriteFlags::DSYNC,
            Self::File => ReadWriteFlags::SYNC,
        }
    }
}

/// What a guest intends to do with a range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing special.
    Normal,
    /// Read it in order.
    Sequential,
    /// Read it in no order.
    Random,
    /// Read it soon.
    WillNeed,
    /// Not read it soon.
    DontNeed,
    /// Read it once.
    NoReuse,
}

/// What stands for the descriptor's own position in vectored calls with flags.
const OWN_POSITION: u64 = u64::MAX;

/// An offset that the system can take. Larger ones are negative to it, and one of them is [`OWN_POSITION`].
fn representable(offset: u64) -> Result<u64> {
    if i64::try_from(offset).is_ok() { Ok(offset) } else { Err(Error::Os(Errno::INVAL)) }
}

/// An open file that is not a directory.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
    file_type: FileType,
    access: Access,
    perms: FilePerms,
}

impl File {
    /// `access` is what it was opened for, which can be less than the system's descriptor could do; `perms` are what
    /// the embedder allows. A descriptor of anything but a regular file must be non-blocking.
    pub(super) fn new(fd: OwnedFd, file_type: FileType, access: Access, perms: FilePerms) -> Self {
        Self { fd, file_type, access, perms }
    }

    /// What kind of file it is.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// Whether its bytes have offsets. Pipes, terminals and the like have none: there one can only go on reading or
    /// writing.
    pub fn has_offsets(&self) -> bool {
        matches!(self.file_type, FileType::Regular | FileType::BlockDevice)
    }

    /// What the embedder allows.
    pub fn perms(&self) -> FilePerms {
        self.perms
    }

    /// What can be waited on; regular files are always ready, so there is nothing.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        (self.file_type != FileType::Regular).then(|| self.fd.as_fd())
    }

    /// How many bytes can be read from a position without waiting, if the system says.
    pub fn available(&self, position: Position) -> Option<u64> {
        match self.file_type {
            FileType::Regular => self.left(position).ok(),
            _ => rustix::io::ioctl_fionread(&self.fd).ok(),
        }
    }

    fn left(&self, position: Position) -> Result<u64> {
        let size = self.stat()?.size;
        match position {
            Position::At(offset) => Ok(size.saturating_sub(offset)),
            Position::Current => Ok(size.saturating_sub(self.tell()?)),
            Position::End => Ok(0),
        }
    }

    /// Reads into the buffers, in order; zero bytes mean the end.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when it is a pipe or the like with nothing in it now; whatever the system says, which is
    /// `ESPIPE` to [`Position::At`] in a pipe.
    pub fn read(&self, buffers: &mut [IoSliceMut<'_>], position: Position) -> Result<usize> {
        if !self.access.reads() {
            return Err(Error::Os(Errno::BADF));
        }
        match position {
            Position::At(offset) => {
                let offset = representable(offset)?;
                uninterrupted(|| rustix::io::preadv(&self.fd, buffers, offset))
            }
            Position::Current | Position::End if self.is_silent()? => Err(Error::WouldBlock),
            Position::Current | Position::End => uninterrupted(|| rustix::io::readv(&self.fd, buffers)),
        }
    }

    /// Whether there is nothing to read yet, not even an end. A pipe that nobody has opened to write to says that it is
    /// at its end when it is read, though its writer is still to come.
    fn is_silent(&self) -> Result<bool> {
        let Some(fd) = self.watched() else { return Ok(false) };
        Ok(wait(&[Watch { fd, interest: Interest::Read }], Duration::ZERO)?[0] == Ready::No)
    }

    /// Writes the buffers, in order, and says how much of them.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when it is a pipe or the like with no room now; whatever the system says, which is `ESPIPE`
    /// to [`Position::At`] in a pipe.
    pub fn write(&self, buffers: &[IoSlice<'_>], position: Position, durability: Durability) -> Result<usize> {
        if !self.access.writes() {
            return Err(Error::Os(Errno::BADF));
        }
        let flags = self.write_flags(position, durability);
        let offset = match position {
            Position::At(offset) => Some(representable(offset)?),
            Position::Current | Position::End => None,
        };
        uninterrupted(|| match offset {
            // What needs no flags is left to calls that every system has.
            None if flags.is_empty() => rustix::io::writev(&self.fd, buffers),
            None => rustix::io::pwritev2(&self.fd, buffers, OWN_POSITION, flags),
            Some(offset) if flags.is_empty() => rustix::io::pwritev(&self.fd, buffers, offset),
            Some(offset) => rustix::io::pwritev2(&self.fd, buffers, offset, flags),
        })
    }

    /// What has no offsets has no end to append to, and nothing to make durable; not all of it takes flags.
    fn write_flags(&self, position: Position, durability: Durability) -> ReadWriteFlags {
        match position {
            _ if !self.has_offsets() => ReadWriteFlags::empty(),
            Position::End => durability.flags() | ReadWriteFlags::APPEND,
            Position::At(_) | Position::Current => durability.flags(),
        }
    }

    /// Moves the descriptor's position and says where it then is.
    ///
    /// # Errors
    ///
    /// When it would be before the start, or the file has no positions.
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        uninterrupted(|| rustix::fs::seek(&self.fd, to))
    }

    /// The descriptor's position.
    ///
    /// # Errors
    ///
    /// When the file has no positions.
    pub fn tell(&self) -> Result<u64> {
        uninterrupted(|| rustix::fs::tell(&self.fd))
    }

    /// The file's attributes.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn stat(&self) -> Result<Stat> {
        uninterrupted(|| rustix::fs::fstat(&self.fd)).map(Stat::from)
    }

    /// Cuts the file to this length, or extends it with zeros.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`] when the embedder does not allow writing; whatever the system says.
    pub fn set_size(&self, size: u64) -> Result<()> {
        self.require_writing()?;
        uninterrupted(|| rustix::fs::ftruncate(&self.fd, size))
    }

    /// Sets the file's times.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`] when the embedder does not allow writing; whatever the system says.
    pub fn set_times(&self, accessed: SetTime, modified: SetTime) -> Result<()> {
        self.require(FilePerms::WRITE)?;
        let times = SetTime::pair(accessed, modified)?;
        uninterrupted(|| rustix::fs::futimens(&self.fd, &times))
    }

    /// Reserves room on the disk, and extends the file if the range reaches beyond its end.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`] when the embedder does not allow writing; whatever the system says.
    pub fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.require_writing()?;
        uninterrupted(|| rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), offset, len))
    }

    /// Tells the system what will be read. A length of zero means up to the end.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn advise(&self, offset: u64, len: u64, advice: Advice) -> Result<()> {
        let advice = match advice {
            Advice::Normal => OsAdvice::Normal,
            Advice::Sequential => OsAdvice::Sequential,
            Advice::Random => OsAdvice::Random,
            Advice::WillNeed => OsAdvice::WillNeed,
            Advice::DontNeed => OsAdvice::DontNeed,
            Advice::NoReuse => OsAdvice::NoReuse,
        };
        uninterrupted(|| rustix::fs::fadvise(&self.fd, offset, NonZeroU64::new(len), advice))
    }

    /// Waits until everything written has reached the disk, or, with [`Durability::Data`], the bytes have.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn sync(&self, durability: Durability) -> Result<()> {
        match durability {
            Durability::None => Ok(()),
            Durability::Data => uninterrupted(|| rustix::fs::fdatasync(&self.fd)),
            Durability::File => uninterrupted(|| rustix::fs::fsync(&self.fd)),
        }
    }

    fn require_writing(&self) -> Result<()> {
        self.require(FilePerms::WRITE)?;
        if self.access.writes() { Ok(()) } else { Err(Error::Os(Errno::BADF)) }
    }

    fn require(&self, perms: FilePerms) -> Result<()> {
        if self.perms.contains(perms) { Ok(()) } else { Err(Error::NotPermitted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(perms: FilePerms) -> File {
        File::new(tempfile::tempfile().unwrap().into(), FileType::Regular, Access::ReadWrite, perms)
    }

    fn contents(file: &File) -> Vec<u8> {
        let mut room = vec![0; 64];
        let read = file.read(&mut [IoSliceMut::new(&mut room)], Position::At(0)).unwrap();
        room.truncate(read);
        room
    }

    #[test]
    fn positions_do_what_they_say() {
        let file = scratch(FilePerms::all());
        let write = |bytes: &[u8], position, durability| {
            assert_eq!(file.write(&[IoSlice::new(bytes)], position, durability), Ok(bytes.len()));
        };
        write(b"hello", Position::Current, Durability::None);
        assert_eq!(file.seek(SeekFrom::Start(1)), Ok(1));
        write(b" world", Position::End, Durability::Data);
        assert_eq!(file.tell(), Ok(11));
        write(b"J", Position::At(0), Durability::File);
        assert_eq!(file.tell(), Ok(11));
        assert_eq!(contents(&file), b"Jello world");
        assert_eq!(file.seek(SeekFrom::End(-5)), Ok(6));
        assert_eq!(file.available(Position::Current), Some(5));
        assert_eq!(file.seek(SeekFrom::Current(-7)), Err(Error::Os(Errno::INVAL)));
    }

    #[test]
    fn no_offset_is_taken_for_the_descriptor_s_own_position() {
        let file = scratch(FilePerms::all());
        for durability in [Durability::None, Durability::Data] {
            for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
                let written = file.write(&[IoSlice::new(b"x")], Position::At(offset), durability);
                assert_eq!(written, Err(Error::Os(Errno::INVAL)), "{offset}");
            }
        }
        let read = file.read(&mut [IoSliceMut::new(&mut [0])], Position::At(u64::MAX));
        assert_eq!(read, Err(Error::Os(Errno::INVAL)));
        assert_eq!((file.stat().unwrap().size, file.tell().unwrap()), (0, 0));
    }

    #[test]
    fn a_pipe_has_no_offsets_to_write_at() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let file = File::new(write, FileType::Unknown, Access::Write, FilePerms::all());
        assert!(!file.has_offsets());
        let write = |position| file.write(&[IoSlice::new(b"x")], position, Durability::Data);
        assert_eq!(write(Position::At(5)), Err(Error::Os(Errno::SPIPE)));
        assert_eq!(write(Position::Current), Ok(1));
        assert_eq!(write(Position::End), Ok(1));
        assert_eq!(rustix::io::read(&read, &mut [0; 8]), Ok(2));
    }

    #[test]
    fn a_pipe_whose_writer_is_still_to_come_is_not_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let open =
            |access| rustix::fs::open(&path, access | rustix::fs::OFlags::NONBLOCK, rustix::fs::Mode::empty()).unwrap();
        let file = File::new(open(rustix::fs::OFlags::RDONLY), FileType::Unknown, Access::Read, FilePerms::all());
        let mut room = [0; 8];
        let mut read = || file.read(&mut [IoSliceMut::new(&mut room)], Position::Current);
        assert_eq!(read(), Err(Error::WouldBlock), "there was no writer yet");
        let writer = open(rustix::fs::OFlags::WRONLY);
        assert_eq!(read(), Err(Error::WouldBlock));
        rustix::io::write(&writer, b"data").unwrap();
        assert_eq!(read(), Ok(4));
        drop(writer);
        assert_eq!(read(), Ok(0), "the writer is gone");
    }

    #[test]
    fn sizes_and_times_are_set_where_allowed() {
        let file = scratch(FilePerms::all());
        file.set_size(100).unwrap();
        file.allocate(0, 200).unwrap();
        file.set_times(SetTime::To(5), SetTime::To(1_000_000_007)).unwrap();
        file.set_times(SetTime::Keep, SetTime::Keep).unwrap();
        let stat = file.stat().unwrap();
        assert_eq!((stat.size, stat.accessed, stat.modified), (200, 5, 1_000_000_007));
        file.advise(0, 0, Advice::Sequential).unwrap();
        file.sync(Durability::Data).unwrap();
        file.sync(Durability::File).unwrap();
    }

    #[test]
    fn without_permission_nothing_changes() {
        let file = scratch(FilePerms::READ);
        assert_eq!(file.set_size(1), Err(Error::NotPermitted));
        assert_eq!(file.allocate(0, 1), Err(Error::NotPermitted));
        assert_eq!(file.set_times(SetTime::Now, SetTime::Now), Err(Error::NotPermitted));
        assert_eq!(file.stat().unwrap().size, 0);
    }
}
