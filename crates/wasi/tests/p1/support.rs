//! A guest without a virtual machine, and short names for what tests ask of it.

use hatchery_wasi::p1::{self, Answer, Errno, Failure, Fault, Guest, Memory, Rights};
use hatchery_wasi::{DirPerms, FilePerms, I32Exit, WasiCtx, WasiCtxBuilder};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The bytes of a guest's memory.
pub(crate) struct Bytes<'a>(&'a mut Vec<u8>, &'a mut u64);

impl Memory for Bytes<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Fault> {
        self.check(at, len)?;
        Ok(&self.0[at as usize..][..len as usize])
    }

    fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Fault> {
        self.check(at, len)?;
        *self.1 += u64::from(len);
        Ok(&mut self.0[at as usize..][..len as usize])
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    Exit(I32Exit),
    Stopped,
}

impl From<I32Exit> for Trap {
    fn from(exit: I32Exit) -> Self {
        Self::Exit(exit)
    }
}

/// A guest: a memory, a context, and perhaps a moment from which it is not wanted any more.
pub(crate) struct TestGuest {
    pub(crate) memory: Vec<u8>,
    pub(crate) ctx: WasiCtx,
    pub(crate) deadline: Option<Instant>,
    /// How many bytes were made ready for writing.
    pub(crate) prepared: u64,
    /// Where the next value is put.
    next: u32,
}

impl Guest for TestGuest {
    type Memory<'a> = Bytes<'a>;
    type Trap = Trap;

    fn split(&mut self) -> Result<(Bytes<'_>, &mut WasiCtx), Fault> {
        Ok((Bytes(&mut self.memory, &mut self.prepared), &mut self.ctx))
    }

    fn check_interrupt(&mut self) -> Result<(), Trap> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Trap::Stopped),
            _ => Ok(()),
        }
    }
}

pub(crate) const SIZE: u32 = 1 << 20;

/// Where results are written.
pub(crate) const OUT: i32 = 16;

pub(crate) type Outcome<T = ()> = Result<T, Errno>;

/// What a function answered, which must not be a trap.
pub(crate) fn told(answer: Answer<TestGuest>) -> Outcome {
    answer.map_err(|failure| match failure {
        Failure::Errno(errno) => errno,
        Failure::Trap(trap) => panic!("trapped: {trap:?}"),
    })
}

/// The directory that is the guest's first: descriptor 3.
pub(crate) const ROOT: i32 = 3;

pub(crate) fn guest(builder: &mut WasiCtxBuilder) -> TestGuest {
    TestGuest { memory: vec![0; SIZE as usize], ctx: builder.build(), deadline: None, prepared: 0, next: 4096 }
}

/// A guest with one directory, which may do anything in it.
pub(crate) fn guest_in(path: &Path) -> TestGuest {
    guest_with(path, DirPerms::all(), FilePerms::all())
}

/// A guest with one directory.
pub(crate) fn guest_with(path: &Path, dirs: DirPerms, files: FilePerms) -> TestGuest {
    guest(WasiCtx::builder().preopened_dir(path, "/", dirs, files).unwrap())
}

/// A scratch directory with `inside/`, the guest's, next to a `secret` and a directory `outside/` with a `secret`.
pub(crate) fn scratch() -> (TempDir, std::path::PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let inside = scratch.path().join("inside");
    for dir in ["inside", "outside"] {
        std::fs::create_dir(scratch.path().join(dir)).unwrap();
    }
    for secret in ["secret", "outside/secret"] {
        std::fs::write(scratch.path().join(secret), "secret").unwrap();
    }
    (scratch, inside)
}

/// How a path is opened; what is not said is not asked.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) follow: i32,
    pub(crate) oflags: i32,
    pub(crate) rights: Rights,
    pub(crate) inheriting: Rights,
    pub(crate) flags: i32,
}

pub(crate) const CREAT: i32 = 1;
pub(crate) const DIRECTORY: i32 = 2;
pub(crate) const EXCL: i32 = 4;
pub(crate) const TRUNC: i32 = 8;

impl Opening {
    pub(crate) const READ: Self =
        Self { follow: 1, oflags: 0, rights: Rights::all(), inheriting: Rights::all(), flags: 0 }.without_writing();
    pub(crate) const WRITE: Self =
        Self { follow: 1, oflags: CREAT, rights: Rights::all(), inheriting: Rights::all(), flags: 0 };
    pub(crate) const DIR: Self = Self { oflags: DIRECTORY, ..Self::READ };

    const fn without_writing(self) -> Self {
        Self { rights: Rights::all().difference(Rights::FD_WRITE), ..self }
    }
}

