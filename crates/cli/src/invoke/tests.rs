//! All types of values, there and back, and what is said about those that do not fit.

use super::*;
use hatchery::component::Linker;
use hatchery::{Config, Engine};

/// Types that functions can be of only when they are exported: name, definition.
const NAMED: [(&str, &str); 6] = [
    ("point", r#"(record (field "x" s32) (field "y" f64) (field "label" (option string)))"#),
    ("shape", r#"(variant (case "nothing") (case "circle" f32) (case "line" (tuple $point $point)))"#),
    ("color", r#"(enum "red" "light-green" "none")"#),
    ("odd", r#"(variant (case "some" u8) (case "true"))"#),
    ("perms", r#"(flags "read" "write" "exec")"#),
    ("nested", r#"(record (field "items" (list $shape)) (field "by-name" (map string (list u8))))"#),
];

/// A component whose functions return what they are given, by name and type.
///
/// They have another parameter, an option so large that all parameters are passed in memory, and return a tuple with
/// another part, so that the result is in memory, too, at the same place.
fn echo(functions: &[(&str, &str)]) -> (Component, Engine) {
    let (mut core, mut lifted) = (String::new(), String::new());
    for (name, ty) in functions {
        core += &format!("(func (export \"{name}\") (param i32) (result i32) (local.get 0))");
        lifted += &format!(
            "(func (export \"{name}\") (param \"value\" {ty}) (param \"wide\" (option $wide)) (result (tuple {ty} u8))
               (canon lift (core func $main \"{name}\") (memory (core memory $main \"memory\"))
                 (realloc (core func $main \"realloc\"))))"
        );
    }
    let named = NAMED
        .map(|(name, definition)| format!("(type ${name}' {definition}) (export ${name} \"{name}\" (type ${name}'))"));
    let text = format!(
        r#"(component
            (core module $m
              (memory (export "memory") 1)
              (global $next (mut i32) (i32.const 1024))
              (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get 3))))
              {core})
            (core instance $main (instantiate $m))
            (type $wide (tuple u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64 u64))
            {} {lifted})"#,
        named.concat()
    );
    let engine = Engine::new(&Config::new()).expect("an engine");
    (Component::new(&engine, text).expect("compiles"), engine)
}

/// What `f` returns for an argument of this type, without the part behind it; or what is wrong.
fn returned(ty: &str, argument: &str) -> String {
    let (component, engine) = echo(&[("f", ty)]);
    let call = match Call::parse(&component, &format!("f({argument})")) {
        Ok(call) => call,
        Err(error) => return format!("error: {error:#}"),
    };
    let prepared = Linker::new(&engine).prepare(&component).expect("imports nothing");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let path: Vec<&str> = call.export.path.iter().map(String::as_str).collect();
    let result = prepared.func_dynamic(&path[..]).expect("there").call(&mut instance, &call.params).expect("returns");
    let text = show(result.as_ref()).expect("text");
    let inner = text.strip_prefix('(').and_then(|text| text.rsplit_once(", ")).map(|(value, _)| value.to_owned());
    inner.unwrap_or(text)
}

#[track_caller]
fn same(ty: &str, arguments: &[&str]) {
    for argument in arguments {
        assert_eq!(returned(ty, argument), *argument, "{ty}");
    }
}

#[track_caller]
fn refused(ty: &str, argument: &str, parts: &[&str]) {
    let error = returned(ty, argument);
    for part in [&["error: "], parts].concat() {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn scalars_and_strings_pass() {
    same("bool", &["true", "false"]);
    same("s8", &["-128", "127"]);
    same("u8", &["255"]);
    same("s16", &["-32768"]);
    same("u16", &["65535"]);
    same("s32", &["-2147483648"]);
    same("u32", &["4294967295"]);
    same("s64", &["-9223372036854775808"]);
    same("u64", &["18446744073709551615"]);
    same("f32", &["1.5", "nan", "inf", "-inf", "0.1"]);
    same("f64", &["-0.1", "nan"]);
    same("char", &["'x'", "'☃'", r"'\''", r"'\n'"]);
    same("string", &[r#""""#, r#""ä \"quoted\" ☃""#, r#""a, b)""#]);
    assert_eq!(returned("f64", "1e3"), "1000");
    assert_eq!(returned("string", r#""\u{e4}""#), "\"ä\"");
}

#[test]
fn compound_values_pass() {
    same("(list u16)", &["[]", "[1, 2, 65535]"]);
    same("(list u8 3)", &["[1, 2, 3]"]);
    same("(list (list string))", &[r#"[[], ["a"], ["b", "c"]]"#]);
    same("(map string u32)", &["{}", r#"{"a": 1, "b": 2}"#]);
    same("(tuple char bool)", &["('x', true)"]);
    same("$point", &["{x: -1, y: 2.5, label: some(\"a\")}", "{x: 1, y: nan}"]);
    same("$shape", &["nothing", "circle(1.5)", "line(({x: 1, y: 2}, {x: 3, y: 4}))"]);
    same("$color", &["red", "light-green", "%none"]);
    same("$perms", &["{}", "{read, exec}"]);
    same("(option u32)", &["none", "some(7)"]);
    same("(option (option u32))", &["some(none)", "some(some(1))"]);
    same("(result u32 (error string))", &["ok(1)", r#"err("no")"#]);
    same("(result)", &["ok", "err"]);
    same("(result (error $color))", &["ok", "err(red)"]);
    same("$nested", &[r#"{items: [nothing, circle(1)], by-name: {"a": [1], "b": []}}"#]);
}

#[test]
fn values_can_be_written_in_other_ways() {
    assert_eq!(returned("$point", "{y: 2, x: 1}"), "{x: 1, y: 2}");
    assert_eq!(returned("$point", "{x: 1, y: 2, label: \"a\"}"), "{x: 1, y: 2, label: some(\"a\")}");
    assert_eq!(returned("(option u32)", "7"), "some(7)");
    assert_eq!(returned("$perms", "{write, read}"), "{read, write}");
    assert_eq!(returned("(map string u32)", r#"{"a": 1, "a": 2}"#), r#"{"a": 2}"#);
    assert_eq!(returned("(list u8)", " [ 1 , // a comment\n 2, ] "), "[1, 2]");
}

#[test]
fn what_does_not_fit_is_shown_with_what_was_expected() {
    refused("u32", "-1", &["`-1` at character 3", "expected u32", "in the argument `value` of `f(value: u32"]);
    refused("u8", "256", &["`256`", "expected u8"]);
    refused("u32", "1.5", &["`1.5`", "expected u32"]);
    refused("string", "7", &["`7`", "expected string"]);
    refused("u32", "\"ä\", \"x\"", &["`\"ä\"` at character 3", "expected u32"]);
    refused("u32", "1, 2, 3", &["takes 2 arguments, but 3 were given"]);
    refused("u32", "", &["takes 2 arguments, but 0 were given"]);
    refused("(list u8)", "[1, x]", &["`x` at character 7", "expected u8"]);
    refused("(list u8 3)", "[1, 2]", &["`[1, 2]`", "expected 3 elements"]);
    refused("$point", "{x: 1}", &["missing field \"y\"", "expected record { x: s32"]);
    refused("$point", "{x: 1, y: 2, label: 3}", &["`3`", "expected option<string>"]);
    refused("$point", "{x: 1, y: 2, z: 3}", &["expected record", "(there is no field `z`)"]);
    refused("(list $point)", "[{x: 1, y: 2}, {x: 1, y: 2, q: 3}]", &["`{x: 1, y: 2, q: 3}`", "no field `q`"]);
    refused("$shape", "square(1)", &["unknown case \"square\"", "expected variant { nothing, circle(f32)"]);
    refused("$shape", "circle", &["missing payload"]);
    refused("$shape", "line(({x: 1, y: 2}, {x: 3, y: true}))", &["`true`", "expected f64"]);
    refused("$color", "blue", &["unknown case \"blue\"", "expected enum { red, light-green, none }"]);
    refused("$perms", "{run}", &["unknown case \"run\"", "expected flags { read, write, exec }"]);
    refused("(map string u32)", "{1: 2}", &["`1`", "expected string"]);
    refused("(result u32 (error string))", "err(1)", &["`1`", "expected string"]);
}

#[test]
fn how_a_case_is_written_that_is_a_keyword_is_said() {
    refused("$color", "none", &["`none` at character 3", "the case is written `%none`"]);
    refused("(list $color)", "[red, none]", &["the case is written `%none`"]);
    refused("(option $odd)", "true", &["the case is written `%true`"]);
    refused("$odd", "some(1)", &["the case is written `%some`"]);
    same("$odd", &["%some(1)", "%true"]);
    // Others are no cases.
    for (ty, argument) in [("$color", "true"), ("u32", "none"), ("$odd", "none")] {
        let error = returned(ty, argument);
        assert!(error.starts_with("error: ") && !error.contains("is written `%"), "{error}");
    }
}

#[test]
fn optional_parameters_can_all_be_left_out() {
    let text = r#"(component
        (core module $m (func (export "f") (param i32 i32 i32 i32)))
        (core instance $i (instantiate $m))
        (func (export "one") (param "a" (option u64)) (canon lift (core func $i "g")))
        (func (export "two") (param "a" (option u32)) (param "b" (option u32)) (canon lift (core func $i "f"))))"#;
    let text = text.replace("(core module $m ", "(core module $m (func (export \"g\") (param i32 i64)) ");
    let engine = Engine::new(&Config::new()).expect("an engine");
    let component = Component::new(&engine, text).expect("compiles");
    let params = |text: &str| {
        let call = Call::parse(&component, text).expect("a call");
        call.params.iter().map(|value| show(Some(value)).expect("text")).collect::<Vec<_>>()
    };
    assert_eq!(params("one()"), ["none"]);
    assert_eq!(params("two()"), ["none", "none"]);
    assert_eq!(params("two(1)"), ["some(1)", "none"]);
}

#[test]
fn what_is_no_call_is_shown_with_how_one_is_written() {
    let (component, _) = echo(&[("f", "u32")]);
    let error = |text: &str| Call::parse(&component, text).map(|_| ()).expect_err("no call").to_string();
    let written = "written as `f(value: u32, wide: option<tuple<u64";
    for text in ["f(1", "f(", "f(\"", "f(1))", "f(1,,2)", "f(1 2)", "f(:)"] {
        assert!(error(text).contains(written), "{}", error(text));
    }
    assert!(error("f(1))").contains("`)` at character 5"), "{}", error("f(1))"));
    assert!(error("f").contains("arguments in parentheses"));
    assert!(error("g(1)").contains("there is no exported function `g`; there are: `f(value: u32"));
    assert!(error("(1)").contains("there is no exported function ``"));
    let deep = format!("f({}1{})", "[".repeat(10_000), "]".repeat(10_000));
    assert!(error(&deep).contains("nesting too deep"));
}

#[test]
fn resources_cannot_be_written() {
    let text = r#"(component
        (core module $m (func (export "make") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (type $r' (resource (rep i32))) (export $r "thing" (type $r'))
        (func (export "make") (result (own $r)) (canon lift (core func $i "make"))))"#;
    let engine = Engine::new(&Config::new()).expect("an engine");
    let component = Component::new(&engine, text).expect("compiles");
    let error = Call::parse(&component, "make()").map(|_| ()).expect_err("a resource").to_string();
    assert!(error.contains("passes a resource") && error.contains("cannot be written"), "{error}");
}
