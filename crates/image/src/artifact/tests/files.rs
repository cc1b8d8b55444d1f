//! Artifacts under a name.

use super::super::{ArtifactError, Durability, Image, OpenOptions};
use super::{bytes, sample};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

fn open(path: &Path) -> Result<Image, ArtifactError> {
    // SAFETY: the directory is this test's alone, and nothing of the file runs.
    unsafe { Image::open(path, &OpenOptions::default()) }
}

#[test]
fn a_saved_image_is_the_same_file() {
    let directory = tempfile::tempdir().expect("directory");
    for durability in [Durability::Synced, Durability::Cached] {
        let path = directory.path().join(format!("{durability:?}"));
        Image::from_parts(&sample()).expect("image").save(&path, durability).expect("saved");
        assert!(fs::read(&path).expect("read") == bytes());
        open(&path).expect("opens").verify().expect("sound");
    }
}

#[test]
fn replacing_a_file_leaves_whoever_has_it_open_alone() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("image");
    let view = Image::from_parts(&sample()).expect("image");
    view.save(&path, Durability::Cached).expect("saved");
    let (old, inode) = (open(&path).expect("opens"), fs::metadata(&path).expect("metadata").ino());
    view.save(&path, Durability::Cached).expect("saved again");
    assert_ne!(fs::metadata(&path).expect("metadata").ino(), inode);
    fs::remove_file(&path).expect("removed");
    old.verify().expect("still there");
    assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 0, "nothing else was left");
}

#[test]
fn a_failed_save_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("taken");
    fs::create_dir(&path).expect("directory in the way");
    let view = Image::from_parts(&sample()).expect("image");
    let error = view.save(&path, Durability::Cached).expect_err("a directory is in the way");
    assert_eq!(error.to_string(), "cannot write the artifact: is a directory");
    assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 1);
    let error = view.save(&directory.path().join("absent/.."), Durability::Cached).expect_err("no file's name");
    assert!(error.to_string().ends_with("the path names no file"), "{error}");
    assert!(view.save(&directory.path().join("no/such"), Durability::Cached).is_err());
}

#[test]
fn what_is_no_file_is_written_to_and_stays() {
    let directory = tempfile::tempdir().expect("directory");
    let view = Image::from_parts(&sample()).expect("image");
    let null = directory.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &null).expect("link");
    view.save(&null, Durability::Synced).expect("written");
    assert_eq!(fs::read_link(&null).expect("still a link"), Path::new("/dev/null"));
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("pipe");
    // Open for both, nobody waits for anybody.
    let mut both = fs::File::options().read(true).write(true).open(&pipe).expect("pipe");
    assert!(bytes().len() < 1 << 16, "more than a pipe takes");
    view.save(&pipe, Durability::Synced).expect("written");
    assert!(!fs::metadata(&pipe).expect("metadata").is_file());
    let mut read = vec![0; bytes().len()];
    std::io::Read::read_exact(&mut both, &mut read).expect("read");
    assert!(read == bytes());
    let full = directory.path().join("full");
    std::os::unix::fs::symlink("/dev/full", &full).expect("link");
    let error = view.save(&full, Durability::Cached).expect_err("no room").to_string();
    assert!(error.starts_with("cannot write the artifact: No space left"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 3, "nothing else was left");
}

#[test]
fn a_link_stays_and_the_file_behind_it_is_replaced() {
    let directory = tempfile::tempdir().expect("directory");
    let view = Image::from_parts(&sample()).expect("image");
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    fs::write(&file, "old").expect("a file");
    std::os::unix::fs::symlink("file", &link).expect("link");
    let old = fs::metadata(&file).expect("metadata").ino();
    view.save(&link, Durability::Cached).expect("saved");
    assert_eq!(fs::read_link(&link).expect("still a link"), Path::new("file"));
    assert!(fs::read(&file).expect("read") == bytes());
    assert_ne!(fs::metadata(&file).expect("metadata").ino(), old);
    // A directory is none, behind a link either.
    let folder = directory.path().join("folder");
    std::os::unix::fs::symlink(".", &folder).expect("link");
    assert!(view.save(&folder, Durability::Cached).is_err());
    assert!(fs::symlink_metadata(&folder).expect("still there").is_symlink());
}

#[test]
fn what_is_opened_to_be_read_may_be_for_another_cpu_and_does_not_run() {
    use super::super::{IsaFlags, Purpose};
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("image");
    let mut parts = sample();
    parts.isa |= IsaFlags::from_bits_retain(1 << 40);
    super::super::encode(&parts).expect("encodes").save(&path, Durability::Cached).expect("saved");
    assert!(matches!(open(&path), Err(ArtifactError::CpuFeatures { .. })));
    let options = OpenOptions { purpose: Purpose::Read, ..OpenOptions::default() };
    // SAFETY: the directory is this test's alone.
    let view = unsafe { Image::open(&path, &options) }.expect("opens");
    assert!(!view.is_runnable());
    assert!(view.isa().names().ends_with("bit 40"), "{}", view.isa().names());
    view.verify().expect("sound");
    let base = format!("{:x}-", view.text().base() as usize);
    let maps = fs::read_to_string("/proc/self/maps").expect("maps");
    let line = maps.lines().find(|line| line.starts_with(&base)).expect("the text is mapped");
    assert!(line.contains(" r--p ") || line.contains(" r--s "), "{line}");
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let directory = tempfile::tempdir().expect("directory");
    let error = open(directory.path()).expect_err("a directory").to_string();
    assert_eq!(error, "not an artifact: it is a directory");
    // A pipe without a writer, on which opening would wait.
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).expect("pipe");
    assert_eq!(open(&pipe).expect_err("a pipe").to_string(), "not an artifact: it is no regular file");
    let error = open(&directory.path().join("absent")).expect_err("absent").to_string();
    assert!(error.starts_with("cannot open the file"), "{error}");
}

#[test]
fn a_file_that_shrinks_is_an_error_for_those_who_read_it() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("image");
    Image::from_parts(&sample()).expect("image").save(&path, Durability::Cached).expect("saved");
    let view = open(&path).expect("opens");
    fs::File::options().write(true).open(&path).and_then(|file| file.set_len(5000)).expect("shortened");
    assert!(view.verify().is_err());
    // What was copied stays.
    assert_eq!(view.imports().iter().count(), 2);
    let mut read = [0; 3];
    view.pages().read(view.layout().vmctx + 8, &mut read).expect("reads");
    assert_eq!(read, [1, 2, 3]);
}

#[test]
fn profilers_are_told_where_code_is() {
    let view = Image::from_parts(&sample()).expect("image");
    view.append_perf_map().expect("written");
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let map = fs::read_to_string(&path).expect("read");
    let line = format!("{:x} 6 wasm[1].function[8]", view.text().base() as usize + 64);
    assert!(map.lines().any(|l| l == line), "{line} is not in {map}");
    fs::remove_file(path).expect("removed");
}
