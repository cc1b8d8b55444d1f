//! Reading and writing.
//!
//! A transfer is a loop over portions: each borrows the guest's memory as slices for one system call. As guests that
//! come from POSIX expect, writing goes on until everything is written, or as far as it can without waiting if the
//! descriptor does not wait; so does reading of a regular file, until the file ends. Streams give what they have once
//! they have something. Between any two portions, and while a stream has nothing or no room, the guest can be stopped.

use super::encode::{file_offset, write_u32};
use super::guest::{Attempt, attempt, still_wanted};
use super::iovec::Buffers;
use super::poll::pause;
use super::table::Slot;
use super::{Answer, Errno, Failure, FdFlags, Guest, Memory, Rights};
use crate::host::{Descriptor, Durability, FileType, Interest, Position};

/// Reads at the descriptor's position.
pub fn fd_read<G: Guest>(guest: &mut G, fd: i32, buffers: i32, count: i32, out: i32) -> Answer<G> {
    let transfer = Transfer { fd, way: Interest::Read, offset: None };
    transfer.run(guest, buffers, count, out)
}

/// Reads at an offset; the descriptor's position stays.
pub fn fd_pread<G: Guest>(guest: &mut G, fd: i32, buffers: i32, count: i32, offset: i64, out: i32) -> Answer<G> {
    let transfer = Transfer { fd, way: Interest::Read, offset: Some(file_offset(offset)?) };
    transfer.run(guest, buffers, count, out)
}

/// Writes at the descriptor's position, or at the end if the descriptor appends.
pub fn fd_write<G: Guest>(guest: &mut G, fd: i32, buffers: i32, count: i32, out: i32) -> Answer<G> {
    let transfer = Transfer { fd, way: Interest::Write, offset: None };
    transfer.run(guest, buffers, count, out)
}

/// Writes at an offset; the descriptor's position stays.
pub fn fd_pwrite<G: Guest>(guest: &mut G, fd: i32, buffers: i32, count: i32, offset: i64, out: i32) -> Answer<G> {
    let transfer = Transfer { fd, way: Interest::Write, offset: Some(file_offset(offset)?) };
    transfer.run(guest, buffers, count, out)
}

#[derive(Clone, Copy)]
struct Transfer {
    fd: i32,
    way: Interest,
    /// Where, if not at the descriptor's own position.
    offset: Option<u64>,
}

impl Transfer {
    fn run<G: Guest>(self, guest: &mut G, buffers: i32, count: i32, out: i32) -> Answer<G> {
        let out = out.cast_unsigned();
        let (memory, ctx) = guest.split()?;
        ctx.table.with(self.fd, self.rights())?;
        let buffers = Buffers::read(&memory, buffers, count)?;
        memory.check(out, 4)?;
        drop(memory);
        let done = self.portions(guest, buffers)?;
        Ok(write_u32(&mut guest.split()?.0, out, done)?)
    }

    fn rights(self) -> Rights {
        let way = match self.way {
            Interest::Read => Rights::FD_READ,
            Interest::Write => Rights::FD_WRITE,
        };
        if self.offset.is_some() { way | Rights::FD_SEEK } else { way }
    }

    /// Transfers until nothing is left or no more is to be had. An error after the first portion is kept for the next
    /// call, which will meet it again: what was transferred must be told.
    fn portions<G: Guest>(self, guest: &mut G, mut buffers: Buffers) -> Result<u32, Failure<G::Trap>> {
        let mut done = 0_u32;
        while !buffers.is_empty() {
            match self.portion(guest, &buffers, done) {
                Ok(Portion::Last(bytes)) => return Ok(done + bytes),
                Ok(Portion::More(bytes)) => {
                    done += bytes;
                    buffers.advance(bytes as usize);
                }
                Ok(Portion::Wait) => pause(guest, self.fd, self.way)?,
                Err(errno) if done == 0 => return Err(errno.into()),
                Err(_) => break,
            }
            if !buffers.is_empty() {
                still_wanted(guest)?;
            }
        }
        Ok(done)
    }

