//! What the component does: structs of handles, found once, with a method for each function.

use super::super::model::{Function, Interface, Resource, Type};
use super::super::names::{Names, snake};
use super::docs::{docs, docs_with_errors, lints};
use super::paths::Here;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

/// Why a struct cannot be made.
pub(super) const MISMATCH: &str = "When the component does not export all of it, or with other types; the message names \
                                   the functions and both types.";

/// Why a call fails.
const CALL: &str = "When the guest traps or a host function fails, and when the instance had that happen before: it is \
                    not used again.";

/// A field of a struct of handles, how it is made, how `exports` is asked for it, and the methods that it has.
pub(super) struct Member {
    pub(super) field: TokenStream,
    pub(super) check: TokenStream,
    pub(super) make: TokenStream,
    pub(super) methods: TokenStream,
}

impl Here<'_> {
    /// The structs of an interface that the component has.
    pub(super) fn guest(self, interface: &Interface) -> TokenStream {
        if interface.is_passive() {
            return quote! {};
        }
        let name = interface.name.as_deref();
        let functions = interface.functions.iter().map(|function| self.function(name, function));
        let mut names = Names::without(&["new", "check_exports"]);
        take_methods(&interface.functions, &mut names);
        let resources = interface.resources.iter().map(|resource| resource_member(resource, &mut names));
        let members: Vec<_> = functions.chain(resources).collect();
        let text =
            format!("The functions of `{}` of a component, found once for all of its instances.", interface.shown());
        let structs = interface.resources.iter().map(|resource| self.guest_resource(name, resource));
        let guest = self.handles(&interface.ident, &docs(None, &text), &members);
        quote! { #(#structs)* #guest }
    }

    fn guest_resource(self, interface: Option<&str>, resource: &Resource) -> TokenStream {
        let members = resource.functions.iter().map(|function| self.function(interface, function));
        let text = format!(
            "The functions of the resource `{}` of a component, found once for all of its instances.",
            resource.name
        );
        self.handles(&resource.behaviour, &docs(None, &text), &members.collect::<Vec<_>>())
    }

    /// The handle of a function.
    pub(super) fn function(self, interface: Option<&str>, function: &Function) -> Member {
        let (call, name) = (called(function), &function.name);
        let types: Vec<&Type> = function.params.iter().map(|(_, ty)| ty).collect();
        let (params, results) = (self.lent_forever(&types), self.results(function.result.as_ref()));
        let path = match interface {
            Some(interface) => quote! { (#interface, #name) },
            None => quote! { #name },
        };
        let face = self.face;
        Member {
            field: quote! { #call: #face::component::TypedFunc<#params, #results> },
            check: quote! { exports.func::<#params, #results>(#path); },
            make: quote! { #call: prepared.func(#path)? },
            methods: self.calls(function),
        }
    }

    /// The methods that call a function, one that waits and one that does not.
    fn calls(self, function: &Function) -> TokenStream {
        let call = called(function);
        let asynchronous = called_async(function);
        let text = format!("Calls the function `{}`.", function.shown);
        let documentation = docs_with_errors(function.docs.as_deref(), &text, CALL);
        let text = format!("As [`{}`](Self::{}), for hosts with async functions.", call, call);
        let asynchronous_docs = docs_with_errors(None, &text, CALL);
        let (names, types): (Vec<_>, Vec<_>) = function.params.iter().map(|(name, ty)| (name, self.lent(ty))).unzip();
        let result = function.result.as_ref().map_or_else(|| quote! { () }, |ty| self.owned(ty));
        let taken = function.result.as_ref().map_or_else(|| quote! { () }, |_| quote! { (result,) });
        let given = function.result.as_ref().map_or_else(|| quote! { () }, |_| quote! { result });
        let face = self.face;
        let head = quote! {
            <T: 'static>(
                &self,
                instance: &mut #face::component::Instance<T>,
                #(#names: #types),*
            ) -> ::core::result::Result<#result, #face::Error>
        };
        let lints = lints(function);
        quote! {
            #documentation
            #lints
            pub fn #call #head {
                let #taken = self.#call.call_lent(instance, (#(#names,)*))?;
                ::core::result::Result::Ok(#given)
            }

            #asynchronous_docs
            #lints
            pub async fn #asynchronous #head {
                let #taken = self.#call.call_lent_async(instance, (#(#names,)*)).await?;
                ::core::result::Result::Ok(#given)
            }
        }
    }

    /// A struct of handles.
    pub(super) fn handles(self, ident: &Ident, docs: &TokenStream, members: &[Member]) -> TokenStream {
        let face = self.face;
        let fields = members.iter().map(|member| &member.field);
        let makes = members.iter().map(|member| &member.make);
        let checks = members.iter().map(|member| &member.check);
        let methods = members.iter().map(|member| &member.methods);
        let new_docs = docs_with_errors(None, "Finds the functions in a component.", MISMATCH);
        quote! {
            #docs
            #[derive(::core::fmt::Debug, ::core::clone::Clone)]
            pub struct #ident { #(#fields,)* }

            impl #ident {
                #new_docs
                pub fn new<T: 'static>(
                    prepared: &#face::component::Prepared<T>,
                ) -> ::core::result::Result<#ident, #face::Error> {
                    #face::component::macros::find(prepared, Self::check_exports, || {
                        ::core::result::Result::Ok(#ident { #(#makes,)* })
                    })
                }

                /// Asks for all functions, so that a message can name those that are missing or have other types.
                #[doc(hidden)]
                pub fn check_exports(exports: &mut #face::component::macros::ExportCheck<'_>) {
                    let _ = &exports;
                    #(#checks)*
                }

                #(#methods)*
            }
        }
    }
}

/// The method that calls a function.
fn called(function: &Function) -> Ident {
    format_ident!("call_{}", function.ident)
}

/// The method that calls it and waits.
fn called_async(function: &Function) -> Ident {
    format_ident!("{}_async", called(function))
}

/// Takes the names of the methods that call functions.
pub(super) fn take_methods(functions: &[Function], names: &mut Names) {
    for function in functions {
        names.take(&called(function).to_string());
        names.take(&called_async(function).to_string());
    }
}

fn resource_member(resource: &Resource, names: &mut Names) -> Member {
    let (name, behaviour) = (names.take(&snake(&resource.name)), &resource.behaviour);
    let docs = docs(resource.docs.as_deref(), &format!("The functions of the resource `{}`.", resource.name));
    Member {
        field: quote! { #name: #behaviour },
        check: quote! { #behaviour::check_exports(exports); },
        make: quote! { #name: #behaviour::new(prepared)? },
        methods: quote! { #docs pub fn #name(&self) -> &#behaviour { &self.#name } },
    }
}
