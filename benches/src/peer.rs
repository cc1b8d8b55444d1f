//! Wasmtime, configured as we are.

use hatchery::{Cpu, Determinism, Interruption, Optimization, Speculation};
use wasmtime::{Config, Engine, Instance, Linker, Module, OptLevel, Store};

/// What holds for both sides unless a case says otherwise.
pub(crate) const BOTH: &str = "optimized for speed by the same version of Cranelift, for this machine's CPU features, \
    with speculation guards, without interruption, NaNs as they come, 4 GiB reservations with 32 MiB guards";

/// Turns the peer's errors into ours.
pub(crate) trait Plain<T> {
    fn plain(self) -> anyhow::Result<T>;
}

impl<T> Plain<T> for wasmtime::Result<T> {
    fn plain(self) -> anyhow::Result<T> {
        self.map_err(|error| anyhow::anyhow!("{error:?}"))
    }
}

/// Us, as [`BOTH`] says.
pub(crate) fn our_config() -> hatchery::Config {
    hatchery::Config::new()
        .optimization(Optimization::Speed)
        .cpu(Cpu::Native)
        .speculation(Speculation::Guarded)
        .interruption(Interruption::None)
        .determinism(Determinism::Relaxed)
        .memory_reservation(4 << 30)
        .memory_guard(32 << 20)
}

/// The peer, as [`BOTH`] says. Its CPU features are the machine's unless a target is named, and its speculation guards
/// are on unless they are switched off.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    config.cranelift_nan_canonicalization(false);
    config.epoch_interruption(false);
    config.consume_fuel(false);
    config.memory_reservation(4 << 30);
    config.memory_guard_size(32 << 20);
    config
}

/// An engine with [`config`].
pub(crate) fn engine() -> anyhow::Result<Engine> {
    Engine::new(&config()).plain()
}

/// An instance of a module in the text format.
pub(crate) fn instantiate(wat: &str) -> anyhow::Result<(Store<()>, Instance)> {
    let engine = engine()?;
    let module = Module::new(&engine, wat::parse_str(wat)?).plain()?;
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "nop", || {}).plain()?;
    linker.func_wrap("host", "inc", |x: i32| x.wrapping_add(1)).plain()?;
    let instance = linker.instantiate(&mut store, &module).plain()?;
    Ok((store, instance))
}
