//! Components that ask for too much get an error that says what of.

use super::{plan, refusal};
use crate::translate::{Budget, BudgetError, TranslateError, translate_within};
use std::fmt::Write;

fn exceeded(text: &str) -> &'static str {
    what(refusal(text))
}

/// What `text` has too much of where little may be inside each other. (The validator has a limit of its own.)
fn too_deep(text: &str) -> &'static str {
    let bytes = wat::parse_str(text).expect("is well-formed");
    let budget = Budget { depth: 20, type_depth: 20, ..Budget::default() };
    what(translate_within(&bytes, budget).expect_err("is over budget"))
}

fn what(error: TranslateError) -> &'static str {
    match error {
        TranslateError::Budget(BudgetError { what, .. }) => what,
        other => panic!("{other}"),
    }
}

/// A component in which each level instantiates the one below `width` times, and the lowest is `lowest`.
fn tower(levels: usize, width: usize, lowest: &str) -> String {
    let mut text = format!("(component (component $c0 {lowest})");
    for level in 1..=levels {
        let below = level - 1;
        write!(text, "(component $c{level} (alias outer 1 $c{below} (component $b))").expect("strings grow");
        text.push_str(&"(instance (instantiate $b))".repeat(width));
        text.push(')');
    }
    write!(text, "(instance (instantiate $c{levels})))").expect("strings grow");
    text
}

#[test]
fn millions_of_component_instances() {
    let text = tower(7, 10, "");
    assert!(wat::parse_str(&text).expect("is well-formed").len() < 2048);
    assert_eq!(exceeded(&text), "component instances");
    assert_eq!(plan(&tower(3, 10, "")).component_instances.len(), 1 + 1 + 10 + 100 + 1000);
}

#[test]
fn millions_of_core_instances() {
    let lowest = format!("(core module $m) {}", "(core instance (instantiate $m))".repeat(100));
    assert_eq!(exceeded(&tower(3, 10, &lowest)), "core instances");
    assert_eq!(plan(&tower(1, 10, &lowest)).core_instances.len(), 1000);
}

