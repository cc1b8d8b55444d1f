//! Code that no module contains: the ways in and out of guest code.
//!
//! ```text
//!  host ──► entry trampoline ──► guest function ──► host thunk ──► host function
//!           (array ► registers)        │            (exit frame)   (native form, or array form
//!                                      │                            behind a spill shim)
//!                                      └──────────► built-in thunk ──► the machine's built-in
//! ```
//!
//! A thunk on the way out stores its frame pointer in the task record, where backtraces start, and checks
//! that the stack has room for the host. It has not when a recursion came that far: the trap is an
//! instruction of the thunk, so that raising it takes no stack either.

use crate::link::{FuncTarget, Linked, Symbol};
use crate::signature::{self, WORD, clif_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, Function, Inst, InstBuilder, MemFlagsData, Signature, StackSlotData, StackSlotKind, Type, UserFuncName,
    Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use hatchery_image::abi::{
    Builtin, HOST_CALL_ARRAY, HOST_CALL_BYTES, HOST_CALL_ENTRY, ReturnPlace, header, return_area_bytes, return_places,
    task,
};
use hatchery_image::{FuncType, HostAbi, HostImportId, TrapCode, TypeId, ValType};
use std::collections::BTreeSet;

/// Bytes of a value in the arrays between host and guest.
const RAW: i32 = 16;

/// Generates the code of `symbol` into `func`. Guest functions have none here.
pub(crate) fn generate(
    linked: &Linked,
    isa: &dyn TargetIsa,
    symbol: Symbol,
    func: &mut Function,
    scratch: &mut FunctionBuilderContext,
) {
    func.clear();
    func.name = UserFuncName::User(symbol.name());
    let ty = |id| linked.types.get(id);
    let builder = match symbol {
        Symbol::Function(_) => return,
        Symbol::HostThunk(id) => {
            let Some(import) = linked.host_imports.get(id.index()) else { return };
            Thunk::new(func, scratch, signature::guest(ty(import.ty))).host(id, ty(import.ty))
        }
        Symbol::Trap(code) => Thunk::new(func, scratch, signature::guest(&trap_type())).trap(code),
        Symbol::Builtin(builtin) => Thunk::new(func, scratch, signature::builtin(builtin)).builtin(builtin),
        Symbol::Entry(id) => Thunk::new(func, scratch, signature::entry()).entry(ty(id)),
        Symbol::Spill(id) => Thunk::new(func, scratch, signature::host_native(ty(id))).spill(ty(id)),
    };
    builder.finalize(isa.frontend_config());
}

/// Everything that code must provide besides the functions, in the order in which it stands in the text.
pub(crate) fn symbols(linked: &Linked) -> Vec<Symbol> {
    let thunks = (0..linked.host_imports.len()).map(|id| Symbol::HostThunk(HostImportId(id as u32)));
    let mut entered = vec![false; linked.types.iter().len()];
    let mut spilled = entered.clone();
    let mark = |marks: &mut Vec<bool>, ty: TypeId| {
        if let Some(mark) = marks.get_mut(ty.index()) {
            *mark = true;
        }
    };
    // The host cannot have what some functions take or return.
    let callable = linked.functions.iter().filter(|function| !linked.types.get(function.ty).has_exceptions());
    callable.for_each(|function| mark(&mut entered, function.ty));
    for import in &linked.host_imports {
        mark(&mut entered, import.ty);
        if linked.types.get(import.ty).host_abi() == HostAbi::Native {
            mark(&mut spilled, import.ty);
        }
    }
    let traps: BTreeSet<TrapCode> = linked.instances.iter().flat_map(|i| &i.funcs).filter_map(as_trap).collect();
    if let (Some(ty), false) = (linked.trap_type, traps.is_empty()) {
        mark(&mut entered, ty);
    }
    let marked = |marks: Vec<bool>| {
        let ids = marks.into_iter().enumerate().filter(|(_, marked)| *marked);
        ids.map(|(index, _)| TypeId::from_index(index as u32))
    };
    thunks
        .chain(traps.into_iter().map(Symbol::Trap))
        .chain(Builtin::ALL.map(Symbol::Builtin))
        .chain(marked(entered).map(Symbol::Entry))
        .chain(marked(spilled).map(Symbol::Spill))
        .collect()
}

/// The type of a function that only traps.
pub(crate) fn trap_type() -> FuncType {
    FuncType::new([ValType::I32], [])
}

fn as_trap(target: &FuncTarget) -> Option<TrapCode> {
    match target {
        FuncTarget::Trap(code) => Some(*code),
        _ => None,
    }
}

/// A function of one block under construction.
struct Thunk<'a> {
    builder: FunctionBuilder<'a>,
    params: Vec<Value>,
}

