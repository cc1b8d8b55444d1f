//! Copies of values, by their types, from one side of a call to the other.
//!
//! A value is *flat*, in locals of its flat types, or in *memory*. Lifting and lowering are one step: what is read is
//! checked and brought to the form in which it is written. Large types are copied by functions of their own, so that
//! code grows with the types and not with all paths through them.

use super::error::GlueError;
use super::fun::{Fun, address, val_types};
use super::runtime::{Service, tag};
use super::writer::{FuncPlace, Helper, Way, Writer};
use crate::abi::{Flat, Shape};
use crate::plan::ResourceDef;
use crate::types::{ResourceId, TypeDefId, ValueType};
use hatchery_image::TrapCode;
use std::rc::Rc;
use wasm_encoder::{Instruction as I, ValType};

/// The weight from which a type is copied by a function of its own.
const OUTLINE: u32 = 48;

/// Elements of a fixed-length list in memory that are copied one by one, without a loop.
const UNROLL: u32 = 4;

/// Where a value is.
#[derive(Debug, Clone)]
pub(super) enum Loc {
    /// In locals.
    Flat(Vec<u32>),
    /// In memory, at an offset from the address in a local.
    Mem { base: u32, offset: u64 },
}

impl Loc {
    pub(super) fn at(base: u32) -> Loc {
        Loc::Mem { base, offset: 0 }
    }

    /// So many bytes further on, if it is in memory.
    pub(super) fn behind(&self, bytes: u64) -> Loc {
        match self {
            Loc::Mem { base, offset } => Loc::Mem { base: *base, offset: offset + bytes },
            Loc::Flat(locals) => Loc::Flat(locals.clone()),
        }
    }

    fn is_mem(&self) -> bool {
        matches!(self, Loc::Mem { .. })
    }
}

