//! Any bytes of an HTTP/1.1 connection: see `portwarden::server::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    portwarden::server::fuzzing::requests(data);
});
