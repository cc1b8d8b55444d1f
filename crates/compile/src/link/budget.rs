//! The link budget: sums over counts, before anything is built that grows with them.

use super::set::LinkSet;
use crate::decode::{ImportType, Module, VALUES};
use crate::error::{Budget, BudgetError};
use std::collections::BTreeSet;

/// What a set would take.
#[derive(Debug, Default)]
struct Cost {
    functions: u64,
    code_bytes: u64,
    values: u64,
    items: u64,
    name_bytes: u64,
    elements: u64,
    data_bytes: u64,
}

/// Checks the number of instances, which needs no module to be decoded.
pub(super) fn check_instances(set: &LinkSet, budget: &Budget) -> Result<(), BudgetError> {
    within("instances", set.instances.len() as u64, budget.instances)
}

/// Values that bodies may have when they are validated: at least as many as the whole set may, whatever part of the modules
/// turns out to be code.
pub(super) fn values_validated(set: &LinkSet, budget: &Budget) -> u64 {
    let mut times = vec![0u64; set.modules.len()];
    for spec in &set.instances {
        if let Some(times) = times.get_mut(spec.module.0) {
            *times += 1;
        }
    }
    let bytes = set.modules.iter().zip(times).map(|(bytes, times)| (bytes.len() as u64).saturating_mul(times.max(1)));
    budget.values_of(bytes.fold(0, u64::saturating_add))
}

/// Checks everything else.
pub(super) fn check(set: &LinkSet, modules: &[Module], budget: &Budget) -> Result<(), BudgetError> {
    let types = modules.iter().map(|module| module.type_count() as u64).fold(0, u64::saturating_add);
    within("types", types, budget.types)?;
    let costs: Vec<Cost> = modules.iter().map(cost).collect();
    let total = set.instances.iter().filter_map(|spec| costs.get(spec.module.0)).fold(Cost::default(), Cost::and);
    within("functions", total.functions, budget.functions)?;
    within("bytes of code", total.code_bytes, budget.code_bytes)?;
    within(REPEATED, repeated(set, &costs, total.code_bytes), budget.repeated_code_bytes)?;
    within(VALUES, total.values, budget.values_of(total.code_bytes))?;
    within("imports, exports, memories, tables, globals, tags and segments", total.items, budget.items)?;
    within("bytes in names of imports and exports", total.name_bytes, budget.name_bytes)?;
    within("table elements with an initial value", total.elements, budget.elements)?;
    within("bytes of data segments", total.data_bytes, budget.data_bytes)
}

/// How what a small file makes much of is called.
const REPEATED: &str = "bytes of code that are compiled again, as their modules are instantiated again";

/// Bytes of code beyond the first instance of each module.
fn repeated(set: &LinkSet, costs: &[Cost], all: u64) -> u64 {
    let used: BTreeSet<usize> = set.instances.iter().map(|spec| spec.module.0).collect();
    let once = used.iter().filter_map(|module| costs.get(*module)).map(|cost| cost.code_bytes);
    all.saturating_sub(once.fold(0, u64::saturating_add))
}

fn within(what: &'static str, needed: u64, allowed: u64) -> Result<(), BudgetError> {
    if needed <= allowed { Ok(()) } else { Err(BudgetError { what, needed, allowed }) }
}

/// Values that a module's functions and instructions take and give.
fn values(module: &Module) -> u64 {
    let arities = module.arities();
    let imported = module.imports.iter().filter_map(|import| match import.ty {
        ImportType::Func(ty) => Some(ty),
        _ => None,
    });
    let declared = imported.chain(module.functions.iter().copied());
    let arity = |ty: u32| arities.get(ty as usize).copied().unwrap_or(0);
    declared.map(arity).fold(module.values, u64::saturating_add)
}

impl Cost {
    fn and(self, other: &Cost) -> Cost {
        Cost {
            functions: self.functions.saturating_add(other.functions),
            code_bytes: self.code_bytes.saturating_add(other.code_bytes),
            values: self.values.saturating_add(other.values),
            items: self.items.saturating_add(other.items),
            name_bytes: self.name_bytes.saturating_add(other.name_bytes),
            elements: self.elements.saturating_add(other.elements),
            data_bytes: self.data_bytes.saturating_add(other.data_bytes),
        }
    }
}

/// What one instance of a module takes.
fn cost(module: &Module) -> Cost {
    let imported = module.imports.iter().filter(|import| matches!(import.ty, ImportType::Func(_))).count();
    let items = [
        module.imports.len(),
        module.exports.len(),
        module.memories.len(),
        module.tables.len(),
        module.globals.len(),
        module.tags.len(),
        module.elems.len(),
        module.data.len(),
    ];
    let imports = module.imports.iter().map(|import| import.module.len() + import.name.len());
    let exports = module.exports.iter().map(|export| export.name.len());
    let sum = |values: &mut dyn Iterator<Item = u64>| values.fold(0, u64::saturating_add);
    let filled = module.tables.iter().filter(|table| table.init.is_some()).map(|table| table.limits.minimum);
    Cost {
        functions: (imported + module.functions.len()) as u64,
        code_bytes: u64::from(module.code_bytes),
        values: values(module),
        items: sum(&mut items.into_iter().map(|count| count as u64)),
        name_bytes: sum(&mut imports.chain(exports).map(|bytes| bytes as u64)),
        elements: sum(&mut module.elems.iter().map(|elem| elem.items.len() as u64).chain(filled)),
        data_bytes: sum(&mut module.data.iter().map(|data| data.range.len() as u64)),
    }
}
