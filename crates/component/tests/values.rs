//! Values of random types pass from component to component as the specification's formulas say.
//!
//! The judge is an interpreter of the canonical ABI that shares no code with the generators: it writes values into the
//! caller's memory and flat arguments, and reads them from the callee's.

mod common;

use common::{Running, Tree, core_export};
use hatchery_component::plan::{ComponentInstanceId, CoreFunc, CoreItem, Encoding, Func};
use hatchery_component::types::{FuncType, TypeDef, Types, ValueType};
use hatchery_image::abi::RawVal;
use proptest::prelude::*;
use std::fmt::Write as _;

/// A type, spelled out.
#[derive(Debug, Clone)]
enum T {
    Bool,
    Int { bytes: u32, signed: bool },
    Float(u32),
    Char,
    Str,
    List(Box<T>),
    Map(Box<T>, Box<T>),
    Fixed(Box<T>, u32),
    Record(Vec<T>),
    Variant(Vec<Option<T>>),
    Flags(u32),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
enum V {
    /// Any scalar, as its bits.
    Bits(u64),
    Str(String),
    Many(Vec<V>),
    Case(u32, Option<Box<V>>),
}

/// One side.
#[derive(Debug, Clone, Copy)]
struct Side {
    wide: bool,
    encoding: Encoding,
}

/// A memory that is written from some address on.
struct Heap {
    side: Side,
    bytes: Vec<u8>,
    next: usize,
}

fn pointer(side: Side) -> usize {
    if side.wide { 8 } else { 4 }
}

fn layout(t: &T, side: Side) -> (usize, usize) {
    match t {
        T::Bool => (1, 1),
        T::Int { bytes, .. } | T::Float(bytes) => (*bytes as usize, *bytes as usize),
        T::Char => (4, 4),
        T::Str | T::List(_) | T::Map(..) => (2 * pointer(side), pointer(side)),
        T::Fixed(t, n) => {
            let (size, align) = layout(t, side);
            (size * *n as usize, align)
        }
        T::Record(fields) => {
            let align = fields.iter().map(|t| layout(t, side).1).max().unwrap_or(1);
            let end = fields.iter().fold(0usize, |at, t| {
                let (size, align) = layout(t, side);
                at.next_multiple_of(align) + size
            });
            (end.next_multiple_of(align), align)
        }
        T::Variant(cases) => {
            let tag = discriminant(cases.len());
            let align = cases.iter().flatten().map(|t| layout(t, side).1).max().unwrap_or(1);
            let size = cases.iter().flatten().map(|t| layout(t, side).0).max().unwrap_or(0);
            let all = align.max(tag);
            ((tag.next_multiple_of(align) + size).next_multiple_of(all), all)
        }
        T::Flags(n) => {
            let bytes = if *n <= 8 {
                1
            } else if *n <= 16 {
                2
            } else {
                4
            };
            (bytes, bytes)
        }
    }
}

fn discriminant(cases: usize) -> usize {
    if cases <= 256 {
        1
    } else if cases <= 65536 {
        2
    } else {
        4
    }
}

fn payload_offset(cases: &[Option<T>], side: Side) -> usize {
    let align = cases.iter().flatten().map(|t| layout(t, side).1).max().unwrap_or(1);
    discriminant(cases.len()).next_multiple_of(align)
}

fn flat(t: &T, side: Side) -> Vec<&'static str> {
    let pointer = if side.wide { "i64" } else { "i32" };
    match t {
        T::Int { bytes: 8, .. } => vec!["i64"],
        T::Float(4) => vec!["f32"],
        T::Float(_) => vec!["f64"],
        T::Str | T::List(_) | T::Map(..) => vec![pointer; 2],
        T::Fixed(t, n) => flat(t, side).repeat(*n as usize),
        T::Record(fields) => fields.iter().flat_map(|t| flat(t, side)).collect(),
        T::Variant(cases) => {
            let mut all = vec!["i32"];
            for case in cases.iter().flatten() {
                for (i, ty) in flat(case, side).into_iter().enumerate() {
                    match all.get(i + 1).copied() {
                        None => all.push(ty),
                        Some(other) if other == ty => {}
                        Some("i32" | "f32") if ty == "i32" || ty == "f32" => all[i + 1] = "i32",
                        Some(_) => all[i + 1] = "i64",
                    }
                }
            }
            all
        }
        _ => vec!["i32"],
    }
}

