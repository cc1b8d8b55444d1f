//! What the host provides: the root's imports, and everything in the instances among them.

use super::error::TranslateError;
use super::inline::Inliner;
use super::scope::{Instance, Item, Scope, ScopeId, Type, at};
use crate::plan::{ComponentInstanceId, Func, Import, ResourceDef};
use std::rc::Rc;
use wasmparser::{ComponentTypeRef, InstanceTypeDeclaration, TypeBounds};

impl<'p> Inliner<'p> {
    /// A thing of type `ty` that the host provides as `name`, in the instance `interface` if there is one.
    pub(super) fn host_item(
        &mut self,
        scope: ScopeId,
        ty: ComponentTypeRef,
        interface: Option<&str>,
        name: &str,
    ) -> Result<Item<'p>, TranslateError> {
        self.meter.define(0, interface.map_or(0, str::len) + name.len())?;
        Ok(match ty {
            ComponentTypeRef::Func(index) => self.host_func(scope, index, interface, name)?,
            ComponentTypeRef::Type(TypeBounds::Eq(index)) => Item::Type(at(&self.scope(scope)?.types, index)?),
            ComponentTypeRef::Type(TypeBounds::SubResource) => {
                let resource = ResourceDef::Host { interface: interface.map(Box::from), name: name.into() };
                Item::Type(Type::Resource(self.add_resource(resource)?))
            }
            ComponentTypeRef::Instance(index) => {
                Item::Instance(self.host_instance(scope, index, &path(interface, name))?)
            }
            ComponentTypeRef::Module(_) => return Err(run_time_linking("core module", interface, name)),
            ComponentTypeRef::Component(_) => return Err(run_time_linking("component", interface, name)),
            ComponentTypeRef::Value(_) => return Err(TranslateError::Internal("a value has not been refused")),
        })
    }

    fn host_func(
        &mut self,
        scope: ScopeId,
        ty: u32,
        interface: Option<&str>,
        name: &str,
    ) -> Result<Item<'p>, TranslateError> {
        let Type::Func(ty) = at(&self.scope(scope)?.types, ty)? else {
            return Err(TranslateError::Internal("a function is of what is no function type"));
        };
        let import = super::inline::number(self.plan.imports.len() + 1)?;
        self.plan.imports.push(Import { interface: interface.map(Box::from), name: name.into(), ty });
        self.add_func(Func::Import(import)).map(Item::Func)
    }

    /// An instance of the type with index `ty`, all of whose exports the host provides.
    fn host_instance(&mut self, scope: ScopeId, ty: u32, path: &str) -> Result<Rc<Instance<'p>>, TranslateError> {
        let Type::Instance { declarations, scope } = at(&self.scope(scope)?.types, ty)? else {
            return Err(TranslateError::Internal("an instance is of what is no instance type"));
        };
        let inner = self.open(Scope::new(ComponentInstanceId(0), Some(scope)));
        self.nested(|inliner| declarations.iter().try_for_each(|decl| inliner.declare(inner, decl, path)))?;
        let exports = std::mem::take(&mut self.scope_mut(inner)?.exports);
        self.new_instance(exports)
    }

    fn declare(
        &mut self,
        scope: ScopeId,
        declaration: &'p InstanceTypeDeclaration<'p>,
        path: &str,
    ) -> Result<(), TranslateError> {
        self.meter.define(0, 0)?;
        match declaration {
            InstanceTypeDeclaration::CoreType(_) => {}
            InstanceTypeDeclaration::Type(ty) => {
                let ty = self.type_definition(scope, ty)?;
                self.scope_mut(scope)?.types.push(ty);
            }
            InstanceTypeDeclaration::Alias(alias) => self.alias(scope, alias)?,
            InstanceTypeDeclaration::Export { name, ty } => {
                let item = self.host_item(scope, *ty, Some(path), name.name)?;
                let scope = self.scope_mut(scope)?;
                scope.exports.push((name.name, item.clone()));
                scope.push(item);
            }
        }
        Ok(())
    }
}

/// The name of an instance: after that of the one that it is in.
fn path(interface: Option<&str>, name: &str) -> String {
    match interface {
        Some(interface) => format!("{interface}/{name}"),
        None => name.to_owned(),
    }
}

fn run_time_linking(sort: &'static str, interface: Option<&str>, name: &str) -> TranslateError {
    TranslateError::RunTimeLinking { sort, name: path(interface, name) }
}
