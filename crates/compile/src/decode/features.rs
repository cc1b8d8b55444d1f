//! Which proposals are supported, and what is wrong with a binary that needs others.

use super::{Allowance, DecodeError, validate_bodies};
use crate::error::CompileError;
use hatchery_image::Shown;
use wasmparser::{Encoding, Parser, Payload, ValidPayload, Validator, WasmFeatures};

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
    /// What each look at it may take.
    pub(crate) allowance: &'a Allowance,
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

    /// The first proposal without which the binary is invalid, and with which, together with those behind it, it is valid.
    fn missing_proposal(&self) -> Option<&'static str> {
        if is_component(self.bytes) {
            return Some("component model");
        }
        if self.features == Features::Wasm2 || !self.valid_from(0) {
            return None;
        }
        // It is valid with those from `valid` on, and invalid with those from `invalid` on: none, at first.
        let (mut valid, mut invalid) = (0, UNSUPPORTED.len());
        while invalid - valid > 1 {
            let middle = valid.midpoint(invalid);
            if self.valid_from(middle) {
                valid = middle;
            } else {
                invalid = middle;
            }
        }
        UNSUPPORTED.get(valid).map(|(_, name)| *name)
    }

    /// Whether it is valid with all that is supported and the proposals from this one on.
    fn valid_from(&self, first: usize) -> bool {
        let more = UNSUPPORTED.iter().skip(first).map(|(feature, _)| *feature);
        self.valid_with(more.fold(self.features.wasm(), WasmFeatures::union))
    }

    fn valid_with(&self, features: WasmFeatures) -> bool {
        let mut validator = Validator::new_with_features(features);
        let mut parser = Parser::new(0);
        parser.set_features(features);
        let mut bodies = Vec::new();
        for payload in parser.parse_all(self.bytes) {
            match payload.and_then(|payload| validator.payload(&payload)) {
                Ok(ValidPayload::Func(function, body)) => bodies.push((function, body)),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        // What needs a collector is valid.
        matches!(validate_bodies(&bodies, &self.allowance.again()), Ok(_) | Err(DecodeError::NeedsGc { .. }))
    }
}

fn is_component(bytes: &[u8]) -> bool {
    let first = Parser::new(0).parse_all(bytes).next();
    matches!(first, Some(Ok(Payload::Version { encoding: Encoding::Component, .. })))
}
