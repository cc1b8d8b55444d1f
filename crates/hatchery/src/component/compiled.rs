//! Compiled components.

use super::adapter::Adapter;
use super::description;
use super::exports::Exports;
use super::source::ComponentSource;
use super::types::FuncType;
use super::wit::Wit;
use crate::engine::Engine;
use crate::error::Error;
use crate::inspection::Inspection;
use crate::module::Module;
use hatchery_component::meta::Meta;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A compiled component, or a snapshot of one.
///
/// Cloning it is cheap and gives another handle of the same component.
#[derive(Clone)]
pub struct Component {
    module: Module,
    meta: Arc<Meta>,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("exports", &self.meta.exports.len()).finish_non_exhaustive()
    }
}

impl Component {
    /// Compiles a component from its binary form, or from the text format; or a core module that says which component it is,
    /// as [`recognizes_core_module`](Component::recognizes_core_module) finds out.
    ///
    /// # Errors
    ///
    /// When the bytes are no valid component, need a proposal that is not supported, or exceed a limit.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Component, Error> {
        Component::compile(engine, bytes, &|_, _| ())
    }

    /// As [`new`](Component::new). After each function, `progress` is told how many are done, of how many, by any thread. See
    /// [`ComponentSource`] for what else can be done with a component before it is compiled.
    ///
    /// # Errors
    ///
    /// As for [`new`](Component::new).
    pub fn compile(
        engine: &Engine,
        bytes: impl AsRef<[u8]>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Component, Error> {
        ComponentSource::new(engine, bytes)?.compile_with(progress)
    }

    /// Compiles a core module whose imports and exports have the canonical ABI's names for functions of a WIT world, as if
    /// it were the component of that world: `test:names/log@1.0.0` and `line`, or `cm32p2|test:names/log@1` and `line`.
    ///
    /// # Errors
    ///
    /// When there are no types, when the module lacks what the world exports, has it with another type, or imports what
    /// the world does not; otherwise as for [`new`](Component::new).
    pub fn from_core_module(engine: &Engine, bytes: impl AsRef<[u8]>, wit: Wit<'_>) -> Result<Component, Error> {
        ComponentSource::of_core_module(engine, bytes, wit)?.compile()
    }

    /// As [`from_core_module`](Component::from_core_module), with adapters for what the module imports beside functions of
    /// its world. What they import and export is imported and exported by the component. The module needs no types if all that
    /// it is used for is done by adapters: then [`Wit::Embedded`] means none.
    ///
    /// # Errors
    ///
    /// As for [`from_core_module`](Component::from_core_module), and when an adapter does not fit, which the message names.
    pub fn from_core_module_with(
        engine: &Engine,
        bytes: impl AsRef<[u8]>,
        wit: Wit<'_>,
        adapters: &[Adapter<'_>],
    ) -> Result<Component, Error> {
        ComponentSource::of_core_module_with(engine, bytes, wit, adapters)?.compile()
    }

    /// Whether bytes are a core module, in the binary form, that says in `component-type` sections which component it is.
    /// One that imports WASI preview 1 is none: it is a module for a host that has both.
    pub fn recognizes_core_module(bytes: &[u8]) -> bool {
        use hatchery_component::wrap::{has_types, imports_any};
        has_types(bytes) && !imports_any(bytes, &["wasi_snapshot_preview1", "wasi_unstable"])
    }

    /// Whether bytes begin as a component does, in the binary form; a module begins otherwise.
    pub fn recognizes(first_bytes: &[u8]) -> bool {
        first_bytes.starts_with(b"\0asm\x0d\0\x01\0")
    }

    /// A module, and the description of the component that it is.
    pub(crate) fn new_described(module: Module, meta: impl Into<Arc<Meta>>) -> Component {
        Component { module, meta: meta.into() }
    }

    /// The component whose description was stored with a module.
    ///
    /// # Errors
    ///
    /// When none was, or it is damaged.
    pub(crate) fn of_module(module: Module) -> Result<Component, Error> {
        let meta = description::decode(&module.inner.image)?;
        Ok(Component::new_described(module, meta))
    }

    /// Writes the compiled component to a new file beside `path`, and puts that in the place of the file that is there:
    /// who has the old file open keeps it. What is no file (a device, a pipe) is written to.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; nothing is left behind then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.module.save(path)
    }

    /// The bytes that [`save`](Component::save) writes.
    ///
    /// # Errors
    ///
    /// When the file that the component was opened from can no longer be read.
    pub fn serialize(&self) -> Result<Vec<u8>, Error> {
        self.module.serialize()
    }

    /// Reads everything and checks every hash; opening looks only at what it needs.
    ///
    /// # Errors
    ///
    /// Names the first part that is not what was written.
    pub fn verify(&self) -> Result<(), Error> {
        self.module.verify()
    }

    /// What it is made of: the core modules' point of view.
    pub fn inspect(&self) -> Inspection {
        self.module.inspect()
    }

    pub(crate) fn module(&self) -> &Module {
        &self.module
    }

    pub(crate) fn meta(&self) -> &Arc<Meta> {
        &self.meta
    }

    /// What it exports.
    pub fn exports(&self) -> Exports<'_> {
        Exports { meta: &self.meta, exports: &self.meta.exports }
    }

    /// The functions that the host must provide: interface, name, type.
    pub fn imports(&self) -> impl Iterator<Item = (Option<&str>, &str, FuncType)> {
        let import = |import: &'_ hatchery_component::meta::ImportFunc| FuncType::new(&self.meta, import.ty);
        self.meta.imports.iter().filter_map(move |of| Some((of.interface.as_deref(), &*of.name, import(of)?)))
    }
}
