//! Modules out of random bytes.

use crate::interface;
use crate::program::FUEL_OF_A_CALL;
use arbitrary::{Result, Unstructured};
use wasm_smith::{Config, Module};
use wasmparser::{Operator, Parser, Payload};

/// What random modules may contain: what the runtime supports.
pub(crate) fn config(u: &mut Unstructured<'_>) -> Result<Config> {
    Ok(Config {
        allow_start_export: true,
        bulk_memory_enabled: true,
        canonicalize_nans: false,
        compact_imports_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        exceptions_enabled: true,
        export_everything: true,
        extended_const_enabled: true,
        gc_enabled: false,
        max_imports: 4,
        max_memories: 3,
        max_memory32_bytes: 4 << 20,
        max_memory64_bytes: 4 << 20,
        max_table_elements: 1000,
        max_tables: 3,
        memory64_enabled: u.arbitrary()?,
        memory_max_size_required: true,
        multi_value_enabled: true,
        reference_types_enabled: true,
        relaxed_simd_enabled: u.arbitrary()?,
        saturating_float_to_int_enabled: true,
        shared_everything_threads_enabled: false,
        sign_extension_ops_enabled: true,
        simd_enabled: true,
        table_max_size_required: true,
        tail_call_enabled: true,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    })
}

/// A valid module that imports functions at most.
pub(crate) fn valid(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut config = config(u)?;
    config.max_imports = 0;
    Ok(Module::new(config, u)?.to_bytes())
}

/// Bytes that look like a module to some degree: random ones, a valid module, or a valid module with some
/// bytes changed, removed or cut off.
pub(crate) fn near_valid(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if u.ratio(1, 4)? {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend_from_slice(u.bytes(u.len())?);
        return Ok(bytes);
    }
    let mut bytes = Module::new(config(u)?, u)?.to_bytes();
    for _ in 0..u.int_in_range(0..=8)? {
        let at = u.choose_index(bytes.len())?;
        match u.int_in_range(0..=3)? {
            0 => bytes[at] = u.arbitrary()?,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, u.arbitrary()?),
            _ => bytes.truncate(at),
        }
        if bytes.is_empty() {
            break;
        }
    }
    Ok(bytes)
}

/// A valid module that imports functions of the module `host` at most, of the names and types that `imports` imports.
pub(crate) fn importing(u: &mut Unstructured<'_>, imports: &[u8]) -> Result<Vec<u8>> {
    let mut config = config(u)?;
    config.available_imports = Some(imports.to_vec());
    config.min_funcs = 2;
    // Most random functions trap or never end; then nothing is initialized.
    config.disallow_traps = u.ratio(3, 4)?;
    let mut module = Module::new(config, u)?;
    if u.ratio(3, 4)? {
        // It fails for functions whose bodies are no instructions, which there are none of here.
        let _ = module.ensure_termination(200);
    }
    Ok(module.to_bytes())
}

/// A valid module that imports what `imports` imports at most, and counts an exported global down so that it
/// ends. `canonical_nans` are its own work, then.
pub(crate) fn ending(u: &mut Unstructured<'_>, imports: &[u8], canonical_nans: bool) -> Result<Vec<u8>> {
    let mut config = config(u)?;
    config.available_imports = Some(imports.to_vec());
    config.canonicalize_nans = canonical_nans;
    config.relaxed_simd_enabled &= !canonical_nans;
    config.disallow_traps = u.ratio(1, 2)?;
    config.min_funcs = 1;
    config.max_funcs = u.int_in_range(4..=12)?;
    config.max_imports = 6;
    // Those of the imports included.
    config.max_types = 24;
    config.max_globals = 8;
    config.max_data_segments = 4;
    config.max_element_segments = 4;
    config.max_elements = 8;
    config.min_memories = u.int_in_range(0..=1)?;
    config.min_tables = u.int_in_range(0..=1)?;
    let mut module = Module::new(config, u)?;
    let fuel = module.ensure_termination(FUEL_OF_A_CALL as u32).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    interface::with_fuel(&module.to_bytes(), fuel).ok_or(arbitrary::Error::IncorrectFormat)
}

/// Whether a module converts floats to floats of another width, whose NaNs wasm-smith leaves as the CPU makes them.
pub(crate) fn converts_floats(wasm: &[u8]) -> bool {
    let converts = |op: Operator<'_>| {
        matches!(
            op,
            Operator::F32DemoteF64
                | Operator::F64PromoteF32
                | Operator::F32x4DemoteF64x2Zero
                | Operator::F64x2PromoteLowF32x4
        )
    };
    let mut payloads = Parser::new(0).parse_all(wasm);
    payloads.any(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => {
            body.get_operators_reader().is_ok_and(|operators| operators.into_iter().flatten().any(converts))
        }
        _ => false,
    })
}
