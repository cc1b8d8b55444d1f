//! What a call has put into the component's handle table while its parameters are passed: taken back when one of those that
//! follow cannot be, so that nobody has handles that nobody knows.

use super::abi::Abi;
use super::options::{HandleSlot, Table};
use super::resource::lift_rep;
use crate::error::Error;

/// An owned handle that a call has passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) slot: HandleSlot,
    /// Where it is in the component's table.
    pub(crate) index: u32,
    /// Its number among the handles that the host had of the component's resources, if it is one.
    pub(crate) number: Option<u64>,
}

/// Takes back what the call that runs has passed, the last first: the component has not run since, and has none of it.
pub(crate) fn take_back(cx: &mut Abi<'_>, table: &Table) -> Result<(), Error> {
    for passed in cx.state()?.take_passed().into_iter().rev() {
        lift_rep(cx, table, passed.slot, passed.index)?;
        if let Some(number) = passed.number {
            cx.state()?.put_back(number);
        }
    }
    Ok(())
}
