//! Dynamic values of other types than a function takes, of which the component must see nothing.

use super::build::Guest;
use crate::ErrorKind;
use crate::component::Val;
use crate::component::flatten::Signatures;
use hatchery_component::types::{FuncType, TypeDef, ValueType};

/// Checks that a function of a string and a value of a type refuses values, before it has room made for the string: that
/// traps.
fn refuses(ty: impl FnOnce(&mut Guest) -> ValueType, values: &[Val]) {
    let mut scratch = Guest::new("");
    let ty = ty(&mut scratch);
    let params = vec![("text".into(), ValueType::String), ("value".into(), ty)];
    let flat = Signatures::new(&scratch.meta.types).of(&FuncType { params, result: None }, false);
    let flat: String = flat.params.iter().map(|ty| format!(" {ty}")).collect();
    let wat = format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "f") (param{flat})))"#
    );
    let mut guest = Guest::new(&wat);
    guest.meta = scratch.meta;
    let mut instance = guest.export("f", &[ValueType::String, ty], None).instantiate();
    let f = instance.func_dynamic("f").expect("there");
    for value in values {
        let params = [Val::String("text".into()), value.clone()];
        let error = f.call(&mut instance, &params).expect_err("is of another type");
        assert_eq!(error.kind(), ErrorKind::Usage, "{value:?}: {error}");
        let error = pollster::block_on(f.call_async(&mut instance, &params)).expect_err("is of another type");
        assert_eq!(error.kind(), ErrorKind::Usage, "{value:?}: {error}");
        assert!(!instance.is_poisoned(), "{value:?}");
    }
}

fn some(value: Val) -> Option<Box<Val>> {
    Some(Box::new(value))
}

fn list(values: impl IntoIterator<Item = Val>) -> Val {
    Val::List(values.into_iter().collect())
}

#[test]
fn values_of_other_types_are_refused_before_anything_is_called() {
    let number = Val::U32(1);
    let text = || Val::String("x".into());
    refuses(|_| ValueType::U32, &[Val::Bool(true), Val::S32(1), Val::U64(1), Val::Tuple(vec![number.clone()])]);
    refuses(|_| ValueType::String, &[Val::Char('x'), Val::Enum("x".into())]);
    let of = |guest: &mut Guest| guest.def(TypeDef::List(ValueType::U32));
    refuses(of, &[text(), list([number.clone(), Val::U8(1)]), Val::Map(vec![])]);
    let nested = |guest: &mut Guest| {
        let inner = guest.def(TypeDef::List(ValueType::String));
        guest.def(TypeDef::List(inner))
    };
    refuses(nested, &[list([list([text()]), list([text(), Val::Bool(true)])])]);
    let fixed = |guest: &mut Guest| guest.def(TypeDef::FixedList(ValueType::U32, 2));
    refuses(fixed, &[list([number.clone()]), list([1, 2, 3].map(Val::U32)), list([number.clone(), text()])]);
    let map = |guest: &mut Guest| guest.def(TypeDef::Map(ValueType::String, ValueType::U32));
    refuses(map, &[list([]), Val::Map(vec![(text(), text())]), Val::Map(vec![(number.clone(), number.clone())])]);
    let tuple = |guest: &mut Guest| guest.def(TypeDef::Tuple(vec![ValueType::String, ValueType::U32]));
    refuses(tuple, &[Val::Tuple(vec![text()]), Val::Tuple(vec![text(), text()]), list([text(), number.clone()])]);
}

#[test]
fn values_with_other_names_are_refused_before_anything_is_called() {
    let text = || Val::String("x".into());
    let record = |guest: &mut Guest| {
        guest.def(TypeDef::Record(vec![("a".into(), ValueType::String), ("b".into(), ValueType::U8)]))
    };
    let fields = |fields: &[(&str, Val)]| {
        Val::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    refuses(
        record,
        &[
            fields(&[("a", text())]),
            fields(&[("a", text()), ("c", Val::U8(1))]),
            fields(&[("b", text()), ("a", Val::U8(1))]),
            fields(&[("a", text()), ("b", Val::U16(1))]),
        ],
    );
    let variant = |guest: &mut Guest| {
        guest.def(TypeDef::Variant(vec![("none".into(), None), ("text".into(), Some(ValueType::String))]))
    };
    let case = |name: &str, payload| Val::Variant(name.into(), payload);
    refuses(
        variant,
        &[
            case("other", None),
            case("none", some(text())),
            case("text", None),
            case("text", some(Val::U8(1))),
            Val::Enum("none".into()),
        ],
    );
    let names = |guest: &mut Guest| guest.def(TypeDef::Enum(vec!["a".into(), "b".into()]));
    refuses(names, &[Val::Enum("c".into()), case("a", None)]);
    let flags = |guest: &mut Guest| guest.def(TypeDef::Flags(vec!["a".into(), "b".into()]));
    refuses(flags, &[Val::Flags(vec!["a".into(), "c".into()])]);
    let option = |guest: &mut Guest| guest.def(TypeDef::Option(ValueType::U8));
    refuses(option, &[Val::U8(1), Val::Option(some(Val::U16(1)))]);
    let result = |guest: &mut Guest| guest.def(TypeDef::Result(Some(ValueType::U8), None));
    refuses(result, &[Val::Result(Ok(None)), Val::Result(Err(some(Val::U8(1)))), Val::Result(Ok(some(text())))]);
}
