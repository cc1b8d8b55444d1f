//! What is refused of a definition, and where what is derived looks for the face.

use super::*;
use crate::{enumeration, flags, record};

fn refused(definition: &str) -> String {
    let input = syn::parse_str(definition).expect("Rust");
    Definition::new(input).map_or_else(|error| error.to_string(), |_| panic!("accepted: {definition}"))
}

/// Refuses a definition with a message that has this part.
fn check(definition: &str, part: &str) {
    let message = refused(definition);
    assert!(message.contains(part), "`{part}` is not in: {message}");
}

#[test]
fn attributes_that_mean_nothing_are_refused() {
    check("#[component(flags)] enum E { A, B }", "`flags` is for structs");
    check("#[component(variant)] struct S { a: u8 }", "`variant` is for enums");
    check("#[component(name = \"s\")] struct S { a: u8 }", "`name` is for fields and cases");
    check("#[component(name = \"e\")] enum E { A }", "`name` is for fields and cases");
    check("struct S { #[component(flags)] a: bool }", "said of a type");
    check("enum E { #[component(variant)] A }", "said of a type");
    check("struct S { #[component(hatchery_crate = x)] a: bool }", "said of a type");
    check("#[component(record)] struct S { a: u8 }", "expected `flags`, `variant`");
    check("struct S { #[component(rename = \"b\")] a: u8 }", "expected `name");
    check("struct S { #[component(name = \"b\", name = \"c\")] a: u8 }", "another name");
}

#[test]
fn names_that_components_do_not_have_are_refused() {
    for name in ["Not A Name!", "", "snake_case", "-a", "a-", "a--b", "1st", "mixedCase", "größe"] {
        check(&format!("struct S {{ #[component(name = {name:?})] a: u8 }}"), &format!("no name `{name}`"));
        check(&format!("enum E {{ #[component(name = {name:?})] A }}"), &format!("no name `{name}`"));
    }
    check("struct S { größe: u8 }", "no name `größe`");
}

#[test]
fn names_that_are_there_twice_are_refused() {
    check("struct S { #[component(name = \"x\")] a: u8, #[component(name = \"x\")] b: u8 }", "another `x`");
    check("struct S { a: u8, #[component(name = \"A\")] b: u8 }", "another `A`");
    check("#[component(flags)] struct S { a: bool, #[component(name = \"a\")] b: bool }", "another `a`");
    check("enum E { HttpError, HTTPError(u8) }", "another `http-error`");
}

#[test]
fn the_face_is_only_where_the_type_says() {
    type Derive<'a> = (&'a str, fn(&Definition) -> Vec<TokenStream>);
    let kinds: [Derive<'_>; 3] = [
        ("struct S<T> { a: T, b: u8 }", |definition| {
            let Kind::Record(fields) = &definition.kind else { panic!("not a record") };
            vec![
                record::component_type(definition, fields),
                record::lift(definition, fields),
                record::lower(definition, fields),
            ]
        }),
        ("#[component(flags)] struct F { a: bool, b: bool }", |definition| {
            let Kind::Flags(fields) = &definition.kind else { panic!("no flags") };
            vec![
                flags::component_type(definition, fields),
                flags::lift(definition, fields),
                flags::lower(definition, fields),
            ]
        }),
        ("enum V<T> { A(T), B, C(u8) }", |definition| {
            let Kind::Variant(cases) = &definition.kind else { panic!("not a variant") };
            vec![
                enumeration::component_type(definition, cases),
                enumeration::lift(definition, cases),
                enumeration::lower(definition, cases),
            ]
        }),
    ];
    let written = |text: &str, derive: fn(&Definition) -> Vec<TokenStream>| {
        let definition = Definition::new(syn::parse_str(text).expect("Rust")).expect("is accepted");
        derive(&definition).iter().map(|tokens| tokens.to_string().replace(' ', "")).collect::<String>()
    };
    for (text, derive) in kinds {
        let plain = written(text, derive);
        let elsewhere = written(&format!("#[component(hatchery_crate = other::runtime)] {text}"), derive);
        assert!(plain.contains("::hatchery::component::"), "{plain}");
        assert_eq!(elsewhere, plain.replace("::hatchery::", "other::runtime::"));
        assert!(!elsewhere.contains("hatchery"), "{elsewhere}");
    }
}
