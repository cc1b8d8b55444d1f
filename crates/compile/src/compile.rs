//! The driver: bytes to image, phase by phase.

use crate::assemble::Assembly;
use crate::codegen::{Progress, Source};
use crate::decode::Module;
use crate::error::{Budget, CompileError, Refusal};
use crate::initial::Initial;
use crate::isa;
use crate::link::{self, FuncTarget, Link, LinkSet, Linked, LinkedItem, LinkedStepKind, RefValue, Symbol, decode_all};
use crate::thunk;
use hatchery_image::abi::Builtin;
use hatchery_image::artifact::{self, ArtifactError, CodeSymbol, ImageParts, IsaFlags};
use hatchery_image::{
    CoreInstance, DataSegment, ElemSegment, Export, ExportItem, FuncExport, FunctionId, FunctionRecord, HostAbi,
    HostImport, HostImportId, Image, InitStep, InstanceId, LayoutPlan, Learned, OptLevel, Plan, StepKind, Tunables,
    TypeId,
};
use std::collections::HashMap;

/// Who makes images: ourselves, and the code generator.
fn producer() -> String {
    format!("hatchery {}, cranelift {}", env!("CARGO_PKG_VERSION"), cranelift_codegen::VERSION)
}

/// Most bytes of function names in an image.
const MAX_NAMES: usize = 64 << 20;

/// Compiles and links a set.
///
/// # Errors
///
/// When a module is invalid or needs what is not supported, when the instances do not fit together, when
/// the set exceeds the budget, a slot or a limit of the code generator, or when the kernel refuses memory
/// for code or pages.
pub fn compile(set: &LinkSet, tunables: &Tunables, budget: &Budget) -> Result<Image, CompileError> {
    compile_with(set, tunables, budget, &|_, _| ())
}

/// As [`compile`], and tells how far it is.
///
/// # Errors
///
/// Those of [`compile`].
pub fn compile_with(
    set: &LinkSet,
    tunables: &Tunables,
    budget: &Budget,
    progress: Progress<'_>,
) -> Result<Image, CompileError> {
    compile_for(set, tunables, budget, &|_| Ok(()), progress)
}

/// As [`compile_with`], but first asks whoever gives slots whether one can hold the result. Nothing is translated when not.
///
/// # Errors
///
/// Those of [`compile`]; [`CompileError::Refused`] with what `fits` answered.
pub fn compile_for(
    set: &LinkSet,
    tunables: &Tunables,
    budget: &Budget,
    fits: &dyn Fn(&LayoutPlan) -> Result<(), Refusal>,
    progress: Progress<'_>,
) -> Result<Image, CompileError> {
    Image::from_parts(&compile_parts(set, tunables, budget, fits, progress)?).map_err(image_error)
}

/// A hash of everything that decides what the set compiles to under these choices.
///
/// # Errors
///
/// When the target is unknown or not this machine's kind.
pub fn cache_key(set: &LinkSet, tunables: &Tunables) -> Result<[u8; 32], CompileError> {
    let isa = isa::flags_of(isa::target(tunables)?.as_ref())?;
    artifact::cache_key(&producer(), &set.source(), tunables, isa).map_err(image_error)
}

/// What [`compile`] makes an image of, which this machine need not be able to run.
///
/// # Errors
///
/// Those of [`compile`], but for those of memory.
pub fn compile_parts(
    set: &LinkSet,
    tunables: &Tunables,
    budget: &Budget,
    fits: &dyn Fn(&LayoutPlan) -> Result<(), Refusal>,
    progress: Progress<'_>,
) -> Result<ImageParts, CompileError> {
    let isa = isa::target(tunables)?;
    let modules = decode_all(set, budget)?;
    let link = link::link(set, &modules, tunables, budget)?;
    fits(&link.linked.layout).map_err(CompileError::Refused)?;
    let symbols = symbols(&link.linked);
    let plain = isa::target(&Tunables { opt_level: OptLevel::None, ..tunables.clone() })?;
    let (isa, plain) = (isa.as_ref(), plain.as_ref());
    let source = Source { modules: &modules, linked: &link.linked, tunables, isa, plain };
    let codes = source.generate(&symbols, progress)?;
    let assembly = Assembly::new(&symbols, &codes, &|symbol| type_of(&link.linked, symbol))?;
    Assembler { set, tunables, modules: &modules, assembly }.parts(link, isa::flags_of(isa)?)
}

