//! Arguments and environment: two lists of strings, handed over in the same way.

use super::encode::{write_bytes, write_u32};
use super::{Answer, Errno, Guest, Memory};

/// Writes the arguments, each ending in a zero byte, and the address of each.
pub fn args_get<G: Guest>(guest: &mut G, pointers: i32, strings: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    Ok(write_list(&mut memory, &ctx.args, pointers.cast_unsigned(), strings.cast_unsigned())?)
}

/// Writes how many arguments there are and how many bytes they take.
pub fn args_sizes_get<G: Guest>(guest: &mut G, count: i32, bytes: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    Ok(write_sizes(&mut memory, &ctx.args, count.cast_unsigned(), bytes.cast_unsigned())?)
}

/// Writes the environment as `NAME=VALUE`, each ending in a zero byte, and the address of each.
pub fn environ_get<G: Guest>(guest: &mut G, pointers: i32, strings: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    Ok(write_list(&mut memory, &ctx.env, pointers.cast_unsigned(), strings.cast_unsigned())?)
}

/// Writes how many variables there are and how many bytes they take.
pub fn environ_sizes_get<G: Guest>(guest: &mut G, count: i32, bytes: i32) -> Answer<G> {
    let (mut memory, ctx) = guest.split()?;
    Ok(write_sizes(&mut memory, &ctx.env, count.cast_unsigned(), bytes.cast_unsigned())?)
}

/// How many strings, and how many bytes with their zeros.
fn sizes(list: &[String]) -> Result<(u32, u32), Errno> {
    let bytes: usize = list.iter().map(|string| string.len() + 1).sum();
    let count = u32::try_from(list.len()).map_err(|_| Errno::Overflow)?;
    Ok((count, u32::try_from(bytes).map_err(|_| Errno::Overflow)?))
}

fn write_sizes(memory: &mut impl Memory, list: &[String], count_at: u32, bytes_at: u32) -> Result<(), Errno> {
    let (count, bytes) = sizes(list)?;
    memory.check(count_at, 4)?;
    memory.check(bytes_at, 4)?;
    write_u32(memory, count_at, count)?;
    Ok(write_u32(memory, bytes_at, bytes)?)
}

fn write_list(memory: &mut impl Memory, list: &[String], pointers: u32, strings: u32) -> Result<(), Errno> {
    let (count, bytes) = sizes(list)?;
    memory.check(pointers, count.checked_mul(4).ok_or(Errno::Overflow)?)?;
    memory.check(strings, bytes)?;
    let (mut pointer, mut at) = (pointers, strings);
    for string in list {
        write_u32(memory, pointer, at)?;
        at = write_string(memory, at, string)?;
        pointer = pointer.wrapping_add(4);
    }
    Ok(())
}

/// Writes a string and its zero, and says where the next one goes.
fn write_string(memory: &mut impl Memory, at: u32, string: &str) -> Result<u32, Errno> {
    write_bytes(memory, at, string.as_bytes())?;
    let end = at.wrapping_add(u32::try_from(string.len()).map_err(|_| Errno::Overflow)?);
    write_bytes(memory, end, &[0])?;
    Ok(end.wrapping_add(1))
}