impl Heap {
    fn allocate(&mut self, size: usize, align: usize) -> usize {
        let at = self.next.next_multiple_of(align);
        self.next = at + size;
        assert!(self.next <= self.bytes.len(), "the test's values are small");
        at
    }

    fn put(&mut self, at: usize, bytes: usize, value: u64) {
        self.bytes[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    }

    fn take(&self, at: usize, bytes: usize) -> u64 {
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(&self.bytes[at..at + bytes]);
        u64::from_le_bytes(value)
    }

    fn tag(&self) -> u64 {
        1 << (8 * pointer(self.side) - 1)
    }

    fn store_string(&mut self, text: &str) -> (u64, u64) {
        let latin = text.chars().all(|c| (c as u32) < 256);
        let (bytes, length): (Vec<u8>, u64) = match self.side.encoding {
            Encoding::Utf8 => (text.into(), text.len() as u64),
            // An odd number of characters: over-long on purpose.
            Encoding::CompactUtf16 if latin && text.chars().count().is_multiple_of(2) => {
                (text.chars().map(|c| c as u8).collect(), text.chars().count() as u64)
            }
            encoding => {
                let units: Vec<u16> = text.encode_utf16().collect();
                let tag = if encoding == Encoding::Utf16 { 0 } else { self.tag() };
                (units.iter().flat_map(|unit| unit.to_le_bytes()).collect(), units.len() as u64 | tag)
            }
        };
        let at = self.allocate(bytes.len(), 2);
        self.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
        (at as u64, length)
    }

    fn load_string(&self, at: u64, length: u64) -> String {
        let at = at as usize;
        let utf16 = |units: usize| {
            let unit = |i: usize| u16::from_le_bytes([self.bytes[at + 2 * i], self.bytes[at + 2 * i + 1]]);
            String::from_utf16(&(0..units).map(unit).collect::<Vec<_>>()).expect("utf-16")
        };
        match self.side.encoding {
            Encoding::Utf8 => String::from_utf8(self.bytes[at..at + length as usize].to_vec()).expect("utf-8"),
            Encoding::Utf16 => utf16(length as usize),
            Encoding::CompactUtf16 if length & self.tag() != 0 => {
                let text = utf16((length ^ self.tag()) as usize);
                assert!(text.chars().any(|c| c as u32 >= 256), "{text:?} could be Latin-1");
                text
            }
            Encoding::CompactUtf16 => {
                self.bytes[at..at + length as usize].iter().map(|byte| char::from(*byte)).collect()
            }
        }
    }

    fn store(&mut self, t: &T, v: &V, at: usize) {
        match (t, v) {
            (T::Str, V::Str(text)) => {
                let (pointer_value, length) = self.store_string(text);
                self.pair(at, pointer_value, length);
            }
            (T::List(t), V::Many(items)) => {
                let (start, length) = self.store_list(t, items);
                self.pair(at, start, length);
            }
            (T::Map(k, v), V::Many(items)) => {
                let (start, length) = self.store_list(&T::Record(vec![(**k).clone(), (**v).clone()]), items);
                self.pair(at, start, length);
            }
            (T::Fixed(t, _), V::Many(items)) => {
                let size = layout(t, self.side).0;
                items.iter().enumerate().for_each(|(i, item)| self.store(t, item, at + i * size));
            }
            (T::Record(types), V::Many(items)) => {
                let mut at = at;
                for (t, item) in types.iter().zip(items) {
                    let (size, align) = layout(t, self.side);
                    at = at.next_multiple_of(align);
                    self.store(t, item, at);
                    at += size;
                }
            }
            (T::Variant(cases), V::Case(case, payload)) => {
                self.put(at, discriminant(cases.len()), u64::from(*case));
                if let (Some(t), Some(v)) = (&cases[*case as usize], payload) {
                    self.store(t, v, at + payload_offset(cases, self.side));
                }
            }
            (t, V::Bits(bits)) => self.put(at, layout(t, self.side).0, *bits),
            other => panic!("{other:?}"),
        }
    }

    fn pair(&mut self, at: usize, first: u64, second: u64) {
        let bytes = pointer(self.side);
        self.put(at, bytes, first);
        self.put(at + bytes, bytes, second);
    }

    fn store_list(&mut self, t: &T, items: &[V]) -> (u64, u64) {
        let (size, align) = layout(t, self.side);
        let at = self.allocate(size * items.len(), align);
        items.iter().enumerate().for_each(|(i, item)| self.store(t, item, at + i * size));
        (at as u64, items.len() as u64)
    }

    fn load(&self, t: &T, at: usize) -> V {
        let bytes = pointer(self.side);
        let pair = || (self.take(at, bytes), self.take(at + bytes, bytes));
        match t {
            T::Str => V::Str(self.load_string(pair().0, pair().1)),
            T::List(t) => self.load_list(t, pair()),
            T::Map(k, v) => self.load_list(&T::Record(vec![(**k).clone(), (**v).clone()]), pair()),
            T::Fixed(t, n) => {
                let size = layout(t, self.side).0;
                V::Many((0..*n as usize).map(|i| self.load(t, at + i * size)).collect())
            }
            T::Record(types) => {
                let mut at = at;
                let load = |t: &T| {
                    let (size, align) = layout(t, self.side);
                    at = at.next_multiple_of(align) + size;
                    self.load(t, at - size)
                };
                V::Many(types.iter().map(load).collect())
            }
            T::Variant(cases) => {
                let case = self.take(at, discriminant(cases.len())) as u32;
                let payload = cases[case as usize].as_ref();
                V::Case(case, payload.map(|t| Box::new(self.load(t, at + payload_offset(cases, self.side)))))
            }
            t => V::Bits(self.take(at, layout(t, self.side).0)),
        }
    }

    fn load_list(&self, t: &T, (at, length): (u64, u64)) -> V {
        let size = layout(t, self.side).0;
        V::Many((0..length as usize).map(|i| self.load(t, at as usize + i * size)).collect())
    }

    /// Flat values, all as bits; what a case does not have is rubbish.
    fn lower(&mut self, t: &T, v: &V) -> Vec<u64> {
        match (t, v) {
            (T::Str, V::Str(text)) => {
                let (at, length) = self.store_string(text);
                vec![at, length]
            }
            (T::List(t), V::Many(items)) => {
                let (at, length) = self.store_list(t, items);
                vec![at, length]
            }
            (T::Map(k, v), V::Many(items)) => {
                let (at, length) = self.store_list(&T::Record(vec![(**k).clone(), (**v).clone()]), items);
                vec![at, length]
            }
            (T::Fixed(t, _), V::Many(items)) => items.iter().flat_map(|item| self.lower(t, item)).collect(),
            (T::Record(types), V::Many(items)) => {
                types.iter().zip(items).flat_map(|(t, item)| self.lower(t, item)).collect()
            }
            (T::Variant(cases), V::Case(case, payload)) => {
                let mut all = vec![u64::from(*case)];
                if let (Some(t), Some(v)) = (&cases[*case as usize], payload) {
                    all.extend(self.lower(t, v));
                }
                all.resize(flat(t, self.side).len(), 0xdead_beef_dead_beef);
                all
            }
            // Bits beyond a small type's width mean nothing.
            (T::Int { bytes: 1, signed: false }, V::Bits(bits)) => vec![bits | 0xabcd_ef00],
            (T::Int { bytes: 2, .. }, V::Bits(bits)) => vec![bits | 0xabcd_0000],
            (T::Bool, V::Bits(bits)) => vec![bits << 7],
            (T::Flags(n), V::Bits(bits)) if *n < 32 => vec![bits | 0x8000_0000],
            (_, V::Bits(bits)) => vec![*bits],
            other => panic!("{other:?}"),
        }
    }

    fn lift(&self, t: &T, flats: &mut std::slice::Iter<'_, u64>) -> V {
        let mut next = || *flats.next().expect("a flat value");
        match t {
            T::Str => V::Str(self.load_string(next(), next())),
            T::List(t) => self.load_list(t, (next(), next())),
            T::Map(k, v) => self.load_list(&T::Record(vec![(**k).clone(), (**v).clone()]), (next(), next())),
            T::Fixed(t, n) => V::Many((0..*n).map(|_| self.lift(t, flats)).collect()),
            T::Record(types) => V::Many(types.iter().map(|t| self.lift(t, flats)).collect()),
            T::Variant(cases) => {
                let case = next() as u32;
                let mut rest = flats.clone();
                for _ in 1..flat(t, self.side).len() {
                    flats.next();
                }
                V::Case(case, cases[case as usize].as_ref().map(|t| Box::new(self.lift(t, &mut rest))))
            }
            // Small signed integers arrive extended.
            T::Int { bytes, signed: true } if *bytes < 4 => {
                let value = next() as u32 as i32;
                let shift = 32 - 8 * bytes;
                assert_eq!(value << shift >> shift, value);
                V::Bits(u64::from(value as u32) & ((1 << (8 * bytes)) - 1))
            }
            T::Int { bytes: 8, .. } | T::Float(8) => V::Bits(next()),
            _ => V::Bits(next() & 0xffff_ffff),
        }
    }
}

fn intern(types: &mut Types, t: &T) -> ValueType {
    let def = match t {
        T::Bool => return ValueType::Bool,
        T::Int { bytes: 1, signed } => return if *signed { ValueType::S8 } else { ValueType::U8 },
        T::Int { bytes: 2, signed } => return if *signed { ValueType::S16 } else { ValueType::U16 },
        T::Int { bytes: 4, signed } => return if *signed { ValueType::S32 } else { ValueType::U32 },
        T::Int { signed, .. } => return if *signed { ValueType::S64 } else { ValueType::U64 },
        T::Float(4) => return ValueType::F32,
        T::Float(_) => return ValueType::F64,
        T::Char => return ValueType::Char,
        T::Str => return ValueType::String,
        T::List(t) => TypeDef::List(intern(types, t)),
        T::Map(k, v) => {
            let key = intern(types, k);
            TypeDef::Map(key, intern(types, v))
        }
        T::Fixed(t, n) => TypeDef::FixedList(intern(types, t), *n),
        T::Record(fields) => {
            let fields: Vec<_> =
                fields.iter().enumerate().map(|(i, t)| (i.to_string().into(), intern(types, t))).collect();
            TypeDef::Record(fields)
        }
        T::Variant(cases) => {
            let case = |types: &mut Types, t: &Option<T>| t.as_ref().map(|t| intern(types, t));
            let cases: Vec<_> = cases.iter().enumerate().map(|(i, t)| (i.to_string().into(), case(types, t))).collect();
            TypeDef::Variant(cases)
        }
        T::Flags(n) => TypeDef::Flags((0..*n).map(|i| i.to_string().into()).collect()),
    };
    ValueType::Def(types.def(def))
}

fn any_type() -> impl Strategy<Value = T> {
    let leaf = prop_oneof![
        Just(T::Bool),
        (prop::sample::select(vec![1, 2, 4, 8]), any::<bool>()).prop_map(|(bytes, signed)| T::Int { bytes, signed }),
        prop::sample::select(vec![4, 8]).prop_map(T::Float),
        Just(T::Char),
        Just(T::Str),
        (1u32..=32).prop_map(T::Flags),
        prop::sample::select(vec![3, 256, 300]).prop_map(|n| T::Variant(vec![None; n])),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| T::List(Box::new(t))),
            (inner.clone(), inner.clone()).prop_map(|(k, v)| T::Map(Box::new(k), Box::new(v))),
            (inner.clone(), 1u32..7).prop_map(|(t, n)| T::Fixed(Box::new(t), n)),
            prop::collection::vec(inner.clone(), 1..5).prop_map(T::Record),
            prop::collection::vec(prop::option::of(inner), 1..5).prop_map(T::Variant),
        ]
    })
}

