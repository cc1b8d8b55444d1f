//! What is refused, with one sentence at one place; what is written, in short.

use super::expand;
use proc_macro2::TokenStream;
use quote::quote;

/// The message of the only error.
fn refused(call: TokenStream) -> String {
    let text = call.to_string();
    let Err(error) = expand(call) else { panic!("accepted: {text}") };
    let messages: Vec<_> = error.into_iter().map(|error| error.to_string()).collect();
    let [message] = &messages[..] else { panic!("several errors for {text}: {messages:#?}") };
    message.clone()
}

/// Refuses a call with a message that has all of these parts.
fn check(call: TokenStream, parts: &[&str]) {
    let message = refused(call);
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// Refuses a world with these items.
fn check_world(items: &str, parts: &[&str]) {
    let text = format!("package a:b@1.0.0;\nworld w {{\n{items}\n}}");
    check(quote! { inline: #text }, parts);
}

#[test]
fn options_are_checked() {
    check(quote! { path: "wit", paths: "x" }, &["there is no option `paths`", "`trappable`"]);
    check(quote! { { path: "wit", path: "x" } }, &["the option `path` is given twice"]);
    check(quote! { async: 1 }, &["expected `true`, `false` or a list of names"]);
    check(quote! { "world" at "wit" }, &["unexpected token"]);
    check(quote! { path "wit" }, &["expected `:`"]);
    check(quote! { hatchery_crate: super::hatchery }, &["`hatchery_crate`", "the same in every module"]);
}

#[test]
fn packages_must_be_there() {
    check(quote! { "w" in "not-there" }, &["there is no file or folder", "not-there"]);
    check(quote! {}, &["there is no file or folder", "wit"]);
}

#[test]
fn mistakes_in_packages_are_shown_with_their_lines() {
    check(quote! { inline: "package a:b;\nworld w { export f: fun(); }" }, &["cannot be used", "inline.wit:2:"]);
    check_world("import f: func(a: missing);", &["cannot be used", "missing", "inline.wit:3:"]);
}

#[test]
fn worlds_must_be_there() {
    let text = "package a:b@1.0.0; world one {} world two {}";
    check(quote! { inline: #text, world: "three" }, &["there is no world `three`", "`a:b@1.0.0` has: `one`, `two`"]);
    check(quote! { inline: #text }, &["a world must be chosen", "`one`, `two`"]);
    check(quote! { inline: "package a:b;" }, &["a world must be chosen", "has: none"]);
}

#[test]
fn worlds_of_other_packages_that_cannot_be_found_have_a_cause() {
    let text = "
        package main:p;
        package dep:d@1.0.0 { world w {} }
        package dep:d@2.0.0 { world w {} }";
    check(quote! { inline: #text, world: "dep:d/w" }, &["`dep:d/w` cannot be found", "1.0.0 and 2.0.0"]);
    check(quote! { inline: #text, world: "dep:d/v@1.0.0" }, &["`dep:d/v@1.0.0`", "`v` not found", "`dep:d@1.0.0`"]);
    check(quote! { inline: #text, world: "no:such/w" }, &["`no:such/w`", "unknown package"]);
    check(quote! { inline: #text, world: "not a name" }, &["`not a name`", "failed to parse"]);
    check(quote! { inline: #text, world: "w" }, &["there is no world `w`; the package `main:p` has: none"]);
}

#[test]
fn what_is_not_supported_is_named_with_its_place() {
    check_world("import f: func(a: stream<u8>);", &["`stream`", "the function `f` at inline.wit:3:"]);
    check_world("import f: func() -> future<u8>;", &["`future`", "`f` at inline.wit:3:"]);
    check_world("export f: func() -> error-context;", &["`error-context`", "`f` at inline.wit:3:"]);
    check_world("import f: async func();", &["`async`", "`f` at inline.wit:3:"]);
    check_world("record r { a: option<stream> }", &["`stream`", "the type `r` at inline.wit:3:"]);
    check_world(
        "export i: interface { resource s { f: async func(); } }",
        &["`async`", "the function `s.f` at inline.wit:3:"],
    );
}

#[test]
fn what_is_too_large_is_named_with_its_place() {
    let many = |count: usize, item: fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    check_world(&format!("import f: func({});", many(17, |i| format!("p{i}: u8"))), &["17 parameters", "`f` at"]);
    check_world(&format!("type t = tuple<{}>;", many(17, |_| "u8".into())), &["17 types in a tuple", "`t` at"]);
    check_world(&format!("flags f {{ {} }}", many(33, |i| format!("x{i}"))), &["more than 32 flags", "inline.wit:3:"]);
    check_world("record r {}", &["empty record", "inline.wit:3:"]);
}

#[test]
fn names_in_options_mean_something() {
    let text = "package a:b; world w { import i: interface { resource r; f: func(); } export g: func(); }";
    check(quote! { inline: #text, async: ["g"] }, &["the world imports no function `g`"]);
    check(quote! { inline: #text, trappable: ["i#g"] }, &["the world imports no function `i#g`"]);
    check(quote! { inline: #text, with: { "i/s": S } }, &["no interface or resource `i/s`"]);
    check(quote! { inline: #text, with: { "j": j } }, &["no interface or resource `j`"]);
    let accepted = quote! { inline: #text, async: ["i#f"], trappable: ["i"], with: { "i/r": R } };
    assert!(expand(accepted).is_ok());
}

#[test]
fn interfaces_with_bindings_elsewhere_are_named() {
    let text = "
        package a:b@1.0.0;
        interface i { f: func(); }
        interface types { type t = u8; }
        interface j { g: func(); }
        world w { import i; import types; import j; }";
    let with = quote! { with: { "a:b/i": super::i, "a:b/types": super::types } };
    let written = expand(quote! { inline: #text, #with }).expect("accepted").to_string();
    assert!(written.contains("are added by those: `a:b/i@1.0.0`."), "{written}");
    for name in ["a:b/i", "a:b/i@1.0.0", "a:b/i#f"] {
        check(quote! { inline: #text, #with, async: [#name] }, &["`with` has a module for `a:b/i@1.0.0`", name]);
        check(quote! { inline: #text, #with, trappable: [#name] }, &["`with` has a module for `a:b/i@1.0.0`", name]);
    }
    check(quote! { inline: #text, #with, async: ["a:b/types"] }, &["imports no function `a:b/types`"]);
    let all = expand(quote! { inline: #text }).expect("accepted").to_string();
    assert!(!all.contains("elsewhere"), "{all}");
}

/// A type may name two others, each of them two more, and so on: there are as many steps as there are types.
#[test]
fn types_that_name_others_twice_take_no_time() {
    let deep = |first: &str, next: fn(usize) -> String| {
        let types: String = (1..40).map(next).collect();
        format!(
            "package a:b; interface i {{ {first} {types} f: func(a: t39) -> t39; }} world w {{ import i; export i; }}"
        )
    };
    let texts = [
        deep("type t0 = u8;", |n| format!("type t{n} = option<t{}>;", n - 1)),
        deep("type t0 = string;", |n| format!("type t{n} = option<t{}>;", n - 1)),
        deep("type t0 = u8;", |n| format!("type t{n} = tuple<t{0}, t{0}>;", n - 1)),
        deep("type t0 = string;", |n| format!("type t{n} = result<list<t{0}>, list<t{0}>>;", n - 1)),
        deep("record t0 { a: string }", |n| format!("record t{n} {{ a: t{0}, b: option<t{0}> }}", n - 1)),
        deep("variant t0 { a }", |n| format!("variant t{n} {{ a(t{0}), b(t{0}) }}", n - 1)),
    ];
    let count = texts.len();
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for text in texts {
            done.send(expand(quote! { inline: #text }).map(drop).map_err(|e| e.to_string())).expect("is waited for");
        }
    });
    for _ in 0..count {
        let result = wait.recv_timeout(std::time::Duration::from_secs(60)).expect("takes no time");
        assert_eq!(result, Ok(()));
    }
}

/// The world has the name of what it imports, also where it exports an interface with the same types.
#[test]
fn functions_of_a_world_have_the_types_that_it_names() {
    let text = "
        package a:b;
        interface types { resource r; record rec { r: r } }
        world w {
            export types;
            use types.{r, rec};
            use types.{r as again};
            type many = list<r>;
            export f: func(x: r, y: rec) -> r;
            export g: func(x: list<r>, y: many) -> tuple<again, option<many>>;
            export h: func(x: borrow<again>);
        }";
    let written = expand(quote! { inline: #text }).expect("accepted").to_string();
    // What the component exports has a record and a name for the resource.
    assert_eq!(written.matches("ResourceAny").count(), 2, "{written}");
}

#[test]
fn worlds_with_the_names_of_type_parameters_have_others() {
    for (world, ident) in [("t", "T_"), ("h", "H_"), ("self", "Self_")] {
        let text = format!("package a:b; world %{world} {{ import i: func(); export f: func() -> u32; }}");
        let written = expand(quote! { inline: #text }).expect("accepted").to_string();
        assert!(written.contains(&format!("pub struct {ident} {{")), "{written}");
        assert!(written.contains(&format!("pub trait {}Imports", ident.trim_end_matches('_'))), "{written}");
    }
}

#[test]
fn the_face_is_only_where_the_call_says() {
    let call = quote! {
        path: "../hatchery/tests/bindings/wit",
        async: ["clock"],
        trappable: ["test:kitchen/store", "log"],
    };
    let plain = expand(call.clone()).expect("accepted").to_string();
    let elsewhere = expand(quote! { #call hatchery_crate: crate::runtime }).expect("accepted").to_string();
    let attribute = quote! { #[component(hatchery_crate = crate::runtime)] }.to_string();
    assert!(elsewhere.contains(&attribute), "{elsewhere}");
    let face = quote! { ::hatchery:: }.to_string();
    let named = elsewhere.replace(&attribute, "").replace(&quote! { crate::runtime:: }.to_string(), &face);
    let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(without_blanks(&named), without_blanks(&plain));
}

#[test]
fn features_are_there_when_they_are_asked_for() {
    let text = "package a:b@1.0.0; world w { @unstable(feature = new) import f: func(); }";
    let has_trait = |call| expand(call).expect("accepted").to_string().contains("WImports");
    assert!(!has_trait(quote! { inline: #text }));
    assert!(has_trait(quote! { inline: #text, features: ["new"] }));
}

#[test]
fn all_files_that_were_read_are_looked_at_again() {
    let written = expand(quote! { "kitchen" in "../hatchery/tests/bindings/wit" }).expect("accepted").to_string();
    for file in ["/wit/kitchen.wit\"", "/wit/deps/units.wit\""] {
        assert_eq!(written.matches(file).count(), 1, "{file}");
    }
}

#[test]
fn no_accessor_has_the_name_of_a_method() {
    let text = "
        package a:b;
        interface i { resource call-go-async { constructor(); } resource call-go { constructor(); } go: func(); }
        world w { export call-go-async: interface { f: func(); } export go: func(); export i; }";
    let file: syn::File = syn::parse2(expand(quote! { inline: #text }).expect("accepted")).expect("Rust");
    let mut methods = Methods::default();
    syn::visit::visit_file(&mut methods, &file);
    assert_eq!(methods.twice, Vec::<String>::new());
    assert!(methods.most >= 6, "{}", methods.most);
}

/// Methods of one implementation with the same name, and how many methods one has at most.
#[derive(Default)]
struct Methods {
    twice: Vec<String>,
    most: usize,
}

impl<'ast> syn::visit::Visit<'ast> for Methods {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let mut seen = std::collections::HashSet::new();
        for method in &item.items {
            if let syn::ImplItem::Fn(method) = method
                && !seen.insert(method.sig.ident.to_string())
            {
                self.twice.push(method.sig.ident.to_string());
            }
        }
        self.most = self.most.max(seen.len());
        syn::visit::visit_item_impl(self, item);
    }
}

#[test]
fn nothing_unsafe_is_written_and_all_that_is_public_has_documentation() {
    let text = "
        package a:b@1.0.0;
        interface i {
            record r { a: u8 } flags f { a } enum e { a } variant v { a(r) } type t = r;
            resource s { constructor(); m: func(v: v) -> result<f, e>; }
        }
        world w { import i; export i; import f: func(); export g: func(); }";
    let file: syn::File = syn::parse2(expand(quote! { inline: #text }).expect("accepted")).expect("Rust");
    let mut public = Public::default();
    syn::visit::visit_file(&mut public, &file);
    assert!(public.documented > 40, "{} items", public.documented);
    assert_eq!(public.bare, Vec::<String>::new());
}

/// Public items with documentation and without.
#[derive(Default)]
struct Public {
    documented: usize,
    bare: Vec<String>,
}

impl Public {
    fn see(&mut self, attributes: &[syn::Attribute], what: &syn::Ident) {
        if attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
            self.documented += 1;
        } else {
            self.bare.push(what.to_string());
        }
    }
}

impl<'ast> syn::visit::Visit<'ast> for Public {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.see(&item.attrs, &item.ident);
        syn::visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.see(&item.attrs, &item.ident);
        syn::visit::visit_item_enum(self, item);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.see(&variant.attrs, &variant.ident);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let (syn::Visibility::Public(_), Some(name)) = (&field.vis, &field.ident) {
            self.see(&field.attrs, name);
        }
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.see(&item.attrs, &item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.see(&item.attrs, &item.ident);
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.see(&item.attrs, &item.sig.ident);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.see(&item.attrs, &item.ident);
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.see(&item.attrs, &item.sig.ident);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if matches!(item.vis, syn::Visibility::Public(_)) {
            self.see(&item.attrs, &item.sig.ident);
        }
    }

    fn visit_expr_unsafe(&mut self, item: &'ast syn::ExprUnsafe) {
        self.bare.push(quote::ToTokens::to_token_stream(item).to_string());
    }
}
