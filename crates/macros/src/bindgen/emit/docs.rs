//! What stands before items: documentation of a package as documentation of Rust, and what linters are told.

use super::super::model::Function;
use proc_macro2::TokenStream;
use quote::quote;

/// A package's text, or what is said where it has none.
pub(super) fn docs(text: Option<&str>, otherwise: &str) -> TokenStream {
    lines(&text.map_or_else(|| otherwise.to_owned(), harmless))
}

/// The same, with a section on errors of calls.
pub(super) fn docs_with_errors(text: Option<&str>, otherwise: &str, errors: &str) -> TokenStream {
    let text = text.map_or_else(|| otherwise.to_owned(), harmless);
    lines(&format!("{}\n\n# Errors\n\n{errors}", text.trim_end()))
}

/// Most parameters of a WIT function of which no lint complains, with those that methods have besides.
const MOST_PARAMETERS: usize = 5;

/// What a method says to linters.
pub(super) fn lints(function: &Function) -> Option<TokenStream> {
    (function.params.len() > MOST_PARAMETERS).then(|| {
        quote! { #[allow(clippy::too_many_arguments, reason = "the package has as many")] }
    })
}

fn lines(text: &str) -> TokenStream {
    let lines = text.trim_end().lines().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote! { #(#[doc = #lines])* }
}

/// A text of which nothing is taken for a program to be tested: code blocks are plain text.
fn harmless(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().map(|line| {
        let start = line.trim_start();
        let fence = ["```", "~~~"].into_iter().find(|fence| start.starts_with(fence));
        if let Some(fence) = fence {
            fenced = !fenced;
            return if fenced { format!("{fence}text") } else { fence.to_owned() };
        }
        // What is indented by four would be code.
        if fenced || line.len() - start.len() < 4 { line.to_owned() } else { format!("   {start}") }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_text() {
        assert_eq!(harmless("a\n```wit\n    code\n```\n    b\n- c"), "a\n```text\n    code\n```\n   b\n- c");
    }
}
