//! What bindings are made of: a world as plain data, with the Rust names of everything in it.

use super::ability::Ability;
use proc_macro2::Ident;
use std::rc::Rc;

/// A world.
pub(super) struct World {
    /// Its name.
    pub(super) name: String,
    /// The name of the struct that stands for it.
    pub(super) ident: Ident,
    pub(super) docs: Option<String>,
    /// What it imports without an interface; the world's own types are here, too.
    pub(super) root: Interface,
    pub(super) imports: Vec<Interface>,
    pub(super) exports: Vec<Interface>,
    /// What it exports without an interface.
    pub(super) functions: Vec<Function>,
    /// Interfaces that it imports and whose functions the caller has other bindings for.
    pub(super) elsewhere: Vec<String>,
    /// What the caller of the macro has for some of this.
    pub(super) substitutes: Vec<Substitute>,
}

/// Something of the caller's, with a name of ours.
pub(super) struct Substitute {
    pub(super) ident: Ident,
    /// A type, or the path of a module with an interface.
    pub(super) path: syn::Type,
    pub(super) is_module: bool,
}

/// Types and functions that belong together.
pub(super) struct Interface {
    /// Its name for a linker, or for a path to an export. The root has none.
    pub(super) name: Option<String>,
    /// The module that it is in.
    pub(super) module: Vec<Ident>,
    /// The trait of what the host does, or the struct of what the component does.
    pub(super) ident: Ident,
    pub(super) docs: Option<String>,
    pub(super) types: Vec<TypeDef>,
    pub(super) functions: Vec<Function>,
    pub(super) resources: Vec<Resource>,
}

impl Interface {
    /// Whether there are only types in it.
    pub(super) fn is_passive(&self) -> bool {
        self.functions.is_empty() && self.resources.is_empty()
    }

    /// What messages and documentation call it.
    pub(super) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or("the world itself")
    }
}

/// A resource, where it is defined.
pub(super) struct Resource {
    pub(super) name: String,
    /// The type that stands for it.
    pub(super) ident: Ident,
    /// The trait of what the host does with it, or the struct of what the component does.
    pub(super) behaviour: Ident,
    pub(super) docs: Option<String>,
    pub(super) functions: Vec<Function>,
}

/// A function.
pub(super) struct Function {
    /// Its name in the interface, `[method]file.size` for example.
    pub(super) name: String,
    /// The same for people: `file.size`.
    pub(super) shown: String,
    /// The method of a trait of the host, or what follows `call_`.
    pub(super) ident: Ident,
    pub(super) docs: Option<String>,
    pub(super) params: Vec<(Ident, Type)>,
    pub(super) result: Option<Type>,
    pub(super) asynchronous: bool,
    pub(super) trappable: bool,
}

/// A definition of a type.
pub(super) struct TypeDef {
    pub(super) name: String,
    pub(super) ident: Ident,
    pub(super) docs: Option<String>,
    pub(super) kind: Kind,
    pub(super) ability: Ability,
    /// Whether it says why something failed.
    pub(super) is_error: bool,
}

/// What a name stands for.
pub(super) enum Kind {
    Record(Vec<Part>),
    /// Parts without types.
    Flags(Vec<Part>),
    Variant(Vec<Part>),
    /// Parts without types.
    Enum(Vec<Part>),
    Alias(Type),
    /// A resource that has a definition elsewhere.
    Renamed(TypePath),
    /// A resource of the host: a type of ours, or the caller's.
    HostResource(Option<TypePath>),
    /// A resource of the component.
    GuestResource,
}

/// A field, a flag or a case.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) ident: Ident,
    pub(super) docs: Option<String>,
    pub(super) ty: Option<Type>,
}

/// Where a type is defined.
#[derive(Clone)]
pub(super) struct TypePath {
    pub(super) module: Vec<Ident>,
    pub(super) ident: Ident,
}

/// A type of values.
#[derive(Clone)]
pub(super) enum Type {
    /// A type of Rust without a path.
    Scalar(&'static str),
    String,
    List(Box<Type>),
    Array(Box<Type>, u32),
    Map(Box<Type>, Box<Type>),
    Option(Box<Type>),
    Result(Option<Box<Type>>, Option<Box<Type>>),
    Tuple(Vec<Type>),
    /// A handle of the host's resource that this type stands for.
    HostResource(TypePath),
    /// A handle of the component's.
    GuestResource,
    /// What has a definition, and what that is another name of, if it is one.
    Named {
        path: TypePath,
        ability: Ability,
        alias: Option<Rc<Type>>,
    },
}
