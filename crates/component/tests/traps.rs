//! Every violation of the canonical ABI between two components is the trap that it should be.

mod common;

use common::{Running, message, no_host};
use hatchery_image::abi::RawVal;

/// A component that passes what its caller says to another, which takes one value of this type.
fn tree(ty: &str, encoding: &str) -> Running {
    let text = format!(
        r#"(component
  (component $C
    (core module $M
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
      (func (export "take") (param i32 i32)))
    (core instance $m (instantiate $M))
    (alias core export $m "memory" (core memory $memory))
    (func (export "take") (param "x" {ty})
      (canon lift (core func $m "take") (memory $memory) (realloc (core func $m "realloc")))))
  (instance $c (instantiate $C))
  (core module $Memory (memory (export "memory") 1))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $mem))
  (canon lower (func $c "take") (memory $mem) {encoding} (core func $take))
  (core module $M
    (import "" "memory" (memory 1))
    (import "" "take" (func $take (param i32 i32)))
    (func (export "call") (param i64 i64 i32 i32)
      (i64.store (i32.const 16) (local.get 0)) (i64.store (i32.const 24) (local.get 1))
      (call $take (local.get 2) (local.get 3))))
  (core instance $m (instantiate $M (with "" (instance (export "memory" (memory $mem)) (export "take" (func $take))))))
  (func (export "call") (param "a" u64) (param "b" u64) (param "ptr" u32) (param "len" u32)
    (canon lift (core func $m "call"))))"#
    );
    Running::component(&text, &no_host)
}

/// Calls with these bytes at address 16.
fn call(ty: &str, encoding: &str, bytes: &[u8], pointer: u32, length: u32) -> Result<(), String> {
    let mut words = [0; 16];
    words[..bytes.len()].copy_from_slice(bytes);
    let word = |at: usize| RawVal::from_i64(i64::from_le_bytes(words[at..at + 8].try_into().expect("8 bytes")));
    let given = [word(0), word(8), RawVal::from_i32(pointer as i32), RawVal::from_i32(length as i32)];
    match tree(ty, encoding).invoke("call", &given) {
        Ok(_) => Ok(()),
        error => Err(message(error.map(|_| ()))),
    }
}

#[test]
fn strings_that_are_not_utf8_are_refused() {
    let refused: [(&[u8], &str); 12] = [
        (&[0xff], "invalid utf-8"),
        (&[0x80], "invalid utf-8"),
        (&[0xc0, 0x80], "invalid utf-8"),
        (&[0xc3, 0x41], "invalid utf-8"),
        (&[0xe0, 0x80, 0x80], "invalid utf-8"),
        (&[0xed, 0xa0, 0x80], "invalid utf-8"),
        (&[0xf0, 0x80, 0x80, 0x80], "invalid utf-8"),
        (&[0xf4, 0x90, 0x80, 0x80], "invalid utf-8"),
        (&[0xf5, 0x80, 0x80, 0x80], "invalid utf-8"),
        (&[0xc3], "incomplete utf-8 byte sequence"),
        (&[0x41, 0xe2, 0x98], "incomplete utf-8 byte sequence"),
        (&[0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0xf0, 0x9f, 0x8d], "incomplete utf-8 byte sequence"),
    ];
    for (bytes, message) in refused {
        assert_eq!(call("string", "", bytes, 16, bytes.len() as u32), Err(message.to_owned()), "{bytes:x?}");
        assert!(std::str::from_utf8(bytes).is_err());
    }
    for text in ["é", "\u{7ff}\u{800}", "\u{d7ff}\u{e000}", "\u{10000}\u{10ffff}", "aaaaaaaaaaé"] {
        assert_eq!(call("string", "", text.as_bytes(), 16, text.len() as u32), Ok(()), "{text}");
    }
}

#[test]
fn strings_that_are_not_utf16_are_refused() {
    for encoding in ["string-encoding=utf16", "string-encoding=latin1+utf16"] {
        let tag = if encoding.contains("latin1") { 1 << 31 } else { 0 };
        for units in [&[0xd800u16][..], &[0xdc00], &[0xd800, 0x41], &[0xdbff, 0xd800], &[0x41, 0xdfff]] {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let result = call("string", encoding, &bytes, 16, units.len() as u32 | tag);
            assert_eq!(result, Err("invalid utf-16: unpaired surrogate".to_owned()), "{units:x?}");
        }
        assert_eq!(call("string", encoding, &[0], 17, 0), Err("unaligned pointer".to_owned()));
    }
}

#[test]
fn what_is_outside_or_too_long_is_refused() {
    let cases = [
        ("string", 65537, 0, "string content out-of-bounds"),
        ("string", 65536, 1, "string content out-of-bounds"),
        ("string", u32::MAX, 1, "string content out-of-bounds"),
        ("string", 0, 1 << 28, "string has more than 268435455 bytes"),
        ("(list u8)", 65537, 0, "list content out-of-bounds"),
        ("(list u32)", 65532, 2, "list content out-of-bounds"),
        ("(list u32)", 65532, 1 << 26, "list has more than 268435455 bytes"),
        ("(list u64)", 4, 0, "unaligned pointer"),
        ("(list u64)", 0, u32::MAX, "list has more than 268435455 bytes"),
    ];
    for (ty, pointer, length, message) in cases {
        assert_eq!(call(ty, "", &[], pointer, length), Err(message.to_owned()), "{ty} {pointer} {length}");
    }
    for (ty, pointer, length) in [("string", 65536, 0), ("(list u32)", 65532, 1), ("(list u8)", 65535, 1)] {
        assert_eq!(call(ty, "", &[], pointer, length), Ok(()), "{ty}");
    }
}

#[test]
fn values_that_a_type_does_not_have_are_refused() {
    let cases: [(&str, &[u8], &str); 6] = [
        ("(list char)", &[0, 0xd8, 0, 0], "invalid `char` bit pattern"),
        ("(list char)", &[0xff, 0xdf, 0, 0], "invalid `char` bit pattern"),
        ("(list char)", &[0, 0, 0x11, 0], "invalid `char` bit pattern"),
        ("(list (option u8))", &[2, 0], "invalid variant discriminant"),
        ("(list (result u8 (error u64)))", &[0xff], "invalid variant discriminant"),
        ("(list (result))", &[2], "invalid variant discriminant"),
    ];
    for (ty, bytes, message) in cases {
        assert_eq!(call(ty, "", bytes, 16, 1), Err(message.to_owned()), "{ty} {bytes:x?}");
    }
    assert_eq!(call("(list char)", "", &[0xff, 0xff, 0x10, 0], 16, 1), Ok(()));
    assert_eq!(call("(list (option u8))", "", &[1, 0], 16, 1), Ok(()));
}
