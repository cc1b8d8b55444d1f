//! Listing directories.

use super::encode::{DIRENT_SIZE, dirent, write_bytes, write_u32};
use super::guest::still_wanted;
use super::{Answer, Errno, Fault, Guest, Memory, Rights};
use crate::host::Entry;

/// Writes entries, one behind the other, until the buffer is full or none are left. The last may be cut off where the
/// buffer ends: a full buffer is how a guest knows that there is more.
pub fn fd_readdir<G: Guest>(guest: &mut G, fd: i32, at: i32, len: i32, cookie: i64, out: i32) -> Answer<G> {
    let (at, len, out) = (at.cast_unsigned(), len.cast_unsigned(), out.cast_unsigned());
    let (memory, ctx) = guest.split()?;
    ctx.table.dir(fd, Rights::FD_READDIR)?;
    memory.check(at, len)?;
    memory.check(out, 4)?;
    drop(memory);
    let mut list = List { at, len, used: 0 };
    let mut cookie = cookie.cast_unsigned();
    while !list.is_full() {
        let (mut memory, ctx) = guest.split()?;
        let entries = ctx.table.dir(fd, Rights::FD_READDIR)?.entries(cookie, list.room() as usize)?;
        let Some(last) = entries.last() else { break };
        cookie = last.next;
        entries.iter().try_for_each(|entry| list.push(&mut memory, entry))?;
        drop(memory);
        still_wanted(guest)?;
    }
    Ok(write_u32(&mut guest.split()?.0, out, list.used)?)
}

/// A buffer of the guest that fills up.
struct List {
    at: u32,
    len: u32,
    used: u32,
}

impl List {
    fn is_full(&self) -> bool {
        self.room() == 0
    }

    fn room(&self) -> u32 {
        self.len - self.used
    }

    fn push(&mut self, memory: &mut impl Memory, entry: &Entry) -> Result<(), Errno> {
        let name = u32::try_from(entry.name.len()).map_err(|_| Errno::Overflow)?;
        let head: [u8; DIRENT_SIZE] = dirent(entry.next, entry.inode, name, entry.file_type);
        self.append(memory, &head)?;
        Ok(self.append(memory, entry.name.as_bytes())?)
    }

    /// Writes what there is room for.
    fn append(&mut self, memory: &mut impl Memory, bytes: &[u8]) -> Result<(), Fault> {
        let fits = bytes.len().min(self.room() as usize);
        write_bytes(memory, self.at.wrapping_add(self.used), &bytes[..fits])?;
        self.used += u32::try_from(fits).map_err(|_| Fault)?;
        Ok(())
    }
}
