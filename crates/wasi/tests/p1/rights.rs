//! Rights: what a guest gives up stays given up.

use crate::support::{Opening, ROOT, TestGuest, guest_in, scratch, told};
use hatchery_wasi::p1::{self, Errno, Rights};
use std::fs;

fn set_rights(guest: &mut TestGuest, fd: i32, base: Rights, inheriting: Rights) -> Result<(), Errno> {
    let (base, inheriting) = (base.bits().cast_signed(), inheriting.bits().cast_signed());
    told(p1::fd_fdstat_set_rights(guest, fd, base, inheriting))
}

#[test]
fn a_guest_sees_what_it_may() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "x").unwrap();
    let mut guest = guest_in(&inside);
    let all = Rights::DIRECTORY | Rights::FILE;
    assert_eq!(guest.fdstat(ROOT), Ok((3, 0, Rights::DIRECTORY, all)));
    assert_eq!(guest.fdstat(0), Ok((0, 0, Rights::INPUT, Rights::empty())));
    assert_eq!(guest.fdstat(1), Ok((0, 0, Rights::OUTPUT, Rights::empty())));
    let file = guest.open(ROOT, "file", Opening::READ).unwrap();
    assert_eq!(guest.fdstat(file), Ok((4, 0, Rights::FILE.difference(Rights::FD_WRITE), Rights::empty())));
    let dir = guest.open(ROOT, ".", Opening::DIR).unwrap();
    assert_eq!(guest.fdstat(dir), Ok((3, 0, Rights::DIRECTORY, all)));
}

#[test]
fn rights_only_shrink() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::WRITE).unwrap();
    set_rights(&mut guest, fd, Rights::FD_READ | Rights::FD_TELL, Rights::empty()).unwrap();
    assert_eq!(guest.write(fd, b"x"), Err(Errno::Badf));
    assert_eq!(guest.seek(fd, 1, 0), Err(Errno::NotCapable));
    assert_eq!(guest.seek(fd, 0, 1), Ok(0));
    assert_eq!(set_rights(&mut guest, fd, Rights::FD_WRITE, Rights::empty()), Err(Errno::NotCapable));
    assert_eq!(set_rights(&mut guest, fd, Rights::empty(), Rights::FD_READ), Err(Errno::NotCapable));
    set_rights(&mut guest, fd, Rights::empty(), Rights::empty()).unwrap();
    assert_eq!(guest.read(fd, 1), Err(Errno::Badf));
    let buffers = guest.buffers(&[]);
    let told = told(p1::fd_pread(&mut guest, fd, buffers.0, buffers.1, 0, 16));
    assert_eq!(told, Err(Errno::Badf));
}

/// Programs open directories without asking for what they then do in them.
#[test]
fn what_is_asked_for_decides_on_transfers_alone() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "x").unwrap();
    let mut guest = guest_in(&inside);
    let little = Opening { rights: Rights::FD_READDIR, inheriting: Rights::empty(), ..Opening::DIR };
    let dir = guest.open(ROOT, ".", little).unwrap();
    assert_eq!(guest.fdstat(dir), guest.fdstat(ROOT));
    let read = Opening { rights: Rights::FD_READ, inheriting: Rights::empty(), ..Opening::READ };
    let file = guest.open(dir, "file", read).unwrap();
    assert_eq!(guest.fdstat(file), Ok((4, 0, Rights::FILE.difference(Rights::FD_WRITE), Rights::empty())));
    assert_eq!((guest.seek(file, 1, 0), guest.seek(file, 0, 0)), (Ok(1), Ok(0)));
    assert_eq!(guest.write(file, b"y"), Err(Errno::Badf));
    let made = guest.open(dir, "new", Opening { rights: Rights::FD_WRITE, oflags: 1, ..read }).unwrap();
    assert_eq!(guest.write(made, b"y"), Ok(1));
    assert_eq!(guest.read(made, 1), Err(Errno::Badf));
}

#[test]
fn directories_pass_on_what_was_not_given_up() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "x").unwrap();
    let mut guest = guest_in(&inside);
    let reading = Rights::FD_READ | Rights::PATH_OPEN;
    let dir = guest.open(ROOT, ".", Opening::DIR).unwrap();
    set_rights(&mut guest, dir, Rights::PATH_OPEN, reading).unwrap();
    let write = Opening { rights: Rights::FD_WRITE, ..Opening::READ };
    assert_eq!(guest.open(dir, "file", write), Err(Errno::NotCapable));
    assert_eq!(guest.open(dir, "new", Opening { oflags: 1, ..Opening::READ }), Err(Errno::NotCapable));
    assert_eq!(guest.open(dir, "file", Opening { oflags: 8, ..Opening::READ }), Err(Errno::NotCapable));
    let file = guest.open(dir, "file", Opening::READ).unwrap();
    assert_eq!(guest.fdstat(file), Ok((4, 0, Rights::FD_READ, Rights::empty())));
    let inner = guest.open(dir, ".", Opening::DIR).unwrap();
    assert_eq!(guest.fdstat(inner), Ok((3, 0, Rights::PATH_OPEN, reading)));
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"x");
}

/// Each function of paths, and the right it needs.
#[test]
fn each_right_is_for_its_function() {
    type Case = (Rights, fn(&mut TestGuest) -> Result<(), Errno>);
    let cases: [Case; 13] = [
        (Rights::PATH_CREATE_DIRECTORY, |g| g.path(p1::path_create_directory, ROOT, "x")),
        (Rights::PATH_CREATE_FILE, |g| g.open(ROOT, "x", Opening::WRITE).map(drop)),
        (Rights::PATH_LINK_SOURCE, |g| g.link(ROOT, "file", ROOT, "x")),
        (Rights::PATH_LINK_TARGET, |g| g.link(ROOT, "file", ROOT, "x")),
        (Rights::PATH_OPEN, |g| g.open(ROOT, "file", Opening::READ).map(drop)),
        (Rights::FD_READDIR, |g| told(p1::fd_readdir(g, ROOT, 8192, 100, 0, 16))),
        (Rights::PATH_READLINK, |g| g.readlink(ROOT, "link", 10).map(drop)),
        (Rights::PATH_RENAME_SOURCE, |g| g.rename(ROOT, "file", ROOT, "x")),
        (Rights::PATH_RENAME_TARGET, |g| g.rename(ROOT, "file", ROOT, "x")),
        (Rights::PATH_FILESTAT_GET, |g| g.stat_at(ROOT, 1, "file").map(drop)),
        (Rights::PATH_FILESTAT_SET_TIMES, |g| g.set_times_at(ROOT, 1, "file", (1, 1), 5)),
        (Rights::PATH_SYMLINK, |g| g.symlink("file", ROOT, "x")),
        (Rights::PATH_UNLINK_FILE, |g| g.path(p1::path_unlink_file, ROOT, "file")),
    ];
    for (right, call) in cases {
        let (_scratch, inside) = scratch();
        fs::write(inside.join("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", inside.join("link")).unwrap();
        let mut guest = guest_in(&inside);
        let all = Rights::DIRECTORY | Rights::FILE;
        set_rights(&mut guest, ROOT, Rights::DIRECTORY - right, all).unwrap();
        assert_eq!(call(&mut guest), Err(Errno::NotCapable), "without {right:?}");
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 2, "{right:?}");
        let mut guest = guest_in(&inside);
        assert_eq!(call(&mut guest), Ok(()), "with {right:?}");
    }
}
