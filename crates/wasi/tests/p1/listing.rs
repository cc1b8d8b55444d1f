//! Listing directories as libraries do it: with a buffer that is too small.

use crate::support::{OUT, Opening, Outcome, ROOT, TestGuest, guest_in, scratch, told};
use hatchery_wasi::p1::{self, Errno};
use std::fs;

/// One entry as it lies in the guest's memory: where to continue, name, kind.
type Listed = (i64, String, u8);

/// One call. Entries that are cut off are left out, as a guest must.
fn list(guest: &mut TestGuest, fd: i32, room: i32, cookie: i64) -> Outcome<(u32, Vec<Listed>)> {
    let (start, mut at) = (8192, 8192);
    told(p1::fd_readdir(guest, fd, start, room, cookie, OUT))?;
    let used = guest.u32_at(OUT);
    let end = start + used.cast_signed();
    let mut entries = Vec::new();
    while at + 24 <= end {
        let len = guest.u32_at(at + 16);
        if at + 24 + len.cast_signed() > end {
            break;
        }
        let name = String::from_utf8(guest.bytes_at(at + 24, len).to_vec()).unwrap();
        entries.push((guest.u64_at(at).cast_signed(), name, guest.bytes_at(at + 20, 1)[0]));
        at += 24 + len.cast_signed();
    }
    Ok((used, entries))
}

/// All of a directory, in calls with this much room.
fn list_all(guest: &mut TestGuest, fd: i32, room: i32) -> Vec<(String, u8)> {
    let (mut all, mut cookie) = (Vec::new(), 0);
    loop {
        let (used, entries) = list(guest, fd, room, cookie).unwrap();
        cookie = entries.last().map_or(cookie, |last| last.0);
        all.extend(entries.into_iter().map(|(_, name, kind)| (name, kind)));
        if used.cast_signed() < room {
            all.sort();
            return all;
        }
    }
}

#[test]
fn every_room_shows_the_same() {
    let (_scratch, inside) = scratch();
    fs::create_dir(inside.join("dir")).unwrap();
    std::os::unix::fs::symlink("x", inside.join("link")).unwrap();
    let mut expected = vec![(".".into(), 3), ("..".into(), 3), ("dir".into(), 3), ("link".into(), 7)];
    for index in 0..300 {
        let name = format!("{index:0width$}", width = 1 + index % 200);
        fs::write(inside.join(&name), "").unwrap();
        expected.push((name, 4));
    }
    expected.sort();
    expected.dedup();
    let mut guest = guest_in(&inside);
    for room in [300, 1000, 4096, 200_000] {
        assert_eq!(list_all(&mut guest, ROOT, room), expected, "with room for {room}");
    }
}

#[test]
fn a_full_buffer_is_full_to_the_last_byte() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    for room in 0..50 {
        assert_eq!(list(&mut guest, ROOT, room, 0).unwrap().0.cast_signed(), room);
    }
    assert_eq!(list(&mut guest, ROOT, 1000, 0).unwrap().0, 24 + 1 + 24 + 2);
    guest.memory[8192..9000].fill(0xaa);
    list(&mut guest, ROOT, 30, 0).unwrap();
    assert_eq!(guest.bytes_at(8192 + 30, 4), [0xaa; 4], "nothing beyond the buffer");
}

/// What `rm -r` does: list a little, remove it, go on.
#[test]
fn removing_while_listing_forgets_none() {
    let (_scratch, inside) = scratch();
    for index in 0..500 {
        fs::write(inside.join(index.to_string()), "").unwrap();
    }
    let mut guest = guest_in(&inside);
    let (mut cookie, mut removed) = (0, 0);
    loop {
        guest.rewind();
        let (used, entries) = list(&mut guest, ROOT, 300, cookie).unwrap();
        for (next, name, kind) in entries {
            cookie = next;
            if kind == 4 {
                fs::remove_file(inside.join(name)).unwrap();
                removed += 1;
            }
        }
        if used < 300 {
            break;
        }
    }
    assert_eq!(removed, 500);
}

#[test]
fn cookies_and_descriptors_that_are_none() {
    let (_scratch, inside) = scratch();
    fs::write(inside.join("file"), "").unwrap();
    let mut guest = guest_in(&inside);
    assert_eq!(list(&mut guest, ROOT, 100, -1).err(), Some(Errno::Inval));
    assert!(list(&mut guest, ROOT, 100, i64::MAX).is_ok_and(|(used, _)| used == 0));
    let file = guest.open(ROOT, "file", Opening::READ).unwrap();
    assert_eq!(list(&mut guest, file, 100, 0).err(), Some(Errno::NotDir));
    assert_eq!(list(&mut guest, 99, 100, 0).err(), Some(Errno::Badf));
}

/// An offered buffer of the whole memory costs what the entries need, and one call with a deadline ends.
#[test]
fn much_room_is_no_obligation() {
    let (_scratch, inside) = scratch();
    let mut guest = guest_in(&inside);
    let room = i32::try_from(guest.memory.len()).unwrap() - 8192;
    assert_eq!(list(&mut guest, ROOT, room, 0).unwrap().1.len(), 2);
}
