//! Host functions and resources by interface and name, and the one place where their types meet a component's.

use super::caller::{Caller, run};
use super::compiled::Component;
use super::export_check::ExportCheck;
use super::flatten::Signatures;
use super::host::{Async, Dynamic, Fitting, HostFunc, OptionsCell, Typed};
use super::mismatches::{Kind, Mismatches};
use super::names::{import_name, matching};
use super::options::{Binding, HandleSlot, bug};
use super::prepared::Prepared;
use super::resource::Resource;
use super::state::HostState;
use super::traits::{Lift, Lower, Params, Results, TypeCheck};
use super::types::FuncType;
use super::val::Val;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::linker::HostFuture;
use hatchery_component::meta::{self, HostOptions, ImportFunc};
use hatchery_component::types::ResourceId;
use hatchery_vm::{HostContext, HostFunction, HostSignature};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Host functions and resources by interface and name, for components with host data `T`.
///
/// An import is matched by name. Where its interface has a version, one of a compatible version serves it, too: the same
/// where there is one, the newest otherwise.
pub struct Linker<T> {
    engine: Engine,
    /// The empty name has what belongs to no interface.
    interfaces: BTreeMap<Box<str>, Interface<T>>,
    unknown: Unlinked,
}

/// What becomes of imports that nothing is defined for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unlinked {
    Error,
    Trap,
}

/// Which imports of a component get functions.
pub(super) enum Needed<'a> {
    /// All.
    All,
    /// Those of which this is true.
    Of(&'a dyn Fn(&ImportFunc) -> bool),
}

impl Needed<'_> {
    fn has(&self, import: &ImportFunc) -> bool {
        match self {
            Needed::All => true,
            Needed::Of(is_needed) => is_needed(import),
        }
    }
}

/// What resources are in the host that no linker knows.
pub(crate) struct Unknown;

struct Interface<T> {
    functions: BTreeMap<Box<str>, Arc<dyn HostFunc<T>>>,
    resources: BTreeMap<Box<str>, HostResource<T>>,
}

struct HostResource<T> {
    kind: TypeId,
    drop: Arc<DropFn<T>>,
}

/// What is called with the number of a resource that is dropped.
type DropFn<T> = dyn Fn(Caller<'_, T>, u32) -> Result<(), Error> + Send + Sync;

impl<T> Clone for HostResource<T> {
    fn clone(&self) -> HostResource<T> {
        HostResource { kind: self.kind, drop: self.drop.clone() }
    }
}

impl<T> Clone for Interface<T> {
    fn clone(&self) -> Interface<T> {
        Interface { functions: self.functions.clone(), resources: self.resources.clone() }
    }
}

impl<T> Default for Interface<T> {
    fn default() -> Interface<T> {
        Interface { functions: BTreeMap::new(), resources: BTreeMap::new() }
    }
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Linker<T> {
        Linker { engine: self.engine.clone(), interfaces: self.interfaces.clone(), unknown: self.unknown }
    }
}

impl<T> fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linker").field("interfaces", &self.interfaces.keys()).finish_non_exhaustive()
    }
}

