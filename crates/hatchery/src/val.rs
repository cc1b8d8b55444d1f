//! Values and their types, for calls whose types are known only at run time.

use crate::context::AsContext;
use crate::error::{Error, ErrorKind};
use std::any::Any;
use std::fmt;

/// A value type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// Single float.
    F32,
    /// Double float.
    F64,
    /// 128-bit vector.
    V128,
    /// A function or null.
    FuncRef,
    /// A function, never null, or one of a particular type.
    TypedFuncRef,
    /// A host value or null.
    ExternRef,
    /// A host value, never null.
    NonNullExternRef,
    /// An exception, or null if that is allowed. The host can neither give nor take one.
    ExnRef,
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            ValType::FuncRef => "funcref",
            ValType::TypedFuncRef => "(ref func)",
            ValType::ExternRef => "externref",
            ValType::NonNullExternRef => "(ref extern)",
            ValType::ExnRef => "exnref",
        })
    }
}

/// A function type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FuncType {
    params: Box<[ValType]>,
    results: Box<[ValType]>,
}

impl FuncType {
    /// A type with these parameters and results.
    pub fn new(params: impl IntoIterator<Item = ValType>, results: impl IntoIterator<Item = ValType>) -> FuncType {
        FuncType { params: params.into_iter().collect(), results: results.into_iter().collect() }
    }

    /// Parameters.
    pub fn params(&self) -> &[ValType] {
        &self.params
    }

    /// Results.
    pub fn results(&self) -> &[ValType] {
        &self.results
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().enumerate() {
                write!(f, "{}{ty}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str(")")
        };
        list(f, &self.params)?;
        f.write_str(" -> ")?;
        list(f, &self.results)
    }
}

/// A value.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Val {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// Bits of a single float.
    F32(u32),
    /// Bits of a double float.
    F64(u64),
    /// 128-bit vector, lane 0 in the low bits.
    V128(u128),
    /// A function, or null.
    FuncRef(Option<FuncRef>),
    /// A host value, or null.
    ExternRef(Option<ExternRef>),
}

impl Val {
    /// The name of the value's type, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Val::I32(_) => "i32",
            Val::I64(_) => "i64",
            Val::F32(_) => "f32",
            Val::F64(_) => "f64",
            Val::V128(_) => "v128",
            Val::FuncRef(_) => "funcref",
            Val::ExternRef(_) => "externref",
        }
    }
}

impl From<i32> for Val {
    fn from(value: i32) -> Val {
        Val::I32(value)
    }
}

impl From<i64> for Val {
    fn from(value: i64) -> Val {
        Val::I64(value)
    }
}

impl From<f32> for Val {
    fn from(value: f32) -> Val {
        Val::F32(value.to_bits())
    }
}

impl From<f64> for Val {
    fn from(value: f64) -> Val {
        Val::F64(value.to_bits())
    }
}

/// A reference to a function of a guest. It can be passed back to instances of the same
/// [`Prepared`](crate::Prepared); any other refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FuncRef {
    pub(crate) word: u64,
    pub(crate) prepared: u64,
}

/// A reference to a host value that an instance holds; see [`ExternRef::new`]. It means something to that
/// instance only: to another, it is another value, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExternRef {
    pub(crate) word: u64,
}

impl ExternRef {
    /// Gives the instance a host value to refer to. It lives as long as the instance.
    ///
    /// # Errors
    ///
    /// When the instance refers to as many host values as its limits allow.
    pub fn new(mut cx: impl AsContext, value: impl Any + Send + Sync) -> Result<ExternRef, Error> {
        let word = cx.access().externref_new(Box::new(value));
        word.map(|word| ExternRef { word }).map_err(|e| Error::source_of(ErrorKind::Exhausted, e))
    }

    /// A copy of the host value, if it is a `V`.
    pub fn downcast<V: Any + Clone>(&self, mut cx: impl AsContext) -> Option<V> {
        cx.access().externref(self.word, |value| value?.downcast_ref::<V>().cloned())
    }
}
