//! A binary to definitions, in order, after the validator has seen all of it but for bodies of functions.

use super::bodies::Bodies;
use super::budget::Meter;
use super::error::TranslateError;
use super::{features, values};
use std::ops::Range;
use wasmparser::types::Types;
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentImport, ComponentInstance, ComponentStartFunction,
    ComponentType, Encoding, FromReader, FuncToValidate, FunctionBody, Import, Instance, Parser, Payload,
    SectionLimited, ValidPayload, Validator, ValidatorResources,
};

/// A component that is valid but, perhaps, for bodies, with all components and core modules in it, however deep.
pub(super) struct Program<'a> {
    /// The root is the first one.
    pub(super) components: Vec<Vec<Definition<'a>>>,
    pub(super) modules: Vec<Module<'a>>,
    /// What the validator knows of the root.
    pub(super) types: Types,
}

/// A core module in the binary.
pub(super) struct Module<'a> {
    pub(super) range: Range<usize>,
    pub(super) imports: Vec<Import<'a>>,
}

/// A definition of a component. Core types are none: nothing that is left of a component refers to them.
pub(super) enum Definition<'a> {
    /// The module's number in [`Program::modules`].
    Module(usize),
    CoreInstance(Instance<'a>),
    /// The component's number in [`Program::components`].
    Component(usize),
    Instance(ComponentInstance<'a>),
    Alias(ComponentAlias<'a>),
    Type(ComponentType<'a>),
    Canon(CanonicalFunction),
    Start(ComponentStartFunction),
    Import(ComponentImport<'a>),
    Export(ComponentExport<'a>),
}

/// What is in a binary.
pub(super) struct Decoded<'a> {
    pub(super) program: Program<'a>,
    /// What has not been validated.
    pub(super) bodies: Bodies<'a>,
    /// What we refuse of it, if it is valid.
    pub(super) refusal: Option<TranslateError>,
}

/// Validates `bytes`, bodies aside, and collects the definitions.
pub(super) fn decode<'a>(bytes: &'a [u8], meter: &mut Meter) -> Result<Decoded<'a>, TranslateError> {
    let mut decoder = Decoder {
        meter,
        components: Vec::new(),
        modules: Vec::new(),
        open: Vec::new(),
        bodies: Bodies::default(),
        refusal: None,
    };
    let types = decoder.payloads(bytes).map_err(|error| error.explain(bytes))?;
    let Decoder { components, modules, bodies, refusal, .. } = decoder;
    Ok(Decoded { program: Program { components, modules, types }, bodies, refusal })
}

/// What ends decoding.
enum DecodeError {
    Binary(wasmparser::Error),
    Refused(TranslateError),
}

impl DecodeError {
    fn explain(self, bytes: &[u8]) -> TranslateError {
        match self {
            DecodeError::Binary(error) => features::explain(bytes, &error),
            DecodeError::Refused(error) => error,
        }
    }
}

impl From<wasmparser::Error> for DecodeError {
    fn from(error: wasmparser::Error) -> DecodeError {
        DecodeError::Binary(error)
    }
}

impl From<TranslateError> for DecodeError {
    fn from(error: TranslateError) -> DecodeError {
        DecodeError::Refused(error)
    }
}

/// What the payloads at hand are of.
#[derive(Clone, Copy)]
enum Open {
    Component(usize),
    Module(usize),
}

struct Decoder<'a, 'm> {
    meter: &'m mut Meter,
    components: Vec<Vec<Definition<'a>>>,
    modules: Vec<Module<'a>>,
    /// Innermost last.
    open: Vec<Open>,
    bodies: Bodies<'a>,
    /// The first thing that is valid and that we refuse.
    refusal: Option<TranslateError>,
}

impl<'a> Decoder<'a, '_> {
    /// Validates and keeps every section; function bodies are validated later.
    fn payloads(&mut self, bytes: &'a [u8]) -> Result<Types, DecodeError> {
        let mut validator = Validator::new_with_features(features::supported());
        let mut parser = Parser::new(0);
        parser.set_features(features::supported());
        let mut root = None;
        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            match validator.payload(&payload)? {
                ValidPayload::Func(function, body) => self.body(function, body)?,
                ValidPayload::End(types) => {
                    self.open.pop();
                    root = Some(types);
                }
                _ => self.payload(payload, bytes)?,
            }
        }
        match root {
            Some(types) if self.open.is_empty() => Ok(types),
            _ => Err(TranslateError::Internal("the validator accepts a component that does not end").into()),
        }
    }

    fn payload(&mut self, payload: Payload<'a>, bytes: &'a [u8]) -> Result<(), DecodeError> {
        match payload {
            Payload::Version { encoding, .. } => self.version(encoding)?,
            Payload::ModuleSection { unchecked_range, .. } => self.module(unchecked_range, bytes)?,
            Payload::ImportSection(imports) => self.module_imports(imports)?,
            Payload::ComponentSection { .. } => self.component()?,
            Payload::InstanceSection(section) => self.section(section, Definition::CoreInstance)?,
            Payload::ComponentInstanceSection(section) => self.section(section, Definition::Instance)?,
            Payload::ComponentAliasSection(section) => self.section(section, Definition::Alias)?,
            Payload::ComponentTypeSection(section) => self.section(section, Definition::Type)?,
            Payload::ComponentCanonicalSection(section) => self.section(section, Definition::Canon)?,
            Payload::ComponentStartSection { start, range } => self.define(Definition::Start(start), range.start)?,
            Payload::ComponentImportSection(section) => self.section(section, Definition::Import)?,
            Payload::ComponentExportSection(section) => self.section(section, Definition::Export)?,
            // The rest is of core modules, which are decoded when they are compiled, or custom.
            _ => {}
        }
        Ok(())
    }

    /// The root's version; modules and components in it have been opened already.
    fn version(&mut self, encoding: Encoding) -> Result<(), TranslateError> {
        if !self.open.is_empty() {
            return Ok(());
        }
        if encoding == Encoding::Module {
            let message = "this is a core module, not a component".to_owned();
            return Err(TranslateError::Invalid { offset: 0, message });
        }
        self.components.push(Vec::new());
        self.open.push(Open::Component(0));
        Ok(())
    }

    fn component(&mut self) -> Result<(), TranslateError> {
        let number = self.components.len();
        self.define(Definition::Component(number), 0)?;
        self.components.push(Vec::new());
        self.open.push(Open::Component(number));
        Ok(())
    }

    fn module(&mut self, range: Range<u64>, bytes: &[u8]) -> Result<(), TranslateError> {
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let range = range.map(|(start, end)| start..end).filter(|range| bytes.get(range.clone()).is_some());
        let range = range.ok_or_else(|| out_of_binary(bytes))?;
        let number = self.modules.len();
        self.define(Definition::Module(number), 0)?;
        self.modules.push(Module { range, imports: Vec::new() });
        self.open.push(Open::Module(number));
        Ok(())
    }

    fn body(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: FunctionBody<'a>,
    ) -> Result<(), TranslateError> {
        let Some(Open::Module(number)) = self.open.last().copied() else {
            return Err(TranslateError::Internal("a function outside of a core module"));
        };
        self.bodies.push(number, function, body);
        Ok(())
    }

    fn module_imports(&mut self, section: wasmparser::ImportSectionReader<'a>) -> Result<(), DecodeError> {
        let Some(Open::Module(number)) = self.open.last().copied() else {
            return Err(TranslateError::Internal("imports outside of a core module").into());
        };
        let Some(module) = self.modules.get_mut(number) else {
            return Err(TranslateError::Internal("a core module that has not begun").into());
        };
        for import in section.into_imports() {
            module.imports.push(import?);
        }
        Ok(())
    }

    fn section<T: FromReader<'a>>(
        &mut self,
        section: SectionLimited<'a, T>,
        definition: impl Fn(T) -> Definition<'a>,
    ) -> Result<(), DecodeError> {
        for item in section.into_iter_with_offsets() {
            let (offset, item) = item?;
            self.define(definition(item), offset)?;
        }
        Ok(())
    }

    fn define(&mut self, definition: Definition<'a>, offset: u64) -> Result<(), TranslateError> {
        self.meter.define(0, 0)?;
        if let (Some(what), None) = (values::used_by(&definition), &self.refusal) {
            self.refusal = Some(TranslateError::Unsupported {
                proposal: "component model values",
                offset: usize::try_from(offset).unwrap_or(usize::MAX),
                message: what.to_owned(),
            });
        }
        let Some(Open::Component(number)) = self.open.last().copied() else {
            return Err(TranslateError::Internal("a definition outside of a component"));
        };
        let Some(component) = self.components.get_mut(number) else {
            return Err(TranslateError::Internal("a component that has not begun"));
        };
        component.push(definition);
        Ok(())
    }
}

/// The validator leaves it to us whether a module's bytes are there.
fn out_of_binary(bytes: &[u8]) -> TranslateError {
    TranslateError::Invalid { offset: bytes.len(), message: "unexpected end of a core module".to_owned() }
}
