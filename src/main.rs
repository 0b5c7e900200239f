//! The `portwarden` program: hands its arguments to the library and reports its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    portwarden::cli::run(std::env::args_os())
}
