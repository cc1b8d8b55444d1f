//! The shapes of code that throws and catches, and the map that it comes with.

use hatchery_compile::{Budget, CompileError, LinkError, LinkSet, check, clif, compile};
use hatchery_image::{HandlerKind, Image, TagId, Tunables};

fn set(text: &str) -> LinkSet {
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(text).expect("test text"));
    set.add_instance(module, None, &[]);
    set
}

/// The first function of a module, as the code generator gets it.
fn translate(text: &str) -> String {
    clif(&set(text), &Tunables::default(), 0).expect("it translates")
}

fn image(set: &LinkSet) -> Image {
    compile(set, &Tunables::default(), &Budget::default()).expect("it compiles")
}

/// Handlers of each call: tag, and what it does.
fn handlers(image: &Image) -> Vec<Vec<(Option<TagId>, HandlerKind)>> {
    let catches = image.catches();
    catches.iter().map(|site| site.handlers.iter().map(|handler| (handler.tag, handler.kind)).collect()).collect()
}

#[test]
fn a_throw_that_meets_a_handler_of_its_own_function_is_a_branch() {
    for catch in ["(catch $e 0)", "(catch $other 1) (catch_all 0)", "(catch_all 1) (catch $e 0)"] {
        let body = format!("(block (block (try_table {catch} (if (local.get 0) (then (throw $e))))))");
        let clif = translate(&format!("(module (tag $e) (tag $other) (func (param i32) {body}))"));
        assert!(!clif.contains("call"), "{clif}");
    }
}

#[test]
fn a_throw_whose_handler_wants_a_reference_calls_and_so_does_one_without() {
    let clif = translate(
        "(module (tag $e) (func (result exnref) (block $h (result exnref)
            (try_table (catch_ref $e $h) (throw $e)) (unreachable))))",
    );
    assert_eq!(clif.matches("try_call").count(), 1, "{clif}");
    let clif = translate("(module (tag $e) (tag $f) (func (block (try_table (catch $f 0) (throw $e)))))");
    assert!(clif.contains("call") && !clif.contains("try_call"), "{clif}");
}

#[test]
fn only_calls_that_can_throw_have_handlers() {
    let text = |call: &str| {
        format!(
            r#"(module (import "host" "f" (func $host)) (tag $e) (type $t (func)) (table 1 funcref) (memory 1)
                (func (block $h (try_table (catch $e $h) {call}))) (func $guest (call $guest)))"#
        )
    };
    for (call, count) in [
        ("(call $host)", 0),
        ("(drop (memory.grow (i32.const 1)))", 0),
        ("(call $guest)", 1),
        ("(call_indirect (type $t) (i32.const 0))", 1),
        ("(return_call $guest)", 0),
    ] {
        let clif = translate(&text(call));
        assert_eq!(clif.matches("try_call").count(), count, "{call}: {clif}");
    }
}

