//! Every shape of type, both ways: the host passes a value to a component, which passes what it got to a host function, which
//! returns it, and the component returns that.

use super::build::{ALLOCATOR, Guest};
use crate::component::flatten::Signatures;
use crate::component::{ComponentType, Instance, Lift, Lower, Val};
use hatchery_component::types::{FuncType, TypeDef, ValueType};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

const HOST: &str = "test:host/relay";

/// A component that relays values of a type, by flat values of whatever types that gives.
fn relay(types: impl FnOnce(&mut Guest) -> ValueType) -> Guest {
    let mut scratch = Guest::new("");
    let ty = types(&mut scratch);
    let func = FuncType { params: vec![("v".into(), ty)], result: Some(ty) };
    let flat = Signatures::new(&scratch.meta.types).of(&func, false);
    let spilled = flat.results.is_empty();
    let values = if spilled { flat.params.len() - 1 } else { flat.params.len() };
    let list = |types: &[hatchery_vm::HostType]| types.iter().map(|ty| format!(" {ty}")).collect::<String>();
    let (all, own, results) = (list(&flat.params), list(&flat.params[..values]), list(&flat.results));
    let arguments: String = (0..values).map(|i| format!("(local.get {i})")).collect();
    let result = if spilled { " i32".to_owned() } else { results.clone() };
    let body = if spilled {
        format!("(call $host {arguments} (i32.const 64)) (i32.const 64)")
    } else {
        format!("(call $host {arguments})")
    };
    let wat = format!(
        r#"(module
            (import "{HOST}" "f" (func $host (param{all}) (result{results})))
            {ALLOCATOR}
            (func (export "f") (param{own}) (result{result}) {body}))"#
    );
    let mut guest = Guest::new(&wat);
    guest.meta = scratch.meta;
    guest.import(HOST, "f", &[ty], Some(ty)).export("f", &[ty], Some(ty))
}

/// Passes a typed value around, and the dynamic one that is the same.
fn check<V>(types: impl Fn(&mut Guest) -> ValueType, value: V, dynamic: Val)
where
    V: ComponentType + Lift + Lower + PartialEq + Debug + Clone + 'static,
{
    let typed = relay(&types).link(|linker| {
        linker.instance(HOST)?.func("f", |_, (value,): (V,)| Ok((value,)))?;
        Ok(())
    });
    let typed = typed.expect("an instance");
    let interpreted = relay(&types).link(|linker| {
        linker.instance(HOST)?.func_dynamic("f", |_, _, values| Ok(Some(values[0].clone())))?;
        Ok(())
    });
    let interpreted = interpreted.expect("an instance");
    let call = |mut instance: Instance<()>| {
        let f = instance.func::<(V,), (V,)>("f").expect("of this type");
        assert_eq!(f.call(&mut instance, (value.clone(),)).expect("returns").0, value);
        let f = instance.func_dynamic("f").expect("there");
        let back = f.call(&mut instance, std::slice::from_ref(&dynamic)).expect("returns");
        assert_eq!(back.as_ref(), Some(&dynamic));
    };
    call(typed);
    call(interpreted);
}

fn plain(ty: ValueType) -> impl Fn(&mut Guest) -> ValueType {
    move |_| ty
}

fn defined(def: impl Fn(&mut Guest) -> TypeDef) -> impl Fn(&mut Guest) -> ValueType {
    move |guest| {
        let def = def(guest);
        guest.def(def)
    }
}

fn some(value: Val) -> Option<Box<Val>> {
    Some(Box::new(value))
}

#[test]
fn numbers() {
    check(plain(ValueType::Bool), true, Val::Bool(true));
    check(plain(ValueType::U8), 200u8, Val::U8(200));
    check(plain(ValueType::S8), -100i8, Val::S8(-100));
    check(plain(ValueType::U16), 60_000u16, Val::U16(60_000));
    check(plain(ValueType::S16), -30_000i16, Val::S16(-30_000));
    check(plain(ValueType::U32), u32::MAX, Val::U32(u32::MAX));
    check(plain(ValueType::S32), i32::MIN, Val::S32(i32::MIN));
    check(plain(ValueType::U64), u64::MAX, Val::U64(u64::MAX));
    check(plain(ValueType::S64), i64::MIN, Val::S64(i64::MIN));
    check(plain(ValueType::F32), -0.5f32, Val::F32(-0.5));
    check(plain(ValueType::F64), 1e300f64, Val::F64(1e300));
    check(plain(ValueType::Char), '🦀', Val::Char('🦀'));
}

