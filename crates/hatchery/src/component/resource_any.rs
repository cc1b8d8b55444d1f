//! Resources of any kind: those that a component defines, and those of the host as dynamic values.
//!
//! What a host holds of a component's resources is recorded beside the instance: each handle by a number of its own, so that
//! one that was passed on or dropped is not used again. Of the host's own resources nothing is recorded here: they can be
//! passed to any instance, and are the host's numbers.

use super::abi::Abi;
use super::context::AsContext;
use super::layout::TypeAbi;
use super::options::{Binding, HandleSlot, Table};
use super::resource::{Resource, lift_rep, lower_borrow, lower_own, not_owned, slot};
use super::state::{HostState, Removal, Shared};
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::wit_text::WitText;
use crate::error::{Error, ErrorKind};
use hatchery_component::types::ResourceId;
use hatchery_image::abi::RawVal;
use std::any::TypeId;

/// A handle of a resource that a component defines, or of one of the host's whose kind is known at run time only.
///
/// The host owns what was passed to it as `own`: it passes it on, or gives it back with
/// [`resource_drop`](ResourceAny::resource_drop), which runs the component's destructor. What it forgets lives, without a
/// destructor, as long as the instance does, whose memory is all that it is made of. What was passed as `borrow` can be used
/// until the host function returns.
///
/// One of the host's is no more than a copy of its number, of which nobody notes that it was passed on: a host passes it, or
/// a copy of it, as `own` only once. A [`Resource`] is passed only once by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceAny {
    kind: Kind,
    rep: u32,
    owned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Which instance it is of, and its number among the handles that the host has of that.
    Guest { resource: ResourceId, instance: u64, number: u64 },
    /// Of the host.
    Host(TypeId),
}

impl ResourceAny {
    /// Whether the host owns it.
    pub fn owned(&self) -> bool {
        self.owned
    }

