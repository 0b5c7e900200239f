//! Any scope: see `properties::scope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    properties::scope::check(data);
});
