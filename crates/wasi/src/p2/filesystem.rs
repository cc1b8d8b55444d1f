//! `wasi:filesystem/types` and `preopens`: the value behind a descriptor, and what is done with it.

use super::clocks::Datetime;
use super::fs_types::{
    DescriptorFlags, DescriptorStat, DescriptorType, Entry, ErrorCode, MetadataHash, NewTimestamp, OpenFlags,
};
use super::stream::{Input, IoError, Output, Sink, Source};
use super::{Answer, Host};
use crate::host::{
    Access, Advice, Create, Descriptor as Opened, Dir, DirPerms, Durability, Error as HostError, File, Follow, Kind,
    Open, Position, SetTime, Stat,
};
use hatchery::Error;
use rustix::io::Errno;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

/// A `descriptor`.
#[derive(Debug, Clone)]
pub(crate) struct Descriptor {
    what: What,
    flags: DescriptorFlags,
}

#[derive(Debug, Clone)]
enum What {
    File(Arc<File>),
    Dir(Dir),
}

/// What most functions answer.
pub(crate) type Done<T> = Answer<T, ErrorCode>;

type Attempt<T> = Result<T, ErrorCode>;

impl Descriptor {
    /// A directory.
    pub(crate) fn of_dir(dir: Dir) -> Self {
        Self { flags: dir_flags(&dir), what: What::Dir(dir) }
    }

