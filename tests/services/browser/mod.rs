//! The web pages in a real browser: what people can do there, and what cannot be done to them.
//! Tests of the pages without a browser are in `tests/services/pages.rs`.
//!
//! `users` sign in and out, `sign_in` is at a provider, `deletion` deletes, `device` is about programs that wait, `pushed_text` is hostile text from pushes, and `strangers` are other
//! sites. `accessibility` is for users of screen readers and other aids, `keyboard` for those without a mouse or
//! scripts, and `pictures` are for the README.
//!
//! Needs: chromium, curl, docker-registry, faketime, htpasswd.

mod accessibility;
mod deletion;
mod device;
mod keyboard;
mod pictures;
mod pushed_text;
mod screen;
mod showroom;
mod sign_in;
mod strangers;
mod users;
