//! Any regular expression and subject: see `properties::go_regex`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    properties::go_regex::check(data);
});
