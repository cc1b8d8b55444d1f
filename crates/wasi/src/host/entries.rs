//! Listing a directory, in portions that can be continued.
//!
//! A cookie is the kernel's own position after an entry, so continuing costs nothing however long the directory is,
//! and entries that come or go meanwhile neither repeat nor hide the others.

use super::error::uninterrupted;
use super::{Dir, DirPerms, Error, FileType, Result};
use rustix::fs::{RawDir, RawDirEntry, SeekFrom};

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name; `.` and `..` are among them.
    pub name: String,
    /// What it is the name of.
    pub file_type: FileType,
    /// The number of that on its device; 0 for `..`, which is not the guest's to know.
    pub inode: u64,
    /// The cookie that continues after this entry.
    pub next: u64,
}

/// The smallest portion that holds any entry, whose name has at most 255 bytes; and the largest that is worth it.
const PORTION: std::ops::RangeInclusive<usize> = 1024..=32 * 1024;

impl Dir {
    /// The entries after the one whose cookie this is, or from the start for 0; as many as fit in about `room` bytes,
    /// but at least one. None are left when there are none.
    ///
    /// Names that are not UTF-8 are passed over: no path could name them.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`]; whatever the system says, such as that a cookie is not one of its own.
    pub fn entries(&self, cookie: u64, room: usize) -> Result<Vec<Entry>> {
        self.require(DirPerms::READ)?;
        uninterrupted(|| rustix::fs::seek(self.as_fd(), SeekFrom::Start(cookie)))?;
        let mut buffer = Vec::with_capacity(room.clamp(*PORTION.start(), *PORTION.end()));
        loop {
            let mut raw = RawDir::new(self.as_fd(), buffer.spare_capacity_mut());
            match portion(&mut raw)? {
                Portion::Entries(entries) if entries.is_empty() => {}
                Portion::Entries(entries) => return Ok(entries),
                Portion::End => return Ok(Vec::new()),
            }
        }
    }
}

enum Portion {
    /// What one system call gave; none if no name was UTF-8.
    Entries(Vec<Entry>),
    End,
}

fn portion<Fd: std::os::fd::AsFd>(raw: &mut RawDir<'_, Fd>) -> Result<Portion> {
    let mut entries = Vec::new();
    let mut seen = false;
    while let Some(entry) = raw.next() {
        seen = true;
        entries.extend(named(&entry.map_err(Error::Os)?));
        if raw.is_buffer_empty() {
            break;
        }
    }
    Ok(if seen { Portion::Entries(entries) } else { Portion::End })
}

fn named(entry: &RawDirEntry<'_>) -> Option<Entry> {
    let name = entry.file_name().to_str().ok()?;
    Some(Entry {
        name: name.to_owned(),
        file_type: entry.file_type().into(),
        inode: if name == ".." { 0 } else { entry.ino() },
        next: entry.next_entry_cookie(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FilePerms;
    use std::os::unix::ffi::OsStrExt;

    fn names(dir: &Dir, room: usize) -> Vec<String> {
        let (mut names, mut cookie) = (Vec::new(), 0);
        loop {
            let entries = dir.entries(cookie, room).unwrap();
            let Some(last) = entries.last() else { break };
            cookie = last.next;
            names.extend(entries.into_iter().map(|entry| entry.name));
        }
        names.sort();
        names
    }

    #[test]
    fn portions_of_any_size_make_up_the_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let mut expected: Vec<_> = (0..500).map(|i| format!("file-{i}")).collect();
        expected.iter().for_each(|name| std::fs::write(scratch.path().join(name), "").unwrap());
        std::fs::write(scratch.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
        expected.extend([".".into(), "..".into()]);
        expected.sort();
        let dir = Dir::open_ambient(scratch.path(), DirPerms::READ, FilePerms::READ).unwrap();
        for room in [0, 1500, 1 << 20] {
            assert_eq!(names(&dir, room), expected);
        }
    }

    #[test]
    fn a_directory_that_may_not_be_read_lists_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path(), DirPerms::MUTATE, FilePerms::all()).unwrap();
        assert_eq!(dir.entries(0, 0), Err(Error::NotPermitted));
    }
}
