//! Rust names and modules of all types of a world, before any of them is described.

use super::super::choice::Substitutes;
use super::super::model::TypePath;
use super::super::names::{Names, camel};
use super::section::{Section, Side};
use proc_macro2::Ident;
use quote::format_ident;
use std::collections::{HashMap, HashSet};
use wit_parser::{InterfaceId, Resolve, TypeDefKind, TypeId, TypeOwner};

/// What no type in a module is called: the type parameters of what is generated there.
pub(super) const TAKEN: [&str; 2] = ["T", "H"];

/// Where everything is that has a name.
#[derive(Default)]
pub(super) struct Places {
    types: HashMap<(TypeId, Side), TypePath>,
    /// Traits and structs for resources.
    behaviours: HashMap<(TypeId, Side), Ident>,
    /// Rust types that the caller has for resources.
    resources: HashMap<TypeId, TypePath>,
    exported: HashSet<InterfaceId>,
}

/// The name that is given to the caller's path with this number.
pub(super) fn substitute(number: usize) -> Ident {
    format_ident!("__With{number}")
}

impl Places {
    pub(super) fn new(exports: &[Section<'_>]) -> Places {
        Places { exported: exports.iter().filter_map(|section| section.id).collect(), ..Places::default() }
    }

    /// Names everything in a section, whose traits and structs have other names. The types are in `module`.
    pub(super) fn add(
        &mut self,
        resolve: &Resolve,
        section: &Section<'_>,
        others: &[Ident],
        module: &[Ident],
        with: &mut Substitutes<'_>,
    ) {
        let mut names = Names::without(&TAKEN);
        others.iter().for_each(|other| drop(names.take(&other.to_string())));
        let side = section.side;
        for &(name, id) in section.types.iter().filter(|(_, id)| is_resource(resolve, *id)) {
            let behaviour = names.take(&format!("{}{}", prefix(side), camel(name)));
            self.behaviours.insert((id, side), behaviour);
            if let (Side::Host, Some(number)) = (side, with.resource(section.name.as_deref(), name)) {
                self.resources.insert(id, TypePath { module: Vec::new(), ident: substitute(number) });
            }
        }
        for &(name, id) in &section.types {
            let path = TypePath { module: module.to_vec(), ident: names.take(&camel(name)) };
            self.types.insert((id, side), path);
        }
    }

    /// On which side a type is that is named on one.
    pub(super) fn side(&self, resolve: &Resolve, id: TypeId, side: Side) -> Side {
        match resolve.types[id].owner {
            TypeOwner::Interface(interface) if side == Side::Guest && self.exported.contains(&interface) => Side::Guest,
            _ => Side::Host,
        }
    }

    pub(super) fn path(&self, id: TypeId, side: Side) -> Option<&TypePath> {
        self.types.get(&(id, side))
    }

    pub(super) fn behaviour(&self, id: TypeId, side: Side) -> Option<&Ident> {
        self.behaviours.get(&(id, side))
    }

    /// The caller's type for a resource.
    pub(super) fn resource(&self, id: TypeId) -> Option<&TypePath> {
        self.resources.get(&id)
    }
}

/// What the names of traits and structs start with.
pub(super) fn prefix(side: Side) -> &'static str {
    match side {
        Side::Host => "Host",
        Side::Guest => "Guest",
    }
}

/// Whether a resource has its definition here.
pub(super) fn is_resource(resolve: &Resolve, id: TypeId) -> bool {
    matches!(resolve.types[id].kind, TypeDefKind::Resource)
}
