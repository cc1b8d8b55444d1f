//! The path of the face, which everything that is written starts with.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Path, Result};

/// The path of the face's crate.
#[derive(Clone, Default)]
pub(crate) struct Face {
    /// The caller's. Without one, the crate has its own name where the macro is called.
    path: Option<Path>,
}

impl Face {
    /// The attribute that says the same to a derive.
    pub(crate) fn attribute(&self) -> Option<TokenStream> {
        self.path.as_ref().map(|path| quote! { #[component(hatchery_crate = #path)] })
    }

    /// Whether it means another thing in another module, as far as one sees that.
    pub(crate) fn is_relative(&self) -> bool {
        let first = self.path.as_ref().and_then(|path| path.segments.first());
        first.is_some_and(|first| first.ident == "self" || first.ident == "super")
    }
}

impl Parse for Face {
    fn parse(input: ParseStream<'_>) -> Result<Face> {
        Ok(Face { path: Some(Path::parse_mod_style(input)?) })
    }
}

impl ToTokens for Face {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.path {
            Some(path) => path.to_tokens(tokens),
            None => tokens.extend(quote! { ::hatchery }),
        }
    }
}
