//! Descriptions of components that come from a file: whatever they are, they are refused or those of a component that can
//! be used.

use super::translated::{COMPONENT, component, linker};
use crate::component::description::{self, VERSION};
use crate::component::{Component, ExportedItem, Exports, Linker, ResourceTable, Type, Val};
use crate::{Error, ErrorKind};
use hatchery_component::meta::{CoreRef, Export, ExportFunc, Meta, Resource};
use hatchery_component::types::{FuncTypeId, ResourceId, TypeDef, TypeDefId, ValueType};

/// The component, with these bytes for its description.
fn described(component: &Component, bytes: &[u8]) -> Result<Component, Error> {
    let module = component.module().clone();
    let meta = description::decode_for(&module.inner.image, bytes)?;
    Ok(Component::new_described(module, meta))
}

/// Everything that can be asked, and every call.
fn use_all(component: &Component, linker: &Linker<ResourceTable>) {
    let _ = component.imports().map(|(_, _, ty)| ty.to_string()).collect::<Vec<_>>();
    let mut paths = Vec::new();
    look(component.exports(), &[], &mut paths);
    let Ok(prepared) = linker.prepare(component) else { return };
    for path in paths {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Ok(func) = prepared.func_dynamic(&path[..]) else { continue };
        let mut instance = prepared.instantiate(ResourceTable::new()).expect("an instance");
        let params: Option<Vec<Val>> = func.ty().params().map(|(_, ty)| some_value(&ty)).collect();
        if let Some(params) = params {
            let _ = func.call(&mut instance, &params);
        }
    }
}

fn look(exports: Exports<'_>, path: &[String], into: &mut Vec<Vec<String>>) {
    for (name, item) in exports.iter() {
        let path = [path, &[name.to_owned()]].concat();
        match item {
            ExportedItem::Func(ty) => {
                let _ = ty.to_string();
                into.push(path);
            }
            ExportedItem::Instance(inner) => look(inner, &path, into),
            ExportedItem::Type(ty) => drop(ty.to_string()),
            ExportedItem::Resource(ty) => drop(ty.to_string()),
        }
    }
}

/// A value of a type, if one can be made from nothing.
fn some_value(ty: &Type) -> Option<Val> {
    Some(match ty {
        Type::Bool => Val::Bool(true),
        Type::S8 => Val::S8(1),
        Type::U8 => Val::U8(1),
        Type::S16 => Val::S16(1),
        Type::U16 => Val::U16(1),
        Type::S32 => Val::S32(1),
        Type::U32 => Val::U32(1),
        Type::S64 => Val::S64(1),
        Type::U64 => Val::U64(1),
        Type::F32 => Val::F32(1.0),
        Type::F64 => Val::F64(1.0),
        Type::Char => Val::Char('x'),
        Type::String => Val::String("text".into()),
        Type::List(list) => Val::List(vec![some_value(&list.element())?]),
        Type::Option(_) => Val::Option(None),
        _ => return None,
    })
}

#[test]
fn a_description_that_was_cut_or_changed_is_refused_or_of_a_component() {
    let linker = linker();
    let component = component(linker.engine());
    let bytes = description::encode(component.meta()).expect("a description");
    assert!(described(&component, &bytes).is_ok());
    for length in 0..bytes.len() {
        let error = described(&component, &bytes[..length]).expect_err("it is cut");
        assert_eq!(error.kind(), ErrorKind::Artifact, "{length}: {error}");
    }
    let (mut refused, mut sound) = (0, 0);
    for at in VERSION.len()..bytes.len() {
        for change in [1, 2, 0x10, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= change;
            match described(&component, &bytes) {
                Ok(component) => {
                    sound += 1;
                    use_all(&component, &linker);
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.kind(), ErrorKind::Artifact, "byte {at}, {change:#x}: {error}");
                }
            }
        }
    }
    assert!(refused > 1000 && sound > 100, "{refused} refused, {sound} sound");
}

/// What is said about the description of the component when it is changed like this.
#[track_caller]
fn refused(change: impl FnOnce(&mut Meta), message: &str) {
    let component = component(linker().engine());
    let mut meta = Meta::clone(component.meta());
    change(&mut meta);
    let bytes = description::encode(&meta).expect("bytes");
    let error = described(&component, &bytes).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Artifact);
    assert!(error.to_string().contains(message), "{error}");
}

/// The exported function of this name.
fn export<'a>(meta: &'a mut Meta, name: &str) -> &'a mut ExportFunc {
    let export = meta.exports.iter_mut().find(|(export, _)| **export == *name);
    match export {
        Some((_, Export::Func(func))) => func,
        _ => panic!("{COMPONENT} has no function {name}"),
    }
}

fn core(instance: u32, name: &str) -> CoreRef {
    CoreRef { instance, name: name.into() }
}

