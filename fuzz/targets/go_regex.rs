#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    properties::go_regex::check(data);
});
