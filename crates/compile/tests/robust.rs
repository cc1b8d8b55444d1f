//! Whatever the bytes, compiling them is an image or an error that does not blame the compiler.

use arbitrary::Unstructured;
use hatchery_compile::{Budget, CompileError, LinkSet, compile, validate};
use hatchery_image::{CpuTarget, Determinism, Interruption, OptLevel, Tunables};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use wasm_smith::{Config, Module};

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

fn bytes(rng: &mut TestRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Every choice that changes code, by the bits of a number.
fn tunables(choice: u64) -> Tunables {
    let bit = |n: u32| choice >> n & 1 == 1;
    Tunables {
        explicit_bounds: bit(0),
        speculation_guards: bit(1),
        interruption: [Interruption::None, Interruption::Poll, Interruption::Fuel, Interruption::Poll]
            [choice as usize >> 2 & 3],
        determinism: if bit(4) { Determinism::Strict } else { Determinism::Relaxed },
        opt_level: if bit(5) { OptLevel::Speed } else { OptLevel::None },
        cpu: if bit(6) { CpuTarget::Baseline } else { CpuTarget::Native },
        memory_guard: if bit(7) { 0 } else { 1 << 20 },
        ..Tunables::default()
    }
}

/// A random module, as far as it is one that could link alone.
fn smith(rng: &mut TestRng) -> Option<Vec<u8>> {
    let seed = bytes(rng, 16 << 10);
    let config = Config {
        exceptions_enabled: true,
        gc_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        custom_page_sizes_enabled: false,
        custom_descriptors_enabled: false,
        wide_arithmetic_enabled: false,
        compact_imports_enabled: false,
        memory64_enabled: rng.next_u32().is_multiple_of(2),
        relaxed_simd_enabled: true,
        tail_call_enabled: true,
        max_imports: if rng.next_u32().is_multiple_of(4) { 10 } else { 0 },
        min_funcs: 3,
        max_funcs: 20,
        max_memories: 3,
        max_tables: 3,
        ..Config::default()
    };
    Module::new(config, &mut Unstructured::new(&seed)).ok().map(|module| module.to_bytes())
}

/// Compiles two instances, the second of which gets its imports from the first.
fn try_compile(bytes: &[u8], choice: u64) -> Result<(), CompileError> {
    let mut set = if choice & 256 == 0 { LinkSet::new() } else { LinkSet::script() };
    let module = set.add_module(bytes);
    let first = set.add_instance(module, None, &[]);
    set.add_instance(module, None, &[(String::new(), first)]);
    let budget = Budget { code_bytes: 1 << 20, data_bytes: 1 << 24, elements: 1 << 16, ..Budget::default() };
    match compile(&set, &tunables(choice), &budget) {
        Err(error @ (CompileError::Internal(_) | CompileError::Target(_))) => panic!("choice {choice}: {error}"),
        result => result.map(|_| ()),
    }
}

#[test]
fn random_modules_compile() {
    let (mut compiled, mut rng) = (0, random(1));
    for _ in 0..150 {
        let Some(module) = smith(&mut rng) else { continue };
        validate(&module).expect("the generator makes valid modules of supported proposals");
        compiled += usize::from(try_compile(&module, rng.next_u64()).is_ok());
    }
    assert!(compiled > 100, "only {compiled} compiled; the others import what is not there");
}

#[test]
fn truncated_and_changed_modules_are_modules_or_errors() {
    let mut rng = random(2);
    let mut refused = 0;
    for _ in 0..120 {
        let Some(module) = smith(&mut rng) else { continue };
        for _ in 0..8 {
            let mut module = module.clone();
            let at = rng.next_u32() as usize % module.len();
            match rng.next_u32() % 4 {
                0 => module.truncate(at),
                1 => module[at] = rng.next_u32() as u8,
                2 => module.insert(at, rng.next_u32() as u8),
                _ => module[at] ^= 1 << (rng.next_u32() % 8),
            }
            refused += usize::from(try_compile(&module, rng.next_u64()).is_err());
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn random_bytes_are_refused() {
    let mut rng = random(3);
    for i in 0..2000 {
        let length = rng.next_u32() as usize % 200;
        let mut module = if i % 2 == 0 { b"\0asm\x01\0\0\0".to_vec() } else { Vec::new() };
        module.extend(bytes(&mut rng, length));
        drop(try_compile(&module, rng.next_u64()));
    }
}

#[test]
fn every_prefix_of_a_module_is_refused_or_a_module() {
    let module = wat::parse_str(
        r#"(module $m (type (func (param i32) (result i64))) (import "" "f" (func $f (type 0)))
            (table 2 3 funcref) (memory 1 2) (global $g (mut i32) (i32.const 1)) (export "f" (func $g))
            (start $s) (elem (i32.const 0) $f $g) (func $s) (data (i32.const 3) "abc")
            (func $g (param i32) (result i64) (call_indirect (type 0) (local.get 0) (i32.const 1))))"#,
    )
    .expect("test text");
    for end in 0..module.len() {
        drop(try_compile(&module[..end], 2));
    }
    try_compile(&module, 2).expect("the first instance exports what the second imports");
}

#[test]
fn small_modules_that_pass_many_values_are_limited() {
    let values = "i32 ".repeat(1000);
    let head = format!(
        "(type $p (func (result {values}))) (type $q (func (param {values})))
         (type $r (func (param {values}) (result {values})))
         (func $p (type $p) unreachable) (func $q (type $q)) (func $r (type $r) unreachable)"
    );
    let module = |rest: String| wat::parse_str(format!("(module {head} {rest})")).expect("text");
    // Few per function, and many in all; instructions of two bytes, or one, for a thousand values each.
    let bodies = [
        "(call $p) (call $q)".repeat(50),
        format!("(call $p) {} (call $q)", "(call $r)".repeat(50)),
        format!("(block (type $p) (call $p) {}) (call $q)", "(br_if 0 (i32.const 1))".repeat(50)),
        format!("(call $p) {} (call $q)", "(block (type $r))".repeat(50)),
    ];
    for body in bodies {
        let error = try_compile(&module(format!("(func {body})").repeat(100)), 0).expect_err("far too many");
        let CompileError::Budget(error) = &error else { panic!("{error}") };
        assert!(error.what.contains("values") && error.needed > error.allowed, "{error}");
        assert!(error.allowed < 1_000_000, "{error}");
    }
    let error =
        try_compile(&module("(func (type $r) unreachable)".repeat(1000)), 0).expect_err("without instructions, too");
    assert!(matches!(error, CompileError::Budget(_)), "{error}");
    // As many as one needs.
    try_compile(&module(format!("(func {})", "(call $p) (call $q)".repeat(10))), 0).expect("it compiles");
}

#[test]
fn a_long_chain_that_many_arms_use_is_written_once() {
    let chain = "i32.popcnt ".repeat(12_000);
    let blocks = "(block ".repeat(95);
    let arms = ") (i32.store (i32.const 0) (local.get 1)) (return)".repeat(95);
    let targets = (0..95).map(|label| format!("{label} ")).collect::<String>();
    let text = format!(
        "(module (memory 1) (func (export \"f\") (param i32) (local i32)
            (local.set 1 (local.get 0) {chain})
            {blocks} (br_table {targets} (local.get 0)) {arms}))"
    );
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(text).expect("test text"));
    set.add_instance(module, None, &[]);
    let tunables = Tunables { opt_level: OptLevel::Speed, ..Tunables::default() };
    let image = compile(&set, &tunables, &Budget::default()).expect("it compiles");
    let bytes = image.text().bytes().len();
    assert!(bytes < 1 << 20, "{bytes} bytes of code");
}

