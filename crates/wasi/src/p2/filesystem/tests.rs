//! Descriptors on a scratch directory.

use super::super::tests::Plain;
use super::*;
use crate::{DirPerms, FilePerms, WasiCtx};

fn host(dirs: DirPerms, files: FilePerms) -> (Plain, u32, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("old"), "old contents").unwrap();
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(scratch.path(), "/", dirs, files).unwrap();
    let mut host = Plain(builder.build());
    let preopens = get_directories(&mut host).unwrap();
    assert_eq!(preopens[0].1, "/");
    (host, preopens[0].0, scratch)
}

const READ: DescriptorFlags = DescriptorFlags {
    read: true,
    write: false,
    file_integrity_sync: false,
    data_integrity_sync: false,
    requested_write_sync: false,
    mutate_directory: false,
};
const READ_WRITE: DescriptorFlags = DescriptorFlags { write: true, ..READ };

fn open(host: &mut Plain, dir: u32, path: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<u32, ErrorCode> {
    open_at(host, dir, Follow::No, path, open, flags).unwrap()
}

#[test]
fn files_are_made_written_and_read() {
    let (mut host, dir, scratch) = host(DirPerms::all(), FilePerms::all());
    let file = open(&mut host, dir, "new", OpenFlags { create: true, ..OpenFlags::default() }, READ_WRITE).unwrap();
    assert_eq!(write(&mut host, file, b"hello world", 0).unwrap(), Ok(11));
    assert_eq!(read(&mut host, file, 5, 6).unwrap(), Ok((b"world".to_vec(), false)));
    assert_eq!(read(&mut host, file, 5, 11).unwrap(), Ok((vec![], true)));
    assert_eq!(stat(&mut host, file).unwrap().unwrap().size, 11);
    set_size(&mut host, file, 5).unwrap().unwrap();
    assert_eq!(std::fs::read(scratch.path().join("new")).unwrap(), b"hello");
    assert_eq!(rename_at(&mut host, dir, "new", dir, "newer").unwrap(), Ok(()));
    assert_eq!(unlink_file_at(&mut host, dir, "newer").unwrap(), Ok(()));
    assert_eq!(open(&mut host, dir, "newer", OpenFlags::default(), READ_WRITE), Err(ErrorCode::NoEntry));
}

#[test]
fn streams_of_a_file_have_positions_of_their_own() {
    let (mut host, dir, scratch) = host(DirPerms::all(), FilePerms::all());
    let file = open(&mut host, dir, "old", OpenFlags::default(), READ_WRITE).unwrap();
    let input = read_via_stream(&mut host, file, 4).unwrap().unwrap();
    let output = append_via_stream(&mut host, file).unwrap().unwrap();
    host.ctx().resources.remove(file);
    assert_eq!(host.write(output, b"!"), Ok(()));
    assert_eq!(host.read(input), Ok(b"contents!".to_vec()));
    assert_eq!(std::fs::read(scratch.path().join("old")).unwrap(), b"old contents!");
}

#[test]
fn a_directory_lists_its_entries_once() {
    let (mut host, dir, _scratch) = host(DirPerms::all(), FilePerms::all());
    create_directory_at(&mut host, dir, "sub").unwrap().unwrap();
    symlink_at(&mut host, dir, "old", "link").unwrap().unwrap();
    let stream = read_directory(&mut host, dir).unwrap().unwrap();
    let mut names = Vec::new();
    while let Some(entry) = read_directory_entry(&mut host, stream).unwrap().unwrap() {
        names.push((entry.name, entry.file_type));
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("link", DescriptorType::SymbolicLink),
        ("old", DescriptorType::RegularFile),
        ("sub", DescriptorType::Directory),
    ];
    assert_eq!(names, expected.map(|(name, ty)| (name.to_owned(), ty)));
    assert_eq!(readlink_at(&mut host, dir, "link").unwrap(), Ok("old".to_owned()));
    assert_eq!(remove_directory_at(&mut host, dir, "sub").unwrap(), Ok(()));
}

#[test]
fn a_read_only_directory_stays_as_it_is() {
    let (mut host, dir, scratch) = host(DirPerms::READ, FilePerms::READ);
    assert_eq!(create_directory_at(&mut host, dir, "sub").unwrap(), Err(ErrorCode::NotPermitted));
    assert_eq!(
        open(&mut host, dir, "old", OpenFlags { truncate: true, ..OpenFlags::default() }, READ_WRITE),
        Err(ErrorCode::NotPermitted)
    );
    let file = open(&mut host, dir, "old", OpenFlags::default(), READ).unwrap();
    assert_eq!(write(&mut host, file, b"x", 0).unwrap(), Err(ErrorCode::BadDescriptor));
    assert_eq!(open(&mut host, dir, "../etc", OpenFlags::default(), READ), Err(ErrorCode::NotPermitted));
    assert_eq!(std::fs::read(scratch.path().join("old")).unwrap(), b"old contents");
}

#[test]
fn identities_and_hashes_tell_files_apart() {
    let (mut host, dir, _scratch) = host(DirPerms::all(), FilePerms::all());
    let file = open(&mut host, dir, "old", OpenFlags::default(), READ_WRITE).unwrap();
    let same = open(&mut host, dir, "old", OpenFlags::default(), READ).unwrap();
    assert!(is_same_object(&mut host, file, same).unwrap());
    assert!(!is_same_object(&mut host, file, dir).unwrap());
    let before = metadata_hash(&mut host, file).unwrap().unwrap();
    assert_eq!(metadata_hash_at(&mut host, dir, Follow::No, "old").unwrap(), Ok(before));
    assert_ne!(metadata_hash(&mut host, dir).unwrap(), Ok(before));
    // Programs take it for the number of the inode.
    write(&mut host, file, b"a longer content", 0).unwrap().unwrap();
    assert_eq!(metadata_hash(&mut host, file).unwrap(), Ok(before));
}

#[test]
fn times_are_set_of_a_file_that_is_only_read() {
    let (mut host, dir, scratch) = host(DirPerms::all(), FilePerms::all());
    let file = open(&mut host, dir, "old", OpenFlags::default(), READ).unwrap();
    set_times(&mut host, file, NewTimestamp::NoChange, NewTimestamp::Now).unwrap().unwrap();
    let modified = std::fs::metadata(scratch.path().join("old")).unwrap().modified().unwrap();
    assert!(modified.elapsed().unwrap() < std::time::Duration::from_secs(60));
    let (mut host, dir, _scratch) = self::host(DirPerms::all(), FilePerms::READ);
    let file = open(&mut host, dir, "old", OpenFlags::default(), READ).unwrap();
    let refused = set_times(&mut host, file, NewTimestamp::NoChange, NewTimestamp::Now).unwrap();
    assert_eq!(refused, Err(ErrorCode::NotPermitted));
}

#[test]
fn a_directory_is_no_descriptor_for_what_files_do() {
    let (mut host, dir, _scratch) = host(DirPerms::all(), FilePerms::all());
    assert_eq!(read_via_stream(&mut host, dir, 0).unwrap(), Err(ErrorCode::IsDirectory));
    assert_eq!(write_via_stream(&mut host, dir, 0).unwrap(), Err(ErrorCode::BadDescriptor));
    assert_eq!(set_size(&mut host, dir, 0).unwrap(), Err(ErrorCode::BadDescriptor));
    assert_eq!(read(&mut host, dir, 1, 0).unwrap(), Err(ErrorCode::BadDescriptor));
}

#[test]
fn what_is_far_beyond_any_file_is_refused() {
    let (mut host, dir, scratch) = host(DirPerms::all(), FilePerms::all());
    let file = open(&mut host, dir, "old", OpenFlags::default(), READ_WRITE).unwrap();
    for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
        assert_eq!(write(&mut host, file, b"new", offset).unwrap(), Err(ErrorCode::Invalid), "{offset}");
        assert_eq!(read(&mut host, file, 3, offset).unwrap(), Err(ErrorCode::Invalid), "{offset}");
        let output = write_via_stream(&mut host, file, offset).unwrap().unwrap();
        assert!(host.write(output, b"new").is_err(), "{offset}");
    }
    assert_eq!(std::fs::read(scratch.path().join("old")).unwrap(), b"old contents");
}

