//! The man pages as their reader takes them. What they say is held to the program in `tests/fast/manual.rs`.
//!
//! Needs: mandoc.

use std::path::Path;

use crate::support::programs;

#[test]
fn the_man_pages_are_well_formed() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man");
    for page in ["portwarden.1", "portwarden.5"] {
        let mut mandoc = programs::command("mandoc");
        let checked = mandoc.args(["-T", "lint", "-W", "warning"]).arg(pages.join(page)).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}
