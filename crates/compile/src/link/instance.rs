//! Linking of one instance after the other.

use super::consts::{evaluate, evaluate_offset};
use super::imports::Sources;
use super::model::{
    ConstValue, DataSource, FuncTarget, FunctionDef, HostImportDef, InstanceFace, Link, Linked, LinkedInstance,
    LinkedItem, LinkedStep, LinkedStepKind, RefValue, at,
};
use super::set::{InstanceSpec, LinkSet, Mode};
use super::types::{Canon, TypeMap, ref_type, value_type};
use crate::decode::{Const, DataDecl, ElemDecl, ElemMode, Item, Module};
use crate::error::{CompileError, LinkError};
use crate::thunk::trap_type;
use hatchery_image::{
    DataSegmentId, DefinedMemory, DefinedTable, ElemSegmentId, FunctionId, Global, GlobalId, GlobalNeed, InstanceId,
    LayoutNeeds, LayoutPlan, MemoryId, MemoryNeed, StepKind, TableId, TableNeed, TagId, Tunables, TypeId, TypeTable,
    ValType,
};

/// The set, as far as it is linked.
pub(super) struct Linker<'a> {
    pub(super) mode: Mode,
    modules: &'a [Module],
    /// By module: whether we wrote it.
    generated: &'a [bool],
    specs: &'a [InstanceSpec],
    /// By module.
    type_maps: Vec<TypeMap>,
    pub(super) types: TypeTable,
    pub(super) trap_type: Option<TypeId>,
    instances: Vec<LinkedInstance>,
    functions: Vec<FunctionDef>,
    pub(super) host_imports: Vec<HostImportDef>,
    pub(super) memories: Vec<DefinedMemory>,
    /// By memory: whether it reserves its maximum only.
    exact: Vec<bool>,
    pub(super) tables: Vec<DefinedTable>,
    pub(super) globals: Vec<Global>,
    global_values: Vec<ConstValue>,
    pub(super) tags: Vec<TypeId>,
    faces: Vec<InstanceFace>,
    steps: Vec<LinkedStep>,
    table_values: Vec<RefValue>,
    elems: Vec<Vec<RefValue>>,
    data: Vec<DataSource>,
}

