//! What a function's translation looks up: every index of its module, resolved.
//!
//! The validator checks each instruction before it is translated, and linking resolved every index
//! space, so no lookup here can miss.

#![expect(clippy::indexing_slicing, reason = "the validator and the linker checked every index")]

use crate::error::CompileError;
use crate::link::{ConstValue, FuncTarget, FunctionDef, Linked, LinkedInstance, Symbol};
use crate::signature;
use cranelift_codegen::ir::{Signature, SourceLoc, UserFuncName};
use cranelift_codegen::isa::TargetIsa;
use hatchery_image::{
    DataSegmentId, DefinedTable, ElemSegmentId, FuncType, FunctionId, Global, MemoryId, MemoryPlace, Shown, TableId,
    TablePlace, TagId, Tunables, TypeId, ValType,
};
use wasmparser::Operator;

/// The surroundings of a function.
pub(super) struct Env<'a> {
    pub(super) linked: &'a Linked,
    pub(super) tunables: &'a Tunables,
    pub(super) isa: &'a dyn TargetIsa,
    id: FunctionId,
    function: &'a FunctionDef,
    instance: &'a LinkedInstance,
}

/// A memory as code sees it.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a> {
    pub(super) id: MemoryId,
    /// Whether indices are 64 bits wide.
    pub(super) memory64: bool,
    pub(super) place: &'a MemoryPlace,
}

impl Memory<'_> {
    /// The length in bytes, when it can never change.
    pub(super) fn fixed_length(&self) -> Option<u64> {
        (self.place.limit == self.place.minimum).then_some(self.place.minimum)
    }
}

/// A table as code sees it.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) id: TableId,
    pub(super) defined: &'a DefinedTable,
    pub(super) place: &'a TablePlace,
}

impl Table<'_> {
    /// The length in elements, when it can never change.
    pub(super) fn fixed_length(&self) -> Option<u64> {
        let fixed = !self.defined.growable || self.place.limit == self.place.minimum;
        fixed.then_some(self.place.minimum)
    }
}

impl<'a> Env<'a> {
    pub(super) fn new(linked: &'a Linked, tunables: &'a Tunables, isa: &'a dyn TargetIsa, id: FunctionId) -> Self {
        let function = &linked.functions[id.0 as usize];
        let instance = &linked.instances[function.instance.index()];
        Env { linked, tunables, isa, id, function, instance }
    }

    /// The name of the function in the code generator's messages.
    pub(super) fn name(&self) -> UserFuncName {
        UserFuncName::User(Symbol::Function(self.id).name())
    }

    pub(super) fn function_type(&self) -> &'a FuncType {
        self.func_type(self.function.ty)
    }

    pub(super) fn func_type(&self, ty: TypeId) -> &'a FuncType {
        self.linked.types.get(ty)
    }

    pub(super) fn guest_signature(&self, ty: &FuncType) -> Signature {
        signature::guest(ty)
    }

    /// The type at a type index that the validator knows to be a function's.
    pub(super) fn type_at(&self, index: u32) -> TypeId {
        self.instance.types[index as usize].expect("the validator checked that this is a function type")
    }

    /// What a function index stands for.
    pub(super) fn func(&self, index: u32) -> (Symbol, TypeId) {
        let index = index as usize;
        (target_symbol(self.instance.funcs[index]), self.instance.func_types[index])
    }

    pub(super) fn memory(&self, index: u32) -> Memory<'a> {
        let id = self.instance.memories[index as usize];
        let memory64 = self.linked.memories[id.index()].memory64;
        Memory { id, memory64, place: &self.linked.layout.memories[id.index()] }
    }

    pub(super) fn table(&self, index: u32) -> Table<'a> {
        let id = self.instance.tables[index as usize];
        let defined = &self.linked.tables[id.index()];
        Table { id, defined, place: &self.linked.layout.tables[id.index()] }
    }

    /// A global, and its initial value: its only one if it is immutable.
    pub(super) fn global(&self, index: u32) -> (&'a Global, ConstValue) {
        let id = self.instance.globals[index as usize];
        (&self.linked.globals[id.index()], self.linked.global_values[id.index()])
    }

    /// A tag, and the types of its exceptions' values.
    pub(super) fn tag(&self, index: u32) -> (TagId, &'a [ValType]) {
        let id = self.instance.tags[index as usize];
        (id, &self.func_type(self.linked.tags[id.index()]).params)
    }

    pub(super) fn data(&self, index: u32) -> DataSegmentId {
        self.instance.data[index as usize]
    }

    pub(super) fn elem(&self, index: u32) -> ElemSegmentId {
        self.instance.elems[index as usize]
    }

    pub(super) fn invalid(&self, error: &wasmparser::Error) -> CompileError {
        CompileError::Invalid {
            module: self.instance.module,
            offset: error.offset() as usize,
            message: Shown(error.message()).to_string(),
        }
    }

    /// An instruction of a proposal that the validator should have refused.
    pub(super) fn unsupported(&self, op: &Operator<'_>, at: SourceLoc) -> CompileError {
        CompileError::Unsupported {
            module: self.instance.module,
            proposal: "unknown",
            offset: at.bits() as usize,
            message: format!("{op:?}"),
        }
    }

    pub(super) fn limit(&self, message: &str) -> CompileError {
        CompileError::Limit { module: self.instance.module, function: self.function.index, message: message.to_owned() }
    }
}

/// The code of a function.
pub(super) fn target_symbol(target: FuncTarget) -> Symbol {
    match target {
        FuncTarget::Defined(id) => Symbol::Function(id),
        FuncTarget::Host(id) => Symbol::HostThunk(id),
        FuncTarget::Trap(code) => Symbol::Trap(code),
    }
}
