//! Types of values that components pass: random ones, their text, and how the canonical ABI flattens them.
//!
//! Layouts are computed here once more, as this shares no code with what it judges.

use arbitrary::{Result, Unstructured};

/// Most bytes of a function's parameters or result in memory.
pub(crate) const MAX_BYTES: u32 = 6000;

/// A type of values. Those that need a name have a number, which is part of their name.
#[derive(Debug, Clone, PartialEq)]
pub enum Ty {
    /// `bool`.
    Bool,
    /// An integer: its bits, and whether it has a sign.
    Int(u32, bool),
    /// A float: its bits.
    Float(u32),
    /// `char`.
    Char,
    /// `string`.
    Text,
    /// `list<T>`.
    List(Box<Ty>),
    /// `list<T, N>`.
    Fixed(Box<Ty>, u32),
    /// `map<K, V>`.
    Map(Box<Ty>, Box<Ty>),
    /// `tuple<…>`.
    Tuple(Vec<Ty>),
    /// `option<T>`.
    Option(Box<Ty>),
    /// `result<T, E>`.
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    /// A record with fields `f0`, `f1` and so on.
    Record(usize, Vec<Ty>),
    /// A variant with cases `c0`, `c1` and so on.
    Variant(usize, Vec<Option<Ty>>),
    /// An enum with this many cases.
    Enum(usize, u32),
    /// This many flags, `b0` and so on.
    Flags(usize, u32),
    /// The host's resource, given away.
    Own,
    /// The host's resource, lent.
    Borrow,
    /// Another resource of the host's, given away.
    OwnOther,
    /// Another resource of the host's, lent.
    BorrowOther,
    /// A component's resource, given away.
    OwnThing,
    /// A component's resource, lent.
    BorrowThing,
}

/// What a flat value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flat {
    I32,
    I64,
    F32,
    F64,
}

impl Ty {
    /// Whether a value may have a string in it.
    pub(crate) fn has_text(&self) -> bool {
        match self {
            Ty::Text => true,
            Ty::List(item) | Ty::Fixed(item, _) | Ty::Option(item) => item.has_text(),
            Ty::Map(key, value) => key.has_text() || value.has_text(),
            Ty::Tuple(parts) | Ty::Record(_, parts) => parts.iter().any(Ty::has_text),
            Ty::Result(ok, error) => ok.iter().chain(error).any(|ty| ty.has_text()),
            Ty::Variant(_, cases) => cases.iter().flatten().any(Ty::has_text),
            Ty::Bool | Ty::Int(..) | Ty::Float(_) | Ty::Char | Ty::Enum(..) | Ty::Flags(..) => false,
            Ty::Own | Ty::Borrow | Ty::OwnOther | Ty::BorrowOther | Ty::OwnThing | Ty::BorrowThing => false,
        }
    }
}

impl Flat {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Flat::I32 => "i32",
            Flat::I64 => "i64",
            Flat::F32 => "f32",
            Flat::F64 => "f64",
        }
    }

    fn join(self, other: Flat) -> Flat {
        match (self, other) {
            _ if self == other => self,
            (Flat::I32 | Flat::F32, Flat::I32 | Flat::F32) => Flat::I32,
            _ => Flat::I64,
        }
    }
}

/// Random types. Those with names are collected.
#[derive(Debug, Default)]
pub(crate) struct Types {
    /// Types with names, each before those that contain it.
    pub(crate) named: Vec<Ty>,
}

impl Types {
    /// A type that is not too large; only that of a parameter can contain borrows.
    pub(crate) fn ty(&mut self, u: &mut Unstructured<'_>, parameter: bool) -> Result<Ty> {
        let mark = self.named.len();
        let depth = u.int_in_range(0..=3)?;
        let ty = self.nested(u, depth, parameter)?;
        if ty.size() <= MAX_BYTES / 8 {
            return Ok(ty);
        }
        self.named.truncate(mark);
        Ok(Ty::Text)
    }

