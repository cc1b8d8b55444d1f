//! What can be derived for a type beside the component's traits.

use super::model::Type;

/// Which traits values of a type can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ability {
    pub(super) clone: bool,
    pub(super) copy: bool,
    /// `PartialEq`.
    pub(super) compare: bool,
    /// `Eq` and `Hash`.
    pub(super) hash: bool,
}

impl Ability {
    /// Of what is a number in all but name.
    pub(super) const ALL: Ability = Ability { clone: true, copy: true, compare: true, hash: true };
    const FLOAT: Ability = Ability { hash: false, ..Ability::ALL };
    const HEAP: Ability = Ability { copy: false, ..Ability::ALL };
    const NONE: Ability = Ability { clone: false, copy: false, compare: false, hash: false };

    /// What both have.
    fn and(self, other: Ability) -> Ability {
        Ability {
            clone: self.clone && other.clone,
            copy: self.copy && other.copy,
            compare: self.compare && other.compare,
            hash: self.hash && other.hash,
        }
    }

    /// What all of these have.
    pub(super) fn of_all<'a>(types: impl IntoIterator<Item = &'a Type>) -> Ability {
        types.into_iter().fold(Ability::ALL, |all, ty| all.and(Ability::of(ty)))
    }

    pub(super) fn of(ty: &Type) -> Ability {
        match ty {
            Type::Scalar("f32" | "f64") => Ability::FLOAT,
            Type::Scalar(_) => Ability::ALL,
            Type::String => Ability::HEAP,
            Type::List(element) => Ability::HEAP.and(Ability::of(element)),
            Type::Map(key, value) => Ability { hash: false, ..Ability::HEAP }.and(Ability::of_all([&**key, &**value])),
            Type::Array(inner, _) | Type::Option(inner) => Ability::of(inner),
            Type::Result(ok, err) => Ability::of_all([ok, err].into_iter().flatten().map(|ty| &**ty)),
            Type::Tuple(types) => Ability::of_all(types),
            Type::HostResource(_) => Ability::NONE,
            Type::GuestResource => Ability::FLOAT,
            Type::Named { ability, .. } => *ability,
        }
    }
}