fn any_char() -> impl Strategy<Value = char> {
    prop_oneof![4 => (0x20u8..0x7f).prop_map(char::from), 1 => (0x80u8..=0xff).prop_map(char::from), 1 => any::<char>()]
}

fn any_string() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        prop::collection::vec((0u8..=255).prop_map(char::from), 0..40).prop_map(|all| all.into_iter().collect()),
        prop::collection::vec(any_char(), 0..40).prop_map(|all| all.into_iter().collect()),
        prop::collection::vec(any::<char>(), 0..12).prop_map(|all| all.into_iter().collect()),
    ]
}

fn value(t: &T) -> BoxedStrategy<V> {
    let many = |types: Vec<&T>| types.into_iter().map(value).collect::<Vec<_>>().prop_map(V::Many).boxed();
    match t {
        T::Bool => (0..2u64).prop_map(V::Bits).boxed(),
        T::Int { bytes, .. } => {
            let shift = 64 - 8 * bytes;
            any::<u64>().prop_map(move |bits| V::Bits(bits >> shift)).boxed()
        }
        T::Float(4) => (-1e9f32..1e9).prop_map(|value| V::Bits(value.to_bits().into())).boxed(),
        T::Float(_) => (-1e9f64..1e9).prop_map(|value| V::Bits(value.to_bits())).boxed(),
        T::Char => any_char().prop_map(|char| V::Bits(u64::from(u32::from(char)))).boxed(),
        T::Str => any_string().prop_map(V::Str).boxed(),
        T::List(t) => prop::collection::vec(value(t), 0..5).prop_map(V::Many).boxed(),
        T::Map(k, v) => {
            let pair = (value(k), value(v)).prop_map(|(k, v)| V::Many(vec![k, v]));
            prop::collection::vec(pair, 0..4).prop_map(V::Many).boxed()
        }
        T::Fixed(t, n) => many(vec![t; *n as usize]),
        T::Record(types) => many(types.iter().collect()),
        T::Variant(cases) => {
            let case = |(number, payload): (usize, &Option<T>)| match payload {
                None => Just(V::Case(number as u32, None)).boxed(),
                Some(t) => value(t).prop_map(move |v| V::Case(number as u32, Some(Box::new(v)))).boxed(),
            };
            prop::strategy::Union::new(cases.iter().enumerate().map(case)).boxed()
        }
        T::Flags(n) => {
            let shift = 64 - n;
            any::<u64>().prop_map(move |bits| V::Bits(bits >> shift)).boxed()
        }
    }
}