#[test]
fn strings_and_lists() {
    check(plain(ValueType::String), "some text".to_owned(), Val::String("some text".into()));
    let bytes = Val::List(vec![Val::U8(1), Val::U8(2), Val::U8(3)]);
    check(defined(|_| TypeDef::List(ValueType::U8)), vec![1u8, 2, 3], bytes);
    check(defined(|_| TypeDef::List(ValueType::U64)), Vec::<u64>::new(), Val::List(vec![]));
    let bools = Val::List(vec![Val::Bool(true), Val::Bool(false)]);
    check(defined(|_| TypeDef::List(ValueType::Bool)), vec![true, false], bools);
    let strings = Val::List(vec![Val::String("a".into()), Val::String(String::new()), Val::String("ccc".into())]);
    let value: Vec<String> = vec!["a".into(), String::new(), "ccc".into()];
    check(defined(|_| TypeDef::List(ValueType::String)), value, strings);
    let nested = defined(|guest| TypeDef::List(guest.def(TypeDef::List(ValueType::S16))));
    let lists = Val::List(vec![Val::List(vec![Val::S16(-1), Val::S16(2)]), Val::List(vec![])]);
    check(nested, vec![vec![-1i16, 2], vec![]], lists);
    let fixed = Val::List((0..5).map(Val::U16).collect());
    check(defined(|_| TypeDef::FixedList(ValueType::U16, 5)), [0u16, 1, 2, 3, 4], fixed);
    let long = Val::List((0..40).map(Val::U32).collect());
    check(defined(|_| TypeDef::FixedList(ValueType::U32, 40)), std::array::from_fn::<u32, 40, _>(|i| i as u32), long);
}

#[test]
fn maps() {
    let types = || defined(|_| TypeDef::Map(ValueType::String, ValueType::U64));
    let value = || Val::Map(vec![(Val::String("a".into()), Val::U64(1)), (Val::String("b".into()), Val::U64(2))]);
    check(types(), BTreeMap::from([("a".to_owned(), 1u64), ("b".to_owned(), 2)]), value());
    // One entry, as a hash map has no order.
    let one = Val::Map(vec![(Val::String("a".into()), Val::U64(1))]);
    check(types(), HashMap::<String, u64>::from([("a".to_owned(), 1u64)]), one);
}

#[test]
fn tuples() {
    let few = defined(|_| TypeDef::Tuple(vec![ValueType::U8, ValueType::U64, ValueType::String]));
    let value = Val::Tuple(vec![Val::U8(1), Val::U64(2), Val::String("three".into())]);
    check(few, (1u8, 2u64, "three".to_owned()), value);
    // More flat values than are passed as such.
    let many = defined(|guest| {
        let text = guest.def(TypeDef::List(ValueType::String));
        TypeDef::Tuple([vec![ValueType::U8], vec![text; 7], vec![ValueType::F32; 3]].concat())
    });
    let text = || vec!["x".to_owned(), "yz".to_owned()];
    let list = || Val::List(vec![Val::String("x".into()), Val::String("yz".into())]);
    let value = (7u8, text(), text(), text(), text(), text(), text(), text(), 1f32, 2f32, 3f32);
    let floats = [1f32, 2., 3.].map(Val::F32).to_vec();
    check(many, value, Val::Tuple([vec![Val::U8(7)], (0..7).map(|_| list()).collect(), floats].concat()));
}

