//! Whatever the bytes, compiling them is a module or an error.

use crate::modules;
use arbitrary::Unstructured;
use hatchery::{Bounds, Config, Cpu, Determinism, Engine, ErrorKind, Interruption, Module, Optimization};

/// Compiles bytes that may or may not be a module, under choices that the bytes make.
///
/// # Panics
///
/// When the compiler panics, or blames itself.
pub fn compile(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok((config, bytes)) = config(&mut u).and_then(|config| Ok((config, modules::near_valid(&mut u)?))) else {
        return;
    };
    let engine = Engine::new(&config).expect("a plain configuration");
    if let Err(error) = Module::new(&engine, &bytes) {
        assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
    }
}

fn config(u: &mut Unstructured<'_>) -> arbitrary::Result<Config> {
    Ok(Config::new()
        .bounds(*u.choose(&[Bounds::Guard, Bounds::Explicit])?)
        .interruption(*u.choose(&[Interruption::None, Interruption::Deadline, Interruption::Fuel])?)
        .determinism(*u.choose(&[Determinism::Relaxed, Determinism::Strict])?)
        .optimization(*u.choose(&[Optimization::None, Optimization::Speed])?)
        .cpu(u.choose(&[Cpu::Baseline, Cpu::Native])?.clone()))
}