    /// The same resource by its kind, if it is the host's and that is its kind.
    ///
    /// # Errors
    ///
    /// When it is another.
    pub fn try_into_resource<R: 'static>(self) -> Result<Resource<R>, Error> {
        match self.kind {
            Kind::Host(kind) if kind == TypeId::of::<R>() && self.owned => Ok(Resource::new_own(self.rep)),
            Kind::Host(kind) if kind == TypeId::of::<R>() => Ok(Resource::new_borrow(self.rep)),
            Kind::Host(_) => {
                Err(Error::message(ErrorKind::Usage, "the resource is one of the host's, of another kind"))
            }
            Kind::Guest { .. } => Err(Error::message(ErrorKind::Usage, "the resource is one that a component defines")),
        }
    }

    /// Gives up a resource that the host owns: the component's destructor runs. One of the host's is left to the host.
    ///
    /// # Errors
    ///
    /// When it is borrowed, is lent to a call that has not returned, or was passed on or dropped already, or the destructor
    /// traps.
    pub fn resource_drop(self, mut cx: impl AsContext) -> Result<(), Error> {
        let Kind::Guest { resource, .. } = self.kind else { return Ok(()) };
        if !self.owned {
            return Err(Error::message(ErrorKind::Usage, "a borrowed resource cannot be dropped"));
        }
        super::context::sealed::AsAccess::guarded(&mut cx, |access| {
            let callee = access.kept::<Shared>().and_then(|shared| *shared.drops.get(resource.0 as usize)?);
            let callee =
                callee.ok_or_else(|| Error::message(ErrorKind::Usage, "the resource is of another component"))?;
            // The destructor must not find it.
            self.take(HostState::of(access)?)?;
            let result = access.call(&callee, &mut [RawVal::from_i32(self.rep as i32)]).map_err(Error::from_call);
            if result.as_ref().is_err_and(|error| !error.is_fatal()) {
                self.put_back(HostState::of(access)?);
            }
            result
        })
    }

    /// Lends it to the call of the instance, if the host has it.
    fn lend(&self, state: &HostState) -> Result<(), Error> {
        let Kind::Guest { instance, number, .. } = self.kind else { return Ok(()) };
        if instance == state.id() && state.lend(number) { Ok(()) } else { Err(gone()) }
    }

    /// Takes it from the host, if that owns it and has not lent it.
    fn take(&self, state: &HostState) -> Result<(), Error> {
        let Kind::Guest { instance, number, .. } = self.kind else { return Ok(()) };
        if instance != state.id() {
            return Err(gone());
        }
        match state.remove(number) {
            Removal::Done => Ok(()),
            Removal::Missing => Err(gone()),
            Removal::Lent => Err(lent()),
        }
    }

    /// Gives it back to the host, from which it was just taken.
    fn put_back(&self, state: &HostState) {
        if let Kind::Guest { number, .. } = self.kind {
            state.put_back(number);
        }
    }

    fn from_index(cx: &mut Abi<'_>, handle: usize, index: u32) -> Result<ResourceAny, Error> {
        let (table, slot) = slot(cx, handle)?;
        ResourceAny::from_slot(cx, table, slot, index)
    }

    /// The resource that the component has at an index of its table.
    pub(crate) fn from_slot(
        cx: &mut Abi<'_>,
        table: &Table,
        slot: HandleSlot,
        index: u32,
    ) -> Result<ResourceAny, Error> {
        let rep = lift_rep(cx, table, slot, index)?;
        let kind = match slot.binding {
            Binding::Host(kind) => Kind::Host(kind),
            Binding::Unbound => Kind::Host(TypeId::of::<super::linker::Unknown>()),
            Binding::Guest => {
                let state = cx.state()?;
                let (instance, number) = (state.id(), state.add(slot.owned));
                Kind::Guest { resource: slot.resource, instance, number }
            }
        };
        Ok(ResourceAny { kind, rep, owned: slot.owned })
    }

    fn to_index(self, cx: &mut Abi<'_>, handle: usize) -> Result<u32, Error> {
        let (table, slot) = slot(cx, handle)?;
        self.to_slot(cx, table, slot)
    }

    /// Puts it into the component's table.
    pub(crate) fn to_slot(self, cx: &mut Abi<'_>, table: &Table, slot: HandleSlot) -> Result<u32, Error> {
        self.fits(slot)?;
        let state = cx.state()?;
        if !slot.owned {
            self.lend(state)?;
            return lower_borrow(cx, table, slot, self.rep);
        }
        self.take(state)?;
        let number = match self.kind {
            Kind::Guest { number, .. } => Some(number),
            Kind::Host(_) => None,
        };
        let index = lower_own(cx, table, slot, self.rep, number);
        if let (Err(_), Some(number)) = (&index, number) {
            cx.state()?.put_back(number);
        }
        index
    }

    /// Whether it can be passed as a handle of this kind, as long as the host has it.
    pub(crate) fn fits(&self, slot: HandleSlot) -> Result<(), Error> {
        let fits = match (self.kind, slot.binding) {
            (Kind::Guest { resource, .. }, Binding::Guest) => resource == slot.resource,
            (Kind::Host(mine), Binding::Host(wanted)) => mine == wanted,
            (Kind::Host(mine), Binding::Unbound) => mine == TypeId::of::<super::linker::Unknown>(),
            _ => false,
        };
        if !fits {
            return Err(Error::message(ErrorKind::Usage, "the resource is of another type than the function takes"));
        }
        if slot.owned && !self.owned { Err(not_owned()) } else { Ok(()) }
    }
}

/// One that was passed as `own` before can still be lent.
impl<R: 'static> From<Resource<R>> for ResourceAny {
    fn from(resource: Resource<R>) -> ResourceAny {
        ResourceAny { kind: Kind::Host(TypeId::of::<R>()), rep: resource.rep(), owned: resource.owned() }
    }
}

#[cold]
fn gone() -> Error {
    let message = "the resource is not there any more: it was passed on or dropped, its borrow has ended, \
                   or it is of another instance";
    Error::message(ErrorKind::Usage, message)
}

#[cold]
fn lent() -> Error {
    let message = "the resource is lent to a call that has not returned: it cannot be passed on or dropped before";
    Error::message(ErrorKind::Usage, message)
}

impl ComponentType for ResourceAny {
    const ABI: TypeAbi = TypeAbi::handle();

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        cx.handle(ty, None)
    }

    fn describe(into: &mut WitText) {
        into.push("ResourceAny");
    }
}

impl Lift for ResourceAny {
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<ResourceAny, Error> {
        flat.handle += 1;
        ResourceAny::from_index(cx, flat.handle - 1, flat.u32())
    }

    fn load(cx: &mut Abi<'_>, place: Place) -> Result<ResourceAny, Error> {
        let index = u32::from_le_bytes(cx.read(place.at)?);
        ResourceAny::from_index(cx, place.handle, index)
    }
}

impl Lower for ResourceAny {
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        let index = self.to_index(cx, flat.handle)?;
        flat.handle += 1;
        flat.push_u32(index);
        Ok(())
    }

    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        let index = self.to_index(cx, place.handle)?;
        cx.write(place.at, index.to_le_bytes())
    }
}
