//! Maps.

use super::abi::Abi;
use super::layout::TypeAbi;
use super::lists::{lift_list, load_list};
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::wit_text::WitText;
use crate::error::Error;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

/// A map of pairs, which are there as well while it is made; `bytes` is what it takes for a number of them.
fn collect<K, V, M: FromIterator<(K, V)>>(
    cx: &mut Abi<'_>,
    pairs: Vec<(K, V)>,
    bytes: fn(usize) -> usize,
) -> Result<M, Error> {
    cx.charge(if pairs.is_empty() { 0 } else { bytes(pairs.len()) })?;
    Ok(pairs.into_iter().collect())
}

/// What the standard library's hash map takes: a power of two of places, an eighth of which stays free, and a byte for each,
/// with a group of them more at the end.
fn hash_bytes<K, V>(count: usize) -> usize {
    let places = (count.saturating_mul(8) / 7).max(8).next_power_of_two();
    places.saturating_mul(size_of::<(K, V)>() + 1).saturating_add(64)
}

/// What the standard library's ordered map takes: full nodes of eleven, with their lengths and what they point to.
fn tree_bytes<K, V>(count: usize) -> usize {
    (count / 11 + 1).saturating_mul(11 * size_of::<(K, V)>() + 40)
}

macro_rules! maps {
    ($($map:ty, ($($bounds:tt)*), ($($build:tt)*), $bytes:ident;)*) => {
        $(
            impl<K: ComponentType, V: ComponentType, $($build)*> ComponentType for $map {
                const ABI: TypeAbi = TypeAbi::list(<(K, V)>::ABI.handles);

                fn check(ty: &Type, cx: &mut TypeCheck<'_>) -> bool {
                    matches!(ty, Type::Map(map) if K::check(&map.key(), cx) && V::check(&map.value(), cx))
                }

                fn describe(into: &mut WitText) {
                    into.list(["map<", ">"], [K::describe, V::describe], |into, describe| describe(into));
                }
            }

            impl<K: Lift + $($bounds)*, V: Lift, $($build)*> Lift for $map {
                fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Self, Error> {
                    let pairs = lift_list(cx, flat)?;
                    collect(cx, pairs, $bytes::<K, V>)
                }

                fn load(cx: &mut Abi<'_>, place: Place) -> Result<Self, Error> {
                    let pairs = load_list(cx, place)?;
                    collect(cx, pairs, $bytes::<K, V>)
                }
            }

            impl<K: Lower + $($bounds)*, V: Lower, $($build)*> Lower for $map {
                fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
                    self.iter().collect::<Vec<(&K, &V)>>().lower(cx, flat)
                }

                fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
                    self.iter().collect::<Vec<(&K, &V)>>().store(cx, place)
                }
            }
        )*
    };
}

maps! {
    HashMap<K, V, S>, (Eq + Hash), (S: BuildHasher + Default), hash_bytes;
    BTreeMap<K, V>, (Ord), (), tree_bytes;
}
