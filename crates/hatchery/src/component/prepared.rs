//! Components that are ready for instances.

use super::compiled::Component;
use super::exports::ExportPath;
use super::found::Found;
use super::func::{Func, TypedFunc};
use super::instance::Instance;
use super::linker::{Bound, Pending};
use super::options::{Binding, Passing, Resolver, bug};
use super::state::Shared;
use super::traits::{Lift, Lower, Params, Results};
use crate::error::Error;
use crate::limits::Limits;
use hatchery_component::meta::Resource;
use hatchery_vm::{Handle, Striped};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that a guest can make its host allocate with one call unless a limit says otherwise.
pub(crate) const DEFAULT_BUDGET: usize = 128 << 20;

/// A component whose imports are found and checked: everything that does not differ between instances is done.
///
/// Cloning it is cheap and gives another handle of the same.
pub struct Prepared<T> {
    inner: Arc<Inner<T>>,
    /// What instances have of it. Those have handles of their own, so that there is no circle.
    handles: Arc<Striped<Prepared<T>>>,
}

struct Inner<T> {
    core: crate::Prepared<T>,
    component: Component,
    bindings: Box<[Binding]>,
    budget: usize,
    found: Found,
}

impl<T> Clone for Prepared<T> {
    fn clone(&self) -> Prepared<T> {
        Prepared { inner: self.inner.clone(), handles: self.handles.clone() }
    }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("component", &self.inner.component).finish_non_exhaustive()
    }
}

/// Finds out what could not be before the core modules were prepared.
pub(crate) fn finish<T: 'static>(
    component: &Component,
    core: &crate::Prepared<T>,
    pending: Vec<Pending>,
    budget: usize,
) -> Result<(), Error> {
    let resolver = Resolver { prepared: &core.vm, budget };
    for (cell, options, slots) in pending {
        // Nobody else has the cell: it is set once.
        let _ = cell.set(resolver.options(&options, slots, Passing::Results)?);
    }
    let drops = component.meta().resources.iter().map(|resource| match resource {
        Resource::Guest { drop } => resolver.callee(drop).map(Some),
        Resource::Host { .. } => Ok(None),
    });
    core.vm.keep(Shared { drops: drops.collect::<Result<_, _>>()? });
    Ok(())
}

impl<T: 'static> Prepared<T> {
    pub(crate) fn new(component: &Component, bound: Bound<T>, limits: Limits) -> Result<Prepared<T>, Error> {
        let core = bound.core.prepare_with(component.module(), limits)?;
        let budget = limits.lifted.unwrap_or(DEFAULT_BUDGET);
        finish(component, &core, bound.pending, budget)?;
        let (component, bindings, found) = (component.clone(), bound.bindings, Found::default());
        Ok(Prepared::of(Arc::new(Inner { core, component, bindings, budget, found })))
    }

    fn of(inner: Arc<Inner<T>>) -> Prepared<T> {
        Prepared { inner, handles: Arc::default() }
    }

    /// What an instance has of it.
    fn handle(&self) -> Handle<Prepared<T>> {
        self.handles.handle(|| Prepared::of(self.inner.clone()))
    }

    pub(crate) fn resolver(&self) -> Resolver<'_, T> {
        Resolver { prepared: &self.inner.core.vm, budget: self.inner.budget }
    }

    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.inner.bindings
    }

    /// Makes an instance and initializes it: runs what the image's plan has left, start functions included.
    ///
    /// # Errors
    ///
    /// When there is no slot or the initialization traps.
    pub fn instantiate(&self, data: T) -> Result<Instance<T>, Error> {
        Ok(Instance::new(self.inner.core.instantiate(data)?, self.handle()))
    }

    /// As [`instantiate`](Prepared::instantiate), but where there is no slot, blocks until an instance is dropped; see
    /// [`crate::Prepared::instantiate_blocking`].
    ///
    /// # Errors
    ///
    /// As for [`instantiate`](Prepared::instantiate), when time is up.
    pub fn instantiate_blocking(&self, data: T, timeout: Option<Duration>) -> Result<Instance<T>, Error> {
        Ok(Instance::new(self.inner.core.instantiate_blocking(data, timeout)?, self.handle()))
    }

    /// As [`instantiate`](Prepared::instantiate), but where there is no slot, the future is not ready before an instance
    /// was dropped; see [`crate::Prepared::instantiate_async`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Prepared::instantiate_async`].
    pub async fn instantiate_async(&self, data: T) -> Result<Instance<T>, Error> {
        Ok(Instance::new(self.inner.core.instantiate_async(data).await?, self.handle()))
    }

    /// The exported function at this path, with these types: tuples of parameters and results. It can be called in every
    /// instance of this.
    ///
    /// # Errors
    ///
    /// When there is none, or it has other types; the message has both.
    pub fn func<P, R>(&self, path: impl ExportPath) -> Result<TypedFunc<P, R>, Error>
    where
        P: Params + Lower,
        R: Results + Lift,
    {
        super::exports::sealed::Path::with(&path, |names| {
            self.inner.found.get_or_find(names, || {
                let export = self.inner.component.exports().func(names)?;
                TypedFunc::new(self, export).map_err(|e| e.context(format!("cannot use `{}`", names.join("` `"))))
            })
        })
    }

    /// The exported function at this path, to be called with dynamic values.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn func_dynamic(&self, path: impl ExportPath) -> Result<Func, Error> {
        super::exports::sealed::Path::with(&path, |names| Func::new(self, self.inner.component.exports().func(names)?))
    }

    /// What instances are made of.
    pub fn component(&self) -> &Component {
        &self.inner.component
    }

    /// The type of an export, for messages.
    pub(crate) fn func_type(
        &self,
        export: &hatchery_component::meta::ExportFunc,
    ) -> Result<super::types::FuncType, Error> {
        super::types::FuncType::new(self.inner.component.meta(), export.ty).ok_or_else(|| bug("an export has no type"))
    }
}
