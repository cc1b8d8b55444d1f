//! Whether a dynamic value is of a type: found out as a whole, before anything is passed.

use super::scalars::scalar_accept;
use super::{Kind, Shape, flags_bits, usage};
use crate::component::val::Val;
use crate::error::Error;

impl Shape {
    /// Whether a value is of this type. A handle is by what it is of, whether the host still has it or not.
    pub(crate) fn accept(&self, value: &Val) -> Result<(), Error> {
        match (&self.kind, value) {
            (Kind::Scalar(ty), _) => scalar_accept(ty, value),
            (Kind::String, Val::String(_)) => Ok(()),
            (Kind::List(element), Val::List(values)) => values.iter().try_for_each(|value| element.accept(value)),
            (Kind::FixedList(element, count), Val::List(values)) => {
                same_number(values.len(), *count as usize)?;
                values.iter().try_for_each(|value| element.accept(value))
            }
            (Kind::Map(pair, _), Val::Map(values)) => values.iter().try_for_each(|(key, value)| {
                pair[0].accept(key)?;
                pair[1].accept(value)
            }),
            (Kind::Record(fields), Val::Record(values)) => {
                same_number(values.len(), fields.len())?;
                fields.iter().zip(values).try_for_each(|((name, shape), (given, value))| {
                    same_name(given, name)?;
                    shape.accept(value)
                })
            }
            (Kind::Tuple(_), Val::Tuple(values)) => self.accept_parts(values),
            (Kind::Variant(cases, _) | Kind::Enum(cases, _) | Kind::Option(cases, _) | Kind::Result(cases, _), _) => {
                let (_, payload) = self.find_case(cases, value)?;
                payload.map_or(Ok(()), |(shape, value)| shape.accept(value))
            }
            (Kind::Flags(names), Val::Flags(set)) => flags_bits(names, set).map(drop),
            (Kind::Handle(slot), Val::Resource(resource)) => resource.fits(*slot),
            _ => Err(self.mismatch(value)),
        }
    }

    /// Whether values are of a tuple's types.
    pub(crate) fn accept_parts(&self, values: &[Val]) -> Result<(), Error> {
        same_number(values.len(), self.parts().len())?;
        self.parts().iter().zip(values).try_for_each(|(shape, value)| shape.accept(value))
    }
}

fn same_number(given: usize, wanted: usize) -> Result<(), Error> {
    if given == wanted { Ok(()) } else { Err(usage(format!("expected {wanted} values, found {given}"))) }
}

fn same_name(given: &str, wanted: &str) -> Result<(), Error> {
    if given == wanted { Ok(()) } else { Err(usage(format!("expected the field `{wanted}`, found `{given}`"))) }
}
