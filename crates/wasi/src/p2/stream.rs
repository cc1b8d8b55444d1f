//! `wasi:io/error` and `wasi:io/streams`: the value behind each handle.

use super::poll::{Pollable, Retry, Watched};
use super::sockets::tcp::Socket;
use crate::WasiCtx;
use crate::host::{Descriptor as Open, Durability, Error as HostError, File, Interest, Position, Ready, Watch, wait};
use crate::p1::Table;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Why the last operation on a stream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IoError(pub(crate) HostError);

/// What a stream operation answers instead of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The operation failed, and the stream with it.
    Last(HostError),
    /// The stream is at its end, or failed before.
    Closed,
}

/// Most bytes that one read returns, however many are asked for.
const MOST_READ: u64 = 64 << 10;

/// What a stream that never blocks takes at a time.
const ROOM: u64 = 1 << 20;

/// What a pipe, terminal or socket that has room takes at a time without blocking (`PIPE_BUF`).
const PIPE_ROOM: u64 = 4096;

/// Where bytes come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The guest's descriptor 0.
    Stdin,
    /// A file, from an offset on.
    File(Arc<File>, u64),
    /// A connected socket.
    Socket(Arc<Socket>),
}

/// An `input-stream`.
#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
    closed: bool,
    retry: Arc<Retry>,
}

impl Input {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, closed: false, retry: Arc::default() }
    }

    /// What is there now, up to `len` bytes: none when nothing is.
    pub(crate) fn read(&mut self, table: &mut Table, len: u64) -> Result<Vec<u8>, Failed> {
        if self.closed {
            return Err(Failed::Closed);
        }
        let mut bytes = vec![0; len.min(MOST_READ) as usize];
        let room = &mut [IoSliceMut::new(&mut bytes)];
        let read = match &mut self.source {
            Source::Stdin => match table.standard(0) {
                Some(Open::Input(stream)) => stream.read(room),
                _ => Ok(0),
            },
            Source::File(file, offset) => {
                file.read(room, position(file, *offset)).inspect(|read| advance(offset, *read))
            }
            Source::Socket(socket) if !socket.receives() => Ok(0),
            Source::Socket(socket) => socket_read(socket.fd(), room),
        };
        match read {
            Ok(0) if len > 0 => {
                self.closed = true;
                Err(Failed::Closed)
            }
            Ok(read) => {
                bytes.truncate(read);
                Ok(bytes)
            }
            Err(HostError::WouldBlock) => {
                self.retry.later();
                Ok(Vec::new())
            }
            Err(error) => {
                self.closed = true;
                Err(Failed::Last(error))
            }
        }
    }

    /// What becomes ready when something can be read.
    pub(crate) fn subscribe(&self, table: &Table) -> Pollable {
        let watched = match &self.source {
            _ if self.closed => return Pollable::Always,
            Source::Stdin => Watched::Standard(0),
            Source::File(file, _) => Watched::File(file.clone()),
            Source::Socket(socket) => Watched::Fd(socket.fd().clone()),
        };
        pollable(watched, Interest::Read, &self.retry, table)
    }
}

/// Where bytes go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// The guest's descriptor with this number: 1 or 2.
    Standard(u8),
    /// A file, from an offset on, and how durable each write must be.
    File { file: Arc<File>, offset: u64, durability: Durability },
    /// A file, at its end.
    Append { file: Arc<File>, durability: Durability },
    /// A connected socket.
    Socket(Arc<Socket>),
}

/// An `output-stream`.
#[derive(Debug)]
pub(crate) struct Output {
    sink: Sink,
    closed: bool,
    /// What was accepted and could not be passed on yet.
    pending: Vec<u8>,
    /// How much the guest may write, as it was told last.
    permit: u64,
    retry: Arc<Retry>,
}

/// A guest wrote more than it was told that it may.
#[derive(Debug)]
pub(crate) struct Excess {
    pub(crate) wrote: u64,
    pub(crate) permit: u64,
}

