//! Definitions of types.

use super::super::model::{Kind, Part, TypeDef};
use super::docs::docs;
use super::paths::Here;
use proc_macro2::TokenStream;
use quote::quote;

impl Here<'_> {
    /// A definition.
    pub(super) fn definition(self, def: &TypeDef) -> TokenStream {
        let (ident, name) = (&def.ident, &def.name);
        let head = |what: &str| docs(def.docs.as_deref(), &format!("The {what} `{name}`."));
        let face = self.face;
        let alias = |what: &str, of: TokenStream| {
            let docs = head(what);
            quote! { #docs pub type #ident = #of; }
        };
        match &def.kind {
            Kind::Record(fields) => self.record(def, fields),
            Kind::Flags(flags) => self.flags(def, flags),
            Kind::Variant(cases) => self.cases(def, cases, "variant", &quote! { #[component(variant)] }),
            Kind::Enum(cases) => self.cases(def, cases, "enum", &quote! {}),
            Kind::Alias(of) => alias("type", self.owned(of)),
            Kind::Renamed(path) => alias("resource", self.path(path)),
            Kind::HostResource(Some(path)) => alias("resource", self.path(path)),
            Kind::GuestResource => alias("resource", quote! { #face::component::ResourceAny }),
            Kind::HostResource(None) => {
                let docs = head("resource");
                quote! { #docs #[derive(::core::fmt::Debug)] pub enum #ident {} }
            }
        }
    }

    fn record(self, def: &TypeDef, fields: &[Part]) -> TokenStream {
        let (ident, head) = (&def.ident, self.head(def, "record"));
        let fields = fields.iter().map(|field| {
            let (rename, ident) = (rename(field, "field"), &field.ident);
            let ty = field.ty.as_ref().map(|ty| self.owned(ty));
            quote! { #rename pub #ident: #ty, }
        });
        let error = error(def, &quote! { ::core::fmt::Debug::fmt(self, f) });
        quote! { #head pub struct #ident { #(#fields)* } #error }
    }

    fn flags(self, def: &TypeDef, flags: &[Part]) -> TokenStream {
        let (ident, head) = (&def.ident, self.head(def, "set of flags"));
        let fields = flags.iter().map(|flag| {
            let (rename, ident) = (rename(flag, "flag"), &flag.ident);
            quote! { #rename pub #ident: bool, }
        });
        quote! { #head #[derive(::core::default::Default)] #[component(flags)] pub struct #ident { #(#fields)* } }
    }

    fn cases(self, def: &TypeDef, cases: &[Part], what: &str, attribute: &TokenStream) -> TokenStream {
        let (ident, head) = (&def.ident, self.head(def, what));
        let variants = cases.iter().map(|case| {
            let (rename, ident) = (rename(case, "case"), &case.ident);
            let payload = case.ty.as_ref().map(|ty| {
                let ty = self.owned(ty);
                quote! { (#ty) }
            });
            quote! { #rename #ident #payload, }
        });
        let error = error(def, &described(def, cases));
        quote! { #head #attribute pub enum #ident { #(#variants)* } #error }
    }

    /// The documentation and the derives of a definition.
    fn head(self, def: &TypeDef, what: &str) -> TokenStream {
        let face = self.face;
        let docs = docs(def.docs.as_deref(), &format!("The {what} `{}`.", def.name));
        let ability = def.ability;
        let ordered = matches!(def.kind, Kind::Enum(_));
        let derives = [
            (true, quote! { ::core::fmt::Debug }),
            (ability.clone, quote! { ::core::clone::Clone }),
            (ability.copy, quote! { ::core::marker::Copy }),
            (ability.compare, quote! { ::core::cmp::PartialEq }),
            (ability.hash, quote! { ::core::cmp::Eq }),
            (ability.hash, quote! { ::core::hash::Hash }),
            (ordered, quote! { ::core::cmp::PartialOrd }),
            (ordered, quote! { ::core::cmp::Ord }),
            (true, quote! { #face::component::ComponentType }),
            (true, quote! { #face::component::Lift }),
            (true, quote! { #face::component::Lower }),
        ];
        let derives = derives.into_iter().filter_map(|(has, derive)| has.then_some(derive));
        let attribute = face.attribute();
        quote! { #docs #[derive(#(#derives),*)] #attribute }
    }
}

/// What stands before a field or a case.
fn rename(part: &Part, what: &str) -> TokenStream {
    let name = &part.name;
    let docs = docs(part.docs.as_deref(), &format!("The {what} `{name}`."));
    quote! { #docs #[component(name = #name)] }
}

/// How an error says what it is: a case without a payload by its name.
fn described(def: &TypeDef, cases: &[Part]) -> TokenStream {
    if !matches!(def.kind, Kind::Enum(_)) {
        return quote! { ::core::fmt::Debug::fmt(self, f) };
    }
    let idents = cases.iter().map(|case| &case.ident);
    let names = cases.iter().map(|case| &case.name);
    quote! { f.write_str(match self { #(Self::#idents => #names,)* }) }
}

/// Makes an error of what says why a function failed.
fn error(def: &TypeDef, display: &TokenStream) -> Option<TokenStream> {
    let ident = &def.ident;
    def.is_error.then(|| {
        quote! {
            impl ::core::fmt::Display for #ident {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { #display }
            }
            impl ::core::error::Error for #ident {}
        }
    })
}
