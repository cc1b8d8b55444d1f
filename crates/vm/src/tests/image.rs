//! An image with hand-assembled code: thunks for all built-ins and some imports, each callable from the
//! host as a function of its own.

use crate::{Callee, HostFunction, Instance, Limits, Prepared, StackConfig, StackPool};
use hatchery_alloc::{InstanceAllocator, OnDemand};
use hatchery_image::abi::{Builtin, PackedFuncRef, RawVal, Scalar};
use hatchery_image::artifact::ImageParts;
use hatchery_image::{
    CoreInstance, DataSegment, DefinedMemory, DefinedTable, ElemSegment, FuncType, FunctionRecord, Global, GlobalNeed,
    HostAbi, HostImport, Image, InstanceId, Interruption, LayoutNeeds, LayoutPlan, MemoryId, MemoryNeed, PagesBuilder,
    Plan, RefType, TableNeed, Tunables, TypeId, TypeTable, ValType, WASM_PAGE,
};
use std::sync::Arc;

/// What differs between the images of the tests.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) imports: Vec<FuncType>,
    pub(super) interruption: Interruption,
    pub(super) plan: Plan,
    /// Pages of each memory: minimum and maximum.
    pub(super) memories: Vec<(u64, u64)>,
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            imports: Vec::new(),
            interruption: Interruption::Poll,
            plan: Plan::default(),
            memories: vec![(2, 5), (1, 1)],
        }
    }
}

/// Elements of the tables from the start, and at most.
pub(super) const TABLES: [(u64, u64); 2] = [(10, 600), (20, 20)];
/// The bytes of data segment 0; segment 1 has the rest.
pub(super) const DATA: &[u8] = b"some bytes of a data segment, and more";
pub(super) const DATA_SPLIT: usize = 28;

/// Named functions that the image has besides thunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Builtin(Builtin),
    Import(usize),
    /// `() -> ()`
    Nop,
    /// `() -> ()`: polls for ever.
    Spin,
    /// `() -> ()`: polls once.
    Poll,
    /// `(i64, i64) -> i64`: the sum of import 0 over all numbers from the second to 1, each with the first.
    Repeat,
    /// `(i64) -> i64`: the 64-bit word at that distance from `vmctx`, incremented.
    Touch,
}

fn val(scalar: Scalar) -> ValType {
    match scalar {
        Scalar::I32 => ValType::I32,
        Scalar::I64 => ValType::I64,
        Scalar::F32 => ValType::F32,
        Scalar::F64 => ValType::F64,
    }
}

fn builtin_type(builtin: Builtin) -> FuncType {
    let params: Vec<_> = builtin.params().iter().map(|s| val(*s)).collect();
    FuncType::new(params, builtin.result().map(val).into_iter().collect::<Vec<_>>())
}

/// Collects code, types and functions.
#[derive(Default)]
struct Assembler {
    code: Vec<u8>,
    types: Vec<FuncType>,
    functions: Vec<FunctionRecord>,
}

impl Assembler {
    fn ty(&mut self, ty: FuncType) -> TypeId {
        let at = self.types.iter().position(|t| *t == ty).unwrap_or_else(|| {
            self.types.push(ty);
            self.types.len() - 1
        });
        TypeId::from_index(at as u32)
    }

    fn code(&mut self, code: &[u8]) -> u32 {
        self.code.resize(self.code.len().next_multiple_of(64), 0xf4);
        let start = self.code.len() as u32;
        self.code.extend_from_slice(code);
        start
    }

    fn function(&mut self, ty: FuncType, code: &[u8]) {
        let ty = self.ty(ty);
        let (start, length, index) = (self.code(code), code.len() as u32, self.functions.len() as u32);
        self.functions.push(FunctionRecord { start, length, instance: InstanceId(0), index, ty, name: None });
    }
}

/// `push rbp; mov rbp, rsp; mov rax, [rdi - 16]; mov [rax + 8], rbp`
const EXIT: &[u8] = &[0x55, 0x48, 0x89, 0xe5, 0x48, 0x8b, 0x47, 0xf0, 0x48, 0x89, 0x68, 0x08];
const LEAVE: &[u8] = &[0xc9, 0xc3];

/// Forwards all arguments to the built-in.
fn builtin_thunk(builtin: Builtin) -> Vec<u8> {
    // mov rax, [rdi - 32]; call [rax + 8 * builtin]
    let call = [&[0x48, 0x8b, 0x47, 0xe0, 0xff, 0x90][..], &(8 * builtin as u32).to_le_bytes()].concat();
    [EXIT, &call, LEAVE].concat()
}

