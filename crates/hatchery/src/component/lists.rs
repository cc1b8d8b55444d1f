//! Lists, and lists of a fixed length.

use super::abi::Abi;
use super::caller::Caller;
use super::layout::{Extent, MAX_LIST_BYTES, TypeAbi};
use super::strings::{load_pair, store_pair};
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::violation::Violation;
use super::wit_text::WitText;
use crate::error::Error;
use hatchery_vm::MemoryPlaceRef;
use std::marker::PhantomData;

/// Where a list's elements are, and how many; their extent is checked.
#[inline(always)]
pub(crate) fn check_list(cx: &Abi<'_>, element: Extent, pointer: u64, count: u64) -> Result<(u64, usize), Error> {
    let bytes = count.saturating_mul(u64::from(element.bytes));
    let length = cx.bytes().len() as u64;
    if bytes > MAX_LIST_BYTES {
        return Err(Violation::TooLong(bytes).error());
    }
    if !pointer.is_multiple_of(u64::from(element.align)) {
        return Err(Violation::Unaligned { pointer, align: element.align }.error());
    }
    if pointer.saturating_add(bytes) > length {
        return Err(Violation::ListOutOfBounds { pointer, bytes, length }.error());
    }
    Ok((pointer, count as usize))
}

#[inline(always)]
pub(crate) fn lift_list<T: Lift>(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Vec<T>, Error> {
    let (pointer, count) = (flat.size(cx.is_wide()), flat.size(cx.is_wide()));
    let (at, count) = check_list(cx, T::ABI.extent(cx.is_wide()), pointer, count)?;
    let handle = flat.handle;
    flat.handle += T::ABI.handles;
    T::load_list(cx, Place { at, handle }, count)
}

#[inline(always)]
pub(crate) fn load_list<T: Lift>(cx: &mut Abi<'_>, place: Place) -> Result<Vec<T>, Error> {
    let (pointer, count) = load_pair(cx, place)?;
    let (at, count) = check_list(cx, T::ABI.extent(cx.is_wide()), pointer, count)?;
    T::load_list(cx, Place { at, ..place }, count)
}

/// Room for so many elements, all of which will be written.
#[inline(always)]
pub(crate) fn allocate_list(cx: &mut Abi<'_>, element: Extent, count: usize) -> Result<u64, Error> {
    let bytes = (count as u64).saturating_mul(u64::from(element.bytes));
    let at = cx.allocate(bytes, element.align)?;
    cx.will_write(at, bytes)?;
    Ok(at)
}

/// Copies a list into the guest's memory: its pointer there.
#[inline(always)]
fn copy_in<T: Lower>(cx: &mut Abi<'_>, values: &[T], handle: usize) -> Result<u64, Error> {
    let at = allocate_list(cx, T::ABI.extent(cx.is_wide()), values.len())?;
    T::store_list(values, cx, Place { at, handle })?;
    Ok(at)
}

impl<T: ComponentType> ComponentType for [T] {
    const ABI: TypeAbi = TypeAbi::list(T::ABI.handles);

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        matches!(ty, Type::List(list) if T::check(&list.element(), cx))
    }

    fn describe(into: &mut WitText) {
        into.list(["list<", ">"], [T::describe], |into, describe| describe(into));
    }
}

impl<T: Lower> Lower for [T] {
    #[inline(always)]
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        let pointer = copy_in(cx, self, flat.handle)?;
        flat.push_size(pointer);
        flat.push_size(self.len() as u64);
        flat.handle += T::ABI.handles;
        Ok(())
    }

    #[inline(always)]
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        let pointer = copy_in(cx, self, place.handle)?;
        store_pair(cx, place, pointer, self.len() as u64)
    }
}

impl<T: ComponentType> ComponentType for Vec<T> {
    const ABI: TypeAbi = <[T]>::ABI;

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        <[T]>::check(ty, cx)
    }

    fn describe(into: &mut WitText) {
        <[T]>::describe(into);
    }
}

impl<T: Lower> Lower for Vec<T> {
    #[inline(always)]
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        self.as_slice().lower(cx, flat)
    }

    #[inline(always)]
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        self.as_slice().store(cx, place)
    }
}

