//! Values whose types are known at run time.

use super::resource_any::ResourceAny;

/// A value.
///
/// Two floats are equal when they are the same number, or both are not a number; two values of flags, when the same are set.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Val {
    /// `bool`.
    Bool(bool),
    /// `s8`.
    S8(i8),
    /// `u8`.
    U8(u8),
    /// `s16`.
    S16(i16),
    /// `u16`.
    U16(u16),
    /// `s32`.
    S32(i32),
    /// `u32`.
    U32(u32),
    /// `s64`.
    S64(i64),
    /// `u64`.
    U64(u64),
    /// `f32`.
    F32(f32),
    /// `f64`.
    F64(f64),
    /// `char`.
    Char(char),
    /// `string`.
    String(String),
    /// `list<T>` or `list<T, N>`.
    List(Vec<Val>),
    /// `map<K, V>`.
    Map(Vec<(Val, Val)>),
    /// `record { … }`: names and values of its fields, in the type's order.
    Record(Vec<(String, Val)>),
    /// `tuple<…>`.
    Tuple(Vec<Val>),
    /// `variant { … }`: the name of the case, and its payload.
    Variant(String, Option<Box<Val>>),
    /// `enum { … }`: the name of the case.
    Enum(String),
    /// `option<T>`.
    Option(Option<Box<Val>>),
    /// `result<T, E>`.
    Result(Result<Option<Box<Val>>, Option<Box<Val>>>),
    /// `flags { … }`: the names of those that are set.
    Flags(Vec<String>),
    /// `own<R>` or `borrow<R>`.
    Resource(ResourceAny),
}

impl Val {
    /// The name of the kind of value, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Val::Bool(_) => "bool",
            Val::S8(_) => "s8",
            Val::U8(_) => "u8",
            Val::S16(_) => "s16",
            Val::U16(_) => "u16",
            Val::S32(_) => "s32",
            Val::U32(_) => "u32",
            Val::S64(_) => "s64",
            Val::U64(_) => "u64",
            Val::F32(_) => "f32",
            Val::F64(_) => "f64",
            Val::Char(_) => "char",
            Val::String(_) => "string",
            Val::List(_) => "list",
            Val::Map(_) => "map",
            Val::Record(_) => "record",
            Val::Tuple(_) => "tuple",
            Val::Variant(..) => "variant",
            Val::Enum(_) => "enum",
            Val::Option(_) => "option",
            Val::Result(_) => "result",
            Val::Flags(_) => "flags",
            Val::Resource(_) => "resource",
        }
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Val) -> bool {
        match (self, other) {
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::S8(a), Val::S8(b)) => a == b,
            (Val::U8(a), Val::U8(b)) => a == b,
            (Val::S16(a), Val::S16(b)) => a == b,
            (Val::U16(a), Val::U16(b)) => a == b,
            (Val::S32(a), Val::S32(b)) => a == b,
            (Val::U32(a), Val::U32(b)) => a == b,
            (Val::S64(a), Val::S64(b)) => a == b,
            (Val::U64(a), Val::U64(b)) => a == b,
            (Val::F32(a), Val::F32(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Val::F64(a), Val::F64(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Val::Char(a), Val::Char(b)) => a == b,
            (Val::String(a), Val::String(b)) | (Val::Enum(a), Val::Enum(b)) => a == b,
            (Val::List(a), Val::List(b)) | (Val::Tuple(a), Val::Tuple(b)) => a == b,
            (Val::Map(a), Val::Map(b)) => a == b,
            (Val::Record(a), Val::Record(b)) => a == b,
            (Val::Variant(a, x), Val::Variant(b, y)) => a == b && x == y,
            (Val::Option(a), Val::Option(b)) => a == b,
            (Val::Result(a), Val::Result(b)) => a == b,
            (Val::Flags(a), Val::Flags(b)) => {
                a.iter().all(|flag| b.contains(flag)) && b.iter().all(|flag| a.contains(flag))
            }
            (Val::Resource(a), Val::Resource(b)) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(names: &[&str]) -> Val {
        Val::Flags(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn flags_are_equal_as_sets() {
        assert_eq!(flags(&["a", "b"]), flags(&["b", "a", "b"]));
        assert_ne!(flags(&["a", "a"]), flags(&["a", "b"]));
        assert_ne!(flags(&["a", "b"]), flags(&["a", "a"]));
        assert_ne!(flags(&[]), flags(&["a"]));
    }
}