/// `mov rsi, [rdi - 24]; add rsi, 32 * import; call [rsi]`
fn host_call(import: usize) -> Vec<u8> {
    let number = (32 * import as u32).to_le_bytes();
    [&[0x48, 0x8b, 0x77, 0xe8, 0x48, 0x81, 0xc6][..], &number, &[0xff, 0x16]].concat()
}

/// Calls an import with up to four arguments.
fn import_thunk(import: usize, abi: HostAbi) -> Vec<u8> {
    // mov r9, r8; mov r8, rcx; mov rcx, rdx; mov rdx, rsi
    let native = [0x4d, 0x89, 0xc1, 0x49, 0x89, 0xc8, 0x48, 0x89, 0xd1, 0x48, 0x89, 0xf2];
    if abi == HostAbi::Native {
        return [EXIT, &native, &host_call(import), LEAVE].concat();
    }
    // sub rsp, 64; mov [rsp], rsi; mov [rsp + 16], rdx; mov [rsp + 32], rcx; mov rdx, rsp
    let spill = [
        0x48, 0x83, 0xec, 0x40, 0x48, 0x89, 0x34, 0x24, 0x48, 0x89, 0x54, 0x24, 0x10, 0x48, 0x89, 0x4c, 0x24, 0x20,
        0x48, 0x89, 0xe2,
    ];
    // mov rax, [rsp]; add rax, [rsp + 16]: the sum of two results
    let sum = [0x48, 0x8b, 0x04, 0x24, 0x48, 0x03, 0x44, 0x24, 0x10];
    [EXIT, &spill, &host_call(import), &sum, LEAVE].concat()
}

/// From native to array form.
fn spill_shim() -> Vec<u8> {
    // push rbp; mov rbp, rsp; sub rsp, 64; mov [rsp], rdx; mov [rsp + 16], rcx; mov [rsp + 32], r8;
    // mov rdx, rsp; call [rsi + 8]; mov rax, [rsp]
    let code = [
        0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x40, 0x48, 0x89, 0x14, 0x24, 0x48, 0x89, 0x4c, 0x24, 0x10, 0x4c,
        0x89, 0x44, 0x24, 0x20, 0x48, 0x89, 0xe2, 0xff, 0x56, 0x08, 0x48, 0x8b, 0x04, 0x24,
    ];
    [&code[..], LEAVE].concat()
}

/// From the array to registers and back; integers only.
fn trampoline(ty: &FuncType) -> Vec<u8> {
    // push rbp; mov rbp, rsp; push rbx; sub rsp, 8; mov rbx, rdx; mov rax, rsi
    let mut code = vec![0x55, 0x48, 0x89, 0xe5, 0x53, 0x48, 0x83, 0xec, 0x08, 0x48, 0x89, 0xd3, 0x48, 0x89, 0xf0];
    // mov rsi/rdx/rcx/r8/r9, [rbx + 16 * i]
    let loads = [[0x48, 0x8b, 0x73], [0x48, 0x8b, 0x53], [0x48, 0x8b, 0x4b], [0x4c, 0x8b, 0x43], [0x4c, 0x8b, 0x4b]];
    for (i, load) in loads.iter().enumerate().take(ty.params.len()) {
        code.extend(load);
        code.push(16 * i as u8);
    }
    code.extend([0xff, 0xd0]);
    if !ty.results.is_empty() {
        // mov [rbx], rax
        code.extend([0x48, 0x89, 0x03]);
    }
    // add rsp, 8; pop rbx; pop rbp; ret
    code.extend([0x48, 0x83, 0xc4, 0x08, 0x5b, 0x5d, 0xc3]);
    code
}

/// `mov eax, [rdi - 8192]`
const POLL: [u8; 6] = [0x8b, 0x87, 0x00, 0xe0, 0xff, 0xff];

/// `push rbp; mov rbp, rsp; 1: [poll]; jmp 1b`
fn spin() -> Vec<u8> {
    [&[0x55, 0x48, 0x89, 0xe5][..], &POLL, &[0xeb, 0xf8]].concat()
}

/// `push rbp; mov rbp, rsp; [poll]; pop rbp; ret`
fn poll() -> Vec<u8> {
    [&[0x55, 0x48, 0x89, 0xe5][..], &POLL, &[0x5d, 0xc3]].concat()
}

