//! Random bytes.

use super::guest::still_wanted;
use super::{Answer, Guest, Memory};

/// As many bytes as are made between two questions whether the guest is still wanted.
const PORTION: u32 = 64 << 10;

/// Fills a buffer with random bytes.
pub fn random_get<G: Guest>(guest: &mut G, at: i32, len: i32) -> Answer<G> {
    let (mut at, mut left) = (at.cast_unsigned(), len.cast_unsigned());
    guest.split()?.0.check(at, left)?;
    while left > 0 {
        let portion = left.min(PORTION);
        let (mut memory, ctx) = guest.split()?;
        ctx.entropy.fill(memory.bytes_mut(at, portion)?)?;
        at = at.wrapping_add(portion);
        left -= portion;
        drop(memory);
        still_wanted(guest)?;
    }
    Ok(())
}
