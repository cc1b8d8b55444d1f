//! What the host does: traits, and their functions in a linker.

use super::super::model::{Function, Interface, Resource};
use super::docs::{docs, docs_with_errors, lints};
use super::paths::Here;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// What a function or a destructor returns instead of its result.
const TRAPS: &str = "An error ends the guest's call, and the instance is not used again.";

impl Here<'_> {
    /// The traits of an interface, if there is anything in them.
    pub(super) fn traits(self, interface: &Interface) -> TokenStream {
        if interface.is_passive() {
            return quote! {};
        }
        let text = format!("What the host does for `{}`.", interface.shown());
        let docs = docs(interface.docs.as_deref().filter(|_| interface.name.is_none()), &text);
        let (ident, send) = (&interface.ident, send(&interface.functions));
        let behaviours = interface.resources.iter().map(|resource| &resource.behaviour);
        let bounds = send.into_iter().chain(behaviours.map(|behaviour| quote! { #behaviour }));
        let methods = interface.functions.iter().map(|function| self.method(function));
        let resources = interface.resources.iter().map(|resource| self.resource_trait(resource));
        quote! {
            #(#resources)*
            #docs
            pub trait #ident: #(#bounds +)* { #(#methods)* }
        }
    }

    fn resource_trait(self, resource: &Resource) -> TokenStream {
        let (Resource { name, ident, behaviour, .. }, face) = (resource, self.face);
        let docs = docs(None, &format!("What the host does with the resource `{name}`."));
        let send = send(&resource.functions).into_iter();
        let methods = resource.functions.iter().map(|function| self.method(function));
        let text = format!("Gives up a `{name}` that the guest owned and dropped.");
        let drop_docs = docs_with_errors(None, &text, TRAPS);
        quote! {
            #docs
            pub trait #behaviour: #(#send +)* {
                #(#methods)*
                #drop_docs
                fn drop(
                    &mut self,
                    resource: #face::component::Resource<#ident>,
                ) -> ::core::result::Result<(), #face::Error>;
            }
        }
    }

    fn method(self, function: &Function) -> TokenStream {
        let (ident, text) = (&function.ident, format!("The function `{}`.", function.shown));
        let params = function.params.iter().map(|(name, ty)| {
            let ty = self.owned(ty);
            quote! { #name: #ty }
        });
        let face = self.face;
        let mut result = function.result.as_ref().map_or_else(|| quote! { () }, |ty| self.owned(ty));
        let mut documentation = docs(function.docs.as_deref(), &text);
        if function.trappable {
            documentation = docs_with_errors(function.docs.as_deref(), &text, TRAPS);
            result = quote! { ::core::result::Result<#result, #face::Error> };
        }
        if function.asynchronous {
            result = quote! { impl ::core::future::Future<Output = #result> + ::core::marker::Send };
        }
        let lints = lints(function);
        quote! { #documentation #lints fn #ident(&mut self, #(#params),*) -> #result; }
    }

    /// The function that adds an interface to a linker.
    pub(super) fn add_to_linker(self, interface: &Interface) -> TokenStream {
        let (true, Some(name)) = (!interface.is_passive(), &interface.name) else { return quote! {} };
        let (ident, body, face) = (&interface.ident, self.definitions(interface), self.face);
        let text = format!("Adds `{name}` to a linker; `get` finds what does it in the host data.");
        let docs = docs_with_errors(None, &text, "When the linker has some of it already.");
        quote! {
            #docs
            pub fn add_to_linker<T: 'static, H: #ident + 'static>(
                linker: &mut #face::component::Linker<T>,
                get: impl ::core::ops::Fn(&mut T) -> &mut H
                    + ::core::marker::Copy + ::core::marker::Send + ::core::marker::Sync + 'static,
            ) -> ::core::result::Result<(), #face::Error> {
                let mut interface = linker.instance(#name)?;
                #body
                ::core::result::Result::Ok(())
            }
        }
    }

    /// Statements that define everything in `interface`, by way of `get`.
    pub(super) fn definitions(self, interface: &Interface) -> TokenStream {
        let resources = interface.resources.iter().map(|resource| self.define_resource(resource));
        let functions = interface.functions.iter().map(|function| self.define(function, &interface.ident));
        quote! { #(#resources)* #(#functions)* }
    }

    fn define_resource(self, resource: &Resource) -> TokenStream {
        let Resource { name, ident, behaviour, .. } = resource;
        let functions = resource.functions.iter().map(|function| self.define(function, behaviour));
        quote! {
            interface.resource::<#ident>(#name, move |mut caller, resource| {
                #behaviour::drop(get(caller.data_mut()), resource)
            })?;
            #(#functions)*
        }
    }

    fn define(self, function: &Function, of: &Ident) -> TokenStream {
        let (name, ident) = (&function.name, &function.ident);
        let values: Vec<_> = (0..function.params.len()).map(|i| format_ident!("p{i}")).collect();
        let types = function.params.iter().map(|(_, ty)| self.owned(ty));
        let (params, types) = (quote! { (#(#values,)*) }, quote! { (#(#types,)*) });
        let wait = function.asynchronous.then(|| quote! { .await });
        let check = function.trappable.then(|| quote! { ? });
        let call = returned(&quote! { #of::#ident(host, #(#values),*) #wait #check }, function);
        if function.asynchronous {
            return quote! {
                interface.func_async(#name, move |caller, #params: #types| {
                    let host = get(caller.into_data_mut());
                    ::std::boxed::Box::pin(async move { #call })
                })?;
            };
        }
        quote! {
            interface.func(#name, move |mut caller, #params: #types| {
                let host = get(caller.data_mut());
                #call
            })?;
        }
    }
}

/// A call with its result as a linker wants it.
fn returned(call: &TokenStream, function: &Function) -> TokenStream {
    if function.result.is_some() {
        quote! { ::core::result::Result::Ok((#call,)) }
    } else {
        quote! { #call; ::core::result::Result::Ok(()) }
    }
}

/// What a trait with async functions needs, as their futures hold who implements it.
fn send(functions: &[Function]) -> Option<TokenStream> {
    functions.iter().any(|function| function.asynchronous).then(|| quote! { ::core::marker::Send })
}