impl Writer<'_> {
    /// Copies a value.
    pub(super) fn copy(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        ty: ValueType,
        from: &Loc,
        to: &Loc,
    ) -> Result<(), GlueError> {
        match ty {
            ValueType::Def(id) if self.weight(ty) >= OUTLINE => self.copy_outline(f, way, id, from, to),
            ValueType::Def(id) => {
                let shape = self.shape(id)?;
                self.copy_shape(f, way, ty, &shape, from, to)
            }
            ValueType::String => self.copy_pair(f, way, &Helper::String(way.clone()), from, to),
            ValueType::Own(resource) | ValueType::Borrow(resource) => {
                let own = matches!(ty, ValueType::Own(_));
                let handle = f.local(ValType::I32);
                self.read(f, way, ty, from)?;
                f.set(handle);
                self.copy_handle(f, way, resource, own, handle)?;
                self.write(f, way, ty, to, |f| f.get(handle))?;
                f.release(handle);
                Ok(())
            }
            ValueType::Char => {
                let char = f.local(ValType::I32);
                self.read(f, way, ty, from)?;
                f.tee(char);
                f.ops([I::I32Const(0x11_0000), I::I32GeU]);
                f.ops([I::LocalGet(char), I::I32Const(0xd800), I::I32Xor, I::I32Const(0x800), I::I32LtU, I::I32Or]);
                f.trap_if(TrapCode::InvalidChar);
                self.write(f, way, ty, to, |f| f.get(char))?;
                f.release(char);
                Ok(())
            }
            _ => {
                let mut value = Fun::new(f.params.clone(), Vec::new());
                self.read(&mut value, way, ty, from)?;
                self.write(f, way, ty, to, |f| f.ops.append(&mut value.ops))
            }
        }
    }

    fn copy_shape(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        ty: ValueType,
        shape: &Shape,
        from: &Loc,
        to: &Loc,
    ) -> Result<(), GlueError> {
        match shape {
            Shape::Record(types) => self.copy_record(f, way, types, from, to),
            Shape::Variant(cases) => self.copy_variant(f, way, ty, cases, from, to),
            Shape::List(types) => self.copy_pair(f, way, &Helper::List(types.clone(), way.clone()), from, to),
            Shape::FixedList(ty, length) => self.copy_fixed(f, way, *ty, *length, from, to),
            Shape::Flags(count) => {
                let mut value = Fun::new(f.params.clone(), Vec::new());
                self.read(&mut value, way, ty, from)?;
                if *count < 32 {
                    value.ops([I::I32Const(((1u32 << count) - 1) as i32), I::I32And]);
                }
                self.write(f, way, ty, to, |f| f.ops.append(&mut value.ops))
            }
        }
    }

    /// Copies the fields of a record, or several values one after the other.
    pub(super) fn copy_record(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        types: &[ValueType],
        from: &Loc,
        to: &Loc,
    ) -> Result<(), GlueError> {
        let froms = self.fields(way.from.wide, types, from)?;
        let tos = self.fields(way.to.wide, types, to)?;
        for ((ty, from), to) in types.iter().zip(&froms).zip(&tos) {
            self.copy(f, way, *ty, from, to)?;
        }
        Ok(())
    }

    /// Where the parts of a value are.
    fn fields(&self, wide: bool, types: &[ValueType], loc: &Loc) -> Result<Vec<Loc>, GlueError> {
        let layouts = self.layouts(wide);
        match loc {
            Loc::Mem { base, offset } => {
                let (_, offsets) = layouts.record(types.iter().copied());
                Ok(offsets.into_iter().map(|field| Loc::Mem { base: *base, offset: offset + field }).collect())
            }
            Loc::Flat(locals) => {
                let mut rest = &locals[..];
                let mut part = |ty: &ValueType| {
                    let count = layouts.flat(*ty).map_or(0, <[Flat]>::len);
                    let (part, behind) = rest.split_at_checked(count).ok_or(GlueError::Malformed("a flat value"))?;
                    rest = behind;
                    Ok(Loc::Flat(part.to_vec()))
                };
                types.iter().map(&mut part).collect()
            }
        }
    }

    /// Pushes a scalar, with no more bits than its type has.
    fn read(&mut self, f: &mut Fun, way: &Way, ty: ValueType, from: &Loc) -> Result<(), GlueError> {
        match from {
            Loc::Flat(locals) => {
                f.get(*locals.first().ok_or(GlueError::Malformed("a flat value"))?);
                match ty {
                    ValueType::U8 => f.ops([I::I32Const(0xff), I::I32And]),
                    ValueType::U16 => f.ops([I::I32Const(0xffff), I::I32And]),
                    ValueType::S8 => f.op(I::I32Extend8S),
                    ValueType::S16 => f.op(I::I32Extend16S),
                    _ => {}
                }
            }
            Loc::Mem { base, offset } => {
                let at = self.mem(&way.from)?.at(*offset);
                f.get(*base);
                f.op(match ty {
                    ValueType::S8 => I::I32Load8S(at),
                    ValueType::S16 => I::I32Load16S(at),
                    ValueType::F32 => I::F32Load(at),
                    ValueType::F64 => I::F64Load(at),
                    _ => match self.layouts(false).layout(ty).size {
                        1 => I::I32Load8U(at),
                        2 => I::I32Load16U(at),
                        4 => I::I32Load(at),
                        _ => I::I64Load(at),
                    },
                });
            }
        }
        if ty == ValueType::Bool {
            f.ops([I::I32Const(0), I::I32Ne]);
        }
        Ok(())
    }

    /// Writes the scalar that `value` pushes.
    fn write(
        &mut self,
        f: &mut Fun,
        way: &Way,
        ty: ValueType,
        to: &Loc,
        value: impl FnOnce(&mut Fun),
    ) -> Result<(), GlueError> {
        match to {
            Loc::Flat(locals) => {
                value(f);
                f.set(*locals.first().ok_or(GlueError::Malformed("a flat value"))?);
            }
            Loc::Mem { base, offset } => {
                let at = self.mem(&way.to)?.at(*offset);
                f.get(*base);
                value(f);
                f.op(match ty {
                    ValueType::F32 => I::F32Store(at),
                    ValueType::F64 => I::F64Store(at),
                    _ => match self.layouts(false).layout(ty).size {
                        1 => I::I32Store8(at),
                        2 => I::I32Store16(at),
                        4 => I::I32Store(at),
                        _ => I::I64Store(at),
                    },
                });
            }
        }
        Ok(())
    }

    /// Turns the handle in a local into one of the other side. In the arena it is a representation.
    fn copy_handle(
        &mut self,
        f: &mut Fun,
        way: &Way,
        resource: ResourceId,
        own: bool,
        handle: u32,
    ) -> Result<(), GlueError> {
        if !way.from.is_arena() {
            self.table(f, way.from.component)?;
            f.i32(tag(resource));
            f.get(handle);
            self.service(f, if own { Service::LiftOwn } else { Service::LiftBorrow })?;
            f.set(handle);
        }
        if way.to.is_arena() {
            return Ok(());
        }
        let implements =
            |def: &ResourceDef| matches!(def, ResourceDef::Guest { component, .. } if *component == way.to.component);
        if !own && self.plan.resources.get(resource.0 as usize).is_some_and(implements) {
            return Ok(());
        }
        self.table(f, way.to.component)?;
        f.i32(tag(resource));
        f.get(handle);
        if own {
            f.i32(0);
        }
        self.service(f, if own { Service::Add } else { Service::LowerBorrow })?;
        f.set(handle);
        Ok(())
    }

    /// Copies what consists of a pointer and a length, by a helper.
    fn copy_pair(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        helper: &Helper,
        from: &Loc,
        to: &Loc,
    ) -> Result<(), GlueError> {
        let place = self.helper(helper)?;
        let (source, target) = (address(way.from.wide), address(way.to.wide));
        match from {
            Loc::Flat(locals) => locals.iter().for_each(|local| f.get(*local)),
            Loc::Mem { base, offset } => {
                let mem = self.mem(&way.from)?;
                for offset in [*offset, offset + pointer_bytes(mem.wide)] {
                    f.get(*base);
                    f.op(if mem.wide { I::I64Load(mem.at(offset)) } else { I::I32Load(mem.at(offset)) });
                }
            }
        }
        self.call(f, &FuncPlace::Glue(place), &[source; 2], &[target; 2])?;
        match to {
            Loc::Flat(locals) => locals.iter().rev().for_each(|local| f.set(*local)),
            Loc::Mem { base, offset } => {
                let mem = self.mem(&way.to)?;
                let (pointer, length) = (f.local(target), f.local(target));
                f.set(length);
                f.set(pointer);
                for (local, offset) in [(pointer, *offset), (length, offset + pointer_bytes(mem.wide))] {
                    f.get(*base);
                    f.get(local);
                    f.op(if mem.wide { I::I64Store(mem.at(offset)) } else { I::I32Store(mem.at(offset)) });
                }
                f.release_all(&[pointer, length]);
            }
        }
        Ok(())
    }

    fn copy_fixed(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        ty: ValueType,
        length: u32,
        from: &Loc,
        to: &Loc,
    ) -> Result<(), GlueError> {
        let (Loc::Mem { .. }, Loc::Mem { .. }) = (from, to) else {
            return self.copy_record(f, way, &vec![ty; length as usize], from, to);
        };
        if length <= UNROLL {
            return self.copy_record(f, way, &vec![ty; length as usize], from, to);
        }
        let (source, target) = (self.address_of(f, way.from.wide, from), self.address_of(f, way.to.wide, to));
        let left = f.local(ValType::I32);
        f.i32(length as i32);
        f.set(left);
        let mut result = Ok(());
        f.looping(|f| {
            result = self.copy(f, way, ty, &Loc::at(source), &Loc::at(target));
            f.advance(way.from.wide, source, self.layouts(way.from.wide).layout(ty).size as i64);
            f.advance(way.to.wide, target, self.layouts(way.to.wide).layout(ty).size as i64);
            f.ops([I::LocalGet(left), I::I32Const(1), I::I32Sub, I::LocalTee(left)]);
            f.br_if(0);
        });
        f.release_all(&[source, target, left]);
        result
    }

    /// A new local with the address of something in memory.
    fn address_of(&self, f: &mut Fun, wide: bool, loc: &Loc) -> u32 {
        let local = f.local(address(wide));
        if let Loc::Mem { base, offset } = loc {
            f.get(*base);
            if *offset > 0 {
                f.ptr(wide, *offset as i64);
                f.ptr_add(wide);
            }
            f.set(local);
        }
        local
    }

    /// Copies by a function of the type's own.
    fn copy_outline(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        id: TypeDefId,
        from: &Loc,
        to: &Loc,
    ) -> Result<(), GlueError> {
        let place = self.helper(&Helper::Value(id, from.is_mem(), to.is_mem(), way.clone()))?;
        let (params, results) = self.outline_signature(way, id, from.is_mem(), to.is_mem());
        let mut temporaries = Vec::new();
        for (loc, wide) in [(from, way.from.wide), (to, way.to.wide)] {
            if loc.is_mem() {
                let address = self.address_of(f, wide, loc);
                f.get(address);
                temporaries.push(address);
            } else if let (Loc::Flat(locals), true) = (loc, std::ptr::eq(loc, from)) {
                locals.iter().for_each(|local| f.get(*local));
            }
        }
        self.call(f, &FuncPlace::Glue(place), &params, &results)?;
        if let Loc::Flat(locals) = to {
            locals.iter().rev().for_each(|local| f.set(*local));
        }
        f.release_all(&temporaries);
        Ok(())
    }

    fn outline_signature(
        &self,
        way: &Way,
        id: TypeDefId,
        from_mem: bool,
        to_mem: bool,
    ) -> (Vec<ValType>, Vec<ValType>) {
        let flat = |wide| val_types(self.layouts(wide).flat(ValueType::Def(id)).unwrap_or_default());
        let mut params = if from_mem { vec![address(way.from.wide)] } else { flat(way.from.wide) };
        if to_mem {
            params.push(address(way.to.wide));
            return (params, Vec::new());
        }
        (params, flat(way.to.wide))
    }

    /// Where a helper is. It is written when it is asked for the first time.
    fn helper(&mut self, helper: &Helper) -> Result<super::writer::Place, GlueError> {
        if let Some(place) = self.helpers.get(helper) {
            return Ok(*place);
        }
        let place = self.declare();
        let (name, fun) = match helper {
            Helper::Value(id, from_mem, to_mem, way) => {
                (format!("copy type {}", id.0), self.outline(way, *id, *from_mem, *to_mem)?)
            }
            Helper::List(types, way) => ("copy list".to_owned(), self.list(way, types)?),
            Helper::String(way) => ("copy string".to_owned(), self.string(way)?),
        };
        self.define(place, &name, fun)?;
        self.helpers.insert(helper.clone(), place);
        Ok(place)
    }

    fn outline(&mut self, way: &Rc<Way>, id: TypeDefId, from_mem: bool, to_mem: bool) -> Result<Fun, GlueError> {
        let (params, results) = self.outline_signature(way, id, from_mem, to_mem);
        let mut f = Fun::new(params.clone(), results.clone());
        let parameters = params.len() as u32 - u32::from(to_mem);
        let from = if from_mem { Loc::at(0) } else { Loc::Flat((0..parameters).collect()) };
        let to = if to_mem { Loc::at(parameters) } else { Loc::Flat(results.iter().map(|ty| f.local(*ty)).collect()) };
        let shape = self.shape(id)?;
        self.copy_shape(&mut f, way, ValueType::Def(id), &shape, &from, &to)?;
        if let Loc::Flat(locals) = to {
            locals.iter().for_each(|local| f.get(*local));
        }
        Ok(f)
    }
}

fn pointer_bytes(wide: bool) -> u64 {
    if wide { 8 } else { 4 }
}