/// A loop around import 0.
fn repeat() -> Vec<u8> {
    // push rbp; mov rbp, rsp; push rbx; push r12; push r13; push r14
    // mov r12, rdi; mov r13, rsi; mov rbx, rdx; xor r14d, r14d
    let mut code = vec![
        0x55, 0x48, 0x89, 0xe5, 0x53, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x49, 0x89, 0xfc, 0x49, 0x89, 0xf5, 0x48,
        0x89, 0xd3, 0x45, 0x31, 0xf6,
    ];
    let top = code.len();
    // mov rdi, r12; mov rsi, r13; mov rdx, rbx; call the thunk behind this function
    code.extend([0x4c, 0x89, 0xe7, 0x4c, 0x89, 0xee, 0x48, 0x89, 0xda, 0xe8]);
    let patch = code.len();
    code.extend([0; 4]);
    // add r14, rax; dec rbx; jnz top
    code.extend([0x49, 0x01, 0xc6, 0x48, 0xff, 0xcb, 0x75]);
    code.push((top as i32 - code.len() as i32 - 1) as u8);
    // mov rax, r14; pop r14; pop r13; pop r12; pop rbx; pop rbp; ret
    code.extend([0x4c, 0x89, 0xf0, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5b, 0x5d, 0xc3]);
    let distance = (code.len() - patch - 4) as u32;
    code[patch..patch + 4].copy_from_slice(&distance.to_le_bytes());
    code.extend(import_thunk(0, HostAbi::Native));
    code
}

/// Functions besides built-ins, in their order.
fn others() -> [(Function, FuncType, Vec<u8>); 5] {
    let i64 = ValType::I64;
    // push rbp; mov rbp, rsp; mov rax, [rdi + rsi]; inc rax; mov [rdi + rsi], rax; pop rbp; ret
    let touch = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x8b, 0x04, 0x37, 0x48, 0xff, 0xc0, 0x48, 0x89, 0x04, 0x37, 0x5d, 0xc3];
    [
        (Function::Nop, FuncType::new([], []), vec![0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3]),
        (Function::Spin, FuncType::new([], []), spin()),
        (Function::Poll, FuncType::new([], []), poll()),
        (Function::Repeat, FuncType::new([i64, i64], [i64]), repeat()),
        (Function::Touch, FuncType::new([i64], [i64]), touch.into()),
    ]
}

pub(super) fn image(recipe: &Recipe) -> Arc<Image> {
    let mut assembler = Assembler::default();
    for builtin in Builtin::ALL {
        assembler.function(builtin_type(builtin), &builtin_thunk(builtin));
    }
    for (_, ty, code) in others() {
        assembler.function(ty, &code);
    }
    let shim = assembler.code(&spill_shim());
    let imports = recipe.imports.iter().enumerate().map(|(i, ty)| import(&mut assembler, i, ty, shim)).collect();
    let types = assembler.types.clone();
    let entry_trampolines = types.iter().map(|ty| Some(assembler.code(&trampoline(ty)))).collect();
    let tunables = Tunables {
        memory32_reservation: 8 * WASM_PAGE,
        memory_guard: WASM_PAGE,
        interruption: recipe.interruption,
        ..Tunables::default()
    };
    let layout = layout(recipe, &tunables);
    let segment = |start: usize, length: usize, number: u32| DataSegment {
        start,
        length: length as u32,
        dropped_offset: layout.data_dropped + 4 * number,
    };
    let mut parts = ImageParts {
        types: TypeTable::new(types),
        code: assembler.code,
        entry_trampolines,
        plan: recipe.plan.clone(),
        instances: vec![CoreInstance { main_memory: Some(MemoryId(0)), ..CoreInstance::default() }],
        memories: recipe.memories.iter().map(|m| defined_memory(*m)).collect(),
        tables: TABLES.iter().map(|t| defined_table(*t)).collect(),
        globals: globals(&layout),
        data: DATA.to_vec(),
        data_segments: vec![segment(0, DATA_SPLIT, 0), segment(DATA_SPLIT, DATA.len() - DATA_SPLIT, 1)],
        elem_segments: vec![ElemSegment {
            elements: (0..5).map(|i| function_word(&assembler.functions[i])).collect(),
            dropped_offset: layout.elem_dropped,
        }],
        imports,
        functions: assembler.functions,
        ..ImageParts::new(tunables, layout.clone())
    };
    parts.pages = pages(&layout);
    Arc::new(Image::from_parts(&parts).expect("an image"))
}

pub(super) fn function_word(record: &FunctionRecord) -> u64 {
    PackedFuncRef::new(record.ty, record.start).0
}

fn import(assembler: &mut Assembler, number: usize, ty: &FuncType, shim: u32) -> HostImport {
    let (abi, name) = (ty.host_abi(), number.to_string().into());
    let thunk = assembler.code(&import_thunk(number, abi));
    HostImport {
        instance: InstanceId(0),
        module: "host".into(),
        name,
        ty: assembler.ty(ty.clone()),
        thunk,
        spill_shim: (abi == HostAbi::Native).then_some(shim),
    }
}

