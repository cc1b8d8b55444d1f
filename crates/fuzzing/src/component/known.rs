//! Rust types that stand for types of components, with what they are in the words that all share.

use super::types::{Ty, Types};
use super::{Other, Res};
use hatchery::Error;
use hatchery::component::{
    Abi, Caller, ComponentType, Flat, FlatMut, Lift, Lower, Place, Resource, ResourceAny, Type, TypeAbi, TypeCheck,
    Val, WasmStr,
};

/// A type that is known to the compiler.
pub(super) trait Known: ComponentType + Lift + Lower + Send + 'static {
    fn ty(types: &mut Types) -> Ty;

    fn of(val: &Val) -> Self;

    fn val(self) -> Val;
}

/// What a value is that is none of this type: nothing that a composition makes.
fn other<T>(val: &Val) -> T {
    panic!("{val:?} is no {}", std::any::type_name::<T>())
}

macro_rules! scalars {
    ($($ty:ty: $variant:ident = $word:expr;)*) => {
        $(
            impl Known for $ty {
                fn ty(_: &mut Types) -> Ty {
                    $word
                }

                fn of(val: &Val) -> $ty {
                    match val {
                        Val::$variant(value) => value.clone(),
                        val => other(val),
                    }
                }

                fn val(self) -> Val {
                    Val::$variant(self)
                }
            }
        )*
    };
}

scalars! {
    bool: Bool = Ty::Bool;
    u8: U8 = Ty::Int(8, false);
    i8: S8 = Ty::Int(8, true);
    i16: S16 = Ty::Int(16, true);
    u16: U16 = Ty::Int(16, false);
    u32: U32 = Ty::Int(32, false);
    i64: S64 = Ty::Int(64, true);
    f32: F32 = Ty::Float(32);
    f64: F64 = Ty::Float(64);
    char: Char = Ty::Char;
    String: String = Ty::Text;
}

impl<T: Known> Known for Vec<T> {
    fn ty(types: &mut Types) -> Ty {
        Ty::List(Box::new(T::ty(types)))
    }

    fn of(val: &Val) -> Vec<T> {
        match val {
            Val::List(values) => values.iter().map(T::of).collect(),
            val => other(val),
        }
    }

    fn val(self) -> Val {
        Val::List(self.into_iter().map(T::val).collect())
    }
}

impl<T: Known, const N: usize> Known for [T; N] {
    fn ty(types: &mut Types) -> Ty {
        Ty::Fixed(Box::new(T::ty(types)), N as u32)
    }

    fn of(val: &Val) -> [T; N] {
        Vec::of(val).try_into().unwrap_or_else(|_| other(val))
    }

    fn val(self) -> Val {
        Val::List(self.into_iter().map(T::val).collect())
    }
}

impl<T: Known> Known for Option<T> {
    fn ty(types: &mut Types) -> Ty {
        Ty::Option(Box::new(T::ty(types)))
    }

    fn of(val: &Val) -> Option<T> {
        match val {
            Val::Option(value) => value.as_deref().map(T::of),
            val => other(val),
        }
    }

    fn val(self) -> Val {
        Val::Option(self.map(|value| Box::new(value.val())))
    }
}

impl<T: Known, E: Known> Known for Result<T, E> {
    fn ty(types: &mut Types) -> Ty {
        let (ok, error) = (T::ty(types), E::ty(types));
        Ty::Result(Some(Box::new(ok)), Some(Box::new(error)))
    }

    fn of(val: &Val) -> Result<T, E> {
        match val {
            Val::Result(Ok(Some(value))) => Ok(T::of(value)),
            Val::Result(Err(Some(value))) => Err(E::of(value)),
            val => other(val),
        }
    }

