//! Components that ask for more code between their instances, or for larger values, than there may be; and some that look
//! as if they did.

use hatchery_component::glue::{GlueError, glue};
use hatchery_component::meta::Meta;
use hatchery_component::{TranslateError, translate};
use std::fmt::Write;

/// Memory and `realloc` of a core module that nobody runs.
const LIBC: &str = r#"
    (core module $libc
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
    (core instance $libc (instantiate $libc))
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))"#;

fn translated(text: &str) -> Result<Meta, GlueError> {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let plan = translate(&bytes).unwrap_or_else(|error| panic!("{error}"));
    glue(&plan, &bytes).map(|(_, meta)| meta)
}

fn refused(text: &str) -> TranslateError {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    translate(&bytes).expect_err("is refused")
}

/// Types inside each other, each of which takes code to copy, and a function that takes the last one; a component that
/// has it, and ten to the power of `tens` that call it.
fn tower(depth: usize, tens: u32) -> String {
    let mut text = "(component (type $l0 (list u8))".to_owned();
    for number in 1..depth {
        let (below, fields) = (number - 1, "u8 char ".repeat(10));
        write!(text, "(type $t{number} (tuple $l{below} {fields})) (type $l{number} (list $t{number}))")
            .expect("strings grow");
    }
    let last = depth - 1;
    write!(
        text,
        r#"(component $callee (alias outer 1 $l{last} (type $l)) {LIBC}
            (core module $m (func (export "f") (param i32 i32)))
            (core instance $m (instantiate $m))
            (func (export "f") (param "x" $l)
                (canon lift (core func $m "f") (memory $memory) (realloc $realloc))))
        (instance $callee (instantiate $callee))
        (component $c0 (alias outer 1 $l{last} (type $l)) (import "f" (func $f (param "x" $l))) {LIBC}
            (core func $f (canon lower (func $f) (memory $memory)))
            (core module $m (import "" "f" (func (param i32 i32))))
            (core instance (instantiate $m (with "" (instance (export "f" (func $f)))))))"#
    )
    .expect("strings grow");
    for level in 1..=tens {
        let below = level - 1;
        write!(
            text,
            r#"(component $c{level} (alias outer 1 $l{last} (type $l)) (alias outer 1 $c{below} (component $b))
                (import "f" (func $f (param "x" $l)))"#
        )
        .expect("strings grow");
        text.push_str(&r#"(instance (instantiate $b (with "f" (func $f))))"#.repeat(10));
        text.push(')');
    }
    write!(text, r#"(instance (instantiate $c{tens} (with "f" (func $callee "f")))))"#).expect("strings grow");
    text
}

#[test]
fn code_between_many_instances() {
    translated(&tower(30, 1)).expect("ten callers are not many");
    let text = tower(30, 3);
    assert!(wat::parse_str(&text).expect("is well-formed").len() < 8192);
    let error = translated(&text).expect_err("a thousand are");
    assert_eq!(
        error.to_string(),
        "the code between the components' instances and their host would have more than 1000000 instructions"
    );
}

/// A component that passes a variant with many cases to another, in so many ways: each has a `realloc` of its own.
fn variants(cases: usize, ways: usize) -> String {
    let (cases, numbers) = ((0..cases).map(|case| format!(r#"(case "c{case}")"#)).collect::<String>(), 0..ways);
    let each = |one: &dyn Fn(usize) -> String| numbers.clone().map(one).collect::<String>();
    let function = "(param i32 i32) (result i32)";
    format!(
        r#"(component (type $v (variant (case "first" u8) {cases}))
            (component $callee (alias outer 1 $v (type $t)) (export $v "v" (type $t))
                (core module $m (memory (export "memory") 1) (func (export "f") {function} unreachable) {reallocs})
                (core instance $m (instantiate $m)) {lifts})
            (instance $callee (instantiate $callee)) (alias export $callee "v" (type $w))
            (component $caller (alias outer 1 $w (type $t)) (import "v" (type $v (eq $t))) {imports}
                (core module $m {wants})
                (core instance (instantiate $m (with "" (instance {given})))))
            (instance (instantiate $caller (with "v" (type $w)) {arguments})))"#,
        reallocs = each(&|n| format!(r#"(func (export "r{n}") (param i32 i32 i32 i32) (result i32) unreachable)"#)),
        lifts = each(&|n| {
            format!(
                r#"(func (export "f{n}") (param "x" $v) (result u32)
                    (canon lift (core func $m "f") (memory (core memory $m "memory")) (realloc (core func $m "r{n}"))))"#
            )
        }),
        imports = each(&|n| {
            format!(
                r#"(import "f{n}" (func $f{n} (param "x" $v) (result u32))) (core func $f{n} (canon lower (func $f{n})))"#
            )
        }),
        wants = each(&|n| format!(r#"(import "" "f{n}" (func {function}))"#)),
        given = each(&|n| format!(r#"(export "f{n}" (func $f{n}))"#)),
        arguments = each(&|n| format!(r#"(with "f{n}" (func $callee "f{n}"))"#)),
    )
}

#[test]
fn each_target_of_a_branch_table_counts() {
    translated(&variants(9000, 10)).expect("ten ways are not many");
    assert_eq!(over_budget(&variants(9000, 40)), "instructions");
}

#[test]
fn values_of_any_size() {
    let mut text = format!("(component {LIBC} (type $t0 (list u64 1000000))");
    for number in 1..8 {
        write!(text, "(type $t{number} (list $t{} 1000))", number - 1).expect("strings grow");
    }
    text.push_str(
        r#"(import "f" (func $f (param "x" $t7)))
            (core func $f (canon lower (func $f) (memory $memory)))
            (core module $m (import "" "f" (func (param i32))))
            (core instance (instantiate $m (with "" (instance (export "f" (func $f)))))))"#,
    );
    let error = refused(&text);
    assert!(error.to_string().contains("size"), "{error}");
}

#[test]
fn more_flags_than_there_are_bits() {
    let flags = |count: usize| {
        let names = (0..count).map(|number| format!(r#""f{number}""#)).collect::<Vec<_>>().join(" ");
        format!("(component (type (flags {names})))")
    };
    translated(&flags(32)).expect("has a bit for each");
    let error = refused(&flags(33));
    assert!(matches!(error, TranslateError::Invalid { .. }), "{error}");
    assert!(matches!(refused(&flags(100_000)), TranslateError::Invalid { .. }));
}

/// A component that lowers and binds `count` functions of its host.
fn imports(count: usize) -> String {
    let mut text = "(component".to_owned();
    for number in 0..count {
        write!(
            text,
            r#"(import "f{number}" (func $f{number})) (core func $f{number} (canon lower (func $f{number})))"#
        )
        .expect("strings grow");
    }
    text.push_str("(core module $m");
    (0..count).for_each(|number| write!(text, r#"(import "" "{number}" (func))"#).expect("strings grow"));
    text.push_str(r#") (core instance (instantiate $m (with "" (instance"#);
    (0..count).for_each(|number| write!(text, r#"(export "{number}" (func $f{number}))"#).expect("strings grow"));
    text + ")))))"
}

#[test]
fn twenty_thousand_imports_are_bound() {
    let meta = translated(&imports(20_000)).expect("are not too many");
    assert_eq!(meta.imports.len(), 20_000);
    assert!(meta.imports.iter().all(|import| import.lowered.len() == 1));
}

#[test]
fn twenty_thousand_exports_are_lifted() {
    let mut text = r#"(component
        (core module $m (func (export "f") (param i32) (result i32) local.get 0))
        (core instance $m (instantiate $m))
        (type $r (resource (rep i32)))
        (export $e "r" (type $r))
        (func $f (param "r" (own $e)) (result (own $e)) (canon lift (core func $m "f")))"#
        .to_owned();
    for number in 0..20_000 {
        write!(text, r#"(export "f{number}" (func $f))"#).expect("strings grow");
    }
    let meta = translated(&(text + ")")).expect("are not too many");
    assert_eq!(meta.exports.len(), 20_001);
}

#[test]
fn three_thousand_resources_have_their_functions() {
    let mut text = r#"(component (core module $m (func (export "f") (param i32) (result i32) local.get 0))
        (core instance $m (instantiate $m))"#
        .to_owned();
    for number in 0..3000 {
        write!(text, r#"(type $r{number} (resource (rep i32))) (export $e{number} "r{number}" (type $r{number}))"#)
            .expect("strings grow");
    }
    for number in 0..3000 {
        write!(
            text,
            r#"(func (export "f{number}") (param "r" (own $e{number})) (result (own $e{number}))
                (canon lift (core func $m "f")))"#
        )
        .expect("strings grow");
    }
    assert_eq!(translated(&(text + ")")).expect("are not too many").exports.len(), 6000);
}

/// As long as a name can be.
fn long() -> String {
    "n".repeat(100_000)
}

/// Most bytes that this process had at one time.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the system says how a process does");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("has the peak");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("is a number");
    kilobytes << 10
}

#[test]
fn a_long_name_is_not_copied_for_each_alias() {
    let mut text = format!(
        r#"(component
            (core module $m (memory (export "{0}") 1)
                (func (export "f")))
            (core instance $m (instantiate $m))
            (alias core export $m "{0}" (core memory $long))
            (core instance $short (export "m" (memory $long)))"#,
        long()
    );
    // Ten gigabytes, if each had the name.
    text.push_str(&r#"(alias core export $short "m" (core memory))"#.repeat(100_000));
    translated(&(text + ")")).expect("has one long name");
    assert!(peak() < 2 << 30, "{} bytes", peak());
}

#[test]
fn a_long_name_counts_each_time_it_is_imported_from_the_host() {
    let count = 10_000;
    let mut text = format!(r#"(component (import "{}" (func $f)) (core module $libc (memory 1)"#, long());
    // Each lowers the function in another way.
    text.extend((0..count).map(|number| format!(r#"(export "{number}" (memory 0))"#)));
    text.push_str(") (core instance $libc (instantiate $libc))");
    text.extend((0..count).map(|number| {
        format!(r#"(core func $f{number} (canon lower (func $f) (memory (core memory $libc "{number}"))))"#)
    }));
    text.push_str("(core module $m");
    text.extend((0..count).map(|number| format!(r#"(import "" "{number}" (func))"#)));
    text.push_str(r#") (core instance (instantiate $m (with "" (instance"#);
    text.extend((0..count).map(|number| format!(r#"(export "{number}" (func $f{number}))"#)));
    assert_eq!(over_budget(&(text + ")))))")), "parts");
    // Two gigabytes and more, if it was found out behind the last.
    assert!(peak() < 2 << 30, "{} bytes", peak());
}

#[test]
fn a_long_name_counts_each_time_it_is_bound() {
    let mut text = format!(
        r#"(component
            (core module $m (global (export "{0}") i32 (i32.const 1)))
            (core instance $m (instantiate $m))
            (alias core export $m "{0}" (core global $long))
            (core module $user"#,
        long()
    );
    (0..100).for_each(|number| write!(text, r#"(import "" "{number}" (global i32))"#).expect("strings grow"));
    text.push_str(") (core instance $all");
    (0..100).for_each(|number| write!(text, r#"(export "{number}" (global $long))"#).expect("strings grow"));
    text.push(')');
    text.push_str(&r#"(core instance (instantiate $user (with "" (instance $all))))"#.repeat(20));
    assert_eq!(over_budget(&(text + ")")), "parts");
}

#[test]
fn a_long_name_counts_each_time_it_is_described() {
    let mut text = format!(
        r#"(component
            (core module $m (memory (export "{0}") 1) (func (export "f") (result i32) unreachable))
            (core instance $m (instantiate $m))
            (alias core export $m "{0}" (core memory $long))
            (func $f (result string) (canon lift (core func $m "f") (memory $long)))"#,
        long()
    );
    (0..2000).for_each(|number| write!(text, r#"(export "f{number}" (func $f))"#).expect("strings grow"));
    assert_eq!(over_budget(&(text + ")")), "parts");
}

/// What there is too much of.
fn over_budget(text: &str) -> &'static str {
    match translated(text) {
        Err(GlueError::Budget { what, .. }) => what,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("is within budget"),
    }
}

#[test]
fn code_for_each_resource_of_the_host() {
    let resources = |count: usize| {
        let mut text = "(component".to_owned();
        (0..count).for_each(|number| {
            write!(text, r#"(import "r{number}" (type $r{number} (sub resource)))"#).expect("strings grow");
        });
        text + "(core func (canon resource.drop $r0)))"
    };
    translated(&resources(1000)).expect("are not many");
    assert_eq!(over_budget(&resources(90_000)), "instructions");
}
