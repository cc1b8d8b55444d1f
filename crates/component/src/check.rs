//! Whether a description is of this image: one that was stored may have been cut, changed, or written by somebody else.
//!
//! What follows from a description that passes is bounded and ends: its types are made of earlier ones and are as small as
//! those of a component that is translated, and all functions that it names exist and pass values as their types say.

use crate::abi::{Flat, Layouts, Shape, Side};
use crate::meta::{CoreRef, Export, ExportFunc, Handles, HostOptions, ImportFunc, Meta, Resource};
use crate::translate::Budget;
use crate::types::{FuncType, FuncTypeId, ResourceId, TypeDef, ValueType};
use hatchery_image::{ExportItem, FuncType as CoreType, Image, InstanceId, TypeId, ValType};
use std::collections::{HashMap, HashSet};

/// What is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// It names a function, memory or import that the image does not have in this form.
    #[error("the image has no {what}")]
    Missing {
        /// What it is, with its name and type.
        what: String,
    },
    /// It uses a number that nothing has.
    #[error("there is no {what} {number}")]
    Number {
        /// What is numbered.
        what: &'static str,
        /// The number.
        number: u32,
    },
    /// A type that no component has.
    #[error("type {number} {what}")]
    Type {
        /// Its number.
        number: usize,
        /// What it is that it may not be.
        what: &'static str,
    },
    /// A function passes handles, and it is not said in which table they are.
    #[error("the function `{name}` passes handles and has no handle table")]
    NoHandles {
        /// Its name.
        name: String,
    },
}

/// Checks a description against the image that it was stored with.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn check(meta: &Meta, image: &Image) -> Result<(), Flaw> {
    let handles = check_types(meta)?;
    let layouts = [false, true].map(|wide| Layouts::new(&meta.types, wide));
    let checker = Checker { meta, image, imports: Imports::new(image), handles, layouts };
    meta.resources.iter().try_for_each(|resource| checker.resource(resource))?;
    meta.imports.iter().try_for_each(|import| checker.import(import))?;
    checker.exports(&meta.exports)
}

/// Whether each type has handles in it, if all of them are types of components.
fn check_types(meta: &Meta) -> Result<Vec<bool>, Flaw> {
    let budget = Budget::default();
    let mut sizes: Vec<Size> = Vec::with_capacity(meta.types.defs().len());
    for (number, def) in meta.types.defs().iter().enumerate() {
        let flaw = |what| Flaw::Type { number, what };
        let size = size(meta, &sizes, def).ok_or_else(|| flaw("is not made of earlier types"))?;
        if is_empty(def) {
            return Err(flaw("has no parts, or more flags than there are bits"));
        }
        if size.parts > budget.type_parts || size.depth > budget.type_depth {
            return Err(flaw("is larger than any that is compiled"));
        }
        sizes.push(size);
    }
    let mut number = 0;
    while let Some(ty) = meta.types.get_func(FuncTypeId(number)) {
        let mut types = ty.params.iter().map(|(_, ty)| *ty).chain(ty.result);
        let unknown = types.find(|ty| part(meta, &sizes, *ty).is_none());
        unknown.map_or(Ok(()), |_| Err(Flaw::Number { what: "type of a value in function type", number }))?;
        number += 1;
    }
    Ok(sizes.iter().map(|size| size.handles).collect())
}

/// How large a type is when it is written out.
#[derive(Debug, Clone, Copy)]
struct Size {
    parts: u64,
    depth: u64,
    handles: bool,
}

fn size(meta: &Meta, earlier: &[Size], def: &TypeDef) -> Option<Size> {
    let parts: Vec<ValueType> = match def.shape() {
        Shape::Record(types) | Shape::List(types) => types,
        Shape::Variant(cases) => cases.into_iter().flatten().collect(),
        Shape::FixedList(ty, _) => vec![ty],
        Shape::Flags(_) => Vec::new(),
    };
    let mut all = Size { parts: 1, depth: 0, handles: false };
    for ty in parts {
        let part = part(meta, earlier, ty)?;
        all.parts = all.parts.saturating_add(part.parts);
        all.depth = all.depth.max(part.depth);
        all.handles |= part.handles;
    }
    Some(Size { depth: all.depth + 1, ..all })
}

