//! Ending, and letting others run.

use super::guest::still_wanted;
use super::{Answer, Errno, Failure, Guest};
use crate::I32Exit;

/// Ends the guest's call. There is no other answer than the trap.
pub fn proc_exit<G: Guest>(_guest: &mut G, status: i32) -> Answer<G> {
    Err(Failure::Trap(I32Exit(status).into()))
}

/// Would send the guest a signal. Preview 1 has withdrawn the function, and nothing can handle a signal.
pub fn proc_raise<G: Guest>(_guest: &mut G, _signal: i32) -> Answer<G> {
    Err(Errno::NotSup.into())
}

/// Lets other threads of the host run.
pub fn sched_yield<G: Guest>(guest: &mut G) -> Answer<G> {
    std::thread::yield_now();
    still_wanted(guest)
}
