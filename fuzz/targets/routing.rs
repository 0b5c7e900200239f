//! Any method, path and query: see `properties::routing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    properties::routing::check(data);
});
