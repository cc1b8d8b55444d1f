//! One binary to one validated [`Module`]. Nothing behind this sees invalid input, and nothing here
//! knows that there are other modules.

mod allowance;
mod body;
mod constant;
mod features;
mod gc;
mod handlers;
mod module;
mod names;

pub(crate) use allowance::{Allowance, VALUES};
pub(crate) use body::duplicate;
pub(crate) use constant::{Const, ConstOp};
pub use features::Features;
pub(crate) use module::{
    Body, DataDecl, ElemDecl, ElemMode, ExportDecl, GlobalDecl, ImportDecl, ImportType, Item, Limits, MemoryDecl,
    Module, TableDecl,
};

use crate::error::{Budget, BudgetError, CompileError};
use body::{BodyError, Findings};
use constant::ConstError;
use features::Refusal;
use rayon::prelude::*;
use std::sync::Arc;
use wasmparser::{
    DataKind, ElementItems, ElementKind, FuncToValidate, FunctionBody, KnownCustom, Parser, Payload, TableInit,
    ValidPayload, Validator, ValidatorResources,
};

/// Most bytes of a binary: offsets into it are 32-bit numbers.
const MAX_MODULE: usize = u32::MAX as usize - 1;

/// Checks that `bytes` are a module that [`compile`](crate::compile) accepts, whatever its imports.
///
/// # Errors
///
/// When they are malformed or invalid, or need a proposal that is not supported.
pub fn validate(bytes: &[u8]) -> Result<(), CompileError> {
    validate_as(bytes, Features::All)
}

/// [`validate`], as a module of another version of the specification.
///
/// # Errors
///
/// Those of [`validate`].
pub fn validate_as(bytes: &[u8], features: Features) -> Result<(), CompileError> {
    let allowance = Allowance::new(Budget::default().values_of(bytes.len() as u64));
    let decoded = decode(&Arc::from(bytes), features, &allowance);
    decoded.map(drop).map_err(|error| error.explain(bytes, 0, features, &allowance))
}

/// Decodes and validates a binary.
pub(crate) fn decode(bytes: &Arc<[u8]>, features: Features, allowance: &Allowance) -> Result<Module, DecodeError> {
    if bytes.len() > MAX_MODULE {
        let (needed, allowed) = (bytes.len() as u64, MAX_MODULE as u64);
        return Err(BudgetError { what: "bytes in one module", needed, allowed }.into());
    }
    // Invalid comes before unsupported, so a refusal of ours waits until the validator has seen all.
    let mut decoder = Decoder { module: Module::new(bytes.clone()), refusal: None };
    let bodies = decoder.sections(bytes, features)?;
    let found = validate_bodies(&bodies, allowance)?;
    if let Some(refusal) = decoder.refusal {
        return Err(refusal);
    }
    decoder.module.grown_tables = found.grown_tables;
    decoder.module.grows_memory = found.grows_memory;
    decoder.module.values = found.values;
    decoder.module.bodies.reserve_exact(bodies.len());
    for (validator, body) in bodies {
        let range = to_usize(body.range());
        decoder.module.bodies.push(Body { range, validator });
    }
    Ok(decoder.module)
}

/// Why a binary is refused.
#[derive(Debug)]
pub(crate) enum DecodeError {
    Binary(wasmparser::Error),
    NeedsGc { offset: u64, what: &'static str },
    Budget(BudgetError),
}

impl DecodeError {
    /// In words, of the binary that is number `module` in messages. Which proposal one needs is found by validating it again a
    /// few times, each with as much allowed as at first.
    pub(crate) fn explain(
        self,
        bytes: &[u8],
        module: usize,
        features: Features,
        allowance: &Allowance,
    ) -> CompileError {
        match self {
            DecodeError::Binary(error) => Refusal { bytes, module, features, allowance }.explain(&error),
            DecodeError::NeedsGc { offset, what } => CompileError::Unsupported {
                module,
                proposal: "garbage collection",
                offset: usize::try_from(offset).unwrap_or(usize::MAX),
                message: format!("{what} needs it"),
            },
            DecodeError::Budget(error) => error.into(),
        }
    }
}

impl From<BudgetError> for DecodeError {
    fn from(error: BudgetError) -> DecodeError {
        DecodeError::Budget(error)
    }
}

impl From<wasmparser::Error> for DecodeError {
    fn from(error: wasmparser::Error) -> DecodeError {
        DecodeError::Binary(error)
    }
}

impl From<BodyError> for DecodeError {
    fn from(error: BodyError) -> DecodeError {
        match error {
            BodyError::Invalid(error) => DecodeError::Binary(error),
            BodyError::NeedsGc { offset, what } => DecodeError::NeedsGc { offset, what },
            BodyError::Budget(error) => DecodeError::Budget(error),
        }
    }
}

type Bodies<'a> = Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'a>)>;

/// Validates all bodies; of several errors, the first in the binary is reported, and an invalid body
/// before one that only needs what is not supported. Where there are too many values, the rest of the bodies is left alone.
fn validate_bodies(bodies: &Bodies<'_>, allowance: &Allowance) -> Result<Findings, DecodeError> {
    let check = |scratch: &mut _, (function, body): &(_, FunctionBody<'_>)| {
        let mut findings = Findings::default();
        body::validate(duplicate(function), body, scratch, allowance, &mut findings).map(|()| findings)
    };
    let results: Vec<_> = bodies.par_iter().map_init(Default::default, check).collect();
    let mut all = Findings::default();
    let mut refusal = None;
    for result in results {
        match result {
            Ok(findings) => {
                all.grown_tables.extend(findings.grown_tables);
                all.grows_memory |= findings.grows_memory;
                all.values = all.values.saturating_add(findings.values);
            }
            Err(error @ (BodyError::Invalid(_) | BodyError::Budget(_))) => return Err(error.into()),
            Err(needs_gc) => refusal = refusal.or(Some(needs_gc)),
        }
    }
    refusal.map_or(Ok(all), |refusal| Err(refusal.into()))
}

