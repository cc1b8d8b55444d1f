//! Enums as variants and as enums.

use crate::definition::{Cases, Definition, Part};
use proc_macro2::TokenStream;
use quote::quote;

/// What is passed with each case, for layouts.
fn payloads(cases: &[Part]) -> TokenStream {
    let payload = cases.iter().map(|case| match &case.ty {
        Some(ty) => quote! {
            ::core::option::Option::Some(<#ty as ::hatchery::component::ComponentType>::ABI)
        },
        None => quote! { ::core::option::Option::None },
    });
    quote! { &[#(#payload),*] }
}

/// The layout, computed when the program is compiled.
fn layout(cases: &[Part]) -> TokenStream {
    let payloads = payloads(cases);
    quote! { const { ::hatchery::component::macros::VariantAbi::new(#payloads) } }
}

/// How many handles there are in the cases before one.
fn handles_before(cases: &[Part], case: usize) -> TokenStream {
    let payloads = payloads(cases);
    quote! { const { ::hatchery::component::macros::VariantAbi::handles_before(#payloads, #case) } }
}

pub(crate) fn component_type(definition: &Definition, Cases { cases, plain }: &Cases) -> TokenStream {
    let payloads = payloads(cases);
    let names: Vec<_> = cases.iter().map(|case| &case.name).collect();
    // The payload's function with this name, for each case.
    let of_payloads = |function: TokenStream| {
        cases.iter().map(move |case| match &case.ty {
            Some(ty) => quote! {
                ::core::option::Option::Some(<#ty as ::hatchery::component::ComponentType>::#function)
            },
            None => quote! { ::core::option::Option::None },
        })
    };
    let (check, describe) = if *plain {
        let check = quote! {
            let _ = cx;
            ::hatchery::component::macros::check_enum(ty, &[#(#names),*])
        };
        (check, quote! { ::hatchery::component::macros::describe_enum(into, &[#(#names),*]); })
    } else {
        let (checks, descriptions) = (of_payloads(quote! { check }), of_payloads(quote! { describe }));
        let check = quote! { ::hatchery::component::macros::check_variant(ty, cx, &[#((#names, #checks)),*]) };
        (check, quote! { ::hatchery::component::macros::describe_variant(into, &[#((#names, #descriptions)),*]); })
    };
    definition.implement(
        "ComponentType",
        &quote! {
            const ABI: ::hatchery::component::TypeAbi =
                ::hatchery::component::macros::VariantAbi::new(#payloads).abi;

            fn check(
                ty: &::hatchery::component::Type,
                cx: &mut ::hatchery::component::TypeCheck<'_>,
            ) -> bool {
                #check
            }

            fn describe(into: &mut ::hatchery::component::macros::WitText) {
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
    let layout = layout(cases);
    let flat = cases.iter().enumerate().map(|(i, case)| {
        let (name, pattern, handles) = (&case.rust, pattern(cases, i), handles_before(cases, i));
        match case.ty {
            Some(_) => quote! {
                #pattern => {
                    cases.enter(flat, #handles);
                    Self::#name(::hatchery::component::Lift::lift(cx, flat)?)
                }
            },
            None => quote! { #pattern => Self::#name, },
        }
    });
    let stored = cases.iter().enumerate().map(|(i, case)| {
        let (name, pattern, handles) = (&case.rust, pattern(cases, i), handles_before(cases, i));
        match case.ty {
            Some(_) => quote! {
                #pattern => {
                    let place = layout.place(cx, place, #handles);
                    Self::#name(::hatchery::component::Lift::load(cx, place)?)
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
                cx: &mut ::hatchery::component::Abi<'_>,
                flat: &mut ::hatchery::component::Flat<'_>,
            ) -> ::core::result::Result<Self, ::hatchery::Error> {
                let _ = &cx;
                let cases = #layout.lift(flat)?;
                let value = match cases.case { #(#flat)* };
                cases.leave(flat);
                ::core::result::Result::Ok(value)
            }

            #[inline]
            fn load(
                cx: &mut ::hatchery::component::Abi<'_>,
                place: ::hatchery::component::Place,
            ) -> ::core::result::Result<Self, ::hatchery::Error> {
                let layout = #layout;
                ::core::result::Result::Ok(match layout.load(cx, place)? { #(#stored)* })
            }
        },
    )
}

pub(crate) fn lower(definition: &Definition, Cases { cases, .. }: &Cases) -> TokenStream {
    let layout = layout(cases);
    let flat = cases.iter().enumerate().map(|(i, case)| {
        let (name, number, handles) = (&case.rust, i as u32, handles_before(cases, i));
        match case.ty {
            Some(_) => quote! {
                Self::#name(payload) => {
                    let cases = layout.lower(flat, #number);
                    cases.enter_mut(flat, #handles);
                    ::hatchery::component::Lower::lower(payload, cx, flat)?;
                    cases
                }
            },
            None => quote! { Self::#name => layout.lower(flat, #number), },
        }
    });
    let stored = cases.iter().enumerate().map(|(i, case)| {
        let (name, number, handles) = (&case.rust, i as u32, handles_before(cases, i));
        match case.ty {
            Some(_) => quote! {
                Self::#name(payload) => {
                    layout.store(cx, place, #number)?;
                    let place = layout.place(cx, place, #handles);
                    ::hatchery::component::Lower::store(payload, cx, place)
                }
            },
            None => quote! { Self::#name => layout.store(cx, place, #number), },
        }
    });
    definition.implement(
        "Lower",
        &quote! {
            #[inline]
            fn lower(
                &self,
                cx: &mut ::hatchery::component::Abi<'_>,
                flat: &mut ::hatchery::component::FlatMut<'_>,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                let _ = &cx;
                let layout = #layout;
                let cases = match self { #(#flat)* };
                cases.leave_mut(flat);
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn store(
                &self,
                cx: &mut ::hatchery::component::Abi<'_>,
                place: ::hatchery::component::Place,
            ) -> ::core::result::Result<(), ::hatchery::Error> {
                let layout = #layout;
                match self { #(#stored)* }
            }
        },
    )
}
