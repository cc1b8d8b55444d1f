//! One generated module under construction: its imports, found by what they are, and its functions.

use super::budget::name_parts;
use super::fun::{Fun, Mem, Op};
use crate::name::Name;
use hatchery_compile::Source;
use hatchery_image::TrapCode;
use std::collections::HashMap;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    ImportSection, Instruction as I, MemorySection, MemoryType, Module, NameMap, NameSection, StartSection,
    TypeSection, ValType,
};

/// What an import is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// An export of an instance of the set.
    Export(hatchery_image::InstanceId, Name),
    /// A function of the host.
    Host(Name, Name),
    /// What raises a trap.
    Trap(TrapCode),
}

/// A function type.
type Signature = (Vec<ValType>, Vec<ValType>);

/// A module under construction.
#[derive(Debug, Default)]
pub(super) struct ModuleBuilder {
    types: Vec<Signature>,
    type_ids: HashMap<Signature, u32>,
    imports: Vec<(EntityType, Origin)>,
    import_ids: HashMap<(Kind, Origin), u32>,
    counts: [u32; 3],
    functions: Vec<Option<(Box<str>, Fun)>>,
    /// Memories that the module defines. It imports none then.
    pub(super) memories: Vec<MemoryType>,
    /// The name under which the first of these is exported.
    pub(super) memory_export: Option<&'static str>,
    /// Initial values of mutable `i32`s that the module defines. It imports none then.
    pub(super) globals: Vec<(Box<str>, i32)>,
    /// A function to call when it is instantiated.
    pub(super) start: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Func,
    Memory,
    Global,
}

/// A module, and what its imports are.
pub(super) struct Finished {
    pub(super) bytes: Vec<u8>,
    pub(super) imports: Vec<(Box<str>, Box<str>, Source)>,
}

impl ModuleBuilder {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// What it imports and defines, where long names count more often.
    pub(super) fn parts(&self) -> usize {
        let names = self.imports.iter().map(|(_, origin)| match origin {
            Origin::Export(_, name) => name_parts(name),
            Origin::Host(module, name) => name_parts(module) + name_parts(name),
            Origin::Trap(_) => 0,
        });
        self.functions.len() + names.map(|parts| 1 + parts).sum::<usize>()
    }

    fn ty(&mut self, signature: Signature) -> u32 {
        let next = self.types.len() as u32;
        *self.type_ids.entry(signature).or_insert_with_key(|signature| {
            self.types.push(signature.clone());
            next
        })
    }

    fn import(&mut self, kind: Kind, entity: EntityType, origin: Origin) -> u32 {
        let key = (kind, origin);
        if let Some(id) = self.import_ids.get(&key) {
            return *id;
        }
        self.imports.push((entity, key.1.clone()));
        let count = match kind {
            Kind::Func => &mut self.counts[0],
            Kind::Memory => &mut self.counts[1],
            Kind::Global => &mut self.counts[2],
        };
        *count += 1;
        let id = *count - 1;
        self.import_ids.insert(key, id);
        id
    }

    /// The index of an imported function.
    pub(super) fn func(&mut self, origin: Origin, params: &[ValType], results: &[ValType]) -> u32 {
        let ty = self.ty((params.to_vec(), results.to_vec()));
        self.import(Kind::Func, EntityType::Function(ty), origin)
    }

    /// An imported memory.
    pub(super) fn memory(&mut self, origin: Origin, wide: bool) -> Mem {
        let ty = MemoryType { minimum: 0, maximum: None, memory64: wide, shared: false, page_size_log2: None };
        Mem { index: self.import(Kind::Memory, EntityType::Memory(ty), origin), wide }
    }

    /// How many memories are imported.
    pub(super) fn imported_memories(&self) -> u32 {
        self.counts[1]
    }

    /// The index of an imported, mutable `i32`.
    pub(super) fn global(&mut self, origin: Origin) -> u32 {
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        self.import(Kind::Global, EntityType::Global(ty), origin)
    }

    /// A number for a function that is defined later.
    pub(super) fn declare(&mut self) -> u32 {
        self.functions.push(None);
        self.functions.len() as u32 - 1
    }

    /// Defines a declared function. It is exported by its number.
    pub(super) fn define(&mut self, function: u32, name: impl Into<Box<str>>, fun: Fun) {
        self.ty((fun.params.clone(), fun.results.clone()));
        if let Some(slot) = self.functions.get_mut(function as usize) {
            *slot = Some((name.into(), fun));
        }
    }

