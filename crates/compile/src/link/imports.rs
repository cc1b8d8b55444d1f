//! What an import means, and whether it may.

use super::instance::Linker;
use super::model::{HostImportDef, LinkedInstance, LinkedItem, LinkedStepKind, at};
use super::set::{InstanceSpec, Mode, Source};
use super::types::{ref_type, value_type};
use crate::decode::{ImportDecl, ImportType, Limits, MemoryDecl, TableDecl};
use crate::error::{CompileError, LinkError};
use crate::link::FuncTarget;
use hatchery_image::{HostImportId, InstanceId, StepKind, TrapCode, TypeId, ValType};
use std::collections::HashMap;

/// What the names of imports mean.
pub(super) struct Sources<'a> {
    /// Whose exports each module name means.
    modules: HashMap<&'a str, InstanceId>,
    /// What is bound one by one.
    items: HashMap<(&'a str, &'a str), &'a Source>,
}

/// Why what is there is not what the module asks for, in words.
struct Mismatch {
    expected: String,
    found: String,
}

impl Linker<'_> {
    /// The instances that `spec` names; all of them must come before it.
    pub(super) fn sources<'s>(&self, id: InstanceId, spec: &'s InstanceSpec) -> Result<Sources<'s>, LinkError> {
        let items = spec.bound.iter().map(|((module, name), source)| ((&**module, &**name), source));
        let mut sources = Sources { modules: HashMap::new(), items: items.collect() };
        for (name, source) in &spec.imports {
            earlier(id, *source)?;
            sources.modules.insert(name, *source);
        }
        for source in spec.bound.values() {
            if let Source::Export { instance, .. } = source {
                earlier(id, *instance)?;
            }
        }
        Ok(sources)
    }

    /// Resolves one import and adds it to the instance's index spaces.
    pub(super) fn import(
        &mut self,
        id: InstanceId,
        sources: &Sources<'_>,
        import: &ImportDecl,
        into: &mut LinkedInstance,
    ) -> Result<(), CompileError> {
        let item = match (sources.items.get(&(&*import.module, &*import.name)), sources.modules.get(&*import.module)) {
            (Some(Source::Export { instance, name }), _) => self.export_of(id, *instance, name, import)?,
            (Some(Source::Host { module, name }), _) => self.host_import(id, import, (module, name), into)?,
            (Some(Source::Trap(code)), _) => self.trap(id, *code, import)?,
            (None, Some(source)) => self.export_of(id, *source, &import.name, import)?,
            (None, None) => self.host_import(id, import, (&import.module, &import.name), into)?,
        };
        if let Err(Mismatch { expected, found }) = self.check_import(item, import, into)? {
            let (module, name) = (import.module.to_string(), import.name.to_string());
            return Err(LinkError::IncompatibleImport { instance: id, module, name, expected, found }.into());
        }
        self.length_check(id, item, import);
        match item {
            LinkedItem::Func(target, ty) => {
                into.funcs.push(target);
                into.func_types.push(ty);
            }
            LinkedItem::Table(table) => into.tables.push(table),
            LinkedItem::Memory(memory) => into.memories.push(memory),
            LinkedItem::Global(global) => into.globals.push(global),
            LinkedItem::Tag(tag) => into.tags.push(tag),
        }
        Ok(())
    }

    fn export_of(
        &self,
        id: InstanceId,
        source: InstanceId,
        name: &str,
        import: &ImportDecl,
    ) -> Result<LinkedItem, CompileError> {
        let unknown = || {
            let (module, name) = (import.module.to_string(), import.name.to_string());
            LinkError::UnknownImport { instance: id, module, name }
        };
        let (module, spaces) = self.linked_instance(source)?;
        let item = module.export_named(name).ok_or_else(unknown)?;
        spaces.item(item)
    }

    /// The host provides functions, of whatever type the module asks for.
    fn host_import(
        &mut self,
        id: InstanceId,
        import: &ImportDecl,
        (module, name): (&str, &str),
        into: &LinkedInstance,
    ) -> Result<LinkedItem, CompileError> {
        let ImportType::Func(ty) = import.ty else {
            return Err(LinkError::HostImportNotFunction {
                instance: id,
                module: import.module.to_string(),
                name: import.name.to_string(),
                expected: kind_of(&import.ty).to_owned(),
            }
            .into());
        };
        let ty = type_at(into, ty)?;
        if self.types.get(ty).has_exceptions() {
            let (module, name) = (import.module.to_string(), import.name.to_string());
            return Err(LinkError::HostImportOfExceptions { instance: id, module, name }.into());
        }
        let (module, name) = (module.into(), name.into());
        let host = HostImportId(self.host_imports.len() as u32);
        self.host_imports.push(HostImportDef { instance: id, module, name, ty });
        Ok(LinkedItem::Func(FuncTarget::Host(host), ty))
    }

    /// A function that stops the guest.
    fn trap(&self, id: InstanceId, code: TrapCode, import: &ImportDecl) -> Result<LinkedItem, CompileError> {
        // If no module has the type, what is asked for is something else.
        let ty = self.trap_type.ok_or_else(|| LinkError::IncompatibleImport {
            instance: id,
            module: import.module.to_string(),
            name: import.name.to_string(),
            expected: kind_of(&import.ty).to_owned(),
            found: "a function of type (i32) -> ()".to_owned(),
        })?;
        Ok(LinkedItem::Func(FuncTarget::Trap(code), ty))
    }

    /// In script mode lengths are checked when the step runs: an import may have grown by then.
    fn length_check(&mut self, id: InstanceId, item: LinkedItem, import: &ImportDecl) {
        let step = match (item, &import.ty) {
            (LinkedItem::Memory(memory), ImportType::Memory(wanted)) => {
                StepKind::CheckMemory { memory, minimum: wanted.limits.minimum }
            }
            (LinkedItem::Table(table), ImportType::Table(wanted)) => {
                StepKind::CheckTable { table, minimum: wanted.limits.minimum }
            }
            _ => return,
        };
        if self.mode == Mode::Script {
            self.step(id, LinkedStepKind::Known(step));
        }
    }

    fn check_import(
        &self,
        item: LinkedItem,
        import: &ImportDecl,
        into: &LinkedInstance,
    ) -> Result<Result<(), Mismatch>, CompileError> {
        Ok(match (&import.ty, item) {
            (ImportType::Func(wanted), LinkedItem::Func(_, found)) => {
                let wanted = type_at(into, *wanted)?;
                agree(wanted == found, format!("function type {}", wanted.get()), format!("type {}", found.get()))
            }
            (ImportType::Table(wanted), LinkedItem::Table(table)) => self.check_table(wanted, table, into)?,
            (ImportType::Memory(wanted), LinkedItem::Memory(memory)) => {
                let Some(found) = self.memories.get(memory.index()) else { return Err(missing()) };
                let found = MemoryDecl {
                    memory64: found.memory64,
                    limits: Limits { minimum: found.minimum, maximum: found.maximum },
                };
                let fits = wanted.memory64 == found.memory64 && self.limits_fit(&found.limits, &wanted.limits);
                agree(fits, describe_memory(wanted), describe_memory(&found))
            }
            (ImportType::Global(wanted), LinkedItem::Global(global)) => {
                let Some(found) = self.globals.get(global.index()) else { return Err(missing()) };
                let ty = value_type(&into.types, wanted.content_type)?;
                let fits = if wanted.mutable { found.ty == ty } else { found.ty.matches(ty) };
                let fits = fits && wanted.mutable == found.mutable;
                agree(fits, describe_global(ty, wanted.mutable), describe_global(found.ty, found.mutable))
            }
            (ImportType::Tag(wanted), LinkedItem::Tag(tag)) => {
                let (wanted, found) = (type_at(into, *wanted)?, at(&self.tags, tag.0)?);
                agree(wanted == found, format!("a tag of type {}", wanted.get()), format!("type {}", found.get()))
            }
            (wanted, found) => agree(false, kind_of(wanted), kind_of_item(found)),
        })
    }

    fn check_table(
        &self,
        wanted: &TableDecl,
        table: hatchery_image::TableId,
        into: &LinkedInstance,
    ) -> Result<Result<(), Mismatch>, CompileError> {
        let Some(found) = self.tables.get(table.index()) else { return Err(missing()) };
        let element = ref_type(&into.types, wanted.element)?;
        let limits = Limits { minimum: found.minimum, maximum: found.maximum };
        let fits =
            wanted.table64 == found.table64 && element == found.element && self.limits_fit(&limits, &wanted.limits);
        let describe = |table64, element, limits| format!("{} of {element}", describe("table", table64, limits));
        Ok(agree(
            fits,
            describe(wanted.table64, element, &wanted.limits),
            describe(found.table64, found.element, &limits),
        ))
    }

    fn limits_fit(&self, found: &Limits, wanted: &Limits) -> bool {
        found.maximum_fits(wanted) && (self.mode == Mode::Script || found.minimum >= wanted.minimum)
    }
}

