//! The numbers of descriptors, and the directories a guest starts with.

use super::encode::{write_bytes, write_u32};
use super::table::Slot;
use super::{Answer, Errno, Guest, Memory};

/// Closes a descriptor.
pub fn fd_close<G: Guest>(guest: &mut G, fd: i32) -> Answer<G> {
    let (_, ctx) = guest.split()?;
    drop(ctx.table.remove(fd)?);
    Ok(())
}

/// Moves a descriptor to another number, which must be open and is closed.
pub fn fd_renumber<G: Guest>(guest: &mut G, from: i32, to: i32) -> Answer<G> {
    let (_, ctx) = guest.split()?;
    Ok(ctx.table.renumber(from, to)?)
}

/// Writes that a descriptor is a directory the guest started with, and how long its name is.
pub fn fd_prestat_get<G: Guest>(guest: &mut G, fd: i32, out: i32) -> Answer<G> {
    let out = out.cast_unsigned();
    let (mut memory, ctx) = guest.split()?;
    let len = u32::try_from(preopen(ctx.table.slot(fd)?)?.len()).map_err(|_| Errno::Overflow)?;
    memory.check(out, 8)?;
    // The kind, of which there is only this, in the first byte.
    write_u32(&mut memory, out, 0)?;
    Ok(write_u32(&mut memory, out.wrapping_add(4), len)?)
}

/// Writes the name of a directory the guest started with.
pub fn fd_prestat_dir_name<G: Guest>(guest: &mut G, fd: i32, at: i32, len: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let name = preopen(ctx.table.slot(fd)?)?;
    if name.len() > len.cast_unsigned() as usize {
        return Err(Errno::NameTooLong.into());
    }
    Ok(write_bytes(&mut memory, at.cast_unsigned(), name.as_bytes())?)
}

/// Guests look for these directories by asking for one number after the other until one is `badf`.
fn preopen(slot: &Slot) -> Result<&str, Errno> {
    slot.preopen.as_deref().ok_or(Errno::Badf)
}