fn any_side() -> impl Strategy<Value = Side> {
    let encoding = prop::sample::select(vec![Encoding::Utf8, Encoding::Utf16, Encoding::CompactUtf16]);
    (any::<bool>(), encoding).prop_map(|(wide, encoding)| Side { wide, encoding })
}

/// Where flat parameters and the flat result are in the callee's memory, and where `realloc` starts.
const ARGUMENTS: usize = 0;
const RESULT: usize = 1024;
const HEAP: usize = 2048;
const REALLOC: usize = 5 << 16;

/// A module whose function `f` keeps its parameters and returns what there is.
fn callee(side: Side, params: &[&str], results: &[&str]) -> String {
    let p = if side.wide { "i64" } else { "i32" };
    let mut body = String::new();
    for (i, ty) in params.iter().enumerate() {
        write!(body, "({ty}.store ({p}.const {}) (local.get {i}))", ARGUMENTS + 8 * i).expect("text");
    }
    for ty in results {
        write!(body, "({ty}.load ({p}.const {RESULT}))").expect("text");
    }
    let list = |kind: &str, types: &[&str]| format!("({kind} {})", types.join(" "));
    format!(
        r#"(module {}
            (func (export "f") {} {} {body})
            (func (export "post") {} (global.set $posts (i32.add (global.get $posts) (i32.const 1)))))"#,
        allocator(side),
        list("param", params),
        list("result", results),
        list("param", results),
    )
}

