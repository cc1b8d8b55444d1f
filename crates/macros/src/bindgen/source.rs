//! Reading packages: from files below the crate that calls the macro, and from the call itself.

use super::options::Options;
use proc_macro2::Span;
use std::path::{Path, PathBuf};
use syn::{Error, LitStr, Result};
use wit_parser::{PackageId, Resolve, WorldId};

/// Packages, and the world that bindings are wanted for.
pub(super) struct Source {
    pub(super) resolve: Resolve,
    pub(super) world: WorldId,
    /// All files that were read.
    pub(super) files: Vec<PathBuf>,
}

impl Source {
    pub(super) fn read(options: &Options) -> Result<Source> {
        let mut source = Reader::new(options);
        let mut package = None;
        if let Some(path) = options.path() {
            package = Some((source.path(&path)?, path.span()));
        }
        if let Some(text) = &options.inline {
            package = Some((source.text(text)?, text.span()));
        }
        let Some((package, span)) = package else {
            return Err(Error::new(Span::call_site(), "there is no package to read"));
        };
        let world = source.world(package, options.world.as_ref(), span)?;
        Ok(Source { resolve: source.resolve, world, files: source.files })
    }
}

struct Reader {
    resolve: Resolve,
    files: Vec<PathBuf>,
}

impl Reader {
    fn new(options: &Options) -> Reader {
        let mut resolve = Resolve::new();
        resolve.features.extend(options.features.iter().map(LitStr::value));
        Reader { resolve, files: Vec::new() }
    }

    fn path(&mut self, path: &LitStr) -> Result<PackageId> {
        let full = beside_the_manifest(&path.value());
        if !full.exists() {
            let message = format!("there is no file or folder `{}` with a WIT package", full.display());
            return Err(Error::new(path.span(), message));
        }
        let pushed = self.resolve.push_path(&full);
        let (package, files) = pushed.map_err(|e| unusable(path, &self.resolve.render_error(&e)))?;
        self.files.extend(files.paths().map(Path::to_owned));
        Ok(package)
    }

    fn text(&mut self, text: &LitStr) -> Result<PackageId> {
        let pushed = self.resolve.push_str("inline.wit", &text.value());
        pushed.map_err(|e| unusable(text, &self.resolve.render_error(&e)))
    }

    fn world(&self, package: PackageId, world: Option<&LitStr>, span: Span) -> Result<WorldId> {
        let name = world.map(LitStr::value);
        let selected = self.resolve.select_world(&[package], name.as_deref());
        let span = world.map_or(span, LitStr::span);
        selected.map_err(|error| {
            Error::new(span, self.no_world(package, name.as_deref(), &self.resolve.render_error(&error)))
        })
    }

    /// Why there is no world: by what the package has, if the name is for one in it.
    fn no_world(&self, package: PackageId, name: Option<&str>, error: &str) -> String {
        let package = &self.resolve.packages[package];
        if let Some(name) = name
            && (wit_parser::validate_id(name).is_err() || package.worlds.contains_key(name))
        {
            return format!("the world `{name}` cannot be found: {error}");
        }
        let worlds: Vec<_> = package.worlds.keys().map(|name| format!("`{name}`")).collect();
        let worlds = if worlds.is_empty() { "none".to_owned() } else { worlds.join(", ") };
        match name {
            Some(name) => format!("there is no world `{name}`; the package `{}` has: {worlds}", package.name),
            None => format!("a world must be chosen; the package `{}` has: {worlds}", package.name),
        }
    }
}

/// An error in a package.
fn unusable(place: &LitStr, error: &str) -> Error {
    Error::new(place.span(), format!("the WIT package cannot be used: {error}"))
}

/// A path as calls of the macro have them: relative to the crate's manifest.
fn beside_the_manifest(path: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    folder.join(path)
}
