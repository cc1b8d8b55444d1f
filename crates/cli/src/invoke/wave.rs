//! Values of components as text, and back: the face's values and types as the `wasm-wave` crate wants to see them.

use hatchery::component::{Type, Val};
use std::borrow::Cow;
use wasm_wave::wasm::{WasmType, WasmTypeKind, WasmValue, WasmValueError};

/// A type of values.
#[derive(Debug, Clone)]
pub(crate) struct Ty(pub(crate) Type);

/// A value that was read, or one that is to be written.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Read(Val),
    Written(&'a Val),
}

type Iter<'a, T> = Box<dyn Iterator<Item = T> + 'a>;

impl WasmType for Ty {
    fn kind(&self) -> WasmTypeKind {
        match &self.0 {
            Type::Bool => WasmTypeKind::Bool,
            Type::S8 => WasmTypeKind::S8,
            Type::U8 => WasmTypeKind::U8,
            Type::S16 => WasmTypeKind::S16,
            Type::U16 => WasmTypeKind::U16,
            Type::S32 => WasmTypeKind::S32,
            Type::U32 => WasmTypeKind::U32,
            Type::S64 => WasmTypeKind::S64,
            Type::U64 => WasmTypeKind::U64,
            Type::F32 => WasmTypeKind::F32,
            Type::F64 => WasmTypeKind::F64,
            Type::Char => WasmTypeKind::Char,
            Type::String => WasmTypeKind::String,
            // A length that is part of the type is checked when the value is made.
            Type::List(_) | Type::FixedList(_) => WasmTypeKind::List,
            Type::Map(_) => WasmTypeKind::Map,
            Type::Record(_) => WasmTypeKind::Record,
            Type::Tuple(_) => WasmTypeKind::Tuple,
            Type::Variant(_) => WasmTypeKind::Variant,
            Type::Enum(_) => WasmTypeKind::Enum,
            Type::Option(_) => WasmTypeKind::Option,
            Type::Result(_) => WasmTypeKind::Result,
            Type::Flags(_) => WasmTypeKind::Flags,
            _ => WasmTypeKind::Unsupported,
        }
    }

    fn list_element_type(&self) -> Option<Ty> {
        match &self.0 {
            Type::List(list) => Some(Ty(list.element())),
            Type::FixedList(list) => Some(Ty(list.element())),
            _ => None,
        }
    }