    fn val(self) -> Val {
        Val::Result(match self {
            Ok(value) => Ok(Some(Box::new(value.val()))),
            Err(error) => Err(Some(Box::new(error.val()))),
        })
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt),*;)*) => {
        $(
            impl<$($name: Known),*> Known for ($($name,)*) {
                fn ty(types: &mut Types) -> Ty {
                    Ty::Tuple(vec![$($name::ty(types)),*])
                }

                fn of(val: &Val) -> Self {
                    match val {
                        Val::Tuple(values) => ($($name::of(&values[$index]),)*),
                        val => other(val),
                    }
                }

                fn val(self) -> Val {
                    Val::Tuple(vec![$(self.$index.val()),*])
                }
            }
        )*
    };
}

tuples! {
    A 0, B 1;
    A 0, B 1, C 2;
}

/// A record of fields of several widths, with a list and a resource among them.
#[derive(ComponentType, Lift, Lower)]
pub(super) struct Fields<T> {
    f0: u8,
    f1: T,
    f2: String,
    f3: u16,
}

impl<T: Known> Known for Fields<T> {
    fn ty(types: &mut Types) -> Ty {
        let fields = vec![u8::ty(types), T::ty(types), String::ty(types), u16::ty(types)];
        types.name(|number| Ty::Record(number, fields))
    }

    fn of(val: &Val) -> Fields<T> {
        let Val::Record(fields) = val else { other(val) };
        let field = |number: usize| &fields[number].1;
        Fields { f0: u8::of(field(0)), f1: T::of(field(1)), f2: String::of(field(2)), f3: u16::of(field(3)) }
    }

    fn val(self) -> Val {
        let fields = [self.f0.val(), self.f1.val(), self.f2.val(), self.f3.val()];
        Val::Record(fields.into_iter().enumerate().map(|(i, value)| (format!("f{i}"), value)).collect())
    }
}

/// A variant whose payloads are passed in the same flat values, one of which is in each case another resource.
#[derive(ComponentType, Lift, Lower)]
pub(super) enum Cases<T, U> {
    C0(T),
    C1,
    C2(U),
    C3(i64),
}

impl<T: Known, U: Known> Known for Cases<T, U> {
    fn ty(types: &mut Types) -> Ty {
        let cases = vec![Some(T::ty(types)), None, Some(U::ty(types)), Some(i64::ty(types))];
        types.name(|number| Ty::Variant(number, cases))
    }

    fn of(val: &Val) -> Cases<T, U> {
        let Val::Variant(name, payload) = val else { other(val) };
        match (name.as_str(), payload.as_deref()) {
            ("c0", Some(payload)) => Cases::C0(T::of(payload)),
            ("c1", None) => Cases::C1,
            ("c2", Some(payload)) => Cases::C2(U::of(payload)),
            ("c3", Some(payload)) => Cases::C3(i64::of(payload)),
            _ => other(val),
        }
    }

    fn val(self) -> Val {
        let (number, payload) = match self {
            Cases::C0(payload) => (0, Some(payload.val())),
            Cases::C1 => (1, None),
            Cases::C2(payload) => (2, Some(payload.val())),
            Cases::C3(payload) => (3, Some(payload.val())),
        };
        Val::Variant(format!("c{number}"), payload.map(Box::new))
    }
}

/// Flags of two bytes.
#[derive(Default, ComponentType, Lift, Lower)]
#[component(flags)]
pub(super) struct Bits {
    b0: bool,
    b1: bool,
    b2: bool,
    b3: bool,
    b4: bool,
    b5: bool,
    b6: bool,
    b7: bool,
    b8: bool,
}

impl Bits {
    fn all(&mut self) -> [&mut bool; 9] {
        let Bits { b0, b1, b2, b3, b4, b5, b6, b7, b8 } = self;
        [b0, b1, b2, b3, b4, b5, b6, b7, b8]
    }
}

impl Known for Bits {
    fn ty(types: &mut Types) -> Ty {
        types.name(|number| Ty::Flags(number, 9))
    }

