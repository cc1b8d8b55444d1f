//! What all generators share: the set so far, the module being written, and where what was written is.

use super::arena::{ArenaFunc, MEMORY_EXPORT, TOP_EXPORT};
use super::budget::Meter;
use super::error::GlueError;
use super::fun::{Bytes, Fun, Mem, address};
use super::host::HostSide;
use super::module::{ModuleBuilder, Origin, export_name};
use super::needs::AllContents;
use super::runtime::{self, LENDS_EXPORT, Service, flag_export};
use crate::abi::{Layouts, Shape};
use crate::name::Name;
use crate::plan::{
    CanonOptions, ComponentInstanceId, CoreExport, CoreFunc, CoreFuncId, CoreItem, Encoding, ResourceDef, TreePlan,
};
use crate::types::{ResourceId, TypeDefId, ValueType};
use hatchery_compile::LinkSet;
use hatchery_image::{InstanceId, TrapCode};
use std::collections::HashMap;
use std::rc::Rc;
use wasm_encoder::{Instruction as I, ValType};

/// Most characters of the name of a generated function.
const MAX_NAME: usize = 64;

/// Most memories of a module that validators accept.
const MAX_MEMORIES: u32 = 100;

/// Most memories that one core function needs: the caller's, the callee's, and the arena's.
const MEMORIES_OF_ONE: u32 = 3;

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
    pub(super) store: Store,
    pub(super) wide: bool,
    pub(super) encoding: Encoding,
    pub(super) component: ComponentInstanceId,
}

/// What a side has memory of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Store {
    /// A component instance: a memory and its `realloc`, where the types need them.
    Guest { memory: Option<CoreExport>, realloc: Option<CoreFuncId> },
    /// The arena. Handles in it are representations, and strings have been checked.
    Arena,
}

impl End {
    pub(super) fn new(options: &CanonOptions, component: ComponentInstanceId) -> End {
        let CanonOptions { encoding, memory, memory64, realloc, .. } = options.clone();
        End { store: Store::Guest { memory, realloc }, wide: memory64, encoding, component }
    }

    /// The arena, for values that come from here.
    pub(super) fn arena(from: &End) -> End {
        End { store: Store::Arena, wide: false, encoding: from.encoding, component: from.component }
    }

    pub(super) fn is_arena(&self) -> bool {
        self.store == Store::Arena
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
    /// By type: whether every bit pattern is a value, and no byte belongs to none.
    plain: Vec<bool>,
    pub(super) contents: AllContents,
    pub(super) meter: Meter,
    pub(super) set: LinkSet,
    pub(super) module: ModuleBuilder,
    /// Instances of the generated modules that are complete.
    batches: Vec<InstanceId>,
    /// Instances of the tree's own modules, as far as they are in the set.
    pub(super) cores: Vec<Option<InstanceId>>,
    pub(super) places: HashMap<CoreFunc, Place>,
    pub(super) helpers: HashMap<Helper, Place>,
    runtime: Option<InstanceId>,
    arena: Option<InstanceId>,
    flags: HashMap<ComponentInstanceId, u32>,
    tables: HashMap<ComponentInstanceId, u32>,
    pub(super) host: HostSide,
}

impl<'a> Writer<'a> {
    pub(super) fn new(plan: &'a TreePlan) -> Result<Writer<'a>, GlueError> {
        let contents = AllContents::new(&plan.types);
        let tables = super::needs::tables(plan, &contents);
        let mut writer = Writer {
            plan,
            layouts: [Layouts::new(&plan.types, false), Layouts::new(&plan.types, true)],
            weights: Vec::new(),
            plain: Vec::new(),
            contents,
            meter: Meter::default(),
            set: LinkSet::new(),
            module: ModuleBuilder::default(),
            batches: Vec::new(),
            cores: vec![None; plan.core_instances.len()],
            places: HashMap::new(),
            helpers: HashMap::new(),
            runtime: None,
            arena: None,
            flags: super::needs::flags(plan),
            tables,
            host: HostSide::default(),
        };
        writer.weigh();
        writer.add_runtime()?;
        writer.add_arena();
        Ok(writer)
    }

    fn add_runtime(&mut self) -> Result<(), GlueError> {
        let (flags, tables) = (self.flags.len() as u32, self.tables.len() as u32);
        if flags + tables > 0 {
            let resources = self.plan.resources.iter().enumerate();
            let host = resources.filter(|(_, def)| matches!(def, ResourceDef::Host { .. }));
            let host: Vec<_> = host.map(|(number, _)| ResourceId(number as u32)).collect();
            let module = runtime::module(flags, tables, &host, &mut self.meter)?.finish();
            let index = self.set.add_generated_module(module.bytes);
            self.runtime = Some(self.set.add_bound_instance(index, Some("[handles]"), module.imports));
        }
        Ok(())
    }

    fn add_arena(&mut self) {
        if super::needs::arena(self.plan) {
            let module = super::arena::module().finish();
            let index = self.set.add_generated_module(module.bytes);
            self.arena = Some(self.set.add_bound_instance(index, Some("[arena]"), module.imports));
        }
    }

    /// Makes room in the module under construction for what one core function needs, so that it stays valid. No function may
    /// be half written: what it calls and accesses is numbered in its module.
    pub(super) fn make_room(&mut self) -> Result<(), GlueError> {
        if self.module.imported_memories() + MEMORIES_OF_ONE > MAX_MEMORIES { self.flush() } else { Ok(()) }
    }

    /// Puts what has been generated into the set, before whatever comes next.
    pub(super) fn flush(&mut self) -> Result<(), GlueError> {
        if self.module.is_empty() {
            return Ok(());
        }
        self.meter.parts(self.module.parts())?;
        let module = std::mem::take(&mut self.module).finish();
        let index = self.set.add_generated_module(module.bytes);
        let name = format!("[adapters {}]", self.batches.len());
        self.batches.push(self.set.add_bound_instance(index, Some(&name), module.imports));
        Ok(())
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
            let plain = match def.shape() {
                Shape::Record(types) => self.is_plain(&types),
                Shape::FixedList(ty, _) => self.is_plain_value(ty),
                Shape::Flags(count) => matches!(count, 8 | 16 | 32),
                Shape::Variant(_) | Shape::List(_) => false,
            };
            self.plain.push(plain);
        }
    }

