//! Core modules as components: those whose imports and exports have the canonical ABI's names for functions of WIT.
//!
//! Such a module lacks only types, which it has in `component-type` sections or which somebody else knows. With them it
//! is written as a component around the module, which goes the way of all components: nothing behind this knows it.
//!
//! Sources: the component model's *BuildTargets* (`cm32p2`), and `wit-component`, which defines the older names, and whose
//! encoder does the work.

use std::borrow::Cow;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmparser::{Chunk, Encoding, Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata, metadata};
use wit_parser::{PackageId, Resolve};

/// What the name of each section begins with that says of which types a module's functions are.
const TYPES: &str = "component-type";

/// Most of these sections, and most bytes in them. Each is merged with all before it, so that the time which that takes
/// follows the product. Compilers leave one for each library that was linked, of some kilobytes.
const MAX_SECTIONS: usize = 256;
const MAX_SECTION_BYTES: usize = 2 << 20;

/// Where the types of a core module's functions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wit<'a> {
    /// In the module's own `component-type` sections.
    Embedded,
    /// In a world of a package in the text format, whatever the module itself says. Strings are UTF-8.
    Text {
        /// The package, with all packages that it uses.
        package: &'a str,
        /// The world's name; it can be left out when there is only one.
        world: Option<&'a str>,
    },
    /// In a world of a package in the binary format, as for [`Wit::Text`].
    Binary {
        /// The package, with all packages that it uses.
        package: &'a [u8],
        /// The world's name; it can be left out when there is only one.
        world: Option<&'a str>,
    },
}

/// A core module that does what another one imports, in terms of its own world, which becomes part of the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adapter<'a> {
    /// The module name of the imports that it serves, such as `wasi_snapshot_preview1`.
    pub name: &'a str,
    /// The module, in the binary form.
    pub module: &'a [u8],
    /// Where the types of its functions are.
    pub wit: Wit<'a>,
}

/// Why a core module is no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrapError {
    /// Nobody says of which types its functions are.
    #[error("the core module has no `component-type` section: give the WIT package that it was made for")]
    NoTypes,
    /// There are more than can be merged in reasonable time.
    #[error(
        "the core module has {sections} `component-type` sections with {bytes} bytes; \
        at most {MAX_SECTIONS} with {MAX_SECTION_BYTES} bytes are supported"
    )]
    TooManyTypes {
        /// How many sections.
        sections: usize,
        /// Bytes in all of them.
        bytes: usize,
    },
    /// The package or its world cannot be used.
    #[error("the WIT package cannot be used: {0}")]
    Wit(String),
    /// The module is none, or does not have what the world asks for.
    #[error("the core module cannot be made a component: {0}")]
    Module(String),
    /// An adapter is none, or does not fit.
    #[error("the adapter `{name}` cannot be used: {why}")]
    Adapter {
        /// The module name of the imports that it serves.
        name: String,
        /// What is wrong with it.
        why: Box<WrapError>,
    },
    /// Two adapters serve the same imports.
    #[error("there are two adapters with the name `{0}`")]
    Twice(String),
    /// The encoder panicked, which is a bug of it.
    #[error("the core module cannot be made a component: its encoder panicked")]
    Panicked,
}

/// Whether bytes begin as a core module in the binary form does, and say in a section of which types its functions are.
pub fn has_types(bytes: &[u8]) -> bool {
    let mut found = false;
    each_section(bytes, |payload| match payload {
        Payload::Version { encoding, .. } => *encoding == Encoding::Module,
        Payload::CustomSection(section) => {
            found |= section.name().starts_with(TYPES);
            !found
        }
        _ => true,
    });
    found
}

/// Whether a core module imports something of a module with one of these names.
pub fn imports_any(bytes: &[u8], modules: &[&str]) -> bool {
    let mut found = false;
    each_section(bytes, |payload| match payload {
        Payload::ImportSection(imports) => {
            let imports = imports.clone().into_imports().flatten();
            found = imports.into_iter().any(|import| modules.contains(&import.module));
            false
        }
        _ => true,
    });
    found
}

