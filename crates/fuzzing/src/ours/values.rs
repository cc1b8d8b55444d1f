//! Values of our machine, in the words that all machines share.

use crate::program::{AMONG_GUESTS, Value};
use hatchery::{AsContext, Error, ExternRef, Func, FuncRef, Val};

/// What a guest holds, unless it is an exception, which no host can have.
pub(crate) fn but_for_exceptions(value: Result<Val, Error>) -> Option<Val> {
    value.inspect_err(|error| assert!(error.to_string().contains("exception"), "{error:?}")).ok()
}

/// The type of a function of the guest's, as text.
pub(crate) fn type_of(mut cx: impl AsContext, reference: FuncRef) -> String {
    match Func::from_ref(&mut cx, reference) {
        Ok(func) => func.ty(&mut cx).expect("its own").to_string(),
        Err(error) if error.to_string().contains("to call a function of this type") => AMONG_GUESTS.into(),
        Err(error) => panic!("{error:?}"),
    }
}

pub(super) fn lowered(mut cx: impl AsContext, value: &Value) -> Result<Val, Error> {
    Ok(match value {
        Value::I32(x) => Val::I32(*x),
        Value::I64(x) => Val::I64(*x),
        Value::F32(x) => Val::F32(*x),
        Value::F64(x) => Val::F64(*x),
        Value::V128(x) => Val::V128(*x),
        Value::Func(_) => Val::FuncRef(None),
        Value::Extern(None) => Val::ExternRef(None),
        Value::Extern(Some(x)) => Val::ExternRef(Some(ExternRef::new(&mut cx, *x)?)),
    })
}

pub(super) fn shown(mut cx: impl AsContext, value: &Val) -> Value {
    match value {
        Val::I32(x) => Value::I32(*x),
        Val::I64(x) => Value::I64(*x),
        Val::F32(x) => Value::F32(*x),
        Val::F64(x) => Value::F64(*x),
        Val::V128(x) => Value::V128(*x),
        Val::FuncRef(None) => Value::Func(None),
        Val::FuncRef(Some(reference)) => Value::Func(Some(type_of(cx, *reference))),
        Val::ExternRef(None) => Value::Extern(None),
        Val::ExternRef(Some(reference)) => Value::Extern(reference.downcast::<u32>(&mut cx)),
        other => panic!("{other:?} is of no type there is"),
    }
}
