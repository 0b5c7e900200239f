//! Any `Authorization` header: see `portwarden::proxy::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    portwarden::proxy::fuzzing::authorization(data);
});
