//! What a function of component types is for core modules that call it.

use hatchery_component::abi::{Flat, Layouts, Side};
use hatchery_component::types::{FuncType, Types};
use hatchery_vm::{HostSignature, HostType};
use std::cell::OnceCell;

/// Signatures of the core imports that functions of the host are lowered to. Each type is looked at once, however many
/// functions have it.
pub(crate) struct Signatures<'a> {
    types: &'a Types,
    /// For narrow and for wide addresses, when they are first needed.
    layouts: [OnceCell<Layouts>; 2],
}

impl<'a> Signatures<'a> {
    pub(crate) fn new(types: &'a Types) -> Signatures<'a> {
        Signatures { types, layouts: Default::default() }
    }

    /// That of a function of this type, where addresses are as wide as this.
    pub(crate) fn of(&self, ty: &FuncType, wide: bool) -> HostSignature {
        let layouts = self.layouts[usize::from(wide)].get_or_init(|| Layouts::new(self.types, wide));
        let core = layouts.signature(ty, Side::Lower);
        HostSignature::new(host_types(&core.params), host_types(&core.results))
    }
}

fn host_types(flat: &[Flat]) -> Vec<HostType> {
    let host_type = |flat: &Flat| match flat {
        Flat::I32 => HostType::I32,
        Flat::I64 => HostType::I64,
        Flat::F32 => HostType::F32,
        Flat::F64 => HostType::F64,
    };
    flat.iter().map(host_type).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use HostType::{F32, F64, I32, I64};
    use hatchery_component::types::{TypeDef, ValueType};

    fn check(types: &Types, params: &[ValueType], result: Option<ValueType>, expected: (&[HostType], &[HostType])) {
        let params = params.iter().map(|ty| ("p".into(), *ty)).collect();
        let found = Signatures::new(types).of(&FuncType { params, result }, false);
        assert_eq!((&*found.params, &*found.results), expected);
    }

    #[test]
    fn types_are_flattened_as_the_specification_says() {
        let mut types = Types::default();
        let result = types.def(TypeDef::Result(Some(ValueType::F32), Some(ValueType::U8)));
        let mixed = types.def(TypeDef::Variant(vec![
            ("a".into(), Some(ValueType::F32)),
            ("b".into(), None),
            ("c".into(), Some(ValueType::F64)),
            ("d".into(), Some(ValueType::String)),
        ]));
        let many = types.def(TypeDef::FixedList(ValueType::U8, 17));
        let def = ValueType::Def;
        check(&types, &[ValueType::U8, ValueType::F64], Some(ValueType::U64), (&[I32, F64], &[I64]));
        check(&types, &[def(result)], Some(ValueType::String), (&[I32, I32, I32], &[]));
        check(&types, &[def(mixed)], Some(ValueType::F32), (&[I32, I64, I32], &[F32]));
        check(&types, &[def(many)], Some(def(result)), (&[I32, I32], &[]));
    }
}