#[test]
fn options_and_results() {
    let number = || defined(|_| TypeDef::Option(ValueType::U32));
    check(number(), Some(5u32), Val::Option(some(Val::U32(5))));
    check(number(), None::<u32>, Val::Option(None));
    let text = || defined(|_| TypeDef::Option(ValueType::String));
    check(text(), Some("x".to_owned()), Val::Option(some(Val::String("x".into()))));
    check(text(), None::<String>, Val::Option(None));
    let nested = || defined(|guest| TypeDef::Option(guest.def(TypeDef::Option(ValueType::U64))));
    check(nested(), Some(None::<u64>), Val::Option(some(Val::Option(None))));
    check(nested(), Some(Some(9u64)), Val::Option(some(Val::Option(some(Val::U64(9))))));
    // Payloads of different flat types share their values.
    type Mixed = Result<f32, u64>;
    let mixed = || defined(|_| TypeDef::Result(Some(ValueType::F32), Some(ValueType::U64)));
    check(mixed(), Mixed::Ok(-1.5), Val::Result(Ok(some(Val::F32(-1.5)))));
    check(mixed(), Mixed::Err(1 << 40), Val::Result(Err(some(Val::U64(1 << 40)))));
    type Narrow = Result<f32, i32>;
    let narrow = || defined(|_| TypeDef::Result(Some(ValueType::F32), Some(ValueType::S32)));
    check(narrow(), Narrow::Ok(f32::MAX), Val::Result(Ok(some(Val::F32(f32::MAX)))));
    check(narrow(), Narrow::Err(-7), Val::Result(Err(some(Val::S32(-7)))));
    type Double = Result<f64, String>;
    let double = || defined(|_| TypeDef::Result(Some(ValueType::F64), Some(ValueType::String)));
    check(double(), Double::Ok(0.25), Val::Result(Ok(some(Val::F64(0.25)))));
    check(double(), Double::Err("no".into()), Val::Result(Err(some(Val::String("no".into())))));
    let none = || defined(|_| TypeDef::Result(None, None));
    check(none(), Ok::<(), ()>(()), Val::Result(Ok(None)));
    check(none(), Err::<(), ()>(()), Val::Result(Err(None)));
    let half = || defined(|_| TypeDef::Result(None, Some(ValueType::Char)));
    check(half(), Err::<(), char>('x'), Val::Result(Err(some(Val::Char('x')))));
    let list = defined(|guest| {
        let result = guest.def(TypeDef::Result(Some(ValueType::U64), Some(ValueType::U8)));
        TypeDef::List(result)
    });
    let values = Val::List(vec![Val::Result(Ok(some(Val::U64(3)))), Val::Result(Err(some(Val::U8(4))))]);
    check(list, vec![Ok::<u64, u8>(3), Err(4)], values);
}

/// What only derives have a Rust type for, with dynamic values.
#[test]
fn records_variants_enums_and_flags() {
    let relayed = |types: &dyn Fn(&mut Guest) -> ValueType, values: &[Val]| {
        let instance = relay(types).link(|linker| {
            linker.instance(HOST)?.func_dynamic("f", |_, _, values| Ok(Some(values[0].clone())))?;
            Ok(())
        });
        let mut instance = instance.expect("an instance");
        let f = instance.func_dynamic("f").expect("there");
        for value in values {
            assert_eq!(f.call(&mut instance, std::slice::from_ref(value)).expect("returns").as_ref(), Some(value));
        }
    };
    let record = defined(|_| TypeDef::Record(vec![("a".into(), ValueType::U8), ("b".into(), ValueType::String)]));
    relayed(&record, &[Val::Record(vec![("a".into(), Val::U8(1)), ("b".into(), Val::String("two".into()))])]);
    let variant = defined(|_| {
        let cases = [("none", None), ("float", Some(ValueType::F32)), ("text", Some(ValueType::String))];
        TypeDef::Variant(cases.into_iter().map(|(name, ty)| (name.into(), ty)).collect())
    });
    let case = |name: &str, payload| Val::Variant(name.into(), payload);
    relayed(
        &variant,
        &[case("none", None), case("float", some(Val::F32(2.5))), case("text", some(Val::String("three".into())))],
    );
    for count in [1, 2, 256, 257, 70_000] {
        let names = (0..count).map(|i| format!("c{i}").into()).collect::<Vec<Box<str>>>();
        let last = Val::Enum(format!("c{}", count - 1));
        relayed(&defined(|_| TypeDef::Enum(names.clone())), &[Val::Enum("c0".into()), last.clone()]);
        let list = |guest: &mut Guest| {
            let of = guest.def(TypeDef::Enum(names.clone()));
            guest.def(TypeDef::List(of))
        };
        relayed(&list, &[Val::List(vec![last.clone(), Val::Enum("c0".into()), last])]);
    }
    for count in [1usize, 8, 9, 16, 17, 32] {
        let names = (0..count).map(|i| format!("f{i}").into()).collect::<Vec<Box<str>>>();
        let set = Val::Flags((0..count).step_by(3).map(|i| format!("f{i}")).collect());
        relayed(&defined(|_| TypeDef::Flags(names.clone())), &[set.clone(), Val::Flags(vec![])]);
        let list = |guest: &mut Guest| {
            let of = guest.def(TypeDef::Flags(names.clone()));
            guest.def(TypeDef::List(of))
        };
        relayed(&list, &[Val::List(vec![set, Val::Flags(vec![])])]);
    }
}
