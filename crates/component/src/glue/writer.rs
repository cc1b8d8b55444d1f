//! What all generators share: the set so far, the module being written, and where what was written is.

use super::error::GlueError;
use super::fun::{Bytes, Fun, Mem, address};
use super::host::HostSide;
use super::module::{ModuleBuilder, Origin, export_name};
use super::runtime::{self, LENDS_EXPORT, Service, flag_export};
use crate::abi::{Layouts, Shape};
use crate::plan::{
    CanonOptions, ComponentInstanceId, CoreExport, CoreFunc, CoreFuncId, CoreItem, Encoding, ResourceDef, TreePlan,
};
use crate::types::{ResourceId, TypeDefId, ValueType};
use hatchery_compile::LinkSet;
use hatchery_image::{InstanceId, TrapCode};
use std::collections::HashMap;
use std::rc::Rc;
use wasm_encoder::{Instruction as I, ValType};

/// Where a generated function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The number of its module among the generated ones.
    pub(super) batch: usize,
    /// Its number in that.
    pub(super) function: u32,
}

/// Where a core function is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum FuncPlace {
    /// A core instance exports it.
    Core(CoreExport),
    /// It is generated.
    Glue(Place),
}

/// One side of a copy: where values are, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct End {
    pub(super) memory: Option<CoreExport>,
    pub(super) wide: bool,
    pub(super) encoding: Encoding,
    pub(super) realloc: Option<CoreFuncId>,
    pub(super) component: ComponentInstanceId,
}

impl End {
    pub(super) fn new(options: &CanonOptions, component: ComponentInstanceId) -> End {
        let CanonOptions { encoding, memory, memory64, realloc, .. } = options.clone();
        End { memory, wide: memory64, encoding, realloc, component }
    }
}

/// Both sides of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Way {
    pub(super) from: End,
    pub(super) to: End,
}

/// What a helper function does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Helper {
    /// Copies a value; of each side, whether it is in memory.
    Value(TypeDefId, bool, bool, Rc<Way>),
    /// Copies a list of elements that consist of these.
    List(Vec<ValueType>, Rc<Way>),
    /// Copies a string.
    String(Rc<Way>),
}

/// The state of writing.
pub(super) struct Writer<'a> {
    pub(super) plan: &'a TreePlan,
    layouts: [Layouts; 2],
    /// By type: about how much code copies it.
    weights: Vec<u32>,
    pub(super) set: LinkSet,
    pub(super) module: ModuleBuilder,
    /// Instances of the generated modules that are complete.
    batches: Vec<InstanceId>,
    /// Instances of the tree's own modules, as far as they are in the set.
    pub(super) cores: Vec<Option<InstanceId>>,
    pub(super) places: HashMap<CoreFunc, Place>,
    pub(super) helpers: HashMap<Helper, Place>,
    runtime: Option<InstanceId>,
    flags: HashMap<ComponentInstanceId, u32>,
    tables: HashMap<ComponentInstanceId, u32>,
    pub(super) host: HostSide,
}

