//! The interpreter of definitions.

use super::budget::Meter;
use super::decode::{Definition, Program};
use super::error::TranslateError;
use super::scope::{Closure, Instance, Item, Scope, ScopeId, at};
use crate::plan::{ComponentInstanceId, CoreExport, CoreFunc, CoreFuncId, CoreModuleId, Func, FuncId, Step, TreePlan};
use std::collections::HashMap;
use std::rc::Rc;
use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport, ComponentOuterAliasKind,
    ComponentStartFunction,
};

/// Evaluates the root of `program`.
pub(super) fn inline(program: &Program<'_>, meter: Meter) -> Result<TreePlan, TranslateError> {
    let mut inliner = Inliner::new(program, meter);
    inliner.plan.component_instances.push(None);
    let root = inliner.open(Scope::new(ComponentInstanceId(0), None));
    inliner.run(root, 0, &Imports::Host)?;
    inliner.export(root)?;
    Ok(inliner.plan)
}

/// What a component's imports are.
pub(super) enum Imports<'p> {
    /// Those of the root: whatever the host will provide.
    Host,
    /// What the component was given.
    Given(HashMap<&'p str, Item<'p>>),
}

pub(super) struct Inliner<'p> {
    pub(super) program: &'p Program<'p>,
    pub(super) plan: TreePlan,
    pub(super) meter: Meter,
    scopes: Vec<Scope<'p>>,
    /// Numbers in the plan of those of the program's modules that are in it.
    pub(super) module_ids: HashMap<usize, CoreModuleId>,
    /// Numbers in the plan of core instances' functions.
    core_func_ids: HashMap<CoreExport, CoreFuncId>,
    /// Parts and depth of each type in the plan.
    pub(super) type_sizes: Vec<(u64, u64)>,
    /// Component instances that are being instantiated, and instance types that are being evaluated.
    pub(super) depth: u64,
}