    fn portion<G: Guest>(self, guest: &mut G, buffers: &Buffers, done: u32) -> Result<Portion, Errno> {
        let (mut memory, ctx) = guest.split()?;
        let slot = ctx.table.get(self.fd)?;
        let position = self.position(slot.flags, done)?;
        let (offered, result) = match self.way {
            Interest::Read => read(slot, buffers, &mut memory, position)?,
            Interest::Write => write(slot, buffers, &memory, position)?,
        };
        match attempt(result)? {
            Attempt::Done(bytes) => self.goes_on(slot, offered, bytes),
            Attempt::Blocked if slot.flags.contains(FdFlags::NONBLOCK) => Err(Errno::Again),
            Attempt::Blocked => Ok(Portion::Wait),
        }
    }

    /// Whether there may be more, of which the next portion tells. Nothing written is no progress: what takes nothing
    /// and does not say why must not be asked forever.
    fn goes_on(self, slot: &Slot, offered: usize, bytes: usize) -> Result<Portion, Errno> {
        let count = u32::try_from(bytes).map_err(|_| Errno::Io)?;
        let regular = matches!(&slot.descriptor, Descriptor::File(file) if file.file_type() == FileType::Regular);
        let more = match self.way {
            Interest::Read => regular && bytes == offered,
            Interest::Write => bytes > 0,
        };
        Ok(if more { Portion::More(count) } else { Portion::Last(count) })
    }

    fn position(self, flags: FdFlags, done: u32) -> Result<Position, Errno> {
        match self.offset {
            Some(offset) => offset.checked_add(u64::from(done)).map(Position::At).ok_or(Errno::Inval),
            None if self.way == Interest::Write && flags.contains(FdFlags::APPEND) => Ok(Position::End),
            None => Ok(Position::Current),
        }
    }
}

/// What one system call brought.
enum Portion {
    /// Bytes, and there may be more.
    More(u32),
    /// Bytes, and that is all for now.
    Last(u32),
    /// Nothing yet.
    Wait,
}

/// How many bytes were offered, and what became of them.
type Offer = (usize, crate::host::Result<usize>);

/// Reads of up to this much are not looked at closer.
const SMALL: u64 = 16 << 10;

/// What is offered when it is not known how much there is.
const GUESS: u64 = 64 << 10;

/// How much to offer for reading. Guests like to offer large buffers for little, and each page offered is made ready
/// for writing, and restored when the instance is reset: asking how much there is costs less. Never nothing, as only
/// reading finds out whether this is the end, and some files do not tell their length.
fn offer(slot: &Slot, buffers: &Buffers, position: Position) -> u64 {
    if buffers.len() <= SMALL {
        return SMALL;
    }
    slot.descriptor.available(position).map_or(GUESS, |available| available.max(SMALL))
}

fn read(slot: &mut Slot, buffers: &Buffers, memory: &mut impl Memory, position: Position) -> Result<Offer, Errno> {
    let mut slices = buffers.slices_mut(memory, offer(slot, buffers, position))?;
    let offered = slices.iter().map(|slice| slice.len()).sum();
    let result = match &mut slot.descriptor {
        Descriptor::Input(stream) => stream.read(&mut slices),
        Descriptor::File(file) => file.read(&mut slices, position),
        Descriptor::Output(_) | Descriptor::Dir(_) => return Err(Errno::Badf),
    };
    Ok((offered, result))
}

fn write(slot: &mut Slot, buffers: &Buffers, memory: &impl Memory, position: Position) -> Result<Offer, Errno> {
    let slices = buffers.slices(memory)?;
    let offered = slices.iter().map(|slice| slice.len()).sum();
    let durability = durability(slot.flags);
    let result = match &mut slot.descriptor {
        Descriptor::Output(stream) => stream.write(&slices),
        Descriptor::File(file) => file.write(&slices, position, durability),
        Descriptor::Input(_) | Descriptor::Dir(_) => return Err(Errno::Badf),
    };
    Ok((offered, result))
}

fn durability(flags: FdFlags) -> Durability {
    if flags.contains(FdFlags::SYNC) {
        Durability::File
    } else if flags.contains(FdFlags::DSYNC) {
        Durability::Data
    } else {
        Durability::None
    }
}