impl Output {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, closed: false, pending: Vec::new(), permit: 0, retry: Arc::default() }
    }

    /// How many bytes can be written now.
    pub(crate) fn check_write(&mut self, table: &mut Table) -> Result<u64, Failed> {
        let drained = self.drain(table)?;
        self.expect_sending(drained)?;
        let watched = self.watched();
        self.permit = match watched.fd(table) {
            _ if !drained => 0,
            None => ROOM,
            Some(fd) if is_ready(fd) => PIPE_ROOM,
            Some(_) => 0,
        };
        Ok(self.permit)
    }

    /// A socket that was shut down takes nothing more, but still passes on what is pending.
    fn expect_sending(&self, drained: bool) -> Result<(), Failed> {
        match &self.sink {
            Sink::Socket(socket) if drained && !socket.sends() => Err(Failed::Closed),
            _ => Ok(()),
        }
    }

    /// How much may be written, as the guest was told last.
    pub(crate) fn permit(&self) -> u64 {
        self.permit
    }

    /// Writes what was permitted.
    pub(crate) fn write(&mut self, table: &mut Table, bytes: &[u8]) -> Result<Result<(), Failed>, Excess> {
        let wrote = bytes.len() as u64;
        let Some(left) = self.permit.checked_sub(wrote) else {
            return Err(Excess { wrote, permit: self.permit });
        };
        self.permit = left;
        Ok(self.accept(table, bytes))
    }

    /// Passes bytes on, and keeps what finds no room.
    pub(crate) fn accept(&mut self, table: &mut Table, bytes: &[u8]) -> Result<(), Failed> {
        self.expect_sending(true)?;
        self.drain(table)?;
        let mut left = bytes;
        while self.pending.is_empty() && !left.is_empty() {
            match self.pass(table, left)? {
                0 => break,
                written => left = &left[written..],
            }
        }
        self.pending.extend_from_slice(left);
        self.tell_pending();
        Ok(())
    }

    /// A socket's end is sent behind what is pending, so the socket knows whether something is.
    fn tell_pending(&self) {
        if let Sink::Socket(socket) = &self.sink {
            socket.set_pending(!self.pending.is_empty());
        }
    }

    /// Whether everything that was written has been passed on; it tries to.
    pub(crate) fn drain(&mut self, table: &mut Table) -> Result<bool, Failed> {
        if self.closed {
            return Err(Failed::Closed);
        }
        self.expect_sending(self.pending.is_empty())?;
        while !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let written = self.pass(table, &pending)?;
            self.pending = pending;
            if written == 0 {
                return Ok(false);
            }
            self.pending.drain(..written);
        }
        self.tell_pending();
        Ok(true)
    }

    /// Before it goes away: passes on what can be now. What finds no room is lost; an end that is to be sent behind it is.
    pub(crate) fn finish(mut self, table: &mut Table) {
        let _ = self.drain(table);
        self.pending = Vec::new();
        self.tell_pending();
    }

    /// Makes sure that what was passed on is on its way.
    pub(crate) fn flush(&mut self, table: &mut Table) -> Result<(), Failed> {
        if let Sink::Standard(number) = self.sink
            && let Some(Open::Output(stream)) = table.standard(number)
        {
            stream.flush().map_err(|error| self.fail(error))?;
        }
        Ok(())
    }

    /// Writes some of the bytes; none when there is no room now.
    fn pass(&mut self, table: &mut Table, bytes: &[u8]) -> Result<usize, Failed> {
        let slices = &[IoSlice::new(bytes)];
        let written = match &mut self.sink {
            Sink::Standard(number) => match table.standard(*number) {
                Some(Open::Output(stream)) => stream.write(slices),
                _ => Err(HostError::Os(rustix::io::Errno::PIPE)),
            },
            Sink::File { file, offset, durability } => {
                let written = file.write(slices, position(file, *offset), *durability);
                written.inspect(|written| advance(offset, *written))
            }
            Sink::Append { file, durability } => file.write(slices, Position::End, *durability),
            Sink::Socket(socket) => socket_write(socket.fd(), bytes),
        };
        match written {
            Ok(written) => Ok(written),
            Err(HostError::WouldBlock) => {
                self.retry.later();
                Ok(0)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: HostError) -> Failed {
        self.closed = true;
        self.pending = Vec::new();
        self.tell_pending();
        if error == HostError::Os(rustix::io::Errno::PIPE) { Failed::Closed } else { Failed::Last(error) }
    }

    fn watched(&self) -> Watched {
        match &self.sink {
            Sink::Standard(number) => Watched::Standard(*number),
            Sink::File { file, .. } | Sink::Append { file, .. } => Watched::File(file.clone()),
            Sink::Socket(socket) => Watched::Fd(socket.fd().clone()),
        }
    }

    /// How durable its writes are, if it is a file's.
    #[cfg(test)]
    pub(super) fn durability(&self) -> Option<Durability> {
        match self.sink {
            Sink::File { durability, .. } | Sink::Append { durability, .. } => Some(durability),
            Sink::Standard(_) | Sink::Socket(_) => None,
        }
    }

    /// What becomes ready when something can be written.
    pub(crate) fn subscribe(&self, table: &Table) -> Pollable {
        match self.closed {
            true => Pollable::Always,
            false => pollable(self.watched(), Interest::Write, &self.retry, table),
        }
    }
}

/// What becomes ready when a stream does. One without a descriptor is ready, unless it has just been tried in vain.
fn pollable(watched: Watched, interest: Interest, retry: &Arc<Retry>, table: &Table) -> Pollable {
    match watched.fd(table) {
        Some(_) => Pollable::Watched(watched, interest),
        None => Pollable::Retry(retry.clone()),
    }
}

/// Where a file's stream goes on. What has no offsets only goes on where it is.
fn position(file: &File, offset: u64) -> Position {
    if file.has_offsets() { Position::At(offset) } else { Position::Current }
}

/// A pipe can give more bytes than there are offsets.
fn advance(offset: &mut u64, bytes: usize) {
    *offset = offset.saturating_add(bytes as u64);
}

fn is_ready(fd: BorrowedFd<'_>) -> bool {
    let found = wait(&[Watch { fd, interest: Interest::Write }], Duration::ZERO);
    found.is_ok_and(|found| found.first().is_some_and(|ready| *ready != Ready::No))
}

fn socket_read(socket: &OwnedFd, room: &mut [IoSliceMut<'_>]) -> crate::host::Result<usize> {
    match rustix::io::retry_on_intr(|| rustix::io::readv(socket, room)) {
        Ok(read) => Ok(read),
        Err(rustix::io::Errno::AGAIN) => Err(HostError::WouldBlock),
        Err(errno) => Err(HostError::Os(errno)),
    }
}

/// Without the signal that a broken connection sends otherwise.
fn socket_write(socket: &OwnedFd, bytes: &[u8]) -> crate::host::Result<usize> {
    let send = || rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL);
    match rustix::io::retry_on_intr(send) {
        Ok(written) => Ok(written),
        Err(rustix::io::Errno::AGAIN) => Err(HostError::WouldBlock),
        Err(errno) => Err(HostError::Os(errno)),
    }
}

/// Of a context, what streams need and what holds them.
pub(crate) fn split(ctx: &mut WasiCtx) -> (&mut Table, &mut super::resources::Resources) {
    (&mut ctx.table, &mut ctx.resources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{MemoryInput, MemoryOutput};

    #[test]
    fn input_ends_once_and_stays_closed() {
        let mut ctx = WasiCtx::builder().stdin(MemoryInput::new(&b"hello"[..])).build();
        let mut input = Input::new(Source::Stdin);
        assert_eq!(input.read(&mut ctx.table, 3), Ok(b"hel".to_vec()));
        assert_eq!(input.read(&mut ctx.table, 0), Ok(Vec::new()));
        assert_eq!(input.read(&mut ctx.table, 1 << 40), Ok(b"lo".to_vec()));
        assert_eq!(input.read(&mut ctx.table, 1), Err(Failed::Closed));
        assert_eq!(input.read(&mut ctx.table, 1), Err(Failed::Closed));
    }

    #[test]
    fn output_takes_what_it_permitted() {
        let out = MemoryOutput::new(100);
        let mut ctx = WasiCtx::builder().stdout(out.clone()).build();
        let mut output = Output::new(Sink::Standard(1));
        assert_eq!(output.write(&mut ctx.table, b"x").unwrap_err().permit, 0);
        assert!(output.check_write(&mut ctx.table).unwrap() >= 5);
        output.write(&mut ctx.table, b"hello").unwrap().unwrap();
        assert_eq!(out.contents(), b"hello");
    }

    #[test]
    fn a_pipe_that_is_full_keeps_the_rest_until_there_is_room() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut ctx = WasiCtx::builder().stdout(crate::host::OsOutput::new(write)).build();
        let mut output = Output::new(Sink::Standard(1));
        while output.check_write(&mut ctx.table).unwrap() > 0 {
            output.write(&mut ctx.table, &[7; 4096]).unwrap().unwrap();
        }
        output.accept(&mut ctx.table, &[8; 10]).unwrap();
        assert_eq!(output.drain(&mut ctx.table), Ok(false));
        let mut room = vec![0; 8192];
        while output.drain(&mut ctx.table) == Ok(false) {
            assert!(rustix::io::read(&read, &mut room).unwrap() > 0);
        }
        drop(read);
        assert_eq!(output.accept(&mut ctx.table, b"x"), Err(Failed::Closed));
        assert_eq!(output.check_write(&mut ctx.table), Err(Failed::Closed));
    }
}
