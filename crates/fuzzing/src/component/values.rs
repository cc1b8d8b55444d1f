//! Values that components pass, in words that all machines share.

use super::types::Ty;
use arbitrary::{Result, Unstructured};

/// A value. Its type is known from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// `bool`.
    Bool(bool),
    /// Any integer.
    Int(i128),
    /// The bits of a float; those that are not a number are all the same.
    Float(u64),
    /// `char`.
    Char(char),
    /// `string`.
    Text(String),
    /// Elements of a list of any kind.
    List(Vec<Datum>),
    /// Entries of a map.
    Map(Vec<(Datum, Datum)>),
    /// A tuple, or a record's fields in order.
    Fields(Vec<Datum>),
    /// The number of a case, and its payload.
    Case(u32, Option<Box<Datum>>),
    /// Flags that are set.
    Flags(u32),
    /// The number of a resource of the host.
    Handle(u32),
    /// The number of a resource of the host's other kind.
    Other(u32),
    /// The resource of a component that the host got as the one of this number.
    Thing(usize),
}

impl Datum {
    /// An `f32`.
    pub fn f32(value: f32) -> Datum {
        Datum::Float(if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }.into())
    }

    /// An `f64`.
    pub fn f64(value: f64) -> Datum {
        Datum::Float(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
    }

    /// A random value of this type.
    pub(crate) fn random(u: &mut Unstructured<'_>, ty: &Ty) -> Result<Datum> {
        Ok(match ty {
            Ty::Bool => Datum::Bool(u.arbitrary()?),
            Ty::Int(bits, signed) => Datum::Int(integer(u, *bits, *signed)?),
            Ty::Float(32) => Datum::f32(f32::from_bits(edge(u)? as u32)),
            Ty::Float(_) => Datum::f64(f64::from_bits(edge(u)?)),
            Ty::Char => Datum::Char(character(u)?),
            Ty::Text => {
                let count = length(u)?;
                Datum::Text((0..count).map(|_| character(u)).collect::<Result<_>>()?)
            }
            Ty::List(of) => {
                let count = length(u)?;
                Datum::List((0..count).map(|_| Datum::random(u, of)).collect::<Result<_>>()?)
            }
            Ty::Fixed(of, count) => Datum::List((0..*count).map(|_| Datum::random(u, of)).collect::<Result<_>>()?),
            Ty::Map(key, value) => {
                let count = length(u)?.min(4);
                let entry = |_| Ok((Datum::random(u, key)?, Datum::random(u, value)?));
                Datum::Map((0..count).map(entry).collect::<Result<_>>()?)
            }
            Ty::Tuple(types) | Ty::Record(_, types) => {
                Datum::Fields(types.iter().map(|ty| Datum::random(u, ty)).collect::<Result<_>>()?)
            }
            Ty::Option(of) if u.ratio(2, 3)? => Datum::case(u, 1, Some(of))?,
            Ty::Option(_) => Datum::Case(0, None),
            Ty::Result(ok, _) if u.arbitrary()? => Datum::case(u, 0, ok.as_deref())?,
            Ty::Result(_, error) => Datum::case(u, 1, error.as_deref())?,
            Ty::Variant(_, cases) => {
                let case = u.choose_index(cases.len())?;
                Datum::case(u, case as u32, cases[case].as_ref())?
            }
            Ty::Enum(_, count) => Datum::Case(u.int_in_range(0..=count - 1)?, None),
            Ty::Flags(_, count) => Datum::Flags(u.arbitrary::<u32>()? & (u32::MAX >> (32 - count))),
            Ty::Own | Ty::Borrow => Datum::Handle(u.int_in_range(0..=9)?),
            Ty::OwnOther | Ty::BorrowOther => Datum::Other(u.int_in_range(0..=9)?),
            Ty::OwnThing | Ty::BorrowThing => Datum::Thing(u.int_in_range(0..=3)?),
        })
    }

    fn case(u: &mut Unstructured<'_>, case: u32, payload: Option<&Ty>) -> Result<Datum> {
        let payload = payload.map(|ty| Datum::random(u, ty)).transpose()?;
        Ok(Datum::Case(case, payload.map(Box::new)))
    }
}

fn length(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(match u.int_in_range(0..=15)? {
        0..=11 => u.int_in_range(0..=4)?,
        // Where transcoding has blocks of eight and sixteen.
        12..=14 => u.int_in_range(5..=40)?,
        _ => u.int_in_range(0..=300)?,
    })
}

/// Bits at an edge of floats or of integers, or any.
fn edge(u: &mut Unstructured<'_>) -> Result<u64> {
    const EDGES: [u64; 8] =
        [0, 1, 1 << 31, 1 << 63, 0x7fc0_0000, 0x7f80_0001, 0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001];
    if u.arbitrary()? { Ok(*u.choose(&EDGES)?) } else { u.arbitrary() }
}

fn integer(u: &mut Unstructured<'_>, bits: u32, signed: bool) -> Result<i128> {
    let value = if u.arbitrary()? { i128::from(u.arbitrary::<u8>()?) - 2 } else { i128::from(u.arbitrary::<u64>()?) };
    let wrapped = value & ((1 << bits) - 1);
    Ok(if signed && wrapped >> (bits - 1) == 1 { wrapped - (1 << bits) } else { wrapped })
}

fn character(u: &mut Unstructured<'_>) -> Result<char> {
    let number = match u.int_in_range(0..=15)? {
        0..=10 => u.int_in_range(0x20..=0x7e)?,
        11 => u.int_in_range(0..=0xff)?,
        12 => u.int_in_range(0x100..=0x7ff)?,
        13 => u.int_in_range(0x800..=0xffff)?,
        14 => u.int_in_range(0x1_0000..=0x10_ffff)?,
        _ => *u.choose(&[0, 0x7f, 0x80, 0xff, 0x100, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x1_0000, 0x10_ffff])?,
    };
    Ok(char::from_u32(number).unwrap_or('\u{fffd}'))
}
