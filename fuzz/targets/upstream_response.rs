//! Any response of the registry: see `portwarden::proxy::upstream::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    portwarden::proxy::fuzzing::responses(data);
});
