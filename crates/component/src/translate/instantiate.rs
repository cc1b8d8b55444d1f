//! Instances: of core modules, of components, and made from exports.

use super::error::TranslateError;
use super::inline::{Imports, Inliner, number};
use super::scope::{CoreInstanceValue, Scope, ScopeId, at};
use crate::plan::{ComponentInstanceId, CoreExport, CoreInstance, CoreInstanceId, CoreItem, CoreModuleId, Step};
use std::collections::HashMap;
use std::rc::Rc;
use wasmparser::{
    ComponentExport, ComponentInstance, ComponentInstantiationArg, Export, ExternalKind, Import, Instance,
    InstantiationArg, TypeRef,
};

/// Module name, name and definition of each import of a core instance.
type Bindings = Vec<(Box<str>, Box<str>, CoreItem)>;

impl<'p> Inliner<'p> {
    pub(super) fn core_instance(&mut self, scope: ScopeId, instance: &'p Instance<'p>) -> Result<(), TranslateError> {
        let value = match instance {
            Instance::Instantiate { module_index, args } => self.instantiate_module(scope, *module_index, args)?,
            Instance::FromExports(exports) => self.core_exports(scope, exports)?,
        };
        self.scope_mut(scope)?.core_instances.push(value);
        Ok(())
    }

    fn instantiate_module(
        &mut self,
        scope: ScopeId,
        module: u32,
        args: &[InstantiationArg<'p>],
    ) -> Result<CoreInstanceValue, TranslateError> {
        let module = at(&self.scope(scope)?.modules, module)?;
        let imports = self.bindings(scope, module, args)?;
        let module = self.module_id(module)?;
        let component = self.scope(scope)?.component;
        self.plan.core_instances.push(CoreInstance { module, component, imports });
        self.meter.core_instances(self.plan.core_instances.len())?;
        let id = CoreInstanceId(number(self.plan.core_instances.len())?);
        self.plan.steps.push(Step::Instantiate(id));
        Ok(CoreInstanceValue::Module(id))
    }

    /// What each import of a module is.
    fn bindings(
        &mut self,
        scope: ScopeId,
        module: usize,
        args: &[InstantiationArg<'p>],
    ) -> Result<Bindings, TranslateError> {
        let program = self.program;
        let module = program.modules.get(module).ok_or(TranslateError::Internal("a core module is missing"))?;
        self.meter.define(args.len(), args.iter().map(|arg| arg.name.len()).sum())?;
        let mut instances = HashMap::new();
        for arg in args {
            instances.insert(arg.name, at(&self.scope(scope)?.core_instances, arg.index)?);
        }
        let mut bindings = Vec::with_capacity(module.imports.len().min(1024));
        for import in &module.imports {
            let from = instances.get(import.module);
            let from = from.ok_or(TranslateError::Internal("a core module's import has not been given"))?;
            self.meter.define(0, import.module.len() + import.name.len())?;
            let item = self.core_item(from, import.name, kind(import)?)?;
            bindings.push((import.module.into(), import.name.into(), item));
        }
        Ok(bindings)
    }

    fn module_id(&mut self, module: usize) -> Result<CoreModuleId, TranslateError> {
        if let Some(id) = self.module_ids.get(&module) {
            return Ok(*id);
        }
        let range = self.program.modules.get(module).map(|module| module.range.clone());
        self.plan.modules.push(range.ok_or(TranslateError::Internal("a core module is missing"))?);
        let id = CoreModuleId(number(self.plan.modules.len())?);
        self.module_ids.insert(module, id);
        Ok(id)
    }

    /// What a core instance exports as `name`.
    fn core_item(
        &mut self,
        instance: &CoreInstanceValue,
        name: &str,
        kind: ExternalKind,
    ) -> Result<CoreItem, TranslateError> {
        self.meter.define(0, name.len())?;
        match instance {
            CoreInstanceValue::Exports(exports) => {
                exports.get(name).cloned().ok_or(TranslateError::Internal("a core instance lacks an export"))
            }
            CoreInstanceValue::Module(instance) => {
                let export = CoreExport { instance: *instance, name: name.into() };
                match kind {
                    ExternalKind::Func | ExternalKind::FuncExact => self.exported_func(export).map(CoreItem::Func),
                    _ => Ok(CoreItem::Export(export)),
                }
            }
        }
    }

    fn core_exports(&mut self, scope: ScopeId, exports: &[Export<'p>]) -> Result<CoreInstanceValue, TranslateError> {
        let mut items = HashMap::new();
        for export in exports {
            self.meter.define(0, export.name.len())?;
            let scope = self.scope(scope)?;
            let item = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => CoreItem::Func(at(&scope.core_funcs, export.index)?),
                ExternalKind::Table => CoreItem::Export(at(&scope.core_tables, export.index)?),
                ExternalKind::Memory => CoreItem::Export(at(&scope.core_memories, export.index)?),
                ExternalKind::Global => CoreItem::Export(at(&scope.core_globals, export.index)?),
                ExternalKind::Tag => CoreItem::Export(at(&scope.core_tags, export.index)?),
            };
            items.insert(export.name.into(), item);
        }
        Ok(CoreInstanceValue::Exports(Rc::new(items)))
    }

    /// Gives an export of a core instance an index of its own.
    pub(super) fn core_alias(
        &mut self,
        scope: ScopeId,
        kind: ExternalKind,
        instance: u32,
        name: &str,
    ) -> Result<(), TranslateError> {
        let instance = at(&self.scope(scope)?.core_instances, instance)?;
        let item = self.core_item(&instance, name, kind)?;
        let scope = self.scope_mut(scope)?;
        match (kind, item) {
            (ExternalKind::Func | ExternalKind::FuncExact, CoreItem::Func(func)) => scope.core_funcs.push(func),
            (ExternalKind::Table, CoreItem::Export(export)) => scope.core_tables.push(export),
            (ExternalKind::Memory, CoreItem::Export(export)) => scope.core_memories.push(export),
            (ExternalKind::Global, CoreItem::Export(export)) => scope.core_globals.push(export),
            (ExternalKind::Tag, CoreItem::Export(export)) => scope.core_tags.push(export),
            _ => return Err(TranslateError::Internal("a core alias is of another kind")),
        }
        Ok(())
    }

    pub(super) fn instance(
        &mut self,
        scope: ScopeId,
        instance: &'p ComponentInstance<'p>,
    ) -> Result<(), TranslateError> {
        let exports = match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                self.instantiate_component(scope, *component_index, args)?
            }
            ComponentInstance::FromExports(exports) => self.named_items(scope, exports)?,
        };
        let instance = self.new_instance(exports)?;
        self.scope_mut(scope)?.instances.push(instance);
        Ok(())
    }