/// The code generator's input for the function with this number, as text. For tests.
///
/// # Errors
///
/// Those of [`compile`], and when there is no such function.
pub fn clif(set: &LinkSet, tunables: &Tunables, function: u32) -> Result<String, CompileError> {
    let isa = isa::target(tunables)?;
    let budget = Budget::default();
    let modules = decode_all(set, &budget)?;
    let link = link::link(set, &modules, tunables, &budget)?;
    let source = Source { modules: &modules, linked: &link.linked, tunables, isa: isa.as_ref(), plain: isa.as_ref() };
    source.text(Symbol::Function(FunctionId(function)))
}

/// As [`clif`], with leaves in the place of calls.
#[cfg(test)]
pub(crate) fn clif_inlined(set: &LinkSet, tunables: &Tunables, function: u32) -> Result<String, CompileError> {
    let isa = isa::target(tunables)?;
    let budget = Budget::default();
    let modules = decode_all(set, &budget)?;
    let link = link::link(set, &modules, tunables, &budget)?;
    let source = Source { modules: &modules, linked: &link.linked, tunables, isa: isa.as_ref(), plain: isa.as_ref() };
    source.inlined_text(Symbol::Function(FunctionId(function)))
}

/// Everything that has code, in the order in which it stands in the text.
fn symbols(linked: &Linked) -> Vec<Symbol> {
    let functions = (0..linked.functions.len()).map(|id| Symbol::Function(FunctionId(id as u32)));
    functions.chain(thunk::symbols(linked)).collect()
}

/// The type of what a funcref can point to.
fn type_of(linked: &Linked, symbol: Symbol) -> Option<TypeId> {
    match symbol {
        Symbol::Function(id) => linked.functions.get(id.0 as usize).map(|function| function.ty),
        Symbol::HostThunk(id) => linked.host_imports.get(id.index()).map(|import| import.ty),
        Symbol::Trap(_) => linked.trap_type,
        Symbol::Builtin(_) | Symbol::Entry(_) | Symbol::Spill(_) => None,
    }
}

/// Puts the image together once all code has its place.
struct Assembler<'a> {
    set: &'a LinkSet,
    tunables: &'a Tunables,
    modules: &'a [Module],
    assembly: Assembly,
}

