//! What guests must not pass to their host: each is a trap that says what it was, and nothing is used again afterwards.

use super::build::{ALLOCATOR, Guest};
use crate::component::{Instance, Lift, Linker, Prepared, Results, Val};
use crate::{Error, ErrorKind, Limits};
use hatchery_component::plan::Encoding;
use hatchery_component::types::{TypeDef, ValueType};

/// A component that returns a flat value of type `i32`.
fn returning(number: u32, ty: impl FnOnce(&mut Guest) -> ValueType, memory: &str) -> Guest {
    let wat = format!(
        r#"(module {ALLOCATOR}
            (data (i32.const 16) "{memory}")
            (func (export "f") (result i32) (i32.const {number})))"#
    );
    let mut guest = Guest::new(&wat);
    let ty = ty(&mut guest);
    guest.export("f", &[], Some(ty))
}

/// What typed and dynamic calls say; they agree.
fn call<R>(guest: &Guest) -> Result<R, Error>
where
    (R,): Results + Lift,
{
    let mut instance = guest.instantiate();
    let dynamic = instance.func_dynamic("f").expect("there").call(&mut instance, &[]);
    assert_eq!(instance.is_poisoned(), dynamic.is_err());
    let mut instance = guest.instantiate();
    let typed = instance.func::<(), (R,)>("f").expect("of this type").call(&mut instance, ());
    assert_eq!(instance.is_poisoned(), typed.is_err());
    match (&typed, &dynamic) {
        (Ok(_), Ok(_)) => {}
        (Err(a), Err(b)) => assert_eq!((a.kind(), a.to_string()), (b.kind(), b.to_string())),
        _ => panic!("typed and dynamic differ: {:?}, {:?}", typed.as_ref().err(), dynamic.as_ref().err()),
    }
    typed.map(|(value,)| value)
}

