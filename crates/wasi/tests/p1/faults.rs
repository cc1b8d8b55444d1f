//! Addresses that are outside the memory, and the memory after them.

use crate::support::{OUT, Opening, Outcome, ROOT, SIZE, TestGuest, guest_in, scratch, told};
use hatchery_wasi::p1::{self, Answer, Errno};
use std::fs;

type Call = (&'static str, fn(&mut TestGuest, i32) -> Answer<TestGuest>);

/// Descriptor 4: a file that is read and written.
const FILE: i32 = 4;

/// A path, a list of one buffer and a subscription, all of which are good.
const NAME: i32 = 512;
const LIST: i32 = 528;
const CLOCK: i32 = 544;

/// Every pointer of every function, each in a call whose other arguments are good.
const CALLS: [Call; 48] = [
    ("args_get pointers", |g, at| p1::args_get(g, at, 1000)),
    ("args_get strings", |g, at| p1::args_get(g, 1000, at)),
    ("args_sizes_get count", |g, at| p1::args_sizes_get(g, at, OUT)),
    ("args_sizes_get bytes", |g, at| p1::args_sizes_get(g, OUT, at)),
    ("environ_get pointers", |g, at| p1::environ_get(g, at, 1000)),
    ("environ_get strings", |g, at| p1::environ_get(g, 1000, at)),
    ("environ_sizes_get count", |g, at| p1::environ_sizes_get(g, at, OUT)),
    ("environ_sizes_get bytes", |g, at| p1::environ_sizes_get(g, OUT, at)),
    ("clock_res_get", |g, at| p1::clock_res_get(g, 0, at)),
    ("clock_time_get", |g, at| p1::clock_time_get(g, 0, 0, at)),
    ("fd_fdstat_get", |g, at| p1::fd_fdstat_get(g, FILE, at)),
    ("fd_filestat_get", |g, at| p1::fd_filestat_get(g, FILE, at)),
    ("fd_pread list", |g, at| p1::fd_pread(g, FILE, at, 1, 0, OUT)),
    ("fd_pread out", |g, at| p1::fd_pread(g, FILE, LIST, 1, 0, at)),
    ("fd_prestat_get", |g, at| p1::fd_prestat_get(g, ROOT, at)),
    ("fd_prestat_dir_name", |g, at| p1::fd_prestat_dir_name(g, ROOT, at, 4)),
    ("fd_pwrite list", |g, at| p1::fd_pwrite(g, FILE, at, 1, 0, OUT)),
    ("fd_pwrite out", |g, at| p1::fd_pwrite(g, FILE, LIST, 1, 0, at)),
    ("fd_read list", |g, at| p1::fd_read(g, FILE, at, 1, OUT)),
    ("fd_read out", |g, at| p1::fd_read(g, FILE, LIST, 1, at)),
    ("fd_readdir buffer", |g, at| p1::fd_readdir(g, ROOT, at, 64, 0, OUT)),
    ("fd_readdir out", |g, at| p1::fd_readdir(g, ROOT, 1000, 64, 0, at)),
    ("fd_seek", |g, at| p1::fd_seek(g, FILE, 1, 0, at)),
    ("fd_tell", |g, at| p1::fd_tell(g, FILE, at)),
    ("fd_write list", |g, at| p1::fd_write(g, FILE, at, 1, OUT)),
    ("fd_write out", |g, at| p1::fd_write(g, FILE, LIST, 1, at)),
    ("path_create_directory", |g, at| p1::path_create_directory(g, ROOT, at, 4)),
    ("path_filestat_get path", |g, at| p1::path_filestat_get(g, ROOT, 1, at, 4, 1000)),
    ("path_filestat_get out", |g, at| p1::path_filestat_get(g, ROOT, 1, NAME, 4, at)),
    ("path_filestat_set_times", |g, at| p1::path_filestat_set_times(g, ROOT, 1, at, 4, 0, 0, 5)),
    ("path_link path", |g, at| p1::path_link(g, ROOT, 0, at, 4, ROOT, NAME, 3)),
    ("path_link new path", |g, at| p1::path_link(g, ROOT, 0, NAME, 4, ROOT, at, 4)),
    ("path_open path", |g, at| p1::path_open(g, ROOT, 0, at, 4, 0, 2, 0, 0, OUT)),
    ("path_open out", |g, at| p1::path_open(g, ROOT, 0, NAME, 3, 1, 2, 0, 0, at)),
    ("path_readlink path", |g, at| p1::path_readlink(g, ROOT, at, 4, 1000, 10, OUT)),
    ("path_readlink buffer", |g, at| p1::path_readlink(g, ROOT, NAME, 4, at, 10, OUT)),
    ("path_readlink out", |g, at| p1::path_readlink(g, ROOT, NAME, 4, 1000, 10, at)),
    ("path_remove_directory", |g, at| p1::path_remove_directory(g, ROOT, at, 4)),
    ("path_rename path", |g, at| p1::path_rename(g, ROOT, at, 4, ROOT, NAME, 3)),
    ("path_rename new path", |g, at| p1::path_rename(g, ROOT, NAME, 4, ROOT, at, 4)),
    ("path_symlink target", |g, at| p1::path_symlink(g, at, 4, ROOT, NAME, 3)),
    ("path_symlink path", |g, at| p1::path_symlink(g, NAME, 4, ROOT, at, 4)),
    ("path_unlink_file", |g, at| p1::path_unlink_file(g, ROOT, at, 4)),
    ("poll_oneoff in", |g, at| p1::poll_oneoff(g, at, 1000, 1, OUT)),
    ("poll_oneoff events", |g, at| p1::poll_oneoff(g, CLOCK, at, 1, OUT)),
    ("poll_oneoff out", |g, at| p1::poll_oneoff(g, CLOCK, 1000, 1, at)),
    ("random_get", |g, at| p1::random_get(g, at, 4)),
    ("path_open nothing made", |g, at| p1::path_open(g, ROOT, 0, NAME, 3, 5, 2, 0, 0, at)),
];

fn prepared(inside: &std::path::Path) -> TestGuest {
    let mut builder = hatchery_wasi::WasiCtx::builder();
    let (dirs, files) = (hatchery_wasi::DirPerms::all(), hatchery_wasi::FilePerms::all());
    builder.arg("program").env("A", "1").preopened_dir(inside, "/dir", dirs, files).unwrap();
    let mut guest = crate::support::guest(&mut builder);
    assert_eq!(guest.open(ROOT, "file", Opening::WRITE), Ok(FILE));
    guest.memory[NAME as usize..][..4].copy_from_slice(b"file");
    guest.memory[LIST as usize..][..8].copy_from_slice(&[0, 64, 0, 0, 3, 0, 0, 0]);
    guest.rewind();
    guest
}

/// Where only the first bytes are inside, where none are, and where the end wraps around.
fn outside() -> [i32; 5] {
    let size = SIZE.cast_signed();
    [size - 3, size, size + 1, -1, i32::MIN]
}

#[test]
fn every_pointer_of_every_function_is_checked_before_anything_happens() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "contents").unwrap();
    let mut guest = prepared(&inside);
    let before = guest.memory.clone();
    for (name, call) in CALLS {
        for at in outside() {
            assert_eq!(told(call(&mut guest, at)), Err(Errno::Fault), "{name} at {at:#x}");
            assert!(guest.memory == before, "{name} at {at:#x} wrote");
            assert_eq!(guest.seek(FILE, 0, 1), Ok(0), "{name} at {at:#x} moved");
            guest.memory.copy_from_slice(&before);
        }
    }
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"contents");
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 1, "nothing was made");
}