impl<T: 'static> Linker<T> {
    /// A linker without functions.
    pub fn new(engine: &Engine) -> Linker<T> {
        Linker { engine: engine.clone(), interfaces: BTreeMap::new(), unknown: Unlinked::Error }
    }

    #[cfg(test)]
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What components import without an interface.
    pub fn root(&mut self) -> LinkerInstance<'_, T> {
        LinkerInstance { name: "", interface: self.interfaces.entry("".into()).or_default() }
    }

    /// What components import of an interface, such as `wasi:io/streams@0.2.6`. Asking for one again goes on with it.
    ///
    /// # Errors
    ///
    /// When the name is empty.
    pub fn instance<'a>(&'a mut self, name: &'a str) -> Result<LinkerInstance<'a, T>, Error> {
        if name.is_empty() {
            return Err(Error::message(ErrorKind::Usage, "an interface has a name; see `Linker::root`"));
        }
        Ok(LinkerInstance { name, interface: self.interfaces.entry(name.into()).or_default() })
    }

    /// Whether imports that nothing is defined for trap when they are called, instead of being errors of
    /// [`prepare`](Linker::prepare).
    pub fn unknown_imports_trap(&mut self, yes: bool) -> &mut Self {
        self.unknown = if yes { Unlinked::Trap } else { Unlinked::Error };
        self
    }

    /// Makes a component ready for instances: finds its imports, checks all types, and asks the allocator whether
    /// it will fit.
    ///
    /// # Errors
    ///
    /// When imports are missing or have other types, all of which the message names, or no instance could ever be made.
    pub fn prepare(&self, component: &Component) -> Result<Prepared<T>, Error> {
        self.prepare_with(component, Limits::new())
    }

    /// As [`prepare`](Linker::prepare), with limits for each instance.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](Linker::prepare), when the component's own minimum exceeds a limit, and when a limit is one that the
    /// engine's guests do not look for: fuel or a deadline without its [`Interruption`](crate::Interruption).
    pub fn prepare_with(&self, component: &Component, limits: Limits) -> Result<Prepared<T>, Error> {
        let bound = self.bind(component, |_| ())?;
        Prepared::new(component, bound, limits)
    }

    /// Functions for all core imports of a component, of which `exports` says what else is needed.
    ///
    /// # Errors
    ///
    /// When imports are missing, or anything has another type: the message has all of it.
    pub(crate) fn bind(
        &self,
        component: &Component,
        exports: impl FnOnce(&mut ExportCheck<'_>),
    ) -> Result<Bound<T>, Error> {
        self.bind_needed(component, Needed::All, exports)
    }

    /// As [`bind`](Linker::bind), but with no functions for imports that are not needed. They need not be defined.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Linker::bind), of what is needed.
    pub(super) fn bind_needed(
        &self,
        component: &Component,
        needed: Needed<'_>,
        exports: impl FnOnce(&mut ExportCheck<'_>),
    ) -> Result<Bound<T>, Error> {
        let meta = component.meta();
        let imports = || meta.imports.iter().filter(|import| needed.has(import));
        let mut mismatches = self.undefined(meta, &needed);
        let bindings: Box<[Binding]> = meta.resources.iter().map(|resource| self.binding(resource)).collect();
        let mut fitted = Vec::with_capacity(meta.imports.len());
        for import in imports() {
            fitted.push(self.fit(component, &bindings, import, &mut mismatches)?);
        }
        exports(&mut ExportCheck::new(component, &bindings, &mut mismatches));
        mismatches.finish(ErrorKind::Link)?;
        let core = crate::Linker::new(&self.engine);
        let mut bound = Bound { core, bindings, pending: Vec::new() };
        let signatures = Signatures::new(&meta.types);
        for (import, fitted) in imports().zip(fitted) {
            bound.import(component, &signatures, import, fitted)?;
        }
        for (id, resource) in (0..).map(ResourceId).zip(&meta.resources) {
            if let meta::Resource::Host { interface, name, drop: Some((module, field)) } = resource {
                let drop = self.resource(interface.as_deref(), name).map(|resource| resource.drop.clone());
                bound.core.define(module, field, drop_function(id, drop))?;
            }
        }
        Ok(bound)
    }

    /// What stands for an import, if something is defined for it and has its type.
    fn fit(
        &self,
        component: &Component,
        bindings: &[Binding],
        import: &ImportFunc,
        mismatches: &mut Mismatches,
    ) -> Result<Option<Fitted<T>>, Error> {
        let Some(function) = self.function(import) else { return Ok(None) };
        let ty = FuncType::new(component.meta(), import.ty).ok_or_else(|| bug("an import has no type"))?;
        let mut cx = TypeCheck::new(bindings);
        let Some(fitting) = function.clone().fit(&ty, &mut cx) else {
            let name = import_name(import.interface.as_deref(), &import.name);
            mismatches.differs(&format!("the import {name}"), &ty, || function.ty());
            return Ok(None);
        };
        Ok(Some(Fitted { function: fitting, slots: cx.slots.into() }))
    }

    /// Everything that is needed and not defined, if that matters.
    fn undefined(&self, meta: &meta::Meta, needed: &Needed<'_>) -> Mismatches {
        let mut mismatches = Mismatches::default();
        if self.unknown == Unlinked::Trap {
            return mismatches;
        }
        for import in meta.imports.iter().filter(|import| needed.has(import) && !self.defines(import)) {
            mismatches.undefined(import.interface.as_deref(), &import.name, Kind::Function);
        }
        // Without all imports, a resource is only needed as far as one of them has it in its type.
        let resources = if matches!(needed, Needed::All) { &meta.resources[..] } else { &[] };
        for resource in resources {
            if let meta::Resource::Host { interface, name, .. } = resource
                && self.resource(interface.as_deref(), name).is_none()
            {
                mismatches.undefined(interface.as_deref(), name, Kind::Resource);
            }
        }
        mismatches
    }

    fn binding(&self, resource: &meta::Resource) -> Binding {
        match resource {
            meta::Resource::Guest { .. } => Binding::Guest,
            meta::Resource::Host { interface, name, .. } => match self.resource(interface.as_deref(), name) {
                Some(resource) => Binding::Host(resource.kind),
                None => Binding::Unbound,
            },
        }
    }

    /// Whether there is a function for an import.
    pub(super) fn defines(&self, import: &ImportFunc) -> bool {
        self.function(import).is_some()
    }

    fn function(&self, import: &ImportFunc) -> Option<&Arc<dyn HostFunc<T>>> {
        self.find(import.interface.as_deref(), |interface| interface.functions.get(&import.name))
    }

    fn resource(&self, interface: Option<&str>, name: &str) -> Option<&HostResource<T>> {
        self.find(interface, |interface| interface.resources.get(name))
    }

    /// What the best interface has that has it.
    fn find<'a, R>(&'a self, name: Option<&str>, look: impl Fn(&'a Interface<T>) -> Option<R>) -> Option<R> {
        let Some(name) = name else { return look(self.interfaces.get("")?) };
        let names = matching(name, self.interfaces.keys().map(|name| &**name));
        names.into_iter().find_map(|name| look(self.interfaces.get(name)?))
    }
}

/// The destructor of a host resource, which the guest gives up with it.
fn drop_function<T: 'static>(resource: ResourceId, drop: Option<Arc<DropFn<T>>>) -> HostFunction<T> {
    HostFunction::typed(move |host: HostContext<'_, T>, rep: u32| {
        HostState::of(&host)?.count(resource, -1);
        drop.as_ref().map_or(Ok(()), |drop| run(host, |caller| drop(caller, rep)))
    })
}

