//! How one function passes values, resolved: places instead of names.

use crate::error::{Error, ErrorKind};
use hatchery_component::meta::{CoreRef, Handles, HostOptions};
use hatchery_component::plan::Encoding;
use hatchery_component::types::ResourceId;
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::{ExportItem, InstanceId};
use hatchery_vm::{Callee, MemoryPlaceRef, Prepared};
use std::any::TypeId;
use std::sync::Arc;

/// What a resource type of a component is for the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// The component defines it.
    Guest,
    /// The host does, as this type.
    Host(TypeId),
    /// The host should, and does not know it.
    Unbound,
}

/// A handle among the types of a function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandleSlot {
    pub(crate) resource: ResourceId,
    pub(crate) owned: bool,
    pub(crate) binding: Binding,
}

/// What the host passes to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// Parameters of a call. Where one cannot be passed, those before it are taken back.
    Parameters,
    /// Results of a host function. Where they cannot be passed, the component does not go on.
    Results,
}

/// How a function passes values.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) encoding: Encoding,
    pub(crate) memory: Option<MemoryPlaceRef>,
    /// Whether its addresses have 64 bits.
    pub(crate) wide: bool,
    pub(crate) realloc: Option<Callee>,
    /// Where the function's type has handles.
    pub(crate) handles: Option<Table>,
    /// Whether a host function of this type is lent handles that are recorded, and whose end is, too.
    pub(crate) lent: bool,
    /// Bytes that the host may allocate for the guest during a call.
    pub(crate) budget: usize,
}

/// The handle table of the component instance, and the handles of the function's type in their order.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) passing: Passing,
    pub(crate) slots: Arc<[HandleSlot]>,
    pub(crate) defines: Box<[ResourceId]>,
    pub(crate) lift_own: Callee,
    pub(crate) lift_borrow: Callee,
    pub(crate) lower_own: Callee,
    pub(crate) lower_borrow: Callee,
    pub(crate) begin_call: Callee,
    pub(crate) end_call: Callee,
}

impl Table {
    /// Whether a function lends handles to the component instance: borrows of resources that it does not define.
    pub(crate) fn lends_others(&self) -> bool {
        self.slots.iter().any(|slot| !slot.owned && !self.defines.contains(&slot.resource))
    }

    /// Whether a host function is lent handles that are recorded beside the instance.
    pub(crate) fn lends_recorded(&self) -> bool {
        self.slots.iter().any(|slot| !slot.owned && slot.binding == Binding::Guest)
    }
}

/// Finds what names of a component's metadata mean in its image.
pub(crate) struct Resolver<'a, T> {
    pub(crate) prepared: &'a Prepared<T>,
    pub(crate) budget: usize,
}

impl<T: 'static> Resolver<'_, T> {
    /// Everything that `options` names.
    pub(crate) fn options(
        &self,
        options: &HostOptions,
        slots: Arc<[HandleSlot]>,
        passing: Passing,
    ) -> Result<Options, Error> {
        let handles = match &options.handles {
            _ if slots.is_empty() => None,
            Some(handles) => Some(self.table(handles, slots, passing)?),
            None => return Err(bug("a function with handles has no handle table")),
        };
        Ok(Options {
            encoding: options.encoding,
            memory: options.memory.as_ref().map(|memory| self.memory(memory)).transpose()?,
            wide: options.memory64,
            realloc: options.realloc.as_ref().map(|realloc| self.callee(realloc)).transpose()?,
            lent: handles.as_ref().is_some_and(Table::lends_recorded),
            handles,
            budget: self.budget,
        })
    }

    fn table(&self, handles: &Handles, slots: Arc<[HandleSlot]>, passing: Passing) -> Result<Table, Error> {
        Ok(Table {
            passing,
            slots,
            defines: handles.defines.as_slice().into(),
            lift_own: self.callee(&handles.lift_own)?,
            lift_borrow: self.callee(&handles.lift_borrow)?,
            lower_own: self.callee(&handles.lower_own)?,
            lower_borrow: self.callee(&handles.lower_borrow)?,
            begin_call: self.callee(&handles.begin_call)?,
            end_call: self.callee(&handles.end_call)?,
        })
    }

    /// A function that can be called.
    pub(crate) fn callee(&self, reference: &CoreRef) -> Result<Callee, Error> {
        match self.export(reference) {
            Some(ExportItem::Func(func)) => {
                let word = PackedFuncRef::new(func.ty, func.code_offset);
                self.prepared.callee(word).map_err(|e| Error::source_of(ErrorKind::Bug, e))
            }
            _ => Err(missing(reference, "function")),
        }
    }

    fn memory(&self, reference: &CoreRef) -> Result<MemoryPlaceRef, Error> {
        let place = match self.export(reference) {
            Some(ExportItem::Memory(id)) => self.prepared.memory(id),
            _ => None,
        };
        place.ok_or_else(|| missing(reference, "memory"))
    }

    fn export(&self, reference: &CoreRef) -> Option<ExportItem> {
        self.prepared.image().export(InstanceId(reference.instance), &reference.name)
    }
}

fn missing(reference: &CoreRef, kind: &str) -> Error {
    bug(&format!("core instance {} exports no {kind} `{}`", reference.instance, reference.name))
}

/// What we wrote into an image contradicts it.
pub(crate) fn bug(what: &str) -> Error {
    Error::message(ErrorKind::Bug, format!("the component's description is wrong: {what}"))
}
