//! What is invalid, and what needs a proposal that is not supported.

use super::refusal;
use crate::translate::{TranslateError, translate, validate};

fn proposal(text: &str) -> &'static str {
    match refusal(text) {
        TranslateError::Unsupported { proposal, .. } => proposal,
        other => panic!("{other}"),
    }
}

#[test]
fn asynchrony_is_refused_by_name() {
    assert_eq!(proposal("(component (core func (canon task.cancel)))"), "component model async");
    assert_eq!(proposal("(component (core func (canon waitable-set.new)))"), "component model async");
    assert_eq!(proposal("(component (type (stream u8)))"), "component model async");
    assert_eq!(proposal(r#"(component (import "f" (func async)))"#), "component model async");
}

#[test]
fn other_proposals_are_refused_by_name() {
    let threads = "(component (core module (memory 1 1 shared)))";
    assert_eq!(proposal(threads), "threads");
    assert_eq!(proposal("(component (core func (canon thread.index)))"), "component model threading");
    assert_eq!(proposal("(component (type error-context))"), "component model error contexts");
}

#[test]
fn values_are_refused_by_name() {
    assert_eq!(
        proposal(r#"(component (import "v" (value $v u32)) (export "w" (value $v)))"#),
        "component model values"
    );
    let nested = r#"(component (type (component (type (instance (export "v" (value u32)))))))"#;
    assert_eq!(proposal(nested), "component model values");
}

#[test]
fn start_definitions_with_values_are_refused_by_name() {
    let mut bytes = wat::parse_str(
        r#"(component
            (core module $M (func (export "f") (result i32) (i32.const 0)))
            (core instance $m (instantiate $M))
            (func (result bool) (canon lift (core func $m "f")))
            (component (import "v" (value bool))))"#,
    )
    .expect("is well-formed");
    bytes.extend([9, 3, 0, 0, 1]);
    let error = translate(&bytes).expect_err("is refused");
    // A result that nobody takes is invalid; either way it is not run.
    assert!(error.to_string().contains("value"), "{error}");
}

#[test]
fn invalid_components_are_refused_with_the_reason() {
    let error = refusal(r#"(component (core instance (instantiate 0)))"#);
    let TranslateError::Invalid { message, .. } = &error else { panic!("{error}") };
    assert!(message.contains("unknown module"), "{message}");
    let body = refusal("(component (core module (func (result i32))))");
    assert!(matches!(body, TranslateError::Invalid { .. }), "{body}");
}

#[test]
fn functions_are_validated_once() {
    let instantiated = "(component (core module $m (func (result i32))) (core instance (instantiate $m)))";
    let bytes = wat::parse_str(instantiated).expect("is well-formed");
    translate(&bytes).expect("leaves the function to who compiles it");
    let error = validate(&bytes).expect_err("looks at all functions");
    assert!(matches!(error, TranslateError::Invalid { .. }), "{error}");
    // What is refused is not compiled, so that nobody else would say that it is invalid.
    let refused = r#"(component (core module $m (func (result i32))) (core instance (instantiate $m))
        (import "m" (core module)))"#;
    assert!(matches!(refusal(refused), TranslateError::Invalid { .. }));
}

#[test]
fn a_core_module_is_no_component() {
    let error = refusal("(module)");
    assert!(error.to_string().contains("core module"), "{error}");
}

#[test]
fn what_is_invalid_anyway_is_not_called_unsupported() {
    let error = refusal(r#"(component (type (stream u8)) (core instance (instantiate 0)))"#);
    assert!(matches!(error, TranslateError::Invalid { .. }), "{error}");
}
