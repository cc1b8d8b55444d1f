//! Initialization of components at build time.

use super::compiled::Component;
use super::host::Host;
use super::linker::Linker;
use super::prepared::{DEFAULT_BUDGET, finish};
use super::resource_any::HostState;
use crate::error::Error;
use crate::snapshot::{SnapshotOptions, SnapshotReport};
use hatchery_component::meta::{Meta, Resource};
use std::sync::Arc;

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
        let options = options.within(|name| core_names(self.meta(), name), move |host| at_rest(&meta, host));
        let shared = Arc::default();
        let host = || Host { data: fresh(), state: HostState::new(Arc::clone(&shared)) };
        let ready = |core: &crate::Prepared<Host<T>>| finish(self, core, bound.pending, budget, &shared);
        let (module, report) = self.module().snapshot_prepared(&bound.core, options, host, ready)?;
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

/// The host data, unless the component has handles of its resources.
fn at_rest<'a, T>(meta: &Meta, host: &'a Host<T>) -> Result<&'a T, String> {
    let Some(given) = host.state.given().first().copied() else { return Ok(&host.data) };
    Err(match meta.resources.get(given.0 as usize) {
        Some(Resource::Host { interface: Some(interface), name, .. }) => {
            format!("the component has a resource `{name}` of `{interface}`")
        }
        Some(Resource::Host { name, .. }) => format!("the component has a resource `{name}`"),
        _ => "the component has a resource of the host".to_owned(),
    })
}
