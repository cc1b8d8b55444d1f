//! Canonical functions.

use super::error::TranslateError;
use super::inline::Inliner;
use super::scope::{ScopeId, Type, at};
use crate::plan::{CanonOptions, CoreFunc, Encoding, Func};
use crate::types::ResourceId;
use wasmparser::{CanonicalFunction, CanonicalOption};

impl Inliner<'_> {
    pub(super) fn canon(&mut self, scope: ScopeId, function: &CanonicalFunction) -> Result<(), TranslateError> {
        let component = self.scope(scope)?.component;
        let core = match function {
            CanonicalFunction::Lift { core_func_index, type_index, options } => {
                return self.lift(scope, *core_func_index, *type_index, options);
            }
            CanonicalFunction::Lower { func_index, options } => {
                let func = at(&self.scope(scope)?.funcs, *func_index)?;
                CoreFunc::Lower { func, options: self.options(scope, options)?, component }
            }
            CanonicalFunction::ResourceNew { resource } => {
                CoreFunc::ResourceNew { resource: self.resource(scope, *resource)?, component }
            }
            CanonicalFunction::ResourceDrop { resource } => {
                CoreFunc::ResourceDrop { resource: self.resource(scope, *resource)?, component }
            }
            CanonicalFunction::ResourceRep { resource } => {
                CoreFunc::ResourceRep { resource: self.resource(scope, *resource)?, component }
            }
            // All others are of proposals without which the validator refuses them.
            _ => return Err(TranslateError::Internal("a canonical built-in has not been refused")),
        };
        let core = self.add_core_func(core)?;
        self.scope_mut(scope)?.core_funcs.push(core);
        Ok(())
    }

    fn lift(&mut self, scope: ScopeId, core: u32, ty: u32, options: &[CanonicalOption]) -> Result<(), TranslateError> {
        let core = at(&self.scope(scope)?.core_funcs, core)?;
        let Type::Func(ty) = at(&self.scope(scope)?.types, ty)? else {
            return Err(TranslateError::Internal("a function is lifted to what is no function type"));
        };
        let options = self.options(scope, options)?;
        let component = self.scope(scope)?.component;
        let func = self.add_func(Func::Lift { core, ty, options, component })?;
        self.scope_mut(scope)?.funcs.push(func);
        Ok(())
    }

    fn options(&mut self, scope: ScopeId, options: &[CanonicalOption]) -> Result<CanonOptions, TranslateError> {
        let scope = self.scope(scope)?;
        let mut result = CanonOptions::default();
        let mut names = 0;
        for option in options {
            match option {
                CanonicalOption::UTF8 => result.encoding = Encoding::Utf8,
                CanonicalOption::UTF16 => result.encoding = Encoding::Utf16,
                CanonicalOption::CompactUTF16 => result.encoding = Encoding::CompactUtf16,
                CanonicalOption::Memory(memory) => {
                    let memory = at(&scope.core_memories, *memory)?;
                    names += memory.name.len();
                    result.memory = Some(memory);
                }
                CanonicalOption::Realloc(func) => result.realloc = Some(at(&scope.core_funcs, *func)?),
                CanonicalOption::PostReturn(func) => result.post_return = Some(at(&scope.core_funcs, *func)?),
                CanonicalOption::Async
                | CanonicalOption::Callback(_)
                | CanonicalOption::CoreType(_)
                | CanonicalOption::Gc => {
                    return Err(TranslateError::Internal("a canonical option has not been refused"));
                }
            }
        }
        self.meter.define(options.len(), names)?;
        Ok(result)
    }

    /// The resource type with this index.
    pub(super) fn resource(&self, scope: ScopeId, index: u32) -> Result<ResourceId, TranslateError> {
        match at(&self.scope(scope)?.types, index)? {
            Type::Resource(resource) => Ok(resource),
            _ => Err(TranslateError::Internal("a handle is of what is no resource type")),
        }
    }
}