fn refused<R>(guest: &Guest, message: &str)
where
    (R,): Results + Lift,
{
    match call::<R>(guest) {
        Ok(_) => panic!("accepted, where this was expected: {message}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Trap);
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}

fn list(element: ValueType) -> impl FnOnce(&mut Guest) -> ValueType {
    move |guest| guest.def(TypeDef::List(element))
}

fn text(_: &mut Guest) -> ValueType {
    ValueType::String
}

/// Little endian words, as the text format escapes them.
fn words(words: &[u32]) -> String {
    words.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect()
}

#[test]
fn pointers_and_lengths() {
    refused::<String>(&returning(18, text, ""), "unaligned pointer");
    refused::<String>(&returning(65532, text, ""), "pointer out of bounds");
    refused::<String>(&returning(u32::MAX - 3, text, ""), "pointer out of bounds");
    let pair = |pointer, length| words(&[pointer, length]);
    assert_eq!(call::<String>(&returning(16, text, &pair(65536, 0))).expect("empty"), "");
    refused::<String>(&returning(16, text, &pair(65537, 0)), "string pointer/length out of bounds of memory");
    refused::<String>(&returning(16, text, &pair(65530, 7)), "string pointer/length out of bounds of memory");
    refused::<String>(&returning(16, text, &pair(u32::MAX, 2)), "string pointer/length out of bounds of memory");
    refused::<String>(&returning(16, text, &pair(0, 1 << 28)), "string or list exceeds the maximum");
    refused::<Vec<u32>>(&returning(16, list(ValueType::U32), &pair(2, 0)), "unaligned pointer");
    refused::<Vec<u32>>(&returning(16, list(ValueType::U32), &pair(65532, 2)), "list content out-of-bounds");
    refused::<Vec<u32>>(&returning(16, list(ValueType::U32), &pair(0, 1 << 30)), "string or list exceeds the maximum");
    refused::<Vec<String>>(&returning(16, list(ValueType::String), &pair(65528, 2)), "list content out-of-bounds");
    let inner = words(&[24, 1, 65536, 1]);
    refused::<Vec<String>>(
        &returning(16, list(ValueType::String), &inner),
        "string pointer/length out of bounds of memory",
    );
}

#[test]
fn encodings() {
    let pair = |pointer, length| words(&[pointer, length]);
    let bad = format!("{}\\c3\\28", pair(24, 2));
    refused::<String>(&returning(16, text, &bad), "invalid utf-8");
    let half = format!("{}\\00\\d8\\41\\00", pair(24, 2));
    let utf16 = |memory: &str| returning(16, text, memory);
    let encoded = |guest: Guest, encoding| {
        // The options are part of each export, so they come first.
        let mut again = guest.encoding(encoding);
        if let Some((_, hatchery_component::meta::Export::Func(func))) = again.meta.exports.first_mut() {
            func.options.encoding = encoding;
        }
        again
    };
    refused::<String>(&encoded(utf16(&half), Encoding::Utf16), "invalid UTF-16");
    refused::<String>(&encoded(utf16(&pair(25, 1)), Encoding::Utf16), "unaligned pointer");
    refused::<String>(
        &encoded(utf16(&pair(65534, 2)), Encoding::Utf16),
        "string pointer/length out of bounds of memory",
    );
    refused::<String>(&encoded(utf16(&pair(0, 1 << 31)), Encoding::Utf16), "string or list exceeds the maximum");
    let compact = |memory: &str| encoded(returning(16, text, memory), Encoding::CompactUtf16);
    assert_eq!(call::<String>(&compact(&format!("{}\\e4\\41", pair(24, 2)))).expect("latin-1"), "äA");
    let tagged = format!("{}\\a9\\03", pair(24, 1 << 31 | 1));
    assert_eq!(call::<String>(&compact(&tagged)).expect("utf-16"), "Ω");
    let halved = format!("{}\\00\\dc", pair(24, 1 << 31 | 1));
    refused::<String>(&compact(&halved), "invalid UTF-16");
}

#[test]
fn discriminants_and_characters() {
    refused::<char>(&returning(0xd800, |_| ValueType::Char, ""), "invalid `char` bit pattern");
    refused::<char>(&returning(0x11_0000, |_| ValueType::Char, ""), "invalid `char` bit pattern");
    assert_eq!(call::<char>(&returning(0x10_ffff, |_| ValueType::Char, "")).expect("a character"), '\u{10ffff}');
    assert!(call::<bool>(&returning(2, |_| ValueType::Bool, "")).expect("any number but zero"));
    // What is above a small number's bits does not matter.
    assert_eq!(call::<u8>(&returning(0x1ff, |_| ValueType::U8, "")).expect("a byte"), 0xff);
    assert_eq!(call::<i16>(&returning(0x1_8000, |_| ValueType::S16, "")).expect("a number"), i16::MIN);
    let none = |guest: &mut Guest| guest.def(TypeDef::Result(None, None));
    refused::<Result<(), ()>>(&returning(2, none, ""), "invalid variant discriminant");
    let option = |guest: &mut Guest| guest.def(TypeDef::Option(ValueType::U32));
    refused::<Option<u32>>(&returning(16, option, &words(&[2, 0])), "invalid variant discriminant");
    refused::<Option<u32>>(&returning(16, option, &words(&[255, 0])), "invalid variant discriminant");
    assert_eq!(call::<Option<u32>>(&returning(16, option, &words(&[0xff01, 7]))).expect("one byte counts"), Some(7));
}

#[test]
fn the_host_allocates_no_more_than_its_budget() {
    // A list of 4,000 strings, each of which is the same 32,000 bytes.
    let wat = format!(
        r#"(module {ALLOCATOR}
            (func $fill (local $i i32)
                (loop $more
                    (i32.store (i32.add (i32.const 32768) (i32.mul (local.get $i) (i32.const 8))) (i32.const 0))
                    (i32.store (i32.add (i32.const 32772) (i32.mul (local.get $i) (i32.const 8))) (i32.const 32000))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $more (i32.lt_u (local.get $i) (i32.const 4000)))))
            (func (export "f") (result i32)
                (call $fill)
                (i32.store (i32.const 32000) (i32.const 32768))
                (i32.store (i32.const 32004) (i32.const 4000))
                (i32.const 32000)))"#
    );
    let mut guest = Guest::new(&wat);
    let strings = guest.def(TypeDef::List(ValueType::String));
    let guest = guest.export("f", &[], Some(strings));
    let engine = super::build::engine();
    let linker = Linker::<()>::new(&engine);
    let component = guest.compile(&engine);
    for (limit, fits) in [(130_000_000, true), (100_000_000, false), (1000, false)] {
        let prepared = linker.prepare_with(&component, Limits::new().max_lifted(limit)).expect("prepares");
        let mut instance = prepared.instantiate(()).expect("an instance");
        let f = prepared.func::<(), (Vec<String>,)>("f").expect("there");
        let result = f.call(&mut instance, ());
        assert_eq!(result.is_ok(), fits, "{limit}: {:?}", result.err());
        if let Err(error) = f.call(&mut instance, ()) {
            assert!(!fits && error.kind() == ErrorKind::Poisoned);
        }
        let mut instance = prepared.instantiate(()).expect("an instance");
        let dynamic = prepared.func_dynamic("f").expect("there").call(&mut instance, &[]);
        assert_eq!(dynamic.is_ok(), fits);
    }
}

/// A component that returns a list of a thousand values of a type, all of whose bytes are this one.
fn thousand(byte: u8, bytes: usize, of: impl FnOnce(&mut Guest) -> ValueType) -> Guest {
    let bytes = 1000 * bytes;
    let wat = format!(
        r#"(module {ALLOCATOR}
            (func (export "f") (result i32)
                (drop (memory.grow (i32.const 1)))
                (memory.fill (i32.const 32768) (i32.const {byte}) (i32.const {bytes}))
                (i32.store (i32.const 16) (i32.const 32768))
                (i32.store (i32.const 20) (i32.const 1000))
                (i32.const 16)))"#
    );
    let mut guest = Guest::new(&wat);
    let element = of(&mut guest);
    let list = guest.def(TypeDef::List(element));
    guest.export("f", &[], Some(list))
}

