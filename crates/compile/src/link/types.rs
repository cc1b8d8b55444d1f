//! One number for equal types, across all modules of a set.
//!
//! Types are equal when their recursion groups are: structurally, with references inside the group by
//! position. So a group is interned whole, in a form in which every reference is either a position in
//! the group or the number of an earlier type.

use crate::decode::Module;
use crate::error::CompileError;
use hatchery_image::{FuncType, HeapType, RefType, TypeId, TypeTable, ValType};
use std::collections::HashMap;
use std::sync::Arc;
use wasmparser::{AbstractHeapType, CompositeInnerType, RecGroup, UnpackedIndex};

/// Numbers of a module's types, by its own type indices; `None` for types that are no functions.
pub(crate) type TypeMap = Arc<[Option<TypeId>]>;

/// Interns the types of a set.
#[derive(Debug, Default)]
pub(super) struct Canon {
    types: Vec<FuncType>,
    /// The first type of each group.
    groups: HashMap<Group, TypeId>,
}

/// A recursion group with its references inside the group by position.
type Group = Vec<(Vec<Value>, Vec<Value>)>;

/// A value type of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Value {
    /// Names no type of the group.
    Known(ValType),
    /// A reference to the type at this position of the group.
    Local { nullable: bool, position: u32 },
}

impl Canon {
    /// Numbers the types of a module.
    pub(super) fn module(&mut self, module: &Module) -> Result<TypeMap, CompileError> {
        let mut map = Vec::with_capacity(module.type_count());
        for group in &module.rec_groups {
            let first = self.group(&map, group)?;
            let members = (0..group.types().len()).map(|position| Some(offset_by(first, position)));
            map.extend(members);
        }
        Ok(map.into())
    }

    /// The number of a type of numbers that is declared by itself, if some module has it.
    pub(super) fn alone(&self, ty: &FuncType) -> Option<TypeId> {
        let known = |types: &[ValType]| types.iter().copied().map(Value::Known).collect::<Vec<_>>();
        self.groups.get(&vec![(known(&ty.params), known(&ty.results))]).copied()
    }

    /// All types.
    pub(super) fn finish(self) -> TypeTable {
        TypeTable::new(self.types)
    }

    /// The number of a group's first type.
    fn group(&mut self, earlier: &[Option<TypeId>], group: &RecGroup) -> Result<TypeId, CompileError> {
        let key = normalize(earlier, group)?;
        let first = TypeId::from_index(self.types.len() as u32);
        if let Some(known) = self.groups.get(&key) {
            return Ok(*known);
        }
        for (params, results) in &key {
            let resolve = |values: &[Value]| values.iter().map(|value| value.resolve(first)).collect::<Vec<_>>();
            self.types.push(FuncType::new(resolve(params), resolve(results)));
        }
        self.groups.insert(key, first);
        Ok(first)
    }
}

impl Value {
    fn resolve(self, first: TypeId) -> ValType {
        match self {
            Value::Known(ty) => ty,
            Value::Local { nullable, position } => {
                let heap = HeapType::Concrete(offset_by(first, position as usize));
                ValType::Ref(RefType { nullable, heap })
            }
        }
    }
}

/// The link budget keeps the number of types far below 2³².
fn offset_by(first: TypeId, position: usize) -> TypeId {
    TypeId::from_index((first.index() + position) as u32)
}

fn normalize(earlier: &[Option<TypeId>], group: &RecGroup) -> Result<Group, CompileError> {
    let value = |ty: &wasmparser::ValType| group_value(earlier, *ty);
    let member = |ty: &wasmparser::SubType| match &ty.composite_type.inner {
        CompositeInnerType::Func(func) => {
            let params = func.params().iter().map(value).collect::<Result<Vec<_>, _>>()?;
            Ok((params, func.results().iter().map(value).collect::<Result<Vec<_>, _>>()?))
        }
        _ => Err(CompileError::Internal("a type that is no function was not refused".into())),
    };
    group.types().map(member).collect()
}

