//! Wasmtime, configured as we are.

use wasmtime::{Config, Engine, Instance, Linker, Module, Store};

/// An engine with the defaults that matter here: optimized code for this machine, speculation guards,
/// neither epochs nor fuel.
pub(crate) fn engine() -> anyhow::Result<Engine> {
    Ok(Engine::new(&Config::new())?)
}

/// An instance of a module in the text format.
pub(crate) fn instantiate(wat: &str) -> anyhow::Result<(Store<()>, Instance)> {
    let engine = engine()?;
    let module = Module::new(&engine, wat::parse_str(wat)?)?;
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "nop", || {})?;
    linker.func_wrap("host", "inc", |x: i32| x.wrapping_add(1))?;
    let instance = linker.instantiate(&mut store, &module)?;
    Ok((store, instance))
}