#[test]
fn locals_without_code_are_counted() {
    let locals = "i32 ".repeat(50_000);
    let text = format!("(module {})", format!("(func (local {locals}))").repeat(20));
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(text).expect("test text"));
    set.add_instance(module, None, &[]);
    let error = compile(&set, &Tunables::default(), &Budget::default()).expect_err("a million variables");
    let CompileError::Budget(error) = &error else { panic!("{error}") };
    assert!(error.what.contains("values") && error.needed > error.allowed && error.allowed < 1_000_000, "{error}");
}

#[test]
fn a_long_chain_of_branches_that_use_its_links_compiles() {
    let link = "(local.set $x (i32.add (if (result i32) (local.get $c) (then (local.get $x)) (else (local.get $c))) (local.get $x)))";
    let chain = link.repeat(4000);
    let text =
        format!("(module (func (export \"f\") (param $c i32) (result i32) (local $x i32) {chain} (local.get $x)))");
    let mut set = LinkSet::new();
    let module = set.add_module(wat::parse_str(text).expect("text"));
    set.add_instance(module, None, &[]);
    let tunables = Tunables { opt_level: OptLevel::Speed, ..Tunables::default() };
    let image = compile(&set, &tunables, &Budget::default()).expect("it compiles");
    assert!(image.text().bytes().len() < 1 << 20, "{} bytes", image.text().bytes().len());
}
