//! Any path of a web page: see `properties::page_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    properties::page_path::check(data);
});
