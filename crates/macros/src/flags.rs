//! Structs of `bool`s as flags.

use crate::definition::{Definition, Part};
use proc_macro2::TokenStream;
use quote::quote;

pub(crate) fn component_type(definition: &Definition, fields: &[Part]) -> TokenStream {
    let count = fields.len();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    definition.implement(
        "ComponentType",
        &quote! {
            const ABI: ::hatchery::component::TypeAbi = ::hatchery::component::TypeAbi::flags(#count);

            fn check(
                ty: &::hatchery::component::Type,
                _: &mut ::hatchery::component::TypeCheck<'_>,
            ) -> bool {
                ::hatchery::component::macros::check_flags(ty, &[#(#names),*])
            }

            fn describe(into: &mut ::hatchery::component::macros::WitText) {
                ::hatchery::component::macros::describe_flags(into, &[#(#names),*]);
            }
        },
    )
}

/// Each field's name and bit.
fn bits(fields: &[Part]) -> (Vec<&syn::Ident>, Vec<u32>) {
    fields.iter().zip(0..).map(|(field, bit)| (&field.rust, 1u32 << bit)).unzip()
}

pub(crate) fn lift(definition: &Definition, fields: &[Part]) -> TokenStream {
    let (names, bits) = bits(fields);
    definition.implement(
        "Lift",
        &quote! {
            #[inline]
            fn lift(
                _: &mut ::hatchery::component::Abi<'_>,
                flat: &mut ::hatchery::component::Flat<'_>,
            ) -> ::core::result::Result<Self, ::hatchery::Error> {
                let bits = ::hatchery::component::macros::lift_flags(flat);
                ::core::result::Result::Ok(Self { #(#names: bits & #bits != 0),* })
            }

            #[inline]
            fn load(
                cx: &mut ::hatchery::component::Abi<'_>,
                place: ::hatchery::component::Place,
            ) -> ::core::result::Result<Self, ::hatchery::Error> {
                let abi = <Self as ::hatchery::component::ComponentType>::ABI;
                let bits = ::hatchery::component::macros::load_flags(cx, place, abi)?;
                ::core::result::Result::Ok(Self { #(#names: bits & #bits != 0),* })
            }
        },
    )
}

pub(crate) fn lower(definition: &Definition, fields: &[Part]) -> TokenStream {
    let (names, bits) = bits(fields);
    let bits = quote! { 0 #(| if self.#names { #bits } else { 0 })* };
    definition.implement(
        "Lower",
        &quote! {
            #[inline]
            fn lower(
                &self,
                _: &mut ::hatchery::component::Abi<'_>,
                flat: &mut ::hatchery::component::FlatMut<'_>,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                ::hatchery::component::macros::lower_flags(flat, #bits);
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn store(
                &self,
                cx: &mut ::hatchery::component::Abi<'_>,
                place: ::hatchery::component::Place,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                let abi = <Self as ::hatchery::component::ComponentType>::ABI;
                ::hatchery::component::macros::store_flags(cx, place, abi, #bits)
            }
        },
    )
}
