//! Names of components as names of Rust, each of them once in a scope.

use proc_macro2::{Ident, Span};
use std::collections::HashSet;

/// Words that no identifier can be, not even a raw one.
const NEVER: [&str; 5] = ["self", "Self", "super", "crate", "_"];

/// Keywords that `syn` takes for identifiers.
const NEW_KEYWORDS: [&str; 1] = ["gen"];

/// `link-count` as `link_count`.
pub(super) fn snake(name: &str) -> String {
    name.split('-').map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// `link-count` as `LinkCount`.
pub(super) fn camel(name: &str) -> String {
    name.split('-').map(capitalized).collect()
}

fn capitalized(word: &str) -> String {
    let word = word.to_lowercase();
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// An identifier with this name: a raw one, or one with a `_` behind it, where the name is a keyword.
pub(super) fn ident(name: &str) -> Ident {
    let name = possible(name);
    if NEW_KEYWORDS.contains(&name.as_str()) || syn::parse_str::<Ident>(&name).is_err() {
        return Ident::new_raw(&name, Span::call_site());
    }
    Ident::new(&name, Span::call_site())
}

fn possible(name: &str) -> String {
    if NEVER.contains(&name) { format!("{name}_") } else { name.to_owned() }
}

/// The names of a scope.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// A scope in which these are taken.
    pub(super) fn without(taken: &[&str]) -> Names {
        Names { taken: taken.iter().map(|&name| name.to_owned()).collect() }
    }

    /// An identifier with this name, or with as many `_` behind it as it needs to be another than the others.
    pub(super) fn take(&mut self, name: &str) -> Ident {
        let mut name = possible(name);
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        ident(&name)
    }

    /// As [`take`](Names::take), and takes the name with `_async` behind it, too.
    pub(super) fn take_pair(&mut self, name: &str) -> Ident {
        let mut name = possible(name);
        while self.taken.contains(&name) || self.taken.contains(&format!("{name}_async")) {
            name.push('_');
        }
        self.taken.insert(format!("{name}_async"));
        self.take(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_as_rust_joins_them() {
        let check = |name, expected_snake: &str, expected_camel: &str| {
            assert_eq!((snake(name).as_str(), camel(name).as_str()), (expected_snake, expected_camel));
        };
        check("size", "size", "Size");
        check("link-count", "link_count", "LinkCount");
        check("HTTP-error", "http_error", "HttpError");
        check("utf8-text-2", "utf8_text_2", "Utf8Text2");
    }

    #[test]
    fn keywords_are_escaped() {
        let check = |name, expected| assert_eq!(ident(name).to_string(), expected);
        check("type", "r#type");
        check("gen", "r#gen");
        check("self", "self_");
        check("Self", "Self_");
        check("union", "union");
    }

    #[test]
    fn names_are_taken_once() {
        let mut names = Names::without(&["drop"]);
        let taken: Vec<_> = ["drop", "self", "a", "a", "type"].map(|name| names.take(name).to_string()).into();
        assert_eq!(taken, ["drop_", "self_", "a", "a_", "r#type"]);
    }

    #[test]
    fn pairs_leave_room_for_each_other() {
        let mut names = Names::default();
        let taken: Vec<_> = ["go-async", "go", "a", "a-async"].map(|n| names.take_pair(&snake(n)).to_string()).into();
        assert_eq!(taken, ["go_async", "go_", "a", "a_async_"]);
    }
}
