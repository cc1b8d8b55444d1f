//! Every numeric and vector operator compiles, for every kind of target: no operator is missing, none
//! is beyond the code generator, and none needs a library function (assembly knows of none and refuses).

use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_image::{CpuTarget, Determinism, OptLevel, Tunables};

/// Lines of signatures, each followed by indented lines of operators.
const OPERATORS: &str = include_str!("operators.txt");

/// One function per operator: its operands are the parameters.
fn functions() -> Vec<String> {
    let mut functions = Vec::new();
    for group in OPERATORS.split("\n\n") {
        let (signature, operators) = group.split_once(":\n").expect("a signature, then operators");
        let (params, results) = signature.split_once("->").expect("parameters and results");
        let operands: String = (0..params.split_whitespace().count()).map(|i| format!("local.get {i} ")).collect();
        functions.extend(
            operators
                .split(',')
                .map(|operator| format!("(func (param {params}) (result {results}) {operands} {})", operator.trim())),
        );
    }
    functions
}

fn compiles(tunables: &Tunables) {
    let functions = functions();
    let module = wat::parse_str(format!("(module (memory 1) {})", functions.join("\n"))).expect("the list is valid");
    let mut set = LinkSet::new();
    let module = set.add_module(module);
    set.add_instance(module, None, &[]);
    if let Err(error) = compile(&set, tunables, &Budget::default()) {
        panic!("{tunables:?}: {error}");
    }
}

#[test]
fn the_list_is_long() {
    assert_eq!(functions().len(), 408);
}

#[test]
fn all_operators_compile_for_all_targets() {
    for cpu in [CpuTarget::Baseline, CpuTarget::Native] {
        for determinism in [Determinism::Relaxed, Determinism::Strict] {
            for opt_level in [OptLevel::None, OptLevel::Speed] {
                compiles(&Tunables { cpu: cpu.clone(), determinism, opt_level, ..Tunables::default() });
            }
        }
    }
}