impl<'a> Thunk<'a> {
    fn new(func: &'a mut Function, scratch: &'a mut FunctionBuilderContext, signature: Signature) -> Thunk<'a> {
        func.signature = signature;
        let mut builder = FunctionBuilder::new(func, scratch);
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        builder.seal_block(block);
        let params = builder.block_params(block).to_vec();
        Thunk { builder, params }
    }

    fn param(&self, index: usize) -> Value {
        *self.params.get(index).expect("the signature has this parameter")
    }

    fn load(&mut self, ty: Type, base: Value, offset: i32) -> Value {
        self.builder.ins().load(ty, MemFlagsData::trusted(), base, offset)
    }

    fn store(&mut self, value: Value, base: Value, offset: i32) {
        self.builder.ins().store(MemFlagsData::trusted(), value, base, offset);
    }

    fn call(&mut self, signature: Signature, callee: Value, arguments: &[Value]) -> Inst {
        let signature = self.builder.import_signature(signature);
        self.builder.ins().call_indirect(signature, callee, arguments)
    }

    fn results(&self, call: Inst) -> Vec<Value> {
        self.builder.inst_results(call).to_vec()
    }

    /// The address of `bytes` of this frame.
    fn buffer(&mut self, bytes: u32) -> Value {
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4);
        let slot = self.builder.create_sized_stack_slot(data);
        self.builder.ins().stack_addr(WORD, slot, 0)
    }

    /// Values of an array between host and guest.
    fn load_array(&mut self, types: &[ValType], array: Value) -> Vec<Value> {
        types.iter().zip((0..).step_by(RAW as usize)).map(|(ty, at)| self.load(clif_type(*ty), array, at)).collect()
    }

    fn store_array(&mut self, values: &[Value], array: Value) {
        for (value, at) in values.iter().zip((0..).step_by(RAW as usize)) {
            self.store(*value, array, at);
        }
    }

    /// Leaves guest code: from here on the stack belongs to the host.
    fn exit(&mut self, vmctx: Value) {
        let record = self.load(WORD, vmctx, header::TASK);
        let frame = self.builder.ins().get_frame_pointer(WORD);
        self.store(frame, record, task::EXIT_FRAME);
        let stack = self.builder.ins().get_stack_pointer(WORD);
        let limit = self.load(WORD, record, task::HOST_LIMIT);
        let exhausted = self.builder.ins().icmp(IntCC::UnsignedLessThan, stack, limit);
        self.builder.ins().trapnz(exhausted, ir::TrapCode::STACK_OVERFLOW);
    }

    /// Returns `values`, the results of a guest function with these result types.
    fn return_guest(&mut self, results: &[ValType], values: &[Value]) {
        let area = *self.params.last().expect("every signature has a parameter");
        let mut registers = Vec::with_capacity(values.len());
        for (value, place) in values.iter().zip(return_places(results)) {
            match place {
                ReturnPlace::Register => registers.push(*value),
                ReturnPlace::Area(at) => self.store(*value, area, at as i32),
            }
        }
        self.builder.ins().return_(&registers);
    }

    /// A guest function that calls the host.
    fn host(mut self, id: HostImportId, ty: &FuncType) -> FunctionBuilder<'a> {
        let vmctx = self.param(0);
        self.exit(vmctx);
        let calls = self.load(WORD, vmctx, header::HOST_CALLS);
        let host_call = self.builder.ins().iadd_imm_s(calls, i64::from(id.0) * i64::from(HOST_CALL_BYTES));
        let entry = self.load(WORD, host_call, HOST_CALL_ENTRY);
        let arguments = self.params.get(1..1 + ty.params.len()).unwrap_or_default().to_vec();
        let results = match ty.host_abi() {
            HostAbi::Native => {
                let arguments = [vec![vmctx, host_call], arguments].concat();
                let call = self.call(signature::host_native(ty), entry, &arguments);
                self.results(call)
            }
            HostAbi::Array => self.call_array(ty, entry, vmctx, host_call, &arguments),
        };
        self.return_guest(&ty.results, &results);
        self.builder
    }

    /// Calls a host function in array form.
    fn call_array(
        &mut self,
        ty: &FuncType,
        callee: Value,
        vmctx: Value,
        host_call: Value,
        arguments: &[Value],
    ) -> Vec<Value> {
        let array = self.buffer(RAW as u32 * ty.params.len().max(ty.results.len()) as u32);
        self.store_array(arguments, array);
        self.call(signature::host_array(), callee, &[vmctx, host_call, array]);
        self.load_array(&ty.results, array)
    }

    /// A guest function that stops the guest.
    fn trap(mut self, code: TrapCode) -> FunctionBuilder<'a> {
        let (vmctx, detail) = (self.param(0), self.param(1));
        self.exit(vmctx);
        let table = self.load(WORD, vmctx, header::BUILTINS);
        let raise = self.load(WORD, table, 8 * Builtin::Raise as i32);
        let code = self.builder.ins().iconst(types::I32, i64::from(code as u8));
        self.call(signature::builtin_implementation(Builtin::Raise), raise, &[vmctx, code, detail]);
        self.builder.ins().return_(&[]);
        self.builder
    }

    /// A guest function that calls a built-in.
    fn builtin(mut self, builtin: Builtin) -> FunctionBuilder<'a> {
        let vmctx = self.param(0);
        self.exit(vmctx);
        let table = self.load(WORD, vmctx, header::BUILTINS);
        let callee = self.load(WORD, table, 8 * builtin as i32);
        let arguments = self.params.clone();
        let call = self.call(signature::builtin_implementation(builtin), callee, &arguments);
        let results = self.results(call);
        self.builder.ins().return_(&results);
        self.builder
    }

    /// A host-callable function that calls any guest function of one type.
    fn entry(mut self, ty: &FuncType) -> FunctionBuilder<'a> {
        let (vmctx, callee, array) = (self.param(0), self.param(1), self.param(2));
        let mut arguments = vec![vmctx];
        arguments.extend(self.load_array(&ty.params, array));
        let area_bytes = return_area_bytes(&ty.results);
        let area = (area_bytes > 0).then(|| self.buffer(area_bytes));
        arguments.extend(area);
        let call = self.call(signature::guest(ty), callee, &arguments);
        let mut registers = self.results(call).into_iter();
        let mut results = Vec::with_capacity(ty.results.len());
        for (ty, place) in ty.results.iter().zip(return_places(&ty.results)) {
            results.push(match (place, area) {
                (ReturnPlace::Area(at), Some(area)) => self.load(clif_type(*ty), area, at as i32),
                _ => registers.next().expect("the signature has this result"),
            });
        }
        self.store_array(&results, array);
        self.builder.ins().return_(&[]);
        self.builder
    }

    /// A host function in native form that calls its array form.
    fn spill(mut self, ty: &FuncType) -> FunctionBuilder<'a> {
        let (vmctx, host_call) = (self.param(0), self.param(1));
        let callee = self.load(WORD, host_call, HOST_CALL_ARRAY);
        let arguments = self.params.get(2..).unwrap_or_default().to_vec();
        let results = self.call_array(ty, callee, vmctx, host_call, &arguments);
        self.builder.ins().return_(&results);
        self.builder
    }
}

