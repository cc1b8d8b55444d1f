//! Resources of any kind: those that a component defines, and those of the host as dynamic values.
//!
//! What a host holds of a component's resources is recorded beside the instance: each handle by a number of its own, so that
//! one that was passed on or dropped is not used again.

use super::abi::Abi;
use super::context::AsContext;
use super::layout::TypeAbi;
use super::options::{Binding, HandleSlot, Table};
use super::resource::{Resource, lift_rep, lower_rep, not_owned, slot};
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use crate::error::{Error, ErrorKind};
use hatchery_component::types::ResourceId;
use hatchery_image::abi::RawVal;
use hatchery_vm::Callee;
use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A handle of a resource that a component defines, or of one of the host's whose kind is known at run time only.
///
/// The host owns what was passed to it as `own`: it passes it on, or gives it back with
/// [`resource_drop`](ResourceAny::resource_drop), which runs the component's destructor. What it forgets lives, without a
/// destructor, as long as the instance does, whose memory is all that it is made of. What was passed as `borrow` can be used
/// until the host function returns.
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

/// What the host keeps beside an instance of a component.
#[derive(Debug)]
pub(crate) struct HostState {
    /// Different for all of the process that were asked.
    id: OnceLock<u64>,
    handles: Mutex<Handles>,
    shared: Arc<Shared>,
    /// Whether a destructor trapped that a host function had called.
    poisoned: AtomicBool,
}

/// What all instances of a prepared component share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// What is called to drop a resource that the component defines, by its number.
    pub(crate) drops: OnceLock<Box<[Option<Callee>]>>,
}

#[derive(Debug, Default)]
struct Handles {
    next: u64,
    /// Handles of guest resources: whether the host owns them.
    live: HashMap<u64, bool>,
    /// Handles of host resources that the guest owns.
    given: HashMap<ResourceId, i64>,
}

impl HostState {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<HostState> {
        Arc::new(HostState { id: OnceLock::new(), handles: Mutex::default(), shared, poisoned: AtomicBool::new(false) })
    }

    fn id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only uniqueness matters.
        *self.id.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn poison(&self) {
        // Relaxed: the instance is used by one thread at a time.
        self.poisoned.store(true, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Relaxed)
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts handles of the host's resources that the guest owns.
    pub(crate) fn count(&self, resource: ResourceId, change: i64) {
        *self.handles().given.entry(resource).or_default() += change;
    }

    /// Resources of the host that the guest owns handles of.
    pub(crate) fn given(&self) -> Vec<ResourceId> {
        let mut given: Vec<_> =
            self.handles().given.iter().filter(|(_, count)| **count > 0).map(|(id, _)| *id).collect();
        given.sort_unstable();
        given
    }

    fn add(&self, owned: bool) -> u64 {
        let mut handles = self.handles();
        handles.next += 1;
        let number = handles.next;
        handles.live.insert(number, owned);
        number
    }

    /// The number of the last handle so far.
    pub(crate) fn mark(&self) -> u64 {
        self.handles().next
    }

    /// Ends the borrows that came after the mark, as the host function that they were passed to has returned.
    pub(crate) fn end_borrows(&self, mark: u64) {
        self.handles().live.retain(|number, owned| *owned || *number <= mark);
    }
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
    /// When it is borrowed, or was passed on or dropped already, or the destructor traps.
    pub fn resource_drop(self, mut cx: impl AsContext) -> Result<(), Error> {
        let Kind::Guest { resource, .. } = self.kind else { return Ok(()) };
        if !self.owned {
            return Err(Error::message(ErrorKind::Usage, "a borrowed resource cannot be dropped"));
        }
        super::context::sealed::AsAccess::guarded(&mut cx, |access| {
            let state = access.data().state.clone();
            self.take(&state)?;
            let callee = state.shared.drops.get().and_then(|drops| *drops.get(resource.0 as usize)?);
            let callee =
                callee.ok_or_else(|| Error::message(ErrorKind::Usage, "the resource is of another component"))?;
            access.call(&callee, &mut [RawVal::from_i32(self.rep as i32)]).map_err(Error::from_call)
        })
    }

    /// Checks that the host has it.
    fn look(&self, state: &HostState) -> Result<(), Error> {
        let Kind::Guest { instance, number, .. } = self.kind else { return Ok(()) };
        if instance == state.id() && state.handles().live.contains_key(&number) { Ok(()) } else { Err(gone()) }
    }

    /// Checks that the host owns it, which it does not any more.
    fn take(&self, state: &HostState) -> Result<(), Error> {
        let Kind::Guest { instance, number, .. } = self.kind else { return Ok(()) };
        if instance == state.id() && state.handles().live.remove(&number).is_some() { Ok(()) } else { Err(gone()) }
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
        let kind = match (slot.binding, &cx.state) {
            (Binding::Host(kind), _) => Kind::Host(kind),
            (Binding::Unbound, _) => Kind::Host(TypeId::of::<super::linker::Unknown>()),
            (Binding::Guest, Some(state)) => {
                let (instance, number) = (state.id(), state.add(slot.owned));
                Kind::Guest { resource: slot.resource, instance, number }
            }
            (Binding::Guest, None) => return Err(super::options::bug("handles without a state")),
        };
        Ok(ResourceAny { kind, rep, owned: slot.owned })
    }

    fn to_index(self, cx: &mut Abi<'_>, handle: usize) -> Result<u32, Error> {
        let (table, slot) = slot(cx, handle)?;
        self.to_slot(cx, table, slot)
    }

    /// Puts it into the component's table.
    pub(crate) fn to_slot(self, cx: &mut Abi<'_>, table: &Table, slot: HandleSlot) -> Result<u32, Error> {
        let fits = match (self.kind, slot.binding) {
            (Kind::Guest { resource, .. }, Binding::Guest) => resource == slot.resource,
            (Kind::Host(mine), Binding::Host(wanted)) => mine == wanted,
            (Kind::Host(mine), Binding::Unbound) => mine == TypeId::of::<super::linker::Unknown>(),
            _ => false,
        };
        if !fits {
            return Err(Error::message(ErrorKind::Usage, "the resource is of another type than the function takes"));
        }
        if slot.owned && !self.owned {
            return Err(not_owned());
        }
        if let Some(state) = cx.state.clone() {
            if slot.owned { self.take(&state)? } else { self.look(&state)? }
        }
        lower_rep(cx, table, slot, self.rep)
    }
}

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

impl ComponentType for ResourceAny {
    const ABI: TypeAbi = TypeAbi::handle();

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        cx.handle(ty, None)
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
