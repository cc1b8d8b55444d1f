//! Which proposals are supported, and what is wrong with a binary that needs others.

use crate::error::CompileError;
use hatchery_image::Shown;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// Which WebAssembly a binary is validated as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Features {
    /// Exactly version 2.0 of the specification.
    Wasm2,
    /// All that is supported.
    #[default]
    All,
}

/// Everything that the rest of the crate knows how to compile, and garbage collection's type system:
/// recursion groups of function types and constant expressions that read earlier globals come with it.
/// What of it needs a collector is refused by [`super::gc`].
const SUPPORTED: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::GC);

/// Proposals that a core module can need and we lack, by the names that they are published under.
const UNSUPPORTED: [(WasmFeatures, &str); 12] = [
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exception handling"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (WasmFeatures::COMPACT_IMPORTS, "compact imports"),
    (WasmFeatures::ACQUIRE_RELEASE_ATOMICS, "acquire-release atomics"),
    (WasmFeatures::MULTIBYTE_ARRAY_ACCESS, "multibyte array access"),
    (WasmFeatures::COMPONENT_MODEL, "component model"),
];

impl Features {
    /// The same, in the validator's words.
    #[must_use]
    pub fn wasm(self) -> WasmFeatures {
        match self {
            Features::Wasm2 => WasmFeatures::WASM2,
            Features::All => SUPPORTED,
        }
    }
}

/// An error of the validator, with what it takes to say what it means.
pub(crate) struct Refusal<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) module: usize,
    pub(crate) features: Features,
}

impl Refusal<'_> {
    /// Why `error` came up: the binary is invalid in any case, or it needs a proposal.
    pub(crate) fn explain(&self, error: &wasmparser::Error) -> CompileError {
        // It may have names in it, which whoever wrote the module chose.
        let message = Shown(error.message()).to_string();
        let (module, offset) = (self.module, usize::try_from(error.offset()).unwrap_or(usize::MAX));
        match self.missing_proposal() {
            Some(proposal) => CompileError::Unsupported { module, proposal, offset, message },
            None => CompileError::Invalid { module, offset, message },
        }
    }

    /// The proposal without which the binary is invalid, and with which, perhaps together with others, it
    /// is valid.
    fn missing_proposal(&self) -> Option<&'static str> {
        if is_component(self.bytes) {
            return Some("component model");
        }
        let known = UNSUPPORTED.iter().fold(self.features.wasm(), |all, (feature, _)| all.union(*feature));
        if self.features == Features::Wasm2 || !self.valid_with(known) {
            return None;
        }
        let needed = |(feature, _): &&(WasmFeatures, _)| !self.valid_with(known.difference(*feature));
        UNSUPPORTED.iter().find(needed).map(|(_, name)| *name).or(Some("a combination of proposals"))
    }

    fn valid_with(&self, features: WasmFeatures) -> bool {
        Validator::new_with_features(features).validate_all(self.bytes).is_ok()
    }
}

fn is_component(bytes: &[u8]) -> bool {
    let first = Parser::new(0).parse_all(bytes).next();
    matches!(first, Some(Ok(Payload::Version { encoding: Encoding::Component, .. })))
}