    /// Declares and defines.
    pub(super) fn add(&mut self, name: impl Into<Box<str>>, fun: Fun) -> u32 {
        let function = self.declare();
        self.define(function, name, fun);
        function
    }

    /// The binary.
    pub(super) fn finish(mut self) -> Finished {
        let traps = self.import_traps();
        let first = self.counts[0];
        let functions: Vec<_> = std::mem::take(&mut self.functions).into_iter().flatten().collect();
        let (mut declarations, mut code, mut exports) =
            (FunctionSection::new(), CodeSection::new(), ExportSection::new());
        let mut names = NameMap::new();
        for (number, (name, fun)) in functions.iter().enumerate() {
            let number = number as u32;
            declarations.function(self.ty((fun.params.clone(), fun.results.clone())));
            code.function(&encode(fun, first, &traps));
            exports.export(&export_name(number), ExportKind::Func, first + number);
            names.append(first + number, &format!("[adapter] {name}"));
        }
        let mut types = TypeSection::new();
        for (params, results) in &self.types {
            types.ty().function(params.iter().copied(), results.iter().copied());
        }
        let (mut imports, mut bound) = (ImportSection::new(), Vec::with_capacity(self.imports.len()));
        for (number, (entity, origin)) in self.imports.into_iter().enumerate() {
            let name = number.to_string();
            imports.import("", &name, entity);
            bound.push(("".into(), name.into(), source(&origin)));
        }
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&declarations);
        if !self.memories.is_empty() {
            let mut memories = MemorySection::new();
            self.memories.iter().for_each(|memory| {
                memories.memory(*memory);
            });
            module.section(&memories);
        }
        if let Some(name) = self.memory_export {
            exports.export(name, ExportKind::Memory, 0);
        }
        if !self.globals.is_empty() {
            let mut globals = GlobalSection::new();
            let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
            for (index, (name, value)) in self.globals.iter().enumerate() {
                globals.global(ty, &wasm_encoder::ConstExpr::i32_const(*value));
                exports.export(name, ExportKind::Global, index as u32);
            }
            module.section(&globals);
        }
        module.section(&exports);
        if let Some(start) = self.start {
            module.section(&StartSection { function_index: first + start });
        }
        module.section(&code);
        let mut section = NameSection::new();
        section.functions(&names);
        module.section(&section);
        Finished { bytes: module.finish(), imports: bound }
    }

    /// Imports of the traps that some function raises.
    fn import_traps(&mut self) -> HashMap<TrapCode, u32> {
        let mut traps = HashMap::new();
        let ops = self.functions.iter().flatten().flat_map(|(_, fun)| &fun.ops);
        let mut codes: Vec<_> =
            ops.filter_map(|op| if let Op::Raise(code) = op { Some(*code) } else { None }).collect();
        codes.sort_unstable();
        codes.dedup();
        let ty = if codes.is_empty() { 0 } else { self.ty((vec![ValType::I32], vec![])) };
        for code in codes {
            self.imports.push((EntityType::Function(ty), Origin::Trap(code)));
            traps.insert(code, self.counts[0]);
            self.counts[0] += 1;
        }
        traps
    }
}

/// The name by which a function of a generated module is exported.
pub(super) fn export_name(function: u32) -> String {
    function.to_string()
}

fn source(origin: &Origin) -> Source {
    match origin {
        Origin::Export(instance, name) => Source::Export { instance: *instance, name: (**name).into() },
        Origin::Host(module, name) => Source::Host { module: (**module).into(), name: (**name).into() },
        Origin::Trap(code) => Source::Trap(*code),
    }
}

fn encode(fun: &Fun, first: u32, traps: &HashMap<TrapCode, u32>) -> Function {
    let mut function = Function::new_with_locals_types(fun.locals.iter().copied());
    for op in &fun.ops {
        match op {
            Op::Plain(op) => {
                function.instruction(op);
            }
            Op::Local(local) => {
                function.instruction(&I::Call(first + local));
            }
            Op::Raise(code) => {
                // Every code has an import: they were collected from these very operations.
                function.instruction(&I::Call(traps.get(code).copied().unwrap_or_default()));
                function.instruction(&I::Unreachable);
            }
        }
    }
    function.instruction(&I::End);
    function
}