    fn record_fields(&self) -> Iter<'_, (Cow<'_, str>, Ty)> {
        match &self.0 {
            Type::Record(record) => Box::new(record.fields().map(|field| (field.name.into(), Ty(field.ty)))),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn tuple_element_types(&self) -> Iter<'_, Ty> {
        match &self.0 {
            Type::Tuple(tuple) => Box::new(tuple.types().map(Ty)),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn variant_cases(&self) -> Iter<'_, (Cow<'_, str>, Option<Ty>)> {
        match &self.0 {
            Type::Variant(variant) => Box::new(variant.cases().map(|case| (case.name.into(), case.ty.map(Ty)))),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn enum_cases(&self) -> Iter<'_, Cow<'_, str>> {
        match &self.0 {
            Type::Enum(names) => Box::new(names.names().map(Cow::Borrowed)),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn option_some_type(&self) -> Option<Ty> {
        match &self.0 {
            Type::Option(option) => Some(Ty(option.some())),
            _ => None,
        }
    }

    fn result_types(&self) -> Option<(Option<Ty>, Option<Ty>)> {
        match &self.0 {
            Type::Result(result) => Some((result.ok().map(Ty), result.err().map(Ty))),
            _ => None,
        }
    }

    fn flags_names(&self) -> Iter<'_, Cow<'_, str>> {
        match &self.0 {
            Type::Flags(flags) => Box::new(flags.names().map(Cow::Borrowed)),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn map_key_value_types(&self) -> Option<(Ty, Ty)> {
        match &self.0 {
            Type::Map(map) => Some((Ty(map.key()), Ty(map.value()))),
            _ => None,
        }
    }
}

impl<'a> Value<'a> {
    fn get(&self) -> &Val {
        match self {
            Value::Read(value) => value,
            Value::Written(value) => value,
        }
    }

    /// The value that was read.
    pub(crate) fn into_val(self) -> Val {
        match self {
            Value::Read(value) => value,
            Value::Written(value) => value.clone(),
        }
    }

    /// Parts of it; those of a value that is to be written are not copied.
    fn parts(&self, of: fn(&Val) -> Vec<&Val>) -> Vec<Value<'a>> {
        match self {
            Value::Read(value) => of(value).into_iter().map(|part| Value::Read(part.clone())).collect(),
            Value::Written(value) => of(value).into_iter().map(Value::Written).collect(),
        }
    }

    fn part(&self, of: fn(&Val) -> Option<&Val>) -> Option<Cow<'_, Value<'a>>> {
        let part = match self {
            Value::Read(value) => of(value).map(|part| Value::Read(part.clone())),
            Value::Written(value) => of(value).map(Value::Written),
        };
        part.map(Cow::Owned)
    }
}

/// What a value is made of, keys of a map left out.
fn elements(value: &Val) -> Vec<&Val> {
    match value {
        Val::List(values) | Val::Tuple(values) => values.iter().collect(),
        Val::Record(fields) => fields.iter().map(|(_, value)| value).collect(),
        Val::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    }
}

fn keys(value: &Val) -> Vec<&Val> {
    match value {
        Val::Map(entries) => entries.iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    }
}

fn boxed(value: Option<Value<'_>>) -> Option<Box<Val>> {
    value.map(|value| Box::new(value.into_val()))
}

/// A name that the type has.
fn known(mut names: Iter<'_, Cow<'_, str>>, name: &str) -> Result<String, WasmValueError> {
    let found = names.find(|known| known == name).map(Cow::into_owned);
    found.ok_or_else(|| WasmValueError::UnknownCase(name.to_owned()))
}

/// Readers and writers of the types that are passed as they are.
macro_rules! scalars {
    ($($make:ident $unwrap:ident $case:ident $ty:ty;)*) => {
        $(
            fn $make(value: $ty) -> Self {
                Value::Read(Val::$case(value))
            }

            fn $unwrap(&self) -> $ty {
                match self.get() {
                    Val::$case(value) => *value,
                    _ => <$ty>::default(),
                }
            }
        )*
    };
}

impl WasmValue for Value<'_> {
    type Type = Ty;

    fn kind(&self) -> WasmTypeKind {
        match self.get() {
            Val::Bool(_) => WasmTypeKind::Bool,
            Val::S8(_) => WasmTypeKind::S8,
            Val::U8(_) => WasmTypeKind::U8,
            Val::S16(_) => WasmTypeKind::S16,
            Val::U16(_) => WasmTypeKind::U16,
            Val::S32(_) => WasmTypeKind::S32,
            Val::U32(_) => WasmTypeKind::U32,
            Val::S64(_) => WasmTypeKind::S64,
            Val::U64(_) => WasmTypeKind::U64,
            Val::F32(_) => WasmTypeKind::F32,
            Val::F64(_) => WasmTypeKind::F64,
            Val::Char(_) => WasmTypeKind::Char,
            Val::String(_) => WasmTypeKind::String,
            Val::List(_) => WasmTypeKind::List,
            Val::Map(_) => WasmTypeKind::Map,
            Val::Record(_) => WasmTypeKind::Record,
            Val::Tuple(_) => WasmTypeKind::Tuple,
            Val::Variant(..) => WasmTypeKind::Variant,
            Val::Enum(_) => WasmTypeKind::Enum,
            Val::Option(_) => WasmTypeKind::Option,
            Val::Result(_) => WasmTypeKind::Result,
            Val::Flags(_) => WasmTypeKind::Flags,
            _ => WasmTypeKind::Unsupported,
        }
    }

    scalars! {
        make_bool unwrap_bool Bool bool;
        make_s8 unwrap_s8 S8 i8;
        make_u8 unwrap_u8 U8 u8;
        make_s16 unwrap_s16 S16 i16;
        make_u16 unwrap_u16 U16 u16;
        make_s32 unwrap_s32 S32 i32;
        make_u32 unwrap_u32 U32 u32;
        make_s64 unwrap_s64 S64 i64;
        make_u64 unwrap_u64 U64 u64;
        make_f32 unwrap_f32 F32 f32;
        make_f64 unwrap_f64 F64 f64;
        make_char unwrap_char Char char;
    }

    fn make_string(value: Cow<'_, str>) -> Self {
        Value::Read(Val::String(value.into_owned()))
    }

    fn make_list(ty: &Ty, values: impl IntoIterator<Item = Self>) -> Result<Self, WasmValueError> {
        let values: Vec<Val> = values.into_iter().map(Value::into_val).collect();
        match &ty.0 {
            Type::FixedList(list) if list.len() as usize != values.len() => Err(WasmValueError::Other(format!(
                "expected {} elements, as the type has this length; found {}",
                list.len(),
                values.len()
            ))),
            _ => Ok(Value::Read(Val::List(values))),
        }
    }

    fn make_map(_: &Ty, entries: impl IntoIterator<Item = (Self, Self)>) -> Result<Self, WasmValueError> {
        let entries = entries.into_iter().map(|(key, value)| (key.into_val(), value.into_val()));
        Ok(Value::Read(Val::Map(entries.collect())))
    }

    fn make_record<'f>(_: &Ty, fields: impl IntoIterator<Item = (&'f str, Self)>) -> Result<Self, WasmValueError> {
        // They come in the type's order.
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value.into_val()));
        Ok(Value::Read(Val::Record(fields.collect())))
    }

    fn make_tuple(_: &Ty, values: impl IntoIterator<Item = Self>) -> Result<Self, WasmValueError> {
        Ok(Value::Read(Val::Tuple(values.into_iter().map(Value::into_val).collect())))
    }

    fn make_variant(_: &Ty, case: &str, value: Option<Self>) -> Result<Self, WasmValueError> {
        Ok(Value::Read(Val::Variant(case.to_owned(), boxed(value))))
    }

    fn make_enum(ty: &Ty, case: &str) -> Result<Self, WasmValueError> {
        Ok(Value::Read(Val::Enum(known(ty.enum_cases(), case)?)))
    }

    fn make_option(_: &Ty, value: Option<Self>) -> Result<Self, WasmValueError> {
        Ok(Value::Read(Val::Option(boxed(value))))
    }

    fn make_result(_: &Ty, value: Result<Option<Self>, Option<Self>>) -> Result<Self, WasmValueError> {
        Ok(Value::Read(Val::Result(value.map(boxed).map_err(boxed))))
    }

    fn make_flags<'f>(ty: &Ty, names: impl IntoIterator<Item = &'f str>) -> Result<Self, WasmValueError> {
        let names = names.into_iter().map(|name| known(ty.flags_names(), name));
        Ok(Value::Read(Val::Flags(names.collect::<Result<_, _>>()?)))
    }

    fn unwrap_string(&self) -> Cow<'_, str> {
        match self.get() {
            Val::String(text) => text.as_str().into(),
            _ => "".into(),
        }
    }

    fn unwrap_list(&self) -> Iter<'_, Cow<'_, Self>> {
        Box::new(self.parts(elements).into_iter().map(Cow::Owned))
    }

    fn unwrap_map(&self) -> Iter<'_, (Cow<'_, Self>, Cow<'_, Self>)> {
        let entries = self.parts(keys).into_iter().zip(self.parts(elements));
        Box::new(entries.map(|(key, value)| (Cow::Owned(key), Cow::Owned(value))))
    }

    fn unwrap_record(&self) -> Iter<'_, (Cow<'_, str>, Cow<'_, Self>)> {
        let Val::Record(fields) = self.get() else { return Box::new(std::iter::empty()) };
        let names = fields.iter().map(|(name, _)| Cow::Borrowed(name.as_str()));
        Box::new(names.zip(self.parts(elements).into_iter().map(Cow::Owned)))
    }

    fn unwrap_tuple(&self) -> Iter<'_, Cow<'_, Self>> {
        Box::new(self.parts(elements).into_iter().map(Cow::Owned))
    }

    fn unwrap_variant(&self) -> (Cow<'_, str>, Option<Cow<'_, Self>>) {
        let name = match self.get() {
            Val::Variant(name, _) => name.as_str(),
            _ => "",
        };
        let payload = self.part(|value| match value {
            Val::Variant(_, payload) => payload.as_deref(),
            _ => None,
        });
        (name.into(), payload)
    }

    fn unwrap_enum(&self) -> Cow<'_, str> {
        match self.get() {
            Val::Enum(name) => name.as_str().into(),
            _ => "".into(),
        }
    }

    fn unwrap_option(&self) -> Option<Cow<'_, Self>> {
        self.part(|value| match value {
            Val::Option(some) => some.as_deref(),
            _ => None,
        })
    }

    fn unwrap_result(&self) -> Result<Option<Cow<'_, Self>>, Option<Cow<'_, Self>>> {
        let payload = self.part(|value| match value {
            Val::Result(Ok(payload) | Err(payload)) => payload.as_deref(),
            _ => None,
        });
        if matches!(self.get(), Val::Result(Err(_))) { Err(payload) } else { Ok(payload) }
    }

    fn unwrap_flags(&self) -> Iter<'_, Cow<'_, str>> {
        match self.get() {
            Val::Flags(names) => Box::new(names.iter().map(|name| name.as_str().into())),
            _ => Box::new(std::iter::empty()),
        }
    }
}
