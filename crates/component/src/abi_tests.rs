//! Against the specification's formulas, taken literally: over trees, recomputed at every step, in its words.

use super::*;
use proptest::prelude::*;

/// A type, spelled out.
#[derive(Debug, Clone)]
enum T {
    Int(u32),
    Float(u32),
    Pair,
    Handle,
    List(Box<T>),
    Fixed(Box<T>, u32),
    Record(Vec<T>),
    Variant(Vec<Option<T>>),
    Flags(u32),
}

fn alignment(t: &T, ptr: u64) -> u64 {
    match t {
        T::Int(n) | T::Float(n) => u64::from(*n),
        T::Pair | T::List(_) => ptr,
        T::Handle => 4,
        T::Fixed(t, _) => alignment(t, ptr),
        T::Record(fields) => fields.iter().map(|t| alignment(t, ptr)).fold(1, u64::max),
        T::Variant(cases) => discriminant(cases).max(max_case_alignment(cases, ptr)),
        T::Flags(n) => flags(*n),
    }
}

fn max_case_alignment(cases: &[Option<T>], ptr: u64) -> u64 {
    cases.iter().flatten().map(|t| alignment(t, ptr)).fold(1, u64::max)
}

/// `ceil(log2(n) / 8)` bytes, as powers of two.
fn discriminant(cases: &[Option<T>]) -> u64 {
    match ((cases.len() as f64).log2() / 8.0).ceil() as u32 {
        0 | 1 => 1,
        2 => 2,
        _ => 4,
    }
}

fn flags(n: u32) -> u64 {
    if n <= 8 { 1 } else { if n <= 16 { 2 } else { 4 } }
}

fn round_up(ptr: u64, alignment: u64) -> u64 {
    ptr.div_ceil(alignment) * alignment
}

fn elem_size(t: &T, ptr: u64) -> u64 {
    match t {
        T::Int(n) | T::Float(n) => u64::from(*n),
        T::Pair | T::List(_) => 2 * ptr,
        T::Handle => 4,
        T::Fixed(t, n) => u64::from(*n) * elem_size(t, ptr),
        T::Record(fields) => {
            let end = fields.iter().fold(0, |s, t| round_up(s, alignment(t, ptr)) + elem_size(t, ptr));
            round_up(end, alignment(&T::Record(fields.clone()), ptr))
        }
        T::Variant(cases) => {
            let s = round_up(discriminant(cases), max_case_alignment(cases, ptr));
            let cs = cases.iter().flatten().map(|t| elem_size(t, ptr)).max().unwrap_or(0);
            round_up(s + cs, alignment(&T::Variant(cases.clone()), ptr))
        }
        T::Flags(n) => flags(*n),
    }
}

fn flatten(t: &T, ptr: &'static str) -> Vec<&'static str> {
    match t {
        T::Int(8) => vec!["i64"],
        T::Int(_) | T::Handle | T::Flags(_) => vec!["i32"],
        T::Float(4) => vec!["f32"],
        T::Float(_) => vec!["f64"],
        T::Pair | T::List(_) => vec![ptr, ptr],
        T::Fixed(t, n) => (0..*n).flat_map(|_| flatten(t, ptr)).collect(),
        T::Record(fields) => fields.iter().flat_map(|t| flatten(t, ptr)).collect(),
        T::Variant(cases) => {
            let mut flat: Vec<&str> = vec![];
            for case in cases.iter().flatten() {
                for (i, ft) in flatten(case, ptr).into_iter().enumerate() {
                    if i < flat.len() { flat[i] = join(flat[i], ft) } else { flat.push(ft) }
                }
            }
            flat.insert(0, "i32");
            flat
        }
    }
}

fn join(a: &'static str, b: &'static str) -> &'static str {
    if a == b {
        return a;
    }
    if (a == "i32" && b == "f32") || (a == "f32" && b == "i32") { "i32" } else { "i64" }
}