/// Where the options of a function go, what they are made of, and the handles of its type.
pub(crate) type Pending = (OptionsCell, HostOptions, Arc<[HandleSlot]>);

/// What stands for an import, and the handles of its type.
struct Fitted<T> {
    function: Box<dyn Fitting<T>>,
    slots: Arc<[HandleSlot]>,
}

/// Functions for all core imports of a component, and what is still to be found out when it is prepared.
pub(crate) struct Bound<T> {
    pub(crate) core: crate::Linker<T>,
    pub(crate) bindings: Box<[Binding]>,
    pub(crate) pending: Vec<Pending>,
}

impl<T: 'static> Bound<T> {
    /// The function for an import, once for each way in which the component passes values to it.
    fn import(
        &mut self,
        component: &Component,
        signatures: &Signatures<'_>,
        import: &ImportFunc,
        fitted: Option<Fitted<T>>,
    ) -> Result<(), Error> {
        let ty = component.meta().types.get_func(import.ty).ok_or_else(|| bug("an import has no type"))?;
        for lowered in &import.lowered {
            let signature = signatures.of(ty, lowered.options.memory64);
            let function = match &fitted {
                Some(Fitted { function, slots }) => {
                    let cell = OptionsCell::default();
                    self.pending.push((cell.clone(), lowered.options.clone(), slots.clone()));
                    function.bind(signature, cell)?
                }
                None => undefined(import_name(import.interface.as_deref(), &import.name), signature)?,
            };
            let (module, field) = &lowered.core;
            self.core.define(module, field, function)?;
        }
        Ok(())
    }
}