#[cfg(test)]
mod tests {
    use crate::{Budget, LinkSet, compile};
    use hatchery_image::{FuncType, HostAbi, Tunables};
    use proptest::prelude::*;

    fn types(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
        let ty = prop::sample::select(vec!["i32", "i64", "f32", "f64", "v128", "funcref", "externref"]);
        prop::collection::vec(ty, 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The code generator verifies what it gets, in debug builds.
        #[test]
        fn every_type_has_its_ways_in_and_out(params in types(30), results in types(30)) {
            let signature = format!("(param {}) (result {})", params.join(" "), results.join(" "));
            let text = format!(r#"(module (import "e" "f" (func {signature})) (export "f" (func 0)))"#);
            let mut set = LinkSet::new();
            let module = set.add_module(wat::parse_str(text).expect("test text"));
            set.add_instance(module, None, &[]);
            let image = compile(&set, &Tunables::default(), &Budget::default()).expect("it compiles");
            let import = image.imports().get(0).expect("an import");
            let ty: &FuncType = image.types().get(import.ty);
            prop_assert_eq!((ty.params.len(), ty.results.len()), (params.len(), results.len()));
            prop_assert_eq!(import.spill_shim.is_some(), ty.host_abi() == HostAbi::Native);
            prop_assert!(image.entry_trampoline(import.ty).is_some());
        }
    }
}
