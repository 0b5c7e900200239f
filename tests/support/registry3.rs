//! Registry 3 (distribution v3), which `.ci/install` builds, and a registry of either release: for what has to hold with
//! both.

use super::{
    programs,
    registry::{Configuration, Registry, registry},
};

/// Where `.ci/install` puts it, in the target folder.
const PROGRAM: &str = "registry-3/current/registry";

/// It would try to send traces to an address of its own choice, and log each failure.
const NO_TRACES: &[(&str, &str)] = &[("OTEL_TRACES_EXPORTER", "none")];

/// A release of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian's `docker-registry`, 2.8.
    V2,
    /// The one that `.ci/install` builds.
    V3,
}

impl Release {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V2, Self::V3];
}

/// Starts a plain registry of a release, which allows deletion.
pub fn registry_of(release: Release) -> Registry {
    match release {
        Release::V2 => registry(),
        Release::V3 => registry3(),
    }
}

/// Starts a plain registry 3 that allows deletion.
pub fn registry3() -> Registry {
    Registry::start(configuration())
}

/// Starts a plain registry 3 that deletes nothing, as by default.
pub fn registry3_without_deletion() -> Registry {
    Registry::start(Configuration { deletes: false, ..configuration() })
}

fn configuration() -> Configuration {
    let program = programs::fetched(PROGRAM, "registry 3");
    Configuration {
        program: program.to_str().unwrap().to_owned(),
        environment: NO_TRACES,
        ..Configuration::default()
    }
}
