//! Bytes that have been cut or changed: refused or translated, never a panic, and never called a bug of ours.

use crate::translate::{TranslateError, translate};

const SUBJECTS: [&str; 3] = [
    r#"(component
        (import "a:b/c@0.2.0" (instance $c
            (export "r" (type $r (sub resource)))
            (export "f" (func (param "x" (borrow $r)) (result (list string))))))
        (alias export $c "r" (type $r))
        (core module $L (memory (export "m") 1) (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
        (core instance $l (instantiate $L))
        (core func $f (canon lower (func $c "f") (memory (core memory $l "m")) (realloc (core func $l "realloc"))))
        (core func $drop (canon resource.drop $r))
        (core module $M
            (import "c" "f" (func (param i32 i32))) (import "c" "drop" (func (param i32)))
            (func (export "g") (result i32) (i32.const 0)))
        (core instance $m (instantiate $M (with "c" (instance (export "f" (func $f)) (export "drop" (func $drop))))))
        (func $g (result u32) (canon lift (core func $m "g")))
        (instance $i (export "g" (func $g)))
        (export "d:e/f" (instance $i)))"#,
    r#"(component
        (core module $M (func (export "dtor") (param i32)))
        (type $t (record (field "a" u8) (field "b" (option (result string (error char))))))
        (component $C
            (alias outer 1 $M (core module $N))
            (alias outer 1 $t (type $u))
            (core instance $n (instantiate $N))
            (type $r (resource (rep i32) (dtor (core func $n "dtor"))))
            (export "r" (type $r))
            (export "u" (type $u)))
        (component $D (import "c" (component $c (export "r" (type (sub resource)))))
            (instance $i (instantiate $c)) (export "i" (instance $i)))
        (component $E (type $r (resource (rep i32))) (export "r" (type $r)))
        (instance $a (instantiate $C))
        (instance $b (instantiate $C))
        (instance $d (instantiate $D (with "c" (component $E))))
        (export "a" (instance $a)) (export "b" (instance $b)) (export "d" (instance $d)))"#,
    r#"(component
        (type $v (variant (case "a" u64) (case "b" (list (tuple u8 f32))) (case "c")))
        (type $f (flags "x" "y")) (type $e (enum "x" "y"))
        (import "v" (type $w (eq $v)))
        (import "f" (func $f (param "v" $w) (param "w" u8)))
        (component $C (import "f" (func)) (export "f" (func 0)))
        (core module $M (func (export "f")) (table (export "t") 1 funcref) (global (export "g") i32 (i32.const 1)))
        (core instance $m (instantiate $M))
        (core instance $n (export "t" (table $m "t")) (export "g" (global $m "g")))
        (func $h (canon lift (core func $m "f")))
        (instance $c (instantiate $C (with "f" (func $h))))
        (export "f" (func $c "f")))"#,
];

fn subjects() -> impl Iterator<Item = Vec<u8>> {
    SUBJECTS.into_iter().map(|text| wat::parse_str(text).expect("is well-formed"))
}

/// Translates; whatever comes out must not be a contradiction within the translation.
fn survive(bytes: &[u8]) -> bool {
    match translate(bytes) {
        Ok(_) => true,
        Err(TranslateError::Internal(what)) => panic!("{what}: {bytes:02x?}"),
        Err(_) => false,
    }
}

#[test]
fn the_subjects_are_valid() {
    for (bytes, text) in subjects().zip(SUBJECTS) {
        assert!(translate(&bytes).map(drop) == Ok(()), "{:?}: {text}", translate(&bytes).err());
    }
}

#[test]
fn truncated() {
    for bytes in subjects() {
        for length in 0..bytes.len() {
            survive(&bytes[..length]);
        }
    }
}

#[test]
fn every_byte_changed() {
    for bytes in subjects() {
        for position in 8..bytes.len() {
            for value in [0, 1, 2, 3, 4, 5, 0x10, 0x11, 0x40, 0x41, 0x42, 0x6b, 0x70, 0x73, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] = value;
                survive(&changed);
            }
        }
    }
}

#[test]
fn several_bytes_changed() {
    // A xorshift generator: the same mutants every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut translated = 0;
    for bytes in subjects() {
        for _ in 0..4000 {
            let mut changed = bytes.clone();
            for _ in 0..=random(3) {
                let position = 8 + random(changed.len() - 8);
                match random(4) {
                    0 => changed.insert(position, random(256) as u8),
                    1 => drop(changed.remove(position)),
                    2 => changed[position] = changed[8 + random(changed.len() - 8)],
                    _ => changed[position] = changed[position].wrapping_add(1),
                }
            }
            translated += usize::from(survive(&changed));
        }
    }
    assert!(translated > 0, "no mutant reaches the inliner");
}
