//! Types of a package as types of Rust.

use super::super::ability::Ability;
use super::super::model::{Kind, Part, Type, TypeDef, TypePath};
use super::super::names::{Names, camel, snake};
use super::Describer;
use super::places::is_resource;
use super::section::Side;
use std::collections::HashSet;
use std::rc::Rc;
use wit_parser::{Docs, Handle, Span, Type as Wit, TypeDefKind, TypeId};

/// Most types in a tuple, and parameters of a function.
pub(super) const MOST_IN_A_TUPLE: usize = 16;

impl Describer<'_> {
    /// A definition.
    pub(super) fn definition(
        &self,
        name: &str,
        id: TypeId,
        side: Side,
        errors: &HashSet<TypeId>,
    ) -> Result<TypeDef, String> {
        let def = &self.resolve.types[id];
        let kind =
            self.kind(id, side).map_err(|e| format!("{e}: see the type `{name}` at {}", self.location(def.span)))?;
        Ok(TypeDef {
            name: name.to_owned(),
            ident: self.path(id, side)?.ident,
            docs: def.docs.contents.clone(),
            ability: self.ability(id, side)?,
            is_error: errors.contains(&id),
            kind,
        })
    }

    fn kind(&self, id: TypeId, side: Side) -> Result<Kind, String> {
        Ok(match &self.resolve.types[id].kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|field| (&field.name, &field.docs, Some(&field.ty)));
                Kind::Record(self.parts(fields, snake, side)?)
            }
            TypeDefKind::Flags(flags) => {
                Kind::Flags(self.parts(flags.flags.iter().map(|flag| (&flag.name, &flag.docs, None)), snake, side)?)
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| (&case.name, &case.docs, case.ty.as_ref()));
                Kind::Variant(self.parts(cases, camel, side)?)
            }
            TypeDefKind::Enum(cases) => {
                Kind::Enum(self.parts(cases.cases.iter().map(|case| (&case.name, &case.docs, None)), camel, side)?)
            }
            TypeDefKind::Resource => match side {
                Side::Host => Kind::HostResource(self.places.resource(id).cloned()),
                Side::Guest => Kind::GuestResource,
            },
            TypeDefKind::Type(Wit::Id(of)) if is_resource(self.resolve, self.original(*of)) => {
                Kind::Renamed(self.path(*of, side)?)
            }
            other => Kind::Alias(self.structure(other, side)?),
        })
    }

    fn parts<'a>(
        &self,
        parts: impl Iterator<Item = (&'a String, &'a Docs, Option<&'a Wit>)>,
        convert: fn(&str) -> String,
        side: Side,
    ) -> Result<Vec<Part>, String> {
        let mut names = Names::default();
        let parts = parts.map(|(name, docs, ty)| {
            Ok(Part {
                name: name.clone(),
                ident: names.take(&convert(name)),
                docs: docs.contents.clone(),
                ty: ty.map(|ty| self.ty(ty, side)).transpose()?,
            })
        });
        parts.collect()
    }

    /// A type of values.
    pub(super) fn ty(&self, ty: &Wit, side: Side) -> Result<Type, String> {
        Ok(match ty {
            Wit::Bool => Type::Scalar("bool"),
            Wit::U8 => Type::Scalar("u8"),
            Wit::U16 => Type::Scalar("u16"),
            Wit::U32 => Type::Scalar("u32"),
            Wit::U64 => Type::Scalar("u64"),
            Wit::S8 => Type::Scalar("i8"),
            Wit::S16 => Type::Scalar("i16"),
            Wit::S32 => Type::Scalar("i32"),
            Wit::S64 => Type::Scalar("i64"),
            Wit::F32 => Type::Scalar("f32"),
            Wit::F64 => Type::Scalar("f64"),
            Wit::Char => Type::Scalar("char"),
            Wit::String => Type::String,
            Wit::ErrorContext => return Err(unsupported("error-context")),
            Wit::Id(id) => self.defined(*id, side)?,
        })
    }

    /// What a definition stands for, by its name if it has one.
    fn defined(&self, id: TypeId, side: Side) -> Result<Type, String> {
        let def = &self.resolve.types[id];
        if def.name.is_none() {
            return self.structure(&def.kind, side);
        }
        let side = self.places.side(self.resolve, id, side);
        if let Some(known) = self.known.borrow().get(&(id, side)) {
            return Ok(known.clone());
        }
        let ty = self.named(id, side)?;
        self.known.borrow_mut().insert((id, side), ty.clone());
        Ok(ty)
    }

    /// A definition with a name, by that.
    fn named(&self, id: TypeId, side: Side) -> Result<Type, String> {
        let alias = match &self.resolve.types[id].kind {
            TypeDefKind::Record(_) | TypeDefKind::Variant(_) | TypeDefKind::Enum(_) | TypeDefKind::Flags(_) => None,
            kind => Some(Rc::new(self.structure(kind, side)?)),
        };
        Ok(Type::Named { path: self.path(id, side)?, ability: self.ability(id, side)?, alias })
    }

    fn structure(&self, kind: &TypeDefKind, side: Side) -> Result<Type, String> {
        let inner = |ty: &Wit| self.ty(ty, side).map(Box::new);
        let optional = |ty: &Option<Wit>| ty.as_ref().map(inner).transpose();
        Ok(match kind {
            TypeDefKind::Type(ty) => self.ty(ty, side)?,
            TypeDefKind::List(element) => Type::List(inner(element)?),
            TypeDefKind::FixedLengthList(element, count) => Type::Array(inner(element)?, *count),
            TypeDefKind::Map(key, value) => Type::Map(inner(key)?, inner(value)?),
            TypeDefKind::Option(some) => Type::Option(inner(some)?),
            TypeDefKind::Result(result) => Type::Result(optional(&result.ok)?, optional(&result.err)?),
            TypeDefKind::Tuple(tuple) if tuple.types.len() > MOST_IN_A_TUPLE => {
                return Err(format!(
                    "there are {} types in a tuple, and bindings have at most {MOST_IN_A_TUPLE}",
                    tuple.types.len()
                ));
            }
            TypeDefKind::Tuple(tuple) => {
                Type::Tuple(tuple.types.iter().map(|ty| self.ty(ty, side)).collect::<Result<_, _>>()?)
            }
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => self.handle(*id, side)?,
            other => return Err(unsupported(other.as_str())),
        })
    }

    fn handle(&self, id: TypeId, side: Side) -> Result<Type, String> {
        match self.provider(id, side) {
            Side::Host => self.path(id, side).map(Type::HostResource),
            Side::Guest => Ok(Type::GuestResource),
        }
    }

    /// On which side a resource is. Each name of a chain says that for the next: a world has the names of what it imports.
    fn provider(&self, id: TypeId, side: Side) -> Side {
        let side = self.places.side(self.resolve, id, side);
        match self.resolve.types[id].kind {
            TypeDefKind::Type(Wit::Id(of)) => self.provider(of, side),
            _ => side,
        }
    }

    /// What a chain of other names ends at.
    pub(super) fn original(&self, mut id: TypeId) -> TypeId {
        while let TypeDefKind::Type(Wit::Id(of)) = self.resolve.types[id].kind {
            id = of;
        }
        id
    }

    fn path(&self, id: TypeId, side: Side) -> Result<TypePath, String> {
        let side = self.places.side(self.resolve, id, side);
        self.places.path(id, side).cloned().ok_or_else(|| {
            let def = &self.resolve.types[id];
            let name = def.name.as_deref().unwrap_or("without a name");
            format!("the type `{name}` at {} is in no interface of the world", self.location(def.span))
        })
    }

    fn ability(&self, id: TypeId, side: Side) -> Result<Ability, String> {
        let side = self.places.side(self.resolve, id, side);
        let all = |types: Vec<&Wit>| -> Result<Ability, String> {
            let types = types.into_iter().map(|ty| self.ty(ty, side)).collect::<Result<Vec<_>, _>>()?;
            Ok(Ability::of_all(&types))
        };
        match &self.resolve.types[id].kind {
            TypeDefKind::Record(record) => all(record.fields.iter().map(|field| &field.ty).collect()),
            TypeDefKind::Variant(variant) => all(variant.cases.iter().filter_map(|case| case.ty.as_ref()).collect()),
            TypeDefKind::Enum(_) | TypeDefKind::Flags(_) | TypeDefKind::Resource => Ok(Ability::ALL),
            TypeDefKind::Type(Wit::Id(of)) => self.ability(*of, side),
            kind => self.structure(kind, side).map(|ty| Ability::of(&ty)),
        }
    }

    pub(super) fn location(&self, span: Span) -> String {
        self.resolve.render_location(span)
    }
}

fn unsupported(what: &str) -> String {
    format!("bindings do not support `{what}`")
}
