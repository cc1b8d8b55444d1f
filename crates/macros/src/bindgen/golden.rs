//! What is written, laid out as a person would, compared with the record of it in `tests/golden`: one file for each call.
//!
//! After a deliberate change, run the tests with `HATCHERY_BLESS=1` and read the difference of the record before committing
//! it.

use super::expand;
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The crate's folder, which paths of files that were read start with.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// All calls, by the names of their records.
fn calls() -> Vec<(&'static str, TokenStream)> {
    vec![
        (
            // Files, a package that another uses, and something of everything.
            "kitchen",
            quote! {
                path: "../hatchery/tests/bindings/wit",
                world: "kitchen",
                async: ["clock"],
                trappable: ["test:kitchen/store", "log"],
                with: { "test:kitchen/store/bucket": super::Bucket },
            },
        ),
        ("calc-provider", quote! { "provider" in "../hatchery/tests/bindings/calc/calc.wit" }),
        (
            "calc-consumer",
            quote! { path: "../hatchery/tests/bindings/calc", world: "consumer", with: { "demo:calc/ops": super::ops } },
        ),
        (
            "properties",
            quote! {
                inline: "
                    package test:properties;
                    interface knobs {
                        resource knob { angle: get() -> f32; angle: set(value: f32) -> result; count: static get() -> u8; }
                    }
                    world properties {
                        import knobs;
                        export level: get() -> u32;
                        export level: set(value: u32);
                    }
                ",
            },
        ),
        (
            "versions",
            quote! {
                inline: "
                    package test:versions;
                    world versions { import test:a/b@0.1.0; import test:a/b@0.2.0; export test:a/b@0.2.0; }
                    package test:a@0.1.0 { interface b { record c { d: u8 } f: func(c: c); } }
                    package test:a@0.2.0 { interface b { record c { d: u16 } f: func(c: c); } }
                ",
                async: true,
            },
        ),
        (
            // Names that Rust has, or would have twice.
            "names",
            quote! {
                inline: "
                    package test:names;
                    interface %type {
                        enum %result { ok, err, %self }
                        resource guest { constructor(self: %result); %drop: func(); drop-async: func(%fn: option<u8>); }
                        foo: func(instance: string); foo-async: func();
                    }
                    world odd {
                        import %type;
                        export %type;
                        export new: func();
                        export prepare: interface { f: func(); }
                        enum odd-imports { one }
                    }
                ",
            },
        ),
    ]
}

fn folder() -> PathBuf {
    Path::new(HERE).join("tests/golden")
}

/// What a call writes, without the place of the project.
fn written(call: TokenStream) -> String {
    let tokens = expand(call).unwrap_or_else(|error| panic!("{error}"));
    let file = syn::parse_file(&tokens.to_string().replace(HERE, "<crate>")).expect("what is written is Rust");
    prettyplease::unparse(&file)
}

/// The names of all records that there are.
fn records() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of the record");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// The first line in which two texts differ, by its number.
fn difference(old: &str, new: &str) -> String {
    let (mut olds, mut news) = (old.lines(), new.lines());
    for number in 1.. {
        match (olds.next(), news.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let show = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return format!("line {number} was:\n  {}\nand is:\n  {}", show(old), show(new));
            }
        }
    }
    "the ends of lines differ".to_owned()
}

#[test]
fn what_is_written_is_what_the_record_has() {
    let bless = std::env::var_os("HATCHERY_BLESS").is_some();
    let (mut differences, mut rest) = (Vec::new(), records());
    for (name, call) in calls() {
        let (file, new) = (format!("{name}.rs"), written(call));
        rest.remove(&file);
        if bless {
            std::fs::write(folder().join(file), new).expect("the record can be written");
            continue;
        }
        let old = std::fs::read_to_string(folder().join(&file)).unwrap_or_default();
        if old != new {
            differences.push(format!("tests/golden/{file}: {}", difference(&old, &new)));
        }
    }
    differences.extend(rest.iter().map(|file| format!("tests/golden/{file}: there is no such call")));
    assert!(
        differences.is_empty(),
        "`bindgen!` writes something else than its record has.\n{}\nIf that is meant, run \
         `HATCHERY_BLESS=1 cargo test --lib golden` and read the difference before committing it.",
        differences.join("\n")
    );
}

#[test]
fn differences_are_shown_by_line() {
    assert_eq!(difference("a\nb\nc", "a\nx\nc"), "line 2 was:\n  b\nand is:\n  x");
    assert_eq!(difference("a", "a\nb"), "line 2 was:\n  (the end)\nand is:\n  b");
}