/// The same type in our table.
fn intern(types: &mut Types, t: &T) -> ValueType {
    let def = match t {
        T::Int(1) => return ValueType::U8,
        T::Int(2) => return ValueType::S16,
        T::Int(4) => return ValueType::Char,
        T::Int(_) => return ValueType::U64,
        T::Float(4) => return ValueType::F32,
        T::Float(_) => return ValueType::F64,
        T::Pair => return ValueType::String,
        T::Handle => return ValueType::Own(crate::types::ResourceId(0)),
        T::List(t) => TypeDef::List(intern(types, t)),
        T::Fixed(t, n) => TypeDef::FixedList(intern(types, t), *n),
        T::Record(fields) => TypeDef::Tuple(fields.iter().map(|t| intern(types, t)).collect()),
        T::Variant(cases) => {
            let case = |types: &mut Types, t: &Option<T>| t.as_ref().map(|t| intern(types, t));
            TypeDef::Variant(cases.iter().map(|t| ("".into(), case(types, t))).collect())
        }
        T::Flags(n) => TypeDef::Flags(vec!["".into(); *n as usize]),
    };
    ValueType::Def(types.def(def))
}

fn any_type() -> impl Strategy<Value = T> {
    let leaf = prop_oneof![
        prop::sample::select(vec![1, 2, 4, 8]).prop_map(T::Int),
        prop::sample::select(vec![4, 8]).prop_map(T::Float),
        Just(T::Pair),
        Just(T::Handle),
        (1u32..=32).prop_map(T::Flags),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| T::List(Box::new(t))),
            (inner.clone(), 1u32..6).prop_map(|(t, n)| T::Fixed(Box::new(t), n)),
            prop::collection::vec(inner.clone(), 1..5).prop_map(T::Record),
            prop::collection::vec(prop::option::of(inner), 1..5).prop_map(T::Variant),
            prop::sample::select(vec![1, 255, 256, 257, 65536, 65537]).prop_map(|n| T::Variant(vec![None; n])),
        ]
    })
}

proptest! {
    #[test]
    fn layouts_are_those_of_the_formulas(t in any_type(), memory64 in any::<bool>()) {
        let mut types = Types::default();
        let ty = intern(&mut types, &t);
        let layouts = Layouts::new(&types, memory64);
        let (bytes, pointer) = if memory64 { (8, "i64") } else { (4, "i32") };
        let expected = Layout { size: elem_size(&t, bytes), align: alignment(&t, bytes) as u32 };
        prop_assert_eq!(layouts.layout(ty), expected);
        let flat = flatten(&t, pointer);
        let name = |flat: &Flat| match flat { Flat::I32 => "i32", Flat::I64 => "i64", Flat::F32 => "f32", Flat::F64 => "f64" };
        let ours = layouts.flat(ty).map(|flat| flat.iter().map(name).collect::<Vec<_>>());
        prop_assert_eq!(ours, (flat.len() <= MAX_FLAT_PARAMS).then_some(flat));
    }
}

#[test]
fn signatures_spill_what_is_too_much() {
    let types = Types::default();
    let layouts = Layouts::new(&types, false);
    let func = |params, result| FuncType { params: vec![("".into(), ValueType::F64); params], result };
    let lower = layouts.signature(&func(16, Some(ValueType::String)), Side::Lower);
    assert_eq!((lower.params.len(), lower.params[16], lower.results.len()), (17, Flat::I32, 0));
    assert!(!lower.params_in_memory && lower.result_in_memory);
    let lift = layouts.signature(&func(17, Some(ValueType::String)), Side::Lift);
    assert_eq!((lift.params, lift.results), (vec![Flat::I32], vec![Flat::I32]));
    assert!(lift.params_in_memory);
}

#[test]
fn enormous_types_have_enormous_sizes() {
    let mut types = Types::default();
    let mut ty = ValueType::U64;
    for _ in 0..10 {
        ty = ValueType::Def(types.def(TypeDef::FixedList(ty, u32::MAX)));
    }
    let layouts = Layouts::new(&types, true);
    assert_eq!(layouts.layout(ty).size, u64::MAX);
    assert_eq!(layouts.flat(ty), None);
}
