//! Structs as records.

use crate::definition::{Definition, Part};
use proc_macro2::TokenStream;
use quote::quote;

pub(crate) fn component_type(definition: &Definition, fields: &[Part]) -> TokenStream {
    let face = &definition.face;
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    definition.implement(
        "ComponentType",
        &quote! {
            const ABI: #face::component::TypeAbi = #face::component::TypeAbi::record(&[
                #(<#types as #face::component::ComponentType>::ABI),*
            ]);

            fn check(
                __ty: &#face::component::Type,
                __cx: &mut #face::component::TypeCheck<'_>,
            ) -> bool {
                #face::component::macros::check_record(__ty, __cx, &[
                    #((#names, <#types as #face::component::ComponentType>::check)),*
                ])
            }

            fn describe(__into: &mut #face::component::macros::WitText) {
                #face::component::macros::describe_record(__into, &[
                    #((#names, <#types as #face::component::ComponentType>::describe)),*
                ]);
            }
        },
    )
}

pub(crate) fn lift(definition: &Definition, fields: &[Part]) -> TokenStream {
    let face = &definition.face;
    let names: Vec<_> = fields.iter().map(|field| &field.rust).collect();
    let types = fields.iter().map(|field| &field.ty);
    definition.implement(
        "Lift",
        &quote! {
            #[inline]
            fn lift(
                __cx: &mut #face::component::Abi<'_>,
                __flat: &mut #face::component::Flat<'_>,
            ) -> ::core::result::Result<Self, #face::Error> {
                ::core::result::Result::Ok(Self {
                    #(#names: #face::component::Lift::lift(__cx, __flat)?),*
                })
            }

            #[inline]
            fn load(
                __cx: &mut #face::component::Abi<'_>,
                __place: #face::component::Place,
            ) -> ::core::result::Result<Self, #face::Error> {
                let mut __fields = #face::component::macros::Fields::new(__cx, __place);
                ::core::result::Result::Ok(Self {
                    #(#names: {
                        let __place = __fields.next(<#types as #face::component::ComponentType>::ABI);
                        #face::component::Lift::load(__cx, __place)?
                    }),*
                })
            }
        },
    )
}

pub(crate) fn lower(definition: &Definition, fields: &[Part]) -> TokenStream {
    let face = &definition.face;
    let names: Vec<_> = fields.iter().map(|field| &field.rust).collect();
    let types = fields.iter().map(|field| &field.ty);
    definition.implement(
        "Lower",
        &quote! {
            #[inline]
            fn lower(
                &self,
                __cx: &mut #face::component::Abi<'_>,
                __flat: &mut #face::component::FlatMut<'_>,
            ) -> ::core::result::Result<(), #face::Error> {
                #(#face::component::Lower::lower(&self.#names, __cx, __flat)?;)*
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn store(
                &self,
                __cx: &mut #face::component::Abi<'_>,
                __place: #face::component::Place,
            ) -> ::core::result::Result<(), #face::Error> {
                let mut __fields = #face::component::macros::Fields::new(__cx, __place);
                #(
                    let __place = __fields.next(<#types as #face::component::ComponentType>::ABI);
                    #face::component::Lower::store(&self.#names, __cx, __place)?;
                )*
                ::core::result::Result::Ok(())
            }
        },
    )
}
