//! The web pages in a real browser: what people can do there, and what cannot be done to them.
//! What needs no browser is in `tests/pages.rs`.
//!
//! `users` sign in and out, `deletion` deletes, `pushed_text` is hostile text from pushes, and `strangers` are other
//! sites. `accessibility` is for users of screen readers and other aids, `keyboard` for those without a mouse or
//! scripts, and `pictures` are for the README.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]
#![allow(unreachable_pub, reason = "the modules of one test program")]

mod support;

#[path = "browser/accessibility.rs"]
mod accessibility;
#[path = "browser/deletion.rs"]
mod deletion;
#[path = "browser/keyboard.rs"]
mod keyboard;
#[path = "browser/pictures.rs"]
mod pictures;
#[path = "browser/pushed_text.rs"]
mod pushed_text;
#[path = "browser/screen.rs"]
mod screen;
#[path = "browser/showroom.rs"]
mod showroom;
#[path = "browser/strangers.rs"]
mod strangers;
#[path = "browser/users.rs"]
mod users;
