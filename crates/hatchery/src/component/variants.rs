//! Options and results, and what all variants have in common.

use super::abi::Abi;
use super::layout::{TypeAbi, VariantAbi};
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::violation::Violation;
use super::wit_text::WitText;
use crate::error::Error;

/// A variant among flat values, as far as its discriminant.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cases {
    /// Which case it is.
    pub case: u32,
    /// Behind the values of the longest case.
    end: usize,
    /// The first handle of the first case, and behind the last.
    handles: (usize, usize),
}

impl VariantAbi {
    #[inline(always)]
    fn checked(&self, case: u32) -> Result<u32, Error> {
        if case < self.cases { Ok(case) } else { Err(self.no_such_case(case)) }
    }

    #[cold]
    fn no_such_case(&self, found: u32) -> Error {
        Violation::Discriminant { found, cases: self.cases }.error()
    }

    /// Reads the discriminant.
    #[inline(always)]
    pub fn lift(&self, flat: &mut Flat<'_>) -> Result<Cases, Error> {
        let end = flat.at + self.abi.flat;
        let handles = (flat.handle, flat.handle + self.abi.handles);
        Ok(Cases { case: self.checked(flat.u32())?, end, handles })
    }

    /// Reads the discriminant.
    #[inline(always)]
    pub fn load(&self, cx: &Abi<'_>, place: Place) -> Result<u32, Error> {
        self.checked(match self.discriminant {
            1 => u32::from(u8::from_le_bytes(cx.read(place.at)?)),
            2 => u32::from(u16::from_le_bytes(cx.read(place.at)?)),
            _ => u32::from_le_bytes(cx.read(place.at)?),
        })
    }

    /// Where a case's payload is; `handles` are in the cases before it.
    #[inline(always)]
    pub fn place(&self, cx: &Abi<'_>, place: Place, handles: usize) -> Place {
        Place { at: place.at + self.payload(cx.is_wide()), handle: place.handle + handles }
    }

    /// Writes the discriminant.
    #[inline(always)]
    pub fn lower(&self, flat: &mut FlatMut<'_>, case: u32) -> Cases {
        let end = flat.at + self.abi.flat;
        let handles = (flat.handle, flat.handle + self.abi.handles);
        flat.push_u32(case);
        Cases { case, end, handles }
    }

    /// Writes the discriminant.
    #[inline(always)]
    pub fn store(&self, cx: &mut Abi<'_>, place: Place, case: u32) -> Result<(), Error> {
        match self.discriminant {
            1 => cx.write(place.at, (case as u8).to_le_bytes()),
            2 => cx.write(place.at, (case as u16).to_le_bytes()),
            _ => cx.write(place.at, case.to_le_bytes()),
        }
    }
}

impl Cases {
    /// Goes to the payload of a case; `handles` are in the cases before it.
    #[inline(always)]
    pub fn enter(&self, flat: &mut Flat<'_>, handles: usize) {
        flat.handle = self.handles.0 + handles;
    }

    /// Goes behind the variant.
    #[inline(always)]
    pub fn leave(&self, flat: &mut Flat<'_>) {
        (flat.at, flat.handle) = (self.end, self.handles.1);
    }

    /// Goes to the payload of a case; `handles` are in the cases before it.
    #[inline(always)]
    pub fn enter_mut(&self, flat: &mut FlatMut<'_>, handles: usize) {
        flat.handle = self.handles.0 + handles;
    }

    /// Goes behind the variant, over zeros.
    #[inline(always)]
    pub fn leave_mut(&self, flat: &mut FlatMut<'_>) {
        flat.fill(self.end);
        flat.handle = self.handles.1;
    }
}

/// The layout of `option<T>`.
const fn option<T: ComponentType>() -> VariantAbi {
    VariantAbi::new(&[None, Some(T::ABI)])
}

impl<T: ComponentType> ComponentType for Option<T> {
    const ABI: TypeAbi = option::<T>().abi;

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        matches!(ty, Type::Option(option) if T::check(&option.some(), cx))
    }

    fn describe(into: &mut WitText) {
        into.list(["option<", ">"], [T::describe], |into, describe| describe(into));
    }
}

