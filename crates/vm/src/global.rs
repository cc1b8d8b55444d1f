//! Globals, as the host reads and writes them.

#![expect(unsafe_code, reason = "reads and writes the state")]

use crate::access::AccessError;
use crate::instance::Inner;
use hatchery_image::abi::RawVal;
use hatchery_image::{GlobalId, ValType};

impl Inner {
    pub(crate) fn global_get(&self, id: GlobalId) -> Option<RawVal> {
        let global = self.image().globals().get(id.index())?;
        if global.ty != ValType::V128 {
            return Some(RawVal::from_i64(self.load(u64::from(global.offset)) as i64));
        }
        // SAFETY: I2; vectors have 16 bytes in the state.
        Some(RawVal::from_v128(unsafe { self.at(u64::from(global.offset)).cast::<[u8; 16]>().read() }))
    }

    pub(crate) fn global_set(&self, id: GlobalId, value: RawVal) -> Result<(), AccessError> {
        let global = self.image().globals().get(id.index()).ok_or(AccessError::NoSuchItem)?;
        if !global.mutable {
            return Err(AccessError::Immutable);
        }
        if !self.prepared.accepts(global.ty, value.get_reference()) {
            return Err(AccessError::Reference);
        }
        let offset = u64::from(global.offset);
        if global.ty != ValType::V128 {
            return Ok(self.store(offset, value.get_i64() as u64)?);
        }
        self.prepare(offset, 16)?;
        // SAFETY: I2, prepared; I3: nobody else accesses it.
        unsafe { self.at(offset).cast::<[u8; 16]>().write(value.get_v128()) };
        Ok(())
    }
}
