//! What Rust types must be able to do to be passed to and from components.

use super::abi::Abi;
use super::layout::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS, TypeAbi};
use super::options::{Binding, HandleSlot};
use super::types::Type;
use super::wit_text::WitText;
use crate::error::Error;
use hatchery_image::abi::RawVal;
use std::any::TypeId;
use std::fmt;

/// A Rust type that stands for a type of components. Derive it for structs and enums.
pub trait ComponentType {
    /// How values are passed.
    const ABI: TypeAbi;

    /// Whether it stands for this type.
    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool;

    /// Writes the type for messages: as WIT does, or by its name in Rust.
    #[doc(hidden)]
    fn describe(into: &mut WitText) {
        into.push(std::any::type_name::<Self>());
    }
}

/// Values that can be made of what a component passes. Derive it.
pub trait Lift: ComponentType + Sized {
    /// Takes a value from flat values.
    ///
    /// # Errors
    ///
    /// When they are none.
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Self, Error>;

    /// Reads a value from memory. Its extent was checked.
    ///
    /// # Errors
    ///
    /// When there is none.
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Self, Error>;

    /// Reads many values that stand one behind the other. Their extent was checked.
    ///
    /// # Errors
    ///
    /// When some are none, or the host would have to allocate too much.
    #[doc(hidden)]
    #[inline]
    fn load_list(cx: &mut Abi<'_>, place: Place, count: usize) -> Result<Vec<Self>, Error> {
        let stride = u64::from(Self::ABI.extent(cx.is_wide()).bytes);
        cx.charge(count.saturating_mul(size_of::<Self>()))?;
        let mut values = Vec::with_capacity(count);
        for i in 0..count as u64 {
            values.push(Self::load(cx, Place { at: place.at + i * stride, ..place })?);
        }
        Ok(values)
    }
}

/// Values that can be passed to a component. Derive it.
pub trait Lower: ComponentType {
    /// Passes it as flat values.
    ///
    /// # Errors
    ///
    /// When the guest does not give memory for it, or a resource cannot be passed.
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error>;

    /// Writes it to memory. Its extent was checked.
    ///
    /// # Errors
    ///
    /// As for [`lower`](Lower::lower).
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error>;

    /// Writes many values one behind the other. Their extent was checked.
    ///
    /// # Errors
    ///
    /// As for [`lower`](Lower::lower).
    #[doc(hidden)]
    #[inline]
    fn store_list(values: &[Self], cx: &mut Abi<'_>, place: Place) -> Result<(), Error>
    where
        Self: Sized,
    {
        let stride = u64::from(Self::ABI.extent(cx.is_wide()).bytes);
        for (value, i) in values.iter().zip(0..) {
            value.store(cx, Place { at: place.at + i * stride, ..place })?;
        }
        Ok(())
    }
}

/// Where a value is in memory.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub(crate) at: u64,
    /// Number of its first handle among those of the function's type.
    pub(crate) handle: usize,
}

/// Flat values, read from front to back.
#[derive(Debug)]
pub struct Flat<'a> {
    pub(crate) words: &'a [RawVal],
    pub(crate) at: usize,
    pub(crate) handle: usize,
}

impl<'a> Flat<'a> {
    #[inline(always)]
    pub(crate) fn new(words: &'a [RawVal], handle: usize) -> Flat<'a> {
        Flat { words, at: 0, handle }
    }

    /// The next value. There are as many as the type has.
    #[inline(always)]
    pub(crate) fn word(&mut self) -> RawVal {
        let word = self.words[self.at];
        self.at += 1;
        word
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> u32 {
        self.word().get_i32() as u32
    }

    /// An address or a length.
    #[inline(always)]
    pub(crate) fn size(&mut self, wide: bool) -> u64 {
        let word = self.word();
        if wide { word.get_i64() as u64 } else { u64::from(word.get_i32() as u32) }
    }
}

/// Flat values, written from front to back.
#[derive(Debug)]
pub struct FlatMut<'a> {
    pub(crate) words: &'a mut [RawVal],
    pub(crate) at: usize,
    pub(crate) handle: usize,
}

impl<'a> FlatMut<'a> {
    #[inline(always)]
    pub(crate) fn new(words: &'a mut [RawVal], handle: usize) -> FlatMut<'a> {
        FlatMut { words, at: 0, handle }
    }

    /// Appends a value. There is room for as many as the type has.
    #[inline(always)]
    pub(crate) fn push(&mut self, word: RawVal) {
        self.words[self.at] = word;
        self.at += 1;
    }

    #[inline(always)]
    pub(crate) fn push_u32(&mut self, number: u32) {
        self.push(RawVal::from_i32(number as i32));
    }

    /// An address or a length. Where it takes 32 bits, the others are zero.
    #[inline(always)]
    pub(crate) fn push_size(&mut self, number: u64) {
        self.push(RawVal::from_i64(number as i64));
    }

    /// Zeros up to a position.
    #[inline(always)]
    pub(crate) fn fill(&mut self, end: usize) {
        while self.at < end {
            self.push(RawVal::ZERO);
        }
    }
}

/// What types are checked against: the component's, and what its resources are in the host.
pub struct TypeCheck<'a> {
    pub(crate) bindings: &'a [Binding],
    pub(crate) slots: Vec<HandleSlot>,
}

impl fmt::Debug for TypeCheck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeCheck").field("handles", &self.slots.len()).finish_non_exhaustive()
    }
}

impl<'a> TypeCheck<'a> {
    pub(crate) fn new(bindings: &'a [Binding]) -> TypeCheck<'a> {
        TypeCheck { bindings, slots: Vec::new() }
    }

    /// A handle of a resource that is a `host` type of the host, or any other when that is `None`.
    pub(crate) fn handle(&mut self, ty: &Type, host: Option<TypeId>) -> bool {
        let (resource, owned) = match ty {
            Type::Own(resource) => (resource.id, true),
            Type::Borrow(resource) => (resource.id, false),
            _ => return false,
        };
        let binding = self.bindings.get(resource.0 as usize).copied().unwrap_or(Binding::Unbound);
        self.slots.push(HandleSlot { resource, owned, binding });
        host.is_none_or(|host| binding == Binding::Host(host))
    }
}

/// Parameters of a function: a tuple of up to 16 types.
pub trait Params: ComponentType {
    /// The types, one by one, against those of the parameters.
    #[doc(hidden)]
    fn check_all(types: &[Type], cx: &mut TypeCheck<'_>) -> bool;

    /// Writes the types, one by one.
    #[doc(hidden)]
    fn describe_all(into: &mut WitText, brackets: [&str; 2]);
}

/// Results of a function: `()`, or a tuple of one type.
pub trait Results: ComponentType {
    /// The type, against the result's.
    #[doc(hidden)]
    fn check_result(ty: Option<&Type>, cx: &mut TypeCheck<'_>) -> bool;

    /// Writes the type, if there is one, behind the parameters.
    #[doc(hidden)]
    fn describe_result(into: &mut WitText);
}

/// Whether parameters of this type are passed in memory.
#[inline(always)]
pub(crate) const fn spills_params(abi: TypeAbi) -> bool {
    abi.flat > MAX_FLAT_PARAMS
}

/// Whether results of this type are passed in memory.
#[inline(always)]
pub(crate) const fn spills_results(abi: TypeAbi) -> bool {
    abi.flat > MAX_FLAT_RESULTS
}

/// Flat values that parameters of this type are passed as.
#[inline(always)]
pub(crate) const fn param_words(abi: TypeAbi) -> usize {
    if spills_params(abi) { 1 } else { abi.flat }
}
