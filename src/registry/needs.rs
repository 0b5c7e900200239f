//! The accesses that a request needs, as registry 2.8 demands them.

use super::{Endpoint, Method, RepositoryName, Scope};

/// Returns the accesses, all of which are needed; none for the base. `source` is the repository that a blob is to be
/// mounted from.
pub(super) fn needs(method: Method, endpoint: &Endpoint, source: Option<&RepositoryName>) -> Vec<Scope> {
    let Some(name) = endpoint.repository() else {
        return match endpoint {
            Endpoint::Catalog => vec![Scope::new("registry", "catalog", &["*"])],
            _ => Vec::new(),
        };
    };
    let mut own = Scope::repository(name.as_str(), method.actions());
    match source {
        None => vec![own],
        Some(source) if source == name => {
            own.actions.push("pull".to_owned());
            own.actions.sort();
            own.actions.dedup();
            vec![own]
        }
        Some(source) => vec![own, Scope::repository(source.as_str(), &["pull"])],
    }
}
