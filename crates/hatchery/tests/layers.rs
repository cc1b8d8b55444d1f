//! What `ARCHITECTURE.md` says of the workspace as a whole: which crate uses which, and who may open `unsafe`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Of each crate, those of ours that it uses. The arrows point down; tests may look further.
const ARROWS: [(&str, &[&str]); 14] = [
    ("alloc", &[]),
    ("image", &[]),
    ("macros", &[]),
    ("pool", &["alloc"]),
    ("thirdparty-alloc", &["alloc"]),
    ("compile", &["image"]),
    ("component", &["compile", "image"]),
    ("vm", &["alloc", "image"]),
    ("init", &["image", "vm"]),
    ("hatchery", &["alloc", "compile", "component", "image", "init", "macros", "pool", "vm"]),
    ("wasi", &["hatchery"]),
    ("wast", &["hatchery"]),
    ("cli", &["hatchery", "wasi", "wast"]),
    ("fuzzing", &["hatchery", "image", "pool"]),
];

/// Where any module may open `unsafe`, with a reason; and single files elsewhere, which open artifacts.
const UNSAFE: [&str; 5] = ["alloc", "image", "pool", "thirdparty-alloc", "vm"];
const OPENINGS: [&str; 3] = ["cli/src/load.rs", "fuzzing/src/artifact.rs", "hatchery/src/artifact.rs"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates of ours in the `[dependencies]` of a manifest, without their prefix.
fn uses(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]")).unwrap_or_default();
    let names = section.lines().map(|line| line.split(['.', ' ', '=']).next().unwrap_or_default());
    let ours = names.filter(|name| *name == "hatchery" || name.starts_with("hatchery-"));
    ours.map(|name| name.strip_prefix("hatchery-").unwrap_or(name).to_owned()).collect()
}

#[test]
fn no_crate_uses_another_than_it_may() {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(crates()).expect("the crates") {
        let folder = entry.expect("a crate").path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        found.insert(name.to_owned(), uses(&manifest));
    }
    let expected = ARROWS.map(|(name, uses)| (name.to_owned(), uses.iter().map(|name| (*name).to_owned()).collect()));
    assert_eq!(found, BTreeMap::from(expected), "ARCHITECTURE.md has to say the same");
}

/// Files below a folder, those of unit tests left out.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                files(&path, into);
            }
        } else {
            into.push(path);
        }
    }
}

#[test]
fn no_module_opens_unsafe_that_may_not() {
    let mut openings = Vec::new();
    for (name, _) in ARROWS.iter().filter(|(name, _)| !UNSAFE.contains(name)) {
        files(&crates().join(name).join("src"), &mut openings);
    }
    let opens = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.contains("expect(unsafe_code") || text.contains("allow(unsafe_code")
    };
    openings.retain(opens);
    let name = |path: &PathBuf| path.strip_prefix(crates()).expect("below it").to_string_lossy().into_owned();
    let mut names: Vec<_> = openings.iter().map(name).collect();
    names.sort_unstable();
    assert_eq!(names, OPENINGS, "ARCHITECTURE.md has to say the same");
}
