//! `wasi:filesystem`.

use super::super::filesystem::{self as fs, Descriptor, DirectoryStream};
use super::super::fs_types::{Advice, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags};
use super::super::stream::{Input, IoError, Output};
use super::{Calling, Get, define, dropping, own};
use crate::host::Durability;
use hatchery::Error;
use hatchery::component::{Caller, Linker, Resource};

pub(super) fn add<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    types.resource::<Descriptor>("descriptor", dropping(get))?;
    types.resource::<DirectoryStream>("directory-entry-stream", dropping(get))?;
    define!(types, get, "filesystem-error-code", |host, error: Resource<IoError>| {
        fs::filesystem_error_code(host, error.rep())?
    });
    define!(
        types,
        get,
        "[method]directory-entry-stream.read-directory-entry",
        |host, this: Resource<DirectoryStream>| { fs::read_directory_entry(host, this.rep())? }
    );
    let mut preopens = linker.instance("wasi:filesystem/preopens@0.2.12")?;
    define!(preopens, get, "get-directories", |host| {
        let directories = fs::get_directories(host)?.into_iter();
        directories.map(|(number, name)| (own::<Descriptor>(number), name)).collect::<Vec<_>>()
    });
    contents(linker, get)?;
    attributes(linker, get)?;
    names(linker, get)
}

/// What is done with a file's bytes, and a directory's entries.
fn contents<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    define!(types, get, "[method]descriptor.read-via-stream", |host, this: Resource<Descriptor>, offset: u64| {
        fs::read_via_stream(host, this.rep(), offset)?.map(own::<Input>)
    });
    define!(types, get, "[method]descriptor.write-via-stream", |host, this: Resource<Descriptor>, offset: u64| {
        fs::write_via_stream(host, this.rep(), offset)?.map(own::<Output>)
    });
    define!(types, get, "[method]descriptor.append-via-stream", |host, this: Resource<Descriptor>| {
        fs::append_via_stream(host, this.rep())?.map(own::<Output>)
    });
    define!(
        types,
        get,
        "[method]descriptor.advise",
        |host, this: Resource<Descriptor>, offset: u64, len: u64, advice: Advice| {
            fs::advise(host, this.rep(), offset, len, advice.into())?
        }
    );
    define!(types, get, "[method]descriptor.sync-data", |host, this: Resource<Descriptor>| {
        fs::sync(host, this.rep(), Durability::Data)?
    });
    define!(types, get, "[method]descriptor.sync", |host, this: Resource<Descriptor>| {
        fs::sync(host, this.rep(), Durability::File)?
    });
    define!(types, get, "[method]descriptor.set-size", |host, this: Resource<Descriptor>, size: u64| {
        fs::set_size(host, this.rep(), size)?
    });
    define!(types, get, "[method]descriptor.read", |host, this: Resource<Descriptor>, len: u64, offset: u64| {
        fs::read(host, this.rep(), len, offset)?
    });
    define!(types, get, "[method]descriptor.write", |host, this: Resource<Descriptor>, bytes: Vec<u8>, offset: u64| {
        fs::write(host, this.rep(), &bytes, offset)?
    });
    define!(types, get, "[method]descriptor.read-directory", |host, this: Resource<Descriptor>| {
        fs::read_directory(host, this.rep())?.map(own::<DirectoryStream>)
    });
    Ok(())
}

/// What is known about files.
fn attributes<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    define!(types, get, "[method]descriptor.get-flags", |host, this: Resource<Descriptor>| {
        fs::get_flags(host, this.rep())?
    });
    define!(types, get, "[method]descriptor.get-type", |host, this: Resource<Descriptor>| {
        fs::get_type(host, this.rep())?
    });
    define!(
        types,
        get,
        "[method]descriptor.set-times",
        |host, this: Resource<Descriptor>, read: NewTimestamp, written: NewTimestamp| {
            fs::set_times(host, this.rep(), read, written)?
        }
    );
    define!(types, get, "[method]descriptor.stat", |host, this: Resource<Descriptor>| fs::stat(host, this.rep())?);
    define!(
        types,
        get,
        "[method]descriptor.stat-at",
        |host, this: Resource<Descriptor>, flags: PathFlags, path: String| {
            fs::stat_at(host, this.rep(), flags.into(), &path)?
        }
    );
    define!(
        types,
        get,
        "[method]descriptor.set-times-at",
        |host,
         this: Resource<Descriptor>,
         flags: PathFlags,
         path: String,
         read: NewTimestamp,
         written: NewTimestamp| { fs::set_times_at(host, this.rep(), flags.into(), &path, read, written)? }
    );
    define!(
        types,
        get,
        "[method]descriptor.is-same-object",
        |host, this: Resource<Descriptor>, other: Resource<Descriptor>| {
            fs::is_same_object(host, this.rep(), other.rep())?
        }
    );
    define!(types, get, "[method]descriptor.metadata-hash", |host, this: Resource<Descriptor>| {
        fs::metadata_hash(host, this.rep())?
    });
    define!(
        types,
        get,
        "[method]descriptor.metadata-hash-at",
        |host, this: Resource<Descriptor>, flags: PathFlags, path: String| {
            fs::metadata_hash_at(host, this.rep(), flags.into(), &path)?
        }
    );
    Ok(())
}

/// What is done by name.
fn names<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    define!(types, get, "[method]descriptor.create-directory-at", |host, this: Resource<Descriptor>, path: String| {
        fs::create_directory_at(host, this.rep(), &path)?
    });
    define!(
        types,
        get,
        "[method]descriptor.link-at",
        |host, this: Resource<Descriptor>, flags: PathFlags, path: String, to: Resource<Descriptor>, new: String| {
            fs::link_at(host, this.rep(), flags.into(), &path, to.rep(), &new)?
        }
    );
    define!(
        types,
        get,
        "[method]descriptor.open-at",
        |host,
         this: Resource<Descriptor>,
         path_flags: PathFlags,
         path: String,
         open: OpenFlags,
         flags: DescriptorFlags| {
            fs::open_at(host, this.rep(), path_flags.into(), &path, open, flags)?.map(own::<Descriptor>)
        }
    );
    define!(types, get, "[method]descriptor.readlink-at", |host, this: Resource<Descriptor>, path: String| {
        fs::readlink_at(host, this.rep(), &path)?
    });
    define!(types, get, "[method]descriptor.remove-directory-at", |host, this: Resource<Descriptor>, path: String| {
        fs::remove_directory_at(host, this.rep(), &path)?
    });
    define!(
        types,
        get,
        "[method]descriptor.rename-at",
        |host, this: Resource<Descriptor>, path: String, to: Resource<Descriptor>, new: String| {
            fs::rename_at(host, this.rep(), &path, to.rep(), &new)?
        }
    );
    define!(
        types,
        get,
        "[method]descriptor.symlink-at",
        |host, this: Resource<Descriptor>, target: String, path: String| {
            fs::symlink_at(host, this.rep(), &target, &path)?
        }
    );
    define!(types, get, "[method]descriptor.unlink-file-at", |host, this: Resource<Descriptor>, path: String| {
        fs::unlink_file_at(host, this.rep(), &path)?
    });
    Ok(())
}
