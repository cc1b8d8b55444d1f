//! An open directory: the only way to anything else in the file system.
//!
//! Every path is resolved beneath the directory by `cap-std`: in one `openat2` call that the kernel confines, or
//! component by component where that call is missing. Nothing here looks at a path and then acts on it by name in a
//! second step, so there is no moment in which a renamed directory or a new symbolic link could lead elsewhere.

use super::error::uninterrupted;
use super::{Descriptor, DirPerms, Durability, Error, File, FilePerms, FileType, Result, SetTime, Stat};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsMaybeDirExt, OpenOptionsSyncExt};
use cap_std::fs::{OpenOptions, OpenOptionsExt};
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// Whether a symbolic link in the last place of a path is followed. Those before it always are, beneath the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The link's target is meant.
    Yes,
    /// The link itself is meant.
    No,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Attributes only; the descriptor can be read by the host's own code, but its user did not ask for it.
    Look,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// What happens if there is no file yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Opening fails.
    No,
    /// One is made.
    IfMissing,
    /// One is made, and opening fails if there was one.
    New,
}

/// What is expected at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    /// A directory; opening anything else fails.
    Directory,
}

/// How a path is opened.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Whether a symbolic link at the end is followed.
    pub follow: Follow,
    /// What for.
    pub access: Access,
    /// What happens if nothing is there.
    pub create: Create,
    /// What must be there.
    pub kind: Kind,
    /// Whether a file is emptied.
    pub truncate: bool,
}

/// An open directory, with what the embedder allows in it and below it.
///
/// Cloning it gives another handle of the same.
#[derive(Clone, Debug)]
pub struct Dir {
    dir: Arc<cap_std::fs::Dir>,
    perms: DirPerms,
    files: FilePerms,
}

impl Dir {
    /// Opens a directory of the host by a path of the host. This is the embedder's act, and confined by nothing.
    ///
    /// # Errors
    ///
    /// When it is not there, not a directory, or not readable.
    pub fn open_ambient(path: impl AsRef<Path>, perms: DirPerms, files: FilePerms) -> std::io::Result<Self> {
        let file = std::fs::File::open(path)?;
        if !file.metadata()?.is_dir() {
            return Err(Errno::NOTDIR.into());
        }
        Ok(Self { dir: Arc::new(cap_std::fs::Dir::from_std_file(file)), perms, files })
    }

    /// What the embedder allows with this directory.
    pub fn perms(&self) -> DirPerms {
        self.perms
    }

    /// What the embedder allows with files opened through it.
    pub fn file_perms(&self) -> FilePerms {
        self.files
    }

    /// Opens what is at a path: a file or a directory.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out; [`Error::NotPermitted`] when the embedder does not allow what is
    /// asked; whatever the system says.
    pub fn open(&self, path: &str, how: Open) -> Result<Descriptor> {
        let how = Open { truncate: how.truncate && how.create != Create::New, ..how };
        self.permit_open(how)?;
        let fd: OwnedFd = self.dir.open_with(path, &options(how))?.into_std().into();
        let file_type = Stat::from(rustix::fs::fstat(&fd).map_err(Error::Os)?).file_type;
        match file_type {
            FileType::Directory => self.opened_dir(fd, how),
            _ => self.opened_file(fd, file_type, how),
        }
    }

    fn permit_open(&self, how: Open) -> Result<()> {
        if how.create != Create::No {
            self.require(DirPerms::MUTATE)?;
        }
        let writes = how.truncate || how.access.writes();
        if writes && !self.files.contains(FilePerms::WRITE) {
            return Err(Error::NotPermitted);
        }
        Ok(())
    }

    fn opened_dir(&self, fd: OwnedFd, how: Open) -> Result<Descriptor> {
        if how.create == Create::New || how.truncate {
            return Err(Error::Os(Errno::ISDIR));
        }
        self.require(DirPerms::READ)?;
        let dir = Arc::new(cap_std::fs::Dir::from_std_file(fd.into()));
        Ok(Descriptor::Dir(Self { dir, perms: self.perms, files: self.files }))
    }

    fn opened_file(&self, fd: OwnedFd, file_type: FileType, how: Open) -> Result<Descriptor> {
        if how.access.reads() && !self.files.contains(FilePerms::READ) {
            return Err(Error::NotPermitted);
        }
        Ok(Descriptor::File(File::new(fd, file_type, how.access, self.files)))
    }