fn layout(recipe: &Recipe, tunables: &Tunables) -> LayoutPlan {
    let memory = |(min, max): &(u64, u64)| MemoryNeed {
        memory64: false,
        minimum: min * WASM_PAGE,
        maximum: Some(max * WASM_PAGE),
        exact: false,
    };
    let table =
        |(minimum, max): &(u64, u64)| TableNeed { minimum: *minimum, maximum: Some(*max), growable: max > minimum };
    let needs = LayoutNeeds {
        memories: recipe.memories.iter().map(memory).collect(),
        tables: TABLES.iter().map(table).collect(),
        globals: vec![GlobalNeed::Word, GlobalNeed::Word, GlobalNeed::Vector, GlobalNeed::Word],
        data_segments: 2,
        elem_segments: 1,
    };
    LayoutPlan::new(&needs, tunables).expect("layout")
}

fn defined_memory((min, max): (u64, u64)) -> DefinedMemory {
    DefinedMemory { memory64: false, minimum: min * WASM_PAGE, maximum: Some(max * WASM_PAGE) }
}

fn defined_table((minimum, max): (u64, u64)) -> DefinedTable {
    let growable = max > minimum;
    DefinedTable { table64: false, element: RefType::FUNCREF, minimum, maximum: Some(max), growable }
}

/// A mutable i64 that is 7, an immutable i32 that is 9, a mutable vector, a mutable funcref.
fn globals(layout: &LayoutPlan) -> Vec<Global> {
    let types = [ValType::I64, ValType::I32, ValType::V128, ValType::Ref(RefType::FUNCREF)];
    let global = |(i, ty): (usize, &ValType)| Global { ty: *ty, mutable: i != 1, offset: layout.globals[i] };
    types.iter().enumerate().map(global).collect()
}

fn pages(layout: &LayoutPlan) -> PagesBuilder {
    let mut pages = PagesBuilder::new();
    let mut word = |offset: u32, value: u64| pages.write(layout.vmctx + u64::from(offset), &value.to_le_bytes());
    layout.memories.iter().for_each(|memory| word(memory.length_offset, memory.minimum));
    layout.tables.iter().for_each(|table| word(table.length_offset, table.minimum));
    word(layout.globals[0], 7);
    word(layout.globals[1], 9);
    pages
}

/// A prepared image, and how its functions are called.
pub(super) struct Guest<T: 'static> {
    pub(super) prepared: Prepared<T>,
}

impl<T: 'static> Guest<T> {
    pub(super) fn new(recipe: &Recipe, functions: Vec<HostFunction<T>>) -> Guest<T> {
        Guest::with(recipe, functions, Arc::new(OnDemand::strict()), Limits::default())
    }

    pub(super) fn with(
        recipe: &Recipe,
        functions: Vec<HostFunction<T>>,
        allocator: Arc<dyn InstanceAllocator>,
        limits: Limits,
    ) -> Guest<T> {
        let stacks = Arc::new(StackPool::new(StackConfig::default()).expect("stacks"));
        let prepared = Prepared::new(image(recipe), allocator, stacks, functions, limits).expect("prepared");
        Guest { prepared }
    }

    pub(super) fn instance(&self, data: T) -> Instance<T> {
        self.prepared.instantiate(data).expect("instance")
    }

    pub(super) fn word(&self, function: Function) -> PackedFuncRef {
        let image = self.prepared.image();
        let position = match function {
            Function::Import(number) => {
                let import = image.imports().get(number).expect("an import");
                return PackedFuncRef::new(import.ty, import.thunk);
            }
            Function::Builtin(builtin) => builtin as usize,
            other => Builtin::ALL.len() + others().iter().position(|(f, ..)| *f == other).expect("listed"),
        };
        let function = image.functions().iter().nth(position).expect("a function");
        PackedFuncRef::new(function.ty, function.start)
    }

    pub(super) fn callee(&self, function: Function) -> Callee {
        self.prepared.callee(self.word(function)).expect("callee")
    }

    /// Calls a function with integers; gives its first result, or 0.
    pub(super) fn call(
        &self,
        instance: &mut Instance<T>,
        function: Function,
        arguments: &[i64],
    ) -> Result<i64, crate::CallError> {
        let mut values: Vec<RawVal> = arguments.iter().map(|a| RawVal::from_i64(*a)).collect();
        let callee = self.callee(function);
        values.resize(values.len().max(callee.slots()).max(1), RawVal::ZERO);
        instance.access().call(&callee, &mut values)?;
        Ok(values[0].get_i64())
    }
}

/// The trap that a call ended with.
pub(super) fn trap_of<V: std::fmt::Debug>(result: Result<V, crate::CallError>) -> hatchery_image::TrapCode {
    match result {
        Err(crate::CallError::Trap(trap)) => trap.code,
        other => panic!("no trap but {other:?}"),
    }
}