impl<'a> Linker<'a> {
    pub(super) fn new(set: &'a LinkSet, modules: &'a [Module]) -> Result<Linker<'a>, CompileError> {
        let mut canon = Canon::default();
        let type_maps = modules.iter().map(|module| canon.module(module)).collect::<Result<_, _>>()?;
        Ok(Linker {
            mode: set.mode,
            modules,
            generated: &set.generated,
            specs: &set.instances,
            type_maps,
            trap_type: canon.alone(&trap_type()),
            types: canon.finish(),
            instances: Vec::with_capacity(set.instances.len()),
            functions: Vec::new(),
            host_imports: Vec::new(),
            memories: Vec::new(),
            exact: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            global_values: Vec::new(),
            tags: Vec::new(),
            faces: Vec::with_capacity(set.instances.len()),
            steps: Vec::new(),
            table_values: Vec::new(),
            elems: Vec::new(),
            data: Vec::new(),
        })
    }

    /// The linked set, with a place for everything.
    pub(super) fn finish(mut self, tunables: &Tunables) -> Result<Link, CompileError> {
        let layout = LayoutPlan::new(&self.needs(), &self.with_bounds(tunables))?;
        for (global, offset) in self.globals.iter_mut().zip(&layout.globals) {
            global.offset = *offset;
        }
        let linked = Linked {
            types: self.types,
            trap_type: self.trap_type,
            instances: self.instances,
            functions: self.functions,
            host_imports: self.host_imports,
            memories: self.memories,
            tables: self.tables,
            globals: self.globals,
            global_values: self.global_values,
            tags: self.tags,
            layout,
        };
        let (faces, steps, table_values) = (self.faces, self.steps, self.table_values);
        Ok(Link { linked, faces, steps, table_values, elems: self.elems, data: self.data })
    }

    /// The choices with bounds decided: memories that can grow are compared with where code grows one.
    fn with_bounds(&self, tunables: &Tunables) -> Tunables {
        let guests = self.instances.iter().filter(|instance| self.generated.get(instance.module) != Some(&true));
        let grows = guests.into_iter().any(|guest| self.modules.get(guest.module).is_some_and(|m| m.grows_memory));
        let explicit_bounds = tunables.explicit_bounds || (tunables.explicit_growth && grows);
        Tunables { explicit_bounds, ..tunables.clone() }
    }

    fn needs(&self) -> LayoutNeeds {
        let memory = |(m, exact): (&DefinedMemory, &bool)| {
            let (minimum, maximum, exact) = (m.minimum, m.maximum, *exact);
            MemoryNeed { memory64: m.memory64, minimum, maximum, exact }
        };
        let table = |t: &DefinedTable| TableNeed { minimum: t.minimum, maximum: t.maximum, growable: t.growable };
        let global = |g: &Global| if g.ty == ValType::V128 { GlobalNeed::Vector } else { GlobalNeed::Word };
        LayoutNeeds {
            memories: self.memories.iter().zip(&self.exact).map(memory).collect(),
            tables: self.tables.iter().map(table).collect(),
            globals: self.globals.iter().map(global).collect(),
            data_segments: self.data.len() as u32,
            elem_segments: self.elems.len() as u32,
        }
    }

    /// An instance that is linked, with its module.
    pub(super) fn linked_instance(&self, id: InstanceId) -> Result<(&Module, &LinkedInstance), CompileError> {
        let instance = self.instances.get(id.index());
        let module = instance.and_then(|instance| self.modules.get(instance.module));
        module.zip(instance).ok_or_else(|| CompileError::Internal(format!("instance {} is not linked", id.0)))
    }

    pub(super) fn step(&mut self, instance: InstanceId, kind: LinkedStepKind) {
        self.steps.push(LinkedStep { instance, kind });
    }

    /// Links the next instance.
    pub(super) fn instance(&mut self, index: usize, spec: &InstanceSpec) -> Result<(), CompileError> {
        let id = InstanceId(index as u32);
        let number = spec.module.0;
        let unknown = LinkError::NotInSet { instance: id, what: "module", number };
        let module = self.modules.get(number).ok_or(unknown.clone())?;
        let types = self.type_maps.get(number).ok_or(unknown)?.clone();
        let generated = self.generated.get(number).copied().unwrap_or_default();
        let mut spaces = LinkedInstance { module: number, types, generated, ..LinkedInstance::default() };
        let first_step = self.steps.len();
        let sources: Sources<'_> = self.sources(id, spec)?;
        for import in &module.imports {
            self.import(id, &sources, import, &mut spaces)?;
        }
        self.define(id, module, &mut spaces)?;
        self.initialize(id, module, &mut spaces)?;
        for table in &module.grown_tables {
            let table = at(&spaces.tables, *table)?;
            if let Some(table) = self.tables.get_mut(table.index()) {
                table.growable = true;
            }
        }
        let name = self.specs.get(index).and_then(|spec| spec.name.clone()).or_else(|| module.names.module.clone());
        let export = |export: &crate::decode::ExportDecl| Ok((export.name.clone(), spaces.item(export.item)?));
        let exports = module.exports.iter().map(export).collect::<Result<Vec<_>, CompileError>>()?;
        self.faces.push(InstanceFace { name, exports, steps: first_step..self.steps.len() });
        self.instances.push(spaces);
        Ok(())
    }

    /// Appends what the module defines to the spaces of the image.
    fn define(&mut self, id: InstanceId, module: &Module, spaces: &mut LinkedInstance) -> Result<(), CompileError> {
        for (body, ty) in module.functions.iter().enumerate() {
            let ty = func_type(&spaces.types, *ty)?;
            let function = FunctionId(self.functions.len() as u32);
            let index = spaces.funcs.len() as u32;
            self.functions.push(FunctionDef { instance: id, index, ty, body });
            spaces.funcs.push(FuncTarget::Defined(function));
            spaces.func_types.push(ty);
        }
        for memory in &module.memories {
            let (minimum, maximum) = (memory.limits.minimum, memory.limits.maximum);
            spaces.memories.push(MemoryId(self.memories.len() as u32));
            self.memories.push(DefinedMemory { memory64: memory.memory64, minimum, maximum });
            self.exact.push(spaces.generated);
        }
        for ty in &module.tags {
            spaces.tags.push(TagId(self.tags.len() as u32));
            self.tags.push(func_type(&spaces.types, *ty)?);
        }
        for global in &module.globals {
            let ty = value_type(&spaces.types, global.ty.content_type)?;
            let value = self.constant(module, spaces, global.init)?;
            spaces.globals.push(GlobalId(self.globals.len() as u32));
            self.globals.push(Global { ty, mutable: global.ty.mutable, offset: 0 });
            self.global_values.push(value);
        }
        for table in &module.tables {
            let value = match table.init {
                Some(init) => reference(self.constant(module, spaces, init)?)?,
                None => RefValue::Null,
            };
            spaces.tables.push(TableId(self.tables.len() as u32));
            self.table_values.push(value);
            self.tables.push(DefinedTable {
                table64: table.table64,
                element: ref_type(&spaces.types, table.element)?,
                minimum: table.limits.minimum,
                maximum: table.limits.maximum,
                growable: false,
            });
        }
        Ok(())
    }

    /// Adds the segments, and the steps that the specification's instantiation takes, in its order.
    fn initialize(&mut self, id: InstanceId, module: &Module, spaces: &mut LinkedInstance) -> Result<(), CompileError> {
        for elem in &module.elems {
            self.elem(id, module, spaces, elem)?;
        }
        for data in &module.data {
            self.data(id, module, spaces, data)?;
        }
        if let Some(start) = module.start {
            let target = at(&spaces.funcs, start)?;
            self.step(id, LinkedStepKind::Start(target));
        }
        Ok(())
    }

    fn elem(
        &mut self,
        id: InstanceId,
        module: &Module,
        spaces: &mut LinkedInstance,
        elem: &ElemDecl,
    ) -> Result<(), CompileError> {
        let segment = ElemSegmentId(self.elems.len() as u32);
        let item = |item: &Const| reference(self.constant(module, spaces, *item)?);
        let items = elem.items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        let step = match elem.mode {
            ElemMode::Passive => None,
            ElemMode::Declared => Some(StepKind::DropElem { segment }),
            ElemMode::Active { table, offset } => {
                let table = at(&spaces.tables, table)?;
                Some(StepKind::CoreElem { segment, table, offset: self.offset(module, spaces, offset)? })
            }
        };
        if let Some(step) = step {
            self.step(id, LinkedStepKind::Known(step));
        }
        self.elems.push(items);
        spaces.elems.push(segment);
        Ok(())
    }

    fn data(
        &mut self,
        id: InstanceId,
        module: &Module,
        spaces: &mut LinkedInstance,
        data: &DataDecl,
    ) -> Result<(), CompileError> {
        let segment = DataSegmentId(self.data.len() as u32);
        if let Some((memory, offset)) = data.active {
            let memory = at(&spaces.memories, memory)?;
            let offset = self.offset(module, spaces, offset)?;
            self.step(id, LinkedStepKind::Known(StepKind::CoreData { segment, memory, offset }));
        }
        self.data.push(DataSource { module: spaces.module, range: data.range.clone() });
        spaces.data.push(segment);
        Ok(())
    }

    fn constant(&self, module: &Module, spaces: &LinkedInstance, value: Const) -> Result<ConstValue, CompileError> {
        evaluate(module.constants.get(value), spaces, &self.global_values)
    }

    fn offset(&self, module: &Module, spaces: &LinkedInstance, value: Const) -> Result<u64, CompileError> {
        evaluate_offset(module.constants.get(value), spaces, &self.global_values)
    }
}

impl LinkedInstance {
    /// What an item of the module stands for here.
    pub(super) fn item(&self, item: Item) -> Result<LinkedItem, CompileError> {
        Ok(match item {
            Item::Func(index) => LinkedItem::Func(at(&self.funcs, index)?, at(&self.func_types, index)?),
            Item::Table(index) => LinkedItem::Table(at(&self.tables, index)?),
            Item::Memory(index) => LinkedItem::Memory(at(&self.memories, index)?),
            Item::Global(index) => LinkedItem::Global(at(&self.globals, index)?),
            Item::Tag(index) => LinkedItem::Tag(at(&self.tags, index)?),
        })
    }
}

fn func_type(types: &TypeMap, index: u32) -> Result<TypeId, CompileError> {
    at(types, index)?.ok_or_else(|| CompileError::Internal("a function or tag of no type".into()))
}

fn reference(value: ConstValue) -> Result<RefValue, CompileError> {
    match value {
        ConstValue::Null => Ok(RefValue::Null),
        ConstValue::Func(target, ty) => Ok(RefValue::Func(target, ty)),
        ConstValue::Bits(_) => Err(CompileError::Internal("the validator took a number for a reference".into())),
    }
}
