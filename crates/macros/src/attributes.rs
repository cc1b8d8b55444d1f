//! What `#[component(…)]` says, each thing where it means something.

use crate::face::Face;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr, Path, Result};

/// What is said of a type.
#[derive(Default)]
pub(crate) struct OfType {
    /// That it stands for flags, and where that is said.
    pub(crate) flags: Option<Path>,
    /// That it stands for a variant even if it has no payloads, and where that is said.
    pub(crate) variant: Option<Path>,
    pub(crate) face: Face,
}

/// What is said of a field or a case.
#[derive(Default)]
pub(crate) struct OfPart {
    /// Its name in the component.
    pub(crate) name: Option<LitStr>,
}

impl OfType {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<OfType> {
        let mut read = OfType::default();
        each(attributes, |meta| {
            if meta.path.is_ident("flags") {
                read.flags = Some(meta.path);
            } else if meta.path.is_ident("variant") {
                read.variant = Some(meta.path);
            } else if meta.path.is_ident("hatchery_crate") {
                read.face = meta.value()?.parse()?;
            } else if meta.path.is_ident("name") {
                return Err(meta.error("`name` is for fields and cases: components do not see a type's name"));
            } else {
                return Err(meta.error("expected `flags`, `variant` or `hatchery_crate = path`"));
            }
            Ok(())
        })?;
        Ok(read)
    }
}

impl OfPart {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<OfPart> {
        let mut read = OfPart::default();
        each(attributes, |meta| {
            if meta.path.is_ident("flags") || meta.path.is_ident("variant") || meta.path.is_ident("hatchery_crate") {
                return Err(meta.error("this is said of a type, not of a field or a case"));
            }
            if !meta.path.is_ident("name") {
                return Err(meta.error("expected `name = \"…\"`"));
            }
            if read.name.is_some() {
                return Err(meta.error("there is another name"));
            }
            read.name = Some(meta.value()?.parse()?);
            Ok(())
        })?;
        Ok(read)
    }
}

/// Looks at each thing that is said.
fn each(attributes: &[Attribute], mut look: impl FnMut(ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    let mut ours = attributes.iter().filter(|attribute| attribute.path().is_ident("component"));
    ours.try_for_each(|attribute| attribute.parse_nested_meta(&mut look))
}