#[test]
fn millions_of_definitions() {
    assert_eq!(exceeded(&tower(3, 10, &"(type (list u8))".repeat(1000))), "definitions");
    let names = format!(r#"(type (enum "{}"))"#, "n".repeat(60_000));
    assert_eq!(exceeded(&tower(3, 10, &names)), "definitions");
}

/// A component in which a hundred instances each have `head` and fifty times `each`, with these instead of every `NAME`.
fn repeated(name: &str, head: &str, each: &str) -> String {
    tower(2, 10, &format!("{head} {}", each.repeat(50)).replace("NAME", name))
}

#[test]
fn names_count_wherever_they_are_looked_at() {
    let cases = [
        (r#"(type $t u8) (component $c (type $t u8) (export "NAME" (type $t)))"#, "(instance (instantiate $c))"),
        ("(type $t u8)", r#"(instance (export "NAME" (type $t)))"#),
        ("(type $t u8) (component $c)", r#"(instance (instantiate $c (with "NAME" (type $t))))"#),
        (
            r#"(type $t u8) (component $c (type $t u8) (export "NAME" (type $t))) (instance $i (instantiate $c))"#,
            r#"(alias export $i "NAME" (type))"#,
        ),
        (
            "(core module $m) (core instance $i (instantiate $m))",
            r#"(core instance (instantiate $m (with "NAME" (instance $i))))"#,
        ),
        (
            r#"(core module $m (memory (export "m") 1)) (core instance $m (instantiate $m))
                (alias core export $m "m" (core memory $m)) (core instance $i (export "NAME" (memory $m)))"#,
            r#"(alias core export $i "NAME" (core memory))"#,
        ),
    ];
    for (head, each) in cases {
        plan(&repeated("name", head, each));
        assert_eq!(exceeded(&repeated(&"n".repeat(8192), head, each)), "definitions", "{each}");
    }
}

/// Who is given something under a name looks for it, too.
#[test]
fn names_of_what_is_imported_count_as_those_of_arguments() {
    let head = r#"(type $t u8) (component $c (type $t u8) (import "NAME" (type (eq $t))))"#;
    let given = repeated(&"n".repeat(4096), head, r#"(instance (instantiate $c (with "NAME" (type $t))))"#);
    assert_eq!(exceeded(&given), "definitions");
    let none = repeated(
        &"n".repeat(4096),
        "(type $t u8) (component $c)",
        r#"(instance (instantiate $c (with "NAME" (type $t))))"#,
    );
    plan(&none);
}

#[test]
fn instantiation_inside_instantiation() {
    assert_eq!(exceeded(&tower(200, 1, "")), "instances inside each other");
    assert_eq!(plan(&tower(90, 1, "")).component_instances.len(), 92);
}

#[test]
fn instances_inside_instances() {
    let chain = |length: usize| {
        let mut text = "(component (instance $i0)".to_owned();
        for number in 1..length {
            write!(text, r#"(instance $i{number} (export "x" (instance $i{})))"#, number - 1).expect("strings grow");
        }
        text + ")"
    };
    assert_eq!(too_deep(&chain(30)), "instances inside each other");
    plan(&chain(90));
}

#[test]
fn imported_instances_inside_instances() {
    let chain = |length: usize| {
        let mut text = "(component (type $i0 (instance))".to_owned();
        for number in 1..length {
            let below = number - 1;
            write!(
                text,
                r#"(type $i{number} (instance (alias outer 1 $i{below} (type $b)) (export "x" (instance (type $b)))))"#
            )
            .expect("strings grow");
        }
        write!(text, r#"(import "i" (instance (type $i{}))))"#, length - 1).expect("strings grow");
        text
    };
    assert_eq!(too_deep(&chain(30)), "instances inside each other");
    plan(&chain(90));
}

/// `length` list types, each of the one before.
fn lists(prefix: &str, length: usize) -> String {
    let mut text = format!("(type ${prefix}0 (list u8))");
    for number in 1..length {
        write!(text, "(type ${prefix}{number} (list ${prefix}{}))", number - 1).expect("strings grow");
    }
    text
}

#[test]
fn types_inside_types() {
    assert_eq!(too_deep(&format!("(component {})", lists("t", 30))), "value types inside each other");
    plan(&format!("(component {})", lists("t", 90)));
}

#[test]
fn types_of_many_parts() {
    let wide = |levels: usize| {
        let mut text = "(component (type $t0 (tuple u8))".to_owned();
        for number in 1..levels {
            let parts = format!("$t{} ", number - 1).repeat(10);
            write!(text, "(type $t{number} (tuple {parts}))").expect("strings grow");
        }
        text + ")"
    };
    assert_eq!(exceeded(&wide(6)), "parts in one type");
    plan(&wide(4));
}

#[test]
fn deep_types_do_not_overflow_the_validator() {
    let depth = 100_000;
    let text = format!(
        r#"(component {} {}
            (component $c (import "f" (func (param "x" (list u8)))))
            (import "i" (func $i (param "x" $a{last})))
            (component $d {} (import "f" (func (param "x" $c{last}))))
            (instance (instantiate $d (with "f" (func $i)))))"#,
        lists("a", depth),
        lists("b", depth),
        lists("c", depth),
        last = depth - 1,
    );
    refusal(&text);
}

#[test]
fn the_budget_is_the_callers() {
    let bytes =
        wat::parse_str("(component (core module $m) (core instance (instantiate $m)))").expect("is well-formed");
    let budget = Budget { core_instances: 0, ..Budget::default() };
    let error = translate_within(&bytes, budget).expect_err("is over budget");
    assert_eq!(error, TranslateError::Budget(BudgetError { what: "core instances", allowed: 0 }));
    assert_eq!(error.to_string(), "the component has, with all instances made, more than 0 core instances");
}
