//! Modules in modules.

use super::docs::docs;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// A module, or the root of all.
#[derive(Default)]
pub(super) struct Module {
    docs: TokenStream,
    content: TokenStream,
    children: Vec<(Ident, Module)>,
}

impl Module {
    /// Puts something into the module at a path.
    pub(super) fn add(&mut self, path: &[Ident], docs: TokenStream, content: TokenStream) {
        let Some((first, rest)) = path.split_first() else {
            self.docs = docs;
            self.content.extend(content);
            return;
        };
        self.child(first).add(rest, docs, content);
    }

    fn child(&mut self, name: &Ident) -> &mut Module {
        let found = self.children.iter().position(|(child, _)| child == name);
        let at = found.unwrap_or_else(|| {
            let docs = docs(None, &format!("What is in `{name}`."));
            self.children.push((name.clone(), Module { docs, ..Module::default() }));
            self.children.len() - 1
        });
        &mut self.children[at].1
    }

    /// What is in it.
    pub(super) fn tokens(&self) -> TokenStream {
        let content = &self.content;
        let children = self.children.iter().map(|(name, child)| {
            let (docs, inner) = (&child.docs, child.tokens());
            quote! { #docs pub mod #name { #inner } }
        });
        quote! { #content #(#children)* }
    }
}
