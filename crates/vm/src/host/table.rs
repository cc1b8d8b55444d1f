//! The host-call table of a prepared image.

#![expect(unsafe_code, reason = "holds addresses that compiled code calls")]

use super::function::Parts;
use super::{HostFunction, HostSignature};
use hatchery_image::abi::HostCall;
use hatchery_image::artifact::HostImportRef;
use hatchery_image::{HostAbi, Image, Shown};
use std::sync::Arc;

/// An import has no function of its type.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not as many functions as imports.
    #[error("the image imports {needed} functions, and {given} are given")]
    Count {
        /// Imports.
        needed: usize,
        /// Functions.
        given: usize,
    },
    /// The types differ.
    #[error(
        "incompatible import type for `{}` `{}`: it is imported as {expected}, and the host's is {found}",
        Shown(module),
        Shown(name)
    )]
    Type {
        /// The import's module name.
        module: Box<str>,
        /// The import's field name.
        name: Box<str>,
        /// The import's type.
        expected: HostSignature,
        /// The function's type.
        found: HostSignature,
    },
}

/// Entries for all imports of an image, and the functions they point into.
pub(crate) struct HostTable {
    calls: Box<[HostCall]>,
    _functions: Box<[Arc<Parts>]>,
}

// SAFETY: addresses of code and of closures that can be sent and shared, never written.
unsafe impl Send for HostTable {}
// SAFETY: as above.
unsafe impl Sync for HostTable {}

impl HostTable {
    /// Entries for these functions, in the order of the image's imports.
    pub(crate) fn new<T>(image: &Image, functions: Vec<HostFunction<T>>) -> Result<HostTable, ImportError> {
        let (needed, given) = (image.imports().len(), functions.len());
        if needed != given {
            return Err(ImportError::Count { needed, given });
        }
        let functions: Box<[_]> = functions.into_iter().map(HostFunction::into_parts).collect();
        let entries = image.imports().iter().zip(&functions).enumerate();
        let calls =
            entries.map(|(i, (import, parts))| entry(image, i as u32, import, parts)).collect::<Result<_, _>>()?;
        Ok(HostTable { calls, _functions: functions })
    }

    /// What the header's word points to.
    pub(crate) fn calls(&self) -> *const HostCall {
        self.calls.as_ptr()
    }
}

fn entry(image: &Image, number: u32, import: HostImportRef<'_>, parts: &Parts) -> Result<HostCall, ImportError> {
    let ty = image.types().get(import.ty);
    let expected = HostSignature::of(ty);
    if expected != parts.signature {
        let (module, name) = (import.module.into(), import.name.into());
        return Err(ImportError::Type { module, name, expected, found: parts.signature.clone() });
    }
    let entry = match (ty.host_abi(), parts.native.is_null()) {
        (HostAbi::Array, _) => parts.array,
        (HostAbi::Native, false) => parts.native,
        (HostAbi::Native, true) => {
            let shim = import.spill_shim.expect("the compiler makes a shim for every import with a native form");
            image.text().base().wrapping_add(shim as usize)
        }
    };
    Ok(HostCall {
        entry,
        array: parts.array,
        environment: parts.environment(),
        instance: import.instance.0,
        import: number,
    })
}
