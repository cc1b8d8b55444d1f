//! Functions whose types are known to the compiler: how the host defines and calls them.

use super::known::{Arg, Bits, Cases, Fields, Given, Known, Lent};
use super::ours::{Function, Host};
use super::tree::Signature;
use super::types::{Ty, Types};
use super::{Other, Res};
use crate::suspension::{block_on, once};
use arbitrary::{Result as Random, Unstructured};
use hatchery::component::{
    Caller, Instance, Lift, LinkerInstance, Lower, Params, Resource, ResourceAny, Results, Val, WasmStr,
};
use hatchery::{Error, HostFuture};
use std::ops::Range;
use std::sync::Arc;

type Call = fn(&mut Instance<Host>, &str, &[Val], bool) -> Result<Option<Val>, Error>;
type Define = fn(&mut LinkerInstance<'_, Host>, Function);

/// The types of a function, and what is done with them.
pub(super) struct Way {
    types: fn(&mut Types) -> (Vec<Ty>, Option<Ty>),
    /// Defines it by a closure.
    pub(super) define: Define,
    /// Defines it by a future.
    pub(super) suspending: Define,
    /// Calls an export, in a way that lets it be suspended or not.
    pub(super) call: Call,
}

type A = Resource<Res>;
type B = Resource<Other>;
type Thing = ResourceAny;

const COUNT: usize = 34;

/// All there are. First those that [`handles`](super::handles) and [`tree`](super::tree) have by their numbers.
pub(super) static WAYS: [Way; COUNT] = [
    same::<(u32,), (Given<A>,)>(),
    same::<(Lent<A>,), (u32,)>(),
    same::<(Given<A>,), (u32,)>(),
    same::<(Lent<A>, Given<A>), (Given<A>,)>(),
    same::<(u32, u32), (u32,)>(),
    same::<(u32,), (Given<Thing>,)>(),
    same::<(Lent<Thing>,), (u32,)>(),
    same::<(Given<Thing>,), (u32,)>(),
    same::<(Lent<Thing>, Given<A>), (Given<Thing>,)>(),
    same::<(u32, u32), ()>(),
    // Values that are copied as they are, and those that are not.
    same::<(), ()>(),
    same::<(bool, i8, i16, u16), (char,)>(),
    same::<(f32, f64), (f64,)>(),
    same::<(String,), (String,)>(),
    way::<(WasmStr, u32), (String, u32), (u8,)>(),
    way::<(u32, WasmStr), (u32, String), (Vec<u8>,)>(),
    same::<(Vec<u8>,), (Vec<u32>,)>(),
    same::<(Vec<(u8, i64)>,), (Vec<f64>,)>(),
    same::<(Vec<bool>, Vec<char>), (Vec<String>,)>(),
    same::<(Vec<Vec<u16>>,), (Option<Vec<i64>>,)>(),
    same::<([u16; 3], Bits), (Bits,)>(),
    same::<(Option<String>, Result<f32, i64>), (Result<String, u8>,)>(),
    same::<(Fields<f64>,), (Fields<Vec<i16>>,)>(),
    same::<(Cases<f32, String>,), (Cases<f64, Bits>,)>(),
    // Parameters that are passed in memory.
    same::<(Fields<i64>, Fields<u8>, Fields<String>, Bits), (Fields<char>,)>(),
    // Two kinds of resources in one value.
    same::<(Given<B>, Given<A>), (Result<Given<A>, Given<B>>,)>(),
    same::<(Result<Given<B>, Given<A>>, Lent<B>), (Given<B>,)>(),
    same::<(Option<Given<A>>, Option<Given<B>>), (Option<(Given<B>, Given<A>)>,)>(),
    same::<(Cases<Given<A>, Given<B>>, u32), (Cases<Given<B>, Given<A>>,)>(),
    same::<(Vec<Given<A>>, Vec<Given<B>>), (Vec<Result<Given<B>, Given<A>>>,)>(),
    same::<(Result<Option<Given<A>>, (Given<B>, Given<A>)>, Given<B>), (Result<Given<B>, Vec<Given<A>>>,)>(),
    same::<(Fields<Given<B>>, Fields<Given<A>>), (Fields<Option<Given<B>>>,)>(),
    // Some are lent.
    same::<(Option<Lent<A>>, Lent<B>, Given<A>), (Option<Given<B>>,)>(),
    same::<(Vec<Lent<B>>, Result<Lent<A>, Lent<B>>), (u32,)>(),
];

/// Imports of components that do as they like with handles.
pub(super) const HANDLE_IMPORTS: Range<usize> = 0..4;

/// Their exports.
pub(super) const HANDLE_EXPORTS: Range<usize> = 4..9;

/// The function that changes a word of a memory.
pub(super) const POKE: usize = 9;

/// Those of functions that relay.
pub(super) const RELAYED: Range<usize> = POKE + 1..COUNT;

/// The type of a function without types that have names.
pub(super) fn signature(way: usize) -> Signature {
    named(way, &mut Types::default())
}

/// One of those that relay.
pub(super) fn random(u: &mut Unstructured<'_>, types: &mut Types) -> Random<Signature> {
    Ok(named(RELAYED.start + u.choose_index(RELAYED.len())?, types))
}

/// The same, for any function: those types are collected.
pub(super) fn named(way: usize, types: &mut Types) -> Signature {
    let (params, result) = (WAYS[way].types)(types);
    Signature { params, result, way: Some(way) }
}

/// Types of parameters of a host function.
trait Args: Params + Lift + Send + 'static {
    fn read(self, caller: &Caller<'_, Host>) -> Result<Vec<Val>, Error>;
}

/// Types of parameters of an export.
trait KnownParams: Params + Lower + Send + 'static {
    fn types(types: &mut Types) -> Vec<Ty>;

    fn of(vals: &[Val]) -> Self;
}

