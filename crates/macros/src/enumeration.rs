//! Enums as variants and as enums.

use crate::definition::{Cases, Definition, Part};
use crate::face::Face;
use proc_macro2::TokenStream;
use quote::quote;

/// What is passed with each case, for layouts.
fn payloads(face: &Face, cases: &[Part]) -> TokenStream {
    let payload = cases.iter().map(|case| match &case.ty {
        Some(ty) => quote! {
            ::core::option::Option::Some(<#ty as #face::component::ComponentType>::ABI)
        },
        None => quote! { ::core::option::Option::None },
    });
    quote! { &[#(#payload),*] }
}

/// The layout, computed when the program is compiled.
fn layout(face: &Face, cases: &[Part]) -> TokenStream {
    let payloads = payloads(face, cases);
    quote! { const { #face::component::macros::VariantAbi::new(#payloads) } }
}

/// How many handles there are in the cases before one.
fn handles_before(face: &Face, cases: &[Part], case: usize) -> TokenStream {
    let payloads = payloads(face, cases);
    quote! { const { #face::component::macros::VariantAbi::handles_before(#payloads, #case) } }
}

pub(crate) fn component_type(definition: &Definition, Cases { cases, plain }: &Cases) -> TokenStream {
    let face = &definition.face;
    let payloads = payloads(face, cases);
    let names: Vec<_> = cases.iter().map(|case| &case.name).collect();
    // The payload's function with this name, for each case.
    let of_payloads = |function: TokenStream| {
        cases.iter().map(move |case| match &case.ty {
            Some(ty) => quote! {
                ::core::option::Option::Some(<#ty as #face::component::ComponentType>::#function)
            },
            None => quote! { ::core::option::Option::None },
        })
    };
    let (check, describe) = if *plain {
        let check = quote! { #face::component::macros::check_enum(__ty, &[#(#names),*]) };
        (check, quote! { #face::component::macros::describe_enum(__into, &[#(#names),*]); })
    } else {
        let (checks, descriptions) = (of_payloads(quote! { check }), of_payloads(quote! { describe }));
        let check = quote! { #face::component::macros::check_variant(__ty, __cx, &[#((#names, #checks)),*]) };
        (check, quote! { #face::component::macros::describe_variant(__into, &[#((#names, #descriptions)),*]); })
    };
    definition.implement(
        "ComponentType",
        &quote! {
            const ABI: #face::component::TypeAbi =
                #face::component::macros::VariantAbi::new(#payloads).abi;

            fn check(
                __ty: &#face::component::Type,
                __cx: &mut #face::component::TypeCheck<'_>,
            ) -> bool {
                #check
            }

            fn describe(__into: &mut #face::component::macros::WitText) {
                #describe
            }
        },
    )
}

/// The pattern of a case's number: the last is whatever is left, as numbers are checked before.
fn pattern(cases: &[Part], case: usize) -> TokenStream {
    let number = case as u32;
    if case + 1 == cases.len() {
        quote! { _ }
    } else {
        quote! { #number }
    }
}

pub(crate) fn lift(definition: &Definition, Cases { cases, .. }: &Cases) -> TokenStream {
    let face = &definition.face;
    let layout = layout(face, cases);
    let flat = cases.iter().enumerate().map(|(i, case)| {
        let (name, pattern, handles) = (&case.rust, pattern(cases, i), handles_before(face, cases, i));
        match case.ty {
            Some(_) => quote! {
                #pattern => {
                    __cases.enter(__flat, #handles);
                    Self::#name(#face::component::Lift::lift(__cx, __flat)?)
                }
            },
            None => quote! { #pattern => Self::#name, },
        }
    });
    let stored = cases.iter().enumerate().map(|(i, case)| {
        let (name, pattern, handles) = (&case.rust, pattern(cases, i), handles_before(face, cases, i));
        match case.ty {
            Some(_) => quote! {
                #pattern => {
                    let __place = __layout.place(__cx, __place, #handles);
                    Self::#name(#face::component::Lift::load(__cx, __place)?)
                }
            },
            None => quote! { #pattern => Self::#name, },
        }
    });
    definition.implement(
        "Lift",
        &quote! {
            #[inline]
            fn lift(
                __cx: &mut #face::component::Abi<'_>,
                __flat: &mut #face::component::Flat<'_>,
            ) -> ::core::result::Result<Self, #face::Error> {
                let __cases = #layout.lift(__flat)?;
                let __value = match __cases.case { #(#flat)* };
                __cases.leave(__flat);
                ::core::result::Result::Ok(__value)
            }

            #[inline]
            fn load(
                __cx: &mut #face::component::Abi<'_>,
                __place: #face::component::Place,
            ) -> ::core::result::Result<Self, #face::Error> {
                let __layout = #layout;
                ::core::result::Result::Ok(match __layout.load(__cx, __place)? { #(#stored)* })
            }
        },
    )
}

pub(crate) fn lower(definition: &Definition, Cases { cases, .. }: &Cases) -> TokenStream {
    let face = &definition.face;
    let layout = layout(face, cases);
    let flat = cases.iter().enumerate().map(|(i, case)| {
        let (name, number, handles) = (&case.rust, i as u32, handles_before(face, cases, i));
        match case.ty {
            Some(_) => quote! {
                Self::#name(__payload) => {
                    let __cases = __layout.lower(__flat, #number);
                    __cases.enter_mut(__flat, #handles);
                    #face::component::Lower::lower(__payload, __cx, __flat)?;
                    __cases
                }
            },
            None => quote! { Self::#name => __layout.lower(__flat, #number), },
        }
    });
    let stored = cases.iter().enumerate().map(|(i, case)| {
        let (name, number, handles) = (&case.rust, i as u32, handles_before(face, cases, i));
        match case.ty {
            Some(_) => quote! {
                Self::#name(__payload) => {
                    __layout.store(__cx, __place, #number)?;
                    let __place = __layout.place(__cx, __place, #handles);
                    #face::component::Lower::store(__payload, __cx, __place)
                }
            },
            None => quote! { Self::#name => __layout.store(__cx, __place, #number), },
        }
    });
    definition.implement(
        "Lower",
        &quote! {
            #[inline]
            fn lower(
                &self,
                __cx: &mut #face::component::Abi<'_>,
                __flat: &mut #face::component::FlatMut<'_>,
            ) -> ::core::result::Result<(), #face::Error> {
                let __layout = #layout;
                let __cases = match self { #(#flat)* };
                __cases.leave_mut(__flat);
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn store(
                &self,
                __cx: &mut #face::component::Abi<'_>,
                __place: #face::component::Place,
            ) -> ::core::result::Result<(), #face::Error> {
                let __layout = #layout;
                match self { #(#stored)* }
            }
        },
    )
}
