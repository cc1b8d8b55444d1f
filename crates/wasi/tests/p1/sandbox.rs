//! No path leaves its directory: every function that takes one, with every way out there might be.

use crate::support::{CREAT, DIRECTORY, Opening, Outcome, ROOT, TestGuest, guest, guest_in, guest_with, scratch};
use hatchery_wasi::p1::{self, Errno};
use hatchery_wasi::{DirPerms, FilePerms, WasiCtx};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Links that lead out, made by the host: a guest could not make all of them.
fn hostile(inside: &Path) {
    let scratch = inside.parent().unwrap();
    fs::create_dir(inside.join("dir")).unwrap();
    fs::write(inside.join("file"), "inside").unwrap();
    symlink("../secret", inside.join("to-secret")).unwrap();
    symlink("../outside", inside.join("to-outside")).unwrap();
    symlink("..", inside.join("to-parent")).unwrap();
    symlink("../..", inside.join("dir/to-above")).unwrap();
    symlink(scratch.join("secret"), inside.join("absolute")).unwrap();
    symlink(scratch.join("outside"), inside.join("absolute-dir")).unwrap();
    symlink("/", inside.join("root")).unwrap();
    symlink("to-outside", inside.join("twice")).unwrap();
    symlink("../dir/../../outside", inside.join("dir/dotted")).unwrap();
    symlink("/proc/self/root", inside.join("magic")).unwrap();
    symlink("/proc/self/fd/0", inside.join("magic-fd")).unwrap();
}

/// Paths that lead out even if the last part is not followed.
fn escapes(scratch: &Path) -> Vec<String> {
    let mut paths: Vec<String> = [
        "../secret",
        "../outside/secret",
        "dir/../../secret",
        "dir/../../outside/secret",
        "./.././secret",
        "file/../../secret",
        "to-outside/secret",
        "to-parent/secret",
        "to-parent/outside/secret",
        "dir/to-above/secret",
        "absolute-dir/secret",
        "root/etc/passwd",
        "twice/secret",
        "dir/dotted/secret",
        "magic/etc/passwd",
        "../inside/../secret",
        "..//secret",
        "dir//..//..//secret",
        "/etc/passwd",
        "//etc/passwd",
        "/",
    ]
    .map(String::from)
    .into();
    paths.push(scratch.join("secret").to_str().unwrap().into());
    // By its own absolute name, too: a path is relative, or it is refused.
    paths.push(scratch.join("inside/file").to_str().unwrap().into());
    paths
}

