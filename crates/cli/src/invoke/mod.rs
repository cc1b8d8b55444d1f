//! `hatchery run --invoke 'name(arguments)'` for components: the call as text, and its result.
//!
//! Values are written in WAVE, the component model's notation: `add(1, 2)`, `greet("you")`, `draw({x: 1, y: -1.5}, [red])`.

pub(crate) mod export;
mod wave;

use anyhow::{Context, anyhow, bail};
use export::Export;
use hatchery::component::{Component, Type, Val};
use wasm_wave::ast::Node;
use wasm_wave::lex::Keyword;
use wasm_wave::parser::{ParserError, ParserErrorKind};
use wasm_wave::untyped::UntypedFuncCall;
use wave::{Ty, Value};

/// A call of an exported function.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) export: Export,
    pub(crate) params: Vec<Val>,
}

impl Call {
    /// The call that is meant by a text.
    ///
    /// # Errors
    ///
    /// What was expected, and where.
    pub(crate) fn parse(component: &Component, text: &str) -> anyhow::Result<Call> {
        let (name, arguments) = text.split_at(text.find('(').unwrap_or(text.len()));
        let export = export::find(component, name.trim())?;
        if arguments.is_empty() {
            bail!("a call is written with its arguments in parentheses: `{export}`");
        }
        check_types(&export)?;
        let params = arguments_of(&export, arguments, name.chars().count())?;
        Ok(Call { export, params })
    }
}

/// The result of a function as text.
pub(crate) fn show(result: Option<&Val>) -> anyhow::Result<String> {
    match result {
        None => Ok("()".to_owned()),
        Some(value) => wasm_wave::to_string(&Value::Written(value)).context("the result cannot be written"),
    }
}

/// Errors when a value cannot be written down: it is the same for nobody else.
fn check_types(export: &Export) -> anyhow::Result<()> {
    let types = export.ty.params().map(|(_, ty)| ty).chain(export.ty.result());
    match types.filter_map(|ty| resource_in(&ty)).next() {
        Some(resource) => bail!("`{export}` passes a resource, `{resource}`, which cannot be written as text"),
        None => Ok(()),
    }
}

/// A handle somewhere in a type.
fn resource_in(ty: &Type) -> Option<Type> {
    let any = |types: &mut dyn Iterator<Item = Type>| types.filter_map(|ty| resource_in(&ty)).next();
    match ty {
        Type::Own(_) | Type::Borrow(_) => Some(ty.clone()),
        Type::List(list) => resource_in(&list.element()),
        Type::FixedList(list) => resource_in(&list.element()),
        Type::Map(map) => any(&mut [map.key(), map.value()].into_iter()),
        Type::Record(record) => any(&mut record.fields().map(|field| field.ty)),
        Type::Tuple(tuple) => any(&mut tuple.types()),
        Type::Variant(variant) => any(&mut variant.cases().filter_map(|case| case.ty)),
        Type::Option(option) => resource_in(&option.some()),
        Type::Result(result) => any(&mut [result.ok(), result.err()].into_iter().flatten()),
        _ => None,
    }
}

/// Reads the arguments in parentheses, before which `before` characters stand.
fn arguments_of(export: &Export, arguments: &str, before: usize) -> anyhow::Result<Vec<Val>> {
    // Any name will do.
    let source = format!("f{arguments}");
    let found = Found { export, source: &source, before };
    let call = UntypedFuncCall::parse(&source).map_err(|error| found.unreadable(&error))?;
    let types: Vec<Ty> = export.ty.params().map(|(_, ty)| Ty(ty)).collect();
    let nodes: Vec<&Node> = match call.params_node() {
        Some(node) => node.as_tuple().map_err(|error| found.unreadable(&error))?.collect(),
        None => Vec::new(),
    };
    // Trailing options can be left out, as in records.
    let optional = types.iter().rev().take_while(|ty| matches!(ty.0, Type::Option(_))).count();
    if nodes.len() > types.len() || nodes.len() + optional < types.len() {
        bail!("`{export}` takes {} arguments, but {} were given", types.len(), nodes.len());
    }
    let params = match call.params_node() {
        Some(_) => call.to_wasm_params::<Value<'static>>(&types),
        // All of them can be left out.
        None => Ok(types.iter().map(|_| Value::Read(Val::Option(None))).collect()),
    };
    let params = params.map_err(|error| found.unexpected(&error, &nodes, &types))?;
    Ok(params.into_iter().map(Value::into_val).collect())
}

/// Where messages about arguments come from.
struct Found<'a> {
    export: &'a Export,
    source: &'a str,
    before: usize,
}

