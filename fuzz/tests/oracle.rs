//! Every mode agrees with Wasmtime, over the corpus and some random bytes.

use hatchery_fuzz::Wasmtime;
use hatchery_fuzzing::{Checked, differential};
use std::path::Path;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/differential");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read(entry.path()).ok()).collect()
}

/// Inputs of growing length, the same every time.
fn random(count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(move |i| (0..64 + i * 8).map(|_| next()).collect())
}

#[test]
fn every_mode_agrees() {
    let mut all = Checked::default();
    for data in corpus().into_iter().chain(random(300)) {
        all += differential(&data, &Wasmtime);
    }
    println!("{all:?}");
    assert!(all.traces > 100 && all.returned > 500 && all.trapped > 100, "{all:?}");
    assert!(all.limited < all.traces / 4, "{all:?}");
}