/// A memory, and a `realloc` that never gives anything back.
fn allocator(side: Side) -> String {
    let p = if side.wide { "i64" } else { "i32" };
    format!(
        r#"(memory (export "memory") {m} 8) (global $next (mut {p}) ({p}.const {REALLOC})) (global $posts (mut i32) (i32.const 0))
            (func (export "posts") (result i32) (global.get $posts))
            (func (export "realloc") (param $old {p}) (param $bytes {p}) (param $align {p}) (param $new {p}) (result {p})
                (local $at {p})
                (local.set $at ({p}.and ({p}.add (global.get $next) ({p}.sub (local.get $align) ({p}.const 1)))
                    ({p}.sub ({p}.const 0) (local.get $align))))
                (global.set $next ({p}.add (local.get $at) (local.get $new)))
                (memory.copy (local.get $at) (local.get $old)
                    (select (local.get $bytes) (local.get $new) ({p}.lt_u (local.get $bytes) (local.get $new))))
                (local.get $at))"#,
        m = if side.wide { "i64" } else { "" },
    )
}

/// A caller and a callee of a function of this type; exports `call` and the callee's `f`.
fn tree(caller: Side, called: Side, params: &[T], result: Option<&T>) -> (Tree, FlatSignature) {
    let mut tree = Tree::new(3);
    let params_type = params.iter().map(|t| ("p".into(), intern(&mut tree.plan.types, t))).collect();
    let result_type = result.map(|t| intern(&mut tree.plan.types, t));
    let ty = tree.plan.types.func(FuncType { params: params_type, result: result_type });
    let signature = FlatSignature::new(caller, called, params, result);
    let inner = tree.core(1, &callee(called, &signature.callee_params, &signature.callee_results), &[]);
    let f = tree.export(inner, "f");
    let mut options = tree.options(inner);
    (options.memory64, options.encoding) = (called.wide, called.encoding);
    options.post_return = Some(tree.export(inner, "post"));
    let func = tree.func(Func::Lift { core: f, ty, options, component: ComponentInstanceId(1) });
    let heap = tree.core(2, &format!("(module {})", allocator(caller)), &[]);
    let mut options = tree.options(heap);
    (options.memory64, options.encoding) = (caller.wide, caller.encoding);
    let lowered = tree.core_func(CoreFunc::Lower { func, options, component: ComponentInstanceId(2) });
    let list = |kind: &str, types: &[&str]| format!("({kind} {})", types.join(" "));
    let text = format!(
        r#"(module (import "" "memory" (memory {} 8)) (import "" "f" (func $f {p} {r})) (export "memory" (memory 0))
            (export "call" (func $f)))"#,
        if caller.wide { "i64" } else { "" },
        p = list("param", &signature.caller_params),
        r = list("result", &signature.caller_results),
    );
    let memory = CoreItem::Export(core_export(heap, "memory"));
    tree.core(2, &text, &[("", "f", CoreItem::Func(lowered)), ("", "memory", memory)]);
    (tree, signature)
}

