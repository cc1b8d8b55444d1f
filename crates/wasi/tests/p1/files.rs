//! Reading and writing files.

use crate::support::{OUT, Opening, ROOT, SIZE, TestGuest, guest_in, scratch, told};
use hatchery_wasi::p1::{self, Errno};
use std::fs;

const APPEND: i32 = 1;
const DSYNC: i32 = 2;
const NONBLOCK: i32 = 4;
const SYNC: i32 = 16;

/// Puts buffers of these lengths, reads into them, and gives what arrived in each.
fn read_scattered(guest: &mut TestGuest, fd: i32, buffers: &[(i32, i32)]) -> u32 {
    let (at, count) = guest.buffers(buffers);
    told(p1::fd_read(guest, fd, at, count, OUT)).unwrap();
    guest.u32_at(OUT)
}

#[test]
fn a_file_holds_what_was_written() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::WRITE).unwrap();
    assert_eq!(fd, 4);
    assert_eq!(guest.write(fd, b"hello world"), Ok(11));
    assert_eq!(guest.seek(fd, 6, 0), Ok(6));
    assert_eq!(guest.read(fd, 100).unwrap(), b"world");
    assert_eq!(guest.read(fd, 100).unwrap(), b"");
    assert_eq!(guest.seek(fd, -3, 2), Ok(8));
    assert_eq!(guest.seek(fd, -2, 1), Ok(6));
    told(p1::fd_tell(&mut guest, fd, OUT)).unwrap();
    assert_eq!(guest.u64_at(OUT), 6);
    assert_eq!(guest.seek(fd, -7, 1), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, -1, 0), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, 0, 3), Err(Errno::Inval));
    guest.close(fd).unwrap();
    assert_eq!(guest.close(fd), Err(Errno::Badf));
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"hello world");
}

#[test]
fn scattered_buffers_are_filled_in_order() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "abcdefghij").unwrap();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::READ).unwrap();
    // Out of order, far apart, empty in between.
    let far = i32::try_from(SIZE).unwrap() - 100;
    assert_eq!(read_scattered(&mut guest, fd, &[(2000, 2), (1000, 3), (5, 0), (far, 2), (3000, 100)]), 10);
    assert_eq!(guest.bytes_at(2000, 2), b"ab");
    assert_eq!(guest.bytes_at(1000, 3), b"cde");
    assert_eq!(guest.bytes_at(far, 2), b"fg");
    assert_eq!(guest.bytes_at(3000, 4), b"hij\0");
    // Overlapping: the later wins.
    guest.seek(fd, 0, 0).unwrap();
    assert_eq!(read_scattered(&mut guest, fd, &[(1000, 4), (1002, 4)]), 8);
    assert_eq!(guest.bytes_at(1000, 6), b"abefgh");
    // Over the list of buffers itself.
    guest.seek(fd, 0, 0).unwrap();
    let (at, _) = guest.buffers(&[(0, 0), (1000, 4)]);
    guest.memory[at as usize..][..4].copy_from_slice(&at.to_le_bytes());
    guest.memory[at as usize + 4..][..4].copy_from_slice(&6_i32.to_le_bytes());
    told(p1::fd_read(&mut guest, fd, at, 2, OUT)).unwrap();
    assert_eq!((guest.u32_at(OUT), guest.bytes_at(at, 6)), (10, &b"abcdef"[..]));
    assert_eq!(guest.bytes_at(1000, 4), b"ghij");
}

/// Pages that are made ready for writing have to be restored later, so large buffers are not, but for what arrives.
#[test]
fn little_is_made_ready_for_little() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "small").unwrap();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::READ).unwrap();
    guest.prepared = 0;
    assert_eq!(read_scattered(&mut guest, fd, &[(8192, 512 << 10)]), 5);
    assert_eq!(read_scattered(&mut guest, fd, &[(8192, 512 << 10)]), 0);
    let far = i32::try_from(SIZE).unwrap() - 100;
    guest.seek(fd, 0, 0).unwrap();
    assert_eq!(read_scattered(&mut guest, fd, &[(8192, 1), (far, 3), (8192, 1)]), 5);
    let (at, len) = (8192, 512 << 10);
    told(p1::fd_readdir(&mut guest, ROOT, at, len, 0, OUT)).unwrap();
    assert!(guest.prepared < 64 << 10, "{} bytes", guest.prepared);
    let proc = std::path::Path::new("/proc/self");
    let mut guest = guest_in(proc);
    let fd = guest.open(ROOT, "maps", Opening::READ).unwrap();
    assert!(guest.read(fd, 200_000).unwrap().len() > 1000, "though its length is said to be 0");
}