fn agree(fits: bool, expected: impl Into<String>, found: impl Into<String>) -> Result<(), Mismatch> {
    if fits { Ok(()) } else { Err(Mismatch { expected: expected.into(), found: found.into() }) }
}

fn type_at(instance: &LinkedInstance, index: u32) -> Result<TypeId, CompileError> {
    at(&instance.types, index)?.ok_or_else(missing)
}

/// Only what is linked before can be imported.
fn earlier(id: InstanceId, source: InstanceId) -> Result<(), LinkError> {
    let refused = LinkError::NotInSet { instance: id, what: "instance", number: source.index() };
    if source.index() < id.index() { Ok(()) } else { Err(refused) }
}

fn missing() -> CompileError {
    CompileError::Internal("an instance names an item that the set does not have".into())
}

fn kind_of(ty: &ImportType) -> &'static str {
    match ty {
        ImportType::Func(_) => "a function",
        ImportType::Table(_) => "a table",
        ImportType::Memory(_) => "a memory",
        ImportType::Global(_) => "a global",
        ImportType::Tag(_) => "a tag",
    }
}

fn kind_of_item(item: LinkedItem) -> &'static str {
    match item {
        LinkedItem::Func(..) => "a function",
        LinkedItem::Table(_) => "a table",
        LinkedItem::Memory(_) => "a memory",
        LinkedItem::Global(_) => "a global",
        LinkedItem::Tag(_) => "a tag",
    }
}

fn describe_memory(memory: &MemoryDecl) -> String {
    describe("memory", memory.memory64, &memory.limits)
}

fn describe(kind: &str, wide: bool, limits: &Limits) -> String {
    let index = if wide { "i64" } else { "i32" };
    let unit = if kind == "memory" { "bytes" } else { "elements" };
    match limits.maximum {
        Some(maximum) => format!("{index} {kind} of {} to {maximum} {unit}", limits.minimum),
        None => format!("{index} {kind} of at least {} {unit}", limits.minimum),
    }
}

fn describe_global(ty: ValType, mutable: bool) -> String {
    format!("{} {ty} global", if mutable { "mutable" } else { "immutable" })
}
