//! Clocks. There are two: the processor time of the host is not the guest's.

use super::encode::write_u64;
use super::{Answer, Errno, Guest, Memory};
use crate::host::ClockId;

/// The clock a guest means. Those for processor time are not supported, for which the specification says `inval`.
pub(super) fn clock_id(id: u32) -> Result<ClockId, Errno> {
    match id {
        0 => Ok(ClockId::Realtime),
        1 => Ok(ClockId::Monotonic),
        _ => Err(Errno::Inval),
    }
}

/// Writes how finely a clock is divided, in nanoseconds.
pub fn clock_res_get<G: Guest>(guest: &mut G, id: i32, out: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let resolution = ctx.clock().resolution(clock_id(id.cast_unsigned())?);
    Ok(write_u64(&mut memory, out.cast_unsigned(), resolution)?)
}

/// Writes a clock's reading, in nanoseconds. It is as precise as it can be, whatever precision is asked.
pub fn clock_time_get<G: Guest>(guest: &mut G, id: i32, _precision: i64, out: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    let id = clock_id(id.cast_unsigned())?;
    memory.check(out.cast_unsigned(), 8)?;
    Ok(write_u64(&mut memory, out.cast_unsigned(), ctx.clock().now(id))?)
}