    fn nested(&mut self, u: &mut Unstructured<'_>, depth: u32, parameter: bool) -> Result<Ty> {
        if depth == 0 {
            return self.leaf(u, parameter);
        }
        let depth = depth - 1;
        Ok(match u.int_in_range(0..=12)? {
            0..=2 => Ty::List(Box::new(self.nested(u, depth, parameter)?)),
            3 => Ty::Fixed(Box::new(self.nested(u, depth, parameter)?), u.int_in_range(1..=5)?),
            4 => self.map(u, depth)?,
            5 => Ty::Tuple(self.several(u, depth, parameter)?),
            6 => Ty::Option(Box::new(self.nested(u, depth, parameter)?)),
            7 | 8 => Ty::Result(self.maybe(u, depth, parameter)?, self.maybe(u, depth, parameter)?),
            9 | 10 => {
                let fields = self.several(u, depth, parameter)?;
                self.name(|number| Ty::Record(number, fields))
            }
            _ => {
                let count = u.int_in_range(1..=4)?;
                let cases: Result<Vec<_>> =
                    (0..count).map(|_| Ok(self.maybe(u, depth, parameter)?.map(|ty| *ty))).collect();
                let cases = cases?;
                self.name(|number| Ty::Variant(number, cases))
            }
        })
    }

    /// A map, whose values are no handles.
    fn map(&mut self, u: &mut Unstructured<'_>, depth: u32) -> Result<Ty> {
        let mark = self.named.len();
        let (key, value) = (key(u)?, self.nested(u, depth, false)?);
        if value.any(&|ty| *ty == Ty::Own) {
            self.named.truncate(mark);
            return Ok(Ty::Map(Box::new(key), Box::new(Ty::Text)));
        }
        Ok(Ty::Map(Box::new(key), Box::new(value)))
    }

    fn leaf(&mut self, u: &mut Unstructured<'_>, parameter: bool) -> Result<Ty> {
        Ok(match u.int_in_range(0..=15)? {
            0 => Ty::Bool,
            1..=4 => Ty::Int(*u.choose(&[8, 16, 32, 64])?, u.arbitrary()?),
            5 => Ty::Float(*u.choose(&[32, 64])?),
            6 => Ty::Char,
            7..=9 => Ty::Text,
            10 => {
                let count = *u.choose(&[1, 2, 3, 255, 256, 257, 300])?;
                self.name(|number| Ty::Enum(number, count))
            }
            11 | 12 => {
                let count = *u.choose(&[1, 7, 8, 9, 15, 16, 17, 31, 32])?;
                self.name(|number| Ty::Flags(number, count))
            }
            13 => Ty::Own,
            14 if parameter => Ty::Borrow,
            _ => Ty::Int(32, false),
        })
    }

    fn several(&mut self, u: &mut Unstructured<'_>, depth: u32, parameter: bool) -> Result<Vec<Ty>> {
        let count = if u.ratio(1, 8)? { u.int_in_range(5..=20)? } else { u.int_in_range(1..=4)? };
        (0..count).map(|_| self.nested(u, depth, parameter)).collect()
    }

    fn maybe(&mut self, u: &mut Unstructured<'_>, depth: u32, parameter: bool) -> Result<Option<Box<Ty>>> {
        Ok(if u.ratio(2, 3)? { Some(Box::new(self.nested(u, depth, parameter)?)) } else { None })
    }

    /// A type with a name.
    pub(crate) fn name(&mut self, ty: impl FnOnce(usize) -> Ty) -> Ty {
        let ty = ty(self.named.len());
        self.named.push(ty.clone());
        ty
    }
}

/// What can be the key of a map.
fn key(u: &mut Unstructured<'_>) -> Result<Ty> {
    Ok(match u.int_in_range(0..=4)? {
        0 => Ty::Bool,
        1 => Ty::Char,
        2 | 3 => Ty::Text,
        _ => Ty::Int(*u.choose(&[8, 16, 32, 64])?, u.arbitrary()?),
    })
}

impl Ty {
    /// The type as the text format refers to it.
    pub(crate) fn text(&self) -> String {
        match self {
            Ty::Record(number, _) | Ty::Variant(number, _) | Ty::Enum(number, _) | Ty::Flags(number, _) => {
                format!("$t{number}")
            }
            _ => self.definition(),
        }
    }

