//! Tuples, references, boxes; parameters and results.

use super::abi::Abi;
use super::layout::TypeAbi;
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Params, Place, Results, TypeCheck};
use super::types::Type;
use super::wit_text::WitText;
use crate::error::Error;

impl Place {
    /// Where a field of this type is, and where what comes behind it may start.
    #[inline(always)]
    pub(crate) fn field(self, abi: TypeAbi, wide: bool) -> (Place, Place) {
        let extent = abi.extent(wide);
        let at = self.at.next_multiple_of(u64::from(extent.align));
        let next = Place { at: at + u64::from(extent.bytes), handle: self.handle + abi.handles };
        (Place { at, ..self }, next)
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt),*;)*) => {
        $(
            impl<$($name: ComponentType),*> ComponentType for ($($name,)*) {
                const ABI: TypeAbi = TypeAbi::record(&[$($name::ABI),*]);

                fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
                    matches!(ty, Type::Tuple(tuple) if Self::check_all(&tuple.types().collect::<Vec<_>>(), cx))
                }

                fn describe(into: &mut WitText) {
                    Self::describe_all(into, ["tuple<", ">"]);
                }
            }

            impl<$($name: ComponentType),*> Params for ($($name,)*) {
                #[allow(unused_variables, reason = "the empty tuple has no types to check")]
                fn check_all(types: &[Type], cx: &mut TypeCheck<'_>) -> bool {
                    const COUNT: usize = <[&str]>::len(&[$(stringify!($name)),*]);
                    types.len() == COUNT $(&& $name::check(&types[$index], cx))*
                }

                fn describe_all(into: &mut WitText, brackets: [&str; 2]) {
                    let types: &[fn(&mut WitText)] = &[$($name::describe),*];
                    into.list(brackets, types, |into, describe| describe(into));
                }
            }

            #[allow(unused_variables, unused_mut, unused_assignments, reason = "the empty tuple has no values, and nothing is behind the last")]
            impl<$($name: Lift),*> Lift for ($($name,)*) {
                #[inline(always)]
                fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Self, Error> {
                    Ok(($($name::lift(cx, flat)?,)*))
                }

                #[inline(always)]
                fn load(cx: &mut Abi<'_>, place: Place) -> Result<Self, Error> {
                    let (wide, mut next) = (cx.is_wide(), place);
                    Ok(($({
                        let (place, behind) = next.field($name::ABI, wide);
                        next = behind;
                        $name::load(cx, place)?
                    },)*))
                }
            }

            #[allow(unused_variables, unused_assignments, reason = "the empty tuple has no values")]
            impl<$($name: Lower),*> Lower for ($($name,)*) {
                #[inline(always)]
                fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
                    $(self.$index.lower(cx, flat)?;)*
                    Ok(())
                }

                #[inline(always)]
                fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
                    let (wide, next) = (cx.is_wide(), place);
                    $(
                        let (place, next) = next.field($name::ABI, wide);
                        self.$index.store(cx, place)?;
                    )*
                    Ok(())
                }
            }
        )*
    };
}

tuples! {
    ;
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15;
}

impl Results for () {
    fn check_result(ty: Option<&Type>, _: &mut TypeCheck<'_>) -> bool {
        ty.is_none()
    }

    fn describe_result(_: &mut WitText) {}
}

impl<R: ComponentType> Results for (R,) {
    fn check_result(ty: Option<&Type>, cx: &mut TypeCheck<'_>) -> bool {
        ty.is_some_and(|ty| R::check(ty, cx))
    }

    fn describe_result(into: &mut WitText) {
        into.push(" -> ");
        R::describe(into);
    }
}

/// What points to a value and is passed as it.
macro_rules! pointers {
    ($($pointer:ty, $($lifetime:lifetime)?;)*) => {
        $(
            impl<$($lifetime,)? T: ComponentType + ?Sized> ComponentType for $pointer {
                const ABI: TypeAbi = T::ABI;

                fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
                    T::check(ty, cx)
                }

                fn describe(into: &mut WitText) {
                    T::describe(into);
                }
            }

            impl<$($lifetime,)? T: Lower + ?Sized> Lower for $pointer {
                #[inline(always)]
                fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
                    (**self).lower(cx, flat)
                }

                #[inline(always)]
                fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
                    (**self).store(cx, place)
                }
            }
        )*
    };
}

pointers! {
    &'a T, 'a;
    Box<T>, ;
    std::sync::Arc<T>, ;
}

impl<T: Lift> Lift for Box<T> {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Box<T>, Error> {
        cx.charge(size_of::<T>())?;
        T::lift(cx, flat).map(Box::new)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Box<T>, Error> {
        cx.charge(size_of::<T>())?;
        T::load(cx, place).map(Box::new)
    }
}
