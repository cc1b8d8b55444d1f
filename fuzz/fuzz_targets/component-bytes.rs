#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(hatchery_fuzzing::component_bytes(data)));