fn part(meta: &Meta, earlier: &[Size], ty: ValueType) -> Option<Size> {
    let one = Size { parts: 1, depth: 1, handles: false };
    match ty {
        ValueType::Def(id) => earlier.get(id.0 as usize).copied(),
        ValueType::Own(ResourceId(id)) | ValueType::Borrow(ResourceId(id)) => {
            meta.resources.get(id as usize).map(|_| Size { handles: true, ..one })
        }
        _ => Some(one),
    }
}

/// Whether a type has no parts where every component's has some, or more than there is room for.
fn is_empty(def: &TypeDef) -> bool {
    match def.shape() {
        Shape::Record(types) => types.is_empty(),
        Shape::Variant(cases) => cases.is_empty(),
        Shape::FixedList(_, length) => length == 0,
        Shape::Flags(count) => count == 0 || count > 32,
        Shape::List(_) => false,
    }
}

/// What an image imports. There can be as many look-ups as imports, so it is gone through once.
struct Imports<'a> {
    types: HashMap<&'a CoreType, TypeId>,
    /// Module name, name and type.
    all: HashSet<(&'a str, &'a str, TypeId)>,
}

impl<'a> Imports<'a> {
    fn new(image: &'a Image) -> Imports<'a> {
        Imports {
            types: image.types().iter().map(|(id, ty)| (ty, id)).collect(),
            all: image.imports().iter().map(|import| (import.module, import.name, import.ty)).collect(),
        }
    }

    fn has(&self, module: &str, name: &str, ty: &CoreType) -> bool {
        self.types.get(ty).is_some_and(|ty| self.all.contains(&(module, name, *ty)))
    }
}

struct Checker<'a> {
    meta: &'a Meta,
    image: &'a Image,
    imports: Imports<'a>,
    /// By type: whether values have handles in them.
    handles: Vec<bool>,
    /// For narrow and for wide addresses.
    layouts: [Layouts; 2],
}