/// Calls `visit` for each section until it says no, or there is something wrong. Code is not looked at.
fn each_section(mut bytes: &[u8], mut visit: impl FnMut(&Payload<'_>) -> bool) {
    let mut parser = Parser::new(0);
    while let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(bytes, true) {
        bytes = bytes.get(consumed..).unwrap_or_default();
        if let Payload::CodeSectionStart { size, .. } = payload {
            parser.skip_section();
            bytes = bytes.get(size as usize..).unwrap_or_default();
        }
        if matches!(payload, Payload::End(_)) || !visit(&payload) {
            return;
        }
    }
}

/// A component that is the core module, and has the imports and exports of its world.
///
/// # Errors
///
/// When there are no types, or the module does not have what they ask for.
pub fn wrap(module: &[u8], wit: Wit<'_>) -> Result<Vec<u8>, WrapError> {
    wrap_with(module, wit, &[])
}

/// As [`wrap`], with adapters between the core module and what else it imports. Where there are any, the module itself may
/// be without types: then its world is that of the adapters.
///
/// # Errors
///
/// As for [`wrap`], for the module and for each adapter, and when two adapters have the same name.
pub fn wrap_with(module: &[u8], wit: Wit<'_>, adapters: &[Adapter<'_>]) -> Result<Vec<u8>, WrapError> {
    // What the encoder asserts is asserted about bytes that anybody may have written.
    catch_unwind(AssertUnwindSafe(|| encode(module, wit, adapters))).unwrap_or(Err(WrapError::Panicked))
}

/// Nothing, unless a module has more in its sections with types than is merged.
fn check_sections(module: &[u8]) -> Result<(), WrapError> {
    let (mut sections, mut bytes) = (0, 0);
    each_section(module, |payload| {
        if let Payload::CustomSection(section) = payload
            && section.name().starts_with(TYPES)
        {
            sections += 1;
            bytes += section.data().len();
        }
        true
    });
    let fits = sections <= MAX_SECTIONS && bytes <= MAX_SECTION_BYTES;
    if fits { Ok(()) } else { Err(WrapError::TooManyTypes { sections, bytes }) }
}

fn encode(module: &[u8], wit: Wit<'_>, adapters: &[Adapter<'_>]) -> Result<Vec<u8>, WrapError> {
    check_sections(module)?;
    let mut encoder = ComponentEncoder::default();
    let typed = match wit {
        Wit::Embedded if !adapters.is_empty() => module.into(),
        wit => typed(module, wit)?,
    };
    encoder.module(&typed).map_err(unfit)?;
    for (number, adapter) in adapters.iter().enumerate() {
        let name = adapter.name.to_owned();
        if adapters[..number].iter().any(|other| other.name == name) {
            return Err(WrapError::Twice(name));
        }
        adapt(&mut encoder, adapter).map_err(|why| WrapError::Adapter { name, why: why.into() })?;
    }
    encoder.encode().map_err(unfit)
}

fn adapt(encoder: &mut ComponentEncoder, adapter: &Adapter<'_>) -> Result<(), WrapError> {
    check_sections(adapter.module)?;
    let typed = typed(adapter.module, adapter.wit)?;
    encoder.adapter(adapter.name, &typed).map(drop).map_err(unfit)
}

fn unfit(error: impl Display) -> WrapError {
    WrapError::Module(format!("{error:#}"))
}

/// The module with its types in sections.
fn typed<'a>(module: &'a [u8], wit: Wit<'_>) -> Result<Cow<'a, [u8]>, WrapError> {
    Ok(match wit {
        Wit::Embedded if has_types(module) => module.into(),
        Wit::Embedded => return Err(WrapError::NoTypes),
        Wit::Text { package, world } => with_types(module, &text(package)?, world)?.into(),
        Wit::Binary { package, world } => with_types(module, &binary(package)?, world)?.into(),
    })
}

/// Packages, and which of them is meant.
type Packages = (Resolve, PackageId);

fn text(package: &str) -> Result<Packages, WrapError> {
    let mut resolve = Resolve::default();
    match resolve.push_source("package.wit", package) {
        Ok(id) => Ok((resolve, id)),
        Err(error) => Err(WrapError::Wit(resolve.render_error(&error))),
    }
}

fn binary(package: &[u8]) -> Result<Packages, WrapError> {
    match wit_component::decode(package) {
        Ok(DecodedWasm::WitPackage(resolve, id)) => Ok((resolve, id)),
        Ok(DecodedWasm::Component(..)) => Err(WrapError::Wit("it is a component".to_owned())),
        Err(error) => Err(WrapError::Wit(format!("{error:#}"))),
    }
}

/// The module with these types instead of its own.
fn with_types(module: &[u8], (resolve, package): &Packages, world: Option<&str>) -> Result<Vec<u8>, WrapError> {
    let wit = |error| WrapError::Wit(format!("{error:#}"));
    let world = resolve.select_world(&[*package], world).map_err(wit)?;
    let (without, _) = metadata::decode(module).map_err(unfit)?;
    let mut bytes = without.unwrap_or_else(|| module.to_vec());
    embed_component_metadata(&mut bytes, resolve, world, StringEncoding::UTF8, false).map_err(wit)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "wrap_tests.rs"]
mod tests;