impl<'a> Writer<'a> {
    pub(super) fn new(plan: &'a TreePlan) -> Writer<'a> {
        let mut writer = Writer {
            plan,
            layouts: [Layouts::new(&plan.types, false), Layouts::new(&plan.types, true)],
            weights: Vec::new(),
            set: LinkSet::new(),
            module: ModuleBuilder::default(),
            batches: Vec::new(),
            cores: vec![None; plan.core_instances.len()],
            places: HashMap::new(),
            helpers: HashMap::new(),
            runtime: None,
            flags: super::needs::flags(plan),
            tables: super::needs::tables(plan),
            host: HostSide::default(),
        };
        writer.weigh();
        writer.add_runtime();
        writer
    }

    fn add_runtime(&mut self) {
        let (flags, tables) = (self.flags.len() as u32, self.tables.len() as u32);
        if flags + tables > 0 {
            let resources = self.plan.resources.iter().enumerate();
            let host = resources.filter(|(_, def)| matches!(def, ResourceDef::Host { .. }));
            let host: Vec<_> = host.map(|(number, _)| ResourceId(number as u32)).collect();
            let module = runtime::module(flags, tables, &host).finish();
            let index = self.set.add_generated_module(module.bytes);
            self.runtime = Some(self.set.add_bound_instance(index, Some("[handles]"), module.imports));
        }
    }

    /// Puts what has been generated into the set, before whatever comes next.
    pub(super) fn flush(&mut self) {
        if self.module.is_empty() {
            return;
        }
        let module = std::mem::take(&mut self.module).finish();
        let index = self.set.add_generated_module(module.bytes);
        let name = format!("[adapters {}]", self.batches.len());
        self.batches.push(self.set.add_bound_instance(index, Some(&name), module.imports));
    }

    // Types.

    pub(super) fn layouts(&self, wide: bool) -> &Layouts {
        let [narrow, wider] = &self.layouts;
        if wide { wider } else { narrow }
    }

    /// The shape of a type that has parts.
    pub(super) fn shape(&self, id: TypeDefId) -> Result<Shape, GlueError> {
        self.plan.types.get(id).map(|def| def.shape()).ok_or(GlueError::Malformed("a type"))
    }

    pub(super) fn weight(&self, ty: ValueType) -> u32 {
        match ty {
            ValueType::Def(id) => self.weights.get(id.0 as usize).copied().unwrap_or_default(),
            _ => 1,
        }
    }

    fn weigh(&mut self) {
        for def in self.plan.types.defs() {
            let sum = |types: &mut dyn Iterator<Item = &ValueType>| {
                types.map(|ty| self.weight(*ty)).fold(0, u32::saturating_add)
            };
            let weight = match def.shape() {
                Shape::Record(types) => sum(&mut types.iter()),
                Shape::Variant(cases) => sum(&mut cases.iter().flatten()).saturating_add(cases.len() as u32),
                Shape::FixedList(ty, length) => self.weight(ty).saturating_mul(length.min(16)),
                Shape::List(_) | Shape::Flags(_) => 1,
            };
            self.weights.push(weight);
        }
    }

    // Names of things in the module that is being written.

    fn origin(&self, export: &CoreExport) -> Result<Origin, GlueError> {
        let instance = self.cores.get(export.instance.0 as usize).copied().flatten();
        let instance = instance.ok_or(GlueError::Malformed("a core instance"))?;
        Ok(Origin::Export(instance, export.name.clone()))
    }

    /// The memory of a side.
    pub(super) fn mem(&mut self, end: &End) -> Result<Mem, GlueError> {
        let memory = end.memory.as_ref().ok_or(GlueError::Malformed("a memory"))?;
        let origin = self.origin(memory)?;
        Ok(self.module.memory(origin, end.wide))
    }

    /// Where a core function is that has been generated or is exported.
    pub(super) fn place(&self, id: CoreFuncId) -> Result<FuncPlace, GlueError> {
        let missing = GlueError::Malformed("a core function");
        match self.plan.core_funcs.get(id.0 as usize) {
            Some(CoreFunc::Export(export)) => Ok(FuncPlace::Core(export.clone())),
            Some(func) => self.places.get(func).map(|place| FuncPlace::Glue(*place)).ok_or(missing),
            None => Err(missing),
        }
    }

    /// Instance of the set and name of a core function, once its module is complete.
    pub(super) fn export(&self, place: &FuncPlace) -> Result<(InstanceId, Box<str>), GlueError> {
        match place {
            FuncPlace::Core(export) => match self.origin(export)? {
                Origin::Export(instance, name) => Ok((instance, name)),
                Origin::Host(..) => Err(GlueError::Malformed("a core export")),
            },
            FuncPlace::Glue(place) => {
                let instance = self.batches.get(place.batch).copied();
                let instance = instance.ok_or(GlueError::Malformed("a generated module"))?;
                Ok((instance, export_name(place.function).into()))
            }
        }
    }

    /// The place of the next function, and its number.
    pub(super) fn declare(&mut self) -> Place {
        Place { batch: self.batches.len(), function: self.module.declare() }
    }

    // Calls.

    pub(super) fn call(
        &mut self,
        f: &mut Fun,
        place: &FuncPlace,
        params: &[ValType],
        results: &[ValType],
    ) -> Result<(), GlueError> {
        match place {
            FuncPlace::Glue(place) if place.batch == self.batches.len() => f.call_local(place.function),
            _ => {
                let (instance, name) = self.export(place)?;
                let index = self.module.func(Origin::Export(instance, name), params, results);
                f.call(index);
            }
        }
        Ok(())
    }

    pub(super) fn call_core(
        &mut self,
        f: &mut Fun,
        id: CoreFuncId,
        params: &[ValType],
        results: &[ValType],
    ) -> Result<(), GlueError> {
        let place = self.place(id)?;
        self.call(f, &place, params, results)
    }

    fn runtime(&self) -> Result<InstanceId, GlueError> {
        self.runtime.ok_or(GlueError::Malformed("a handle table"))
    }

    /// Calls a function of the handle tables.
    pub(super) fn service(&mut self, f: &mut Fun, service: Service) -> Result<(), GlueError> {
        let origin = Origin::Export(self.runtime()?, export_name(service.number()).into());
        let (params, results) = service.signature();
        let index = self.module.func(origin, &params, &results);
        f.call(index);
        Ok(())
    }

    /// Pushes the number of lends.
    pub(super) fn lends(&mut self, f: &mut Fun) -> Result<(), GlueError> {
        let lends = self.module.global(Origin::Export(self.runtime()?, LENDS_EXPORT.into()));
        f.op(I::GlobalGet(lends));
        Ok(())
    }

    /// Pushes which table is a component instance's.
    pub(super) fn table(&self, f: &mut Fun, component: ComponentInstanceId) -> Result<(), GlueError> {
        let table = self.tables.get(&component).copied().ok_or(GlueError::Malformed("a handle table"))?;
        f.i32(runtime::descriptor(table) as i32);
        Ok(())
    }

    /// The global with the flag that says whether a component instance may call out; none if it never matters.
    fn flag(&mut self, component: ComponentInstanceId) -> Result<Option<u32>, GlueError> {
        let Some(flag) = self.flags.get(&component).copied() else { return Ok(None) };
        Ok(Some(self.module.global(Origin::Export(self.runtime()?, flag_export(flag).into()))))
    }

    /// Stops the guest unless a component instance may call out.
    pub(super) fn check_leave(&mut self, f: &mut Fun, component: ComponentInstanceId) -> Result<(), GlueError> {
        if let Some(flag) = self.flag(component)? {
            f.ops([I::GlobalGet(flag), I::I32Eqz]);
            f.trap_if(TrapCode::CannotLeave);
        }
        Ok(())
    }

    /// Runs a call during which a component instance must not call out.
    pub(super) fn confined(
        &mut self,
        f: &mut Fun,
        component: ComponentInstanceId,
        call: impl FnOnce(&mut Self, &mut Fun) -> Result<(), GlueError>,
    ) -> Result<(), GlueError> {
        let flag = self.flag(component)?;
        if let Some(flag) = flag {
            f.ops([I::I32Const(0), I::GlobalSet(flag)]);
        }
        call(self, f)?;
        if let Some(flag) = flag {
            f.ops([I::I32Const(1), I::GlobalSet(flag)]);
        }
        Ok(())
    }

    /// Whether a component instance's flag matters.
    pub(super) fn has_flag(&self, component: ComponentInstanceId) -> bool {
        self.flags.contains_key(&component)
    }

    /// Sets `pointer` to what `realloc` returns for `(old, old bytes, alignment, new bytes)`; operands are `i64`s below
    /// 2^32, but for `old`. The result is a multiple of the alignment and inside of the memory, or the guest stops.
    pub(super) fn realloc(
        &mut self,
        f: &mut Fun,
        end: &End,
        pointer: u32,
        grown: &Allocation,
    ) -> Result<(), GlueError> {
        let realloc = end.realloc.ok_or(GlueError::Malformed("a realloc function"))?;
        let wide = end.wide;
        let size = |f: &mut Fun, bytes: Bytes| match bytes {
            Bytes::Constant(bytes) => f.ptr(wide, bytes as i64),
            Bytes::Local(local) => {
                f.get(local);
                if !wide {
                    f.op(I::I32WrapI64);
                }
            }
        };
        self.confined(f, end.component, |this, f| {
            match grown.old {
                Some(old) => {
                    f.get(pointer);
                    size(f, old);
                }
                None => {
                    f.ptr(wide, 0);
                    f.ptr(wide, 0);
                }
            }
            f.ptr(wide, grown.align.into());
            size(f, grown.new);
            let address = address(wide);
            this.call_core(f, realloc, &[address; 4], &[address])?;
            f.set(pointer);
            Ok(())
        })?;
        let mem = self.mem(end)?;
        f.check_aligned(wide, pointer, grown.align);
        f.check_inside(mem, pointer, grown.new, grown.outside);
        Ok(())
    }

    /// The imports of a core instance.
    pub(super) fn source(&self, item: &CoreItem) -> Result<hatchery_compile::Source, GlueError> {
        let (instance, name) = match item {
            CoreItem::Func(id) => self.export(&self.place(*id)?)?,
            CoreItem::Export(export) => self.export(&FuncPlace::Core(export.clone()))?,
        };
        Ok(hatchery_compile::Source::Export { instance, name })
    }
}

/// What is asked of `realloc`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allocation {
    /// Bytes that were allocated before; `None` at first.
    pub(super) old: Option<Bytes>,
    pub(super) align: u32,
    pub(super) new: Bytes,
    /// The trap when the result is beyond the memory.
    pub(super) outside: TrapCode,
}
