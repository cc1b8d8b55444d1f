//! What a component exports and imports, by name.

use super::names::matching;
use super::types::{FuncType, ResourceType, Type};
use crate::error::{Error, ErrorKind};
use hatchery_component::meta::{Export, ExportFunc, Meta};
use std::sync::Arc;

/// Names that lead to an export: that of a function, or those of the interface and the function.
///
/// A version in an interface's name matches compatible ones, too.
pub trait ExportPath: sealed::Path {}

impl<P: sealed::Path> ExportPath for P {}

pub(crate) mod sealed {
    pub trait Path {
        /// Does something with the names.
        fn with<R>(&self, look: impl FnOnce(&[&str]) -> R) -> R;
    }
}

impl sealed::Path for &str {
    #[inline]
    fn with<R>(&self, look: impl FnOnce(&[&str]) -> R) -> R {
        look(&[self])
    }
}

impl sealed::Path for &String {
    #[inline]
    fn with<R>(&self, look: impl FnOnce(&[&str]) -> R) -> R {
        look(&[self.as_str()])
    }
}

impl sealed::Path for (&str, &str) {
    #[inline]
    fn with<R>(&self, look: impl FnOnce(&[&str]) -> R) -> R {
        look(&[self.0, self.1])
    }
}

impl sealed::Path for &[&str] {
    #[inline]
    fn with<R>(&self, look: impl FnOnce(&[&str]) -> R) -> R {
        look(self)
    }
}

/// Exports of a component, or of an instance that it exports.
#[derive(Debug, Clone, Copy)]
pub struct Exports<'a> {
    pub(crate) meta: &'a Arc<Meta>,
    pub(crate) exports: &'a [(Box<str>, Export)],
}

/// Something that a component exports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ExportedItem<'a> {
    /// A function.
    Func(FuncType),
    /// An instance: what it exports.
    Instance(Exports<'a>),
    /// A type of values.
    Type(Type),
    /// A resource type.
    Resource(ResourceType),
}

impl<'a> Exports<'a> {
    /// All of them, in the component's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, ExportedItem<'a>)> + use<'a> {
        let meta = self.meta;
        self.exports.iter().filter_map(move |(name, export)| Some((&**name, item(meta, export)?)))
    }

    /// The one with this name, or of a compatible version.
    pub fn get(&self, name: &str) -> Option<ExportedItem<'a>> {
        item(self.meta, self.find(name)?)
    }

    fn find(&self, name: &str) -> Option<&'a Export> {
        let names = matching(name, self.exports.iter().map(|(name, _)| &**name));
        let best = *names.first()?;
        self.exports.iter().find(|(name, _)| **name == *best).map(|(_, export)| export)
    }

    /// The function at a path.
    pub(crate) fn func(&self, path: &[&str]) -> Result<&'a ExportFunc, Error> {
        match path {
            [] => Err(Error::message(ErrorKind::Usage, "the path to an export is empty")),
            [name] => match self.find(name) {
                Some(Export::Func(func)) => {
                    let func: &ExportFunc = func;
                    Ok(func)
                }
                Some(_) => Err(Error::message(ErrorKind::Usage, format!("the export `{name}` is not a function"))),
                None => Err(self.missing(name)),
            },
            [name, rest @ ..] => match self.find(name) {
                Some(Export::Instance(exports)) => Exports { meta: self.meta, exports }.func(rest),
                Some(_) => Err(Error::message(ErrorKind::Usage, format!("the export `{name}` is not an instance"))),
                None => Err(self.missing(name)),
            },
        }
    }

    fn missing(&self, name: &str) -> Error {
        let names: Vec<&str> = self.exports.iter().map(|(name, _)| &**name).take(20).collect();
        let known = if names.is_empty() { "there are none".into() } else { format!("there are: {}", names.join(", ")) };
        let message = format!("there is no export `{name}`; {known}");
        Error::message(ErrorKind::Usage, message)
    }
}

fn item<'a>(meta: &'a Arc<Meta>, export: &'a Export) -> Option<ExportedItem<'a>> {
    Some(match export {
        Export::Func(func) => ExportedItem::Func(FuncType::new(meta, func.ty)?),
        Export::Instance(exports) => ExportedItem::Instance(Exports { meta, exports }),
        Export::Type(ty) => ExportedItem::Type(Type::new(meta, *ty)),
        Export::Resource(id) => ExportedItem::Resource(ResourceType::new(meta, *id)),
    })
}
