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
    let calls: usize = corpus("run").into_iter().chain(random(120, 16)).map(|data| hatchery_fuzzing::run(&data)).sum();
    assert!(calls > 100, "only {calls} calls were compared");
}

#[test]
fn snapshots_are_what_would_have_run() {
    corpus("snapshot").iter().for_each(|data| _ = hatchery_fuzzing::snapshot(data));
    let ran = random(900, 32).filter(|data| hatchery_fuzzing::snapshot(data)).count();
    assert!(ran > 10, "only {ran} of the programs initialized anything at build time");
}

#[test]
fn all_modes_agree_with_the_plainest() {
    let mut all = hatchery_fuzzing::Checked::default();
    for data in corpus("differential").into_iter().chain(random(300, 32)) {
        all += hatchery_fuzzing::differential(&data, &hatchery_fuzzing::OurOwn);
    }
    assert!(all.traces > 100 && all.returned > 500 && all.trapped > 100, "{all:?}");
    assert!(all.limited < all.traces / 4, "{all:?}");
}

#[test]
fn changed_artifacts_are_refused_or_harmless() {
    use hatchery_fuzzing::Opened;
    let mut opened = [0; 3];
    for data in corpus("artifact").into_iter().chain(random(3000, 1)) {
        opened[hatchery_fuzzing::artifact(&data) as usize] += 1;
    }
    let [refused, unverified, sound] = [Opened::Refused, Opened::Unverified, Opened::Sound].map(|o| opened[o as usize]);
    assert!(refused > 500 && unverified > 50 && sound > 50, "{opened:?}");
}

#[test]
fn instances_in_a_pool_are_as_their_twins() {
    let mut happened = hatchery_fuzzing::Happened::default();
    for data in corpus("pool").into_iter().chain(random(300, 8)) {
        let one = hatchery_fuzzing::pool(&data);
        happened.instances += one.instances;
        happened.acts += one.acts;
        happened.failed += one.failed;
        happened.exhausted += one.exhausted;
    }
    assert!(happened.instances > 500 && happened.acts > 1000, "{happened:?}");
    assert!(happened.failed > 20 && happened.exhausted > 50, "{happened:?}");
}

#[test]
fn components_relay_what_they_get() {
    let mut all = hatchery_fuzzing::component::Relayed::default();
    for data in corpus("component").into_iter().chain(random(150, 16)) {
        all += hatchery_fuzzing::component(&data, &hatchery_fuzzing::OurOwnComponents);
    }
    assert!(all.returned > 50 && all.failed > 20 && all.dishonest > 50, "{all:?}");
    assert!(all.limited < 20, "{all:?}");
}

#[test]
fn bytes_are_components_or_errors() {
    use hatchery_fuzzing::Became;
    let mut became = [0; 3];
    for data in corpus("component-bytes").into_iter().chain(random(400, 2)) {
        became[hatchery_fuzzing::component_bytes(&data) as usize] += 1;
    }
    let [refused, _, instantiated] =
        [Became::Refused, Became::Compiled, Became::Instantiated].map(|became_this| became[became_this as usize]);
    assert!(refused > 50 && instantiated > 20, "{became:?}");
}