#[test]
fn a_pipe_is_written_where_it_is_or_by_a_stream() {
    let (mut host, dir, scratch) = host(DirPerms::all(), FilePerms::all());
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path().join("pipe"), 0o600.into()).unwrap();
    let pipe = open(&mut host, dir, "pipe", OpenFlags::default(), READ_WRITE).unwrap();
    assert_eq!(write(&mut host, pipe, b"x", 7).unwrap(), Err(ErrorCode::InvalidSeek));
    let output = write_via_stream(&mut host, pipe, 7).unwrap().unwrap();
    let input = read_via_stream(&mut host, pipe, u64::MAX).unwrap().unwrap();
    assert_eq!(host.write(output, b"through"), Ok(()));
    assert_eq!(host.read(input), Ok(b"through".to_vec()));
}

#[test]
fn streams_are_as_durable_as_their_descriptor() {
    let (mut host, dir, _scratch) = host(DirPerms::all(), FilePerms::all());
    let cases = [
        (READ_WRITE, Durability::None),
        (DescriptorFlags { data_integrity_sync: true, ..READ_WRITE }, Durability::Data),
        (DescriptorFlags { file_integrity_sync: true, ..READ_WRITE }, Durability::File),
    ];
    for (flags, expected) in cases {
        let file = open(&mut host, dir, "old", OpenFlags::default(), flags).unwrap();
        let outputs = [write_via_stream(&mut host, file, 0), append_via_stream(&mut host, file)];
        for output in outputs.map(|output| output.unwrap().unwrap()) {
            assert_eq!(host.write(output, b"x"), Ok(()));
            let output: &Output = host.ctx().resources.get(output).unwrap();
            assert_eq!(output.durability(), Some(expected));
        }
    }
}