    /// Whether values that follow each other like this are copied byte by byte: every bit pattern is a value, and no
    /// byte belongs to none.
    pub(super) fn is_plain(&self, types: &[ValueType]) -> bool {
        let (layout, _) = self.layouts(false).record(types.iter().copied());
        let sizes = types.iter().map(|ty| self.layouts(false).layout(*ty).size);
        layout.size == sizes.fold(0, u64::saturating_add) && types.iter().all(|ty| self.is_plain_value(*ty))
    }

    fn is_plain_value(&self, ty: ValueType) -> bool {
        match ty {
            ValueType::S8 | ValueType::U8 | ValueType::S16 | ValueType::U16 | ValueType::S32 => true,
            ValueType::U32 | ValueType::S64 | ValueType::U64 | ValueType::F32 | ValueType::F64 => true,
            ValueType::Def(id) => self.plain.get(id.0 as usize).copied().unwrap_or_default(),
            _ => false,
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
        let origin = match &end.store {
            Store::Guest { memory, .. } => self.origin(memory.as_ref().ok_or(GlueError::Malformed("a memory"))?)?,
            Store::Arena => Origin::Export(self.arena()?, MEMORY_EXPORT.into()),
        };
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
    pub(super) fn export(&self, place: &FuncPlace) -> Result<(InstanceId, Name), GlueError> {
        match place {
            FuncPlace::Core(export) => match self.origin(export)? {
                Origin::Export(instance, name) => Ok((instance, name)),
                Origin::Host(..) | Origin::Trap(_) => Err(GlueError::Malformed("a core export")),
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

    /// Defines a declared function. Its name is for people, who do not read long ones.
    pub(super) fn define(&mut self, place: Place, name: &str, f: Fun) -> Result<(), GlueError> {
        self.meter.function(&f)?;
        let name: String = name.chars().take(MAX_NAME).collect();
        self.module.define(place.function, name, f);
        Ok(())
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

    pub(super) fn arena(&self) -> Result<InstanceId, GlueError> {
        self.arena.ok_or(GlueError::Malformed("the arena"))
    }

    /// Calls a function of the arena.
    fn arena_call(&mut self, f: &mut Fun, func: ArenaFunc) -> Result<(), GlueError> {
        let origin = Origin::Export(self.arena()?, export_name(func.number()).into());
        let (params, results) = func.signature();
        let index = self.module.func(origin, &params, &results);
        f.call(index);
        Ok(())
    }

    /// The global with the end of what is in the arena.
    pub(super) fn arena_top(&mut self) -> Result<u32, GlueError> {
        let origin = Origin::Export(self.arena()?, TOP_EXPORT.into());
        Ok(self.module.global(origin))
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
        let operands = |f: &mut Fun| {
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
        };
        match end.store {
            Store::Guest { realloc, .. } => {
                let realloc = realloc.ok_or(GlueError::Malformed("a realloc function"))?;
                self.confined(f, end.component, |this, f| {
                    operands(f);
                    let address = address(wide);
                    this.call_core(f, realloc, &[address; 4], &[address])?;
                    f.set(pointer);
                    Ok(())
                })?;
            }
            Store::Arena => {
                operands(f);
                self.arena_call(f, ArenaFunc::Realloc)?;
                f.set(pointer);
            }
        }
        let mem = self.mem(end)?;
        f.check_aligned(wide, pointer, grown.align);
        f.check_inside(mem, pointer, grown.new, grown.outside);
        Ok(())
    }

    /// What a core instance imports.
    pub(super) fn source(&mut self, item: &CoreItem) -> Result<hatchery_compile::Source, GlueError> {
        let (instance, name) = match item {
            CoreItem::Func(id) => self.export(&self.place(*id)?)?,
            CoreItem::Export(export) => self.export(&FuncPlace::Core(export.clone()))?,
        };
        self.meter.name(&name)?;
        Ok(hatchery_compile::Source::Export { instance, name: (*name).into() })
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
