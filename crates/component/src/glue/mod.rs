//! From an inlined tree to a set of core modules: the component's own, and those that we write between them.
//!
//! ```text
//!  handles: flags, tables │ arena │ adapters 0 │ core instance │ adapters 1 │ core instance │ … │ adapters n: the host's
//! ```
//!
//! Every generated module stands before the first core instance that imports from it and behind those that it imports
//! from, which is where the component model has its definitions; so all of them are instantiated in definition order.
//!
//! * `needs`: which component instances have a flag and a handle table.
//! * `runtime`: the module that holds them.
//! * `arena`: memory for values on their way, where there must be some.
//! * `call`: what core instances import.
//! * `copy`, `variant`, `list`, `string`, `text`: how values get from one memory to another.
//! * `host`: what the host calls and is called by.
//! * `forward`: functions that the root imports and exports.
//! * `budget`: how much may be written.
//! * `writer`: what all of these share; `module` and `fun`: how modules and functions are written.

mod arena;
mod budget;
mod call;
mod copy;
mod error;
mod forward;
mod fun;
mod host;
mod list;
mod module;
mod needs;
mod runtime;
mod string;
mod text;
mod variant;
mod writer;

pub use error::GlueError;

use crate::meta::Meta;
use crate::plan::{CanonOptions, CoreInstanceId, CoreModuleId, Func, FuncId, Step, TreePlan};
use fun::Fun;
use hatchery_compile::{LinkSet, ModuleIndex};
use host::Via;
use std::collections::HashMap;
use writer::Writer;

/// Puts a tree together. `bytes` is the component that the plan was made of.
///
/// # Errors
///
/// When values are too large to be passed, when more than a million instructions would have to be written, and when the
/// plan contradicts itself, which is a bug of whoever made it.
pub fn glue(plan: &TreePlan, bytes: &[u8]) -> Result<(LinkSet, Meta), GlueError> {
    let mut writer = Writer::new(plan)?;
    let mut modules = HashMap::new();
    for step in &plan.steps {
        match step {
            Step::Instantiate(id) => writer.instantiate(*id, bytes, &mut modules)?,
            Step::Start(func) => writer.start(*func)?,
        }
    }
    writer.write_host()?;
    writer.flush()?;
    let meta = writer.meta()?;
    Ok((writer.set, meta))
}

impl Writer<'_> {
    /// Adds a core instance, behind what it imports.
    fn instantiate(
        &mut self,
        id: CoreInstanceId,
        bytes: &[u8],
        modules: &mut HashMap<CoreModuleId, ModuleIndex>,
    ) -> Result<(), GlueError> {
        let plan = self.plan;
        let instance = plan.core_instances.get(id.0 as usize).ok_or(GlueError::Malformed("a core instance"))?;
        for (_, _, item) in &instance.imports {
            if let crate::plan::CoreItem::Func(func) = item {
                self.ensure(*func)?;
            }
        }
        self.flush()?;
        let module = match modules.get(&instance.module) {
            Some(module) => *module,
            None => {
                let range = plan.modules.get(instance.module.0 as usize).cloned();
                let binary = range.and_then(|range| bytes.get(range)).ok_or(GlueError::Malformed("a core module"))?;
                *modules.entry(instance.module).or_insert(self.set.add_module(binary))
            }
        };
        let mut imports = Vec::with_capacity(instance.imports.len());
        for (module, name, item) in &instance.imports {
            imports.push((module.clone(), name.clone(), self.source(item)?));
        }
        let added = self.set.add_bound_instance(module, None, imports);
        if let Some(slot) = self.cores.get_mut(id.0 as usize) {
            *slot = Some(added);
        }
        Ok(())
    }

    /// Adds a module that calls a function when it is instantiated.
    fn start(&mut self, id: FuncId) -> Result<(), GlueError> {
        let mut f = Fun::new(Vec::new(), Vec::new());
        match self.func(id.0)?.clone() {
            Func::Lift { core, options, component, .. } => {
                // Nothing of `f` is written yet.
                self.ensure(core)?;
                options.post_return.map_or(Ok(()), |post_return| self.ensure(post_return))?;
                self.call_core(&mut f, core, &[], &[])?;
                if let Some(post_return) = options.post_return {
                    self.confined(&mut f, component, |this, f| this.call_core(f, post_return, &[], &[]))?;
                }
            }
            Func::Import(number) => {
                let root = crate::plan::ComponentInstanceId(0);
                let (module, name) = self.host_function(number, Via::Guest(CanonOptions::default(), root))?;
                let index = self.module.func(module::Origin::Host(module, name), &[], &[]);
                f.call(index);
            }
        }
        let place = self.add("start", f)?;
        self.module.start = Some(place.function);
        self.flush()?;
        Ok(())
    }
}
