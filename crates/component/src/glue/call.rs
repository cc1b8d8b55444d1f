//! The functions that core instances import: calls of other components and of the host, and the built-ins of resources.
//!
//! Source: component model, `CanonicalABI.md`, *Canonical Definitions*.

use super::copy::Loc;
use super::error::GlueError;
use super::fun::{Bytes, Fun, address, val_types};
use super::host::Via;
use super::module::Origin;
use super::runtime::{Service, tag};
use super::writer::{Allocation, End, FuncPlace, Place, Way, Writer};
use crate::abi::{CoreSignature, Flat, Layout, Side};
use crate::plan::{CanonOptions, ComponentInstanceId, CoreFunc, CoreFuncId, Func, ResourceDef};
use crate::types::{FuncType, FuncTypeId, ResourceId, ValueType};
use hatchery_image::TrapCode;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use wasm_encoder::{Instruction as I, ValType};

/// A component function that a core function implements.
#[derive(Debug, Clone)]
pub(super) struct Lifted {
    pub(super) core: CoreFuncId,
    pub(super) ty: FuncTypeId,
    pub(super) options: CanonOptions,
    pub(super) component: ComponentInstanceId,
}

/// Values that are being passed.
struct Lifting {
    /// The side that they are to be copied from.
    end: End,
    loc: Loc,
    /// A local with the arena's end before they were there, if they are.
    top: Option<u32>,
}

impl<'a> Writer<'a> {
    /// Writes a core function that has not been written, and what it needs; called between functions only.
    pub(super) fn ensure(&mut self, id: CoreFuncId) -> Result<(), GlueError> {
        let mut left = vec![(id, false)];
        while let Some((id, ready)) = left.pop() {
            let func = self.plan.core_funcs.get(id.0 as usize).ok_or(GlueError::Malformed("a core function"))?;
            if matches!(func, CoreFunc::Export(_)) || self.places.contains_key(func) {
                continue;
            }
            if !ready {
                // What a function needs is defined before it, so that this ends.
                left.push((id, true));
                left.extend(self.needs(func)?.into_iter().filter(|need| *need < id).map(|need| (need, false)));
                continue;
            }
            self.make_room()?;
            let place = self.core_func(func)?;
            self.places.insert(func.clone(), place);
        }
        Ok(())
    }

    /// The core functions that one calls.
    fn needs(&self, func: &CoreFunc) -> Result<Vec<CoreFuncId>, GlueError> {
        let of = |options: &CanonOptions| options.realloc.into_iter().chain(options.post_return).collect::<Vec<_>>();
        Ok(match func {
            CoreFunc::Export(_) | CoreFunc::ResourceNew { .. } | CoreFunc::ResourceRep { .. } => Vec::new(),
            CoreFunc::ResourceDrop { resource, .. } => self.dtor(*resource)?.into_iter().collect(),
            CoreFunc::Lower { func, options, .. } => {
                let mut needs = of(options);
                if let Func::Lift { core, options, .. } = self.func(func.0)? {
                    needs.push(*core);
                    needs.extend(of(options));
                }
                needs
            }
        })
    }

