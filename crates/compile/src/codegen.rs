//! The parallel part: every function and thunk to machine code.

use crate::decode::{Module, duplicate};
use crate::error::CompileError;
use crate::function::{self, exceptions};
use crate::inline::{Inliner, Leaves, is_leaf};
use crate::link::{FunctionDef, Linked, Symbol};
use crate::sinking;
use crate::thunk;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::{ExternalName, Function};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{
    CodegenError, Context, FinalizedMachCallSite, FinalizedMachExceptionHandler, FinalizedRelocTarget, ir,
};
use cranelift_frontend::FunctionBuilderContext;
use hatchery_image::{CatchSite, FunctionId, Handler, HandlerKind, Interruption, OptLevel, TrapCode, Tunables};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmparser::{BinaryReader, FunctionBody};

/// Code of one function or thunk, not yet placed.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) bytes: Vec<u8>,
    pub(crate) align: u32,
    pub(crate) relocs: Vec<CodeReloc>,
    /// Ascending.
    pub(crate) traps: Vec<(u32, TrapCode)>,
    /// Ascending starts, wasm offsets.
    pub(crate) sources: Vec<(u32, u32)>,
    /// Calls that can end with an exception, ascending; offsets are from the code's start.
    pub(crate) catches: Vec<CatchSite>,
}

/// A place in code that depends on where other code is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeReloc {
    pub(crate) at: u32,
    pub(crate) kind: RelocKind,
    pub(crate) target: RelocTarget,
    pub(crate) addend: i64,
}

/// What is stored at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelocKind {
    /// 4 bytes: the target's address relative to the place's.
    Relative,
    /// 8 bytes: the target's packed funcref.
    FuncRef,
}

/// What the place refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelocTarget {
    Symbol(Symbol),
    /// This far into the same function.
    Own(u32),
}

/// Told after each function how many are done, of how many; by any thread.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// What a thread keeps from one function to the next.
pub(crate) struct Scratch {
    context: Context,
    builder: FunctionBuilderContext,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch { context: Context::new(), builder: FunctionBuilderContext::new() }
    }
}

/// What code is generated from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) modules: &'a [Module],
    pub(crate) linked: &'a Linked,
    pub(crate) tunables: &'a Tunables,
    pub(crate) isa: &'a dyn TargetIsa,
    /// The same without optimization, for what that would blow up.
    pub(crate) plain: &'a dyn TargetIsa,
}