    fn of(val: &Val) -> Bits {
        let Val::Flags(names) = val else { other(val) };
        let mut bits = Bits::default();
        for (number, bit) in bits.all().into_iter().enumerate() {
            *bit = names.contains(&format!("b{number}"));
        }
        bits
    }

    fn val(mut self) -> Val {
        let set = self.all().into_iter().enumerate().filter(|(_, bit)| **bit);
        Val::Flags(set.map(|(number, _)| format!("b{number}")).collect())
    }
}

/// A resource, of which a function's type says whether it is given away: here, the Rust type says it, too.
pub(super) struct Given<R>(R);

/// A resource that is lent.
pub(super) struct Lent<R>(R);

macro_rules! handles {
    ($($wrapper:ident)*) => {
        $(
            impl<R: ComponentType> ComponentType for $wrapper<R> {
                const ABI: TypeAbi = R::ABI;

                fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
                    R::check(ty, cx)
                }
            }

            impl<R: Lift> Lift for $wrapper<R> {
                fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Self, Error> {
                    R::lift(cx, flat).map($wrapper)
                }

                fn load(cx: &mut Abi<'_>, place: Place) -> Result<Self, Error> {
                    R::load(cx, place).map($wrapper)
                }
            }

            impl<R: Lower> Lower for $wrapper<R> {
                fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
                    self.0.lower(cx, flat)
                }

                fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
                    self.0.store(cx, place)
                }
            }

            impl<R: Handle> Known for $wrapper<R> {
                fn ty(_: &mut Types) -> Ty {
                    R::$wrapper
                }

                fn of(val: &Val) -> Self {
                    match val {
                        Val::Resource(resource) => $wrapper(R::of(*resource)),
                        val => other(val),
                    }
                }

                fn val(self) -> Val {
                    Val::Resource(self.0.any())
                }
            }
        )*
    };
}

handles!(Given Lent);

/// A kind of resource.
#[allow(non_upper_case_globals, reason = "they are named for the wrappers")]
pub(super) trait Handle: ComponentType + Lift + Lower + Send + 'static {
    const Given: Ty;
    const Lent: Ty;

    fn of(any: ResourceAny) -> Self;

    fn any(self) -> ResourceAny;
}

#[allow(non_upper_case_globals, reason = "as the trait has them")]
impl Handle for Resource<Res> {
    const Given: Ty = Ty::Own;
    const Lent: Ty = Ty::Borrow;

    fn of(any: ResourceAny) -> Self {
        any.try_into_resource().expect("of this kind")
    }

    fn any(self) -> ResourceAny {
        self.into()
    }
}

#[allow(non_upper_case_globals, reason = "as the trait has them")]
impl Handle for Resource<Other> {
    const Given: Ty = Ty::OwnOther;
    const Lent: Ty = Ty::BorrowOther;

    fn of(any: ResourceAny) -> Self {
        any.try_into_resource().expect("of this kind")
    }

    fn any(self) -> ResourceAny {
        self.into()
    }
}

#[allow(non_upper_case_globals, reason = "as the trait has them")]
impl Handle for ResourceAny {
    const Given: Ty = Ty::OwnThing;
    const Lent: Ty = Ty::BorrowThing;

    fn of(any: ResourceAny) -> Self {
        any
    }

    fn any(self) -> ResourceAny {
        self
    }
}

/// An argument of a host function: known, or left where the guest has it.
pub(super) trait Arg: ComponentType + Lift + Send + 'static {
    /// The value, which can turn out to be none only now.
    fn read<T: 'static>(self, caller: &Caller<'_, T>) -> Result<Val, Error>;
}

impl<K: Known> Arg for K {
    fn read<T: 'static>(self, _: &Caller<'_, T>) -> Result<Val, Error> {
        Ok(self.val())
    }
}

impl Arg for WasmStr {
    fn read<T: 'static>(self, caller: &Caller<'_, T>) -> Result<Val, Error> {
        Ok(Val::String(self.to_str(caller)?.into_owned()))
    }
}
