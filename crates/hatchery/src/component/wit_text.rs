//! Types in messages, in the words of WIT: a component's, and those of Rust that stand for them.

use hatchery_component::meta::{Export, Meta, Resource};
use hatchery_component::types::{ResourceId, TypeDef, TypeDefId, ValueType};

/// Most bytes of a type of values.
const MOST_OF_A_TYPE: usize = 400;

/// Most bytes of a function's type.
const MOST_OF_A_FUNCTION: usize = 2000;

/// A type that is being written. It ends soon after it has become too long.
#[derive(Debug)]
pub struct WitText {
    text: String,
    most: usize,
}

impl WitText {
    /// What is written of a type of values.
    pub(crate) fn of_type(write: impl FnOnce(&mut WitText)) -> String {
        WitText::within(MOST_OF_A_TYPE, write)
    }

    /// What is written of a function's type.
    pub(crate) fn of_function(write: impl FnOnce(&mut WitText)) -> String {
        WitText::within(MOST_OF_A_FUNCTION, write)
    }

    fn within(most: usize, write: impl FnOnce(&mut WitText)) -> String {
        let mut into = WitText { text: String::new(), most };
        write(&mut into);
        into.cut()
    }

    fn cut(mut self) -> String {
        if self.text.len() > self.most {
            let end = (0..=self.most).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
            self.text.truncate(end);
            self.text.push('…');
        }
        self.text
    }

    /// Appends a word, or a sign.
    pub fn push(&mut self, word: &str) {
        if self.text.len() <= self.most {
            self.text.push_str(word);
        }
    }

    /// Appends items between brackets, with commas, as long as there is room.
    pub(crate) fn list<I: IntoIterator>(
        &mut self,
        [open, close]: [&str; 2],
        items: I,
        mut write: impl FnMut(&mut WitText, I::Item),
    ) {
        self.push(open);
        for (number, item) in items.into_iter().enumerate() {
            if self.text.len() > self.most {
                return;
            }
            self.push(if number > 0 { ", " } else { "" });
            write(self, item);
        }
        self.push(close);
    }

    /// Appends `result` with the types that it has.
    pub(crate) fn result<F: FnOnce(&mut WitText)>(&mut self, ok: Option<F>, err: Option<F>) {
        match (ok, err) {
            (None, None) => self.push("result"),
            (Some(ok), None) => self.list(["result<", ">"], [ok], |into, write| write(into)),
            (None, Some(err)) => self.list(["result<_, ", ">"], [err], |into, write| write(into)),
            (Some(ok), Some(err)) => self.list(["result<", ">"], [ok, err], |into, write| write(into)),
        }
    }

    /// Appends a component's type.
    pub(crate) fn value(&mut self, meta: &Meta, ty: ValueType) {
        let name = match ty {
            ValueType::Bool => "bool",
            ValueType::S8 => "s8",
            ValueType::U8 => "u8",
            ValueType::S16 => "s16",
            ValueType::U16 => "u16",
            ValueType::S32 => "s32",
            ValueType::U32 => "u32",
            ValueType::S64 => "s64",
            ValueType::U64 => "u64",
            ValueType::F32 => "f32",
            ValueType::F64 => "f64",
            ValueType::Char => "char",
            ValueType::String => "string",
            ValueType::Own(id) => return self.push(&format!("own<{}>", resource_name(meta, id))),
            ValueType::Borrow(id) => return self.push(&format!("borrow<{}>", resource_name(meta, id))),
            ValueType::Def(id) => return self.definition(meta, id),
        };
        self.push(name);
    }

    fn definition(&mut self, meta: &Meta, id: TypeDefId) {
        let Some(def) = meta.types.get(id) else { return self.push("?") };
        let value = |into: &mut WitText, ty: &ValueType| into.value(meta, *ty);
        match def {
            TypeDef::Record(fields) => self.list(["record { ", " }"], fields, |into, (name, ty)| {
                into.push(name);
                into.push(": ");
                value(into, ty);
            }),
            TypeDef::Variant(cases) => self.list(["variant { ", " }"], cases, |into, (name, payload)| {
                into.push(name);
                if let Some(ty) = payload {
                    into.list(["(", ")"], [ty], value);
                }
            }),
            TypeDef::Enum(names) => self.list(["enum { ", " }"], names, |into, name| into.push(name)),
            TypeDef::Flags(names) => self.list(["flags { ", " }"], names, |into, name| into.push(name)),
            TypeDef::List(element) => self.list(["list<", ">"], [element], value),
            TypeDef::FixedList(element, length) => self.list(["list<", &format!(", {length}>")], [element], value),
            TypeDef::Map(key, of) => self.list(["map<", ">"], [key, of], value),
            TypeDef::Tuple(types) => self.list(["tuple<", ">"], types, value),
            TypeDef::Option(some) => self.list(["option<", ">"], [some], value),
            TypeDef::Result(ok, err) => {
                let part = |ty: &Option<ValueType>| ty.map(|ty| move |into: &mut WitText| into.value(meta, ty));
                self.result(part(ok), part(err));
            }
        }
    }
}