/// Checks that a call fails when its host may allocate less than about so many bytes, and only then.
fn takes<R>(guest: &Guest, bytes: usize, call: impl Fn(&Prepared<()>, &mut Instance<()>) -> Result<R, Error>) {
    let engine = super::build::engine();
    let (linker, component) = (Linker::<()>::new(&engine), guest.compile(&engine));
    for (limit, fits) in [(bytes - bytes / 20, false), (bytes + bytes / 20, true)] {
        let prepared = linker.prepare_with(&component, Limits::new().max_lifted(limit)).expect("prepares");
        let result = call(&prepared, &mut prepared.instantiate(()).expect("an instance"));
        assert_eq!(result.is_ok(), fits, "{limit}: {:?}", result.err());
        let message = result.err().map(|error| error.to_string()).unwrap_or_else(|| "max_lifted".into());
        assert!(message.contains("max_lifted"), "{message}");
    }
}

#[test]
fn names_in_dynamic_values_count_as_what_the_host_allocates() {
    let name = |number: usize| format!("{number:0>200}").into();
    let check = |byte, bytes, def: TypeDef, inside| {
        let guest = thousand(byte, bytes, |guest| guest.def(def));
        takes(&guest, 1000 * (size_of::<Val>() + inside), |prepared, instance| {
            prepared.func_dynamic("f")?.call(instance, &[])
        });
    };
    check(255, 4, TypeDef::Flags((0..32).map(name).collect()), 32 * (size_of::<String>() + 200));
    check(0, 1, TypeDef::Enum((0..2).map(name).collect()), 200);
    check(0, 1, TypeDef::Variant((0..2).map(|number| (name(number), None)).collect()), 200);
    let fields = (0..20).map(|number| (name(number), ValueType::U8)).collect();
    check(0, 20, TypeDef::Record(fields), 20 * (size_of::<(String, Val)>() + 200));
}

#[test]
fn what_is_boxed_counts_as_what_the_host_allocates() {
    let guest = thousand(0, 64, |guest| guest.def(TypeDef::FixedList(ValueType::U64, 8)));
    takes(&guest, 1000 * (64 + size_of::<usize>()), |prepared, instance| {
        prepared.func::<(), (Vec<Box<[u64; 8]>>,)>("f")?.call(instance, ())
    });
}

/// A component whose `realloc` returns whatever this is.
fn lying(pointer: u32, encoding: Encoding) -> Guest {
    let wat = format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const {pointer}))
            (func (export "f") (param i32 i32))
            (func (export "many") (param i32)))"#
    );
    let mut guest = Guest::new(&wat).encoding(encoding);
    let many = guest.def(TypeDef::Tuple(vec![ValueType::U64; 17]));
    guest.export("f", &[ValueType::String], None).export("many", &[many], None)
}

#[test]
fn reallocs_that_lie() {
    let check = |pointer, encoding, text: &str, message: Option<&str>| {
        let mut instance = lying(pointer, encoding).instantiate();
        let result = instance.func::<(&str,), ()>("f").expect("there").call(&mut instance, (text,));
        match (result, message) {
            (Ok(()), None) => {}
            (Err(error), Some(message)) => {
                assert_eq!(error.kind(), ErrorKind::Trap);
                assert!(error.to_string().starts_with(message), "{error}");
                assert!(instance.is_poisoned());
            }
            (result, message) => panic!("{pointer:#x}: {result:?}, and {message:?} was expected"),
        }
    };
    let (outside, unaligned) = ("realloc return: beyond end of memory", "realloc return: result not aligned");
    check(65533, Encoding::Utf8, "abc", None);
    check(65534, Encoding::Utf8, "abc", Some(outside));
    check(65536, Encoding::Utf8, "", None);
    check(65537, Encoding::Utf8, "", Some(outside));
    check(u32::MAX, Encoding::Utf8, "abc", Some(outside));
    check(3, Encoding::Utf16, "abc", Some(unaligned));
    check(65532, Encoding::Utf16, "abc", Some(outside));
    check(65532, Encoding::CompactUtf16, "abc", None);
    check(65532, Encoding::CompactUtf16, "Ωbc", Some(outside));
    for (pointer, message) in [(4, unaligned), (65536 - 16, outside)] {
        let mut instance = lying(pointer, Encoding::Utf8).instantiate();
        let many = instance.func_dynamic("many").expect("there");
        let error = many.call(&mut instance, &[Val::Tuple(vec![Val::U64(1); 17])]).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
}
