//! Names that are no paths, and paths that are no names.

use crate::support::{CREAT, DIRECTORY, EXCL, Opening, ROOT, TRUNC, guest_in, scratch};
use hatchery_wasi::p1::{self, Errno, Rights};
use std::fs;

#[test]
fn names_that_cannot_be_are_told_apart() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let long = vec![b'a'; 256];
    let mut deep = b"a/".repeat(2048);
    deep.pop();
    let cases: [(&[u8], Errno); 7] = [
        (b"", Errno::NoEnt),
        (b"\xff", Errno::Ilseq),
        (b"a\0b", Errno::Inval),
        (b"\0", Errno::Inval),
        (&long, Errno::NameTooLong),
        (&deep, Errno::NoEnt),
        (&[b"a/".repeat(2048), b"a".to_vec()].concat(), Errno::NameTooLong),
    ];
    for (path, errno) in cases {
        assert_eq!(guest.open_bytes(ROOT, path, Opening::READ), Err(errno), "{:?}", &path[..path.len().min(9)]);
        let (at, len) = guest.put(path);
        let told = crate::support::told(p1::path_filestat_get(&mut guest, ROOT, 0, at, len, 16));
        assert_eq!(told, Err(errno));
    }
    assert_eq!(guest.symlink("", ROOT, "link"), Err(Errno::NoEnt));
}

#[test]
fn trailing_slashes_mean_directories() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "x").unwrap();
    fs::create_dir(inside.join("dir")).unwrap();
    std::os::unix::fs::symlink("dir", inside.join("link")).unwrap();
    let mut guest = guest_in(&inside);
    assert_eq!(guest.open(ROOT, "file/", Opening::READ), Err(Errno::NotDir));
    assert_eq!(guest.stat_at(ROOT, 0, "file/"), Err(Errno::NotDir));
    assert_eq!(guest.stat_at(ROOT, 0, "link/").map(|stat| stat.0), Ok(3));
    assert_eq!(guest.stat_at(ROOT, 0, "link").map(|stat| stat.0), Ok(7));
    assert!(guest.open(ROOT, "dir/", Opening::READ).is_ok());
    assert_eq!(guest.open(ROOT, "new/", Opening::WRITE), Err(Errno::IsDir));
    assert_eq!(guest.path(p1::path_unlink_file, ROOT, "file/"), Err(Errno::NotDir));
    assert_eq!(guest.rename(ROOT, "file", ROOT, "else/"), Err(Errno::NotDir));
    assert_eq!(guest.link(ROOT, "file", ROOT, "else/"), Err(Errno::NoEnt));
    guest.path(p1::path_create_directory, ROOT, "made/").unwrap();
    guest.path(p1::path_remove_directory, ROOT, "made/").unwrap();
    assert_eq!(guest.path(p1::path_remove_directory, ROOT, "link/"), Err(Errno::NotDir));
    assert_eq!(guest.path(p1::path_remove_directory, ROOT, "file/"), Err(Errno::NotDir));
    guest.rename(ROOT, "dir/", ROOT, "moved/").unwrap();
}

#[test]
fn opening_tells_what_is_wrong() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "x").unwrap();
    fs::create_dir(inside.join("dir")).unwrap();
    std::os::unix::fs::symlink("loop", inside.join("loop")).unwrap();
    let mut guest = guest_in(&inside);
    let with = |oflags| Opening { oflags, ..Opening::WRITE };
    let cases = [
        ("missing", Opening::READ, Errno::NoEnt),
        ("missing/file", Opening::WRITE, Errno::NoEnt),
        ("file", with(CREAT | EXCL), Errno::Exist),
        ("dir", with(CREAT | EXCL), Errno::Exist),
        ("dir", with(0), Errno::IsDir),
        ("dir", with(TRUNC), Errno::IsDir),
        ("dir", with(DIRECTORY), Errno::IsDir),
        ("file", Opening::DIR, Errno::NotDir),
        ("file/x", Opening::READ, Errno::NotDir),
        ("new", with(CREAT | DIRECTORY), Errno::Inval),
        ("file", with(16), Errno::Inval),
        ("file", Opening { follow: 2, ..Opening::READ }, Errno::Inval),
        ("file", Opening { flags: 32, ..Opening::READ }, Errno::Inval),
        ("loop", Opening::READ, Errno::Loop),
        ("loop/x", Opening::READ, Errno::Loop),
    ];
    for (path, how, errno) in cases {
        assert_eq!(guest.open(ROOT, path, how), Err(errno), "{path}");
    }
    assert_eq!(guest.open(99, "file", Opening::READ), Err(Errno::Badf));
    assert_eq!(guest.open(-1, "file", Opening::READ), Err(Errno::Badf));
    assert_eq!(guest.open(1, "file", Opening::READ), Err(Errno::NotDir));
    assert!(!inside.join("new").exists());
}

