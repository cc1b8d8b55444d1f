//! Trees of components behave as on Wasmtime, over the corpus and some random bytes.

use hatchery_fuzz::WasmtimeComponents;
use hatchery_fuzzing::component;
use hatchery_fuzzing::component::Relayed;
use std::path::Path;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/component");
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
fn components_agree() {
    let mut all = Relayed::default();
    for data in corpus().into_iter().chain(random(100)) {
        all += component(&data, &WasmtimeComponents);
    }
    println!("{all:?}");
    assert!(all.returned > 50 && all.failed > 20 && all.dishonest > 50, "{all:?}");
    assert!(all.limited < 20, "{all:?}");
}
