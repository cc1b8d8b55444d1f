//! What a world consists of: interfaces that it imports and exports, and what has none.

use super::super::names::{ident, snake};
use super::places::is_resource;
use proc_macro2::Ident;
use wit_parser::{Function, InterfaceId, PackageId, Resolve, TypeId, World, WorldItem, WorldKey};

/// Who provides what is in an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// The host: the world imports it.
    Host,
    /// The component: the world exports it.
    Guest,
}

/// The module of what is exported.
pub(super) const EXPORTS: &str = "exports";

/// An interface on one side, or what has none.
pub(super) struct Section<'a> {
    pub(super) side: Side,
    /// The interface, unless there is none.
    pub(super) id: Option<InterfaceId>,
    pub(super) name: Option<String>,
    pub(super) module: Vec<Ident>,
    pub(super) docs: Option<String>,
    pub(super) types: Vec<(&'a str, TypeId)>,
    pub(super) functions: Vec<&'a Function>,
}

impl<'a> Section<'a> {
    /// What a world has without an interface.
    pub(super) fn root(world: &'a World, side: Side) -> Section<'a> {
        let items = items(world, side);
        let types = items.iter().filter_map(|(key, item)| match (key, item) {
            (WorldKey::Name(name), WorldItem::Type { id, .. }) => Some((name.as_str(), *id)),
            _ => None,
        });
        let functions = items.values().filter_map(|item| match item {
            WorldItem::Function(function) => Some(function),
            _ => None,
        });
        let (types, functions) = (types.collect(), functions.collect());
        Section { side, id: None, name: None, module: Vec::new(), docs: None, types, functions }
    }

    /// The interfaces of a world.
    pub(super) fn interfaces(resolve: &'a Resolve, world: &'a World, side: Side) -> Result<Vec<Section<'a>>, String> {
        let mut sections = Vec::new();
        for (key, item) in items(world, side) {
            if let WorldItem::Interface { id, .. } = item {
                if resolve.implements_interface(key, item).is_some() {
                    return Err(format!(
                        "the world has an interface by another name, `{}`, which bindings do not support",
                        resolve.name_world_key(key)
                    ));
                }
                sections.push(Section::interface(resolve, key, *id, side));
            }
        }
        Ok(sections)
    }

    fn interface(resolve: &'a Resolve, key: &WorldKey, id: InterfaceId, side: Side) -> Section<'a> {
        let interface = &resolve.interfaces[id];
        Section {
            side,
            id: Some(id),
            name: Some(resolve.name_world_key(key)),
            module: module(resolve, key, side),
            docs: interface.docs.contents.clone(),
            types: interface.types.iter().map(|(name, id)| (name.as_str(), *id)).collect(),
            functions: interface.functions.values().collect(),
        }
    }

    /// Whether there are only types in it.
    pub(super) fn is_passive(&self, resolve: &Resolve) -> bool {
        self.functions.is_empty() && !self.types.iter().any(|(_, id)| is_resource(resolve, *id))
    }
}

fn items(world: &World, side: Side) -> &wit_parser::IndexMap<WorldKey, WorldItem> {
    match side {
        Side::Host => &world.imports,
        Side::Guest => &world.exports,
    }
}

/// The module of an interface: `namespace::package::interface`, or its own name if the world has its definition.
fn module(resolve: &Resolve, key: &WorldKey, side: Side) -> Vec<Ident> {
    let mut path = match key {
        WorldKey::Name(name) => vec![first(name)],
        WorldKey::Interface(id) => in_package(resolve, *id),
    };
    if side == Side::Guest {
        path.insert(0, ident(EXPORTS));
    }
    path
}

fn in_package(resolve: &Resolve, id: InterfaceId) -> Vec<Ident> {
    let interface = &resolve.interfaces[id];
    let name = ident(&snake(interface.name.as_deref().unwrap_or("interface")));
    match interface.package {
        Some(package) => vec![first(&resolve.packages[package].name.namespace), package_module(resolve, package), name],
        None => vec![name],
    }
}

/// A module beside the one of what is exported.
fn first(name: &str) -> Ident {
    let name = snake(name);
    ident(&if name == EXPORTS { format!("{name}_") } else { name })
}

/// The module of a package, with its version if there are several of them.
fn package_module(resolve: &Resolve, id: PackageId) -> Ident {
    let package = &resolve.packages[id].name;
    let same = |(_, other): &(PackageId, &wit_parser::Package)| {
        (&other.name.namespace, &other.name.name) == (&package.namespace, &package.name)
    };
    let name = snake(&package.name);
    match &package.version {
        Some(version) if resolve.packages.iter().filter(same).count() > 1 => {
            ident(&format!("{name}{}", version.to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "_")))
        }
        _ => ident(&name),
    }
}
