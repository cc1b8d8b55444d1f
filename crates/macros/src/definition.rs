//! What a definition of a Rust type says, checked.

use crate::attributes::{OfPart, OfType};
use crate::face::Face;
use crate::names::kebab;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::collections::HashSet;
use syn::{Attribute, Data, DataEnum, DeriveInput, Error, Field, Fields, Generics, Ident, Result, Type, Variant};

/// A type that something is derived for.
pub(crate) struct Definition {
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) kind: Kind,
    /// Where the traits are.
    pub(crate) face: Face,
}

/// What it stands for.
pub(crate) enum Kind {
    /// A record of these fields.
    Record(Vec<Part>),
    /// Flags with these fields.
    Flags(Vec<Part>),
    /// A variant of these cases, or an enum.
    Variant(Cases),
}

/// The cases of a Rust enum.
pub(crate) struct Cases {
    pub(crate) cases: Vec<Part>,
    /// Whether it stands for an `enum`, not a `variant`.
    pub(crate) plain: bool,
}

/// A field or a case.
pub(crate) struct Part {
    /// In Rust.
    pub(crate) rust: Ident,
    /// In the component.
    pub(crate) name: String,
    /// A field's type, or a case's payload.
    pub(crate) ty: Option<Type>,
}

/// Most flags of a type of components.
const MOST_FLAGS: usize = 32;

impl Definition {
    pub(crate) fn new(input: DeriveInput) -> Result<Definition> {
        let attributes = OfType::read(&input.attrs)?;
        let kind = match &input.data {
            Data::Struct(data) => of_struct(&input, &data.fields, &attributes)?,
            Data::Enum(data) => of_enum(&input, data, &attributes)?,
            Data::Union(_) => return Err(Error::new_spanned(&input, "a union stands for no type of components")),
        };
        Ok(Definition { name: input.ident, generics: input.generics, kind, face: attributes.face })
    }

    /// The implementation of a trait of the face: its body behind the right head.
    pub(crate) fn implement(&self, name: &str, body: &TokenStream) -> TokenStream {
        let mut generics = self.generics.clone();
        let (name, face) = (Ident::new(name, self.name.span()), &self.face);
        for parameter in generics.type_params_mut() {
            parameter.bounds.push(syn::parse_quote!(#face::component::#name));
        }
        let (head, _, clause) = generics.split_for_impl();
        let (_, arguments, _) = self.generics.split_for_impl();
        let ty = &self.name;
        quote! {
            #[automatically_derived]
            impl #head #face::component::#name for #ty #arguments #clause { #body }
        }
    }
}

fn of_struct(input: &DeriveInput, fields: &Fields, attributes: &OfType) -> Result<Kind> {
    if let Some(variant) = &attributes.variant {
        return Err(Error::new_spanned(variant, "`variant` is for enums: a struct stands for a record or for flags"));
    }
    let Fields::Named(fields) = fields else {
        return Err(Error::new_spanned(input, "a struct needs named fields to stand for a record"));
    };
    let parts = fields.named.iter().map(field).collect::<Result<Vec<_>>>()?;
    if parts.is_empty() {
        return Err(Error::new_spanned(input, "a record has at least one field"));
    }
    distinct(&parts)?;
    if attributes.flags.is_none() {
        return Ok(Kind::Record(parts));
    }
    if parts.len() > MOST_FLAGS {
        let message = format!("flags have at most {MOST_FLAGS} fields, and these have {}", parts.len());
        return Err(Error::new_spanned(input, message));
    }
    match parts.iter().find(|part| !part.is_bool()) {
        Some(part) => Err(Error::new(part.rust.span(), "each field of flags is a `bool`")),
        None => Ok(Kind::Flags(parts)),
    }
}

fn field(field: &Field) -> Result<Part> {
    let rust = field.ident.clone().ok_or_else(|| Error::new_spanned(field, "the field has no name"))?;
    Part::new(rust, &field.attrs, Some(field.ty.clone()))
}

fn of_enum(input: &DeriveInput, data: &DataEnum, attributes: &OfType) -> Result<Kind> {
    if let Some(flags) = &attributes.flags {
        return Err(Error::new_spanned(flags, "`flags` is for structs of which each field is a `bool`"));
    }
    let cases = data.variants.iter().map(case).collect::<Result<Vec<_>>>()?;
    if cases.is_empty() {
        return Err(Error::new_spanned(input, "an enum has at least one case"));
    }
    distinct(&cases)?;
    let plain = attributes.variant.is_none() && cases.iter().all(|case| case.ty.is_none());
    Ok(Kind::Variant(Cases { cases, plain }))
}

fn case(variant: &Variant) -> Result<Part> {
    let ty = match &variant.fields {
        Fields::Unit => None,
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| field.ty.clone()),
        _ => return Err(Error::new_spanned(variant, "a case has one payload without a name, or none")),
    };
    Part::new(variant.ident.clone(), &variant.attrs, ty)
}

/// Refuses names that components have once. They are the same if they differ in their case only.
fn distinct(parts: &[Part]) -> Result<()> {
    let mut seen = HashSet::new();
    match parts.iter().find(|part| !seen.insert(part.name.to_lowercase())) {
        Some(part) => Err(Error::new(part.rust.span(), format!("there is another `{}`", part.name))),
        None => Ok(()),
    }
}

impl Part {
    fn new(rust: Ident, attributes: &[Attribute], ty: Option<Type>) -> Result<Part> {
        let name = OfPart::read(attributes)?.name;
        let (name, place) =
            name.map_or_else(|| (kebab(&rust.to_string()), rust.span()), |name| (name.value(), name.span()));
        if wit_parser::validate_id(&name).is_err() {
            return Err(Error::new(
                place,
                format!(
                    "components have no name `{name}`: theirs are words with hyphens between them, of letters of one \
                     case and digits; `#[component(name = \"…\")]` gives another"
                ),
            ));
        }
        Ok(Part { rust, name, ty })
    }

    fn is_bool(&self) -> bool {
        self.ty.as_ref().is_some_and(|ty| ty.to_token_stream().to_string() == "bool")
    }
}

#[cfg(test)]
mod tests;
