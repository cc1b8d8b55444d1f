//! The functions of one module, linked, to be translated one by one.

use crate::decode::{Module, duplicate};
use crate::error::{Budget, CompileError};
use crate::function::translate;
use crate::link::{self, Link, LinkSet, Source};
use cranelift_codegen::Context;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use hatchery_image::{FunctionId, Tunables};
use wasmparser::{BinaryReader, FunctionBody, Parser, Payload, TypeRef};

/// A module whose functions can be translated one by one.
pub(super) struct Harness {
    tunables: Tunables,
    modules: Vec<Module>,
    link: Link,
    pub(super) isa: OwnedTargetIsa,
}

/// What the translation of a function is compiled to.
pub(super) struct Compiled {
    /// As translated.
    pub(super) clif: String,
    /// As the code generator rewrote it.
    pub(super) optimized: String,
    pub(super) code: Vec<u8>,
}

fn isa() -> OwnedTargetIsa {
    let mut flags = settings::builder();
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "speed"),
        ("preserve_frame_pointers", "true"),
        ("unwind_info", "false"),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("enable_verifier", verifier),
    ] {
        flags.set(name, value).expect("a setting");
    }
    let builder = cranelift_native::builder().expect("this machine");
    builder.finish(settings::Flags::new(flags)).expect("a target")
}

impl Harness {
    /// A module that may import functions.
    pub(super) fn new(wasm: &[u8], tunables: Tunables) -> Result<Harness, CompileError> {
        let mut set = LinkSet::new();
        let module = set.add_module(wasm);
        set.add_instance(module, None, &[]);
        Harness::of(&set, tunables)
    }

    /// A module that may import functions, memories, tables and globals.
    pub(super) fn with_state(wasm: &[u8], tunables: Tunables) -> Result<Harness, CompileError> {
        let (mut fields, mut names) = (String::new(), Vec::new());
        for payload in Parser::new(0).parse_all(wasm) {
            let Ok(Payload::ImportSection(imports)) = payload else { continue };
            for import in imports.into_imports() {
                let import = import.expect("well formed");
                let export = names.len();
                let limits = |least: u64, most: Option<u64>| format!("{least} {}", most.unwrap_or(least));
                fields += &match import.ty {
                    TypeRef::Memory(ty) => format!("(memory (export \"{export}\") {})", limits(ty.initial, ty.maximum)),
                    TypeRef::Table(ty) => {
                        format!("(table (export \"{export}\") {} funcref)", limits(ty.initial, ty.maximum))
                    }
                    TypeRef::Global(ty) if ty.mutable => {
                        format!("(global (export \"{export}\") (mut i32) (i32.const 0))")
                    }
                    TypeRef::Global(_) => format!("(global (export \"{export}\") i32 (i32.const 0))"),
                    _ => continue,
                };
                names.push((import.module, import.name));
            }
        }
        let mut set = LinkSet::new();
        let module = set.add_module(wasm);
        let state = set.add_module(wat::parse_str(format!("(module {fields})")).expect("a module"));
        let instance = set.add_instance(state, None, &[]);
        let bound = names.iter().enumerate().map(|(export, (module, name))| {
            ((*module).into(), (*name).into(), Source::Export { instance, name: export.to_string().into() })
        });
        set.add_bound_instance(module, None, bound);
        Harness::of(&set, tunables)
    }

    fn of(set: &LinkSet, tunables: Tunables) -> Result<Harness, CompileError> {
        // Limits of the translation are tested, not those in front of it.
        let budget = Budget { values: u64::MAX, ..Budget::default() };
        let modules = link::decode_all(set, &budget)?;
        let link = link::link(set, &modules, &tunables, &budget)?;
        Ok(Harness { tunables, modules, link, isa: isa() })
    }

    /// What the instructions of all functions take and give.
    pub(super) fn values(&self) -> u64 {
        self.modules[0].values
    }

    pub(super) fn code_bytes(&self) -> u64 {
        self.modules[0].code_bytes.into()
    }

    pub(super) fn body_bytes(&self, function: usize) -> u64 {
        self.modules[0].bodies[function].range.len() as u64
    }

    /// Number of functions.
    pub(super) fn len(&self) -> usize {
        self.link.linked.functions.len()
    }

    pub(super) fn translate(
        &self,
        function: usize,
        into: &mut Context,
        scratch: &mut FunctionBuilderContext,
    ) -> Result<(), CompileError> {
        let module = &self.modules[0];
        let body = &module.bodies[function];
        let reader = BinaryReader::new_features(
            &module.bytes[body.range.clone()],
            body.range.start as u64,
            body.validator.features,
        );
        let validator = duplicate(&body.validator).into_validator(Default::default());
        let id = FunctionId(function as u32);
        let body = FunctionBody::new(reader);
        translate(&self.link.linked, &self.tunables, &*self.isa, id, body, validator, into, scratch)
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
