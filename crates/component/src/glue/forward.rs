//! Functions that the root imports and exports: the host calls what it provides.
//!
//! Values are passed in the arena, and handles in it are representations; so the host is called with what it passed.

use super::arena::{self, ArenaFunc, MEMORY_EXPORT};
use super::error::GlueError;
use super::fun::{Fun, val_types};
use super::host::{LiftedPlaces, Via};
use super::module::{Origin, export_name};
use super::writer::{End, FuncPlace, Writer};
use crate::abi::Side;
use crate::meta::{CoreRef, Handles, HostOptions};
use crate::plan::{CanonOptions, ComponentInstanceId, Encoding};
use crate::types::FuncType;
use wasm_encoder::{Instruction as I, ValType};

impl Writer<'_> {
    /// Writes the function that calls the import with this number.
    pub(super) fn write_forward(&mut self, import: u32) -> Result<LiftedPlaces, GlueError> {
        let def = self.plan.imports.get(import as usize).ok_or(GlueError::Malformed("an import"))?;
        let ty = self.func_type(def.ty)?;
        let lift = self.layouts(false).signature(ty, Side::Lift);
        let lower = self.layouts(false).signature(ty, Side::Lower);
        let mut f = Fun::new(val_types(&lift.params), val_types(&lift.results));
        let result = if lower.result_in_memory {
            let types: Vec<_> = ty.result.into_iter().collect();
            Some(self.allocate_record(&mut f, &forwarded(), &types)?)
        } else {
            None
        };
        (0..lift.params.len() as u32).for_each(|param| f.get(param));
        result.into_iter().for_each(|place| f.get(place));
        let (module, field) = self.host_function(import, Via::Arena)?;
        let index =
            self.module.func(Origin::Host(module, field), &val_types(&lower.params), &val_types(&lower.results));
        f.call(index);
        result.into_iter().for_each(|place| f.get(place));
        let post_return = self.write_clear(&val_types(&lift.results))?;
        let core = FuncPlace::Glue(self.add(&def.name, f)?);
        Ok(LiftedPlaces { ty: def.ty, via: Via::Arena, core, post_return: Some(post_return) })
    }

    /// Writes the function that empties the arena when the results have been read.
    fn write_clear(&mut self, results: &[ValType]) -> Result<FuncPlace, GlueError> {
        let mut f = Fun::new(results.to_vec(), Vec::new());
        let top = self.arena_top()?;
        f.ops([I::I32Const(arena::START), I::GlobalSet(top)]);
        self.add("clear the arena", f).map(FuncPlace::Glue)
    }

    /// How the host passes values in the arena.
    pub(super) fn forward_options(&self, ty: &FuncType) -> Result<HostOptions, GlueError> {
        let memory = CoreRef { instance: self.arena()?.0, name: MEMORY_EXPORT.into() };
        let handles = if self.contents.of_func(ty).handles { Some(self.forward_handles()?) } else { None };
        Ok(HostOptions {
            encoding: Encoding::Utf8,
            memory: Some(memory),
            memory64: false,
            realloc: Some(self.arena_ref(ArenaFunc::Realloc)?),
            handles,
        })
    }

    fn forward_handles(&self) -> Result<Handles, GlueError> {
        Ok(Handles {
            defines: Vec::new(),
            lift_own: self.arena_ref(ArenaFunc::Same)?,
            lift_borrow: self.arena_ref(ArenaFunc::Same)?,
            lower_own: self.arena_ref(ArenaFunc::Same)?,
            lower_borrow: self.arena_ref(ArenaFunc::Same)?,
            begin_call: self.arena_ref(ArenaFunc::Begin)?,
            end_call: self.arena_ref(ArenaFunc::End)?,
        })
    }

    /// A function of the arena, for the host.
    pub(super) fn arena_ref(&self, func: ArenaFunc) -> Result<CoreRef, GlueError> {
        Ok(CoreRef { instance: self.arena()?.0, name: export_name(func.number()).into() })
    }
}

/// The arena, for values that come from the host.
fn forwarded() -> End {
    End::arena(&End::new(&CanonOptions::default(), ComponentInstanceId(0)))
}