/// Collects the sections of a module.
struct Decoder {
    module: Module,
    /// The first thing that is valid and that we refuse.
    refusal: Option<DecodeError>,
}

impl Decoder {
    /// Validates and keeps every section; bodies are validated later.
    fn sections<'a>(&mut self, bytes: &'a [u8], features: Features) -> Result<Bodies<'a>, wasmparser::Error> {
        let mut validator = Validator::new_with_features(features.wasm());
        let mut parser = Parser::new(0);
        parser.set_features(features.wasm());
        let mut bodies = Vec::new();
        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            match validator.payload(&payload)? {
                ValidPayload::Func(function, body) => bodies.push((function, body)),
                _ => self.section(payload)?,
            }
        }
        Ok(bodies)
    }

    fn refuse(&mut self, offset: u64, needs: gc::Needs) {
        if let (Err(what), None) = (needs, &self.refusal) {
            self.refusal = Some(DecodeError::NeedsGc { offset, what });
        }
    }

    /// Keeps a validated constant expression. One that we refuse becomes null, as it will not be looked at.
    fn constant(&mut self, expression: &wasmparser::ConstExpr<'_>) -> Result<Const, wasmparser::Error> {
        match self.module.constants.add(expression) {
            Ok(constant) => Ok(constant),
            Err(ConstError::Binary(error)) => Err(error),
            Err(ConstError::Unsupported(what)) => {
                self.refuse(expression.get_binary_reader().original_position(), Err(what));
                Ok(self.module.constants.add_null())
            }
        }
    }

    /// Keeps what a validated section says.
    fn section(&mut self, payload: Payload<'_>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::TypeSection(section) => {
                let offset = section.range().start;
                for group in section {
                    let group = group?;
                    self.refuse(offset, gc::check_rec_group(&group));
                    self.module.rec_groups.push(group);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    self.refuse(offset, check_import(&import.ty));
                    self.module.import(&import);
                }
            }
            Payload::FunctionSection(section) => {
                self.module.functions = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::TableSection(section) => self.tables(section)?,
            Payload::MemorySection(section) => {
                for memory in section {
                    self.module.memories.push(MemoryDecl::new(&memory?));
                }
            }
            Payload::TagSection(section) => {
                for tag in section {
                    self.module.tags.push(tag?.func_type_idx);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    let offset = global.init_expr.get_binary_reader().original_position();
                    self.refuse(offset, gc::check_value(global.ty.content_type));
                    let init = self.constant(&global.init_expr)?;
                    self.module.globals.push(GlobalDecl { ty: global.ty, init });
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.module.export(export.name, export.kind, export.index);
                }
            }
            Payload::StartSection { func, .. } => self.module.start = Some(func),
            Payload::ElementSection(section) => self.elements(section)?,
            Payload::DataSection(section) => self.data(section)?,
            Payload::CodeSectionStart { size, .. } => self.module.code_bytes = size,
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.module.names.read(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<(), wasmparser::Error> {
        for table in section.into_iter_with_offsets() {
            let (offset, table) = table?;
            self.refuse(offset, gc::check_ref(table.ty.element_type));
            let init = match &table.init {
                TableInit::RefNull => None,
                TableInit::Expr(expression) => Some(self.constant(expression)?),
            };
            self.module.tables.push(TableDecl::new(&table.ty, init));
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), wasmparser::Error> {
        for element in section.into_iter_with_offsets() {
            let (offset, element) = element?;
            let mode = match &element.kind {
                ElementKind::Passive => ElemMode::Passive,
                ElementKind::Declared => ElemMode::Declared,
                ElementKind::Active { table_index, offset_expr } => {
                    ElemMode::Active { table: table_index.unwrap_or(0), offset: self.constant(offset_expr)? }
                }
            };
            let mut items = Vec::new();
            match element.items {
                ElementItems::Functions(functions) => {
                    for function in functions {
                        items.push(self.module.constants.add_function(function?));
                    }
                }
                ElementItems::Expressions(ty, expressions) => {
                    self.refuse(offset, gc::check_ref(ty));
                    for expression in expressions {
                        items.push(self.constant(&expression?)?);
                    }
                }
            }
            self.module.elems.push(ElemDecl { mode, items });
        }
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'_>) -> Result<(), wasmparser::Error> {
        for data in section {
            let data = data?;
            // The bytes end where the segment ends.
            let end = usize::try_from(data.range.end).unwrap_or(usize::MAX);
            let range = end.saturating_sub(data.data.len())..end;
            let active = match &data.kind {
                DataKind::Passive => None,
                DataKind::Active { memory_index, offset_expr } => Some((*memory_index, self.constant(offset_expr)?)),
            };
            self.module.data.push(DataDecl { active, range });
        }
        Ok(())
    }
}

fn check_import(ty: &wasmparser::TypeRef) -> gc::Needs {
    match ty {
        wasmparser::TypeRef::Table(ty) => gc::check_ref(ty.element_type),
        wasmparser::TypeRef::Global(ty) => gc::check_value(ty.content_type),
        _ => Ok(()),
    }
}

fn to_usize(range: core::ops::Range<u64>) -> core::ops::Range<usize> {
    let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
    at(range.start)..at(range.end)
}
