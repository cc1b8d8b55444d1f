//! Initialization of components at build time.

use super::compiled::Component;
use super::linker::Linker;
use super::prepared::{DEFAULT_BUDGET, finish};
use super::state::HostState;
use crate::error::Error;
use crate::snapshot::{SnapshotOptions, SnapshotReport};
use hatchery_component::meta::{Meta, Resource};
use hatchery_vm::Instance;

impl Component {
    /// Initializes the component now, once, and gives one that starts where that ended; see
    /// [`Module::snapshot`](crate::Module::snapshot). Imports are allowed by the name of their interface, or by
    /// `interface/name`; handles of resources that the component defines are kept.
    ///
    /// # Errors
    ///
    /// As for [`Module::snapshot`](crate::Module::snapshot), and when the component has a resource of the host behind its last
    /// step, which the message names.
    ///
    /// # Panics
    ///
    /// When a host function that is allowed panics.
    pub fn snapshot<T: 'static>(
        &self,
        linker: &Linker<T>,
        options: SnapshotOptions<T>,
        fresh: impl Fn() -> T,
    ) -> Result<(Component, SnapshotReport), Error> {
        let (bound, meta) = (linker.bind(self)?, self.meta().clone());
        let budget = options.lifted().unwrap_or(DEFAULT_BUDGET);
        let options = options.within(|name| core_names(self.meta(), name));
        let ready = |core: &crate::Prepared<T>| finish(self, core, bound.pending, budget);
        let at_rest = |instance: &Instance<T>| at_rest(&meta, instance);
        let (module, report) = self.module().snapshot_prepared(&bound.core, options, fresh, ready, at_rest)?;
        Ok((Component::of_module(module)?, report))
    }
}

/// The core imports behind an interface, or behind one of its functions.
fn core_names(meta: &Meta, allowed: &str) -> Vec<String> {
    let is_meant = |interface: Option<&str>, name: &str| match interface {
        Some(interface) => allowed == interface || allowed.strip_prefix(interface) == Some(&format!("/{name}")),
        None => allowed == name,
    };
    let imports = meta.imports.iter().filter(|import| is_meant(import.interface.as_deref(), &import.name));
    let cores = imports.flat_map(|import| import.lowered.iter().map(|lowered| &lowered.core));
    cores.map(|(module, name)| format!("{module}/{name}")).collect()
}

/// Nothing, unless the component has handles of resources of the host.
fn at_rest<T>(meta: &Meta, instance: &Instance<T>) -> Result<(), String> {
    let Some(given) = instance.beside().and_then(HostState::given) else { return Ok(()) };
    Err(match meta.resources.get(given.0 as usize) {
        Some(Resource::Host { interface: Some(interface), name, .. }) => {
            format!("the component has a resource `{name}` of `{interface}`")
        }
        Some(Resource::Host { name, .. }) => format!("the component has a resource `{name}`"),
        _ => "the component has a resource of the host".to_owned(),
    })
}
