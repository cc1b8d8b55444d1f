//! Positions in files, and what the disk is told about them.

use super::encode::{file_offset, write_u64};
use super::table::Slot;
use super::{Answer, Errno, Guest, Memory, Rights};
use crate::host::{Advice, Descriptor, Durability, File};
use rustix::fs::SeekFrom;

/// Moves a descriptor's position.
pub fn fd_seek<G: Guest>(guest: &mut G, fd: i32, offset: i64, whence: i32, out: i32) -> Answer<G> {
    let to = match whence {
        0 => SeekFrom::Start(file_offset(offset)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::Inval.into()),
    };
    // Asking where one is needs less than going elsewhere.
    let rights = if (offset, whence) == (0, 1) { Rights::FD_TELL } else { Rights::FD_SEEK };
    let (mut memory, ctx) = guest.split()?;
    let file = positioned(ctx.table.with(fd, rights)?)?;
    memory.check(out.cast_unsigned(), 8)?;
    Ok(write_u64(&mut memory, out.cast_unsigned(), file.seek(to)?)?)
}

/// Writes a descriptor's position.
pub fn fd_tell<G: Guest>(guest: &mut G, fd: i32, out: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let file = positioned(ctx.table.with(fd, Rights::FD_TELL)?)?;
    Ok(write_u64(&mut memory, out.cast_unsigned(), file.tell()?)?)
}

/// Says what will be read.
pub fn fd_advise<G: Guest>(guest: &mut G, fd: i32, offset: i64, len: i64, advice: i32) -> Answer<G> {
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    let (offset, len) = (file_offset(offset)?, file_offset(len)?);
    let (_, ctx) = guest.split()?;
    Ok(positioned(ctx.table.with(fd, Rights::FD_ADVISE)?)?.advise(offset, len, advice)?)
}

/// Reserves room for a range of a file.
pub fn fd_allocate<G: Guest>(guest: &mut G, fd: i32, offset: i64, len: i64) -> Answer<G> {
    let (offset, len) = (file_offset(offset)?, file_offset(len)?);
    let (_, ctx) = guest.split()?;
    Ok(positioned(ctx.table.with(fd, Rights::FD_ALLOCATE)?)?.allocate(offset, len)?)
}

/// Waits until bytes and attributes are on the disk.
pub fn fd_sync<G: Guest>(guest: &mut G, fd: i32) -> Answer<G> {
    let (_, ctx) = guest.split()?;
    Ok(ctx.table.with(fd, Rights::FD_SYNC)?.descriptor.sync(Durability::File)?)
}

/// Waits until bytes are on the disk.
pub fn fd_datasync<G: Guest>(guest: &mut G, fd: i32) -> Answer<G> {
    let (_, ctx) = guest.split()?;
    Ok(ctx.table.with(fd, Rights::FD_DATASYNC)?.descriptor.sync(Durability::Data)?)
}

/// Streams and directories have no positions. They lack the rights, so this is a second line of defence.
fn positioned(slot: &mut Slot) -> Result<&File, Errno> {
    match &slot.descriptor {
        Descriptor::File(file) => Ok(file),
        Descriptor::Dir(_) => Err(Errno::Badf),
        Descriptor::Input(_) | Descriptor::Output(_) => Err(Errno::Spipe),
    }
}
