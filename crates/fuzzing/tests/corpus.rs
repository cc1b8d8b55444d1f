//! Each target's body runs over its corpus and over some pseudo-random bytes.

use std::path::Path;

/// The corpus of a target: whatever was found and kept, and seeds.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read(entry.path()).ok()).collect()
}

/// Inputs of growing length, the same every time.
fn random(count: usize, step: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..count).map(move |i| {
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        std::iter::repeat_with(next).take(64 + i * step).collect()
    })
}

#[test]
fn compiling_never_panics() {
    corpus("compile").iter().for_each(|data| hatchery_fuzzing::compile(data));
    random(120, 16).for_each(|data| hatchery_fuzzing::compile(&data));
}

#[test]
fn modes_agree() {
    corpus("run").iter().for_each(|data| hatchery_fuzzing::run(data));
    random(120, 16).for_each(|data| hatchery_fuzzing::run(&data));
}

#[test]
fn snapshots_are_what_would_have_run() {
    corpus("snapshot").iter().for_each(|data| _ = hatchery_fuzzing::snapshot(data));
    let ran = random(900, 32).filter(|data| hatchery_fuzzing::snapshot(data)).count();
    assert!(ran > 10, "only {ran} of the programs initialized anything at build time");
}
