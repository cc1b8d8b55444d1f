//! Just enough linking to translate the functions of one module on their own.

use crate::error::CompileError;
use crate::function::translate;
use crate::link::{ConstValue, FuncTarget, FunctionDef, HostImportDef, Linked, LinkedInstance};
use cranelift_codegen::Context;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use hatchery_image::{
    DataSegmentId, DefinedMemory, DefinedTable, ElemSegmentId, FuncType, FunctionId, Global, GlobalId, GlobalNeed,
    HeapType, HostImportId, InstanceId, LayoutError, LayoutNeeds, LayoutPlan, MemoryId, MemoryNeed, RefType, TableId,
    TableNeed, Tunables, TypeId, TypeTable, ValType, WASM_PAGE,
};
use wasmparser::{
    CompositeInnerType, FuncToValidate, FunctionBody, Operator, Parser, Payload, TypeRef, ValidPayload, Validator,
    ValidatorResources, WasmFeatures,
};

/// A module whose functions can be translated one by one.
pub(super) struct Harness<'a> {
    pub(super) tunables: Tunables,
    pub(super) linked: Linked,
    pub(super) isa: OwnedTargetIsa,
    bodies: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'a>)>,
}

/// What the translation of a function is compiled to.
pub(super) struct Compiled {
    pub(super) clif: String,
    pub(super) optimized: String,
    pub(super) code: Vec<u8>,
}

/// Everything that the compiler supports.
pub(super) fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::FUNCTION_REFERENCES
}

pub(super) fn isa() -> OwnedTargetIsa {
    let mut flags = settings::builder();
    for (name, value) in [("opt_level", "speed"), ("preserve_frame_pointers", "true"), ("unwind_info", "false")] {
        flags.set(name, value).expect("a setting");
    }
    flags.set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }).expect("a setting");
    flags.set("enable_probestack", "true").expect("a setting");
    flags.set("probestack_strategy", "inline").expect("a setting");
    let builder = cranelift_native::builder().expect("this machine");
    builder.finish(settings::Flags::new(flags)).expect("a target")
}

impl<'a> Harness<'a> {
    /// A valid module; an error when its state has no place in a slot.
    pub(super) fn new(wasm: &'a [u8], tunables: Tunables) -> Result<Harness<'a>, LayoutError> {
        let mut validator = Validator::new_with_features(features());
        let mut module = Reader::default();
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.expect("well formed");
            if let ValidPayload::Func(function, body) = validator.payload(&payload).expect("valid") {
                bodies.push((function, body));
            }
            module.read(payload);
        }
        let linked = module.link(&tunables)?;
        Ok(Harness { tunables, linked, isa: isa(), bodies })
    }

    /// Number of functions.
    pub(super) fn len(&self) -> usize {
        self.bodies.len()
    }

    pub(super) fn translate(
        &self,
        function: usize,
        into: &mut Context,
        scratch: &mut FunctionBuilderContext,
    ) -> Result<(), CompileError> {
        let (function_to_validate, body) = &self.bodies[function];
        let validator = FuncToValidate { resources: function_to_validate.resources.clone(), ..*function_to_validate }
            .into_validator(Default::default());
        let id = FunctionId(function as u32);
        translate(&self.linked, &self.tunables, &*self.isa, id, body.clone(), validator, into, scratch)
    }

    /// Translates, verifies and compiles a function.
    pub(super) fn compile(&self, function: usize) -> Compiled {
        let mut context = Context::new();
        self.translate(function, &mut context, &mut FunctionBuilderContext::new()).expect("translates");
        context.verify_if(&*self.isa).expect("the translation is well formed");
        let clif = context.func.display().to_string();
        context.compile(&*self.isa, &mut Default::default()).map_err(|e| e.inner).expect("compiles");
        let optimized = context.func.display().to_string();
        let code = context.take_compiled_code().expect("code").code_buffer().to_vec();
        Compiled { clif, optimized, code }
    }
}

/// What a module declares.
#[derive(Default)]
struct Reader {
    types: Vec<FuncType>,
    instance: LinkedInstance,
    functions: Vec<FunctionDef>,
    hosts: Vec<HostImportDef>,
    memories: Vec<DefinedMemory>,
    tables: Vec<DefinedTable>,
    globals: Vec<(ValType, bool, ConstValue)>,
}

