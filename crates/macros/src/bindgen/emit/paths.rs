//! Types as they are written in a module.

use super::super::ability::Ability;
use super::super::model::{Type, TypePath};
use crate::face::Face;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// A module that code is written in.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    module: &'a [Ident],
    /// Where the face is, seen from all modules.
    pub(super) face: &'a Face,
}

/// How values are passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passing {
    Owned,
    /// By reference where that saves a copy.
    Lent,
    /// The same, for as long as one likes.
    LentForever,
}

impl<'a> Here<'a> {
    /// The root of all modules.
    pub(super) fn top(face: &'a Face) -> Here<'a> {
        Here { module: &[], face }
    }

    /// The module of an interface.
    pub(super) fn within(self, module: &'a [Ident]) -> Here<'a> {
        Here { module, ..self }
    }

    /// The path of a type.
    pub(super) fn path(self, path: &TypePath) -> TokenStream {
        let ident = &path.ident;
        if path.module == self.module {
            return quote! { #ident };
        }
        let (root, module) = (self.root(), &path.module);
        quote! { #root #(#module::)* #ident }
    }

    /// The start of a path from the root of what is generated.
    pub(super) fn root(self) -> TokenStream {
        if self.module.is_empty() {
            return quote! { self:: };
        }
        let up = self.module.iter().map(|_| quote! { super:: });
        quote! { #(#up)* }
    }

    /// A type as one gets it.
    pub(super) fn owned(self, ty: &Type) -> TokenStream {
        self.ty(ty, Passing::Owned)
    }

    /// A type as one passes it.
    pub(super) fn lent(self, ty: &Type) -> TokenStream {
        self.ty(ty, Passing::Lent)
    }

    /// The tuple of parameters as handles of functions have it.
    pub(super) fn lent_forever(self, types: &[&Type]) -> TokenStream {
        let types = types.iter().map(|ty| self.ty(ty, Passing::LentForever));
        quote! { (#(#types,)*) }
    }

    /// The tuple of results.
    pub(super) fn results(self, result: Option<&Type>) -> TokenStream {
        let result = result.map(|ty| self.owned(ty)).into_iter();
        quote! { (#(#result,)*) }
    }

    fn ty(self, ty: &Type, passing: Passing) -> TokenStream {
        let inner = |ty: &Type| self.ty(ty, passing);
        let face = self.face;
        let unit = |ty: &Option<Box<Type>>| ty.as_ref().map_or_else(|| quote! { () }, |ty| inner(ty));
        match ty {
            Type::Scalar(name) => {
                let name = Ident::new(name, proc_macro2::Span::call_site());
                quote! { #name }
            }
            Type::Option(some) => {
                let some = inner(some);
                quote! { ::core::option::Option<#some> }
            }
            Type::Result(ok, err) => {
                let (ok, err) = (unit(ok), unit(err));
                quote! { ::core::result::Result<#ok, #err> }
            }
            Type::Tuple(types) => {
                let types = types.iter().map(inner);
                quote! { (#(#types,)*) }
            }
            Type::HostResource(path) => {
                let path = self.path(path);
                quote! { #face::component::Resource<#path> }
            }
            Type::GuestResource => quote! { #face::component::ResourceAny },
            _ => self.contents(ty, passing),
        }
    }

    /// What is passed by reference, or has a name.
    fn contents(self, ty: &Type, passing: Passing) -> TokenStream {
        let reference = match passing {
            Passing::Owned => return self.owned_contents(ty),
            Passing::Lent => quote! { & },
            Passing::LentForever => quote! { &'static },
        };
        match ty {
            Type::String => quote! { #reference str },
            Type::List(element) => {
                let element = self.owned(element);
                quote! { #reference [#element] }
            }
            // What is copied has its own name, and not that of each of its parts.
            Type::Named { alias: Some(alias), ability, .. } if !ability.copy => self.ty(alias, passing),
            _ if Ability::of(ty).copy => self.owned(ty),
            _ => {
                let ty = self.owned(ty);
                quote! { #reference #ty }
            }
        }
    }

    fn owned_contents(self, ty: &Type) -> TokenStream {
        match ty {
            Type::String => quote! { ::std::string::String },
            Type::List(element) => {
                let element = self.owned(element);
                quote! { ::std::vec::Vec<#element> }
            }
            Type::Array(element, count) => {
                let (element, count) = (self.owned(element), *count as usize);
                quote! { [#element; #count] }
            }
            Type::Map(key, value) => {
                let (key, value) = (self.owned(key), self.owned(value));
                quote! { ::std::collections::HashMap<#key, #value> }
            }
            Type::Named { path, .. } => self.path(path),
            // The others are written elsewhere.
            other => self.ty(other, Passing::Owned),
        }
    }
}
