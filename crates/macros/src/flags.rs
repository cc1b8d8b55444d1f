//! Structs of `bool`s as flags.

use crate::definition::{Definition, Part};
use proc_macro2::TokenStream;
use quote::quote;

pub(crate) fn component_type(definition: &Definition, fields: &[Part]) -> TokenStream {
    let (face, count) = (&definition.face, fields.len());
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    definition.implement(
        "ComponentType",
        &quote! {
            const ABI: #face::component::TypeAbi = #face::component::TypeAbi::flags(#count);

            fn check(
                __ty: &#face::component::Type,
                _: &mut #face::component::TypeCheck<'_>,
            ) -> bool {
                #face::component::macros::check_flags(__ty, &[#(#names),*])
            }

            fn describe(__into: &mut #face::component::macros::WitText) {
                #face::component::macros::describe_flags(__into, &[#(#names),*]);
            }
        },
    )
}

/// Each field's name and bit.
fn bits(fields: &[Part]) -> (Vec<&syn::Ident>, Vec<u32>) {
    fields.iter().zip(0..).map(|(field, bit)| (&field.rust, 1u32 << bit)).unzip()
}

pub(crate) fn lift(definition: &Definition, fields: &[Part]) -> TokenStream {
    let face = &definition.face;
    let (names, bits) = bits(fields);
    definition.implement(
        "Lift",
        &quote! {
            #[inline]
            fn lift(
                _: &mut #face::component::Abi<'_>,
                __flat: &mut #face::component::Flat<'_>,
            ) -> ::core::result::Result<Self, #face::Error> {
                let __bits = #face::component::macros::lift_flags(__flat);
                ::core::result::Result::Ok(Self { #(#names: __bits & #bits != 0),* })
            }

            #[inline]
            fn load(
                __cx: &mut #face::component::Abi<'_>,
                __place: #face::component::Place,
            ) -> ::core::result::Result<Self, #face::Error> {
                let __abi = <Self as #face::component::ComponentType>::ABI;
                let __bits = #face::component::macros::load_flags(__cx, __place, __abi)?;
                ::core::result::Result::Ok(Self { #(#names: __bits & #bits != 0),* })
            }
        },
    )
}

pub(crate) fn lower(definition: &Definition, fields: &[Part]) -> TokenStream {
    let face = &definition.face;
    let (names, bits) = bits(fields);
    let bits = quote! { 0 #(| if self.#names { #bits } else { 0 })* };
    definition.implement(
        "Lower",
        &quote! {
            #[inline]
            fn lower(
                &self,
                _: &mut #face::component::Abi<'_>,
                __flat: &mut #face::component::FlatMut<'_>,
            ) -> ::core::result::Result<(), #face::Error> {
                #face::component::macros::lower_flags(__flat, #bits);
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn store(
                &self,
                __cx: &mut #face::component::Abi<'_>,
                __place: #face::component::Place,
            ) -> ::core::result::Result<(), #face::Error> {
                let __abi = <Self as #face::component::ComponentType>::ABI;
                #face::component::macros::store_flags(__cx, __place, __abi, #bits)
            }
        },
    )
}
