//! What stands before items: documentation of a package as documentation of Rust, and what linters are told.

use super::super::model::Function;
use super::markdown::plain;
use proc_macro2::TokenStream;
use quote::quote;

/// A package's text, or what is said where it has none.
pub(super) fn docs(text: Option<&str>, otherwise: &str) -> TokenStream {
    text.map_or_else(|| lines(otherwise), package_lines)
}

/// The same, with a section on errors of calls.
pub(super) fn docs_with_errors(text: Option<&str>, otherwise: &str, errors: &str) -> TokenStream {
    let (text, errors) = (docs(text, otherwise), lines(&format!("\n# Errors\n\n{errors}")));
    quote! { #text #errors }
}

/// Most parameters of a WIT function of which no lint complains, with those that methods have besides.
const MOST_PARAMETERS: usize = 5;

/// What a method says to linters.
pub(super) fn lints(function: &Function) -> Option<TokenStream> {
    (function.params.len() > MOST_PARAMETERS).then(|| {
        quote! { #[allow(clippy::too_many_arguments, reason = "the package has as many")] }
    })
}

/// Lines of ours, in which no code is.
fn lines(text: &str) -> TokenStream {
    let lines = spaced(text);
    quote! { #(#[doc = #lines])* }
}

/// Lines of a package. They are not there when documentation is tested: whatever Markdown takes for code is no program.
fn package_lines(text: &str) -> TokenStream {
    let text = plain(text);
    let lines = spaced(&text);
    quote! { #(#[cfg_attr(not(doctest), doc = #lines)])* }
}

fn spaced(text: &str) -> impl Iterator<Item = String> {
    text.trim_end().lines().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is more that Markdown takes for code than is looked for, so nothing of a package may be there for tests.
    #[test]
    fn no_text_of_a_package_is_tested() {
        let written = docs_with_errors(Some("a\n\n* -     code"), "", "ours");
        let item: syn::ItemMod = syn::parse_quote! { #written mod m {} };
        let is_tested = |attribute: &&syn::Attribute| attribute.path().is_ident("doc");
        let ours: Vec<_> = item.attrs.iter().filter(is_tested).map(|line| quote! { #line }.to_string()).collect();
        assert_eq!(ours.len(), 4);
        assert!(ours.iter().all(|line| !line.contains("code")), "{ours:?}");
        let hidden = quote! { #[cfg_attr(not(doctest), doc = " * -     code")] }.to_string();
        assert!(written.to_string().contains(&hidden), "{written}");
    }
}