struct FlatSignature {
    caller_params: Vec<&'static str>,
    caller_results: Vec<&'static str>,
    callee_params: Vec<&'static str>,
    callee_results: Vec<&'static str>,
    spilled_params: bool,
    spilled_result: bool,
}

impl FlatSignature {
    fn new(caller: Side, called: Side, params: &[T], result: Option<&T>) -> FlatSignature {
        let p = |side: Side| if side.wide { "i64" } else { "i32" };
        let all = |side| params.iter().flat_map(|t| flat(t, side)).collect::<Vec<_>>();
        let results = |side| result.map_or(vec![], |t| flat(t, side));
        let (spilled_params, spilled_result) = (all(caller).len() > 16, results(caller).len() > 1);
        let mut caller_params = if spilled_params { vec![p(caller)] } else { all(caller) };
        if spilled_result {
            caller_params.push(p(caller));
        }
        FlatSignature {
            caller_params,
            caller_results: if spilled_result { vec![] } else { results(caller) },
            callee_params: if spilled_params { vec![p(called)] } else { all(called) },
            callee_results: if spilled_result { vec![p(called)] } else { results(called) },
            spilled_params,
            spilled_result,
        }
    }
}

fn heap(running: &mut Running, instance: u32, side: Side) -> Heap {
    let memory = running.memory(instance);
    Heap { side, bytes: running.bytes(memory), next: HEAP }
}