impl Assembler<'_> {
    fn parts(self, link: Link, isa: IsaFlags) -> Result<ImageParts, CompileError> {
        let elem_words = self.elem_words(&link)?;
        let steps = self.steps(&link)?;
        let word = |value| self.word(value);
        let initial = Initial { link: &link, modules: self.modules, elems: &elem_words, word: &word };
        let (pages, cursor) = initial.build(&steps, self.set.mode)?;
        let done = steps.get(..cursor).unwrap_or_default();
        let (data, data_segments) = self.data(&link, done);
        let elem_segments = elem_segments(&link, elem_words, done);
        Ok(ImageParts {
            producer: producer(),
            source: self.set.source(),
            isa,
            tunables: self.tunables.clone(),
            symbols: self.symbols(),
            entry_trampolines: self.entry_trampolines(&link.linked),
            functions: self.functions(&link.linked)?,
            pages,
            instances: self.instances(&link)?,
            imports: self.imports(&link.linked)?,
            code: self.assembly.text,
            traps: self.assembly.traps,
            addresses: self.assembly.addresses,
            catches: self.assembly.catches,
            plan: Plan { steps, cursor },
            data,
            data_segments,
            elem_segments,
            types: link.linked.types,
            layout: link.linked.layout,
            memories: link.linked.memories,
            tables: link.linked.tables,
            globals: link.linked.globals,
            learned: Learned::default(),
            extension: self.set.extension.clone(),
        })
    }

    /// Names of what the other fields give no name to.
    fn symbols(&self) -> Vec<CodeSymbol> {
        let symbol = |builtin: Builtin| {
            let name = format!("builtin:{}", builtin.name());
            Some(CodeSymbol { offset: self.assembly.find(Symbol::Builtin(builtin))?.start, name })
        };
        Builtin::ALL.into_iter().filter_map(symbol).collect()
    }

    fn word(&self, value: RefValue) -> Result<u64, CompileError> {
        match value {
            RefValue::Null => Ok(0),
            RefValue::Func(target, ty) => self.assembly.funcref(target, ty),
        }
    }

    fn elem_words(&self, link: &Link) -> Result<Vec<Vec<u64>>, CompileError> {
        let words = |elem: &Vec<RefValue>| elem.iter().map(|value| self.word(*value)).collect();
        link.elems.iter().map(words).collect()
    }

    fn steps(&self, link: &Link) -> Result<Vec<InitStep>, CompileError> {
        let step = |step: &link::LinkedStep| {
            let kind = match &step.kind {
                LinkedStepKind::Known(kind) => kind.clone(),
                LinkedStepKind::Start(target) => StepKind::CoreStart {
                    code_offset: self.assembly.start(target.symbol())?,
                    function: match target {
                        FuncTarget::Defined(id) => Some(*id),
                        FuncTarget::Host(_) | FuncTarget::Trap(_) => None,
                    },
                },
            };
            Ok(InitStep { instance: step.instance, kind })
        };
        link.steps.iter().map(step).collect()
    }

    /// The bytes of the segments that can still be read. Instances of one module share them.
    fn data(&self, link: &Link, done: &[InitStep]) -> (Vec<u8>, Vec<DataSegment>) {
        let mut gone = vec![false; link.data.len()];
        for step in done {
            if let StepKind::CoreData { segment, .. } = step.kind
                && let Some(gone) = gone.get_mut(segment.index())
            {
                *gone = true;
            }
        }
        let mut bytes = Vec::new();
        let mut kept = HashMap::new();
        let mut segments = Vec::with_capacity(link.data.len());
        for (number, (source, gone)) in link.data.iter().zip(gone).enumerate() {
            let contents = self.modules.get(source.module).map_or(&[][..], |module| module.slice(&source.range));
            let contents = if gone { &[] } else { contents };
            let start = if contents.is_empty() {
                0
            } else {
                *kept.entry(source).or_insert_with(|| {
                    bytes.extend_from_slice(contents);
                    bytes.len() - contents.len()
                })
            };
            let dropped_offset = link.linked.layout.data_dropped + 4 * number as u32;
            segments.push(DataSegment { start, length: contents.len() as u32, dropped_offset });
        }
        (bytes, segments)
    }

    fn entry_trampolines(&self, linked: &Linked) -> Vec<Option<u32>> {
        linked.types.iter().map(|(id, _)| self.assembly.find(Symbol::Entry(id)).map(|place| place.start)).collect()
    }

    fn functions(&self, linked: &Linked) -> Result<Vec<FunctionRecord>, CompileError> {
        let mut names_left = MAX_NAMES;
        let mut records = Vec::with_capacity(linked.functions.len());
        for (number, function) in linked.functions.iter().enumerate() {
            let symbol = Symbol::Function(FunctionId(number as u32));
            let place = self.assembly.find(symbol).ok_or_else(|| no_code(symbol))?;
            let name = self.name(linked, function.instance, function.index).filter(|name| {
                let left = names_left.checked_sub(name.len());
                names_left = left.unwrap_or(names_left);
                left.is_some()
            });
            records.push(FunctionRecord {
                start: place.start,
                length: place.length,
                instance: function.instance,
                index: function.index,
                ty: function.ty,
                name: name.map(Into::into),
            });
        }
        Ok(records)
    }

    fn name(&self, linked: &Linked, instance: InstanceId, index: u32) -> Option<&str> {
        let module = linked.instances.get(instance.index())?.module;
        self.modules.get(module)?.names.functions.get(&index).map(|name| &**name)
    }

    fn imports(&self, linked: &Linked) -> Result<Vec<HostImport>, CompileError> {
        let import = |(number, import): (usize, &link::HostImportDef)| {
            let native = linked.types.get(import.ty).host_abi() == HostAbi::Native;
            let spill = native.then(|| self.assembly.start(Symbol::Spill(import.ty))).transpose()?;
            Ok(HostImport {
                instance: import.instance,
                module: import.module.clone(),
                name: import.name.clone(),
                ty: import.ty,
                thunk: self.assembly.start(Symbol::HostThunk(HostImportId(number as u32)))?,
                spill_shim: spill,
            })
        };
        linked.host_imports.iter().enumerate().map(import).collect()
    }

    fn instances(&self, link: &Link) -> Result<Vec<CoreInstance>, CompileError> {
        let instance = |face: &link::InstanceFace| {
            // The host can do nothing with a tag.
            let exports = face.exports.iter().filter(|(_, item)| !matches!(item, LinkedItem::Tag(_)));
            let exports = exports.map(|(name, item)| {
                let item = match *item {
                    LinkedItem::Func(target, ty) => {
                        ExportItem::Func(FuncExport { ty, code_offset: self.assembly.start(target.symbol())? })
                    }
                    LinkedItem::Table(id) => ExportItem::Table(id),
                    LinkedItem::Memory(id) => ExportItem::Memory(id),
                    LinkedItem::Global(id) => ExportItem::Global(id),
                    LinkedItem::Tag(_) => return Err(CompileError::Internal("a tag is no export of an image".into())),
                };
                Ok(Export { name: name.clone(), item })
            });
            let main = face.exports.iter().find_map(|(name, item)| match item {
                LinkedItem::Memory(id) if &**name == "memory" => Some(*id),
                _ => None,
            });
            Ok(CoreInstance {
                name: face.name.clone(),
                exports: exports.collect::<Result<_, CompileError>>()?,
                steps: face.steps.clone(),
                main_memory: main,
            })
        };
        link.faces.iter().map(instance).collect()
    }
}