    /// The directory's own attributes.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn stat(&self) -> Result<Stat> {
        uninterrupted(|| rustix::fs::fstat(&self.dir)).map(Stat::from)
    }

    /// The attributes of what is at a path.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out; [`Error::NotPermitted`]; whatever the system says.
    pub fn stat_at(&self, path: &str, follow: Follow) -> Result<Stat> {
        self.require(DirPerms::READ)?;
        let found = self.locate(path, follow)?;
        uninterrupted(|| rustix::fs::fstat(&found)).map(Stat::from)
    }

    /// Sets the directory's own times.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`]; whatever the system says.
    pub fn set_times(&self, accessed: SetTime, modified: SetTime) -> Result<()> {
        self.require(DirPerms::MUTATE)?;
        let times = SetTime::pair(accessed, modified)?;
        uninterrupted(|| rustix::fs::futimens(&self.dir, &times))
    }

    /// Sets the times of what is at a path.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out; [`Error::NotPermitted`]; whatever the system says.
    pub fn set_times_at(&self, path: &str, follow: Follow, accessed: SetTime, modified: SetTime) -> Result<()> {
        self.require(DirPerms::MUTATE)?;
        let times = SetTime::pair(accessed, modified)?;
        let found = self.locate(path, follow)?;
        let is_dir = Stat::from(rustix::fs::fstat(&found).map_err(Error::Os)?).file_type == FileType::Directory;
        if !is_dir && !self.files.contains(FilePerms::WRITE) {
            return Err(Error::NotPermitted);
        }
        uninterrupted(|| rustix::fs::utimensat(&found, "", &times, AtFlags::EMPTY_PATH))
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out; [`Error::NotPermitted`]; whatever the system says.
    pub fn create_dir(&self, path: &str) -> Result<()> {
        self.require(DirPerms::MUTATE)?;
        Ok(self.dir.create_dir(path)?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out; [`Error::NotPermitted`]; whatever the system says.
    pub fn remove_dir(&self, path: &str) -> Result<()> {
        self.require(DirPerms::MUTATE)?;
        // cap-std takes a slash at the end for the directory's own entry, which cannot be removed.
        let name = path.trim_end_matches('/');
        Ok(self.dir.remove_dir(if name.is_empty() { path } else { name })?)
    }

    /// Removes a name that is not a directory's.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out; [`Error::NotPermitted`]; whatever the system says.
    pub fn unlink(&self, path: &str) -> Result<()> {
        self.require(DirPerms::MUTATE)?;
        Ok(self.dir.remove_file(path)?)
    }

    /// What a symbolic link says.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out, or the link is absolute and so says where the host keeps things;
    /// [`Error::NotPermitted`]; whatever the system says.
    pub fn read_link(&self, path: &str) -> Result<String> {
        self.require(DirPerms::READ)?;
        let target = self.dir.read_link(path)?;
        target.into_os_string().into_string().map_err(|_| Error::Os(Errno::ILSEQ))
    }

    /// Makes a symbolic link at `path` that says `target`. A target may lead out, and then leads nowhere for a guest;
    /// an absolute one is refused, as it could only be meant for another process.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when the path leads out or the target is absolute; [`Error::NotPermitted`]; whatever the
    /// system says.
    pub fn symlink(&self, target: &str, path: &str) -> Result<()> {
        self.require(DirPerms::MUTATE)?;
        Ok(self.dir.symlink(target, path)?)
    }

    /// Gives a file a second name, in this directory or another. A symbolic link at the end of `path` is not followed.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when a path leads out; [`Error::NotPermitted`], also when `to` allows more than `self`;
    /// whatever the system says.
    pub fn link(&self, path: &str, to: &Self, new_path: &str) -> Result<()> {
        self.permit_move(to)?;
        Ok(self.dir.hard_link(path, &to.dir, new_path)?)
    }

    /// Gives a file or directory another name, in this directory or another.
    ///
    /// # Errors
    ///
    /// [`Error::Escape`] when a path leads out; [`Error::NotPermitted`], also when `to` allows more than `self`;
    /// whatever the system says.
    pub fn rename(&self, path: &str, to: &Self, new_path: &str) -> Result<()> {
        self.permit_move(to)?;
        if new_path.ends_with('/') && !path.ends_with('/') {
            // Only a directory can be renamed so, which the system checks if the old name says it, too.
            return Ok(self.dir.rename(format!("{path}/"), &to.dir, new_path)?);
        }
        Ok(self.dir.rename(path, &to.dir, new_path)?)
    }

    /// Waits until the directory's entries have reached the disk.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn sync(&self, durability: Durability) -> Result<()> {
        match durability {
            Durability::None => Ok(()),
            Durability::Data => uninterrupted(|| rustix::fs::fdatasync(&self.dir)),
            Durability::File => uninterrupted(|| rustix::fs::fsync(&self.dir)),
        }
    }

    pub(super) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Finds what is at a path without opening it: no device notices, no pipe waits, no permission to read is needed.
    fn locate(&self, path: &str, follow: Follow) -> Result<OwnedFd> {
        let mut options = OpenOptions::new();
        options.read(true).follow(links(follow)).custom_flags(OFlags::PATH.bits().cast_signed());
        Ok(self.dir.open_with(path, &options)?.into_std().into())
    }

    pub(super) fn require(&self, perms: DirPerms) -> Result<()> {
        if self.perms.contains(perms) { Ok(()) } else { Err(Error::NotPermitted) }
    }

    /// A second name must not allow more than the first: otherwise a file of a read-only directory could be written
    /// through a link to it in a writable one.
    fn permit_move(&self, to: &Self) -> Result<()> {
        self.require(DirPerms::MUTATE)?;
        to.require(DirPerms::MUTATE)?;
        let covered = self.perms.contains(to.perms) && self.files.contains(to.files);
        if covered { Ok(()) } else { Err(Error::NotPermitted) }
    }
}

fn links(follow: Follow) -> FollowSymlinks {
    match follow {
        Follow::Yes => FollowSymlinks::Yes,
        Follow::No => FollowSymlinks::No,
    }
}

/// Non-blocking, so that opening a pipe without another side does not wait, nor reading from it later; regular files
/// do not care. Making or emptying a file needs a descriptor that can write, whatever else it is for.
fn options(how: Open) -> OpenOptions {
    let mut options = OpenOptions::new();
    let makes = how.create != Create::No || how.truncate;
    let writes = makes || how.access.writes();
    let reads = !writes || how.access.reads();
    options
        .read(reads)
        .write(writes)
        .create(how.create == Create::IfMissing)
        .create_new(how.create == Create::New)
        .truncate(how.truncate)
        .follow(links(how.follow))
        .maybe_dir(true)
        .nonblock(true)
        .custom_flags(custom_flags(how.kind).bits().cast_signed());
    options
}

fn custom_flags(kind: Kind) -> OFlags {
    match kind {
        Kind::Any => OFlags::NOCTTY,
        Kind::Directory => OFlags::NOCTTY | OFlags::DIRECTORY,
    }
}