impl TestGuest {
    /// Puts bytes where nothing else is; gives address and length.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> (i32, i32) {
        let at = self.next as usize;
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
        self.next += u32::try_from(bytes.len()).unwrap().next_multiple_of(8);
        (i32::try_from(at).unwrap(), i32::try_from(bytes.len()).unwrap())
    }

    /// Forgets what was put, so that tests that loop do not run out of memory.
    pub(crate) fn rewind(&mut self) {
        self.next = 4096;
    }

    pub(crate) fn u32_at(&self, at: i32) -> u32 {
        u32::from_le_bytes(self.bytes_at(at, 4).try_into().unwrap())
    }

    pub(crate) fn u64_at(&self, at: i32) -> u64 {
        u64::from_le_bytes(self.bytes_at(at, 8).try_into().unwrap())
    }

    pub(crate) fn bytes_at(&self, at: i32, len: u32) -> &[u8] {
        &self.memory[usize::try_from(at).unwrap()..][..len as usize]
    }

    /// Puts a list of buffers; gives its address and length.
    pub(crate) fn buffers(&mut self, buffers: &[(i32, i32)]) -> (i32, i32) {
        let bytes: Vec<u8> =
            buffers.iter().flat_map(|(at, len)| [at.to_le_bytes(), len.to_le_bytes()].concat()).collect();
        let (at, _) = self.put(&bytes);
        (at, i32::try_from(buffers.len()).unwrap())
    }

    pub(crate) fn open(&mut self, dir: i32, path: &str, how: Opening) -> Outcome<i32> {
        self.open_bytes(dir, path.as_bytes(), how)
    }

    pub(crate) fn open_bytes(&mut self, dir: i32, path: &[u8], how: Opening) -> Outcome<i32> {
        let (at, len) = self.put(path);
        let (base, inheriting) = (how.rights.bits().cast_signed(), how.inheriting.bits().cast_signed());
        told(p1::path_open(self, dir, how.follow, at, len, how.oflags, base, inheriting, how.flags, OUT))?;
        Ok(self.u32_at(OUT).cast_signed())
    }

    pub(crate) fn close(&mut self, fd: i32) -> Outcome {
        told(p1::fd_close(self, fd))
    }

    pub(crate) fn write(&mut self, fd: i32, bytes: &[u8]) -> Outcome<u32> {
        let buffer = self.put(bytes);
        let (at, count) = self.buffers(&[buffer]);
        told(p1::fd_write(self, fd, at, count, OUT))?;
        Ok(self.u32_at(OUT))
    }

    pub(crate) fn read(&mut self, fd: i32, len: u32) -> Outcome<Vec<u8>> {
        let buffer = self.put(&vec![0; len as usize]);
        let (at, count) = self.buffers(&[buffer]);
        told(p1::fd_read(self, fd, at, count, OUT))?;
        Ok(self.bytes_at(buffer.0, self.u32_at(OUT)).to_vec())
    }

    pub(crate) fn seek(&mut self, fd: i32, offset: i64, whence: i32) -> Outcome<u64> {
        told(p1::fd_seek(self, fd, offset, whence, OUT))?;
        Ok(self.u64_at(OUT))
    }

    /// Kind, flags, rights, and rights passed on.
    pub(crate) fn fdstat(&mut self, fd: i32) -> Outcome<(u8, u16, Rights, Rights)> {
        told(p1::fd_fdstat_get(self, fd, OUT))?;
        let flags = u16::from_le_bytes(self.bytes_at(OUT + 2, 2).try_into().unwrap());
        let rights = |at| Rights::from_bits(self.u64_at(at)).unwrap();
        Ok((self.bytes_at(OUT, 1)[0], flags, rights(OUT + 8), rights(OUT + 16)))
    }

    /// Kind and size.
    pub(crate) fn stat_at(&mut self, dir: i32, follow: i32, path: &str) -> Outcome<(u8, u64)> {
        let (at, len) = self.put(path.as_bytes());
        told(p1::path_filestat_get(self, dir, follow, at, len, OUT))?;
        Ok((self.bytes_at(OUT + 16, 1)[0], self.u64_at(OUT + 32)))
    }

    /// Calls a function that takes a descriptor and a path.
    pub(crate) fn path(&mut self, call: fn(&mut Self, i32, i32, i32) -> Answer<Self>, dir: i32, path: &str) -> Outcome {
        let (at, len) = self.put(path.as_bytes());
        told(call(self, dir, at, len))
    }

    pub(crate) fn symlink(&mut self, target: &str, dir: i32, path: &str) -> Outcome {
        let ((target, target_len), (at, len)) = (self.put(target.as_bytes()), self.put(path.as_bytes()));
        told(p1::path_symlink(self, target, target_len, dir, at, len))
    }

    pub(crate) fn readlink(&mut self, dir: i32, path: &str, room: i32) -> Outcome<String> {
        let (at, len) = self.put(path.as_bytes());
        told(p1::path_readlink(self, dir, at, len, 1024, room, OUT))?;
        Ok(String::from_utf8(self.bytes_at(1024, self.u32_at(OUT)).to_vec()).unwrap())
    }

    pub(crate) fn rename(&mut self, dir: i32, path: &str, to: i32, new: &str) -> Outcome {
        let ((at, len), (new, new_len)) = (self.put(path.as_bytes()), self.put(new.as_bytes()));
        told(p1::path_rename(self, dir, at, len, to, new, new_len))
    }

    pub(crate) fn link(&mut self, dir: i32, path: &str, to: i32, new: &str) -> Outcome {
        let ((at, len), (new, new_len)) = (self.put(path.as_bytes()), self.put(new.as_bytes()));
        told(p1::path_link(self, dir, 0, at, len, to, new, new_len))
    }

    pub(crate) fn set_times_at(&mut self, dir: i32, follow: i32, path: &str, times: (i64, i64), flags: i32) -> Outcome {
        let (at, len) = self.put(path.as_bytes());
        told(p1::path_filestat_set_times(self, dir, follow, at, len, times.0, times.1, flags))
    }

    /// From now on the guest is only wanted for a while.
    pub(crate) fn stop_after(&mut self, time: Duration) {
        self.deadline = Some(Instant::now() + time);
    }
}
