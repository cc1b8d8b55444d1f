//! What the host can use: the root's exports, as far as their types show them.

use super::error::TranslateError;
use super::inline::Inliner;
use super::scope::{Item, ScopeId, Type};
use crate::plan::Export;
use wasmparser::component_types::ComponentEntityType;

impl<'p> Inliner<'p> {
    /// Puts the exports of the root into the plan.
    pub(super) fn export(&mut self, root: ScopeId) -> Result<(), TranslateError> {
        let program = self.program;
        let exports = std::mem::take(&mut self.scope_mut(root)?.exports);
        for (name, item) in exports {
            let ty = program.types.as_ref().component_item_for_export(name).map(|item| item.ty);
            let ty = ty.ok_or(TranslateError::Internal("the validator does not know an export"))?;
            let export = self.visible(&item, ty)?;
            self.meter.define(0, name.len())?;
            self.plan.exports.push((name.into(), export));
        }
        Ok(())
    }

    /// `item`, without what its type hides. Instances are inside each other no deeper than the budget allows.
    fn visible(&mut self, item: &Item<'p>, ty: ComponentEntityType) -> Result<Export, TranslateError> {
        Ok(match (item, ty) {
            (Item::Func(func), ComponentEntityType::Func(_)) => Export::Func(*func),
            (Item::Type(Type::Value(ty)), _) => Export::Type(*ty),
            (Item::Type(Type::Resource(resource)), _) => Export::Resource(*resource),
            (Item::Type(_), _) => Export::TypeOnly,
            (Item::Module(_), _) => Export::Module,
            (Item::Component(_), _) => Export::Component,
            (Item::Instance(instance), ComponentEntityType::Instance(ty)) => {
                let types = &self.program.types;
                let mut exports = Vec::new();
                for (name, item) in &types[ty].exports {
                    self.meter.define(0, name.len())?;
                    let export = self.visible(&instance.get(name)?, item.ty)?;
                    exports.push((name.as_str().into(), export));
                }
                Export::Instance(exports)
            }
            _ => return Err(TranslateError::Internal("an export is not of its type")),
        })
    }
}