impl<T: Lift> Lift for Option<T> {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Option<T>, Error> {
        let cases = const { option::<T>() }.lift(flat)?;
        let value = if cases.case == 0 { None } else { Some(T::lift(cx, flat)?) };
        cases.leave(flat);
        Ok(value)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Option<T>, Error> {
        let abi = const { option::<T>() };
        Ok(if abi.load(cx, place)? == 0 { None } else { Some(T::load(cx, abi.place(cx, place, 0))?) })
    }
}

impl<T: Lower> Lower for Option<T> {
    #[inline(always)]
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        let cases = const { option::<T>() }.lower(flat, u32::from(self.is_some()));
        if let Some(value) = self {
            value.lower(cx, flat)?;
        }
        cases.leave_mut(flat);
        Ok(())
    }

    #[inline(always)]
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        let abi = const { option::<T>() };
        abi.store(cx, place, u32::from(self.is_some()))?;
        match self {
            Some(value) => value.store(cx, abi.place(cx, place, 0)),
            None => Ok(()),
        }
    }
}

/// The layout of `result<T, E>`. The unit type is a case without a payload, which takes no room either.
const fn result<T: ComponentType, E: ComponentType>() -> VariantAbi {
    VariantAbi::new(&[Some(T::ABI), Some(E::ABI)])
}

/// A case of a result, or the unit type where it has no payload.
fn check_case<T: ComponentType>(ty: Option<Type>, cx: &mut TypeCheck<'_>) -> bool {
    match ty {
        Some(ty) => T::check(&ty, cx),
        None => is_unit::<T>(),
    }
}

/// The only type without values in memory is the unit type, or a pointer to it.
fn is_unit<T: ComponentType>() -> bool {
    T::ABI == <()>::ABI
}

/// What writes the payload of a case of a result.
fn case<T: ComponentType>() -> Option<fn(&mut WitText)> {
    (!is_unit::<T>()).then_some(T::describe)
}

impl<T: ComponentType, E: ComponentType> ComponentType for Result<T, E> {
    const ABI: TypeAbi = result::<T, E>().abi;

    fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
        let Type::Result(result) = ty else { return false };
        check_case::<T>(result.ok(), cx) && check_case::<E>(result.err(), cx)
    }

    fn describe(into: &mut WitText) {
        into.result(case::<T>(), case::<E>());
    }
}

impl<T: Lift, E: Lift> Lift for Result<T, E> {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Result<T, E>, Error> {
        let cases = const { result::<T, E>() }.lift(flat)?;
        let value = if cases.case == 0 {
            Ok(T::lift(cx, flat)?)
        } else {
            cases.enter(flat, T::ABI.handles);
            Err(E::lift(cx, flat)?)
        };
        cases.leave(flat);
        Ok(value)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Result<T, E>, Error> {
        let abi = const { result::<T, E>() };
        Ok(if abi.load(cx, place)? == 0 {
            Ok(T::load(cx, abi.place(cx, place, 0))?)
        } else {
            Err(E::load(cx, abi.place(cx, place, T::ABI.handles))?)
        })
    }
}

impl<T: Lower, E: Lower> Lower for Result<T, E> {
    #[inline(always)]
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        let cases = const { result::<T, E>() }.lower(flat, u32::from(self.is_err()));
        match self {
            Ok(value) => value.lower(cx, flat)?,
            Err(error) => {
                cases.enter_mut(flat, T::ABI.handles);
                error.lower(cx, flat)?;
            }
        }
        cases.leave_mut(flat);
        Ok(())
    }

    #[inline(always)]
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        let abi = const { result::<T, E>() };
        abi.store(cx, place, u32::from(self.is_err()))?;
        match self {
            Ok(value) => value.store(cx, abi.place(cx, place, 0)),
            Err(error) => error.store(cx, abi.place(cx, place, T::ABI.handles)),
        }
    }
}