impl Source<'_> {
    /// Generates all code, in the order of `symbols`; of several errors, the first is reported.
    pub(crate) fn generate(&self, symbols: &[Symbol], progress: Progress<'_>) -> Result<Vec<Code>, CompileError> {
        let (done, total) = (AtomicU64::new(0), symbols.len() as u64);
        let leaves = Leaves::new(self.linked.functions.len());
        let one = |scratch: &mut Scratch, symbol: &Symbol| {
            let code = self.symbol(scratch, *symbol, &leaves);
            // Relaxed: a count, which orders nothing.
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            code
        };
        let results: Vec<_> = symbols.par_iter().map_init(Scratch::new, one).collect();
        results.into_iter().collect()
    }

    fn symbol(&self, scratch: &mut Scratch, symbol: Symbol, leaves: &Leaves) -> Result<Code, CompileError> {
        self.translate(scratch, symbol)?;
        self.inline(scratch, symbol, leaves)?;
        let explodes = self.tunables.opt_level != OptLevel::None && sinking::explodes(&scratch.context.func);
        let isa = if explodes { self.plain } else { self.isa };
        let compiled = scratch.context.compile(isa, &mut Default::default()).map(|_| ());
        let compiled = compiled.map_err(|error| self.failed(symbol, error.inner));
        let missing = || CompileError::Internal(format!("{symbol:?} has no code"));
        let code = compiled.and_then(|()| scratch.context.compiled_code().ok_or_else(missing));
        let code = code.and_then(|code| keep(code, &scratch.context.func, self.is_barrier(symbol)));
        scratch.context.clear();
        code
    }

    /// Whether no exception passes frames of this code: it is ours, and the code that it calls is of another
    /// component than the code that called it.
    fn is_barrier(&self, symbol: Symbol) -> bool {
        let Symbol::Function(id) = symbol else { return false };
        let function = self.linked.functions.get(id.0 as usize);
        let instance = function.and_then(|function| self.linked.instances.get(function.instance.index()));
        instance.is_some_and(|instance| instance.generated) && !self.linked.tags.is_empty()
    }

    /// Puts leaves in the place of calls of them. With fuel, which is counted where it is used, calls stay.
    fn inline(&self, scratch: &mut Scratch, symbol: Symbol, leaves: &Leaves) -> Result<(), CompileError> {
        let calls = matches!(symbol, Symbol::Function(_));
        if !calls || self.tunables.opt_level != OptLevel::Speed || self.tunables.interruption == Interruption::Fuel {
            return Ok(());
        }
        let inliner = Inliner::new(leaves, |id| self.leaf(id));
        scratch.context.inline(inliner).map(drop).map_err(|error| self.failed(symbol, error))
    }

    /// The code generator's form of a function, if it is a leaf.
    fn leaf(&self, id: FunctionId) -> Option<Function> {
        let (function, module) = self.function(id)?;
        let body = module.bodies.get(function.body)?;
        let reader =
            BinaryReader::new_features(module.slice(&body.range), body.range.start as u64, body.validator.features);
        if !is_leaf(&FunctionBody::new(reader)) {
            return None;
        }
        // Its caller is stopped soon enough.
        let tunables = Tunables { interruption: Interruption::None, ..self.tunables.clone() };
        let mut scratch = Scratch::new();
        Source { tunables: &tunables, ..*self }.body(&mut scratch, id).ok()?;
        Some(scratch.context.func)
    }

    /// Fills the scratch's context with the code generator's form of `symbol`.
    fn translate(&self, scratch: &mut Scratch, symbol: Symbol) -> Result<(), CompileError> {
        match symbol {
            Symbol::Function(id) => self.body(scratch, id),
            _ => {
                thunk::generate(self.linked, self.isa, symbol, &mut scratch.context.func, &mut scratch.builder);
                Ok(())
            }
        }
    }

    fn body(&self, scratch: &mut Scratch, id: FunctionId) -> Result<(), CompileError> {
        let missing = || CompileError::Internal(format!("function {} has no body", id.0));
        let (function, module) = self.function(id).ok_or_else(missing)?;
        let body = module.bodies.get(function.body).ok_or_else(missing)?;
        let validator = duplicate(&body.validator);
        let features = validator.features;
        let reader = BinaryReader::new_features(module.slice(&body.range), body.range.start as u64, features);
        function::translate(
            self.linked,
            self.tunables,
            self.isa,
            id,
            FunctionBody::new(reader),
            validator.into_validator(Default::default()),
            &mut scratch.context,
            &mut scratch.builder,
        )
    }

    fn function(&self, id: FunctionId) -> Option<(&FunctionDef, &Module)> {
        let function = self.linked.functions.get(id.0 as usize)?;
        let instance = self.linked.instances.get(function.instance.index())?;
        Some((function, self.modules.get(instance.module)?))
    }

    fn failed(&self, symbol: Symbol, error: CodegenError) -> CompileError {
        match (error, symbol) {
            (error @ (CodegenError::ImplLimitExceeded | CodegenError::CodeTooLarge), Symbol::Function(id)) => {
                let function = self.linked.functions.get(id.0 as usize);
                let instance = function.and_then(|f| self.linked.instances.get(f.instance.index()));
                CompileError::Limit {
                    module: instance.map_or(0, |instance| instance.module),
                    function: function.map_or(0, |function| function.index),
                    message: error.to_string(),
                }
            }
            (error, symbol) => CompileError::Internal(format!("code for {symbol:?}: {error:?}")),
        }
    }

    /// The code generator's form of a function, as text.
    pub(crate) fn text(&self, symbol: Symbol) -> Result<String, CompileError> {
        let mut scratch = Scratch::new();
        self.translate(&mut scratch, symbol)?;
        Ok(scratch.context.func.display().to_string())
    }
}

#[cfg(test)]
impl Source<'_> {
    /// As [`text`](Source::text), with leaves in the place of calls.
    pub(crate) fn inlined_text(&self, symbol: Symbol) -> Result<String, CompileError> {
        let mut scratch = Scratch::new();
        self.translate(&mut scratch, symbol)?;
        self.inline(&mut scratch, symbol, &Leaves::new(self.linked.functions.len()))?;
        Ok(scratch.context.func.display().to_string())
    }
}

