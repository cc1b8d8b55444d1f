//! What bindings need of a component's exports, asked before there is a prepared component.

use super::compiled::Component;
use super::exports::{ExportPath, ExportedItem};
use super::linker::Linker;
use super::mismatches::{Mismatches, fits, host_type};
use super::options::Binding;
use super::prepared::Prepared;
use super::traits::{Params, Results, TypeCheck};
use super::types::FuncType;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use std::fmt;

/// A component's exports, and what of them does not fit.
pub struct ExportCheck<'a> {
    component: &'a Component,
    bindings: &'a [Binding],
    mismatches: &'a mut Mismatches,
}

impl fmt::Debug for ExportCheck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportCheck").field("mismatches", &self.mismatches).finish_non_exhaustive()
    }
}

impl<'a> ExportCheck<'a> {
    pub(crate) fn new(
        component: &'a Component,
        bindings: &'a [Binding],
        mismatches: &'a mut Mismatches,
    ) -> ExportCheck<'a> {
        ExportCheck { component, bindings, mismatches }
    }

    /// Needs a function with these types at a path.
    pub fn func<P: Params, R: Results>(&mut self, path: impl ExportPath) {
        path.with(|names| self.func_at::<P, R>(names));
    }

    fn func_at<P: Params, R: Results>(&mut self, names: &[&str]) {
        let meta = self.component.meta();
        let export = self.component.exports().func(names).ok();
        let Some(ty) = export.and_then(|export| FuncType::new(meta, export.ty)) else {
            return self.mismatches.unexported(&self.absent(names).join("` `"));
        };
        if !fits::<P, R>(&ty, &mut TypeCheck::new(self.bindings)) {
            let name = format!("the export `{}`", names.join("` `"));
            self.mismatches.differs(&name, &ty, host_type::<P, R>);
        }
    }

    /// The part of a path to an export that is not there: that of the interface, or all.
    fn absent<'n, 's>(&self, names: &'n [&'s str]) -> &'n [&'s str] {
        let interface = names.first().and_then(|name| self.component.exports().get(name));
        if matches!(interface, Some(ExportedItem::Instance(_))) { names } else { &names[..names.len().min(1)] }
    }
}

/// Prepares a component of which everything is needed that `exports` asks for.
///
/// # Errors
///
/// As for [`Linker::prepare_with`], and when exports are missing or have other types: the message has all of it.
pub fn prepare<T: 'static>(
    linker: &Linker<T>,
    component: &Component,
    limits: Limits,
    exports: impl FnOnce(&mut ExportCheck<'_>),
) -> Result<Prepared<T>, Error> {
    let bound = linker.bind(component, exports)?;
    Prepared::new(component, bound, limits)
}

/// Finds what is needed of a component's exports; where that fails, `exports` says all that does not fit.
///
/// # Errors
///
/// When exports are missing or have other types, or as `find` fails.
pub fn find<T: 'static, W>(
    prepared: &Prepared<T>,
    exports: impl FnOnce(&mut ExportCheck<'_>),
    find: impl FnOnce() -> Result<W, Error>,
) -> Result<W, Error> {
    find().map_err(|error| {
        let mut mismatches = Mismatches::default();
        exports(&mut ExportCheck::new(prepared.component(), prepared.bindings(), &mut mismatches));
        mismatches.finish(ErrorKind::Usage).err().unwrap_or(error)
    })
}
