//! What is done by name: making, finding, linking, renaming, removing.

use super::encode::{FILESTAT_SIZE, filestat, read_path, write_bytes, write_u32};
use super::fd_stat::set_times;
use super::{Answer, Errno, Guest, Memory, Rights};
use crate::host::Follow;

/// Lookup flags have one bit: whether a symbolic link at the end of the path is followed.
pub(super) fn follow(lookup: i32) -> Result<Follow, Errno> {
    match lookup {
        0 => Ok(Follow::No),
        1 => Ok(Follow::Yes),
        _ => Err(Errno::Inval),
    }
}

/// Makes a directory.
pub fn path_create_directory<G: Guest>(guest: &mut G, fd: i32, path: i32, path_len: i32) -> Answer<G> {
    let (memory, ctx) = guest.split()?;
    let path = read_path(&memory, path, path_len)?;
    Ok(ctx.table.dir(fd, Rights::PATH_CREATE_DIRECTORY)?.create_dir(&path)?)
}

/// Writes the attributes of what is at a path.
pub fn path_filestat_get<G: Guest>(
    guest: &mut G,
    fd: i32,
    lookup: i32,
    path: i32,
    path_len: i32,
    out: i32,
) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let path = read_path(&memory, path, path_len)?;
    memory.check(out.cast_unsigned(), FILESTAT_SIZE)?;
    let stat = ctx.table.dir(fd, Rights::PATH_FILESTAT_GET)?.stat_at(&path, follow(lookup)?)?;
    Ok(write_bytes(&mut memory, out.cast_unsigned(), &filestat(&stat))?)
}

/// Sets the times of what is at a path.
#[expect(clippy::too_many_arguments, reason = "the interface has that many")]
pub fn path_filestat_set_times<G: Guest>(
    guest: &mut G,
    fd: i32,
    lookup: i32,
    path: i32,
    path_len: i32,
    accessed: i64,
    modified: i64,
    flags: i32,
) -> Answer<G> {
    let (accessed, modified) = set_times(accessed, modified, flags)?;
    let (memory, ctx) = guest.split()?;
    let path = read_path(&memory, path, path_len)?;
    let dir = ctx.table.dir(fd, Rights::PATH_FILESTAT_SET_TIMES)?;
    Ok(dir.set_times_at(&path, follow(lookup)?, accessed, modified)?)
}

/// Gives a file a second name. Doing so through a symbolic link is not supported, as not all systems can.
#[expect(clippy::too_many_arguments, reason = "the interface has that many")]
pub fn path_link<G: Guest>(
    guest: &mut G,
    fd: i32,
    lookup: i32,
    path: i32,
    path_len: i32,
    new_fd: i32,
    new_path: i32,
    new_path_len: i32,
) -> Answer<G> {
    if follow(lookup)? == Follow::Yes {
        return Err(Errno::Inval.into());
    }
    let (memory, ctx) = guest.split()?;
    let (path, new_path) = (read_path(&memory, path, path_len)?, read_path(&memory, new_path, new_path_len)?);
    let (old, new) = ctx.table.dirs((fd, Rights::PATH_LINK_SOURCE), (new_fd, Rights::PATH_LINK_TARGET))?;
    Ok(old.link(&path, new, &new_path)?)
}

/// Writes as much of what a symbolic link says as fits.
pub fn path_readlink<G: Guest>(
    guest: &mut G,
    fd: i32,
    path: i32,
    path_len: i32,
    at: i32,
    len: i32,
    out: i32,
) -> Answer<G> {
    let (at, len, out) = (at.cast_unsigned(), len.cast_unsigned(), out.cast_unsigned());
    let (mut memory, ctx) = guest.split()?;
    let path = read_path(&memory, path, path_len)?;
    memory.check(at, len)?;
    memory.check(out, 4)?;
    let target = ctx.table.dir(fd, Rights::PATH_READLINK)?.read_link(&path)?;
    let written = u32::try_from(target.len()).unwrap_or(u32::MAX).min(len);
    write_bytes(&mut memory, at, &target.as_bytes()[..written as usize])?;
    Ok(write_u32(&mut memory, out, written)?)
}

/// Removes an empty directory.
pub fn path_remove_directory<G: Guest>(guest: &mut G, fd: i32, path: i32, path_len: i32) -> Answer<G> {
    let (memory, ctx) = guest.split()?;
    let path = read_path(&memory, path, path_len)?;
    Ok(ctx.table.dir(fd, Rights::PATH_REMOVE_DIRECTORY)?.remove_dir(&path)?)
}

/// Gives a file or directory another name.
pub fn path_rename<G: Guest>(
    guest: &mut G,
    fd: i32,
    path: i32,
    path_len: i32,
    new_fd: i32,
    new_path: i32,
    new_path_len: i32,
) -> Answer<G> {
    let (memory, ctx) = guest.split()?;
    let (path, new_path) = (read_path(&memory, path, path_len)?, read_path(&memory, new_path, new_path_len)?);
    let (old, new) = ctx.table.dirs((fd, Rights::PATH_RENAME_SOURCE), (new_fd, Rights::PATH_RENAME_TARGET))?;
    Ok(old.rename(&path, new, &new_path)?)
}

/// Makes a symbolic link.
pub fn path_symlink<G: Guest>(
    guest: &mut G,
    target: i32,
    target_len: i32,
    fd: i32,
    path: i32,
    path_len: i32,
) -> Answer<G> {
    let (memory, ctx) = guest.split()?;
    let (target, path) = (read_path(&memory, target, target_len)?, read_path(&memory, path, path_len)?);
    Ok(ctx.table.dir(fd, Rights::PATH_SYMLINK)?.symlink(&target, &path)?)
}

/// Removes a name that is not a directory's.
pub fn path_unlink_file<G: Guest>(guest: &mut G, fd: i32, path: i32, path_len: i32) -> Answer<G> {
    let (memory, ctx) = guest.split()?;
    let path = read_path(&memory, path, path_len)?;
    Ok(ctx.table.dir(fd, Rights::PATH_UNLINK_FILE)?.unlink(&path)?)
}
