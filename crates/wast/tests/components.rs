//! Scripts about components: our own, and the component model's when they are there (of those of asynchrony, two).
//!
//! `components.txt` says for each script how many assertions hold, and how many are skipped because they need a
//! proposal that is not supported: so a script that is lost or an assertion that is skipped shows. `HATCHERY_BLESS=1`
//! writes it.

#![expect(clippy::print_stderr, reason = "says what is not tested")]

use hatchery::{Allocation, Bounds, Config, Pooling, Verify};
use hatchery_wast::{Counts, count_assertions, run};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/components.txt");
const FOLDERS: [&str; 5] = ["binary", "linking", "resources", "validation", "values"];
/// Scripts of other folders that are of synchronous calls, too.
const MORE: [&str; 2] = ["async/builtin-trap-poisons-instance.wast", "async/reentrance.wast"];
const OWN: [(&str, &str, usize); 8] = [
    ("exceptions.wast", include_str!("components/exceptions.wast"), 3),
    ("linking.wast", include_str!("components/linking.wast"), 8),
    ("poisoned.wast", include_str!("components/poisoned.wast"), 4),
    ("reentrance.wast", include_str!("components/reentrance.wast"), 12),
    ("refused.wast", include_str!("components/refused.wast"), 6),
    ("resources.wast", include_str!("components/resources.wast"), 7),
    ("synchronous.wast", include_str!("components/synchronous.wast"), 7),
    ("values.wast", include_str!("components/values.wast"), 13),
];

/// Both kinds of bounds, and a pool that compares every slot with its image after every reset, whose images are compiled
/// as they are for a pool.
fn configs() -> [Config; 3] {
    let strict = |bounds| Config::new().allocation(Allocation::Strict).bounds(bounds);
    // Trees with several memories take larger slots.
    let pooling = Pooling::new(50).class(50, 64 << 30).verify(Verify::EveryReset);
    [
        strict(Bounds::Guard),
        strict(Bounds::Explicit),
        Config::new().allocation(Allocation::Pooling(pooling)).bounds(Bounds::Auto),
    ]
}

#[test]
fn our_own_scripts_hold() {
    for config in configs() {
        for (name, text, assertions) in OWN {
            assert_eq!(count_assertions(text), Ok(assertions), "{name}");
            let report = run(&config, name, text);
            assert_eq!(report.failures, [], "{name}");
            assert_eq!(report.counts, Counts { passed: assertions, ..Counts::default() }, "{name}");
        }
    }
}

/// What an instance says that is not used again is no trap of any other kind.
#[test]
fn the_wrong_trap_is_a_failure() {
    let script = |message: &str| {
        format!(
            r#"(component
                (core module $m (func (export "f") unreachable))
                (core instance $i (instantiate $m))
                (func (export "f") (canon lift (core func $i "f"))))
            (assert_trap (invoke "f") "unreachable")
            (assert_trap (invoke "f") "{message}")"#
        )
    };
    let failures = |message| run(&Config::new(), "poisoned", &script(message)).failures.len();
    assert_eq!(failures("cannot enter component instance"), 0);
    for message in ["unreachable", "wasm `unreachable` instruction executed", "instance", "trapped"] {
        assert_eq!(failures(message), 1, "{message}");
    }
}

#[test]
fn a_script_may_have_core_modules_and_components() {
    let text = r#"
        (module $m (func (export "f") (result i32) (i32.const 1)))
        (assert_return (invoke "f") (i32.const 1))
        (component $c
          (core module $m (func (export "f") (result i32) (i32.const 2)))
          (core instance $i (instantiate $m))
          (func (export "f") (result u32) (canon lift (core func $i "f"))))
        (assert_return (invoke "f") (u32.const 2))
        (assert_return (invoke $c "f") (u32.const 3))
        (assert_return (invoke $m "f") (i32.const 4))
        (assert_invalid (module (func (result i32))) "type mismatch")"#;
    let report = run(&Config::new(), "mixed.wast", text);
    assert_eq!(report.failures.iter().map(|failure| failure.line).collect::<Vec<_>>(), [9, 10]);
    assert_eq!(report.counts, Counts { passed: 3, failed: 2, skipped: 0 });
}

#[test]
fn the_component_models_scripts_hold() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites/component-model/test");
    if !suite.is_dir() {
        eprintln!("{} is absent: the component model's scripts are not run", suite.display());
        return;
    }
    for config in configs() {
        let (mut table, mut failures) = (String::new(), Vec::new());
        for script in scripts(&suite) {
            let name = script.strip_prefix(&suite).expect("is in the suite").display().to_string();
            let text = std::fs::read_to_string(&script).expect("is readable");
            let report = run(&config, &name, &text);
            failures.extend(report.failures.iter().map(ToString::to_string));
            let Counts { passed, skipped, .. } = report.counts;
            assert_eq!(count_assertions(&text), Ok(passed + skipped + report.counts.failed), "{name}");
            writeln!(table, "{name} {passed} passed, {skipped} skipped").expect("strings grow");
        }
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
        if std::env::var_os("HATCHERY_BLESS").is_some() {
            std::fs::write(TABLE, &table).expect("the record can be written");
        }
        let listed = std::fs::read_to_string(TABLE).expect("the record is there");
        assert_eq!(table, listed, "the record is not what the suite has");
    }
}

fn scripts(suite: &Path) -> Vec<PathBuf> {
    let files = |folder| std::fs::read_dir(suite.join(folder)).expect("the suite has this folder");
    let paths = FOLDERS.iter().flat_map(files).map(|entry| entry.expect("is readable").path());
    let mut scripts: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "wast")).collect();
    scripts.extend(MORE.map(|script| suite.join(script)));
    scripts.sort();
    scripts
}
