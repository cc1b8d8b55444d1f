//! Flat types: what a function of component types is for core modules.
//!
//! Source: component model, `CanonicalABI.md`, "flattening".

use super::layout::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS};
use hatchery_component::types::{FuncType, TypeDef, Types, ValueType};
use hatchery_vm::{HostSignature, HostType};

/// Flattens types, up to a limit.
struct Flattener<'a> {
    types: &'a Types,
    /// Of addresses and lengths.
    size: HostType,
}

/// The signature of the core import that a function of the host is lowered to.
pub(crate) fn signature(types: &Types, ty: &FuncType, wide: bool) -> HostSignature {
    let size = if wide { HostType::I64 } else { HostType::I32 };
    let flattener = Flattener { types, size };
    let mut params = Vec::new();
    let fits = ty.params.iter().all(|(_, ty)| flattener.flatten(*ty, MAX_FLAT_PARAMS, &mut params));
    if !fits {
        params = vec![size];
    }
    let mut results = Vec::new();
    let fits = ty.result.is_none_or(|ty| flattener.flatten(ty, MAX_FLAT_RESULTS, &mut results));
    if !fits {
        results.clear();
        params.push(size);
    }
    HostSignature::new(params, results)
}

impl Flattener<'_> {
    /// Appends the flat types of a type; false when that makes more than `limit`.
    fn flatten(&self, ty: ValueType, limit: usize, into: &mut Vec<HostType>) -> bool {
        match ty {
            ValueType::S64 | ValueType::U64 => into.push(HostType::I64),
            ValueType::F32 => into.push(HostType::F32),
            ValueType::F64 => into.push(HostType::F64),
            ValueType::String => into.extend([self.size, self.size]),
            ValueType::Def(id) => match self.types.get(id) {
                Some(def) => return self.flatten_def(def, limit, into),
                None => return true,
            },
            _ => into.push(HostType::I32),
        }
        into.len() <= limit
    }

    fn flatten_def(&self, def: &TypeDef, limit: usize, into: &mut Vec<HostType>) -> bool {
        match def {
            TypeDef::Record(fields) => fields.iter().all(|(_, ty)| self.flatten(*ty, limit, into)),
            TypeDef::Tuple(types) => types.iter().all(|ty| self.flatten(*ty, limit, into)),
            TypeDef::FixedList(element, count) => (0..*count).all(|_| self.flatten(*element, limit, into)),
            TypeDef::List(_) | TypeDef::Map(..) => {
                into.extend([self.size, self.size]);
                into.len() <= limit
            }
            TypeDef::Flags(_) | TypeDef::Enum(_) => {
                into.push(HostType::I32);
                into.len() <= limit
            }
            TypeDef::Variant(cases) => self.flatten_cases(&mut cases.iter().map(|(_, ty)| *ty), limit, into),
            TypeDef::Option(some) => self.flatten_cases(&mut [Some(*some)].into_iter(), limit, into),
            TypeDef::Result(ok, err) => self.flatten_cases(&mut [*ok, *err].into_iter(), limit, into),
        }
    }

    fn flatten_cases(
        &self,
        cases: &mut dyn Iterator<Item = Option<ValueType>>,
        limit: usize,
        into: &mut Vec<HostType>,
    ) -> bool {
        into.push(HostType::I32);
        let start = into.len();
        for case in cases.flatten() {
            let mut flat = Vec::new();
            if !self.flatten(case, limit.saturating_sub(start), &mut flat) {
                return false;
            }
            for (i, ty) in flat.into_iter().enumerate() {
                match into.get_mut(start + i) {
                    Some(joined) => *joined = join(*joined, ty),
                    None => into.push(ty),
                }
            }
        }
        into.len() <= limit
    }
}

/// The type that has room for both.
fn join(a: HostType, b: HostType) -> HostType {
    use HostType::{F32, I32, I64};
    match (a, b) {
        _ if a == b => a,
        (I32, F32) | (F32, I32) => I32,
        _ => I64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HostType::{F32, F64, I32, I64};

    fn check(types: &Types, params: &[ValueType], result: Option<ValueType>, expected: (&[HostType], &[HostType])) {
        let params = params.iter().map(|ty| ("p".into(), *ty)).collect();
        let found = signature(types, &FuncType { params, result }, false);
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
