//! Derives for Rust types that stand for types of components, and bindings from WIT.
//!
//! This crate never knows a component: it turns a definition of a Rust type into implementations of the face's traits, and
//! a world of a WIT package into definitions of types, traits and functions. What it writes is safe and calls only what the
//! face shows. It uses no other crate of the workspace; the face re-exports it.
//!
//! | Rust | component |
//! |---|---|
//! | a struct with named fields | `record` |
//! | the same, all of them `bool`, with `#[component(flags)]` | `flags` |
//! | an enum without payloads | `enum`; `variant` with `#[component(variant)]` |
//! | an enum of which a case has a payload | `variant` |
//!
//! Names are the Rust names in kebab case: a field `link_count` is `link-count`, a case `NotFound` is `not-found`.
//! `#[component(name = "type")]` gives a field or a case another. Words are those that the crate `heck` finds, as in most of
//! what writes bindings: one ends at a `_`, before an upper-case letter that follows a lower-case one, and before the last of
//! several upper-case letters if a lower-case one follows it; digits belong to what is in front of them. An acronym is one
//! word so: `HTTPError` is `http-error`, `Utf8Text` is `utf8-text`, `IPv4` is `i-pv4`, and `Ipv4` is `ipv4`.
//!
//! What is derived starts all paths with `::hatchery`. Where the crate has another name, or is found in another crate, the
//! type says so: `#[component(hatchery_crate = other::hatchery)]`.

mod attributes;
mod bindgen;
mod definition;
mod enumeration;
mod face;
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

/// Writes bindings for a world of a WIT package: types, traits for what the host does, structs for what the component does.
///
/// ```ignore
/// bindgen!("world" in "path/to/wit");
///
/// bindgen!({
///     path: "path/to/wit",
///     world: "world",
///     async: ["example:host/store"],
///     with: { "example:host/store/bucket": Bucket },
/// });
/// ```
///
/// # Options
///
/// | option | is | without it |
/// |---|---|---|
/// | `path` | the file or folder of the package, from the folder of the crate's manifest; a folder may have one with the name `deps`, of packages that it uses | `"wit"`, unless there is `inline` |
/// | `inline` | the text of a package, which may use those at `path` | |
/// | `world` | the name of the world, with or without its package's: `"world"`, `"example:host/world@1.0.0"` | the package's only one |
/// | `async` | which imported functions are async in the host: `true`, or a list of names | `false` |
/// | `trappable` | which imported functions return a `Result` whose error ends the guest's call: `true`, or a list of names | `false` |
/// | `with` | Rust types that stand for resources of the host, and modules with the bindings of interfaces that are written elsewhere, by names | |
/// | `features` | a list of features: items that are `@unstable` with another are left out | none |
/// | `hatchery_crate` | the path of this runtime's crate, for a crate that gives it another name or finds it in another: a path that means the same in every module, `other::hatchery` or `crate::hatchery` | `::hatchery` |
///
/// Names of interfaces are as in `"example:host/store"`, with a version or without, and stand for all of their functions
/// in lists. A function is `"example:host/store#get"` or `"example:host/store#bucket.get"`, or `"get"` if the world itself
/// imports it; what gets a property and what sets it have one name, `"example:host/store#bucket.size"`, and one each as
/// the component has it, `"example:host/store#[method][set]bucket.size"`. A resource is `"example:host/store/bucket"`.
///
/// # What it writes
///
/// Where the macro is called, there is then:
///
/// - For each interface that the world imports, a module `example::host::store` with its types, a trait `Host` with
///   a method for each function, a trait `HostBucket` for each resource, and `add_to_linker`, which takes a linker and a
///   closure that finds who implements the traits in the host data. Types of interfaces whose packages occur in several
///   versions are in `example::host1_0_0`.
/// - For each interface that it exports, a module `exports::example::host::store` with its types, a struct `Guest`, and
///   a struct `GuestBucket` for each resource.
/// - A struct with the world's name. `new` finds all exported functions in a prepared component, and checks their types.
///   There is a method `call_run`, and `call_run_async` for hosts with async functions, for each function that
///   the world exports, and a method `example_host_store` for each interface, which gives its `Guest`.
///   `add_to_linker` adds all imports but the interfaces that `with` has modules for: those are added by `add_to_linker` of
///   their modules, and `async` and `trappable` are said where these are written. `prepare` is what `Linker::prepare` and
///   `new` do, and checks the types of imports and exports together: one message names all that do not fit.
/// - The types of the world, and a trait `WorldImports`, if that is its name, of what it imports without an interface.
///
/// Names are as is usual in Rust: what gets a property `size` is a method `size`, what sets it `set_size`. Keywords are
/// escaped: `type` is `r#type`, `self` is `self_`; a name that would be there twice has a `_` behind it.
///
/// Records, variants, enums and flags are structs and enums with what can be derived for them; a type that says why
/// functions fail is an `Error`. A resource of the host is `Resource<Bucket>`, where `Bucket` is the type of `with`, or one
/// without values; a resource of the component is a `ResourceAny`. Methods of the host get values, and those that call
/// a component take references where that saves a copy: `&str`, `&[T]`.
///
/// The package's documentation stands before what is written. Code in it is not tested, as it is no Rust.
///
/// The compiler looks at the files again when they change. It does not see that a folder has a new one.
///
/// # Errors
///
/// Where the package cannot be read, or has no such world, or that has what bindings do not support (`async`, `stream`,
/// `future`, `error-context`), an error of the compiler says so.
#[proc_macro]
pub fn bindgen(input: TokenStream) -> TokenStream {
    bindgen::expand(input.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

fn derive(input: TokenStream, expand: impl Fn(&Definition) -> proc_macro2::TokenStream) -> TokenStream {
    let definition = syn::parse::<DeriveInput>(input).and_then(Definition::new);
    definition.map_or_else(|error| error.into_compile_error(), |definition| expand(&definition)).into()
}