#[test]
fn a_call_lists_the_handlers_that_its_exceptions_can_meet() {
    let image = image(&set("(module (tag $a) (tag $b) (tag $c) (func $f (call $f))
            (func (local exnref)
              (block $h (block $r (result exnref)
                (try_table (catch_all_ref $r) (catch $c $h)
                  (try_table (catch $a $h) (catch $b $h) (catch $a $h)
                    (try_table (catch $b $h)
                      (call $f)))
                  (call $f))
                (br $h))
               (local.set 0))
              (call $f)))"));
    let value = |tag| (Some(TagId(tag)), HandlerKind::Values);
    let all = (None, HandlerKind::Reference);
    assert_eq!(handlers(&image), [vec![value(1), value(0), all], vec![all]]);
    image.verify().expect("sound");
}

/// Linking gives every instance tags of its own; importing one is using the same.
#[test]
fn tags_are_numbers_of_the_image() {
    let mut set = LinkSet::new();
    let define =
        set.add_module(wat::parse_str(r#"(module (tag (export "e")) (tag (export "f")))"#).expect("test text"));
    let first = set.add_instance(define, None, &[]);
    let second = set.add_instance(define, None, &[]);
    let catches = r#"(module (import "1" "f" (tag $x)) (import "2" "e" (tag $y)) (tag $z) (func $f (call $f))
        (func (block $h (try_table (catch $x $h) (catch $y $h) (catch $z $h) (call $f)))))"#;
    let catches = set.add_module(wat::parse_str(catches).expect("test text"));
    set.add_instance(catches, None, &[("1".into(), first), ("2".into(), second)]);
    let tags: Vec<_> = handlers(&image(&set)).concat().into_iter().filter_map(|(tag, _)| tag).collect();
    assert_eq!(tags, [TagId(1), TagId(2), TagId(4)]);
}

#[test]
fn no_exception_passes_code_of_ours() {
    let callee = r#"(module TAG (func (export "f")))"#;
    let generated = r#"(module (import "m" "f" (func $f)) (func (export "g") (call $f)))"#;
    for (tag, expected) in [("(tag)", vec![vec![(None, HandlerKind::Barrier)]]), ("", vec![])] {
        let mut set = LinkSet::new();
        let module = set.add_module(wat::parse_str(callee.replace("TAG", tag)).expect("test text"));
        let instance = set.add_instance(module, None, &[]);
        let module = set.add_generated_module(wat::parse_str(generated).expect("test text"));
        set.add_instance(module, None, &[("m".into(), instance)]);
        let tunables = Tunables { opt_level: hatchery_image::OptLevel::None, ..Tunables::default() };
        let image = compile(&set, &tunables, &Budget::default()).expect("it compiles");
        assert_eq!(handlers(&image), expected);
    }
}

#[test]
fn what_the_host_cannot_have_is_refused() {
    let refused = |text: &str| match compile(&set(text), &Tunables::default(), &Budget::default()) {
        Err(CompileError::Link(error)) => error,
        other => panic!("{text}: {other:?}"),
    };
    let error = refused(r#"(module (import "host" "f" (func (param (ref null noexn)))))"#);
    assert!(matches!(error, LinkError::HostImportOfExceptions { .. }), "{error}");
    let error = refused(r#"(module (import "host" "e" (tag)))"#);
    assert!(matches!(error, LinkError::HostImportNotFunction { .. }), "{error}");
}

/// A few hundred clauses and as many calls are a few kilobytes of WebAssembly, and as many edges as their product.
#[test]
fn handlers_that_are_too_many_for_their_calls_are_a_limit() {
    let budget = Budget { values: u64::MAX, ..Budget::default() };
    match compile(&set(&clauses_and_calls(500, 500)), &Tunables::default(), &budget) {
        Err(CompileError::Limit { message, .. }) => assert!(message.contains("exception handlers"), "{message}"),
        other => panic!("{other:?}"),
    }
}

fn clauses_and_calls(clauses: usize, calls: usize) -> String {
    let (tags, calls) = ("(tag)".repeat(clauses), "(call $f)".repeat(calls));
    let clauses: String = (0..clauses).map(|tag| format!("(catch {tag} 0)")).collect();
    format!("(module {tags} (func $f (block (try_table {clauses} {calls}))))")
}

/// What the budget says of a set, before anything is compiled.
fn too_many_values(text: &str) -> bool {
    match check(&set(text), &Tunables::default(), &Budget::default()) {
        Ok(()) => false,
        Err(CompileError::Budget(error)) if error.what.contains("values") => true,
        Err(other) => panic!("{other}"),
    }
}

/// Each function has as many as one may; all together would take gigabytes.
#[test]
fn handlers_of_many_functions_are_in_the_budget() {
    let (tags, calls) = ("(tag)".repeat(300), "(call $f)".repeat(300));
    let clauses: String = (0..300).map(|tag| format!("(catch {tag} 0)")).collect();
    let function = format!("(func (block (try_table {clauses} {calls})))");
    let text = |functions: usize| format!("(module {tags} (func $f) {})", function.repeat(functions));
    assert!(too_many_values(&text(1000)));
    assert!(too_many_values(&clauses_and_calls(1000, 1000)));
    assert!(!too_many_values(&clauses_and_calls(100, 100)));
}

/// A clause is three bytes, and loads a thousand values.
#[test]
fn values_that_handlers_take_are_in_the_budget() {
    let values = "i32 ".repeat(1000);
    let text = |tags: usize| {
        let clauses: String = (0..tags).map(|tag| format!("(catch {tag} 0)")).collect();
        let tags = "(tag (type $t))".repeat(tags);
        format!(
            "(module (type $t (func (param {values}))) (type $r (func (result {values}))) {tags}
                (func $f (block (type $r) (try_table {clauses} (call $f)) unreachable) unreachable))"
        )
    };
    assert!(too_many_values(&text(1000)));
    assert!(!too_many_values(&text(5)));
}

/// What compilers for C++ make of a call in a scope with a destructor, in a scope with a handler, and little else.
#[test]
fn programs_that_are_full_of_handlers_are_not_near_the_budget() {
    let call = "(call $f (local.get 0))";
    let cleanup = format!("(block (result exnref) (try_table (catch_all_ref 0) {call} {call}) (return)) (throw_ref)");
    let scope = format!("(block (result i32) (try_table (catch $e 0) {cleanup}) (unreachable)) (drop)");
    let text = format!(
        "(module (tag $e (param i32)) (func $f (param i32)) {})",
        format!("(func (param i32) {})", scope.repeat(50)).repeat(400)
    );
    let budget = Budget { values: 0, ..Budget::default() };
    check(&set(&text), &Tunables::default(), &budget).expect("it is allowed by its bytes alone");
}
