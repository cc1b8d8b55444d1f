//! From packages, as they were read, to a world as plain data.

mod functions;
mod places;
mod section;
mod types;

use super::choice::{Choice, Substitutes};
use super::model::{Interface, Substitute, Type, World};
use super::names::{Names, camel, ident};
use super::options::Options;
use super::source::Source;
use functions::Choices;
use places::{Places, TAKEN, prefix, substitute};
use proc_macro2::Ident;
use quote::format_ident;
use section::{Section, Side};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use syn::{Error, Result};
use wit_parser::{Resolve, TypeId};

/// What all of the description looks at.
struct Describer<'a> {
    resolve: &'a Resolve,
    places: Places,
    /// Types with names that were found already: each may be named by two others, as often as that goes on.
    known: RefCell<HashMap<(TypeId, Side), Type>>,
}

/// The sections of a world.
struct Sections<'a> {
    root: Section<'a>,
    imports: Vec<Section<'a>>,
    /// Which of the imports the caller has a module for.
    foreign: Vec<Option<usize>>,
    exports: Vec<Section<'a>>,
    /// What is exported without an interface.
    functions: Section<'a>,
}

/// Describes the world of a source.
pub(super) fn describe(source: &Source, options: &Options) -> Result<World> {
    let failed = |message: String| Error::new(options.span(), message);
    let mut with = Substitutes::new(&options.with);
    let sections = Sections::new(source, &mut with).map_err(failed)?;
    let describer = Describer::new(source, &sections, &mut with);
    let mut choices =
        Choices { asynchronous: Choice::new(&options.asynchronous), trappable: Choice::new(&options.trappable) };
    let mut world = describer.world(source, &sections, &mut choices).map_err(failed)?;
    let paths = options.with.iter().enumerate();
    let substitutes = paths.map(|(number, (_, path))| Substitute {
        ident: substitute(number),
        path: path.clone(),
        is_module: sections.foreign.contains(&Some(number)),
    });
    world.substitutes = substitutes.collect();
    with.finish()?;
    choices.asynchronous.finish(&world.elsewhere)?;
    choices.trappable.finish(&world.elsewhere)?;
    Ok(world)
}

impl<'a> Sections<'a> {
    fn new(source: &'a Source, with: &mut Substitutes<'_>) -> std::result::Result<Sections<'a>, String> {
        let world = &source.resolve.worlds[source.world];
        let imports = Section::interfaces(&source.resolve, world, Side::Host)?;
        let foreign = imports.iter().map(|section| with.interface(section.name.as_deref()?)).collect();
        Ok(Sections {
            root: Section::root(world, Side::Host),
            imports,
            foreign,
            exports: Section::interfaces(&source.resolve, world, Side::Guest)?,
            functions: Section::root(world, Side::Guest),
        })
    }

    /// The names of imports that the caller has a module for, and that have functions.
    fn elsewhere(&self, resolve: &Resolve) -> Vec<String> {
        let imports = self.imports.iter().zip(&self.foreign);
        let elsewhere = imports.filter(|(section, foreign)| foreign.is_some() && !section.is_passive(resolve));
        elsewhere.filter_map(|(section, _)| section.name.clone()).collect()
    }

    fn all(&self) -> Vec<&Section<'a>> {
        [&self.root, &self.functions].into_iter().chain(&self.imports).chain(&self.exports).collect()
    }
}

impl<'a> Describer<'a> {
    fn new(source: &'a Source, sections: &Sections<'_>, with: &mut Substitutes<'_>) -> Describer<'a> {
        let (resolve, world) = (&source.resolve, &source.resolve.worlds[source.world].name);
        let mut places = Places::new(&sections.exports);
        places.add(resolve, &sections.root, &[struct_of(world), imports_of(world)], &[], with);
        for (section, foreign) in sections.imports.iter().zip(&sections.foreign) {
            let module = foreign.map_or_else(|| section.module.clone(), |number| vec![substitute(number)]);
            places.add(resolve, section, &[ident(prefix(Side::Host))], &module, with);
        }
        for section in &sections.exports {
            places.add(resolve, section, &[ident(prefix(Side::Guest))], &section.module, with);
        }
        Describer { resolve, places, known: RefCell::default() }
    }

    fn world(
        &self,
        source: &Source,
        sections: &Sections<'_>,
        choices: &mut Choices<'_>,
    ) -> std::result::Result<World, String> {
        let world = &self.resolve.worlds[source.world];
        let errors = self.errors(&sections.all());
        let mut imports = Vec::new();
        for (section, foreign) in sections.imports.iter().zip(&sections.foreign) {
            if foreign.is_none() {
                imports.push(self.interface(section, ident(prefix(Side::Host)), &errors, choices)?);
            }
        }
        let mut exports = Vec::new();
        for section in &sections.exports {
            exports.push(self.interface(section, ident(prefix(Side::Guest)), &errors, choices)?);
        }
        Ok(World {
            root: self.interface(&sections.root, imports_of(&world.name), &errors, choices)?,
            functions: self.functions(&sections.functions, choices)?,
            name: world.name.clone(),
            ident: struct_of(&world.name),
            docs: world.docs.contents.clone(),
            imports,
            exports,
            elsewhere: sections.elsewhere(self.resolve),
            substitutes: Vec::new(),
        })
    }

    fn interface(
        &self,
        section: &Section<'_>,
        head: Ident,
        errors: &HashSet<TypeId>,
        choices: &mut Choices<'_>,
    ) -> std::result::Result<Interface, String> {
        let types = section.types.iter();
        let types = types.map(|(name, id)| self.definition(name, *id, section.side, errors));
        Ok(Interface {
            name: section.name.clone(),
            module: section.module.clone(),
            ident: head,
            docs: section.docs.clone(),
            types: types.collect::<std::result::Result<_, _>>()?,
            functions: self.functions(section, choices)?,
            resources: self.resources(section, choices)?,
        })
    }
}

/// The struct that stands for a world.
fn struct_of(world: &str) -> Ident {
    Names::without(&TAKEN).take(&camel(world))
}

/// The trait of what a world imports without an interface.
fn imports_of(world: &str) -> Ident {
    format_ident!("{}Imports", camel(world))
}
