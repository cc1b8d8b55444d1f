//! Real components, from several tool chains.

#![expect(clippy::print_stderr, reason = "says what is not tested")]

use hatchery_component::plan::{Step, TreePlan};
use hatchery_component::translate;
use std::path::Path;

/// What a guest is made of: component instances, core modules, core instances, and functions it imports.
type Shape = [usize; 4];

const GUESTS: [(&str, Shape); 15] = [
    ("c-kitchen-p2", [2, 4, 4, 33]),
    ("c-sqlite-p1adapted", [2, 4, 4, 41]),
    ("js-http-sm", [2, 4, 4, 92]),
    ("js-pure-sm", [1, 1, 1, 0]),
    ("py-pure", [2, 14, 14, 102]),
    ("rust-calc-consumer", [1, 3, 3, 21]),
    ("rust-calc-provider", [2, 3, 3, 13]),
    ("rust-cli-hello", [2, 3, 3, 13]),
    ("rust-cli-kitchen", [2, 3, 3, 37]),
    ("rust-composed-wac", [4, 6, 6, 13]),
    ("rust-http-mid", [2, 3, 3, 21]),
    ("rust-http-mid-chain", [5, 6, 6, 26]),
    ("rust-http-p2", [2, 3, 3, 26]),
    ("rust-http-wstd", [2, 3, 3, 40]),
    ("rust-tcp-echo", [2, 3, 3, 75]),
];

#[test]
fn every_guest_is_translated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests");
    if !folder.is_dir() {
        eprintln!("{} is absent: no guest is translated", folder.display());
        return;
    }
    for (guest, shape) in GUESTS {
        let bytes = std::fs::read(folder.join(guest).with_extension("wasm")).expect("the guest is there");
        let plan = translate(&bytes).unwrap_or_else(|error| panic!("{guest}: {error}"));
        assert_eq!(shape_of(&plan), shape, "{guest}");
        assert_eq!(instantiated(&plan), (0..plan.core_instances.len()).collect::<Vec<_>>(), "{guest}");
        assert!(plan.modules.iter().all(|module| bytes[module.clone()].starts_with(b"\0asm\x01\0\0\0")), "{guest}");
        assert!(!plan.exports.is_empty(), "{guest}");
    }
}

fn shape_of(plan: &TreePlan) -> Shape {
    [plan.component_instances.len(), plan.modules.len(), plan.core_instances.len(), plan.imports.len()]
}

/// Core instances, in the order of the steps.
fn instantiated(plan: &TreePlan) -> Vec<usize> {
    let instances = plan.steps.iter().filter_map(|step| match step {
        Step::Instantiate(instance) => Some(instance.0 as usize),
        Step::Start(_) => None,
    });
    instances.collect()
}