/// Everything that takes one path. What it answers for a path that leads out must be an error.
type Call = (&'static str, fn(&mut TestGuest, &str) -> Outcome);

const CALLS: [Call; 13] = [
    ("open", |g, path| g.open(ROOT, path, Opening::READ).map(drop)),
    ("open nofollow", |g, path| g.open(ROOT, path, Opening { follow: 0, ..Opening::READ }).map(drop)),
    ("create", |g, path| g.open(ROOT, path, Opening::WRITE).map(drop)),
    ("open directory", |g, path| g.open(ROOT, path, Opening::DIR).map(drop)),
    ("stat", |g, path| g.stat_at(ROOT, 1, path).map(drop)),
    ("stat nofollow", |g, path| g.stat_at(ROOT, 0, path).map(drop)),
    ("set times", |g, path| g.set_times_at(ROOT, 1, path, (0, 0), 5)),
    ("mkdir", |g, path| g.path(p1::path_create_directory, ROOT, path)),
    ("rmdir", |g, path| g.path(p1::path_remove_directory, ROOT, path)),
    ("unlink", |g, path| g.path(p1::path_unlink_file, ROOT, path)),
    ("symlink at", |g, path| g.symlink("file", ROOT, path)),
    ("rename from", |g, path| g.rename(ROOT, path, ROOT, "taken")),
    ("link from", |g, path| g.link(ROOT, path, ROOT, "taken")),
];

/// Everything that takes a second path.
const TARGETS: [Call; 3] = [
    ("rename to", |g, path| g.rename(ROOT, "file", ROOT, path)),
    ("rename directory to", |g, path| g.rename(ROOT, "dir", ROOT, path)),
    ("link to", |g, path| g.link(ROOT, "file", ROOT, path)),
];

/// The world outside is as it was.
fn assert_untouched(scratch: &Path) {
    for secret in ["secret", "outside/secret"] {
        assert_eq!(fs::read_to_string(scratch.join(secret)).unwrap(), "secret");
        let accessed = fs::metadata(scratch.join(secret)).unwrap().modified().unwrap();
        assert!(accessed.elapsed().unwrap().as_secs() < 3600, "times were set");
    }
    let names = |dir: &str| fs::read_dir(scratch.join(dir)).unwrap().count();
    assert_eq!((names(""), names("outside")), (3, 1));
    assert!(!scratch.join("inside/taken").exists(), "something was taken in");
}

#[test]
fn no_call_leaves_by_any_path() {
    let (scratch, inside) = scratch();
    hostile(&inside);
    let mut guest = guest_in(&inside);
    for path in escapes(scratch.path()) {
        for (name, call) in CALLS.iter().chain(&TARGETS) {
            guest.rewind();
            let told = call(&mut guest, &path);
            let refused = matches!(told, Err(Errno::Perm | Errno::NotDir));
            assert!(refused, "{name} of {path:?}: {told:?}");
        }
        let told = guest.readlink(ROOT, &path, 100);
        assert!(matches!(told, Err(Errno::Perm | Errno::NotDir)), "readlink of {path:?}: {told:?}");
        assert_untouched(scratch.path());
    }
}

#[test]
fn links_that_lead_out_are_not_followed() {
    let (scratch, inside) = scratch();
    hostile(&inside);
    let mut guest = guest_in(&inside);
    for path in ["to-secret", "absolute", "magic-fd", "to-outside", "to-parent", "root", "twice"] {
        for how in [Opening::READ, Opening::WRITE, Opening::DIR] {
            assert_eq!(guest.open(ROOT, path, how), Err(Errno::Perm), "{path}");
        }
        assert_eq!(guest.stat_at(ROOT, 1, path), Err(Errno::Perm), "{path}");
        assert!(guest.stat_at(ROOT, 0, &format!("{path}/")).is_err(), "{path}/");
        assert_eq!(guest.set_times_at(ROOT, 1, path, (0, 0), 5), Err(Errno::Perm), "{path}");
    }
    assert_untouched(scratch.path());
}

/// The links themselves are in the directory, and so are the guest's.
#[test]
fn links_that_lead_out_are_themselves_inside() {
    let (scratch, inside) = scratch();
    hostile(&inside);
    let mut guest = guest_in(&inside);
    for path in ["to-secret", "absolute", "root"] {
        assert_eq!(guest.stat_at(ROOT, 0, path).map(|stat| stat.0), Ok(7), "{path}");
        assert_eq!(guest.open(ROOT, path, Opening { follow: 0, ..Opening::READ }), Err(Errno::Loop), "{path}");
        guest.set_times_at(ROOT, 0, path, (0, 0), 5).unwrap();
    }
    assert_eq!(guest.readlink(ROOT, "to-secret", 100).as_deref(), Ok("../secret"));
    assert_eq!(guest.readlink(ROOT, "absolute", 100), Err(Errno::Perm));
    guest.link(ROOT, "to-secret", ROOT, "same-link").unwrap();
    assert_eq!(guest.open(ROOT, "same-link", Opening::READ), Err(Errno::Perm));
    guest.rename(ROOT, "absolute", ROOT, "dir/moved").unwrap();
    assert_eq!(guest.open(ROOT, "dir/moved", Opening::READ), Err(Errno::Perm));
    guest.path(p1::path_unlink_file, ROOT, "to-secret").unwrap();
    assert_untouched(scratch.path());
}

#[test]
fn a_guest_cannot_make_its_own_way_out() {
    let (scratch, inside) = scratch();
    hostile(&inside);
    let mut guest = guest_in(&inside);
    assert_eq!(guest.symlink("/etc", ROOT, "mine"), Err(Errno::Perm));
    guest.symlink("../outside", ROOT, "mine").unwrap();
    assert_eq!(guest.open(ROOT, "mine/secret", Opening::READ), Err(Errno::Perm));
    // A link that is harmless where it is made, and leads out from where it is moved to.
    guest.path(p1::path_create_directory, ROOT, "dir/deep").unwrap();
    guest.symlink("../../secret", ROOT, "dir/deep/link").unwrap();
    assert_eq!(guest.open(ROOT, "dir/deep/link", Opening::READ), Err(Errno::NoEnt));
    guest.rename(ROOT, "dir/deep/link", ROOT, "dir/link").unwrap();
    assert_eq!(guest.open(ROOT, "dir/link", Opening::READ), Err(Errno::Perm));
    // A directory that is open stays where it is in the tree.
    let dir = guest.open(ROOT, "dir", Opening::DIR).unwrap();
    assert_eq!(guest.open(dir, "..", Opening::DIR), Err(Errno::Perm));
    assert_eq!(guest.open(dir, "../file", Opening::READ), Err(Errno::Perm));
    assert_eq!(guest.open(dir, "deep/../../file", Opening::READ), Err(Errno::Perm));
    assert_untouched(scratch.path());
}

#[test]
fn renames_and_links_stay_between_the_guest_s_directories() {
    let (scratch, inside) = scratch();
    fs::write(inside.join("file"), "inside").unwrap();
    let other = scratch.path().join("outside");
    let (dirs, files) = (DirPerms::all(), FilePerms::all());
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(&inside, "/a", dirs, files).unwrap();
    builder.preopened_dir(&other, "/b", DirPerms::READ, FilePerms::READ).unwrap();
    builder.preopened_dir(&other, "/c", dirs, FilePerms::READ).unwrap();
    let mut guest = guest(&mut builder);
    let (full, read_only, no_writing) = (3, 4, 5);
    for (from, to) in [(full, read_only), (read_only, full), (no_writing, full)] {
        let name = if from == full { "file" } else { "secret" };
        assert_eq!(guest.rename(from, name, to, "moved"), Err(Errno::Perm), "{from} to {to}");
        assert_eq!(guest.link(from, name, to, "linked"), Err(Errno::Perm), "{from} to {to}");
    }
    assert_eq!(guest.rename(no_writing, "secret", full, "../stolen"), Err(Errno::Perm));
    guest.link(full, "file", no_writing, "linked").unwrap();
    assert_eq!(guest.open(no_writing, "linked", Opening::WRITE), Err(Errno::Perm));
    assert_eq!(fs::read(other.join("secret")).unwrap(), b"secret");
}

#[test]
fn permissions_bind_every_call() {
    let (scratch, inside) = scratch();
    hostile(&inside);
    let mut guest = guest_with(&inside, DirPerms::READ, FilePerms::READ);
    assert_eq!(guest.open(ROOT, "file", Opening::WRITE), Err(Errno::Perm));
    assert_eq!(guest.open(ROOT, "new", Opening { oflags: CREAT, ..Opening::READ }), Err(Errno::Perm));
    let truncating = Opening { oflags: crate::support::TRUNC, ..Opening::READ };
    assert_eq!(guest.open(ROOT, "file", truncating), Err(Errno::Perm));
    for (name, call) in &CALLS[6..] {
        assert_eq!(call(&mut guest, "file"), Err(Errno::Perm), "{name}");
    }
    let fd = guest.open(ROOT, "file", Opening::READ).unwrap();
    assert_eq!(guest.read(fd, 10).unwrap(), b"inside");
    let told = crate::support::told(p1::fd_filestat_set_times(&mut guest, fd, 0, 0, 5));
    assert_eq!(told, Err(Errno::Perm));
    let dir = guest.open(ROOT, "dir", Opening::DIR).unwrap();
    assert_eq!(guest.path(p1::path_create_directory, dir, "new"), Err(Errno::Perm));
    let mut blind = guest_with(&inside, DirPerms::MUTATE, FilePerms::WRITE);
    assert_eq!(blind.stat_at(ROOT, 1, "file"), Err(Errno::Perm));
    assert_eq!(blind.open(ROOT, "file", Opening::READ), Err(Errno::Perm));
    assert_eq!(blind.open(ROOT, "dir", Opening { oflags: DIRECTORY, ..Opening::READ }), Err(Errno::Perm));
    assert_untouched(scratch.path());
}
