//! Streams that are descriptors of this process: what it inherited, pipes, files.
//!
//! They are shared with other processes, so their mode must not be changed: a terminal that this process made
//! non-blocking would be so for the shell, too. Instead each operation first asks whether it would block, and a write
//! to a pipe is no longer than what a pipe that has any room takes whole.

use super::error::uninterrupted;
use super::{Durability, Error, FileType, InputStream, Interest, OutputStream, Ready, Result, Stat, Watch, wait};
use rustix::io::Errno;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A pipe reported as writable has room for at least this much (`PIPE_BUF`).
const PIPE_ROOM: usize = 4096;

/// Whether an operation on a descriptor can wait for another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// A regular file: never.
    Prompt,
    /// A pipe, terminal or socket: yes.
    Waits,
}

fn pace(fd: BorrowedFd<'_>) -> Pace {
    match rustix::fs::fstat(fd).map(Stat::from) {
        Ok(stat) if stat.file_type == FileType::Regular => Pace::Prompt,
        _ => Pace::Waits,
    }
}

/// What a guest is told: character devices only where there is a terminal, as guests take one for the other.
fn file_type(fd: BorrowedFd<'_>) -> FileType {
    match rustix::fs::fstat(fd).map(Stat::from) {
        Ok(stat) if stat.file_type == FileType::CharacterDevice => terminal(fd),
        Ok(stat) => stat.file_type,
        Err(_) => FileType::Unknown,
    }
}

/// What the system knows of it. Two streams of one file are so seen to be that.
fn stat(fd: BorrowedFd<'_>) -> Result<Stat> {
    let stat = uninterrupted(|| rustix::fs::fstat(fd)).map(Stat::from)?;
    Ok(Stat { file_type: file_type(fd), ..stat })
}

fn terminal(fd: BorrowedFd<'_>) -> FileType {
    if std::io::IsTerminal::is_terminal(&fd) { FileType::CharacterDevice } else { FileType::Unknown }
}

fn would_block(fd: BorrowedFd<'_>, interest: Interest) -> Result<bool> {
    Ok(wait(&[Watch { fd, interest }], Duration::ZERO)?[0] == Ready::No)
}

/// Input from a descriptor.
#[derive(Debug)]
pub struct OsInput {
    fd: OwnedFd,
    pace: Pace,
}

impl OsInput {
    /// Reads from this descriptor.
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        let fd = fd.into();
        Self { pace: pace(fd.as_fd()), fd }
    }

    /// Reads from this process's standard input, past any buffer of the standard library.
    ///
    /// # Errors
    ///
    /// When it is closed, or no descriptor is left to refer to it.
    pub fn inherit() -> Result<Self> {
        Ok(Self::new(std::io::stdin().as_fd().try_clone_to_owned()?))
    }
}

impl InputStream for OsInput {
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize> {
        if self.pace == Pace::Waits && would_block(self.fd.as_fd(), Interest::Read)? {
            return Err(Error::WouldBlock);
        }
        uninterrupted(|| rustix::io::readv(&self.fd, buffers))
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        (self.pace == Pace::Waits).then(|| self.fd.as_fd())
    }

    fn available(&self) -> Option<u64> {
        rustix::io::ioctl_fionread(&self.fd).ok()
    }

    fn file_type(&self) -> FileType {
        file_type(self.fd.as_fd())
    }

    fn stat(&self) -> Result<Stat> {
        stat(self.fd.as_fd())
    }
}

/// Output to a descriptor.
#[derive(Debug)]
pub struct OsOutput {
    fd: OwnedFd,
    pace: Pace,
}

impl OsOutput {
    /// Writes to this descriptor.
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        let fd = fd.into();
        Self { pace: pace(fd.as_fd()), fd }
    }

    /// Writes to this process's standard output, past any buffer of the standard library.
    ///
    /// # Errors
    ///
    /// When it is closed, or no descriptor is left to refer to it.
    pub fn inherit_stdout() -> Result<Self> {
        Ok(Self::new(std::io::stdout().as_fd().try_clone_to_owned()?))
    }

    /// Writes to this process's standard error.
    ///
    /// # Errors
    ///
    /// When it is closed, or no descriptor is left to refer to it.
    pub fn inherit_stderr() -> Result<Self> {
        Ok(Self::new(std::io::stderr().as_fd().try_clone_to_owned()?))
    }

    fn write_some(&self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        if would_block(self.fd.as_fd(), Interest::Write)? {
            return Err(Error::WouldBlock);
        }
        let start = start(buffers, PIPE_ROOM);
        uninterrupted(|| rustix::io::writev(&self.fd, &start))
    }
}

