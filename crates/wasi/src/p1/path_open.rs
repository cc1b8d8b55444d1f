//! Opening.

use super::encode::{read_path, write_u32};
use super::path::follow;
use super::table::Slot;
use super::{Answer, Errno, FdFlags, Guest, Memory, Rights};
use crate::host::{Access, Create, FileType, Kind, Open};

bitflags::bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct OFlags: u16 {
        const CREAT = 1 << 0;
        const DIRECTORY = 1 << 1;
        const EXCL = 1 << 2;
        const TRUNC = 1 << 3;
    }
}

/// Opens a file or directory.
#[expect(clippy::too_many_arguments, reason = "the interface has that many")]
pub fn path_open<G: Guest>(
    guest: &mut G,
    fd: i32,
    lookup: i32,
    path: i32,
    path_len: i32,
    oflags: i32,
    base: i64,
    _inheriting: i64,
    flags: i32,
    out: i32,
) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let wish = Wish::read(oflags, base, flags)?;
    let how = wish.how(lookup)?;
    let path = read_path(&memory, path, path_len)?;
    // Ready for writing, not only checked: when there is a descriptor, the guest must learn of it.
    memory.bytes_mut(out.cast_unsigned(), 4)?;
    let passed_on = wish.permit(ctx.table.slot(fd)?)?;
    // Before the file is made: one that cannot be held open should not appear.
    ctx.table.vacant()?;
    let descriptor = ctx.table.dir(fd, wish.needed())?.open(&path, how)?;
    let base = wish.granted(descriptor.file_type()) & passed_on;
    let inheriting = if descriptor.file_type() == FileType::Directory { passed_on } else { Rights::empty() };
    let slot = Slot { descriptor, base, inheriting, flags: wish.flags, preopen: None, origin: None };
    Ok(write_u32(&mut memory, out.cast_unsigned(), ctx.table.insert(slot)?)?)
}

/// What the guest asks for, but for the path.
#[derive(Clone, Copy)]
struct Wish {
    oflags: OFlags,
    /// Reading, writing, both or neither: the one part of the rights asked for that counts.
    transfer: Rights,
    flags: FdFlags,
}

impl Wish {
    fn read(oflags: i32, base: i64, flags: i32) -> Result<Self, Errno> {
        let oflags = u16::try_from(oflags).ok().and_then(OFlags::from_bits).ok_or(Errno::Inval)?;
        if oflags.contains(OFlags::DIRECTORY) && oflags.intersects(OFlags::CREAT | OFlags::TRUNC) {
            return Err(Errno::Inval);
        }
        let transfer = Rights::from_guest(base) & Rights::TRANSFER;
        Ok(Self { oflags, transfer, flags: FdFlags::from_guest(flags)? })
    }

    /// The rights the directory must have for it.
    fn needed(self) -> Rights {
        let mut needed = Rights::PATH_OPEN;
        needed.set(Rights::PATH_CREATE_FILE, self.oflags.contains(OFlags::CREAT));
        needed.set(Rights::PATH_FILESTAT_SET_SIZE, self.oflags.contains(OFlags::TRUNC));
        needed
    }

    /// What the directory passes on, which is everything until the guest gives it up.
    fn permit(self, dir: &Slot) -> Result<Rights, Errno> {
        let passed = dir.inheriting.contains(self.transfer) || dir.descriptor.file_type() != FileType::Directory;
        if passed { Ok(dir.inheriting) } else { Err(Errno::NotCapable) }
    }

    /// What can be done with what was opened: all that its kind can do, but for transfers that it was not opened for.
    fn granted(self, file_type: FileType) -> Rights {
        Rights::applying_to(file_type) - (Rights::TRANSFER - self.transfer)
    }

    fn how(self, lookup: i32) -> Result<Open, Errno> {
        let create = match (self.oflags.contains(OFlags::CREAT), self.oflags.contains(OFlags::EXCL)) {
            (false, _) => Create::No,
            (true, false) => Create::IfMissing,
            (true, true) => Create::New,
        };
        let kind = if self.oflags.contains(OFlags::DIRECTORY) { Kind::Directory } else { Kind::Any };
        let truncate = self.oflags.contains(OFlags::TRUNC);
        Ok(Open { follow: follow(lookup)?, access: self.access(), create, kind, truncate })
    }

    fn access(self) -> Access {
        match (self.transfer.contains(Rights::FD_READ), self.transfer.contains(Rights::FD_WRITE)) {
            (false, false) => Access::Look,
            (true, false) => Access::Read,
            (false, true) => Access::Write,
            (true, true) => Access::ReadWrite,
        }
    }
}
