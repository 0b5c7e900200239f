//! One file for each page. Each gives the whole HTML document as text.

mod access;
mod configuration;
mod deletion;
mod events;
mod guide;
mod image;
mod layers;
mod problem;
mod reload;
mod repositories;
mod repository;
mod sign_in;

pub use self::{
    access::access, deletion::deletion, events::events, image::image, problem::problem, reload::reload,
    repositories::repositories, repository::repository, sign_in::sign_in,
};