impl Checker<'_> {
    fn resource(&self, resource: &Resource) -> Result<(), Flaw> {
        match resource {
            Resource::Guest { drop } => self.func(drop, &numbers(1), &[]),
            Resource::Host { drop: Some(core), .. } => self.host(core, &numbers(1), &[]),
            Resource::Host { drop: None, .. } => Ok(()),
        }
    }

    fn import(&self, import: &ImportFunc) -> Result<(), Flaw> {
        let ty = self.func_type(import.ty)?;
        for lowered in &import.lowered {
            let core = self.layout(&lowered.options).signature(ty, Side::Lower);
            self.host(&lowered.core, &core.params, &core.results)?;
            self.options(&import.name, ty, &lowered.options)?;
        }
        Ok(())
    }

    fn exports(&self, exports: &[(Box<str>, Export)]) -> Result<(), Flaw> {
        exports.iter().try_for_each(|(name, export)| match export {
            Export::Func(func) => self.export(name, func),
            Export::Instance(exports) => self.exports(exports),
            Export::Type(ValueType::Def(id)) if self.meta.types.get(*id).is_none() => {
                Err(Flaw::Number { what: "type", number: id.0 })
            }
            Export::Type(ValueType::Own(id) | ValueType::Borrow(id)) | Export::Resource(id) => self.resource_id(*id),
            Export::Type(_) => Ok(()),
        })
    }

    fn export(&self, name: &str, func: &ExportFunc) -> Result<(), Flaw> {
        let ty = self.func_type(func.ty)?;
        let core = self.layout(&func.options).signature(ty, Side::Lift);
        self.func(&func.core, &core.params, &core.results)?;
        if let Some(post_return) = &func.post_return {
            self.func(post_return, &core.results, &[])?;
        }
        if let Some(abandon) = &func.abandon {
            self.func(abandon, &[], &[])?;
        }
        self.options(name, ty, &func.options)
    }

    fn options(&self, name: &str, ty: &FuncType, options: &HostOptions) -> Result<(), Flaw> {
        let address = Flat::pointer(options.memory64);
        if let Some(memory) = &options.memory {
            self.memory(memory, options.memory64)?;
        }
        if let Some(realloc) = &options.realloc {
            self.func(realloc, &[address; 4], &[address])?;
        }
        match &options.handles {
            Some(handles) => self.table(handles),
            None if self.has_handles(ty) => Err(Flaw::NoHandles { name: name.to_owned() }),
            None => Ok(()),
        }
    }

    fn table(&self, handles: &Handles) -> Result<(), Flaw> {
        let Handles { defines, lift_own, lift_borrow, lower_own, lower_borrow, begin_call, end_call } = handles;
        defines.iter().try_for_each(|id| self.resource_id(*id))?;
        for function in [lift_own, lift_borrow, lower_own, lower_borrow] {
            self.func(function, &numbers(2), &numbers(1))?;
        }
        self.func(begin_call, &[], &numbers(1))?;
        self.func(end_call, &numbers(1), &[])
    }

    fn has_handles(&self, ty: &FuncType) -> bool {
        ty.params.iter().map(|(_, ty)| *ty).chain(ty.result).any(|ty| match ty {
            ValueType::Own(_) | ValueType::Borrow(_) => true,
            ValueType::Def(id) => self.handles.get(id.0 as usize).is_some_and(|handles| *handles),
            _ => false,
        })
    }

    fn layout(&self, options: &HostOptions) -> &Layouts {
        &self.layouts[usize::from(options.memory64)]
    }

    fn func_type(&self, id: FuncTypeId) -> Result<&FuncType, Flaw> {
        self.meta.types.get_func(id).ok_or(Flaw::Number { what: "function type", number: id.0 })
    }

    fn resource_id(&self, id: ResourceId) -> Result<(), Flaw> {
        let known = self.meta.resources.get(id.0 as usize);
        known.map(drop).ok_or(Flaw::Number { what: "resource type", number: id.0 })
    }

    /// A function that core instance exports, of this type.
    fn func(&self, core: &CoreRef, params: &[Flat], results: &[Flat]) -> Result<(), Flaw> {
        let ty = core_type(params, results);
        match self.image.export(InstanceId(core.instance), &core.name) {
            Some(ExportItem::Func(func)) if *self.image.types().get(func.ty) == ty => Ok(()),
            _ => Err(missing(format!("function `{}` of type {ty} in core instance {}", core.name, core.instance))),
        }
    }

    fn memory(&self, core: &CoreRef, wide: bool) -> Result<(), Flaw> {
        let memory = match self.image.export(InstanceId(core.instance), &core.name) {
            Some(ExportItem::Memory(id)) => self.image.memories().get(id.index()),
            _ => None,
        };
        let bits = if wide { 64 } else { 32 };
        let what = || missing(format!("{bits}-bit memory `{}` in core instance {}", core.name, core.instance));
        memory.filter(|memory| memory.memory64 == wide).map(drop).ok_or_else(what)
    }

    /// A function that the image imports, of this type.
    fn host(&self, (module, name): &(Box<str>, Box<str>), params: &[Flat], results: &[Flat]) -> Result<(), Flaw> {
        let ty = core_type(params, results);
        let found = self.imports.has(module, name, &ty);
        if found { Ok(()) } else { Err(missing(format!("import `{module}` `{name}` of type {ty}"))) }
    }
}

fn missing(what: String) -> Flaw {
    Flaw::Missing { what }
}

fn numbers(count: usize) -> Vec<Flat> {
    vec![Flat::I32; count]
}

fn core_type(params: &[Flat], results: &[Flat]) -> CoreType {
    let types = |flat: &[Flat]| -> Vec<ValType> { flat.iter().map(|flat| val_type(*flat)).collect() };
    CoreType::new(types(params), types(results))
}

fn val_type(flat: Flat) -> ValType {
    match flat {
        Flat::I32 => ValType::I32,
        Flat::I64 => ValType::I64,
        Flat::F32 => ValType::F32,
        Flat::F64 => ValType::F64,
    }
}
