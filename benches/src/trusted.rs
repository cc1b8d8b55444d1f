//! What has to be trusted: files that this run has written itself.

#![expect(unsafe_code, reason = "opens and maps files that this run has just written")]

use crate::peer::Plain;
use hatchery::{Engine, Module};
use memmap2::{MmapMut, MmapOptions};
use std::fs::File;
use std::path::Path;

/// Opens our artifact, which this run has saved.
pub(crate) fn open(engine: &Engine, path: &Path) -> anyhow::Result<Module> {
    // SAFETY: callers name files in their own temporary folder, which `Module::save` wrote and nobody writes to.
    Ok(unsafe { Module::open(engine, path) }?)
}

/// Opens the peer's, likewise.
pub(crate) fn deserialize(engine: &wasmtime::Engine, path: &Path) -> anyhow::Result<wasmtime::Module> {
    // SAFETY: as above, written with what `wasmtime::Module::serialize` gave.
    unsafe { wasmtime::Module::deserialize_file(engine, path) }.plain()
}

/// The peer's component, from what this run has compiled.
pub(crate) fn component(engine: &wasmtime::Engine, compiled: &[u8]) -> anyhow::Result<wasmtime::component::Component> {
    // SAFETY: callers pass what `wasmtime::Engine::precompile_component` gave them in this run.
    unsafe { wasmtime::component::Component::deserialize(engine, compiled) }.plain()
}

/// Maps so many bytes of a file, copy-on-write.
pub(crate) fn map(file: &File, bytes: usize) -> std::io::Result<MmapMut> {
    // SAFETY: the file has no name, and whoever made it does not write to it any more.
    unsafe { MmapOptions::new().len(bytes).map_copy(file) }
}
