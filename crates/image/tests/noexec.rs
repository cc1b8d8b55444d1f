//! An artifact on a file system that forbids execution: it opens all the same, and says what it did.
//!
//! The test runs itself again in a mount namespace of its own, where it may mount such a file system. Where
//! namespaces are forbidden it cannot; what happens after the refusal has a test beside the code.

#![expect(unsafe_code, reason = "opens an artifact, which must be trusted")]
#![expect(clippy::print_stderr, reason = "says when it could not run")]

use hatchery_image::artifact::{Durability, Image, ImageParts, Note, OpenOptions};
use hatchery_image::{LayoutNeeds, LayoutPlan, Tunables};
use std::path::Path;
use std::process::Command;

const DIRECTORY: &str = "HATCHERY_TEST_NOEXEC";
const TEST: &str = "a_noexec_mount_costs_a_copy_and_a_note";

fn check(directory: &Path) {
    let layout = LayoutPlan::new(&LayoutNeeds::default(), &Tunables::default()).expect("layout");
    let mut parts = ImageParts::new(Tunables::default(), layout);
    parts.code = vec![0xb8, 7, 0, 0, 0, 0xc3];
    let path = directory.join("image");
    Image::from_parts(&parts).expect("image").save(&path, Durability::Cached).expect("saved");
    // SAFETY: the file was just written by this test, to a file system of its own.
    let view = unsafe { Image::open(&path, &OpenOptions::default()) }.expect("opens");
    assert!(matches!(view.notes(), [Note::TextCopied { .. }]), "{:?}", view.notes());
    // SAFETY: the code is `mov eax, 7; ret`.
    let function: extern "C" fn() -> i32 = unsafe { core::mem::transmute(view.text().base()) };
    assert_eq!(function(), 7);
}

#[test]
fn a_noexec_mount_costs_a_copy_and_a_note() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return check(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("directory");
    let script = format!(r#"mount -t tmpfs -o noexec none "${DIRECTORY}" || exit 77; exec "$0" --exact {TEST}"#);
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script]).arg(std::env::current_exe().expect("this test"));
    match command.env(DIRECTORY, directory.path()).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) if output.status.code() != Some(77) && !output.stdout.is_empty() => {
            panic!("{}", String::from_utf8_lossy(&output.stdout));
        }
        _ => eprintln!("not run: no mount namespaces here"),
    }
}
