//! Small components in the text format.

mod aliases;
mod hosts;
mod instances;
mod limits;
mod mutated;
mod refused;
mod resources;

use super::{TranslateError, translate};
use crate::plan::{CanonOptions, CoreFunc, CoreItem, Export, Func, FuncId, TreePlan};
use crate::types::FuncType;

fn refusal(text: &str) -> TranslateError {
    translate(&wat::parse_str(text).expect("is well-formed")).expect_err("is refused")
}

fn plan(text: &str) -> TreePlan {
    translate(&wat::parse_str(text).expect("is well-formed")).expect("is translated")
}

/// The root's export `path`, in instances whose names come before it.
fn export<'t>(plan: &'t TreePlan, path: &[&str]) -> &'t Export {
    let mut exports = &plan.exports;
    let (last, instances) = path.split_last().expect("a path has a name");
    for name in instances {
        let Export::Instance(inner) = find(exports, name) else { panic!("{name} is no instance") };
        exports = inner;
    }
    find(exports, last)
}

fn find<'t>(exports: &'t [(Box<str>, Export)], name: &str) -> &'t Export {
    let found = exports.iter().find(|(has, _)| **has == *name);
    found.map(|(_, export)| export).unwrap_or_else(|| panic!("there is no export {name}"))
}

fn func(plan: &TreePlan, path: &[&str]) -> FuncId {
    let Export::Func(func) = export(plan, path) else { panic!("{path:?} is no function") };
    *func
}

/// Core instance, name and component instance of the core function behind an exported function.
fn lifted<'t>(plan: &'t TreePlan, path: &[&str]) -> (u32, &'t str, u32) {
    let Func::Lift { core, component, .. } = &plan.funcs[func(plan, path).0 as usize] else {
        panic!("{path:?} is not lifted")
    };
    let CoreFunc::Export(core) = &plan.core_funcs[core.0 as usize] else { panic!("{path:?} is no core export") };
    (core.instance.0, &core.name, component.0)
}

fn options<'t>(plan: &'t TreePlan, path: &[&str]) -> &'t CanonOptions {
    let Func::Lift { options, .. } = &plan.funcs[func(plan, path).0 as usize] else { panic!("{path:?} is not lifted") };
    options
}

fn type_of<'t>(plan: &'t TreePlan, path: &[&str]) -> &'t FuncType {
    let ty = match &plan.funcs[func(plan, path).0 as usize] {
        Func::Lift { ty, .. } => *ty,
        Func::Import(import) => plan.imports[*import as usize].ty,
    };
    plan.types.get_func(ty).expect("the type is in the plan")
}

/// What core instance `instance` imports as `module` `name`.
fn binding<'t>(plan: &'t TreePlan, instance: usize, module: &str, name: &str) -> &'t CoreItem {
    let mut imports = plan.core_instances[instance].imports.iter();
    let found = imports.find(|(has_module, has_name, _)| (&**has_module, &**has_name) == (module, name));
    &found.expect("there is such an import").2
}

/// The core function that core instance `instance` imports as `module` `name`.
fn bound_func<'t>(plan: &'t TreePlan, instance: usize, module: &str, name: &str) -> &'t CoreFunc {
    let CoreItem::Func(func) = binding(plan, instance, module, name) else { panic!("{name} is no function") };
    &plan.core_funcs[func.0 as usize]
}