    /// The type as the text format defines it.
    pub(crate) fn definition(&self) -> String {
        let list = |types: &[Ty]| types.iter().map(|ty| format!(" {}", ty.text())).collect::<String>();
        let names = |letter: char, count: u32| (0..count).map(|i| format!(" \"{letter}{i}\"")).collect::<String>();
        match self {
            Ty::Bool => "bool".into(),
            Ty::Int(bits, signed) => format!("{}{bits}", if *signed { 's' } else { 'u' }),
            Ty::Float(bits) => format!("f{bits}"),
            Ty::Char => "char".into(),
            Ty::Text => "string".into(),
            Ty::List(of) => format!("(list {})", of.text()),
            Ty::Fixed(of, length) => format!("(list {} {length})", of.text()),
            Ty::Map(key, value) => format!("(map {} {})", key.text(), value.text()),
            Ty::Tuple(types) => format!("(tuple{})", list(types)),
            Ty::Option(of) => format!("(option {})", of.text()),
            Ty::Result(ok, error) => {
                let ok = ok.as_ref().map(|ty| format!(" {}", ty.text())).unwrap_or_default();
                let error = error.as_ref().map(|ty| format!(" (error {})", ty.text())).unwrap_or_default();
                format!("(result{ok}{error})")
            }
            Ty::Record(_, fields) => {
                let fields = fields.iter().enumerate().map(|(i, ty)| format!(" (field \"f{i}\" {})", ty.text()));
                format!("(record{})", fields.collect::<String>())
            }
            Ty::Variant(_, cases) => {
                let payload = |ty: &Option<Ty>| ty.as_ref().map(|ty| format!(" {}", ty.text())).unwrap_or_default();
                let cases = cases.iter().enumerate().map(|(i, ty)| format!(" (case \"c{i}\"{})", payload(ty)));
                format!("(variant{})", cases.collect::<String>())
            }
            Ty::Enum(_, count) => format!("(enum{})", names('c', *count)),
            Ty::Flags(_, count) => format!("(flags{})", names('b', *count)),
            Ty::Own => "(own $res)".into(),
            Ty::Borrow => "(borrow $res)".into(),
            Ty::OwnOther => "(own $other)".into(),
            Ty::BorrowOther => "(borrow $other)".into(),
            Ty::OwnThing => "(own $thing)".into(),
            Ty::BorrowThing => "(borrow $thing)".into(),
        }
    }

    /// Payloads of the cases, if it is a kind of variant.
    fn cases(&self) -> Option<Vec<Option<&Ty>>> {
        match self {
            Ty::Option(of) => Some(vec![None, Some(of)]),
            Ty::Result(ok, error) => Some(vec![ok.as_deref(), error.as_deref()]),
            Ty::Variant(_, cases) => Some(cases.iter().map(Option::as_ref).collect()),
            Ty::Enum(_, count) => Some(vec![None; *count as usize]),
            _ => None,
        }
    }

    /// The type of a case's payload, if it has one.
    pub fn case(&self, case: u32) -> Option<&Ty> {
        match self {
            Ty::Option(of) => (case == 1).then_some(of),
            Ty::Result(ok, _) if case == 0 => ok.as_deref(),
            Ty::Result(_, error) => error.as_deref(),
            Ty::Variant(_, cases) => cases.get(case as usize)?.as_ref(),
            _ => None,
        }
    }

    /// Whether values can contain resources that are lent.
    pub(crate) fn has_borrows(&self) -> bool {
        self.any(&|ty| ty.is_borrow())
    }

    /// Whether it is a resource of the host's that is lent.
    pub(crate) fn is_borrow(&self) -> bool {
        matches!(self, Ty::Borrow | Ty::BorrowOther)
    }

    /// Whether this is so of the type, or of a type of one of its parts.
    fn any(&self, is: &dyn Fn(&Ty) -> bool) -> bool {
        let parts = || match self {
            Ty::List(of) | Ty::Fixed(of, _) | Ty::Map(_, of) | Ty::Option(of) => of.any(is),
            Ty::Tuple(types) | Ty::Record(_, types) => types.iter().any(|ty| ty.any(is)),
            Ty::Result(ok, error) => [ok, error].into_iter().flatten().any(|ty| ty.any(is)),
            Ty::Variant(_, cases) => cases.iter().flatten().any(|ty| ty.any(is)),
            _ => false,
        };
        is(self) || parts()
    }

