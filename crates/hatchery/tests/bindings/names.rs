//! Names that Rust has, or would have twice, and types of every shape: it is enough that this compiles.

/// Bindings of a package with every name that could be misunderstood.
mod odd {
    hatchery::component::bindgen!({
        inline: r#"
            package test:exports@0.1.0;

            interface %type {
                type t = u32;
                type h = list<t>;
                record host { %type: u8, self: string, fn: bool }
                record %string { %string: string-list }
                type string-list = list<string-alias>;
                type string-alias = tuple<char, f32>;
                variant %option { none, some(option2), error(%result) }
                type option2 = option<string>;
                enum %result { ok, err, %self }
                flags vec { x, %async, gen }
                type pair = tuple<list<u8, 4>, map<char, list<string>>>;
                resource guest {
                    constructor(self: h);
                    new: static func(instance: borrow<guest>) -> result<guest, %result>;
                    %drop: func();
                    drop-async: func(%type: option2, self-self: u8);
                    %call: func(p0: u8, get: u8, linker: u8, caller: u8, host: u8) -> %result;
                }
                /// Has ```code``` in it:
                ///
                /// ```
                /// this is no Rust;
                /// ```
                ///
                ///     neither is this
                foo: func(instance: string, t: t, h: h) -> pair;
                foo-async: func() -> result<_, %option>;
                new: func() -> %result;
                add-to-linker: func(a: option<list<string>>, b: result<u8, h>, c: result<_, string>, d: tuple<h, u8>);
                many: func(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8,
                    n: u8, o: u8, p: u8);
            }

            interface only-types {
                use %type.{guest, host as visitor};
                type handle = own<guest>;
                record holder { handle: handle, visitor: visitor }
            }

            interface users {
                use only-types.{holder, visitor};
                use %type.{guest as owner};
                hold: func(a: holder, b: list<holder>, c: borrow<owner>, d: visitor) -> list<owner>;
            }

            world odd {
                import %type;
                import users;
                export %type;
                export only-types;
                export users;
                import exports: interface { f: func(); }
                export prepare: interface { f: func(); }
                export check-exports: interface { resource check-exports { f: func(); } }
                export new: func();
                export add-to-linker: func();
                enum odd-imports { one }
                export test-exports-users: func(a: odd-imports);
            }
        "#,
        async: ["test:exports/type#foo", "test:exports/type#guest.call"],
        trappable: true,
    });
}

/// Two versions of a package.
mod versions {
    hatchery::component::bindgen!({
        inline: "
            package test:versions;
            world versions { import test:a/b@0.1.0; import test:a/b@0.2.0; export test:a/b@0.2.0; }
            package test:a@0.1.0 { interface b { record c { d: u8 } f: func(c: c); } }
            package test:a@0.2.0 { interface b { record c { d: u16 } f: func(c: c); } }
        ",
        async: true,
    });
}

#[test]
fn names_are_what_the_documentation_says() {
    use odd::test::exports::r#type as imported;
    let _: imported::Host_ = imported::Host_ { r#type: 1, self_: String::new(), r#fn: true };
    let _ = imported::Vec { x: true, r#async: false, r#gen: false };
    let _: imported::Option = imported::Option::Error(imported::Result::Self_);
    let _: fn(&odd::Odd) -> &odd::exports::test::exports::users::Guest = odd::Odd::test_exports_users;
    let _: fn(&odd::Odd) -> &odd::exports::prepare::Guest = odd::Odd::prepare_;
    let _: fn(&odd::Odd) -> &odd::exports::check_exports::Guest = odd::Odd::check_exports_;
    let _ = odd::exports::check_exports::Guest::check_exports_;
    let _ = versions::test::a0_1_0::b::C { d: 1u8 };
    let _ = versions::test::a0_2_0::b::C { d: 1u16 };
    let _ = versions::exports::test::a0_2_0::b::C { d: 1u16 };
    assert_eq!(odd::OddImports_::One.cmp(&odd::OddImports_::One), std::cmp::Ordering::Equal);
}
