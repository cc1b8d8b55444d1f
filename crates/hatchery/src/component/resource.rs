//! Resources of the host: numbers that components hold handles of.

use super::abi::Abi;
use super::layout::TypeAbi;
use super::options::{Binding, HandleSlot, Passing, Table, bug};
use super::passed::Passed;
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::wit_text::WitText;
use crate::error::{Error, ErrorKind};
use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// A resource of the host, of a kind that `R` stands for: a number that the host chose, which a component cannot see or
/// change. A [`ResourceTable`](super::ResourceTable) gives such numbers to values.
///
/// As a parameter or result it is `own<R>` or `borrow<R>`, whichever the function's type has.
///
/// One that was passed as `own` is used up, and passing it again is an error, also where a call was lent it. That is so as
/// well when that call failed: what a component was to own before a call failed that it never saw is the host's, which can
/// make another of its number.
pub struct Resource<R> {
    rep: u32,
    /// Whether it is of whoever has it, or lent.
    own: bool,
    /// Whether it was passed as `own`.
    passed: AtomicBool,
    kind: PhantomData<fn() -> R>,
}

impl<R> Resource<R> {
    /// A resource that whoever gets it owns.
    pub fn new_own(rep: u32) -> Resource<R> {
        Resource::new(rep, true)
    }

    /// A resource that can be lent to a component for the time of a call.
    pub fn new_borrow(rep: u32) -> Resource<R> {
        Resource::new(rep, false)
    }

    fn new(rep: u32, own: bool) -> Resource<R> {
        Resource { rep, own, passed: AtomicBool::new(false), kind: PhantomData }
    }

    /// The number.
    pub fn rep(&self) -> u32 {
        self.rep
    }

    /// Whether whoever has it owns it: it came as `own`, and was not passed on.
    pub fn owned(&self) -> bool {
        self.own && !self.is_passed()
    }

    fn is_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }

    /// Gives it up, once.
    fn pass(&self) -> Result<(), Error> {
        if !self.own {
            return Err(not_owned());
        }
        // Relaxed: only who is the first matters, and nothing is published with it.
        if self.passed.swap(true, Ordering::Relaxed) { Err(passed_on()) } else { Ok(()) }
    }
}

impl<R> fmt::Debug for Resource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("rep", &self.rep).field("owned", &self.owned()).finish()
    }
}

impl<R: 'static> ComponentType for Resource<R> {
    const ABI: TypeAbi = TypeAbi::handle();

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        cx.handle(ty, Some(TypeId::of::<R>()))
    }

    fn describe(into: &mut WitText) {
        into.push(&format!("Resource<{}>", std::any::type_name::<R>()));
    }
}

/// The handle table and one of its handles' kinds.
pub(crate) fn slot<'a>(cx: &Abi<'a>, handle: usize) -> Result<(&'a Table, HandleSlot), Error> {
    let table = cx.options.handles.as_ref();
    table.and_then(|table| Some((table, *table.slots.get(handle)?))).ok_or_else(|| bug("a handle that was not checked"))
}

/// Takes a handle out of the component's table, or borrows it: its representation.
pub(crate) fn lift_rep(cx: &mut Abi<'_>, table: &Table, slot: HandleSlot, index: u32) -> Result<u32, Error> {
    let callee = if slot.owned { &table.lift_own } else { &table.lift_borrow };
    let rep = cx.call_table(callee, slot.resource.0, index)?;
    if slot.owned && slot.binding != Binding::Guest {
        cx.state()?.count(slot.resource, -1);
    }
    Ok(rep)
}

/// Puts an owned handle into the component's table: its index. The host had it by this number, if it had one.
pub(crate) fn lower_own(
    cx: &mut Abi<'_>,
    table: &Table,
    slot: HandleSlot,
    rep: u32,
    number: Option<u64>,
) -> Result<u32, Error> {
    let index = cx.call_table(&table.lower_own, slot.resource.0, rep)?;
    let state = cx.state()?;
    if slot.binding != Binding::Guest {
        state.count(slot.resource, 1);
    }
    if table.passing == Passing::Parameters {
        state.pass(Passed { slot, index, number });
    }
    Ok(index)
}

/// Puts a borrowed handle into the component's table: its index, or its representation for whoever defines the type.
pub(crate) fn lower_borrow(cx: &mut Abi<'_>, table: &Table, slot: HandleSlot, rep: u32) -> Result<u32, Error> {
    if table.defines.contains(&slot.resource) {
        return Ok(rep);
    }
    cx.call_table(&table.lower_borrow, slot.resource.0, rep)
}

impl<R: 'static> Resource<R> {
    fn from_index(cx: &mut Abi<'_>, handle: usize, index: u32) -> Result<Resource<R>, Error> {
        let (table, slot) = slot(cx, handle)?;
        let rep = lift_rep(cx, table, slot, index)?;
        Ok(Resource::new(rep, slot.owned))
    }

    fn to_index(&self, cx: &mut Abi<'_>, handle: usize) -> Result<u32, Error> {
        let (table, slot) = slot(cx, handle)?;
        if slot.owned {
            self.pass()?;
            return lower_own(cx, table, slot, self.rep, None).inspect_err(|_| self.take_back());
        }
        if self.is_passed() {
            return Err(passed_on());
        }
        lower_borrow(cx, table, slot, self.rep)
    }

    /// It was not passed after all.
    #[cold]
    fn take_back(&self) {
        self.passed.store(false, Ordering::Relaxed);
    }
}

/// A borrowed resource is passed where an owned one is needed.
#[cold]
pub(crate) fn not_owned() -> Error {
    Error::message(ErrorKind::Usage, "a borrowed resource cannot be passed as an owned one")
}

/// A resource is passed that was passed as an owned one before.
#[cold]
fn passed_on() -> Error {
    Error::message(ErrorKind::Usage, "the resource was passed as an owned one before, and is not passed again")
}

impl<R: 'static> Lift for Resource<R> {
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Resource<R>, Error> {
        flat.handle += 1;
        Resource::from_index(cx, flat.handle - 1, flat.u32())
    }

    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Resource<R>, Error> {
        let index = u32::from_le_bytes(cx.read(place.at)?);
        Resource::from_index(cx, place.handle, index)
    }
}

impl<R: 'static> Lower for Resource<R> {
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
