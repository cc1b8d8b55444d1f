//! What needs a garbage collector and is refused, although the validator knows it.

use wasmparser::{
    AbstractHeapType, BlockType, CompositeInnerType, HeapType, Operator, RecGroup, RefType, SubType, TryTable, ValType,
};

/// Something that only a garbage collector gives a meaning, in words.
pub(crate) type Needs = Result<(), &'static str>;

/// Types must be functions, without subtypes: one comparison decides equality then.
pub(crate) fn check_rec_group(group: &RecGroup) -> Needs {
    group.types().try_for_each(check_sub_type)
}

fn check_sub_type(ty: &SubType) -> Needs {
    if !ty.is_final || !ty.supertype_idxs.is_empty() {
        return Err("a declared subtype");
    }
    match &ty.composite_type.inner {
        CompositeInnerType::Func(func) => {
            func.params().iter().chain(func.results()).try_for_each(|ty| check_value(*ty))
        }
        CompositeInnerType::Struct(_) => Err("a structure type"),
        CompositeInnerType::Array(_) => Err("an array type"),
        CompositeInnerType::Cont(_) => Err("a continuation type"),
    }
}

/// A value's type: references to functions, host values and exceptions only.
pub(crate) fn check_value(ty: ValType) -> Needs {
    match ty {
        ValType::Ref(ty) => check_ref(ty),
        _ => Ok(()),
    }
}

/// A reference's type.
pub(crate) fn check_ref(ty: RefType) -> Needs {
    check_heap(ty.heap_type())
}

fn check_heap(ty: HeapType) -> Needs {
    use AbstractHeapType::{Exn, Extern, Func, NoExn, NoExtern, NoFunc};
    match ty {
        HeapType::Concrete(_)
        | HeapType::Abstract { shared: false, ty: Func | Extern | Exn | NoFunc | NoExtern | NoExn } => Ok(()),
        _ => Err("a collected reference type"),
    }
}

/// An instruction, its immediates included.
pub(crate) fn check_operator(op: &Operator<'_>) -> Needs {
    match op {
        Operator::RefNull { hty } => check_heap(*hty),
        Operator::TypedSelect { ty } => check_value(*ty),
        Operator::TypedSelectMulti { tys } => tys.iter().try_for_each(|ty| check_value(*ty)),
        Operator::Block { blockty: BlockType::Type(ty) }
        | Operator::Loop { blockty: BlockType::Type(ty) }
        | Operator::If { blockty: BlockType::Type(ty) } => check_value(*ty),
        Operator::TryTable { try_table: TryTable { ty: BlockType::Type(ty), .. } } => check_value(*ty),
        op if is_collected(op) => Err("an instruction on collected references"),
        _ => Ok(()),
    }
}

macro_rules! define_is_collected {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        /// Whether the garbage collection proposal added this instruction.
        fn is_collected(op: &Operator<'_>) -> bool {
            match op {
                $( Operator::$op { .. } => define_is_collected!(@is $proposal), )*
                _ => false,
            }
        }
    };
    (@is gc) => { true };
    (@is $other:ident) => { false };
}
wasmparser::for_each_operator!(define_is_collected);