    pub(super) fn func(&self, id: u32) -> Result<&'a Func, GlueError> {
        self.plan.funcs.get(id as usize).ok_or(GlueError::Malformed("a component function"))
    }

    pub(super) fn func_type(&self, id: FuncTypeId) -> Result<&'a FuncType, GlueError> {
        self.plan.types.get_func(id).ok_or(GlueError::Malformed("a function type"))
    }

    fn dtor(&self, resource: ResourceId) -> Result<Option<CoreFuncId>, GlueError> {
        match self.plan.resources.get(resource.0 as usize) {
            Some(ResourceDef::Guest { dtor, .. }) => Ok(*dtor),
            Some(ResourceDef::Host { .. }) => Ok(None),
            None => Err(GlueError::Malformed("a resource type")),
        }
    }

    fn core_func(&mut self, func: &CoreFunc) -> Result<Place, GlueError> {
        match func {
            CoreFunc::Export(_) => Err(GlueError::Malformed("a generated function")),
            CoreFunc::Lower { func, options, component } => match self.func(func.0)?.clone() {
                Func::Lift { core, ty, options: lifted, component: callee } => {
                    let callee = Lifted { core, ty, options: lifted, component: callee };
                    self.adapter(&callee, options, *component)
                }
                Func::Import(number) => self.host_call(number, options, *component),
            },
            CoreFunc::ResourceNew { resource, component } => {
                let mut f = Fun::new(vec![ValType::I32], vec![ValType::I32]);
                self.check_leave(&mut f, *component)?;
                self.table(&mut f, *component)?;
                f.ops([I::I32Const(tag(*resource)), I::LocalGet(0), I::I32Const(0)]);
                self.service(&mut f, Service::Add)?;
                self.add(&format!("resource.new {}", resource.0), f)
            }
            CoreFunc::ResourceRep { resource, component } => {
                let mut f = Fun::new(vec![ValType::I32], vec![ValType::I32]);
                self.table(&mut f, *component)?;
                f.ops([I::I32Const(tag(*resource)), I::LocalGet(0)]);
                self.service(&mut f, Service::Rep)?;
                self.add(&format!("resource.rep {}", resource.0), f)
            }
            CoreFunc::ResourceDrop { resource, component } => self.resource_drop(*resource, *component),
        }
    }

    pub(super) fn add(&mut self, name: &str, f: Fun) -> Result<Place, GlueError> {
        let place = self.declare();
        self.define(place, name, f)?;
        Ok(place)
    }

    fn resource_drop(&mut self, resource: ResourceId, component: ComponentInstanceId) -> Result<Place, GlueError> {
        let mut f = Fun::new(vec![ValType::I32], Vec::new());
        let handle = f.local(ValType::I64);
        self.check_leave(&mut f, component)?;
        self.table(&mut f, component)?;
        f.ops([I::I32Const(tag(resource)), I::LocalGet(0)]);
        self.service(&mut f, Service::Drop)?;
        f.set(handle);
        f.ops([I::LocalGet(handle), I::I64Const(32), I::I64ShrU, I::I32WrapI64]);
        let mut result = Ok(());
        f.when(|f| {
            f.ops([I::LocalGet(handle), I::I32WrapI64]);
            result = self.destroy(f, resource);
        });
        result?;
        self.add(&format!("resource.drop {}", resource.0), f)
    }

    /// Destroys the resource whose representation is the topmost operand.
    pub(super) fn destroy(&mut self, f: &mut Fun, resource: ResourceId) -> Result<(), GlueError> {
        if let Some(ResourceDef::Host { .. }) = self.plan.resources.get(resource.0 as usize) {
            let (module, name) = self.host_drop(resource)?;
            let index = self.module.func(Origin::Host(module, name), &[ValType::I32], &[]);
            f.call(index);
            return Ok(());
        }
        match self.dtor(resource)? {
            Some(dtor) => self.call_core(f, dtor, &[ValType::I32], &[]),
            None => {
                f.op(I::Drop);
                Ok(())
            }
        }
    }

    /// A call from component to component.
    fn adapter(
        &mut self,
        callee: &Lifted,
        options: &CanonOptions,
        component: ComponentInstanceId,
    ) -> Result<Place, GlueError> {
        let ty = self.func_type(callee.ty)?;
        let caller = End::new(options, component);
        let lower = self.layouts(caller.wide).signature(ty, Side::Lower);
        let mut f = Fun::new(val_types(&lower.params), val_types(&lower.results));
        self.check_leave(&mut f, component)?;
        let lends = self.begin_lends(&mut f, ty)?;
        let scope = self.begin_scope(&mut f, ty, callee.component)?;
        let called = End::new(&callee.options, callee.component);
        let lift = self.layouts(called.wide).signature(ty, Side::Lift);
        let arguments = self.pass_params(&mut f, (&caller, &called), ty, &lower)?;
        arguments.iter().for_each(|local| f.get(*local));
        let (params, results) = (val_types(&lift.params), val_types(&lift.results));
        self.call_core(&mut f, callee.core, &params, &results)?;
        let returned: Vec<u32> = results.iter().map(|ty| f.local(*ty)).collect();
        returned.iter().rev().for_each(|local| f.set(*local));
        if let Some(scope) = scope {
            f.get(scope);
            self.service(&mut f, Service::EndCall)?;
        }
        let passed = self.pass_result(&mut f, (&called, &caller), ty, (&lift, &returned), &lower)?;
        if let Some(post_return) = callee.options.post_return {
            self.confined(&mut f, callee.component, |this, f| {
                returned.iter().for_each(|local| f.get(*local));
                this.call_core(f, post_return, &results, &[])
            })?;
        }
        self.end_lends(&mut f, component, lends)?;
        passed.iter().for_each(|local| f.get(*local));
        self.add(&self.name_of(callee.core), f)
    }

    fn name_of(&self, core: CoreFuncId) -> Cow<'a, str> {
        match self.plan.core_funcs.get(core.0 as usize) {
            Some(CoreFunc::Export(export)) => Cow::Borrowed(&export.name),
            _ => format!("core function {}", core.0).into(),
        }
    }

    /// Remembers how many handles are lent, when the call lends some.
    fn begin_lends(&mut self, f: &mut Fun, ty: &FuncType) -> Result<Option<u32>, GlueError> {
        if !self.contents.of_func(ty).borrows {
            return Ok(None);
        }
        let lends = f.local(ValType::I32);
        self.lends(f)?;
        f.set(lends);
        Ok(Some(lends))
    }

    fn end_lends(&mut self, f: &mut Fun, component: ComponentInstanceId, lends: Option<u32>) -> Result<(), GlueError> {
        if let Some(lends) = lends {
            self.table(f, component)?;
            f.get(lends);
            self.service(f, Service::Release)?;
        }
        Ok(())
    }

    /// Begins a scope when the callee gets handles that it must drop.
    fn begin_scope(
        &mut self,
        f: &mut Fun,
        ty: &FuncType,
        callee: ComponentInstanceId,
    ) -> Result<Option<u32>, GlueError> {
        if !self.borrows_foreign(ty, callee)? {
            return Ok(None);
        }
        let scope = f.local(ValType::I32);
        self.service(f, Service::BeginCall)?;
        f.set(scope);
        Ok(Some(scope))
    }

    /// Whether a function takes borrows of resources that the component instance which implements it does not define.
    fn borrows_foreign(&mut self, ty: &FuncType, callee: ComponentInstanceId) -> Result<bool, GlueError> {
        Ok(self.borrowed(ty)?.into_iter().any(|resource| !self.defines(callee, resource)))
    }

    /// The resource types of which a function takes borrows.
    pub(super) fn borrowed(&mut self, ty: &FuncType) -> Result<BTreeSet<ResourceId>, GlueError> {
        let mut left: Vec<ValueType> = ty.params.iter().map(|(_, ty)| *ty).collect();
        let (mut seen, mut resources) = (HashSet::new(), BTreeSet::new());
        while let Some(ty) = left.pop() {
            match ty {
                ValueType::Borrow(resource) => {
                    resources.insert(resource);
                }
                ValueType::Def(id) if self.contents.of_value(ty).borrows && seen.insert(id) => {
                    let parts = self.shape(id)?.parts();
                    self.meter.parts(parts.len())?;
                    left.extend(parts);
                }
                _ => {}
            }
        }
        Ok(resources)
    }

    /// Whether a resource type is one that a component instance defines.
    pub(super) fn defines(&self, component: ComponentInstanceId, resource: ResourceId) -> bool {
        let def = self.plan.resources.get(resource.0 as usize);
        matches!(def, Some(ResourceDef::Guest { component: definer, .. }) if *definer == component)
    }

    /// Copies the parameters to the callee. Returns the locals to call it with.
    fn pass_params(
        &mut self,
        f: &mut Fun,
        (caller, callee): (&End, &End),
        ty: &FuncType,
        lower: &CoreSignature,
    ) -> Result<Vec<u32>, GlueError> {
        let types: Vec<ValueType> = ty.params.iter().map(|(_, ty)| *ty).collect();
        let from = if lower.params_in_memory {
            self.check_place(f, caller, &types, 0)?;
            Loc::at(0)
        } else {
            let count = lower.params.len() - usize::from(lower.result_in_memory);
            Loc::Flat((0..count as u32).collect())
        };
        let lifted = self.lift_first(f, (caller, callee), &types, from)?;
        let to = self.receive(f, callee, &types)?;
        self.lower_last(f, lifted, callee, &types, &to)?;
        Ok(match to {
            Loc::Mem { base, .. } => vec![base],
            Loc::Flat(locals) => locals,
        })
    }

    /// Copies the result to the caller. Returns the locals to return.
    fn pass_result(
        &mut self,
        f: &mut Fun,
        (callee, caller): (&End, &End),
        ty: &FuncType,
        (lift, returned): (&CoreSignature, &[u32]),
        lower: &CoreSignature,
    ) -> Result<Vec<u32>, GlueError> {
        let types: Vec<ValueType> = ty.result.into_iter().collect();
        let from = match returned.first() {
            Some(pointer) if lift.result_in_memory => {
                self.check_place(f, callee, &types, *pointer)?;
                Loc::at(*pointer)
            }
            _ => Loc::Flat(returned.to_vec()),
        };
        let lifted = self.lift_first(f, (callee, caller), &types, from)?;
        let to = if lower.result_in_memory {
            let pointer = lower.params.len() as u32 - 1;
            self.check_place(f, caller, &types, pointer)?;
            Loc::at(pointer)
        } else {
            Loc::Flat(self.locals(f, &lower.results))
        };
        self.lower_last(f, lifted, caller, &types, &to)?;
        Ok(match to {
            Loc::Mem { .. } => Vec::new(),
            Loc::Flat(locals) => locals,
        })
    }

    /// Where values are that `to` is to have. When both sides are of one component instance, and it shows which of them
    /// are read before which are written, all are lifted now, to the arena. Otherwise lifting is left to the copy.
    fn lift_first(
        &mut self,
        f: &mut Fun,
        (from, to): (&End, &End),
        types: &[ValueType],
        loc: Loc,
    ) -> Result<Lifting, GlueError> {
        let contents = self.contents.of(types.iter().copied());
        let shows = matches!(loc, Loc::Mem { .. }) || contents.pointers || contents.handles;
        if from.component != to.component || !shows {
            return Ok(Lifting { end: from.clone(), loc, top: None });
        }
        let (end, top) = (End::arena(from), f.local(ValType::I32));
        let global = self.arena_top()?;
        f.ops([I::GlobalGet(global), I::LocalSet(top)]);
        let middle = self.receive(f, &end, types)?;
        let way = Rc::new(Way { from: from.clone(), to: end.clone() });
        self.copy_record(f, &way, types, &loc, &middle)?;
        Ok(Lifting { end, loc: middle, top: Some(top) })
    }

    /// Copies values to where they are to be.
    fn lower_last(
        &mut self,
        f: &mut Fun,
        lifting: Lifting,
        end: &End,
        types: &[ValueType],
        to: &Loc,
    ) -> Result<(), GlueError> {
        let way = Rc::new(Way { from: lifting.end, to: end.clone() });
        self.copy_record(f, &way, types, &lifting.loc, to)?;
        if let Some(top) = lifting.top {
            let global = self.arena_top()?;
            f.ops([I::LocalGet(top), I::GlobalSet(global)]);
        }
        Ok(())
    }

    /// Where a side gets parameters: in new locals, or in memory that it allocates.
    fn receive(&mut self, f: &mut Fun, end: &End, types: &[ValueType]) -> Result<Loc, GlueError> {
        match self.layouts(end.wide).flat_all(types.iter().copied()) {
            Some(flat) => Ok(Loc::Flat(self.locals(f, &flat))),
            None => self.allocate_record(f, end, types).map(Loc::at),
        }
    }

    /// A new local with the address of memory that a side allocates for these.
    pub(super) fn allocate_record(&mut self, f: &mut Fun, end: &End, types: &[ValueType]) -> Result<u32, GlueError> {
        let layout = self.place_of(end, types)?;
        let pointer = f.local(address(end.wide));
        let (new, outside) = (Bytes::Constant(layout.size), TrapCode::PointerOutOfBounds);
        self.realloc(f, end, pointer, &Allocation { old: None, align: layout.align, new, outside })?;
        Ok(pointer)
    }

    /// How much room parameters or a result take together, if an address can point to all of it.
    fn place_of(&self, end: &End, types: &[ValueType]) -> Result<Layout, GlueError> {
        let layout = self.layouts(end.wide).record(types.iter().copied()).0;
        let limit = u32::MAX.into();
        if layout.size <= limit { Ok(layout) } else { Err(GlueError::TooLarge { bytes: layout.size, limit }) }
    }

    fn locals(&self, f: &mut Fun, flat: &[Flat]) -> Vec<u32> {
        val_types(flat).into_iter().map(|ty| f.local(ty)).collect()
    }

    /// Stops the guest unless a local points to where values of these types can be.
    fn check_place(&mut self, f: &mut Fun, end: &End, types: &[ValueType], pointer: u32) -> Result<(), GlueError> {
        let mem = self.mem(end)?;
        let layout = self.place_of(end, types)?;
        f.check_aligned(end.wide, pointer, layout.align);
        f.check_inside(mem, pointer, Bytes::Constant(layout.size), TrapCode::PointerOutOfBounds);
        Ok(())
    }

    /// A call of a function that the host provides.
    fn host_call(
        &mut self,
        import: u32,
        options: &CanonOptions,
        component: ComponentInstanceId,
    ) -> Result<Place, GlueError> {
        let def = self.plan.imports.get(import as usize).ok_or(GlueError::Malformed("an import"))?;
        let ty = self.func_type(def.ty)?;
        let signature = self.layouts(options.memory64).signature(ty, Side::Lower);
        let (params, results) = (val_types(&signature.params), val_types(&signature.results));
        let mut f = Fun::new(params.clone(), results.clone());
        self.check_leave(&mut f, component)?;
        let lends = self.begin_lends(&mut f, ty)?;
        (0..params.len() as u32).for_each(|param| f.get(param));
        let (module, field) = self.host_function(import, Via::Guest(options.clone(), component))?;
        let index = self.module.func(Origin::Host(module, field), &params, &results);
        f.call(index);
        // The result stays where it is.
        self.end_lends(&mut f, component, lends)?;
        self.add(&def.name, f)
    }

    /// Writes a function that calls another with a component instance confined. For the host.
    pub(super) fn confined_call(
        &mut self,
        core: CoreFuncId,
        component: ComponentInstanceId,
        (params, results): (&[ValType], &[ValType]),
    ) -> Result<FuncPlace, GlueError> {
        if !self.has_flag(component) {
            return self.place(core);
        }
        let mut f = Fun::new(params.to_vec(), results.to_vec());
        self.confined(&mut f, component, |this, f| {
            (0..params.len() as u32).for_each(|param| f.get(param));
            this.call_core(f, core, params, results)
        })?;
        self.add(&self.name_of(core), f).map(FuncPlace::Glue)
    }
}
