//! The complete scans of lately: for whom and since when each answers.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Instant,
};

use super::{Actions, Inquiry, SCAN_LASTS, subject};
use crate::{
    authz,
    registry::{Refusal, RepositoryName},
};

/// Scans that are remembered.
const MOST_SCANS: usize = 10_000;

impl Inquiry<'_> {
    /// Returns true if a complete scan of lately answers.
    pub(super) fn is_scanned(&self, name: &RepositoryName, actions: Actions) -> bool {
        let key = key(self.caller, name, actions);
        let scanned = self.closure.scans.lock().get(&key).copied();
        let Some(began) = scanned.filter(|began| began.elapsed() < SCAN_LASTS) else { return false };
        // What was scanned may have been forgotten, or something was pushed.
        let graph = self.closure.graph.lock();
        graph.known_since(name.as_str()).is_some_and(|since| since <= began)
            && graph.is_unchanged_since(name.as_str(), began)
    }

    /// A scan is complete that began then.
    pub(super) fn scanned(&self, name: &RepositoryName, actions: Actions, began: Instant) {
        let key = key(self.caller, name, actions);
        let mut scans = self.closure.scans.lock();
        if scans.len() >= MOST_SCANS {
            scans.retain(|_, at| at.elapsed() < SCAN_LASTS);
        }
        if scans.len() >= MOST_SCANS {
            scans.clear();
        }
        scans.insert(key, began);
    }

    /// Returns true if a tag with these actions may have been written through us since `began`: pushes of other tags
    /// delay no answer.
    pub(super) async fn may_have_changed(
        &self,
        name: &RepositoryName,
        actions: Actions,
        began: Instant,
    ) -> Result<bool, Refusal> {
        let Some(tags) = self.closure.graph.lock().written_since(name.as_str(), began) else {
            return Ok(true);
        };
        for tag in tags {
            if subject(&tag).is_some() || self.may(name, &tag, actions).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The caller as far as rules look at it: the answer of a scan is only for the same one.
fn key(caller: authz::Caller<'_>, name: &RepositoryName, actions: Actions) -> (Box<str>, u64) {
    let mut hasher = DefaultHasher::new();
    let authz::Caller { account, labels, ip, service, ceiling, token_scopes, .. } = caller;
    (account, labels, ip, service, actions).hash(&mut hasher);
    (ceiling, token_scopes).hash(&mut hasher);
    (name.as_str().into(), hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::registry::Scope;

    #[test]
    fn rule_62_a_scan_answers_for_the_same_token_alone() {
        let (labels, others) = (BTreeMap::new(), BTreeMap::from([("team".to_owned(), vec!["a".to_owned()])]));
        let left_out = authz::LeftOut::default();
        let narrow = [Scope::repository("team/app", &["pull"])];
        let wide = [Scope::repository("team/*", &["pull"])];
        let [of_narrow, of_wide] = [&narrow, &wide].map(|scopes| authz::TokenScopes::of(scopes));
        let by_password = authz::Caller {
            account: "alice",
            labels: &labels,
            left_out: &left_out,
            ip: None,
            service: "registry.example",
            ceiling: None,
            token_scopes: None,
            now: 0,
        };
        let callers = [
            by_password,
            authz::Caller { token_scopes: Some(&of_narrow), ..by_password },
            authz::Caller { token_scopes: Some(&of_wide), ..by_password },
            authz::Caller { ceiling: Some(&narrow), ..by_password },
            authz::Caller { ceiling: Some(&wide), ..by_password },
            authz::Caller { account: "bob", ..by_password },
            authz::Caller { labels: &others, ..by_password },
            authz::Caller { ip: Some([192, 0, 2, 1].into()), ..by_password },
            authz::Caller { service: "other.example", ..by_password },
        ];
        let name = RepositoryName::parse("team/app").unwrap();
        let keys: HashSet<_> = callers.iter().map(|caller| key(*caller, &name, &["pull"])).collect();
        assert_eq!(keys.len(), callers.len());
        assert!(keys.contains(&key(by_password, &name, &["pull"])), "and for that one, it does");
    }
}
