//! Initialization of components at build time.

use super::compiled::Component;
use super::linker::{Linker, Needed};
use super::options::bug;
use super::prepared::{DEFAULT_BUDGET, finish};
use super::state::HostState;
use crate::error::{Error, ErrorKind};
use crate::module::Module;
use crate::snapshot::{SnapshotOptions, SnapshotReport};
use hatchery_component::meta::{CoreRef, ImportFunc, Meta, Resource};
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::{ExportItem, InstanceId};
use hatchery_init::{Hook, Hooks, ImportPolicy};
use hatchery_vm::Instance;

/// The name by which a component offers a function to be run at build time.
const RECOGNIZED: &str = "wizer-initialize";

impl Component {
    /// Initializes the component now, once, and gives one that starts where that ended; see
    /// [`Module::snapshot`](crate::Module::snapshot). Imports are allowed by the name of their interface, or by
    /// `interface/name`; resources that they give can be dropped. Others need not be defined. Handles of resources that the
    /// component defines are kept.
    ///
    /// An export to call is a function without parameters and result: `wizer-initialize` if there is one, or the
    /// one that is [named](SnapshotOptions::export), in an interface as `interface#name`.
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
        let (meta, policy) = (self.meta().clone(), options.policy());
        let is_needed = |import: &ImportFunc| match &policy {
            ImportPolicy::Deny => false,
            ImportPolicy::Allow(names) => names.iter().any(|allowed| is_meant(import, allowed)),
            ImportPolicy::Record => linker.defines(import),
        };
        let bound = linker.bind_needed(self, Needed::Of(&is_needed), |_| ())?;
        let hooks = self.hooks(options.named_export())?;
        let budget = options.lifted().unwrap_or(DEFAULT_BUDGET);
        let options = options.within(|allowed| core_names(self.meta(), allowed));
        let ready = |core: &crate::Prepared<T>| finish(self, core, bound.pending, budget);
        let at_rest = |instance: &Instance<T>| at_rest(&meta, instance);
        let (module, report) = self.module().snapshot_prepared(&bound.core, options, hooks, fresh, ready, at_rest)?;
        Ok((Component::new_described(module, self.meta().clone()), report))
    }

    /// Whether it exports a function without parameters and result by this name, such as
    /// [`Module::RESEED`](crate::Module::RESEED).
    pub fn has_hook(&self, export: &str) -> bool {
        matches!(self.hook(export), Ok(Some(_)))
    }

    fn hooks(&self, named: Option<&str>) -> Result<Hooks, Error> {
        let initialize = match named {
            // One that does not fit is none of those that are meant for this.
            None => self.hook(RECOGNIZED).unwrap_or_default(),
            Some(name) => Some(self.hook(name)?.ok_or_else(|| no_hook(name, "there is no such exported function"))?),
        };
        let image = &self.module().inner.image;
        let initialize = initialize.into_iter().filter(|hook| !hook.has_run(image)).collect();
        Ok(Hooks { initialize, reseed: self.hook(Module::RESEED).unwrap_or_default() })
    }

    /// The exported function of this name; `None` when there is none.
    fn hook(&self, name: &str) -> Result<Option<Hook>, Error> {
        let path: Vec<&str> = name.split('#').collect();
        let Ok(func) = self.exports().func(&path) else { return Ok(None) };
        let ty = self.meta().types.get_func(func.ty);
        if ty.is_none_or(|ty| !ty.params.is_empty() || ty.result.is_some()) {
            return Err(no_hook(name, "it has parameters or a result"));
        }
        let then = func.post_return.as_ref().map(|core| self.core(core)).transpose()?;
        let instance = InstanceId(func.core.instance);
        Ok(Some(Hook { name: name.to_owned(), instance, function: self.core(&func.core)?, then }))
    }

    fn core(&self, core: &CoreRef) -> Result<PackedFuncRef, Error> {
        match self.module().inner.image.export(InstanceId(core.instance), &core.name) {
            Some(ExportItem::Func(func)) => Ok(PackedFuncRef::new(func.ty, func.code_offset)),
            _ => Err(bug("an export has no function")),
        }
    }
}

fn no_hook(name: &str, why: &str) -> Error {
    Error::message(ErrorKind::Usage, format!("`{name}` cannot initialize the component: {why}"))
}

/// The core imports behind what is allowed: interfaces, or functions of them. Those that drop resources are among them, as a
/// component can only drop what an allowed function gave it.
fn core_names(meta: &Meta, allowed: &[String]) -> Vec<String> {
    let imports = meta.imports.iter().filter(|import| allowed.iter().any(|allowed| is_meant(import, allowed)));
    let lowered = imports.flat_map(|import| import.lowered.iter().map(|lowered| &lowered.core));
    let drops = meta.resources.iter().filter_map(|resource| match resource {
        Resource::Host { drop, .. } => drop.as_ref(),
        Resource::Guest { .. } => None,
    });
    lowered.chain(drops).map(|(module, name)| format!("{module}/{name}")).collect()
}

fn is_meant(import: &ImportFunc, allowed: &str) -> bool {
    let name = &*import.name;
    match import.interface.as_deref() {
        Some(interface) => allowed == interface || allowed.strip_prefix(interface) == Some(&format!("/{name}")),
        None => allowed == name,
    }
}

/// Nothing, unless the component has handles of resources of the host. The host has none of the component's: it gets them as
/// results of exports, and those that are called here have none; imports cannot take them.
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
