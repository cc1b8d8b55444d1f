//! A directory that turns into a link that leads out, over and over, while a guest goes through it.

use crate::support::{Opening, ROOT, TestGuest, guest_in, scratch};
use hatchery_wasi::p1;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Exchanges two names until told to stop.
fn exchange(a: &Path, b: &Path, stop: &AtomicBool) -> u64 {
    let mut times = 0;
    while !stop.load(Ordering::Relaxed) {
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
        times += 1;
    }
    times
}

/// Goes through the name in every way that could show or touch what is outside.
fn go_through(guest: &mut TestGuest) -> u64 {
    let mut inside = 0;
    guest.rewind();
    if let Ok(fd) = guest.open(ROOT, "a/file", Opening::READ) {
        assert_eq!(guest.read(fd, 32).unwrap(), b"inside");
        guest.close(fd).unwrap();
        inside += 1;
    }
    if let Ok(dir) = guest.open(ROOT, "a", Opening::DIR) {
        assert!(guest.stat_at(dir, 0, "only-outside").is_err());
        guest.close(dir).unwrap();
    }
    assert!(guest.stat_at(ROOT, 0, "a/only-outside").is_err());
    assert!(guest.path(p1::path_unlink_file, ROOT, "a/only-outside").is_err());
    if let Ok(fd) = guest.open(ROOT, "a/new", Opening::WRITE) {
        guest.close(fd).unwrap();
    }
    let _ = guest.path(p1::path_create_directory, ROOT, "a/newdir");
    let _ = guest.rename(ROOT, "a/new", ROOT, "a/newer");
    let _ = guest.set_times_at(ROOT, 1, "a/file", (0, 0), 5);
    inside
}

#[test]
fn a_link_that_comes_and_goes_leads_nowhere() {
    let (scratch, inside) = scratch();
    let outside = scratch.path().join("outside");
    fs::create_dir(inside.join("a")).unwrap();
    fs::write(inside.join("a/file"), "inside").unwrap();
    fs::write(outside.join("file"), "outside").unwrap();
    fs::write(outside.join("only-outside"), "outside").unwrap();
    symlink("../outside", inside.join("b")).unwrap();
    let before = fs::metadata(outside.join("file")).unwrap().modified().unwrap();

    let mut guest = guest_in(&inside);
    let stop = AtomicBool::new(false);
    let (mut rounds, mut reached) = (0_u64, 0);
    let exchanged = std::thread::scope(|scope| {
        let exchanger = scope.spawn(|| exchange(&inside.join("a"), &inside.join("b"), &stop));
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1500) {
            reached += go_through(&mut guest);
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
        exchanger.join().unwrap()
    });

    assert!(exchanged > 100 && reached > 0 && reached < rounds, "{exchanged} exchanges, {reached} of {rounds}");
    let mut names: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["file", "only-outside", "secret"]);
    assert_eq!(fs::metadata(outside.join("file")).unwrap().modified().unwrap(), before);
}