fn write_back(running: &mut Running, instance: u32, heap: &Heap) {
    let memory = running.memory(instance);
    let mut access = running.instance.access();
    access.memory(memory).expect("a memory").write(0, &heap.bytes[..heap.next]).expect("inside");
}

fn round_trip(caller: Side, called: Side, params: &[(T, V)], result: Option<&(T, V)>) {
    let types: Vec<T> = params.iter().map(|(t, _)| t.clone()).collect();
    let (tree, signature) = tree(caller, called, &types, result.map(|(t, _)| t));
    let mut running = tree.run();
    let (ours, theirs) = (running.exporter("call"), running.exporter("f"));

    let mut from = heap(&mut running, ours, caller);
    let record = (T::Record(types.clone()), V::Many(params.iter().map(|(_, v)| v.clone()).collect()));
    let mut arguments = if signature.spilled_params {
        let (size, align) = layout(&record.0, caller);
        let at = from.allocate(size, align);
        from.store(&record.0, &record.1, at);
        vec![at as u64]
    } else {
        join_cases(&signature.caller_params, from.lower(&record.0, &record.1))
    };
    let out = signature.spilled_result.then(|| {
        let (size, align) = layout(&result.expect("a result").0, caller);
        from.allocate(size, align)
    });
    arguments.extend(out.map(|at| at as u64));
    write_back(&mut running, ours, &from);

    let mut to = heap(&mut running, theirs, called);
    if let Some((t, v)) = result {
        let returned = if signature.spilled_result {
            let (size, align) = layout(t, called);
            let at = to.allocate(size, align);
            to.store(t, v, at);
            at as u64
        } else {
            to.lower(t, v)[0]
        };
        to.put(RESULT, 8, returned);
        write_back(&mut running, theirs, &to);
    }

    let raw: Vec<_> = arguments.iter().map(|bits| RawVal::from_i64(*bits as i64)).collect();
    let returned = running.call("call", &raw).unwrap_or_else(|error| panic!("{error}"));

    let to = heap(&mut running, theirs, called);
    let count = signature.callee_params.len();
    let seen: Vec<u64> = (0..count).map(|i| to.take(ARGUMENTS + 8 * i, 8)).collect();
    let arrived = if signature.spilled_params {
        to.load(&record.0, seen[0] as usize)
    } else {
        to.lift(&record.0, &mut seen.iter())
    };
    assert_eq!(arrived, record.1);

    if let Some((t, v)) = result {
        let from = heap(&mut running, ours, caller);
        let bits = returned.first().map_or(0, |value| value.get_i64() as u64);
        let back = match out {
            Some(at) => from.load(t, at),
            None => from.lift(t, &mut [bits].iter()),
        };
        assert_eq!(&back, v);
    }
    assert_eq!(running.call_i32("posts", &[]).expect("it returns"), 1);
}

/// Flat values of cases have the bits that the joined type has; `i32`s and `f32`s in an `i64` may have any above.
fn join_cases(types: &[&str], values: Vec<u64>) -> Vec<u64> {
    let narrow = |(ty, value): (&&str, u64)| if matches!(*ty, "i32" | "f32") { value & 0xffff_ffff } else { value };
    types.iter().zip(values).map(narrow).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn values_arrive_as_they_were_sent(
        sides in (any_side(), any_side()),
        params in prop::collection::vec(any_type().prop_flat_map(|t| { let v = value(&t); (Just(t), v) }), 0..6),
        result in prop::option::of(any_type().prop_flat_map(|t| { let v = value(&t); (Just(t), v) })),
    ) {
        round_trip(sides.0, sides.1, &params, result.as_ref());
    }

    #[test]
    fn strings_arrive_in_every_encoding(sides in (any_side(), any_side()), text in any_string(), back in any_string()) {
        round_trip(sides.0, sides.1, &[(T::Str, V::Str(text))], Some(&(T::Str, V::Str(back))));
    }
}
