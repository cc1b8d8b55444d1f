#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    _ = hatchery_fuzzing::component(data, &hatchery_fuzz::WasmtimeComponents);
});