#[test]
fn files_are_made_and_emptied_even_if_only_read() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "x").unwrap();
    let mut guest = guest_in(&inside);
    let made = guest.open(ROOT, "new", Opening { oflags: CREAT, ..Opening::READ }).unwrap();
    assert_eq!(guest.write(made, b"x"), Err(Errno::Badf));
    let emptied = guest.open(ROOT, "file", Opening { oflags: TRUNC, ..Opening::READ }).unwrap();
    assert_eq!(guest.read(emptied, 1).unwrap(), b"");
    let looked = Opening { rights: Rights::FD_FILESTAT_GET, ..Opening::READ };
    let looked = guest.open(ROOT, "file", looked).unwrap();
    assert_eq!(guest.read(looked, 1), Err(Errno::Badf));
}

#[test]
fn directories_and_names_come_and_go() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    guest.path(p1::path_create_directory, ROOT, "a").unwrap();
    assert_eq!(guest.path(p1::path_create_directory, ROOT, "a"), Err(Errno::Exist));
    guest.path(p1::path_create_directory, ROOT, "a/b").unwrap();
    assert_eq!(guest.path(p1::path_remove_directory, ROOT, "a"), Err(Errno::NotEmpty));
    assert_eq!(guest.path(p1::path_unlink_file, ROOT, "a/b"), Err(Errno::IsDir));
    let fd = guest.open(ROOT, "a/b/file", Opening::WRITE).unwrap();
    assert_eq!(guest.path(p1::path_remove_directory, ROOT, "a/b/file"), Err(Errno::NotDir));
    guest.link(ROOT, "a/b/file", ROOT, "second").unwrap();
    assert_eq!(guest.link(ROOT, "a/b/file", ROOT, "second"), Err(Errno::Exist));
    guest.write(fd, b"shared").unwrap();
    assert_eq!(guest.stat_at(ROOT, 0, "second"), Ok((4, 6)));
    guest.rename(ROOT, "a", ROOT, "moved").unwrap();
    assert_eq!(guest.rename(ROOT, "moved", ROOT, "moved/b/inside"), Err(Errno::Inval));
    guest.path(p1::path_unlink_file, ROOT, "moved/b/file").unwrap();
    guest.path(p1::path_remove_directory, ROOT, "moved/b").unwrap();
    assert_eq!(guest.path(p1::path_remove_directory, ROOT, "."), Err(Errno::Inval));
    guest.symlink("second", ROOT, "link").unwrap();
    assert_eq!(guest.readlink(ROOT, "link", 100).as_deref(), Ok("second"));
    assert_eq!(guest.readlink(ROOT, "link", 3).as_deref(), Ok("sec"));
    assert_eq!(guest.readlink(ROOT, "second", 100), Err(Errno::Inval));
    assert_eq!(guest.stat_at(ROOT, 1, "link"), Ok((4, 6)));
}

#[test]
fn links_through_links_are_not_made() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let (at, len) = guest.put(b"x");
    let told = crate::support::told(p1::path_link(&mut guest, ROOT, 1, at, len, ROOT, at, len));
    assert_eq!(told, Err(Errno::Inval));
}

#[test]
fn times_are_set_by_name() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "x").unwrap();
    std::os::unix::fs::symlink("file", inside.join("link")).unwrap();
    let mut guest = guest_in(&inside);
    let modified = |name: &str| {
        let time = fs::symlink_metadata(inside.join(name)).unwrap().modified().unwrap();
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
    };
    guest.set_times_at(ROOT, 1, "link", (5, 7_000_000_001), 5).unwrap();
    assert_eq!(modified("file"), 7_000_000_001);
    guest.set_times_at(ROOT, 0, "link", (5, 9), 4).unwrap();
    assert_eq!((modified("file"), modified("link")), (7_000_000_001, 9));
    guest.set_times_at(ROOT, 1, "file", (0, 0), 8).unwrap();
    assert!(modified("file") > 1_600_000_000_000_000_000);
    guest.set_times_at(ROOT, 1, ".", (1, 1), 5).unwrap();
    for flags in [3, 12, 16, -1] {
        assert_eq!(guest.set_times_at(ROOT, 1, "file", (0, 0), flags), Err(Errno::Inval));
    }
}
