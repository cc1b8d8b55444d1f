//! Real programs are far from the limits that keep small ones from making much work.

use super::super::effort::{PARAMETERS, PARAMETERS_PER_BYTE, VALUES, VALUES_PER_BYTE};
use super::harness::Harness;
use crate::error::{Budget, CompileError};
use cranelift_codegen::Context;
use cranelift_frontend::FunctionBuilderContext;
use hatchery_image::{Interruption, Tunables};
use std::io::Write;
use std::path::PathBuf;
use wasmparser::{Encoding, Parser, Payload};

/// The core modules of a program.
fn modules(program: &[u8]) -> Vec<&[u8]> {
    let range = |payload: Payload<'_>| match payload {
        Payload::Version { encoding: Encoding::Module, range, .. } if range.start == 0 => Some(0..program.len()),
        Payload::ModuleSection { unchecked_range: range, .. } => Some(range.start as usize..range.end as usize),
        _ => None,
    };
    Parser::new(0)
        .parse_all(program)
        .filter_map(|payload| Some(&program[range(payload.expect("well formed"))?]))
        .collect()
}

/// Checks every function of a module against half of what it may have; gives their number.
fn check(harness: &Harness) -> usize {
    let (values, code) = (harness.values(), harness.code_bytes());
    let allowed = Budget { values: 0, ..Budget::default() }.values_of(code);
    assert!(values <= allowed / 4 + 1000, "{values} values in {code} bytes");
    let (mut context, mut scratch) = (Context::new(), FunctionBuilderContext::new());
    for function in 0..harness.len() {
        context.clear();
        harness.translate(function, &mut context, &mut scratch).expect("translates");
        let (func, bytes) = (&context.func, harness.body_bytes(function));
        let parameters: usize = func.layout.blocks().map(|block| func.dfg.num_block_params(block)).sum();
        let values = func.dfg.num_values().max(func.dfg.num_insts());
        let room = 2 * parameters as u64 <= PARAMETERS + PARAMETERS_PER_BYTE * bytes
            && 2 * values as u64 <= VALUES + VALUES_PER_BYTE * bytes;
        assert!(room, "{parameters} parameters and {values} values in {bytes} bytes");
    }
    harness.len()
}

#[test]
fn real_programs_are_far_from_the_limits() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests");
    let folder = std::env::var_os("HATCHERY_GUESTS").map_or_else(beside, PathBuf::from);
    let Ok(entries) = folder.read_dir() else {
        let mut log = std::io::stderr();
        writeln!(log, "skipped: {} is not there", folder.display()).expect("standard error");
        return;
    };
    let fuel = Tunables { interruption: Interruption::Fuel, explicit_bounds: true, ..Tunables::default() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut functions = 0;
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
        let program = std::fs::read(&path).expect("a readable program");
        for module in modules(&program) {
            match Harness::with_state(module, fuel.clone()) {
                Ok(harness) => functions += check(&harness),
                // It needs tags of others, or is none that we support.
                Err(error) => assert!(!matches!(error, CompileError::Budget(_)), "{}: {error}", path.display()),
            }
        }
    }
    assert!(functions > 0, "no programs in {}", folder.display());
}