fn keep(code: &cranelift_codegen::CompiledCode, func: &Function, barrier: bool) -> Result<Code, CompileError> {
    let buffer = &code.buffer;
    let relocs = buffer.relocs().iter().map(|reloc| {
        let kind = match reloc.kind {
            Reloc::X86CallPCRel4 | Reloc::X86PCRel4 | Reloc::X86CallPLTRel4 => RelocKind::Relative,
            Reloc::Abs8 => RelocKind::FuncRef,
            other => return Err(CompileError::Internal(format!("relocation {other:?} to {:?}", reloc.target))),
        };
        let target = reloc_target(&reloc.target, func)?;
        Ok(CodeReloc { at: reloc.offset, kind, target, addend: reloc.addend })
    });
    let traps = buffer.traps().iter().map(|trap| match trap_code(trap.code) {
        Some(code) => Ok((trap.offset, code)),
        None => Err(CompileError::Internal(format!("trap code {}", trap.code))),
    });
    let mut traps = traps.collect::<Result<Vec<_>, _>>()?;
    traps.sort_unstable_by_key(|(at, _)| *at);
    Ok(Code {
        bytes: buffer.data().to_vec(),
        align: buffer.alignment,
        relocs: relocs.collect::<Result<_, _>>()?,
        traps,
        sources: sources(buffer.get_srclocs_sorted()),
        catches: buffer.call_sites().filter_map(|site| catch_site(&site, barrier)).collect(),
    })
}

/// What becomes of exceptions at a call, if not simply that the next frame is asked.
fn catch_site(site: &FinalizedMachCallSite<'_>, barrier: bool) -> Option<CatchSite> {
    let handler = |handler: &FinalizedMachExceptionHandler| match *handler {
        FinalizedMachExceptionHandler::Tag(tag, landing) => Some(exceptions::handler(tag, landing)),
        FinalizedMachExceptionHandler::Default(_) | FinalizedMachExceptionHandler::Context(_) => None,
    };
    let mut handlers: Vec<_> = site.exception_handlers.iter().filter_map(handler).collect();
    if barrier {
        handlers.push(Handler { tag: None, landing: 0, kind: HandlerKind::Barrier });
    }
    let frame = site.frame_offset.unwrap_or(0);
    (!handlers.is_empty()).then(|| CatchSite { offset: site.ret_addr, frame, handlers: handlers.into() })
}

/// Where wasm instructions start in the code, and where code belongs to none.
fn sources(locations: &[cranelift_codegen::MachSrcLoc<cranelift_codegen::Final>]) -> Vec<(u32, u32)> {
    let mut sources: Vec<(u32, u32)> = Vec::with_capacity(locations.len());
    let mut end = 0;
    let mut add = |at: u32, wasm: u32| match sources.last() {
        Some((_, last)) if *last == wasm => {}
        Some((start, _)) if *start == at => {
            sources.pop();
            sources.push((at, wasm));
        }
        _ => sources.push((at, wasm)),
    };
    for location in locations {
        if location.start > end {
            add(end, hatchery_image::NO_WASM_OFFSET);
        }
        add(location.start, location.loc.bits());
        end = location.end;
    }
    add(end, hatchery_image::NO_WASM_OFFSET);
    sources
}

fn reloc_target(target: &FinalizedRelocTarget, func: &Function) -> Result<RelocTarget, CompileError> {
    let unknown = || CompileError::Internal(format!("code refers to {target:?}"));
    match target {
        FinalizedRelocTarget::Func(offset) => Ok(RelocTarget::Own(*offset)),
        FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => {
            let name = func.params.user_named_funcs().get(*name).ok_or_else(unknown)?;
            Symbol::from_name(name).map(RelocTarget::Symbol).ok_or_else(unknown)
        }
        FinalizedRelocTarget::ExternalName(_) => Err(unknown()),
    }
}

fn trap_code(code: ir::TrapCode) -> Option<TrapCode> {
    Some(match code {
        ir::TrapCode::STACK_OVERFLOW => TrapCode::StackOverflow,
        ir::TrapCode::INTEGER_OVERFLOW => TrapCode::IntegerOverflow,
        ir::TrapCode::INTEGER_DIVISION_BY_ZERO => TrapCode::IntegerDivideByZero,
        ir::TrapCode::BAD_CONVERSION_TO_INTEGER => TrapCode::InvalidConversionToInteger,
        ir::TrapCode::HEAP_OUT_OF_BOUNDS => TrapCode::MemoryOutOfBounds,
        code => return TrapCode::from_number(code.as_raw().get()),
    })
}
