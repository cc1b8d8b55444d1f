//! Values of components, as scripts write them.

use wast::component::WastVal;

/// A value.
#[derive(Debug, Clone)]
pub enum Value {
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
    /// `f32`, by its bits.
    F32(u32),
    /// `f64`, by its bits.
    F64(u64),
    /// `char`.
    Char(char),
    /// `string`.
    String(String),
    /// `list`, of a fixed length or not.
    List(Vec<Value>),
    /// `map`.
    Map(Vec<(Value, Value)>),
    /// `record`.
    Record(Vec<(String, Value)>),
    /// `tuple`.
    Tuple(Vec<Value>),
    /// `variant`.
    Variant(String, Option<Box<Value>>),
    /// `enum`.
    Enum(String),
    /// `option`.
    Option(Option<Box<Value>>),
    /// `result`.
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// `flags`: those that are set.
    Flags(Vec<String>),
}

impl From<WastVal<'_>> for Value {
    fn from(value: WastVal<'_>) -> Value {
        match value {
            WastVal::Bool(value) => Value::Bool(value),
            WastVal::S8(value) => Value::S8(value),
            WastVal::U8(value) => Value::U8(value),
            WastVal::S16(value) => Value::S16(value),
            WastVal::U16(value) => Value::U16(value),
            WastVal::S32(value) => Value::S32(value),
            WastVal::U32(value) => Value::U32(value),
            WastVal::S64(value) => Value::S64(value),
            WastVal::U64(value) => Value::U64(value),
            WastVal::F32(value) => Value::F32(value.bits),
            WastVal::F64(value) => Value::F64(value.bits),
            WastVal::Char(value) => Value::Char(value),
            WastVal::String(value) => Value::String(value.to_owned()),
            WastVal::List(values) => Value::List(all(values)),
            WastVal::Map(entries) => {
                Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
            }
            WastVal::Record(fields) => {
                Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
            }
            WastVal::Tuple(values) => Value::Tuple(all(values)),
            WastVal::Variant(case, payload) => Value::Variant(case.to_owned(), boxed(payload)),
            WastVal::Enum(case) => Value::Enum(case.to_owned()),
            WastVal::Option(value) => Value::Option(boxed(value)),
            WastVal::Result(Ok(value)) => Value::Result(Ok(boxed(value))),
            WastVal::Result(Err(value)) => Value::Result(Err(boxed(value))),
            WastVal::Flags(names) => Value::Flags(names.into_iter().map(str::to_owned).collect()),
        }
    }
}

fn all(values: Vec<WastVal<'_>>) -> Vec<Value> {
    values.into_iter().map(Value::from).collect()
}

fn boxed(value: Option<Box<WastVal<'_>>>) -> Option<Box<Value>> {
    value.map(|value| Box::new(Value::from(*value)))
}

/// Equal values are what a script expects: a float that is not a number is as good as any other, as the canonical ABI
/// gives them back; other floats have the same bits; flags are in any order.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::S8(a), Value::S8(b)) => a == b,
            (Value::U8(a), Value::U8(b)) => a == b,
            (Value::S16(a), Value::S16(b)) => a == b,
            (Value::U16(a), Value::U16(b)) => a == b,
            (Value::S32(a), Value::S32(b)) => a == b,
            (Value::U32(a), Value::U32(b)) => a == b,
            (Value::S64(a), Value::S64(b)) => a == b,
            (Value::U64(a), Value::U64(b)) => a == b,
            (Value::F32(a), Value::F32(b)) => a == b || (f32::from_bits(*a).is_nan() && f32::from_bits(*b).is_nan()),
            (Value::F64(a), Value::F64(b)) => a == b || (f64::from_bits(*a).is_nan() && f64::from_bits(*b).is_nan()),
            (Value::Char(a), Value::Char(b)) => a == b,
            (Value::String(a), Value::String(b)) | (Value::Enum(a), Value::Enum(b)) => a == b,
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Record(a), Value::Record(b)) => a == b,
            (Value::Variant(a, x), Value::Variant(b, y)) => a == b && x == y,
            (Value::Option(a), Value::Option(b)) => a == b,
            (Value::Result(a), Value::Result(b)) => a == b,
            (Value::Flags(a), Value::Flags(b)) => a.len() == b.len() && a.iter().all(|flag| b.contains(flag)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_equal_by_their_bits_unless_they_are_no_numbers() {
        assert_eq!(Value::F32(0x7fc0_0000), Value::F32(0xffff_ffff));
        assert_ne!(Value::F32(0), Value::F32(0x8000_0000));
        assert_ne!(Value::F64(0), Value::F64(1 << 63));
        assert_eq!(Value::F64(f64::NAN.to_bits()), Value::F64(u64::MAX));
    }

    #[test]
    fn values_of_different_types_differ() {
        assert_ne!(Value::U8(1), Value::S8(1));
        assert_ne!(Value::List(vec![Value::U8(1)]), Value::Tuple(vec![Value::U8(1)]));
        assert_ne!(Value::Enum("a".to_owned()), Value::Variant("a".to_owned(), None));
        let flags = |names: &[&str]| Value::Flags(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(flags(&["a", "b"]), flags(&["b", "a"]));
        assert_ne!(flags(&["a", "b"]), flags(&["a"]));
    }
}
