//! Derives for Rust types that stand for types of components.
//!
//! This crate never knows a component: it turns a definition of a Rust type into implementations of the face's traits,
//! whose code is safe and calls only what the face shows. It uses no other crate of the workspace; the face re-exports it.
//!
//! | Rust | component |
//! |---|---|
//! | a struct with named fields | `record` |
//! | the same, all of them `bool`, with `#[component(flags)]` | `flags` |
//! | an enum without payloads | `enum`; `variant` with `#[component(variant)]` |
//! | an enum of which a case has a payload | `variant` |
//!
//! Names are the Rust names in kebab case: a field `link_count` is `link-count`, a case `NotFound` is `not-found`.
//! `#[component(name = "type")]` gives a field or a case another.

mod definition;
mod enumeration;
mod flags;
mod names;
mod record;

use definition::{Definition, Kind};
use proc_macro::TokenStream;
use syn::DeriveInput;

/// Says for which type of components a Rust type stands, and how it is passed.
#[proc_macro_derive(ComponentType, attributes(component))]
pub fn component_type(input: TokenStream) -> TokenStream {
    derive(input, |definition| match &definition.kind {
        Kind::Record(fields) => record::component_type(definition, fields),
        Kind::Flags(fields) => flags::component_type(definition, fields),
        Kind::Variant(cases) => enumeration::component_type(definition, cases),
    })
}

/// Makes values of what a component passes.
#[proc_macro_derive(Lift, attributes(component))]
pub fn lift(input: TokenStream) -> TokenStream {
    derive(input, |definition| match &definition.kind {
        Kind::Record(fields) => record::lift(definition, fields),
        Kind::Flags(fields) => flags::lift(definition, fields),
        Kind::Variant(cases) => enumeration::lift(definition, cases),
    })
}

/// Passes values to a component.
#[proc_macro_derive(Lower, attributes(component))]
pub fn lower(input: TokenStream) -> TokenStream {
    derive(input, |definition| match &definition.kind {
        Kind::Record(fields) => record::lower(definition, fields),
        Kind::Flags(fields) => flags::lower(definition, fields),
        Kind::Variant(cases) => enumeration::lower(definition, cases),
    })
}

fn derive(input: TokenStream, expand: impl Fn(&Definition) -> proc_macro2::TokenStream) -> TokenStream {
    let definition = syn::parse::<DeriveInput>(input).and_then(Definition::new);
    definition.map_or_else(|error| error.into_compile_error(), |definition| expand(&definition)).into()
}
