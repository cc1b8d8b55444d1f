//! Sizes, alignments and flat forms of value types: values from values.
//!
//! Source: component model, `CanonicalABI.md`, sections *Alignment*, *Element Size* and *Flattening*. Types are first
//! reduced to a few shapes, as its *Despecialization* does.

use crate::types::{FuncType, TypeDef, Types, ValueType};

/// Most flat parameters of a function; more are passed in memory.
pub const MAX_FLAT_PARAMS: usize = 16;

/// Most flat results of a function; more are passed in memory.
pub const MAX_FLAT_RESULTS: usize = 1;

/// Most bytes of a string or of a list's elements.
pub const MAX_BYTE_LENGTH: u32 = (1 << 28) - 1;

/// Type of a flat value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flat {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// Single float.
    F32,
    /// Double float.
    F64,
}

impl Flat {
    /// The type of a pointer or length in a memory with addresses of this width.
    pub const fn pointer(memory64: bool) -> Flat {
        if memory64 { Flat::I64 } else { Flat::I32 }
    }

    /// The type that holds values of either.
    pub fn join(self, other: Flat) -> Flat {
        match (self, other) {
            _ if self == other => self,
            (Flat::I32, Flat::F32) | (Flat::F32, Flat::I32) => Flat::I32,
            _ => Flat::I64,
        }
    }
}

/// How much room a value takes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Bytes; `u64::MAX` when it is more than that.
    pub size: u64,
    /// A power of two, at most 8.
    pub align: u32,
}

/// What a type is when its names are taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Records and tuples.
    Record(Vec<ValueType>),
    /// Variants, enums, options and results.
    Variant(Vec<Option<ValueType>>),
    /// Lists and maps. An element consists of these, as a record does.
    List(Vec<ValueType>),
    /// Lists of a fixed length.
    FixedList(ValueType, u32),
    /// This many flags.
    Flags(u32),
}

impl TypeDef {
    /// The type without its names.
    pub fn shape(&self) -> Shape {
        match self {
            TypeDef::Record(fields) => Shape::Record(fields.iter().map(|(_, ty)| *ty).collect()),
            TypeDef::Tuple(types) => Shape::Record(types.clone()),
            TypeDef::Variant(cases) => Shape::Variant(cases.iter().map(|(_, ty)| *ty).collect()),
            TypeDef::Enum(names) => Shape::Variant(vec![None; names.len()]),
            TypeDef::Option(ty) => Shape::Variant(vec![None, Some(*ty)]),
            TypeDef::Result(ok, error) => Shape::Variant(vec![*ok, *error]),
            TypeDef::List(ty) => Shape::List(vec![*ty]),
            TypeDef::Map(key, value) => Shape::List(vec![*key, *value]),
            TypeDef::FixedList(ty, length) => Shape::FixedList(*ty, *length),
            TypeDef::Flags(names) => Shape::Flags(names.len() as u32),
        }
    }
}

impl Shape {
    /// The types that it is made of.
    pub fn parts(self) -> Vec<ValueType> {
        match self {
            Shape::Record(types) | Shape::List(types) => types,
            Shape::Variant(cases) => cases.into_iter().flatten().collect(),
            Shape::FixedList(ty, _) => vec![ty],
            Shape::Flags(_) => Vec::new(),
        }
    }
}

/// Layouts and flat forms of all types of a tree, for memories with addresses of one width.
#[derive(Debug, Clone)]
pub struct Layouts {
    memory64: bool,
    defs: Vec<DefLayout>,
}

/// Those of one type.
#[derive(Debug, Clone)]
struct DefLayout {
    layout: Layout,
    /// `None` when there are more than [`MAX_FLAT_PARAMS`].
    flat: Option<Vec<Flat>>,
}

/// How a core function passes the values of a component function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CoreSignature {
    /// Types of the parameters.
    pub params: Vec<Flat>,
    /// Types of the results.
    pub results: Vec<Flat>,
    /// Whether the parameters are in memory, and the first core parameter points to them.
    pub params_in_memory: bool,
    /// Whether the result is in memory: the core result points to it, or, in a lowered function, the last core
    /// parameter points to where it is wanted.
    pub result_in_memory: bool,
}

/// On which side of a call a core function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// It implements the component function: `canon lift`.
    Lift,
    /// It is what callers see: `canon lower`.
    Lower,
}

impl Layouts {
    /// Of `types`, where pointers have this width.
    pub fn new(types: &Types, memory64: bool) -> Layouts {
        let mut layouts = Layouts { memory64, defs: Vec::with_capacity(types.defs().len()) };
        for def in types.defs() {
            // A type is made of earlier ones.
            let def = layouts.def(&def.shape());
            layouts.defs.push(def);
        }
        layouts
    }

    /// Whether addresses are 64 bits wide.
    pub fn memory64(&self) -> bool {
        self.memory64
    }

    /// Size and alignment in memory.
    pub fn layout(&self, ty: ValueType) -> Layout {
        let same = |size: u32| Layout { size: size.into(), align: size };
        match ty {
            ValueType::Bool | ValueType::S8 | ValueType::U8 => same(1),
            ValueType::S16 | ValueType::U16 => same(2),
            ValueType::S32 | ValueType::U32 | ValueType::F32 | ValueType::Char => same(4),
            ValueType::Own(_) | ValueType::Borrow(_) => same(4),
            ValueType::S64 | ValueType::U64 | ValueType::F64 => same(8),
            ValueType::String => self.pair(),
            ValueType::Def(id) => self.defs.get(id.0 as usize).map_or(same(1), |def| def.layout),
        }
    }