/// Types of results.
trait KnownResults: Results + Lift + Lower + Send + 'static {
    fn ty(types: &mut Types) -> Option<Ty>;

    fn of(val: Option<Val>) -> Self;

    fn val(self) -> Option<Val>;
}

macro_rules! params {
    ($($($name:ident $index:tt),*;)*) => {
        $(
            #[allow(unused_variables, reason = "there may be no parameters")]
            impl<$($name: Arg),*> Args for ($($name,)*) {
                fn read(self, caller: &Caller<'_, Host>) -> Result<Vec<Val>, Error> {
                    Ok(vec![$(self.$index.read(caller)?),*])
                }
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "there may be no parameters")]
            impl<$($name: Known),*> KnownParams for ($($name,)*) {
                fn types(types: &mut Types) -> Vec<Ty> {
                    vec![$($name::ty(types)),*]
                }

                fn of(vals: &[Val]) -> Self {
                    ($($name::of(&vals[$index]),)*)
                }
            }
        )*
    };
}

params! {
    ;
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
}

impl KnownResults for () {
    fn ty(_: &mut Types) -> Option<Ty> {
        None
    }

    fn of(_: Option<Val>) {}

    fn val(self) -> Option<Val> {
        None
    }
}

impl<K: Known> KnownResults for (K,) {
    fn ty(types: &mut Types) -> Option<Ty> {
        Some(K::ty(types))
    }

    fn of(val: Option<Val>) -> (K,) {
        (K::of(&val.expect("an answer of this type")),)
    }

    fn val(self) -> Option<Val> {
        Some(self.0.val())
    }
}

const fn same<P: Args + KnownParams, R: KnownResults>() -> Way {
    way::<P, P, R>()
}

/// A function that takes `Q` where it is the host's, and `P` where it is a component's: the same types, to components.
const fn way<Q: Args, P: KnownParams, R: KnownResults>() -> Way {
    Way {
        types: |types| (P::types(types), R::ty(types)),
        define: |up, function| {
            let name = function.name.clone();
            let closure = move |mut caller: Caller<'_, Host>, args: Q| answer::<Q, R>(&function, &mut caller, args);
            up.func::<Q, R, _>(&name, closure).map(|_| ()).expect("defined once");
        },
        suspending: |up, function| {
            let (name, function) = (function.name.clone(), Arc::new(function));
            let defined = up.func_async::<Q, R, _>(&name, move |caller, args| later(function.clone(), caller, args));
            defined.map(|_| ()).expect("defined once");
        },
        call: |instance, name, args, suspending| {
            let func = instance.func::<P, R>(name).expect("an export of these types");
            let args = P::of(args);
            let result = if suspending { block_on(func.call_async(instance, args)) } else { func.call(instance, args) };
            result.map(R::val)
        },
    }
}

fn answer<Q: Args, R: KnownResults>(function: &Function, caller: &mut Caller<'_, Host>, args: Q) -> Result<R, Error> {
    let args = args.read(caller)?;
    function.called(caller, &args).map(R::of)
}

fn later<Q: Args, R: KnownResults>(
    function: Arc<Function>,
    mut caller: Caller<'_, Host>,
    args: Q,
) -> HostFuture<'_, R> {
    Box::pin(async move {
        once().await;
        answer(&function, &mut caller, args)
    })
}

#[cfg(test)]
mod tests {
    use super::super::values::Datum;
    use super::*;

    #[test]
    fn those_with_numbers_are_what_they_are_named_for() {
        let text = |way| format!("{:?}", signature(way).result);
        assert_eq!(text(HANDLE_IMPORTS.end - 1), format!("{:?}", Some(Ty::Own)));
        assert_eq!(text(HANDLE_EXPORTS.end - 1), format!("{:?}", Some(Ty::OwnThing)));
        let poke = signature(POKE);
        assert_eq!((poke.params, poke.result), (vec![Ty::Int(32, false); 2], None));
    }

    #[test]
    fn random_values_have_datums_for_all_ways() {
        let bytes: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect();
        for way in 0..WAYS.len() {
            let mut u = Unstructured::new(&bytes);
            let of = named(way, &mut Types::default());
            assert!(of.params.iter().chain(&of.result).all(|ty| Datum::random(&mut u, ty).is_ok()), "{way}");
        }
    }
}
