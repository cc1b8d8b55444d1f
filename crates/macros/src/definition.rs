//! What a definition of a Rust type says, checked.

use crate::names::kebab;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Error, Field, Fields, Generics, Ident, LitStr, Result, Type, Variant,
};

/// A type that something is derived for.
pub(crate) struct Definition {
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) kind: Kind,
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

/// What `#[component(…)]` says.
#[derive(Default)]
struct Attributes {
    flags: bool,
    variant: bool,
    name: Option<String>,
}

impl Attributes {
    fn read(attributes: &[Attribute]) -> Result<Attributes> {
        let mut read = Attributes::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("component")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("flags") {
                    read.flags = true;
                } else if meta.path.is_ident("variant") {
                    read.variant = true;
                } else if meta.path.is_ident("name") {
                    read.name = Some(meta.value()?.parse::<LitStr>()?.value());
                } else {
                    return Err(meta.error("expected `flags`, `variant` or `name = \"…\"`"));
                }
                Ok(())
            })?;
        }
        Ok(read)
    }
}

/// Most flags of a type of components.
const MOST_FLAGS: usize = 32;

impl Definition {
    pub(crate) fn new(input: DeriveInput) -> Result<Definition> {
        let attributes = Attributes::read(&input.attrs)?;
        let kind = match &input.data {
            Data::Struct(data) => of_struct(&input, &data.fields, &attributes)?,
            Data::Enum(data) => of_enum(&input, data, &attributes)?,
            Data::Union(_) => return Err(Error::new_spanned(&input, "a union stands for no type of components")),
        };
        Ok(Definition { name: input.ident, generics: input.generics, kind })
    }

    /// The implementation of a trait of the face: its body behind the right head.
    pub(crate) fn implement(&self, name: &str, body: &TokenStream) -> TokenStream {
        let mut generics = self.generics.clone();
        let name = Ident::new(name, self.name.span());
        for parameter in generics.type_params_mut() {
            parameter.bounds.push(syn::parse_quote!(::hatchery::component::#name));
        }
        let (head, _, clause) = generics.split_for_impl();
        let (_, arguments, _) = self.generics.split_for_impl();
        let ty = &self.name;
        quote! {
            #[automatically_derived]
            impl #head ::hatchery::component::#name for #ty #arguments #clause { #body }
        }
    }
}

fn of_struct(input: &DeriveInput, fields: &Fields, attributes: &Attributes) -> Result<Kind> {
    let Fields::Named(fields) = fields else {
        return Err(Error::new_spanned(input, "a struct needs named fields to stand for a record"));
    };
    let parts = fields.named.iter().map(field).collect::<Result<Vec<_>>>()?;
    if parts.is_empty() {
        return Err(Error::new_spanned(input, "a record has at least one field"));
    }
    if !attributes.flags {
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

fn of_enum(input: &DeriveInput, data: &DataEnum, attributes: &Attributes) -> Result<Kind> {
    let cases = data.variants.iter().map(case).collect::<Result<Vec<_>>>()?;
    if cases.is_empty() {
        return Err(Error::new_spanned(input, "an enum has at least one case"));
    }
    let plain = !attributes.variant && cases.iter().all(|case| case.ty.is_none());
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

impl Part {
    fn new(rust: Ident, attributes: &[Attribute], ty: Option<Type>) -> Result<Part> {
        let name = Attributes::read(attributes)?.name.unwrap_or_else(|| kebab(&rust.to_string()));
        Ok(Part { rust, name, ty })
    }

    fn is_bool(&self) -> bool {
        self.ty.as_ref().is_some_and(|ty| ty.to_token_stream().to_string() == "bool")
    }
}