#[test]
fn buffers_in_a_list_are_checked() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "contents").unwrap();
    let mut guest = prepared(&inside);
    let mut transfer = |buffers: &[(i32, i32)]| -> Outcome<u32> {
        guest.rewind();
        let (at, count) = guest.buffers(buffers);
        let read = told(p1::fd_read(&mut guest, FILE, at, count, OUT));
        assert_eq!(read, told(p1::fd_write(&mut guest, FILE, at, count, OUT)));
        assert_eq!(guest.seek(FILE, 0, 1), Ok(0));
        read.map(|()| guest.u32_at(OUT))
    };
    for at in outside() {
        assert_eq!(transfer(&[(1000, 4), (at, 4)]), Err(Errno::Fault));
    }
    let all = SIZE.cast_signed();
    assert_eq!(transfer(&[(0, -1)]), Err(Errno::Fault));
    assert_eq!(transfer(&vec![(0, all); 1025]), Err(Errno::Inval));
    assert_eq!(transfer(&vec![(0, 0); 1024]), Ok(0));
}

/// Together more than 4 GiB, of a memory that is much smaller.
#[test]
fn sums_that_overflow_are_refused() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::WRITE).unwrap();
    guest.memory = vec![0; 8 << 20];
    let (at, count) = guest.buffers(&vec![(0, 8 << 20); 1024]);
    assert_eq!(told(p1::fd_read(&mut guest, fd, at, count, OUT)), Err(Errno::Inval));
    assert_eq!(told(p1::fd_write(&mut guest, fd, at, count, OUT)), Err(Errno::Inval));
}

/// Lengths a guest makes up cost the host nothing.
#[test]
fn huge_lengths_are_refused_at_once() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let name = guest.put(b"link");
    for len in [-1, i32::MAX, i32::MIN] {
        assert_eq!(told(p1::random_get(&mut guest, 8, len)), Err(Errno::Fault));
        assert_eq!(told(p1::fd_readdir(&mut guest, ROOT, 8, len, 0, OUT)), Err(Errno::Fault));
        assert_eq!(told(p1::path_create_directory(&mut guest, ROOT, 8, len)), Err(Errno::Fault));
        assert_eq!(told(p1::path_readlink(&mut guest, ROOT, name.0, name.1, 8, len, OUT)), Err(Errno::Fault));
        assert_eq!(told(p1::fd_write(&mut guest, 1, 8, len, OUT)), Err(Errno::Inval));
    }
}
