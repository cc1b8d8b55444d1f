//! What is known and can be set about an open descriptor.

use super::encode::{FDSTAT_SIZE, FILESTAT_SIZE, fdstat, file_offset, filestat, write_bytes};
use super::{Answer, Errno, FdFlags, Guest, Memory, Rights};
use crate::host::{Descriptor, SetTime};

/// Writes a descriptor's kind, flags and rights.
pub fn fd_fdstat_get<G: Guest>(guest: &mut G, fd: i32, out: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let slot = ctx.table.slot(fd)?;
    memory.check(out.cast_unsigned(), FDSTAT_SIZE)?;
    let bytes = fdstat(slot.descriptor.file_type(), slot.flags, slot.base, slot.inheriting);
    Ok(write_bytes(&mut memory, out.cast_unsigned(), &bytes)?)
}

/// Sets a descriptor's flags. Each write says for itself what they mean, so every combination is possible.
pub fn fd_fdstat_set_flags<G: Guest>(guest: &mut G, fd: i32, flags: i32) -> Answer<G> {
    let (_, ctx) = guest.split()?;
    ctx.table.with(fd, Rights::FD_FDSTAT_SET_FLAGS)?.flags = FdFlags::from_guest(flags)?;
    Ok(())
}

/// Gives up rights. None can be gained.
pub fn fd_fdstat_set_rights<G: Guest>(guest: &mut G, fd: i32, base: i64, inheriting: i64) -> Answer<G> {
    let (base, inheriting) = (Rights::from_guest(base), Rights::from_guest(inheriting));
    let (_, ctx) = guest.split()?;
    let slot = ctx.table.get(fd)?;
    if !slot.base.contains(base) || !slot.inheriting.contains(inheriting) {
        return Err(Errno::NotCapable.into());
    }
    (slot.base, slot.inheriting) = (base, inheriting);
    Ok(())
}

/// Writes the attributes of what is open.
pub fn fd_filestat_get<G: Guest>(guest: &mut G, fd: i32, out: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let slot = ctx.table.with(fd, Rights::FD_FILESTAT_GET)?;
    memory.check(out.cast_unsigned(), FILESTAT_SIZE)?;
    let stat = slot.descriptor.stat()?;
    Ok(write_bytes(&mut memory, out.cast_unsigned(), &filestat(&stat))?)
}

/// Cuts or extends a file.
pub fn fd_filestat_set_size<G: Guest>(guest: &mut G, fd: i32, size: i64) -> Answer<G> {
    let (_, ctx) = guest.split()?;
    match &ctx.table.with(fd, Rights::FD_FILESTAT_SET_SIZE)?.descriptor {
        Descriptor::File(file) => Ok(file.set_size(file_offset(size)?)?),
        _ => Err(Errno::Inval.into()),
    }
}

/// Sets the times of what is open.
pub fn fd_filestat_set_times<G: Guest>(guest: &mut G, fd: i32, accessed: i64, modified: i64, flags: i32) -> Answer<G> {
    let (accessed, modified) = set_times(accessed, modified, flags)?;
    let (_, ctx) = guest.split()?;
    match &ctx.table.with(fd, Rights::FD_FILESTAT_SET_TIMES)?.descriptor {
        Descriptor::File(file) => Ok(file.set_times(accessed, modified)?),
        Descriptor::Dir(dir) => Ok(dir.set_times(accessed, modified)?),
        _ => Err(Errno::Badf.into()),
    }
}

/// Two times and flags that say which of them count: bits 0 and 1 for the access time, 2 and 3 for the modification
/// time, the lower bit of each for the time given and the higher for the present.
pub(super) fn set_times(accessed: i64, modified: i64, flags: i32) -> Result<(SetTime, SetTime), Errno> {
    if !(0..16).contains(&flags) {
        return Err(Errno::Inval);
    }
    Ok((set_time(accessed, flags)?, set_time(modified, flags >> 2)?))
}

fn set_time(time: i64, flags: i32) -> Result<SetTime, Errno> {
    match flags & 3 {
        0 => Ok(SetTime::Keep),
        1 => Ok(SetTime::To(time.cast_unsigned())),
        2 => Ok(SetTime::Now),
        _ => Err(Errno::Inval),
    }
}