impl Reader {
    fn read(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter().flat_map(|group| group.expect("a group").into_types()) {
                    let CompositeInnerType::Func(ty) = ty.composite_type.inner else { panic!("a function type") };
                    let list = |types: &[_]| types.iter().map(|ty| self.value(*ty)).collect::<Vec<_>>();
                    let ty = FuncType::new(list(ty.params()), list(ty.results()));
                    let known = self.types.iter().position(|known| *known == ty);
                    let at = known.unwrap_or_else(|| {
                        self.types.push(ty);
                        self.types.len() - 1
                    });
                    self.instance.types.push(Some(TypeId::from_index(at as u32)));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports().map(|import| import.expect("an import")) {
                    match import.ty {
                        TypeRef::Func(ty) => self.host(ty),
                        TypeRef::Memory(ty) => self.memory(ty),
                        TypeRef::Table(ty) => self.table(ty),
                        TypeRef::Global(ty) => self.global(ty, ConstValue::Bits(0)),
                        _ => panic!("an import that the harness does not know"),
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    let ty = self.instance.types[ty.expect("a type") as usize].expect("a function type");
                    let id = FunctionId(self.functions.len() as u32);
                    let index = self.instance.funcs.len() as u32;
                    self.functions.push(FunctionDef { instance: InstanceId(0), index, ty, body: 0..0 });
                    self.instance.funcs.push(FuncTarget::Defined(id));
                    self.instance.func_types.push(ty);
                }
            }
            Payload::MemorySection(section) => section.into_iter().for_each(|ty| self.memory(ty.expect("a memory"))),
            Payload::TableSection(section) => {
                section.into_iter().for_each(|table| self.table(table.expect("a table").ty))
            }
            Payload::GlobalSection(section) => {
                for global in section.into_iter().map(|global| global.expect("a global")) {
                    let value = match global.init_expr.get_operators_reader().read().expect("an operator") {
                        Operator::I32Const { value } => ConstValue::Bits(u128::from(value as u32)),
                        Operator::RefFunc { function_index } => ConstValue::Func(
                            self.instance.funcs[function_index as usize],
                            self.instance.func_types[function_index as usize],
                        ),
                        _ => ConstValue::Bits(0),
                    };
                    self.global(global.ty, value);
                }
            }
            Payload::DataCountSection { count, .. } => self.instance.data.extend((0..count).map(DataSegmentId)),
            Payload::ElementSection(section) => self.instance.elems.extend((0..section.count()).map(ElemSegmentId)),
            _ => {}
        }
    }

    fn value(&self, ty: wasmparser::ValType) -> ValType {
        match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::V128 => ValType::V128,
            wasmparser::ValType::Ref(ty) => ValType::Ref(self.reference(ty)),
        }
    }

    fn reference(&self, ty: wasmparser::RefType) -> RefType {
        let heap = match ty.type_index().and_then(|index| index.as_module_index()) {
            Some(index) => HeapType::Concrete(self.instance.types[index as usize].expect("a function type")),
            None if ty.is_extern_ref() => HeapType::Extern,
            None => HeapType::Func,
        };
        RefType { nullable: ty.is_nullable(), heap }
    }

    fn host(&mut self, ty: u32) {
        let ty = self.instance.types[ty as usize].expect("a function type");
        self.instance.funcs.push(FuncTarget::Host(HostImportId(self.hosts.len() as u32)));
        self.instance.func_types.push(ty);
        self.hosts.push(HostImportDef { instance: InstanceId(0), module: "".into(), name: "".into(), ty });
    }

    fn memory(&mut self, ty: wasmparser::MemoryType) {
        self.instance.memories.push(MemoryId(self.memories.len() as u32));
        let (minimum, maximum) = (ty.initial * WASM_PAGE, ty.maximum.map(|pages| pages * WASM_PAGE));
        self.memories.push(DefinedMemory { memory64: ty.memory64, minimum, maximum });
    }

    fn table(&mut self, ty: wasmparser::TableType) {
        self.instance.tables.push(TableId(self.tables.len() as u32));
        let element = self.reference(ty.element_type);
        let growable = ty.maximum != Some(ty.initial);
        let (minimum, maximum) = (ty.initial, ty.maximum);
        self.tables.push(DefinedTable { table64: ty.table64, element, minimum, maximum, growable });
    }

    fn global(&mut self, ty: wasmparser::GlobalType, value: ConstValue) {
        self.instance.globals.push(GlobalId(self.globals.len() as u32));
        self.globals.push((self.value(ty.content_type), ty.mutable, value));
    }

    fn link(self, tunables: &Tunables) -> Result<Linked, LayoutError> {
        let needs = LayoutNeeds {
            memories: self
                .memories
                .iter()
                .map(|m| MemoryNeed { memory64: m.memory64, minimum: m.minimum, maximum: m.maximum })
                .collect(),
            tables: self
                .tables
                .iter()
                .map(|t| TableNeed { minimum: t.minimum, maximum: t.maximum, growable: t.growable })
                .collect(),
            globals: self
                .globals
                .iter()
                .map(|(ty, ..)| if *ty == ValType::V128 { GlobalNeed::Vector } else { GlobalNeed::Word })
                .collect(),
            data_segments: self.instance.data.len() as u32,
            elem_segments: self.instance.elems.len() as u32,
        };
        let layout = LayoutPlan::new(&needs, tunables)?;
        let globals = self.globals.iter().zip(&layout.globals);
        Ok(Linked {
            types: TypeTable::new(self.types),
            instances: vec![self.instance],
            functions: self.functions,
            host_imports: self.hosts,
            memories: self.memories,
            tables: self.tables,
            globals: globals.map(|((ty, mutable, _), at)| Global { ty: *ty, mutable: *mutable, offset: *at }).collect(),
            global_values: self.globals.iter().map(|(.., value)| *value).collect(),
            layout,
        })
    }
}
