//! Wasmtime, configured as we are.

use wasmtime::{Config, Engine, Instance, Linker, Module, Store};

/// Turns the peer's errors into ours.
pub(crate) trait Plain<T> {
    fn plain(self) -> anyhow::Result<T>;
}

impl<T> Plain<T> for wasmtime::Result<T> {
    fn plain(self) -> anyhow::Result<T> {
        self.map_err(|error| anyhow::anyhow!("{error:?}"))
    }
}

/// An engine with the defaults that matter here: optimized code for this machine, speculation guards,
/// neither epochs nor fuel.
pub(crate) fn engine() -> anyhow::Result<Engine> {
    Engine::new(&Config::new()).plain()
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