#[test]
fn scattered_buffers_are_written_in_order() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::WRITE).unwrap();
    let (a, b) = (guest.put(b"abc"), guest.put(b"de"));
    let (at, count) = guest.buffers(&[b, a, (0, 0), a]);
    told(p1::fd_write(&mut guest, fd, at, count, OUT)).unwrap();
    assert_eq!(guest.u32_at(OUT), 8);
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"deabcabc");
    let (at, count) = guest.buffers(&[(0, 0)]);
    told(p1::fd_write(&mut guest, fd, at, count, OUT)).unwrap();
    assert_eq!(guest.u32_at(OUT), 0);
}

/// More than one system call gets.
#[test]
fn large_transfers_are_whole() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let len = 20_i32 << 20;
    guest.memory = vec![0; 64 << 20];
    for (index, byte) in guest.memory[32 << 20..].iter_mut().enumerate() {
        *byte = index.to_le_bytes()[0] ^ index.to_le_bytes()[2];
    }
    let fd = guest.open(ROOT, "file", Opening::WRITE).unwrap();
    let (at, count) = guest.buffers(&[(32 << 20, 7), ((32 << 20) + 7, len - 7)]);
    told(p1::fd_write(&mut guest, fd, at, count, OUT)).unwrap();
    assert_eq!(guest.u32_at(OUT).cast_signed(), len);
    let (at, count) = guest.buffers(&[(1 << 20, len), (60 << 20, 1 << 20)]);
    told(p1::fd_pread(&mut guest, fd, at, count, 0, OUT)).unwrap();
    assert_eq!(guest.u32_at(OUT).cast_signed(), len);
    let len = len.cast_unsigned();
    assert!(guest.bytes_at(1 << 20, len) == guest.bytes_at(32 << 20, len));
}

#[test]
fn offsets_leave_the_position() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening { flags: APPEND, ..Opening::WRITE }).unwrap();
    guest.write(fd, b"hello").unwrap();
    let buffer = guest.put(b"J");
    let (at, count) = guest.buffers(&[buffer]);
    told(p1::fd_pwrite(&mut guest, fd, at, count, 0, OUT)).unwrap();
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"Jello", "at its offset, even when appending");
    told(p1::fd_pread(&mut guest, fd, at, count, 4, OUT)).unwrap();
    assert_eq!(guest.bytes_at(buffer.0, 1), b"o");
    assert_eq!(guest.seek(fd, 0, 1), Ok(5));
    for offset in [-1, i64::MIN] {
        assert_eq!(told(p1::fd_pread(&mut guest, fd, at, count, offset, OUT)), Err(Errno::Inval));
        assert_eq!(told(p1::fd_pwrite(&mut guest, fd, at, count, offset, OUT)), Err(Errno::Inval));
    }
    told(p1::fd_pread(&mut guest, fd, at, count, i64::MAX - 8, OUT)).unwrap();
    assert_eq!(guest.u32_at(OUT), 0);
    assert_eq!(told(p1::fd_pwrite(&mut guest, fd, at, count, i64::MAX, OUT)), Err(Errno::Inval));
}

#[test]
fn flags_come_and_go() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening { flags: APPEND | DSYNC, ..Opening::WRITE }).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().1, 3);
    guest.write(fd, b"abc").unwrap();
    guest.seek(fd, 0, 0).unwrap();
    guest.write(fd, b"def").unwrap();
    told(p1::fd_fdstat_set_flags(&mut guest, fd, SYNC | NONBLOCK)).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().1, 20);
    guest.seek(fd, 0, 0).unwrap();
    guest.write(fd, b"X").unwrap();
    assert_eq!(fs::read(inside.join("file")).unwrap(), b"Xbcdef");
    assert_eq!(told(p1::fd_fdstat_set_flags(&mut guest, fd, 32)), Err(Errno::Inval));
}

#[test]
fn sizes_times_and_attributes() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let fd = guest.open(ROOT, "file", Opening::WRITE).unwrap();
    told(p1::fd_filestat_set_size(&mut guest, fd, 1000)).unwrap();
    told(p1::fd_allocate(&mut guest, fd, 1000, 500)).unwrap();
    told(p1::fd_filestat_set_times(&mut guest, fd, 3, 4, 5)).unwrap();
    told(p1::fd_filestat_get(&mut guest, fd, OUT)).unwrap();
    assert_eq!(guest.bytes_at(OUT + 16, 1), [4]);
    let words = [24, 32, 40, 48].map(|at| guest.u64_at(OUT + at));
    assert_eq!(words, [1, 1500, 3, 4]);
    let told_of = |guest: &mut TestGuest, size| told(p1::fd_filestat_set_size(guest, fd, size));
    assert_eq!(told_of(&mut guest, -1), Err(Errno::Inval));
    assert_eq!(told_of(&mut guest, i64::MAX), Err(Errno::Fbig));
    assert_eq!(told(p1::fd_allocate(&mut guest, fd, 0, 0)), Err(Errno::Inval));
    assert_eq!(told(p1::fd_allocate(&mut guest, fd, -1, 1)), Err(Errno::Inval));
    for advice in 0..6 {
        told(p1::fd_advise(&mut guest, fd, 0, 0, advice)).unwrap();
    }
    assert_eq!(told(p1::fd_advise(&mut guest, fd, 0, 0, 6)), Err(Errno::Inval));
    told(p1::fd_sync(&mut guest, fd)).unwrap();
    told(p1::fd_datasync(&mut guest, fd)).unwrap();
    told(p1::fd_sync(&mut guest, ROOT)).unwrap();
    told(p1::fd_datasync(&mut guest, ROOT)).unwrap();
    told(p1::fd_filestat_set_times(&mut guest, ROOT, 3, 4, 5)).unwrap();
    told(p1::fd_filestat_get(&mut guest, ROOT, OUT)).unwrap();
    assert_eq!((guest.bytes_at(OUT + 16, 1)[0], guest.u64_at(OUT + 48)), (3, 4));
}

