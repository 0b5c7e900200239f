//! Registry 3 (distribution v3), which `.ci/install` builds, and a registry of either release: for what has to hold with
//! both.

use super::{
    portwarden::{ISSUER, Portwarden, SERVICE},
    programs,
    registry::{self, Configuration, Registry},
};

/// The path at which `.ci/install` puts it, in the target folder.
const REGISTRY_3: &str = "registry-3/current/registry";

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

    fn configuration(self) -> Configuration {
        let program = match self {
            Self::V2 => registry::PROGRAM.to_owned(),
            Self::V3 => {
                programs::fetched_by("test-registry3", REGISTRY_3, "registry 3").to_str().unwrap().to_owned()
            }
        };
        Configuration { program, ..Configuration::default() }
    }
}

/// Starts a plain registry of a release, which allows deletion.
pub fn registry_of(release: Release) -> Registry {
    Registry::start(release.configuration())
}

/// Starts a registry 3 that verifies tokens itself, by the key of this Portwarden.
pub fn registry3_with_token_auth(portwarden: &Portwarden) -> Registry {
    let (realm, bundle) = (format!("{}/auth", portwarden.url()), portwarden.token_certificate_file());
    let rest = registry::token_auth(&realm, SERVICE, ISSUER, &bundle);
    Registry::start(Configuration { rest, ..Release::V3.configuration() })
}

/// Starts a plain registry 3 that allows deletion.
pub fn registry3() -> Registry {
    registry_of(Release::V3)
}