impl Found<'_> {
    /// A text that is no call.
    fn unreadable(&self, error: &ParserError) -> anyhow::Error {
        match error.kind() {
            ParserErrorKind::UnexpectedEnd => {
                anyhow!("the call ends too early; it is written as `{}`", self.export)
            }
            _ => anyhow!("{}: {}; the call is written as `{}`", self.place(error), what(error), self.export),
        }
    }

    /// A value of another type.
    fn unexpected(&self, error: &ParserError, nodes: &[&Node], types: &[Ty]) -> anyhow::Error {
        let span = error.span();
        let inside = |node: &Node| node.span().start <= span.start && span.end <= node.span().end;
        let names = self.export.ty.params().map(|(name, _)| name.to_owned());
        let mut arguments = nodes.iter().zip(types).zip(names);
        match arguments.find(|((node, _), _)| inside(node)) {
            Some(((node, ty), name)) => {
                let (node, expected) = innermost(node, ty.clone(), &span, self.source);
                let what = self.unknown_field(node, &expected).unwrap_or_else(|| what(error));
                let hint = self.keyword(&span, &expected.0).unwrap_or_default();
                let place = self.place(error);
                anyhow!(
                    "{place}: expected {} ({what}{hint}), in the argument `{name}` of `{}`",
                    expected.0,
                    self.export
                )
            }
            None => self.unreadable(error),
        }
    }

    /// A field that is written, and that the type does not have.
    fn unknown_field(&self, node: &Node, ty: &Ty) -> Option<String> {
        let Type::Record(record) = &ty.0 else { return None };
        let mut names = node.as_record(self.source).ok()?.map(|(name, _)| name);
        let name = names.find(|name| record.fields().all(|field| field.name != *name))?;
        Some(format!("there is no field `{name}`"))
    }

    /// How a case is written whose name means something else in WAVE, if that is what was found.
    fn keyword(&self, span: &wasm_wave::lex::Span, ty: &Type) -> Option<String> {
        let text = self.source.get(span.clone())?;
        let name = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
        Keyword::decode(name)?;
        let is_case = match ty {
            Type::Variant(variant) => variant.cases().any(|case| case.name == name),
            Type::Enum(names) => names.names().any(|case| case == name),
            // They can be written as what is in them.
            Type::Option(option) => return self.keyword(span, &option.some()),
            Type::Result(result) => return self.keyword(span, &result.ok()?),
            _ => false,
        };
        is_case.then(|| format!("; the case is written `%{name}`"))
    }

    /// What was found, and where.
    fn place(&self, error: &ParserError) -> String {
        let span = error.span();
        let text = self.source.get(span.clone()).unwrap_or_default();
        // The source has one character for the name.
        let at = self.source.get(..span.start).map_or(0, |before| before.chars().count()) + self.before;
        match text {
            "" => format!("at character {at}"),
            _ => format!("`{text}` at character {at}"),
        }
    }
}

/// What an error says, without its place.
fn what(error: &ParserError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let detail = source.or_else(|| error.detail().map(str::to_owned));
    match (error.kind(), detail) {
        (ParserErrorKind::WasmValueError, Some(detail)) => detail,
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// The innermost part of a value that a span is in, and its type.
fn innermost<'n>(node: &'n Node, ty: Ty, span: &wasm_wave::lex::Span, source: &str) -> (&'n Node, Ty) {
    let inside = |node: &Node| node.span().start <= span.start && span.end <= node.span().end;
    match parts(node, &ty, source).into_iter().find(|(part, _)| inside(part)) {
        Some((part, ty)) => innermost(part, ty, span, source),
        None => (node, ty),
    }
}

/// The parts of a value, with their types.
fn parts<'n>(node: &'n Node, ty: &Ty, source: &str) -> Vec<(&'n Node, Ty)> {
    let found = match &ty.0 {
        Type::List(list) => node.as_list().map(|nodes| nodes.map(|node| (node, Ty(list.element()))).collect()),
        Type::FixedList(list) => node.as_list().map(|nodes| nodes.map(|node| (node, Ty(list.element()))).collect()),
        Type::Tuple(tuple) => node.as_tuple().map(|nodes| nodes.zip(tuple.types().map(Ty)).collect()),
        Type::Record(record) => node.as_record(source).map(|nodes| {
            let ty = |name: &str| record.fields().find(|field| field.name == name).map(|field| Ty(field.ty));
            nodes.filter_map(|(name, node)| Some((node, ty(name)?))).collect()
        }),
        Type::Map(map) => node
            .as_map()
            .map(|nodes| nodes.flat_map(|(key, value)| [(key, Ty(map.key())), (value, Ty(map.value()))]).collect()),
        Type::Variant(variant) => node.as_variant(source).map(|(name, node)| {
            let ty = variant.cases().find(|case| case.name == name).and_then(|case| case.ty);
            node.zip(ty.map(Ty)).into_iter().collect()
        }),
        Type::Option(option) => match node.as_option() {
            Ok(node) => Ok(node.map(|node| (node, Ty(option.some()))).into_iter().collect()),
            // An option can be written as what is in it.
            Err(_) => Ok(parts(node, &Ty(option.some()), source)),
        },
        Type::Result(result) => match node.as_result() {
            Ok(Ok(node)) => Ok(node.zip(result.ok().map(Ty)).into_iter().collect()),
            Ok(Err(node)) => Ok(node.zip(result.err().map(Ty)).into_iter().collect()),
            Err(_) => Ok(result.ok().map_or_else(Vec::new, |ok| parts(node, &Ty(ok), source))),
        },
        _ => Ok(Vec::new()),
    };
    found.unwrap_or_else(|_: ParserError| Vec::new())
}

#[cfg(test)]
mod tests;