fn group_value(earlier: &[Option<TypeId>], ty: wasmparser::ValType) -> Result<Value, CompileError> {
    if let wasmparser::ValType::Ref(reference) = ty
        && let wasmparser::HeapType::Concrete(UnpackedIndex::Module(index)) = reference.heap_type()
        && let Some(position) = (index as usize).checked_sub(earlier.len())
    {
        return Ok(Value::Local { nullable: reference.is_nullable(), position: position as u32 });
    }
    value_type(earlier, ty).map(Value::Known)
}

/// A value type of a module whose types have these numbers.
pub(super) fn value_type(types: &[Option<TypeId>], ty: wasmparser::ValType) -> Result<ValType, CompileError> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ValType::Ref(ref_type(types, ty)?),
    })
}

/// A reference type of a module whose types have these numbers.
pub(super) fn ref_type(types: &[Option<TypeId>], ty: wasmparser::RefType) -> Result<RefType, CompileError> {
    let heap = match ty.heap_type() {
        wasmparser::HeapType::Concrete(UnpackedIndex::Module(index)) => {
            types.get(index as usize).copied().flatten().map(HeapType::Concrete)
        }
        wasmparser::HeapType::Abstract { shared: false, ty } => match ty {
            AbstractHeapType::Func => Some(HeapType::Func),
            AbstractHeapType::Extern => Some(HeapType::Extern),
            AbstractHeapType::NoFunc => Some(HeapType::NoFunc),
            AbstractHeapType::NoExtern => Some(HeapType::NoExtern),
            AbstractHeapType::Exn => Some(HeapType::Exn),
            AbstractHeapType::NoExn => Some(HeapType::NoExn),
            _ => None,
        },
        _ => None,
    };
    let heap = heap.ok_or_else(|| CompileError::Internal(format!("reference type {ty} was not refused")))?;
    Ok(RefType { nullable: ty.is_nullable(), heap })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Allowance, Features, decode};

    /// Numbers of the types of each module, linked together.
    fn canon(modules: &[&str]) -> Vec<Vec<u32>> {
        let mut canon = Canon::default();
        let number = |text: &&str| {
            let bytes = wat::parse_str(text).expect("test text");
            let module = decode(&bytes.into(), Features::All, &Allowance::new(u64::MAX)).expect("valid");
            let map = canon.module(&module).expect("function types");
            map.iter().map(|id| id.expect("a function type").get()).collect()
        };
        modules.iter().map(number).collect()
    }

    #[test]
    fn equal_types_of_two_modules_have_one_number() {
        let maps = canon(&[
            "(module (type (func)) (type (func (param i32))) (type (func)))",
            "(module (type (func (param i32))) (type (func)))",
        ]);
        assert_eq!(maps, [vec![1, 2, 1], vec![2, 1]]);
    }

    #[test]
    fn a_group_is_equal_whole_or_not_at_all() {
        let maps = canon(&[
            "(module (rec (type (func)) (type (func))) (type (func)))",
            "(module (type (func)) (rec (type (func)) (type (func))))",
            "(module (rec (type (func)) (type (func (param i32)))))",
        ]);
        assert_eq!(maps, [vec![1, 2, 3], vec![3, 1, 2], vec![4, 5]]);
    }

    #[test]
    fn references_inside_a_group_are_by_position() {
        let maps = canon(&[
            "(module (rec (type $a (func (param (ref $b)))) (type $b (func (param (ref $a))))))",
            "(module (type (func)) (rec (type $a (func (param (ref $b)))) (type $b (func (param (ref $a))))))",
            "(module (type $s (func (param (ref $s)))))",
            "(module (rec (type $s (func (param (ref $s))))))",
            "(module (type $s (func (param (ref null $s)))))",
        ]);
        assert_eq!(maps[0], [1, 2]);
        assert_eq!(maps[1][1..], [1, 2]);
        assert_eq!(maps[2], maps[3]);
        assert_ne!(maps[3], maps[4]);
    }

    #[test]
    fn references_to_equal_types_are_equal() {
        let maps = canon(&[
            "(module (type $a (func)) (type $b (func)) (type (func (param (ref $a)))) (type (func (param (ref $b)))))",
        ]);
        assert_eq!(maps, [vec![1, 1, 2, 2]]);
    }
}
