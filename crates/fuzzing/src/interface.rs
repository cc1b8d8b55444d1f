//! What a module offers to others, as text that others can be made of.

use crate::program::FUEL;
use wasmparser::types::EntityType;
use wasmparser::{BinaryReader, FuncType, Parser, Payload, RefType, ValType, Validator};

/// An export of a module: its name, escaped, and its type in the text format.
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) ty: Type,
}

pub(crate) enum Type {
    Func { params: Vec<ValType>, results: Vec<ValType> },
    Other(String),
}

/// The exports of a valid module whose types others can write. What makes it end is nobody else's.
pub(crate) fn items(wasm: &[u8]) -> Vec<Item> {
    let Ok(types) = Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(wasm) else {
        return Vec::new();
    };
    let types = types.as_ref();
    let mut items = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(Payload::ExportSection(exports)) = payload else { continue };
        for export in exports.into_iter().flatten().filter(|export| export.name != FUEL) {
            let ty = types.entity_type_from_export(&export).and_then(|ty| match ty {
                EntityType::Func(id) | EntityType::FuncExact(id) => func(types[id].composite_type.unwrap_func()),
                EntityType::Tag(id) => tag(types[id].composite_type.unwrap_func()),
                other => written(other).map(Type::Other),
            });
            let name = export.name.bytes().map(|byte| format!("\\{byte:02x}")).collect();
            items.extend(ty.map(|ty| Item { name, ty }));
        }
    }
    items
}

fn func(ty: &FuncType) -> Option<Type> {
    let writable = ty.params().iter().chain(ty.results()).all(|ty| value(*ty).is_some());
    writable.then(|| Type::Func { params: ty.params().to_vec(), results: ty.results().to_vec() })
}

fn written(ty: EntityType) -> Option<String> {
    let limits = |is_64: bool, minimum: u64, maximum: Option<u64>| {
        let (address, maximum) = (if is_64 { "i64 " } else { "" }, maximum.map(|n| n.to_string()).unwrap_or_default());
        format!("{address}{minimum} {maximum}")
    };
    Some(match ty {
        EntityType::Memory(ty) => format!("(memory {})", limits(ty.memory64, ty.initial, ty.maximum)),
        EntityType::Table(ty) => {
            let element = value(ValType::Ref(ty.element_type))?.0;
            format!("(table {} {element})", limits(ty.table64, ty.initial, ty.maximum))
        }
        EntityType::Global(ty) => {
            let value = value(ty.content_type)?.0;
            if ty.mutable { format!("(global (mut {value}))") } else { format!("(global {value})") }
        }
        _ => return None,
    })
}

fn tag(ty: &FuncType) -> Option<Type> {
    ty.params()
        .iter()
        .all(|ty| value(*ty).is_some())
        .then(|| Type::Other(format!("(tag (param {}))", types(ty.params()))))
}

/// A value type and a constant of it, in the text format.
fn value(ty: ValType) -> Option<(&'static str, &'static str)> {
    Some(match ty {
        ValType::I32 => ("i32", "i32.const 1"),
        ValType::I64 => ("i64", "i64.const 2"),
        ValType::F32 => ("f32", "f32.const 3"),
        ValType::F64 => ("f64", "f64.const 4"),
        ValType::V128 => ("v128", "v128.const i64x2 5 6"),
        ValType::Ref(RefType::FUNCREF) => ("funcref", "ref.null func"),
        ValType::Ref(RefType::EXTERNREF) => ("externref", "ref.null extern"),
        ValType::Ref(_) => return None,
    })
}

fn types(types: &[ValType]) -> String {
    types.iter().filter_map(|ty| value(*ty)).map(|(ty, _)| format!("{ty} ")).collect()
}

