//! Deterministic engines give the same bits on every machine; see the script.

use hatchery::{Config, Cpu, Determinism};
use hatchery_wast::run;

fn holds_on(cpu: Cpu) {
    let config = Config::new().determinism(Determinism::Strict).cpu(cpu);
    let report = run(&config, "deterministic.wast", include_str!("deterministic.wast"));
    assert_eq!(report.failures, []);
    assert_eq!(report.counts.passed, 33);
}

#[test]
fn with_the_instructions_of_every_machine() {
    holds_on(Cpu::Baseline);
}

#[test]
fn with_all_that_this_machine_has() {
    holds_on(Cpu::Native);
}
