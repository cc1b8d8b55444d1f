//! From a world as plain data to Rust.
//!
//! Everything that is not part of the bindings is written with its whole path, as a package may call a type of its own
//! `option` or `string`.

mod docs;
mod exports;
mod imports;
mod markdown;
mod modules;
mod paths;
mod prepare;
mod types;

use super::model::{Interface, Substitute, World};
use super::names::{Names, snake};
use crate::face::Face;
use docs::{docs, docs_with_errors};
use exports::{Member, take_methods};
use modules::Module;
use paths::Here;
use prepare::prepare;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::path::PathBuf;

/// The bindings of a world, made of these files.
pub(super) fn emit(world: &World, files: &[PathBuf], face: &Face) -> TokenStream {
    let (mut root, top) = (Module::default(), Here::top(face));
    root.add(&[], TokenStream::new(), in_root(top, world, files));
    for interface in &world.imports {
        let here = top.within(&interface.module);
        let (types, traits, add) = (types(here, interface), here.traits(interface), here.add_to_linker(interface));
        root.add(&interface.module, interface_docs(interface), quote! { #types #traits #add });
    }
    for interface in &world.exports {
        let here = top.within(&interface.module);
        let (types, guest) = (types(here, interface), here.guest(interface));
        root.add(&interface.module, interface_docs(interface), quote! { #types #guest });
    }
    root.tokens()
}

fn interface_docs(interface: &Interface) -> TokenStream {
    docs(interface.docs.as_deref(), &format!("The interface `{}`.", interface.shown()))
}

fn types(here: Here<'_>, interface: &Interface) -> TokenStream {
    let types = interface.types.iter().map(|def| here.definition(def));
    quote! { #(#types)* }
}

/// What is in no module: the world and what it has without an interface.
fn in_root(top: Here<'_>, world: &World, files: &[PathBuf]) -> TokenStream {
    let substitutes = world.substitutes.iter().map(substitute);
    // The compiler looks at what is included when it decides what to build again.
    let files = files.iter().map(|file| file.to_string_lossy().into_owned());
    let (types, traits) = (types(top, &world.root), top.traits(&world.root));
    let (main, prepare, link) = (main(top, world), prepare(world, top.face), link(top, world));
    quote! {
        #(const _: &[u8] = ::core::include_bytes!(#files);)*
        #(#substitutes)*
        #types
        #traits
        #main
        #prepare
        #link
    }
}

/// A name of ours for what the caller has.
fn substitute(Substitute { ident, path, is_module }: &Substitute) -> TokenStream {
    if *is_module {
        return quote! {
            #[allow(unused_imports, reason = "not every interface has types")]
            use #path as #ident;
        };
    }
    quote! { type #ident = #path; }
}

/// The struct of what the world exports.
fn main(top: Here<'_>, world: &World) -> TokenStream {
    let text =
        format!("The functions of a component for the world `{}`, found once for all of its instances.", world.name);
    let mut names = Names::without(&["new", "check_exports", "prepare", "prepare_with", "add_to_linker"]);
    take_methods(&world.functions, &mut names);
    let functions = world.functions.iter().map(|function| top.function(None, function));
    let interfaces = world.exports.iter().filter(|interface| !interface.is_passive());
    let interfaces = interfaces.map(|interface| interface_member(interface, &mut names));
    let members: Vec<Member> = functions.chain(interfaces).collect();
    top.handles(&world.ident, &docs(world.docs.as_deref(), &text), &members)
}

fn interface_member(interface: &Interface, names: &mut Names) -> Member {
    let name = names.take(&accessor(&interface.module[1..]));
    let (module, ident) = (&interface.module, &interface.ident);
    let path = quote! { self::#(#module::)*#ident };
    let docs = docs(None, &format!("The functions of `{}`.", interface.shown()));
    Member {
        field: quote! { #name: #path },
        check: quote! { #path::check_exports(exports); },
        make: quote! { #name: #path::new(prepared)? },
        methods: quote! { #docs pub fn #name(&self) -> &#path { &self.#name } },
    }
}

/// A method with the names of modules.
fn accessor(module: &[Ident]) -> String {
    let names: Vec<_> = module.iter().map(|name| snake(name.to_string().trim_start_matches("r#"))).collect();
    names.join("_")
}

/// The function that adds all that a world imports to a linker.
fn link(top: Here<'_>, world: &World) -> TokenStream {
    let (ident, root, face) = (&world.ident, &world.root.ident, top.face);
    let interfaces: Vec<_> = world.imports.iter().filter(|interface| !interface.is_passive()).collect();
    let own = !world.root.is_passive();
    if interfaces.is_empty() && !own {
        return quote! {};
    }
    let modules: Vec<_> = interfaces.iter().map(|interface| &interface.module).collect();
    let traits = modules.iter().zip(&interfaces).map(|(module, interface)| {
        let ident = &interface.ident;
        quote! { self::#(#module::)*#ident }
    });
    let bounds = own.then(|| quote! { #root }).into_iter().chain(traits);
    let definitions = own.then(|| top.definitions(&world.root)).map(|definitions| {
        quote! { let mut interface = linker.root(); #definitions }
    });
    let mut text = format!(
        "Adds everything that the world `{}` imports to a linker; `get` finds what does it in the host data.",
        world.name
    );
    if !world.elsewhere.is_empty() {
        let names: Vec<_> = world.elsewhere.iter().map(|name| format!("`{name}`")).collect();
        text += "\n\nIt leaves out interfaces whose bindings are written elsewhere, and are added by those: ";
        text += &names.join(", ");
        text.push('.');
    }
    let docs = docs_with_errors(None, &text, "When the linker has some of it already.");
    quote! {
        impl #ident {
            #docs
            pub fn add_to_linker<T: 'static, H: #(#bounds +)* 'static>(
                linker: &mut #face::component::Linker<T>,
                get: impl ::core::ops::Fn(&mut T) -> &mut H
                    + ::core::marker::Copy + ::core::marker::Send + ::core::marker::Sync + 'static,
            ) -> ::core::result::Result<(), #face::Error> {
                #definitions
                #(self::#(#modules::)*add_to_linker(linker, get)?;)*
                ::core::result::Result::Ok(())
            }
        }
    }
}
