//! Which proposals are supported, and what is wrong with a component that needs others.

use super::error::TranslateError;
use hatchery_compile::Features;
use wasmparser::{Validator, WasmFeatures};

/// What the validator is told. Values are on because `start` definitions come with them; everything else of them is
/// refused by [`super::values`].
pub(super) fn supported() -> WasmFeatures {
    Features::All
        .wasm()
        .union(WasmFeatures::COMPONENT_MODEL)
        .union(WasmFeatures::CM_FIXED_LENGTH_LISTS)
        .union(WasmFeatures::CM_MAP)
        .union(WasmFeatures::CM_IMPLEMENTS)
        .union(WasmFeatures::CM_ACCESSORS)
        .union(WasmFeatures::CM_VALUES)
}

/// Proposals that a component can need and we lack, by the names that they are published under.
const UNSUPPORTED: [(WasmFeatures, &str); 18] = [
    (WasmFeatures::CM_ASYNC, "component model async"),
    (WasmFeatures::CM_ASYNC_STACKFUL, "component model async (stackful)"),
    (WasmFeatures::CM_MORE_ASYNC_BUILTINS, "component model async (more built-ins)"),
    (WasmFeatures::CM_FORWARD, "component model async (forwarding)"),
    (WasmFeatures::CM_THREADING, "component model threading"),
    (WasmFeatures::CM_ERROR_CONTEXT, "component model error contexts"),
    (WasmFeatures::CM_GC, "component model garbage collection"),
    (WasmFeatures::CM64, "component model 64-bit memories"),
    (WasmFeatures::CM_CANON_NAMES, "component model version suffixes"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, "custom descriptors"),
    (WasmFeatures::COMPACT_IMPORTS, "compact imports"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy exception handling"),
];

/// Why the validator refuses `bytes` with `error`: they are invalid in any case, or they need a proposal.
pub(super) fn explain(bytes: &[u8], error: &wasmparser::Error) -> TranslateError {
    let all = UNSUPPORTED.iter().fold(supported(), |all, (feature, _)| all.union(*feature));
    match validate(bytes, all) {
        Err(error) => invalid(&error),
        Ok(()) => TranslateError::Unsupported {
            proposal: missing(bytes, error, all),
            offset: offset(error),
            message: error.message().to_owned(),
        },
    }
}

/// `error` as what is wrong whatever is supported.
pub(super) fn invalid(error: &wasmparser::Error) -> TranslateError {
    TranslateError::Invalid { offset: offset(error), message: error.message().to_owned() }
}

/// The proposal that `error` is about, or else one without which the component is invalid.
fn missing(bytes: &[u8], error: &wasmparser::Error, all: WasmFeatures) -> &'static str {
    let named = |(feature, _): &&(WasmFeatures, _)| error.missing_wasm_feature() == Some(*feature);
    let needed = |(feature, _): &&(WasmFeatures, _)| validate(bytes, all.difference(*feature)).is_err();
    let found = UNSUPPORTED.iter().find(named).or_else(|| UNSUPPORTED.iter().find(needed));
    found.map_or("a combination of proposals", |(_, name)| *name)
}

fn validate(bytes: &[u8], features: WasmFeatures) -> Result<(), wasmparser::Error> {
    Validator::new_with_features(features).validate_all(bytes).map(|_| ())
}

fn offset(error: &wasmparser::Error) -> usize {
    usize::try_from(error.offset()).unwrap_or(usize::MAX)
}