/// The first `room` bytes of the buffers.
fn start<'a>(buffers: &'a [IoSlice<'_>], mut room: usize) -> Vec<IoSlice<'a>> {
    let cut = |buffer: &'a IoSlice<'_>| {
        let len = buffer.len().min(room);
        room -= len;
        (len > 0).then(|| IoSlice::new(&buffer[..len]))
    };
    buffers.iter().filter(|buffer| !buffer.is_empty()).map_while(cut).collect()
}

impl OutputStream for OsOutput {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        match self.pace {
            Pace::Prompt => uninterrupted(|| rustix::io::writev(&self.fd, buffers)),
            Pace::Waits => self.write_some(buffers),
        }
    }

    /// Pipes and terminals have nothing to synchronize, which is no error here.
    fn sync(&mut self, durability: Durability) -> Result<()> {
        let synchronized = match durability {
            Durability::None => Ok(()),
            Durability::Data => uninterrupted(|| rustix::fs::fdatasync(&self.fd)),
            Durability::File => uninterrupted(|| rustix::fs::fsync(&self.fd)),
        };
        match synchronized {
            Err(Error::Os(Errno::INVAL | Errno::ROFS | Errno::NOTSUP)) => Ok(()),
            other => other,
        }
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        (self.pace == Pace::Waits).then(|| self.fd.as_fd())
    }

    fn file_type(&self) -> FileType {
        file_type(self.fd.as_fd())
    }

    fn stat(&self) -> Result<Stat> {
        stat(self.fd.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_pipe_would_block_and_a_closed_one_ends() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut input = OsInput::new(read);
        let mut room = [0; 8];
        assert_eq!(input.read(&mut [IoSliceMut::new(&mut room)]), Err(Error::WouldBlock));
        rustix::io::write(&write, b"abc").unwrap();
        assert_eq!(input.available(), Some(3));
        assert_eq!(input.read(&mut [IoSliceMut::new(&mut room)]), Ok(3));
        drop(write);
        assert_eq!(input.read(&mut [IoSliceMut::new(&mut room)]), Ok(0));
    }

    #[test]
    fn a_full_pipe_would_block_and_never_does() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut output = OsOutput::new(write);
        let much = vec![7; 1 << 20];
        let mut written = 0;
        let last = loop {
            match output.write(&[IoSlice::new(&much)]) {
                Ok(some) => written += some,
                Err(error) => break error,
            }
        };
        assert_eq!(last, Error::WouldBlock);
        assert!((PIPE_ROOM..1 << 20).contains(&written));
        drop(read);
        assert_eq!(output.write(&[IoSlice::new(&much)]), Err(Error::Os(Errno::PIPE)));
    }

    #[test]
    fn a_file_is_written_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let mut output = OsOutput::new(file.try_clone().unwrap());
        let much = vec![7; 1 << 20];
        assert_eq!(output.write(&[IoSlice::new(&much), IoSlice::new(b"end")]), Ok((1 << 20) + 3));
        assert_eq!(output.file_type(), FileType::Regular);
        assert!(output.watched().is_none());
        output.sync(Durability::File).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut input = OsInput::new(file);
        let mut room = vec![0; 2 << 20];
        assert_eq!(input.read(&mut [IoSliceMut::new(&mut room)]), Ok((1 << 20) + 3));
    }

    #[test]
    fn a_pipe_takes_what_it_has_room_for_of_several_buffers() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let much = vec![7; PIPE_ROOM];
        let written = OsOutput::new(write).write(&[IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(&much)]);
        assert_eq!(written, Ok(PIPE_ROOM));
        let mut room = vec![0; 2 * PIPE_ROOM];
        assert_eq!(rustix::io::read(&read, &mut room), Ok(PIPE_ROOM));
        assert_eq!(&room[..3], b"a\x07\x07");
    }

    #[test]
    fn flushing_does_not_synchronize() {
        // Only names a file: any system call that synchronizes it fails.
        let name = rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
        let mut output = OsOutput::new(name);
        assert_eq!(output.flush(), Ok(()));
        assert_eq!(output.sync(Durability::Data), Err(Error::Os(Errno::BADF)));
        assert_eq!(output.sync(Durability::File), Err(Error::Os(Errno::BADF)));
    }

    #[test]
    fn streams_of_files_have_the_attributes_of_the_files() {
        let (mut from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        std::io::Write::write_all(&mut from, b"hello").unwrap();
        let same = OsOutput::new(from.try_clone().unwrap());
        let stat = OsInput::new(from).stat().unwrap();
        assert_eq!((stat.file_type, stat.size), (FileType::Regular, 5));
        assert_eq!(stat.inode, same.stat().unwrap().inode);
        assert_ne!(stat.inode, OsOutput::new(to).stat().unwrap().inode);
    }

    #[test]
    fn dev_null_is_no_terminal() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(OsInput::new(null).file_type(), FileType::Unknown);
    }
}
