//! Core WebAssembly types, canonical within one image.

use core::fmt;
use core::num::NonZeroU32;

/// A function type's number in its image. Equal types of one image have equal numbers, across all
/// of its modules; 0 is no type, so that a null funcref matches none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(NonZeroU32);

impl TypeId {
    /// The type at `index` of the image's [`TypeTable`].
    ///
    /// # Panics
    ///
    /// For the greatest index, which no link budget allows.
    pub const fn from_index(index: u32) -> TypeId {
        match NonZeroU32::new(index.wrapping_add(1)) {
            Some(id) => TypeId(id),
            None => panic!("more types than the link budget allows"),
        }
    }

    /// The number itself, never 0.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Position in the [`TypeTable`].
    pub const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What a reference refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeapType {
    /// Any function.
    Func,
    /// Any host value.
    Extern,
    /// A function of this type.
    Concrete(TypeId),
    /// No function: the type of the null funcref alone.
    NoFunc,
    /// No host value: the type of the null externref alone.
    NoExtern,
    /// Any exception.
    Exn,
    /// No exception: the type of the null exnref alone.
    NoExn,
}

/// A reference type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefType {
    /// Whether null is one of its values.
    pub nullable: bool,
    /// What it refers to.
    pub heap: HeapType,
}

impl RefType {
    /// `funcref`.
    pub const FUNCREF: RefType = RefType { nullable: true, heap: HeapType::Func };
    /// `externref`.
    pub const EXTERNREF: RefType = RefType { nullable: true, heap: HeapType::Extern };

    /// `exnref`.
    pub const EXNREF: RefType = RefType { nullable: true, heap: HeapType::Exn };

    /// Whether values are packed funcrefs.
    pub const fn is_func(self) -> bool {
        matches!(self.heap, HeapType::Func | HeapType::Concrete(_) | HeapType::NoFunc)
    }

    /// Whether values are externref indices.
    pub const fn is_extern(self) -> bool {
        matches!(self.heap, HeapType::Extern | HeapType::NoExtern)
    }

    /// Whether values are exnref words.
    pub const fn is_exn(self) -> bool {
        matches!(self.heap, HeapType::Exn | HeapType::NoExn)
    }

    /// Whether every value of this type is one of `other`.
    pub fn matches(self, other: RefType) -> bool {
        let heap = self.heap == other.heap
            || match (self.heap, other.heap) {
                (HeapType::Concrete(_), HeapType::Func) => true,
                (HeapType::NoFunc, heap) => RefType { nullable: true, heap }.is_func(),
                (HeapType::NoExtern, HeapType::Extern) | (HeapType::NoExn, HeapType::Exn) => true,
                _ => false,
            };
        heap && (other.nullable || !self.nullable)
    }
}

/// A value type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// Single float.
    F32,
    /// Double float.
    F64,
    /// 128-bit vector.
    V128,
    /// Reference; one 64-bit word.
    Ref(RefType),
}

impl ValType {
    /// Whether values travel in vector registers.
    pub const fn is_float_class(self) -> bool {
        matches!(self, ValType::F32 | ValType::F64 | ValType::V128)
    }

    /// Whether every value of this type is one of `other`.
    pub fn matches(self, other: ValType) -> bool {
        match (self, other) {
            (ValType::Ref(a), ValType::Ref(b)) => a.matches(b),
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValType::I32 => f.write_str("i32"),
            ValType::I64 => f.write_str("i64"),
            ValType::F32 => f.write_str("f32"),
            ValType::F64 => f.write_str("f64"),
            ValType::V128 => f.write_str("v128"),
            ValType::Ref(r) => r.fmt(f),
        }
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, self.heap) {
            (true, HeapType::Func) => return f.write_str("funcref"),
            (true, HeapType::Extern) => return f.write_str("externref"),
            (true, HeapType::Exn) => return f.write_str("exnref"),
            _ => {}
        }
        f.write_str(if self.nullable { "(ref null " } else { "(ref " })?;
        match self.heap {
            HeapType::Func => f.write_str("func)"),
            HeapType::Extern => f.write_str("extern)"),
            HeapType::Concrete(id) => write!(f, "{})", id.get()),
            HeapType::NoFunc => f.write_str("nofunc)"),
            HeapType::NoExtern => f.write_str("noextern)"),
            HeapType::Exn => f.write_str("exn)"),
            HeapType::NoExn => f.write_str("noexn)"),
        }
    }
}

/// A function type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FuncType {
    /// Parameters.
    pub params: Box<[ValType]>,
    /// Results.
    pub results: Box<[ValType]>,
}

/// How a host function receives its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostAbi {
    /// As SysV scalars, with at most one result, returned likewise.
    Native,
    /// Through an array of `RawVal`.
    Array,
}

impl FuncType {
    /// Most parameters of a host function in native form.
    pub const MAX_NATIVE_PARAMS: usize = 12;

    /// A function type.
    pub fn new(params: impl Into<Box<[ValType]>>, results: impl Into<Box<[ValType]>>) -> FuncType {
        FuncType { params: params.into(), results: results.into() }
    }

    /// Whether some parameter or result is a reference to an exception, which the host can neither give nor take.
    pub fn has_exceptions(&self) -> bool {
        let is_exn = |ty: &ValType| matches!(ty, ValType::Ref(reference) if reference.is_exn());
        self.params.iter().chain(&self.results).any(is_exn)
    }

    /// The form in which a host function of this type is called.
    pub fn host_abi(&self) -> HostAbi {
        let scalar = |ty: &ValType| *ty != ValType::V128;
        let native = self.results.len() <= 1
            && self.params.len() <= Self::MAX_NATIVE_PARAMS
            && self.params.iter().chain(&self.results).all(scalar);
        if native { HostAbi::Native } else { HostAbi::Array }
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                ty.fmt(f)?;
            }
            f.write_str(")")
        };
        list(f, &self.params)?;
        f.write_str(" -> ")?;
        list(f, &self.results)
    }
}

/// All function types of an image, indexed by [`TypeId`].
#[derive(Debug, Clone, Default)]
pub struct TypeTable {
    types: Vec<FuncType>,
}

impl TypeTable {
    /// A table of these types, in the order of their ids.
    pub fn new(types: Vec<FuncType>) -> TypeTable {
        TypeTable { types }
    }

    /// The type with this id.
    ///
    /// Ids come from the same image, so there is always one.
    pub fn get(&self, id: TypeId) -> &FuncType {
        &self.types[id.index()]
    }

    /// The type with this number, if there is one.
    pub fn by_number(&self, number: u32) -> Option<&FuncType> {
        self.types.get((number as usize).checked_sub(1)?)
    }

    /// The id of a type that equals `ty`.
    pub fn find(&self, ty: &FuncType) -> Option<TypeId> {
        self.types.iter().position(|t| t == ty).map(|i| TypeId::from_index(i as u32))
    }

    /// All types with their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TypeId, &FuncType)> {
        self.types.iter().enumerate().map(|(i, ty)| (TypeId::from_index(i as u32), ty))
    }
}