    fn align(&self) -> u32 {
        match self {
            Ty::Bool => 1,
            Ty::Int(bits, _) | Ty::Float(bits) => bits / 8,
            Ty::Char | Ty::Text | Ty::List(_) | Ty::Map(..) => 4,
            Ty::Own | Ty::Borrow | Ty::OwnOther | Ty::BorrowOther | Ty::OwnThing | Ty::BorrowThing => 4,
            Ty::Fixed(of, _) => of.align(),
            Ty::Tuple(types) | Ty::Record(_, types) => types.iter().map(Ty::align).max().unwrap_or(1),
            Ty::Flags(_, count) => flags_bytes(*count),
            _ => {
                let cases = self.cases().unwrap_or_default();
                cases.iter().flatten().map(|ty| ty.align()).max().unwrap_or(1).max(tag_bytes(cases.len()))
            }
        }
    }

    /// Bytes that a value takes in memory, contents of strings and lists aside.
    pub(crate) fn size(&self) -> u32 {
        match self {
            Ty::Bool => 1,
            Ty::Int(bits, _) | Ty::Float(bits) => bits / 8,
            Ty::Char => 4,
            Ty::Own | Ty::Borrow | Ty::OwnOther | Ty::BorrowOther | Ty::OwnThing | Ty::BorrowThing => 4,
            Ty::Text | Ty::List(_) | Ty::Map(..) => 8,
            Ty::Fixed(of, length) => of.size().saturating_mul(*length),
            Ty::Tuple(types) | Ty::Record(_, types) => record_size(types),
            Ty::Flags(_, count) => flags_bytes(*count),
            _ => {
                let cases = self.cases().unwrap_or_default();
                let payloads = || cases.iter().flatten();
                let align = payloads().map(|ty| ty.align()).max().unwrap_or(1);
                let payload = payloads().map(|ty| ty.size()).max().unwrap_or(0);
                let start = tag_bytes(cases.len()).next_multiple_of(align);
                start.saturating_add(payload).next_multiple_of(self.align())
            }
        }
    }

    fn flatten(&self, into: &mut Vec<Flat>) {
        match self {
            Ty::Int(64, _) => into.push(Flat::I64),
            Ty::Float(32) => into.push(Flat::F32),
            Ty::Float(_) => into.push(Flat::F64),
            Ty::Text | Ty::List(_) | Ty::Map(..) => into.extend([Flat::I32; 2]),
            Ty::Fixed(of, length) => (0..*length).for_each(|_| of.flatten(into)),
            Ty::Tuple(types) | Ty::Record(_, types) => types.iter().for_each(|ty| ty.flatten(into)),
            _ => match self.cases() {
                Some(cases) => flatten_cases(&cases, into),
                None => into.push(Flat::I32),
            },
        }
    }
}

fn flatten_cases(cases: &[Option<&Ty>], into: &mut Vec<Flat>) {
    let mut joined: Vec<Flat> = Vec::new();
    for ty in cases.iter().flatten() {
        let mut flat = Vec::new();
        ty.flatten(&mut flat);
        for (i, flat) in flat.into_iter().enumerate() {
            match joined.get_mut(i) {
                Some(other) => *other = other.join(flat),
                None => joined.push(flat),
            }
        }
    }
    into.push(Flat::I32);
    into.extend(joined);
}

fn flags_bytes(count: u32) -> u32 {
    if count <= 8 { 1 } else { count.div_ceil(16).min(2) * 2 }
}

fn tag_bytes(cases: usize) -> u32 {
    match cases {
        0..=256 => 1,
        257..=0x1_0000 => 2,
        _ => 4,
    }
}

/// Bytes of values that follow each other in memory.
pub(crate) fn record_size(types: &[Ty]) -> u32 {
    let place = |at: u32, ty: &Ty| at.next_multiple_of(ty.align()).saturating_add(ty.size());
    let align = types.iter().map(Ty::align).max().unwrap_or(1);
    types.iter().fold(0, place).next_multiple_of(align)
}

/// How a core function passes parameters: flat, or all of them in memory.
pub(crate) fn flat_params(types: &[Ty]) -> Option<Vec<Flat>> {
    let mut flat = Vec::new();
    types.iter().for_each(|ty| ty.flatten(&mut flat));
    (flat.len() <= 16).then_some(flat)
}

/// How it passes its result: as a value, or in memory.
pub(crate) fn flat_result(ty: Option<&Ty>) -> Option<Vec<Flat>> {
    let mut flat = Vec::new();
    if let Some(ty) = ty {
        ty.flatten(&mut flat);
    }
    (flat.len() <= 1).then_some(flat)
}