    fn dir(&self) -> Attempt<&Dir> {
        match &self.what {
            What::Dir(dir) => Ok(dir),
            What::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    fn file(&self) -> Attempt<&Arc<File>> {
        match &self.what {
            What::File(file) => Ok(file),
            What::Dir(_) => Err(ErrorCode::BadDescriptor),
        }
    }

    fn readable(&self) -> Attempt<&Arc<File>> {
        self.file().and_then(|file| require(self.flags.read).map(|()| file))
    }

    fn writable(&self) -> Attempt<&Arc<File>> {
        self.file().and_then(|file| require(self.flags.write).map(|()| file))
    }

    fn sink(&self, make: impl FnOnce(Arc<File>, Durability) -> Sink) -> Attempt<Output> {
        Ok(Output::new(make(self.writable()?.clone(), self.durability())))
    }

    fn stat(&self) -> Attempt<Stat> {
        Ok(match &self.what {
            What::File(file) => file.stat()?,
            What::Dir(dir) => dir.stat()?,
        })
    }

    /// How durable each write must be, as the descriptor was opened.
    fn durability(&self) -> Durability {
        if self.flags.file_integrity_sync {
            Durability::File
        } else if self.flags.data_integrity_sync {
            Durability::Data
        } else {
            Durability::None
        }
    }
}

fn require(opened_for_it: bool) -> Attempt<()> {
    if opened_for_it { Ok(()) } else { Err(ErrorCode::BadDescriptor) }
}

/// Does something with a descriptor.
fn with<T>(host: &mut impl Host, this: u32, act: impl FnOnce(&Descriptor) -> Attempt<T>) -> Done<T> {
    Ok(act(host.ctx().resources.get::<Descriptor>(this)?))
}

/// `[method]descriptor.read-via-stream`.
pub(crate) fn read_via_stream(host: &mut impl Host, this: u32, offset: u64) -> Done<u32> {
    let file = |descriptor: &Descriptor| match descriptor.what {
        What::Dir(_) => Err(ErrorCode::IsDirectory),
        What::File(_) => descriptor.readable().cloned(),
    };
    match with(host, this, file)? {
        Ok(file) => host.ctx().resources.add(Input::new(Source::File(file, offset))).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

/// `[method]descriptor.write-via-stream`.
pub(crate) fn write_via_stream(host: &mut impl Host, this: u32, offset: u64) -> Done<u32> {
    let sink = |file, durability| Sink::File { file, offset, durability };
    match with(host, this, |descriptor| descriptor.sink(sink))? {
        Ok(output) => host.ctx().resources.add(output).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

/// `[method]descriptor.append-via-stream`.
pub(crate) fn append_via_stream(host: &mut impl Host, this: u32) -> Done<u32> {
    let sink = |file, durability| Sink::Append { file, durability };
    match with(host, this, |descriptor| descriptor.sink(sink))? {
        Ok(output) => host.ctx().resources.add(output).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

/// `[method]descriptor.advise`.
pub(crate) fn advise(host: &mut impl Host, this: u32, offset: u64, len: u64, advice: Advice) -> Done<()> {
    with(host, this, |descriptor| Ok(descriptor.file()?.advise(offset, len, advice)?))
}

/// `[method]descriptor.sync-data` and `sync`.
pub(crate) fn sync(host: &mut impl Host, this: u32, durability: Durability) -> Done<()> {
    with(host, this, |descriptor| match &descriptor.what {
        // A file that is only read cannot be synchronized on every system, and has nothing to be.
        What::File(_) if !descriptor.flags.write => Ok(()),
        What::File(file) => Ok(file.sync(durability)?),
        What::Dir(dir) => Ok(dir.sync(durability)?),
    })
}

/// `[method]descriptor.get-flags`.
pub(crate) fn get_flags(host: &mut impl Host, this: u32) -> Done<DescriptorFlags> {
    with(host, this, |descriptor| Ok(descriptor.flags))
}

/// `[method]descriptor.get-type`.
pub(crate) fn get_type(host: &mut impl Host, this: u32) -> Done<DescriptorType> {
    with(host, this, |descriptor| Ok(descriptor.stat()?.file_type.into()))
}

/// `[method]descriptor.set-size`.
pub(crate) fn set_size(host: &mut impl Host, this: u32, size: u64) -> Done<()> {
    with(host, this, |descriptor| Ok(descriptor.writable()?.set_size(size)?))
}

fn set_time(timestamp: NewTimestamp) -> Attempt<SetTime> {
    Ok(match timestamp {
        NewTimestamp::NoChange => SetTime::Keep,
        NewTimestamp::Now => SetTime::Now,
        NewTimestamp::Timestamp(time) => SetTime::To(time.nanos().ok_or(ErrorCode::Overflow)?),
    })
}

/// `[method]descriptor.set-times`.
pub(crate) fn set_times(host: &mut impl Host, this: u32, read: NewTimestamp, written: NewTimestamp) -> Done<()> {
    with(host, this, |descriptor| {
        let (read, written) = (set_time(read)?, set_time(written)?);
        match &descriptor.what {
            // As `futimens` does, which asks for no descriptor that can be written.
            What::File(file) => file.set_times(read, written)?,
            What::Dir(dir) => dir.set_times(read, written)?,
        }
        Ok(())
    })
}

/// Most bytes that one read returns, however many are asked for.
const MOST_READ: u64 = 1 << 20;

/// `[method]descriptor.read`: the bytes, and whether the file ends with them.
pub(crate) fn read(host: &mut impl Host, this: u32, len: u64, offset: u64) -> Done<(Vec<u8>, bool)> {
    with(host, this, |descriptor| {
        let file = descriptor.readable()?;
        let mut bytes = vec![0; len.min(MOST_READ) as usize];
        let read = file.read(&mut [IoSliceMut::new(&mut bytes)], Position::At(offset))?;
        bytes.truncate(read);
        Ok((bytes, read == 0 && len > 0))
    })
}

/// `[method]descriptor.write`.
pub(crate) fn write(host: &mut impl Host, this: u32, bytes: &[u8], offset: u64) -> Done<u64> {
    with(host, this, |descriptor| {
        let file = descriptor.writable()?;
        Ok(file.write(&[IoSlice::new(bytes)], Position::At(offset), descriptor.durability())? as u64)
    })
}

/// A `directory-entry-stream`.
#[derive(Debug)]
pub(crate) struct DirectoryStream {
    dir: Dir,
    cookie: u64,
    /// In the directory's order; taken from the end.
    entries: Vec<Entry>,
    ended: bool,
}

/// About as many bytes of entries as are fetched at a time.
const PORTION: usize = 16 << 10;

/// `[method]descriptor.read-directory`.
pub(crate) fn read_directory(host: &mut impl Host, this: u32) -> Done<u32> {
    let opened = with(host, this, |descriptor| {
        let dir = descriptor.dir()?;
        let how = Open {
            follow: Follow::No,
            access: Access::Read,
            create: Create::No,
            kind: Kind::Directory,
            truncate: false,
        };
        // A descriptor of its own, so that two streams of one directory have positions of their own.
        match dir.open(".", how)? {
            Opened::Dir(dir) => Ok(DirectoryStream { dir, cookie: 0, entries: Vec::new(), ended: false }),
            _ => Err(ErrorCode::NotDirectory),
        }
    })?;
    match opened {
        Ok(stream) => host.ctx().resources.add(stream).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

/// `[method]directory-entry-stream.read-directory-entry`.
pub(crate) fn read_directory_entry(host: &mut impl Host, this: u32) -> Done<Option<Entry>> {
    let stream = host.ctx().resources.get::<DirectoryStream>(this)?;
    Ok(next_entry(stream))
}

fn next_entry(stream: &mut DirectoryStream) -> Attempt<Option<Entry>> {
    while stream.entries.is_empty() && !stream.ended {
        let found = stream.dir.entries(stream.cookie, PORTION)?;
        match found.last() {
            Some(last) => stream.cookie = last.next,
            None => stream.ended = true,
        }
        let named = found.into_iter().filter(|entry| entry.name != "." && entry.name != "..");
        stream.entries = named.map(Entry::from).collect();
        stream.entries.reverse();
    }
    Ok(stream.entries.pop())
}

/// `[method]descriptor.create-directory-at`.
pub(crate) fn create_directory_at(host: &mut impl Host, this: u32, path: &str) -> Done<()> {
    with(host, this, |descriptor| Ok(descriptor.dir()?.create_dir(path)?))
}

/// `[method]descriptor.stat`.
pub(crate) fn stat(host: &mut impl Host, this: u32) -> Done<DescriptorStat> {
    with(host, this, |descriptor| Ok(descriptor.stat()?.into()))
}

/// `[method]descriptor.stat-at`.
pub(crate) fn stat_at(host: &mut impl Host, this: u32, follow: Follow, path: &str) -> Done<DescriptorStat> {
    with(host, this, |descriptor| Ok(descriptor.dir()?.stat_at(path, follow)?.into()))
}

/// `[method]descriptor.set-times-at`.
pub(crate) fn set_times_at(
    host: &mut impl Host,
    this: u32,
    follow: Follow,
    path: &str,
    read: NewTimestamp,
    written: NewTimestamp,
) -> Done<()> {
    with(host, this, |descriptor| {
        let (read, written) = (set_time(read)?, set_time(written)?);
        Ok(descriptor.dir()?.set_times_at(path, follow, read, written)?)
    })
}

/// `[method]descriptor.link-at`. Doing so through a symbolic link is not supported, as not all systems can.
pub(crate) fn link_at(
    host: &mut impl Host,
    this: u32,
    follow: Follow,
    path: &str,
    to: u32,
    new_path: &str,
) -> Done<()> {
    if follow == Follow::Yes {
        return Ok(Err(ErrorCode::Invalid));
    }
    between(host, this, to, |from, to| from.link(path, to, new_path))
}

/// `[method]descriptor.rename-at`.
pub(crate) fn rename_at(host: &mut impl Host, this: u32, path: &str, to: u32, new_path: &str) -> Done<()> {
    between(host, this, to, |from, to| from.rename(path, to, new_path))
}

fn between(
    host: &mut impl Host,
    from: u32,
    to: u32,
    act: impl FnOnce(&Dir, &Dir) -> Result<(), HostError>,
) -> Done<()> {
    let from = with(host, from, |descriptor| descriptor.dir().cloned())?;
    let to = with(host, to, |descriptor| descriptor.dir().cloned())?;
    Ok(from.and_then(|from| Ok(act(&from, &to?)?)))
}

/// `[method]descriptor.open-at`.
pub(crate) fn open_at(
    host: &mut impl Host,
    this: u32,
    follow: Follow,
    path: &str,
    open: OpenFlags,
    flags: DescriptorFlags,
) -> Done<u32> {
    let opened = with(host, this, |descriptor| opened(descriptor, follow, path, open, flags))?;
    match opened {
        Ok(descriptor) => host.ctx().resources.add(descriptor).map(Ok),
        Err(code) => Ok(Err(code)),
    }
}

fn opened(
    base: &Descriptor,
    follow: Follow,
    path: &str,
    open: OpenFlags,
    flags: DescriptorFlags,
) -> Attempt<Descriptor> {
    let dir = base.dir()?;
    let create = match (open.create, open.exclusive) {
        (false, _) => Create::No,
        (true, false) => Create::IfMissing,
        (true, true) => Create::New,
    };
    if open.directory && (open.create || open.truncate) {
        return Err(ErrorCode::Invalid);
    }
    let access = match (flags.read, flags.write) {
        (false, false) => Access::Look,
        (true, false) => Access::Read,
        (false, true) => Access::Write,
        (true, true) => Access::ReadWrite,
    };
    let kind = if open.directory { Kind::Directory } else { Kind::Any };
    let how = Open { follow, access, create, kind, truncate: open.truncate };
    match dir.open(path, how)? {
        Opened::File(file) => {
            let flags = DescriptorFlags { mutate_directory: false, ..flags };
            Ok(Descriptor { what: What::File(Arc::new(file)), flags })
        }
        Opened::Dir(_) if flags.write => Err(ErrorCode::IsDirectory),
        Opened::Dir(dir) => Ok(Descriptor::of_dir(dir)),
        Opened::Input(_) | Opened::Output(_) => Err(ErrorCode::Unsupported),
    }
}

/// What a directory can be used for is what the embedder allows, however it was opened.
fn dir_flags(dir: &Dir) -> DescriptorFlags {
    DescriptorFlags {
        read: dir.perms().contains(DirPerms::READ),
        mutate_directory: dir.perms().contains(DirPerms::MUTATE),
        ..DescriptorFlags::default()
    }
}

/// `[method]descriptor.readlink-at`.
pub(crate) fn readlink_at(host: &mut impl Host, this: u32, path: &str) -> Done<String> {
    with(host, this, |descriptor| Ok(descriptor.dir()?.read_link(path)?))
}

/// `[method]descriptor.remove-directory-at`.
pub(crate) fn remove_directory_at(host: &mut impl Host, this: u32, path: &str) -> Done<()> {
    with(host, this, |descriptor| Ok(descriptor.dir()?.remove_dir(path)?))
}

/// `[method]descriptor.symlink-at`.
pub(crate) fn symlink_at(host: &mut impl Host, this: u32, target: &str, path: &str) -> Done<()> {
    with(host, this, |descriptor| Ok(descriptor.dir()?.symlink(target, path)?))
}

/// `[method]descriptor.unlink-file-at`.
pub(crate) fn unlink_file_at(host: &mut impl Host, this: u32, path: &str) -> Done<()> {
    with(host, this, |descriptor| Ok(descriptor.dir()?.unlink(path)?))
}

/// `[method]descriptor.is-same-object`.
pub(crate) fn is_same_object(host: &mut impl Host, this: u32, other: u32) -> Result<bool, Error> {
    let mut identity = |number| with(host, number, |descriptor| descriptor.stat().map(|s| (s.device, s.inode)));
    let (this, other) = (identity(this)?, identity(other)?);
    Ok(this.is_ok() && this == other)
}

/// `[method]descriptor.metadata-hash`: which file it is, and nothing else.
pub(crate) fn metadata_hash(host: &mut impl Host, this: u32) -> Done<MetadataHash> {
    with(host, this, |descriptor| Ok(hash(&descriptor.stat()?)))
}

/// `[method]descriptor.metadata-hash-at`.
pub(crate) fn metadata_hash_at(host: &mut impl Host, this: u32, follow: Follow, path: &str) -> Done<MetadataHash> {
    with(host, this, |descriptor| Ok(hash(&descriptor.dir()?.stat_at(path, follow)?)))
}

/// Of what does not change while the file is: adapters make the number of an inode of it.
fn hash(stat: &Stat) -> MetadataHash {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, stat.device, stat.inode).hash(&mut hasher);
        hasher.finish()
    };
    MetadataHash { lower: half(0), upper: half(1) }
}

/// `filesystem-error-code`: what an error of a file's stream was.
pub(crate) fn filesystem_error_code(host: &mut impl Host, error: u32) -> Result<Option<ErrorCode>, Error> {
    Ok(Some(host.ctx().resources.get::<IoError>(error)?.0.into()))
}

/// `preopens.get-directories`.
pub(crate) fn get_directories(host: &mut impl Host) -> Result<Vec<(u32, String)>, Error> {
    let ctx = host.ctx();
    let preopens: Vec<_> = ctx.table.preopens().collect();
    let hold = |(dir, name)| Ok((ctx.resources.add(Descriptor::of_dir(dir))?, name));
    preopens.into_iter().map(hold).collect()
}

impl From<HostError> for ErrorCode {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Escape | HostError::NotPermitted => Self::NotPermitted,
            HostError::WouldBlock => Self::WouldBlock,
            HostError::Os(errno) => errno.into(),
        }
    }
}

impl From<Errno> for ErrorCode {
    /// Numbers that the interface has no name for are input/output errors.
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ACCESS => Self::Access,
            Errno::ALREADY => Self::Already,
            Errno::BADF => Self::BadDescriptor,
            Errno::BUSY => Self::Busy,
            Errno::DEADLK => Self::Deadlock,
            Errno::DQUOT => Self::Quota,
            Errno::EXIST => Self::Exist,
            Errno::FBIG => Self::FileTooLarge,
            Errno::ILSEQ => Self::IllegalByteSequence,
            Errno::INPROGRESS => Self::InProgress,
            Errno::INTR => Self::Interrupted,
            Errno::INVAL => Self::Invalid,
            Errno::ISDIR => Self::IsDirectory,
            Errno::LOOP => Self::Loop,
            Errno::MLINK => Self::TooManyLinks,
            Errno::MSGSIZE => Self::MessageSize,
            Errno::NAMETOOLONG => Self::NameTooLong,
            Errno::NODEV => Self::NoDevice,
            Errno::NOENT => Self::NoEntry,
            Errno::NOLCK => Self::NoLock,
            Errno::NOMEM => Self::InsufficientMemory,
            Errno::NOSPC => Self::InsufficientSpace,
            Errno::NOTDIR => Self::NotDirectory,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::NOTRECOVERABLE => Self::NotRecoverable,
            Errno::NOTSUP | Errno::NOSYS => Self::Unsupported,
            Errno::NOTTY => Self::NoTty,
            Errno::NXIO => Self::NoSuchDevice,
            Errno::OVERFLOW => Self::Overflow,
            Errno::PERM => Self::NotPermitted,
            Errno::PIPE => Self::Pipe,
            Errno::ROFS => Self::ReadOnly,
            Errno::SPIPE => Self::InvalidSeek,
            Errno::TXTBSY => Self::TextFileBusy,
            Errno::XDEV => Self::CrossDevice,
            _ => Self::Io,
        }
    }
}

impl From<Stat> for DescriptorStat {
    fn from(stat: Stat) -> Self {
        let time = |nanos| Some(Datetime::from_nanos(nanos));
        Self {
            file_type: stat.file_type.into(),
            link_count: stat.links,
            size: stat.size,
            data_access_timestamp: time(stat.accessed),
            data_modification_timestamp: time(stat.modified),
            status_change_timestamp: time(stat.changed),
        }
    }
}

#[cfg(test)]
mod tests;
