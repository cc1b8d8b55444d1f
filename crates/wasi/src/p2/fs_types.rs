//! Types of `wasi:filesystem/types`, in the interface's order.

use super::clocks::Datetime;
use crate::host::{Advice as HostAdvice, Entry as HostEntry, FileType, Follow};
use hatchery::component::{ComponentType, Lift, Lower};

/// `descriptor-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) enum DescriptorType {
    Unknown,
    BlockDevice,
    CharacterDevice,
    Directory,
    Fifo,
    SymbolicLink,
    RegularFile,
    Socket,
}

impl From<FileType> for DescriptorType {
    fn from(file_type: FileType) -> Self {
        match file_type {
            FileType::Unknown => Self::Unknown,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::CharacterDevice => Self::CharacterDevice,
            FileType::Directory => Self::Directory,
            FileType::Regular => Self::RegularFile,
            FileType::Socket => Self::Socket,
            FileType::SymbolicLink => Self::SymbolicLink,
        }
    }
}

/// `descriptor-flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(flags)]
pub(crate) struct DescriptorFlags {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) file_integrity_sync: bool,
    pub(crate) data_integrity_sync: bool,
    pub(crate) requested_write_sync: bool,
    pub(crate) mutate_directory: bool,
}

/// `path-flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(flags)]
pub(crate) struct PathFlags {
    pub(crate) symlink_follow: bool,
}

impl From<PathFlags> for Follow {
    fn from(flags: PathFlags) -> Self {
        if flags.symlink_follow { Self::Yes } else { Self::No }
    }
}

/// `open-flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ComponentType, Lift)]
#[component(flags)]
pub(crate) struct OpenFlags {
    pub(crate) create: bool,
    pub(crate) directory: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
}

/// `advice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
pub(crate) enum Advice {
    Normal,
    Sequential,
    Random,
    WillNeed,
    DontNeed,
    NoReuse,
}

impl From<Advice> for HostAdvice {
    fn from(advice: Advice) -> Self {
        match advice {
            Advice::Normal => Self::Normal,
            Advice::Sequential => Self::Sequential,
            Advice::Random => Self::Random,
            Advice::WillNeed => Self::WillNeed,
            Advice::DontNeed => Self::DontNeed,
            Advice::NoReuse => Self::NoReuse,
        }
    }
}

/// `metadata-hash-value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
pub(crate) struct MetadataHash {
    pub(crate) lower: u64,
    pub(crate) upper: u64,
}

/// `descriptor-stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) struct DescriptorStat {
    #[component(name = "type")]
    pub(crate) file_type: DescriptorType,
    pub(crate) link_count: u64,
    pub(crate) size: u64,
    pub(crate) data_access_timestamp: Option<Datetime>,
    pub(crate) data_modification_timestamp: Option<Datetime>,
    pub(crate) status_change_timestamp: Option<Datetime>,
}

/// `new-timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
pub(crate) enum NewTimestamp {
    NoChange,
    Now,
    Timestamp(Datetime),
}

/// `directory-entry`.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) struct Entry {
    #[component(name = "type")]
    pub(crate) file_type: DescriptorType,
    pub(crate) name: String,
}

impl From<HostEntry> for Entry {
    fn from(entry: HostEntry) -> Self {
        Self { file_type: entry.file_type.into(), name: entry.name }
    }
}

/// `error-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) enum ErrorCode {
    Access,
    WouldBlock,
    Already,
    BadDescriptor,
    Busy,
    Deadlock,
    Quota,
    Exist,
    FileTooLarge,
    IllegalByteSequence,
    InProgress,
    Interrupted,
    Invalid,
    Io,
    IsDirectory,
    Loop,
    TooManyLinks,
    MessageSize,
    NameTooLong,
    NoDevice,
    NoEntry,
    NoLock,
    InsufficientMemory,
    InsufficientSpace,
    NotDirectory,
    NotEmpty,
    NotRecoverable,
    Unsupported,
    NoTty,
    NoSuchDevice,
    Overflow,
    NotPermitted,
    Pipe,
    ReadOnly,
    InvalidSeek,
    TextFileBusy,
    CrossDevice,
}
