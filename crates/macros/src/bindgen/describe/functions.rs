//! Functions of a package as methods.

use super::super::choice::Choice;
use super::super::model::{Function, Resource, Type};
use super::super::names::{Names, snake};
use super::Describer;
use super::places::is_resource;
use super::section::{Section, Side};
use super::types::MOST_IN_A_TUPLE;
use std::collections::HashSet;
use wit_parser::{AccessorKind, Function as Wit, FunctionKind, Type as WitType, TypeDefKind, TypeId};

/// The choices that concern functions of the host.
pub(super) struct Choices<'a> {
    pub(super) asynchronous: Choice<'a>,
    pub(super) trappable: Choice<'a>,
}

impl Describer<'_> {
    /// The functions of a section that belong to no resource.
    pub(super) fn functions(&self, section: &Section<'_>, choices: &mut Choices<'_>) -> Result<Vec<Function>, String> {
        self.methods(section, None, choices)
    }

    /// The resources of a section, with their functions.
    pub(super) fn resources(&self, section: &Section<'_>, choices: &mut Choices<'_>) -> Result<Vec<Resource>, String> {
        let mut resources = Vec::new();
        for &(name, id) in section.types.iter().filter(|(_, id)| is_resource(self.resolve, *id)) {
            let places = (self.places.path(id, section.side), self.places.behaviour(id, section.side));
            let (Some(path), Some(behaviour)) = places else { continue };
            resources.push(Resource {
                name: name.to_owned(),
                ident: path.ident.clone(),
                behaviour: behaviour.clone(),
                docs: self.resolve.types[id].docs.contents.clone(),
                functions: self.methods(section, Some(id), choices)?,
            });
        }
        Ok(resources)
    }

    fn methods(
        &self,
        section: &Section<'_>,
        of: Option<TypeId>,
        choices: &mut Choices<'_>,
    ) -> Result<Vec<Function>, String> {
        // The host has to drop its resources, and what the component has is made by `new`.
        let mut names = Names::without(if of.is_some() { &["drop"] } else { &[] });
        let functions = section.functions.iter().filter(|function| function.kind.resource() == of);
        functions.map(|function| self.function(function, section, &mut names, choices)).collect()
    }

    fn function(
        &self,
        function: &Wit,
        section: &Section<'_>,
        names: &mut Names,
        choices: &mut Choices<'_>,
    ) -> Result<Function, String> {
        let shown = shown(&function.name);
        let place = || format!(": see the function `{shown}` at {}", self.location(function.span));
        supported(function).map_err(|e| e + &place())?;
        let (params, result) = self.signature(function, section.side).map_err(|e| e + &place())?;
        let name = method_name(function);
        let chosen = |choice: &mut Choice<'_>| {
            section.side == Side::Host && choice.has(section.name.as_deref(), [&shown, &function.name])
        };
        Ok(Function {
            name: function.name.clone(),
            ident: if section.side == Side::Host { names.take(&name) } else { names.take_pair(&name) },
            docs: function.docs.contents.clone(),
            params,
            result,
            asynchronous: chosen(&mut choices.asynchronous),
            trappable: chosen(&mut choices.trappable),
            shown: shown.clone(),
        })
    }

    #[expect(clippy::type_complexity, reason = "parameters and result, once")]
    fn signature(&self, function: &Wit, side: Side) -> Result<(Vec<(proc_macro2::Ident, Type)>, Option<Type>), String> {
        let mut names = Names::without(&["instance"]);
        let params = function.params.iter();
        let params = params.map(|param| Ok((names.take(&snake(&param.name)), self.ty(&param.ty, side)?)));
        let result = function.result.as_ref().map(|ty| self.ty(ty, side)).transpose()?;
        Ok((params.collect::<Result<_, String>>()?, result))
    }

    /// Types that say why functions fail.
    pub(super) fn errors(&self, sections: &[&Section<'_>]) -> HashSet<TypeId> {
        let functions = sections.iter().flat_map(|section| &section.functions);
        functions.filter_map(|function| self.error(function.result?)).collect()
    }

    fn error(&self, result: WitType) -> Option<TypeId> {
        let WitType::Id(result) = result else { return None };
        match &self.resolve.types[self.original(result)].kind {
            TypeDefKind::Result(result) => match result.err? {
                WitType::Id(error) => Some(self.original(error)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `[method]file.size` as `file.size`. What gets a property and what sets it have one name.
fn shown(name: &str) -> String {
    match name.strip_prefix("[constructor]") {
        Some(resource) => format!("{resource}.constructor"),
        None => name.rsplit_once(']').map_or(name, |(_, name)| name).to_owned(),
    }
}

/// The name of a method: `size` for what gets a property, `set_size` for what sets it.
fn method_name(function: &Wit) -> String {
    let name = snake(function.item_name());
    if function.kind.accessor() == Some(AccessorKind::Setter) { format!("set_{name}") } else { name }
}

fn supported(function: &Wit) -> Result<(), String> {
    if function.params.len() > MOST_IN_A_TUPLE {
        let count = function.params.len();
        return Err(format!("there are {count} parameters, and bindings have at most {MOST_IN_A_TUPLE}"));
    }
    match function.kind {
        FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) | FunctionKind::AsyncStatic(_) => {
            Err("bindings do not support `async`".to_owned())
        }
        FunctionKind::Freestanding
        | FunctionKind::Getter
        | FunctionKind::Setter
        | FunctionKind::Method(_)
        | FunctionKind::MethodGetter(_)
        | FunctionKind::MethodSetter(_)
        | FunctionKind::Static(_)
        | FunctionKind::StaticGetter(_)
        | FunctionKind::StaticSetter(_)
        | FunctionKind::Constructor(_) => Ok(()),
    }
}
