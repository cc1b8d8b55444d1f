//! Core modules between one and what it imports that no WIT package knows.

use super::wit::Wit;
use crate::error::{Error, ErrorKind};
use crate::module::binary;
use hatchery_component::wrap::{Adapter as Inner, wrap_with};

/// A core module that does what another one imports, in terms of a world of its own, for
/// [`Component::from_core_module_with`](super::Component::from_core_module_with). The one that does WASI preview 1 in terms
/// of WASI 0.2 is an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adapter<'a> {
    /// The module name of the imports that it serves, such as `wasi_snapshot_preview1`.
    pub name: &'a str,
    /// The module, in the binary or the text format. It has no memory of its own, and no data.
    pub module: &'a [u8],
    /// Where the types of its functions are; [`Wit::Embedded`] for those that tools have made.
    pub wit: Wit<'a>,
}

/// The component that a core module is with adapters.
pub(crate) fn wrap(module: &[u8], wit: Wit<'_>, adapters: &[Adapter<'_>]) -> Result<Vec<u8>, Error> {
    let modules = adapters.iter().map(|adapter| binary(None, adapter.module)).collect::<Result<Vec<_>, _>>()?;
    let adapters = adapters.iter().zip(&modules);
    let adapters: Vec<_> =
        adapters.map(|(adapter, module)| Inner { name: adapter.name, module, wit: adapter.wit.lower() }).collect();
    wrap_with(module, wit.lower(), &adapters).map_err(|e| Error::source_of(ErrorKind::Compile, e))
}