/// The segments' elements, as far as they can still be read.
fn elem_segments(link: &Link, words: Vec<Vec<u64>>, done: &[InitStep]) -> Vec<ElemSegment> {
    let dropped = |number: usize| link.linked.layout.elem_dropped + 4 * number as u32;
    let segment =
        |(number, words): (usize, Vec<u64>)| ElemSegment { elements: words.into(), dropped_offset: dropped(number) };
    let mut segments: Vec<_> = words.into_iter().enumerate().map(segment).collect();
    for step in done {
        if let StepKind::CoreElem { segment, .. } | StepKind::DropElem { segment } = step.kind
            && let Some(segment) = segments.get_mut(segment.index())
        {
            segment.elements = Box::default();
        }
    }
    segments
}

/// Parts that we made contradict each other only by our mistake; the rest is the kernel's answer.
fn image_error(error: ArtifactError) -> CompileError {
    match error {
        ArtifactError::System { .. } => CompileError::Image(error),
        ArtifactError::CpuFeatures { missing } => {
            CompileError::Target(format!("this machine lacks CPU features that the code uses: {missing}"))
        }
        error => CompileError::Internal(error.to_string()),
    }
}

fn no_code(symbol: Symbol) -> CompileError {
    CompileError::Internal(format!("{symbol:?} has no code"))
}