impl<'p> Inliner<'p> {
    fn new(program: &'p Program<'p>, meter: Meter) -> Inliner<'p> {
        Inliner {
            program,
            plan: TreePlan::default(),
            meter,
            scopes: Vec::new(),
            module_ids: HashMap::new(),
            core_func_ids: HashMap::new(),
            type_sizes: Vec::new(),
            depth: 0,
        }
    }

    pub(super) fn open(&mut self, scope: Scope<'p>) -> ScopeId {
        self.scopes.push(scope);
        ScopeId(self.scopes.len() - 1)
    }

    pub(super) fn scope(&self, id: ScopeId) -> Result<&Scope<'p>, TranslateError> {
        self.scopes.get(id.0).ok_or(TranslateError::Internal("a scope is missing"))
    }

    pub(super) fn scope_mut(&mut self, id: ScopeId) -> Result<&mut Scope<'p>, TranslateError> {
        self.scopes.get_mut(id.0).ok_or(TranslateError::Internal("a scope is missing"))
    }

    /// Evaluates the definitions of component `body` in `scope`.
    pub(super) fn run(&mut self, scope: ScopeId, body: usize, imports: &Imports<'p>) -> Result<(), TranslateError> {
        let program = self.program;
        let definitions = program.components.get(body).ok_or(TranslateError::Internal("a component is missing"))?;
        definitions.iter().try_for_each(|definition| self.define(scope, definition, imports))
    }

    fn define(
        &mut self,
        scope: ScopeId,
        definition: &'p Definition<'p>,
        imports: &Imports<'p>,
    ) -> Result<(), TranslateError> {
        self.meter.define(0, 0)?;
        match definition {
            Definition::Module(module) => self.scope_mut(scope)?.modules.push(*module),
            Definition::CoreInstance(instance) => self.core_instance(scope, instance)?,
            Definition::Component(body) => {
                self.scope_mut(scope)?.components.push(Closure { body: *body, scope });
            }
            Definition::Instance(instance) => self.instance(scope, instance)?,
            Definition::Alias(alias) => self.alias(scope, alias)?,
            Definition::Type(ty) => {
                let ty = self.type_definition(scope, ty)?;
                self.scope_mut(scope)?.types.push(ty);
            }
            Definition::Canon(function) => self.canon(scope, function)?,
            Definition::Start(start) => self.start(scope, start)?,
            Definition::Import(import) => self.import(scope, import, imports)?,
            Definition::Export(export) => self.export_definition(scope, export)?,
        }
        Ok(())
    }

    fn import(
        &mut self,
        scope: ScopeId,
        import: &ComponentImport<'p>,
        imports: &Imports<'p>,
    ) -> Result<(), TranslateError> {
        let item = match imports {
            Imports::Host => self.host_item(scope, import.ty, None, import.name.name)?,
            Imports::Given(given) => {
                self.meter.define(0, import.name.name.len())?;
                let item = given.get(import.name.name).cloned();
                item.ok_or(TranslateError::Internal("an import has not been given"))?
            }
        };
        self.scope_mut(scope)?.push(item);
        Ok(())
    }

    fn export_definition(&mut self, scope: ScopeId, export: &ComponentExport<'p>) -> Result<(), TranslateError> {
        self.meter.define(0, export.name.name.len())?;
        let item = self.item(scope, export.kind, export.index)?;
        let scope = self.scope_mut(scope)?;
        scope.exports.push((export.name.name, item.clone()));
        scope.push(item);
        Ok(())
    }

    /// What has index `index` among definitions of `kind`.
    pub(super) fn item(
        &self,
        scope: ScopeId,
        kind: ComponentExternalKind,
        index: u32,
    ) -> Result<Item<'p>, TranslateError> {
        let scope = self.scope(scope)?;
        Ok(match kind {
            ComponentExternalKind::Module => Item::Module(at(&scope.modules, index)?),
            ComponentExternalKind::Func => Item::Func(at(&scope.funcs, index)?),
            ComponentExternalKind::Type => Item::Type(at(&scope.types, index)?),
            ComponentExternalKind::Instance => Item::Instance(at(&scope.instances, index)?),
            ComponentExternalKind::Component => Item::Component(at(&scope.components, index)?),
            ComponentExternalKind::Value => return Err(TranslateError::Internal("a value has not been refused")),
        })
    }

    pub(super) fn alias(&mut self, scope: ScopeId, alias: &ComponentAlias<'p>) -> Result<(), TranslateError> {
        match alias {
            ComponentAlias::InstanceExport { instance_index, name, .. } => {
                self.meter.define(0, name.len())?;
                let item = at(&self.scope(scope)?.instances, *instance_index)?.get(name)?;
                self.scope_mut(scope)?.push(item);
                Ok(())
            }
            ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
                self.core_alias(scope, *kind, *instance_index, name)
            }
            ComponentAlias::Outer { kind, count, index } => self.outer_alias(scope, *kind, *count, *index),
        }
    }

    fn outer_alias(
        &mut self,
        scope: ScopeId,
        kind: ComponentOuterAliasKind,
        count: u32,
        index: u32,
    ) -> Result<(), TranslateError> {
        let mut outer = scope;
        for _ in 0..count {
            outer = self.scope(outer)?.outer.ok_or(TranslateError::Internal("an outer alias leads nowhere"))?;
        }
        let kind = match kind {
            // Core types are not kept.
            ComponentOuterAliasKind::CoreType => return Ok(()),
            ComponentOuterAliasKind::CoreModule => ComponentExternalKind::Module,
            ComponentOuterAliasKind::Type => ComponentExternalKind::Type,
            ComponentOuterAliasKind::Component => ComponentExternalKind::Component,
        };
        let item = self.item(outer, kind, index)?;
        self.scope_mut(scope)?.push(item);
        Ok(())
    }

    fn start(&mut self, scope: ScopeId, start: &ComponentStartFunction) -> Result<(), TranslateError> {
        let func = at(&self.scope(scope)?.funcs, start.func_index)?;
        self.plan.steps.push(Step::Start(func));
        Ok(())
    }

    /// An instance with these exports, which have been counted with their names.
    pub(super) fn new_instance(
        &mut self,
        exports: Vec<(&'p str, Item<'p>)>,
    ) -> Result<Rc<Instance<'p>>, TranslateError> {
        let instance = Instance::new(exports);
        self.meter.depth(instance.depth)?;
        Ok(Rc::new(instance))
    }

    pub(super) fn add_func(&mut self, func: Func) -> Result<FuncId, TranslateError> {
        self.plan.funcs.push(func);
        number(self.plan.funcs.len()).map(FuncId)
    }

    pub(super) fn add_core_func(&mut self, func: CoreFunc) -> Result<CoreFuncId, TranslateError> {
        self.plan.core_funcs.push(func);
        number(self.plan.core_funcs.len()).map(CoreFuncId)
    }

    /// The function that a core instance exports; always the same number.
    pub(super) fn exported_func(&mut self, export: CoreExport) -> Result<CoreFuncId, TranslateError> {
        if let Some(id) = self.core_func_ids.get(&export) {
            return Ok(*id);
        }
        let id = self.add_core_func(CoreFunc::Export(export.clone()))?;
        self.core_func_ids.insert(export, id);
        Ok(id)
    }
}

/// The number of the last of `count` things.
pub(super) fn number(count: usize) -> Result<u32, TranslateError> {
    let last = count.checked_sub(1).and_then(|last| u32::try_from(last).ok());
    last.ok_or(TranslateError::Internal("numbers have 32 bits"))
}