    /// The flat form, if it has at most [`MAX_FLAT_PARAMS`] values.
    pub fn flat(&self, ty: ValueType) -> Option<&[Flat]> {
        Some(match ty {
            ValueType::S64 | ValueType::U64 => &[Flat::I64],
            ValueType::F32 => &[Flat::F32],
            ValueType::F64 => &[Flat::F64],
            ValueType::String if self.memory64 => &[Flat::I64; 2],
            ValueType::String => &[Flat::I32; 2],
            ValueType::Def(id) => self.defs.get(id.0 as usize)?.flat.as_deref()?,
            _ => &[Flat::I32],
        })
    }

    /// The flat form of several values, one after the other.
    pub fn flat_all(&self, types: impl IntoIterator<Item = ValueType>) -> Option<Vec<Flat>> {
        let mut all = Vec::new();
        for ty in types {
            all.extend_from_slice(self.flat(ty)?);
            if all.len() > MAX_FLAT_PARAMS {
                return None;
            }
        }
        Some(all)
    }

    /// Size and alignment of a record of these, and where in it each of them is.
    pub fn record(&self, types: impl IntoIterator<Item = ValueType>) -> (Layout, Vec<u64>) {
        let (mut size, mut align, mut offsets) = (0u64, 1, Vec::new());
        for ty in types {
            let field = self.layout(ty);
            align = align.max(field.align);
            size = align_to(size, field.align);
            offsets.push(size);
            size = size.saturating_add(field.size);
        }
        (Layout { size: align_to(size, align), align }, offsets)
    }

    /// Size and alignment of a variant with these cases, and where in it the payload is.
    pub fn variant(&self, cases: &[Option<ValueType>]) -> (Layout, u64) {
        let (mut size, mut align) = (0, 1);
        for case in cases.iter().flatten() {
            let case = self.layout(*case);
            size = case.size.max(size);
            align = case.align.max(align);
        }
        let discriminant = discriminant_bytes(cases.len());
        let payload = align_to(discriminant.into(), align);
        let align = align.max(discriminant);
        (Layout { size: align_to(payload.saturating_add(size), align), align }, payload)
    }

    /// The core function that stands for a component function of this type.
    pub fn signature(&self, ty: &FuncType, side: Side) -> CoreSignature {
        let params = self.flat_all(ty.params.iter().map(|(_, ty)| *ty));
        let results = self.flat_all(ty.result).filter(|flat| flat.len() <= MAX_FLAT_RESULTS);
        let (params_in_memory, result_in_memory) = (params.is_none(), results.is_none());
        let pointer = Flat::pointer(self.memory64);
        let mut params = params.unwrap_or_else(|| vec![pointer]);
        let results = match (results, side) {
            (Some(flat), _) => flat,
            (None, Side::Lift) => vec![pointer],
            (None, Side::Lower) => {
                params.push(pointer);
                Vec::new()
            }
        };
        CoreSignature { params, results, params_in_memory, result_in_memory }
    }

    /// A pointer and a length.
    fn pair(&self) -> Layout {
        let pointer = if self.memory64 { 8 } else { 4 };
        Layout { size: 2 * u64::from(pointer), align: pointer }
    }

    fn def(&self, shape: &Shape) -> DefLayout {
        match shape {
            Shape::Record(types) => {
                DefLayout { layout: self.record(types.iter().copied()).0, flat: self.flat_all(types.iter().copied()) }
            }
            Shape::Variant(cases) => DefLayout { layout: self.variant(cases).0, flat: self.flat_variant(cases) },
            Shape::List(_) => DefLayout { layout: self.pair(), flat: Some(vec![Flat::pointer(self.memory64); 2]) },
            Shape::FixedList(ty, length) => {
                let Layout { size, align } = self.layout(*ty);
                let length = *length as usize;
                let flat = self.flat(*ty).filter(|flat| flat.len().saturating_mul(length) <= MAX_FLAT_PARAMS);
                let layout = Layout { size: size.saturating_mul(length as u64), align };
                DefLayout { layout, flat: flat.map(|flat| flat.repeat(length)) }
            }
            Shape::Flags(count) => {
                let bytes = flags_bytes(*count);
                DefLayout { layout: Layout { size: bytes.into(), align: bytes }, flat: Some(vec![Flat::I32]) }
            }
        }
    }

    fn flat_variant(&self, cases: &[Option<ValueType>]) -> Option<Vec<Flat>> {
        let mut all = vec![Flat::I32];
        for case in cases.iter().flatten() {
            for (i, flat) in self.flat(*case)?.iter().enumerate() {
                match all.get_mut(i + 1) {
                    Some(joined) => *joined = joined.join(*flat),
                    None => all.push(*flat),
                }
            }
        }
        Some(all).filter(|all| all.len() <= MAX_FLAT_PARAMS)
    }
}

/// Bytes of the number that says which of so many cases a variant is.
pub fn discriminant_bytes(cases: usize) -> u32 {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// Bytes of so many flags, 1 to 32 of them.
pub fn flags_bytes(count: u32) -> u32 {
    match count {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

/// The next multiple of a power of two.
fn align_to(offset: u64, align: u32) -> u64 {
    let mask = u64::from(align) - 1;
    offset.saturating_add(mask) & !mask
}

#[cfg(test)]
#[path = "abi_tests.rs"]
mod tests;
