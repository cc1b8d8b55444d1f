//! Tests of the machine, on guest code assembled by hand.

#![expect(unsafe_code, reason = "runs machine code that no compiler checked")]

mod calls;
mod guest;
mod measure;
mod nesting;
mod process;
mod suspension;
mod threads;
mod traps;
