//! Any glob and subject: see `properties::glob`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    properties::glob::check(data);
});