impl<T: Lift> Lift for Vec<T> {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Vec<T>, Error> {
        lift_list(cx, flat)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Vec<T>, Error> {
        load_list(cx, place)
    }
}

impl<T: Lift> Lift for Box<[T]> {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Box<[T]>, Error> {
        lift_list(cx, flat).map(Vec::into_boxed_slice)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Box<[T]>, Error> {
        load_list(cx, place).map(Vec::into_boxed_slice)
    }
}

impl<T: ComponentType, const N: usize> ComponentType for [T; N] {
    const ABI: TypeAbi = TypeAbi::array(T::ABI, N as u32);

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        matches!(ty, Type::FixedList(list) if list.len() as usize == N && T::check(&list.element(), cx))
    }

    fn describe(into: &mut WitText) {
        into.list(["list<", &format!(", {N}>")], [T::describe], |into, describe| describe(into));
    }
}

impl<T: Lower, const N: usize> Lower for [T; N] {
    #[inline(always)]
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        let handle = flat.handle;
        for value in self {
            flat.handle = handle;
            value.lower(cx, flat)?;
        }
        flat.handle = handle + T::ABI.handles;
        Ok(())
    }

    #[inline(always)]
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        T::store_list(self, cx, place)
    }
}

/// An array of values that are made one after the other.
fn array<T, const N: usize>(mut next: impl FnMut(usize) -> Result<T, Error>) -> Result<[T; N], Error> {
    let values = (0..N).map(&mut next).collect::<Result<Vec<T>, Error>>()?;
    values.try_into().map_err(|_| Error::message(crate::ErrorKind::Bug, "an array of another length than its own"))
}

impl<T: Lift, const N: usize> Lift for [T; N] {
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<[T; N], Error> {
        let handle = flat.handle;
        let values = array(|_| {
            flat.handle = handle;
            T::lift(cx, flat)
        })?;
        flat.handle = handle + T::ABI.handles;
        Ok(values)
    }

    fn load(cx: &mut Abi<'_>, place: Place) -> Result<[T; N], Error> {
        let stride = u64::from(T::ABI.extent(cx.is_wide()).bytes);
        array(|i| T::load(cx, Place { at: place.at + i as u64 * stride, ..place }))
    }
}

/// A `list<u8>` where the guest has it: an argument of a host function that need not be copied.
///
/// It is what the guest's memory contains when it is looked at, which is meant to be during the call that it is an
/// argument of.
#[derive(Debug)]
pub struct WasmList<T> {
    at: u64,
    count: usize,
    memory: Option<MemoryPlaceRef>,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for WasmList<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for WasmList<T> {}

impl<T> WasmList<T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl WasmList<u8> {
    fn among<'a>(&self, memory: &'a [u8]) -> &'a [u8] {
        let start = self.at as usize;
        memory.get(start..start + self.count).unwrap_or_default()
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// When the caller is made of another `Prepared` than who passed it.
    #[inline]
    pub fn as_bytes<'a, T: 'static>(&self, caller: &'a Caller<'_, T>) -> Result<&'a [u8], Error> {
        Ok(self.among(caller.memory_bytes(self.memory)?))
    }

    /// The bytes and the host data at once.
    ///
    /// # Errors
    ///
    /// As for [`as_bytes`](WasmList::as_bytes).
    #[inline]
    pub fn as_bytes_and_data<'a, T: 'static>(
        &self,
        caller: &'a mut Caller<'_, T>,
    ) -> Result<(&'a [u8], &'a mut T), Error> {
        let (data, bytes) = caller.data_and_memory_bytes(self.memory)?;
        Ok((self.among(bytes), data))
    }
}

impl ComponentType for WasmList<u8> {
    const ABI: TypeAbi = <[u8]>::ABI;

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        <[u8]>::check(ty, cx)
    }

    fn describe(into: &mut WitText) {
        <[u8]>::describe(into);
    }
}

impl WasmList<u8> {
    #[inline(always)]
    fn new(cx: &Abi<'_>, pointer: u64, count: u64) -> Result<WasmList<u8>, Error> {
        let (at, count) = check_list(cx, u8::ABI.extent(cx.is_wide()), pointer, count)?;
        Ok(WasmList { at, count, memory: cx.options.memory, element: PhantomData })
    }
}

impl Lift for WasmList<u8> {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<WasmList<u8>, Error> {
        let (pointer, count) = (flat.size(cx.is_wide()), flat.size(cx.is_wide()));
        WasmList::new(cx, pointer, count)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<WasmList<u8>, Error> {
        let (pointer, count) = load_pair(cx, place)?;
        WasmList::new(cx, pointer, count)
    }
}
