//! One file for each page. Each gives the whole HTML document as text.

mod about;
mod access;
mod activity;
mod commands;
mod comparison;
mod configuration;
mod deletion;
mod device;
mod events;
mod guide;
mod image;
mod layers;
mod orphans;
mod problem;
mod provenance;
mod reload;
mod repositories;
mod repository;
mod shadow;
mod sign_in;
mod tags_deletion;
mod tokens;

pub use access::access;
pub use comparison::comparison;
pub use deletion::{deletion, tag_deletion};
pub use device::{device, device_problem};
pub use events::events;
pub use image::image;
pub use problem::problem;
pub use reload::{go_on, reload};
pub use repositories::repositories;
pub use repository::repository;
pub use shadow::shadow;
pub use sign_in::sign_in;
pub use tags_deletion::{tags_deleted, tags_deletion};
pub use tokens::{token_problem, tokens};
