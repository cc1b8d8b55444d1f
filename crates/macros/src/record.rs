//! Structs as records.

use crate::definition::{Definition, Part};
use proc_macro2::TokenStream;
use quote::quote;

pub(crate) fn component_type(definition: &Definition, fields: &[Part]) -> TokenStream {
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    definition.implement(
        "ComponentType",
        &quote! {
            const ABI: ::hatchery::component::TypeAbi = ::hatchery::component::TypeAbi::record(&[
                #(<#types as ::hatchery::component::ComponentType>::ABI),*
            ]);

            fn check(
                ty: &::hatchery::component::Type,
                cx: &mut ::hatchery::component::TypeCheck<'_>,
            ) -> bool {
                ::hatchery::component::macros::check_record(ty, cx, &[
                    #((#names, <#types as ::hatchery::component::ComponentType>::check)),*
                ])
            }

            fn describe(into: &mut ::hatchery::component::macros::WitText) {
                ::hatchery::component::macros::describe_record(into, &[
                    #((#names, <#types as ::hatchery::component::ComponentType>::describe)),*
                ]);
            }
        },
    )
}

pub(crate) fn lift(definition: &Definition, fields: &[Part]) -> TokenStream {
    let names: Vec<_> = fields.iter().map(|field| &field.rust).collect();
    let types = fields.iter().map(|field| &field.ty);
    definition.implement(
        "Lift",
        &quote! {
            #[inline]
            fn lift(
                cx: &mut ::hatchery::component::Abi<'_>,
                flat: &mut ::hatchery::component::Flat<'_>,
            ) -> ::core::result::Result<Self, ::hatchery::Error> {
                ::core::result::Result::Ok(Self {
                    #(#names: ::hatchery::component::Lift::lift(cx, flat)?),*
                })
            }

            #[inline]
            fn load(
                cx: &mut ::hatchery::component::Abi<'_>,
                place: ::hatchery::component::Place,
            ) -> ::core::result::Result<Self, ::hatchery::Error> {
                let mut fields = ::hatchery::component::macros::Fields::new(cx, place);
                ::core::result::Result::Ok(Self {
                    #(#names: {
                        let place = fields.next(<#types as ::hatchery::component::ComponentType>::ABI);
                        ::hatchery::component::Lift::load(cx, place)?
                    }),*
                })
            }
        },
    )
}

pub(crate) fn lower(definition: &Definition, fields: &[Part]) -> TokenStream {
    let names: Vec<_> = fields.iter().map(|field| &field.rust).collect();
    let types = fields.iter().map(|field| &field.ty);
    definition.implement(
        "Lower",
        &quote! {
            #[inline]
            fn lower(
                &self,
                cx: &mut ::hatchery::component::Abi<'_>,
                flat: &mut ::hatchery::component::FlatMut<'_>,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                #(::hatchery::component::Lower::lower(&self.#names, cx, flat)?;)*
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn store(
                &self,
                cx: &mut ::hatchery::component::Abi<'_>,
                place: ::hatchery::component::Place,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                let mut fields = ::hatchery::component::macros::Fields::new(cx, place);
                #(
                    let place = fields.next(<#types as ::hatchery::component::ComponentType>::ABI);
                    ::hatchery::component::Lower::store(&self.#names, cx, place)?;
                )*
                ::core::result::Result::Ok(())
            }
        },
    )
}
