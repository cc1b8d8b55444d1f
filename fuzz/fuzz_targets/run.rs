#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hatchery_fuzzing::run(data));