#[test]
fn what_the_image_lacks_is_named() {
    refused(|meta| export(meta, "total").core.instance = 99, "of type () -> (i32) in core instance 99");
    refused(|meta| export(meta, "total").core.name = "nope".into(), "function `nope` of type () -> (i32)");
    // It has the function, of another type.
    refused(|meta| export(meta, "total").core = export(meta, "make").core.clone(), "of type () -> (i32)");
    refused(|meta| export(meta, "total").post_return = Some(core(0, "nope")), "function `nope` of type (i32) -> ()");
    refused(|meta| export(meta, "total").abandon = Some(core(0, "nope")), "function `nope` of type () -> ()");
    refused(|meta| export(meta, "keep").options.memory = Some(core(1, "nope")), "32-bit memory `nope`");
    refused(|meta| export(meta, "keep").options.memory64 = true, "of type (i64, i64) -> ()");
    refused(|meta| export(meta, "keep").options.realloc = Some(core(0, "x")), "(i32, i32, i32, i32) -> (i32)");
    refused(|meta| export(meta, "get").options.handles = None, "`get` passes handles and has no handle table");
    refused(
        |meta| export(meta, "get").options.handles.as_mut().expect("handles").end_call.name = "x".into(),
        "function `x` of type (i32) -> ()",
    );
    refused(|meta| meta.imports[0].lowered[0].core.1 = "close".into(), "import `test:host/files@1.0.0` `close`");
    let drop = |resource: &mut Resource| match resource {
        Resource::Guest { drop } => drop.name = "gone".into(),
        Resource::Host { drop, .. } => *drop = Some(("m".into(), "gone".into())),
    };
    refused(|meta| drop(&mut meta.resources[0]), "`gone` of type (i32) -> ()");
    refused(|meta| drop(&mut meta.resources[1]), "`gone` of type (i32) -> ()");
}

#[test]
fn numbers_that_nothing_has_are_named() {
    refused(|meta| export(meta, "total").ty = FuncTypeId(99), "there is no function type 99");
    refused(|meta| meta.imports[0].ty = FuncTypeId(77), "there is no function type 77");
    let add = |meta: &mut Meta, export| meta.exports.push(("x".into(), export));
    refused(|meta| add(meta, Export::Resource(ResourceId(9))), "there is no resource type 9");
    refused(|meta| add(meta, Export::Type(ValueType::Def(TypeDefId(9)))), "there is no type 9");
    refused(
        |meta| {
            let ty =
                hatchery_component::types::FuncType { params: Vec::new(), result: Some(ValueType::Own(ResourceId(9))) };
            meta.types.func(ty);
        },
        "type of a value in function type",
    );
    refused(
        |meta| export(meta, "get").options.handles.as_mut().expect("handles").defines.push(ResourceId(42)),
        "there is no resource type 42",
    );
}

#[test]
fn types_that_no_component_has_are_refused() {
    let add = |def: TypeDef| {
        move |meta: &mut Meta| {
            meta.types.def(def);
        }
    };
    let own = "is not made of earlier types";
    // The component has none, so this is type 0, in itself.
    refused(add(TypeDef::List(ValueType::Def(TypeDefId(0)))), own);
    refused(add(TypeDef::Option(ValueType::Def(TypeDefId(1)))), own);
    refused(add(TypeDef::Record(Vec::new())), "has no parts");
    refused(add(TypeDef::Enum(Vec::new())), "has no parts");
    refused(add(TypeDef::FixedList(ValueType::U8, 0)), "has no parts");
    refused(add(TypeDef::Flags(vec!["f".into(); 33])), "more flags than there are bits");
    let grow = |count: u32, next: fn(ValueType) -> TypeDef| {
        move |meta: &mut Meta| {
            let mut ty = ValueType::U8;
            (0..count).for_each(|_| ty = ValueType::Def(meta.types.def(next(ty))));
        }
    };
    refused(grow(100_000, TypeDef::List), "is larger than any that is compiled");
    refused(grow(40, |ty| TypeDef::Tuple(vec![ty, ty])), "is larger than any that is compiled");
}

/// Reading them took as much stack as they wanted.
#[test]
fn instances_inside_each_other_are_bounded() {
    let component = component(linker().engine());
    let mut bytes = VERSION.to_vec();
    // No types, function types, resources and imports; one export: an instance with one export, and so on.
    bytes.extend([0, 0, 0, 0]);
    bytes.extend([1, 1, b'x', 1].repeat(1_000_000));
    let error = described(&component, &bytes).expect_err("too deep");
    assert_eq!(error.kind(), ErrorKind::Artifact);
    // And afterwards as many fit as before.
    let bytes = description::encode(component.meta()).expect("bytes");
    assert!(described(&component, &bytes).is_ok());
}

#[test]
fn other_versions_and_what_is_no_description_are_told_apart() {
    let component = component(linker().engine());
    let error = |bytes: &[u8]| described(&component, bytes).expect_err("refused").to_string();
    assert!(error(b"cm\0\x01").contains("has version 1"), "{}", error(b"cm\0\x01"));
    assert!(error(b"").contains("no component, but a module"));
    assert!(error(b"something else").contains("no component, but a module"));
    let mut longer = description::encode(component.meta()).expect("bytes");
    longer.push(0);
    assert!(error(&longer).contains("1 bytes are behind its end"), "{}", error(&longer));
}
