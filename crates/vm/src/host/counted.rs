//! A host function that counts how often it is called.

#![expect(unsafe_code, reason = "is called by compiled code and calls another shim")]

use super::HostFunction;
use super::function::Parts;
use hatchery_image::abi::{HostCall, RawVal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What stands between guest code and the function.
struct Counted {
    parts: Arc<Parts>,
    calls: Arc<AtomicU64>,
}

impl<T: 'static> HostFunction<T> {
    /// The same function, counting its calls. Each costs a little more, as its arguments take the way through
    /// memory.
    #[must_use]
    pub fn counted(self, calls: Arc<AtomicU64>) -> HostFunction<T> {
        let signature = self.signature().clone();
        let counted = Counted { parts: self.into_parts(), calls };
        // SAFETY: the shim's environment is a `Counted`; what it calls has this signature and host data.
        unsafe { HostFunction::from_shims(signature, core::ptr::null(), shim as *const u8, counted) }
    }
}

/// Owns nothing, so that what it calls may raise (S4) or suspend: the entry on its frame is addresses and numbers.
unsafe extern "C" fn shim(context: *mut u8, call: *const HostCall, raw: *mut RawVal) {
    // SAFETY: S1: the entry is of an import whose environment is a `Counted`, which lives as long as the entry.
    // Its parts have an array form for the closure in their environment: S1 for the inner shim.
    unsafe {
        let counted = &*(*call).environment.cast::<Counted>();
        // Relaxed: a number, read when the guest is idle.
        counted.calls.fetch_add(1, Ordering::Relaxed);
        let (array, environment) = (counted.parts.array, counted.parts.environment());
        let inner = HostCall { entry: array, array, environment, ..*call };
        let array = core::mem::transmute::<*const u8, ArrayShim>(array);
        array(context, &raw const inner, raw);
    }
}

/// The array form of a shim.
type ArrayShim = unsafe extern "C" fn(*mut u8, *const HostCall, *mut RawVal);