    fn named_items(&mut self, scope: ScopeId, exports: &[ComponentExport<'p>]) -> Result<Exports<'p>, TranslateError> {
        self.meter.define(exports.len(), exports.iter().map(|export| export.name.name.len()).sum())?;
        exports.iter().map(|export| Ok((export.name.name, self.item(scope, export.kind, export.index)?))).collect()
    }

    /// Evaluates a component's definitions; what it exports.
    fn instantiate_component(
        &mut self,
        scope: ScopeId,
        component: u32,
        args: &[ComponentInstantiationArg<'p>],
    ) -> Result<Exports<'p>, TranslateError> {
        let closure = at(&self.scope(scope)?.components, component)?;
        self.meter.define(args.len(), args.iter().map(|arg| arg.name.len()).sum())?;
        let mut given = HashMap::new();
        for arg in args {
            given.insert(arg.name, self.item(scope, arg.kind, arg.index)?);
        }
        self.plan.component_instances.push(Some(self.scope(scope)?.component));
        self.meter.component_instances(self.plan.component_instances.len())?;
        let id = ComponentInstanceId(number(self.plan.component_instances.len())?);
        let inner = self.open(Scope::new(id, Some(closure.scope)));
        self.nested(|inliner| inliner.run(inner, closure.body, &Imports::Given(given)))?;
        Ok(std::mem::take(&mut self.scope_mut(inner)?.exports))
    }

    /// `work`, one level deeper.
    pub(super) fn nested(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), TranslateError>,
    ) -> Result<(), TranslateError> {
        self.depth += 1;
        self.meter.depth(self.depth)?;
        work(self)?;
        self.depth -= 1;
        Ok(())
    }
}

/// Names and definitions of an instance's exports.
type Exports<'p> = Vec<(&'p str, super::scope::Item<'p>)>;

fn kind(import: &Import<'_>) -> Result<ExternalKind, TranslateError> {
    Ok(match import.ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => ExternalKind::Func,
        TypeRef::Table(_) => ExternalKind::Table,
        TypeRef::Memory(_) => ExternalKind::Memory,
        TypeRef::Global(_) => ExternalKind::Global,
        TypeRef::Tag(_) => ExternalKind::Tag,
    })
}