impl Item {
    /// An import of it from this module.
    pub(crate) fn import(&self, module: &str) -> String {
        let ty = match &self.ty {
            Type::Func { params, results } => format!("(func (param {}) (result {}))", types(params), types(results)),
            Type::Other(ty) => ty.clone(),
        };
        format!(r#"(import "{module}" "{}" {ty})"#, self.name)
    }

    /// A module whose start function calls it, if it is a function.
    pub(crate) fn starter(&self, module: &str) -> Option<String> {
        let Type::Func { params, results } = &self.ty else { return None };
        let args: Vec<_> = params.iter().filter_map(|ty| value(*ty)).map(|(_, constant)| constant).collect();
        Some(format!(
            r#"(module (import "{module}" "{}" (func $f (param {}) (result {})))
                (func $start {} call $f {}) (start $start))"#,
            self.name,
            types(params),
            types(results),
            args.join(" "),
            "drop ".repeat(results.len()),
        ))
    }
}

/// The module with one export more: this global, as [`FUEL`].
pub(crate) fn with_fuel(wasm: &[u8], global: u32) -> Option<Vec<u8>> {
    const HEADER: usize = 8;
    const EXPORTS: u8 = 7;
    let (mut reader, mut result) = (BinaryReader::new(wasm.get(HEADER..)?, 0), wasm[..HEADER].to_vec());
    while !reader.eof() {
        let (id, length) = (reader.read_u8().ok()?, reader.read_var_u32().ok()?);
        let content = reader.read_bytes(length as usize).ok()?;
        let content = if id == EXPORTS { one_more(content, global)? } else { content.to_vec() };
        result.push(id);
        leb128(content.len() as u32, &mut result);
        result.extend(content);
    }
    Some(result)
}

/// The contents of an export section with one export more.
fn one_more(exports: &[u8], global: u32) -> Option<Vec<u8>> {
    const GLOBAL: u8 = 3;
    let mut reader = BinaryReader::new(exports, 0);
    let mut result = Vec::new();
    leb128(reader.read_var_u32().ok()? + 1, &mut result);
    result.extend(reader.read_bytes(reader.bytes_remaining()).ok()?);
    leb128(FUEL.len() as u32, &mut result);
    result.extend(FUEL.bytes());
    result.push(GLOBAL);
    leb128(global, &mut result);
    Some(result)
}

fn leb128(mut number: u32, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
        (module
          (memory (export "memory") i64 1 4)
          (table (export "table") 2 externref)
          (global (export "a global") (mut v128) (v128.const i64x2 0 0))
          (global $fuel (mut i32) (i32.const 5))
          (tag (export "tag") (param i32 funcref))
          (type $t (func))
          (func (export "f") (param i32 externref) (result f64) (f64.const 1))
          (func (export "typed") (param (ref null $t))))"#;

    #[test]
    fn what_a_module_exports_can_be_imported_and_called_by_others() {
        let wasm = with_fuel(&wat::parse_str(SAMPLE).expect("text"), 1).expect("sections");
        let items = items(&wasm);
        assert_eq!(items.len(), 5, "neither the fuel nor what has a type of the module's own");
        let imports: String = items.iter().map(|item| item.import("m0")).collect();
        let importing = wat::parse_str(format!("(module {imports})")).expect("text");
        assert!(Validator::new().validate_all(&importing).is_ok(), "{imports}");
        let starters: Vec<_> = items.iter().filter_map(|item| item.starter("m0")).collect();
        assert_eq!(starters.len(), 1);
        let starter = wat::parse_str(&starters[0]).expect("text");
        assert!(Validator::new().validate_all(&starter).is_ok(), "{starters:?}");
    }

    #[test]
    fn the_fuel_is_exported_behind_everything_else() {
        let wasm = with_fuel(&wat::parse_str(SAMPLE).expect("text"), 1).expect("sections");
        let types = Validator::new().validate_all(&wasm).expect("valid");
        let exports = Parser::new(0).parse_all(&wasm).find_map(|payload| match payload {
            Ok(Payload::ExportSection(exports)) => Some(exports),
            _ => None,
        });
        let last = exports.into_iter().flatten().flatten().last().expect("exports");
        assert_eq!(last.name, FUEL);
        assert!(matches!(types.as_ref().entity_type_from_export(&last), Some(EntityType::Global(ty)) if ty.mutable));
    }
}
