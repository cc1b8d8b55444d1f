//! Small modules with everything that a reset has to undo.

use arbitrary::{Result, Unstructured};

/// Bytes of a WebAssembly page.
pub(super) const PAGE: u64 = 65536;

/// Most pages of a guest's memory.
pub(super) const MAX_PAGES: u64 = 24;

/// Exports that can be called, by the number of their `i32` parameters.
pub(super) const CALLS: [(&str, usize); 15] = [
    ("fill", 3),
    ("stride", 3),
    ("store", 2),
    ("load", 1),
    ("copy", 3),
    ("grow", 1),
    ("grow and touch", 1),
    ("init", 2),
    ("drop", 0),
    ("grow table", 1),
    ("set table", 1),
    ("set globals", 2),
    ("store and trap", 1),
    ("deep", 1),
    ("host", 1),
];

/// As [`CALLS`], of exports that came later. Those about the second memory are missing where there is none.
pub(super) const LATER: [(&str, usize); 8] = [
    ("store second", 2),
    ("fill second", 3),
    ("grow second", 1),
    ("out of second", 3),
    ("into second", 3),
    ("grow references", 1),
    ("copy references", 3),
    ("keep reference", 1),
];

/// A module with memories, a table, globals and segments of random sizes at random places.
pub(super) fn module(u: &mut Unstructured<'_>) -> Result<String> {
    let pages = u.int_in_range(0..=MAX_PAGES / 2)?;
    let most = u.int_in_range(pages.max(1)..=MAX_PAGES)?;
    let second = if u.ratio(1, 3)? { Some(u.int_in_range(0..=2)?) } else { None };
    let address = if u.ratio(1, 6)? { "i64" } else { "i32" };
    let mut data = String::new();
    for _ in 0..if pages == 0 { 0 } else { u.int_in_range(0..=6)? } {
        let (at, byte) = (u.int_in_range(0..=pages * PAGE - 40)?, u.arbitrary::<u8>()?);
        data += &format!(r#"(data ({address}.const {at}) "\{byte:02x}data at {at:08}")"#);
    }
    let (elements, most_elements) = (u.int_in_range(2..=700)?, u.int_in_range(700..=3000)?);
    let starts = if u.ratio(1, 3)? { START } else { "" };
    let wide = if address == "i64" { "i64.extend_i32_u" } else { "" };
    let (second, about_second) = match second {
        Some(pages) => (format!(r#"(memory $second (export "second") {pages} 3)"#), about_second(address)),
        None => Default::default(),
    };
    Ok(format!(
        r#"(module
            (import "host" "f" (func $f (param i32) (result i32)))
            (memory $memory (export "memory") {address} {pages} {most})
            {second}
            (table $table (export "table") {elements} {most_elements} funcref)
            (table $references (export "references") 3 300 externref)
            (global $reference (export "reference") (mut externref) (ref.null extern))
            (global $a (export "a") (mut i64) (i64.const {seed}))
            (global $b (export "b") (mut i32) (i32.const 1))
            {data}
            (data $passive "passive data of a guest")
            (elem (i32.const 1) func $load)
            (elem $late func $load $drop)
            (func $at (param i32) (result {address}) (local.get 0) {wide})
            (func $load (export "load") (param i32) (result i32)
                (i32.load (call $at (local.get 0))))
            (func (export "store") (param i32 i32) (i32.store (call $at (local.get 0)) (local.get 1)))
            (func (export "fill") (param i32 i32 i32)
                (memory.fill (call $at (local.get 0)) (local.get 2) (call $at (local.get 1))))
            (func (export "copy") (param i32 i32 i32)
                (memory.copy (call $at (local.get 0)) (call $at (local.get 1)) (call $at (local.get 2))))
            (func (export "stride") (param $at i32) (param $step i32) (param $value i32)
                (local $count i32)
                (loop $next
                    (i64.store offset=3 (call $at (local.get $at)) (i64.extend_i32_u (local.get $value)))
                    (local.set $at (i32.add (local.get $at) (i32.and (local.get $step) (i32.const 0x3ffff))))
                    (local.set $count (i32.add (local.get $count) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $count) (i32.const 40)))))
            (func (export "grow") (param i32) (result {address}) (memory.grow (call $at (i32.and (local.get 0) (i32.const 15)))))
            (func (export "grow and touch") (param i32) (result {address})
                (local $old {address})
                (local.set $old (memory.grow (call $at (i32.and (local.get 0) (i32.const 3)))))
                (i32.store8 offset=65535 ({address}.mul (local.get $old) ({address}.const 65536)) (i32.const 1))
                (local.get $old))
            (func (export "init") (param i32 i32)
                (memory.init $passive (call $at (local.get 0)) (i32.const 0) (i32.and (local.get 1) (i32.const 31)))
                (table.init $table $late (i32.and (local.get 0) (i32.const 1023)) (i32.const 0) (i32.const 2)))
            (func $drop (export "drop") (data.drop $passive) (elem.drop $late))
            (func (export "grow table") (param i32) (result i32)
                (table.grow $table (ref.func $load) (i32.and (local.get 0) (i32.const 511))))
            (func (export "set table") (param i32)
                (table.set $table (i32.and (local.get 0) (i32.const 2047)) (ref.func $drop)))
            (func (export "set globals") (param i32 i32)
                (global.set $b (local.get 0)) (global.set $a (i64.extend_i32_s (local.get 1))))
            (func (export "store and trap") (param i32)
                (i64.store (call $at (local.get 0)) (i64.const -1)) (unreachable))
            (func $deep (export "deep") (param i32) (result i32)
                (local i64 i64 i64 i64)
                (if (result i32) (i32.eqz (i32.and (local.get 0) (i32.const 0xfffff)))
                    (then (i32.const 0))
                    (else (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))))
            (func (export "host") (param i32) (result i32) (call $f (local.get 0)))
            (func (export "grow references") (param i32) (result i32)
                (table.grow $references (global.get $reference) (i32.and (local.get 0) (i32.const 127))))
            (func (export "copy references") (param i32 i32 i32)
                (table.copy $references $references
                    (i32.and (local.get 0) (i32.const 3))
                    (i32.and (local.get 1) (i32.const 3))
                    (i32.and (local.get 2) (i32.const 3))))
            (func (export "keep reference") (param i32)
                (global.set $reference (table.get $references (i32.and (local.get 0) (i32.const 3)))))
            {about_second}
            {starts})"#,
        seed = u.arbitrary::<i64>()?,
    ))
}

/// Functions about a second memory: its addresses are of 32 bits.
fn about_second(address: &str) -> String {
    // A length is of the narrower memory's type.
    let first = |parameter: usize| match address {
        "i64" => format!("(i64.extend_i32_u (local.get {parameter}))"),
        _ => format!("(local.get {parameter})"),
    };
    format!(
        r#"(func (export "store second") (param i32 i32) (i32.store $second (local.get 0) (local.get 1)))
           (func (export "fill second") (param i32 i32 i32)
               (memory.fill $second (local.get 0) (local.get 2) (local.get 1)))
           (func (export "grow second") (param i32) (result i32)
               (memory.grow $second (i32.and (local.get 0) (i32.const 3))))
           (func (export "out of second") (param i32 i32 i32)
               (memory.copy $memory $second {} (local.get 1) (local.get 2)))
           (func (export "into second") (param i32 i32 i32)
               (memory.copy $second $memory (local.get 0) {} (local.get 2)))"#,
        first(0),
        first(1),
    )
}

/// Writes something that no segment does.
const START: &str = r#"
    (func $start
        (global.set $b (i32.const 77))
        (table.set $table (i32.const 0) (ref.func $drop))
        (i32.store (call $at (i32.const 32)) (i32.const 0x57a27ed)))
    (start $start)"#;