/// What is called for an import that nothing is defined for.
fn undefined<T: 'static>(name: String, signature: HostSignature) -> Result<HostFunction<T>, Error> {
    let fail = move |_: HostContext<'_, T>, _: &mut [_]| {
        let message = format!("unknown import: {name} is not defined");
        Err(Error::message(ErrorKind::Trap, message).into())
    };
    HostFunction::in_place(signature, fail).map_err(|e| Error::source_of(ErrorKind::Bug, e))
}

/// What components import of one interface.
pub struct LinkerInstance<'a, T> {
    name: &'a str,
    interface: &'a mut Interface<T>,
}

impl<T> fmt::Debug for LinkerInstance<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkerInstance").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T: 'static> LinkerInstance<'_, T> {
    /// Defines a function by a closure whose types the compiler knows: a tuple of parameters, and a tuple of results, which is
    /// `()` or has one type. This is the fastest kind.
    ///
    /// # Errors
    ///
    /// When there is a function with this name already.
    pub fn func<P, R, F>(&mut self, name: &str, closure: F) -> Result<&mut Self, Error>
    where
        P: Params + Lift + 'static,
        R: Results + Lower + 'static,
        F: Fn(Caller<'_, T>, P) -> Result<R, Error> + Send + Sync + 'static,
    {
        self.define(name, Arc::new(Typed { closure, types: PhantomData::<fn(P) -> R> }))
    }

    /// Defines a function that returns a future. The guest is suspended until it is ready, and no thread waits.
    /// Only components whose exports are called by `call_async` can call it.
    /// When the call is asked to stop meanwhile, the future is dropped.
    ///
    /// # Errors
    ///
    /// When there is a function with this name already.
    pub fn func_async<P, R, F>(&mut self, name: &str, closure: F) -> Result<&mut Self, Error>
    where
        P: Params + Lift + Send + 'static,
        R: Results + Lower + Send + 'static,
        F: for<'a> Fn(Caller<'a, T>, P) -> HostFuture<'a, R> + Send + Sync + 'static,
    {
        self.define(name, Arc::new(Async { closure, types: PhantomData::<fn(P) -> R> }))
    }

    /// Defines a function of whatever type a component imports it with. The closure gets that type and the parameters, and
    /// returns the result, if the type has one.
    ///
    /// # Errors
    ///
    /// When there is a function with this name already.
    pub fn func_dynamic<F>(&mut self, name: &str, closure: F) -> Result<&mut Self, Error>
    where
        F: Fn(Caller<'_, T>, &FuncType, &[Val]) -> Result<Option<Val>, Error> + Send + Sync + 'static,
    {
        self.define(name, Arc::new(Dynamic { closure }))
    }

    /// Defines a resource: values of the host that `R` stands for. The closure is called when a component drops one that it
    /// owns.
    ///
    /// # Errors
    ///
    /// When there is a resource with this name already.
    pub fn resource<R: 'static>(
        &mut self,
        name: &str,
        drop: impl Fn(Caller<'_, T>, Resource<R>) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<&mut Self, Error> {
        let drop = move |caller: Caller<'_, T>, rep: u32| drop(caller, Resource::new_own(rep));
        let resource = HostResource { kind: TypeId::of::<R>(), drop: Arc::new(drop) };
        if self.interface.resources.contains_key(name) {
            return Err(self.twice(name));
        }
        self.interface.resources.insert(name.into(), resource);
        Ok(self)
    }

    fn define(&mut self, name: &str, function: Arc<dyn HostFunc<T>>) -> Result<&mut Self, Error> {
        if self.interface.functions.contains_key(name) {
            return Err(self.twice(name));
        }
        self.interface.functions.insert(name.into(), function);
        Ok(self)
    }

    fn twice(&self, name: &str) -> Error {
        let interface = Some(self.name).filter(|name| !name.is_empty());
        Error::message(ErrorKind::Usage, format!("{} is defined twice", import_name(interface, name)))
    }
}
