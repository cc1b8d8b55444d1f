//! Runs a program that Wasmtime has compiled before: what `wasmtime run --allow-precompiled` does, and nothing else.

#![expect(unsafe_code, reason = "runs machine code that the user names")]

use std::process::ExitCode;
use wasmtime::{Config, Engine, Error, Linker, Module, Result, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

fn main() -> Result<ExitCode> {
    let Some(file) = std::env::args_os().nth(1) else {
        return Err(Error::msg("usage: wasmtime-run FILE"));
    };
    let mut config = Config::new();
    config.enable_compiler(false);
    let engine = Engine::new(&config)?;
    // SAFETY: whoever names a file to be run trusts it, as with any program.
    let module = unsafe { Module::deserialize_file(&engine, file) }?;
    let mut linker = Linker::<WasiP1Ctx>::new(&engine);
    p1::add_to_linker_sync(&mut linker, |ctx| ctx)?;
    let ctx = WasiCtxBuilder::new().inherit_stdio().arg("program").build_p1();
    let mut store = Store::new(&engine, ctx);
    let instance = linker.instantiate(&mut store, &module)?;
    match instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(ExitCode::from(u8::try_from(exit.0).unwrap_or(1))),
            None => Err(error),
        },
    }
}