/// A resource by the names that it is imported or exported with, or by its number if it has none.
pub(crate) fn resource_name(meta: &Meta, id: ResourceId) -> String {
    match meta.resources.get(id.0 as usize) {
        Some(Resource::Host { interface: Some(interface), name, .. }) => format!("{interface}.{name}"),
        Some(Resource::Host { interface: None, name, .. }) => name.to_string(),
        _ => exported_name(&meta.exports, id).unwrap_or_else(|| format!("resource {}", id.0)),
    }
}

/// The names that lead to a resource among these exports.
fn exported_name(exports: &[(Box<str>, Export)], id: ResourceId) -> Option<String> {
    exports.iter().find_map(|(name, export)| match export {
        Export::Resource(resource) if *resource == id => Some(name.to_string()),
        Export::Instance(exports) => exported_name(exports, id).map(|inner| format!("{name}.{inner}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::ComponentType;

    /// A component's type in words, and a type of Rust that says the same.
    fn check<T: ComponentType + ?Sized>(text: &str, defs: Vec<TypeDef>) {
        let mut meta = Meta::default();
        let last = defs.into_iter().map(|def| meta.types.def(def)).last().expect("a type");
        assert_eq!(WitText::of_type(|into| into.value(&meta, ValueType::Def(last))), text);
        assert_eq!(WitText::of_type(T::describe), text);
    }

    #[test]
    fn types_are_written_as_wit_does() {
        let (byte, text) = (ValueType::U8, ValueType::String);
        check::<[u8]>("list<u8>", vec![TypeDef::List(byte)]);
        check::<[u8; 4]>("list<u8, 4>", vec![TypeDef::FixedList(byte, 4)]);
        check::<Option<&str>>("option<string>", vec![TypeDef::Option(text)]);
        check::<(u8, String)>("tuple<u8, string>", vec![TypeDef::Tuple(vec![byte, text])]);
        check::<std::collections::BTreeMap<String, u8>>("map<string, u8>", vec![TypeDef::Map(text, byte)]);
        check::<Result<(), ()>>("result", vec![TypeDef::Result(None, None)]);
        check::<Result<u8, ()>>("result<u8>", vec![TypeDef::Result(Some(byte), None)]);
        check::<Result<(), String>>("result<_, string>", vec![TypeDef::Result(None, Some(text))]);
        check::<Result<u8, Box<str>>>("result<u8, string>", vec![TypeDef::Result(Some(byte), Some(text))]);
    }

    #[test]
    fn types_with_names_are_written_as_wit_does() {
        let check = |def: TypeDef, text: &str| {
            let mut meta = Meta::default();
            let ty = ValueType::Def(meta.types.def(def));
            assert_eq!(WitText::of_type(|into| into.value(&meta, ty)), text);
        };
        let names = || vec!["a".into(), "b".into()];
        check(TypeDef::Enum(names()), "enum { a, b }");
        check(TypeDef::Flags(names()), "flags { a, b }");
        let fields = vec![("a".into(), ValueType::U32), ("b".into(), ValueType::String)];
        check(TypeDef::Record(fields), "record { a: u32, b: string }");
        let cases = vec![("a".into(), Some(ValueType::U32)), ("b".into(), None)];
        check(TypeDef::Variant(cases), "variant { a(u32), b }");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let mut meta = Meta::default();
        let mut ty = ValueType::U8;
        for _ in 0..40 {
            ty = ValueType::Def(meta.types.def(TypeDef::Tuple(vec![ty, ty])));
        }
        let text = WitText::of_type(|into| into.value(&meta, ty));
        assert_eq!(text.chars().count(), MOST_OF_A_TYPE + 1);
        assert!(text.ends_with('…'));
    }
}