#[test]
fn a_pipe_in_a_directory_neither_blocks_nor_is_opened_for_nobody() {
    let (_scratch, inside) = scratch();
    rustix::fs::mkfifoat(rustix::fs::CWD, inside.join("pipe"), 0o600.into()).unwrap();
    let mut guest = guest_in(&inside);
    let only_write = Opening { rights: p1::Rights::FD_WRITE, oflags: 0, ..Opening::WRITE };
    assert_eq!(guest.open(ROOT, "pipe", only_write), Err(Errno::Nxio));
    let read = guest.open(ROOT, "pipe", Opening { flags: NONBLOCK, ..Opening::READ }).unwrap();
    assert_eq!(guest.stat_at(ROOT, 1, "pipe").unwrap().0, 0);
    guest.set_times_at(ROOT, 1, "pipe", (1, 1), 5).unwrap();
    let write = guest.open(ROOT, "pipe", only_write).unwrap();
    assert_eq!(guest.read(read, 10), Err(Errno::Again));
    guest.write(write, b"through").unwrap();
    assert_eq!(guest.read(read, 10).unwrap(), b"through");
    assert_eq!(guest.seek(read, 1, 0), Err(Errno::Spipe));
}

#[test]
fn there_are_only_so_many_descriptors() {
    let (_scratch, inside) = scratch();
    let mut builder = hatchery_wasi::WasiCtx::builder();
    let (dirs, files) = (hatchery_wasi::DirPerms::all(), hatchery_wasi::FilePerms::all());
    let mut guest = crate::support::guest(builder.max_descriptors(6).preopened_dir(&inside, "/", dirs, files).unwrap());
    assert_eq!(guest.open(ROOT, "a", Opening::WRITE), Ok(4));
    assert_eq!(guest.open(ROOT, "b", Opening::WRITE), Ok(5));
    assert_eq!(guest.open(ROOT, "c", Opening::WRITE), Err(Errno::Mfile));
    assert!(!inside.join("c").exists());
    guest.close(0).unwrap();
    assert_eq!(guest.open(ROOT, "c", Opening::WRITE), Ok(0));
}

#[test]
fn descriptors_move() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let (a, b) = (guest.open(ROOT, "a", Opening::WRITE).unwrap(), guest.open(ROOT, "b", Opening::WRITE).unwrap());
    told(p1::fd_renumber(&mut guest, a, b)).unwrap();
    guest.write(b, b"to a").unwrap();
    assert_eq!(guest.write(a, b"x"), Err(Errno::Badf));
    assert_eq!(fs::read(inside.join("a")).unwrap(), b"to a");
    assert_eq!(told(p1::fd_renumber(&mut guest, b, 1000)), Err(Errno::Badf));
    told(p1::fd_renumber(&mut guest, ROOT, b)).unwrap();
    told(p1::fd_prestat_get(&mut guest, b, OUT)).unwrap();
}

#[test]
fn preopens_have_names() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    told(p1::fd_prestat_get(&mut guest, ROOT, OUT)).unwrap();
    assert_eq!((guest.u32_at(OUT), guest.u32_at(OUT + 4)), (0, 1));
    told(p1::fd_prestat_dir_name(&mut guest, ROOT, OUT, 1)).unwrap();
    assert_eq!(guest.bytes_at(OUT, 1), b"/");
    assert_eq!(told(p1::fd_prestat_dir_name(&mut guest, ROOT, OUT, 0)), Err(Errno::NameTooLong));
    let dir = guest.open(ROOT, ".", Opening::DIR).unwrap();
    for fd in [0, 2, dir, 99, -1] {
        assert_eq!(told(p1::fd_prestat_get(&mut guest, fd, OUT)), Err(Errno::Badf));
        assert_eq!(told(p1::fd_prestat_dir_name(&mut guest, fd, OUT, 9)), Err(Errno::Badf));
    }
}
