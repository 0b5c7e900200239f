//! Keys that mean nothing, with what was probably meant. All of them at once: serde would stop at the first.

use crate::config::{
    diagnostics::{finding::Report, path::Path, suggestions::suggest},
    settings::known_keys,
    yaml::{Entry, Node, Value},
};

/// The tree without the keys that mean nothing, each of which is reported, and without the `x-…` keys at the top: a
/// place for anchors.
pub(crate) fn without_unknown_keys(mut root: Option<Node>, report: &mut Report<'_>) -> Option<Node> {
    if let Some(root) = &mut root {
        prune(root, &Path::default(), report);
    }
    root
}

fn prune(node: &mut Node, path: &Path, report: &mut Report<'_>) {
    match &mut node.value {
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(item, &path.index(index), report);
            }
        }
        Value::Mapping(entries) => {
            let known = known_keys(path.steps());
            entries.retain(|entry| means_something(entry, path, &known, report));
            for entry in entries {
                prune(&mut entry.node, &path.key(&entry.key), report);
            }
        }
        _ => {}
    }
}

fn means_something(entry: &Entry, parent: &Path, known: &[&'static str], report: &mut Report<'_>) -> bool {
    let key = entry.key.as_str();
    if known.is_empty() || known.contains(&key) {
        return true;
    }
    if !(parent.steps().is_empty() && key.starts_with("x-")) {
        let suggestion = suggest(parent, key, known);
        report.error(parent.key(key), "unknown key", suggestion.hint);
        if let Some(meant) = suggestion.meant.filter(|meant| !report.is_written(meant)) {
            report.settle(&meant);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{diagnostics::positions::Positions, yaml};

    fn findings(text: &str) -> String {
        let (root, _) = yaml::read(text).unwrap();
        let positions = Positions::of(root.as_ref());
        let mut report = Report::new("f", &positions);
        without_unknown_keys(root, &mut report);
        report.finish().to_string()
    }

    #[test]
    fn each_unknown_key_has_its_line_and_a_suggestion() {
        let text = "servr: {}\nacl:\n  - match: {acount: x, Name: y}\n    action: []\nnonsense: 1\n";
        assert_eq!(
            findings(text),
            "f:1:1: servr: unknown key. Did you mean `server`?\n\
             f:3:13: acl[0].match.acount: unknown key. Did you mean `account`?\n\
             f:3:24: acl[0].match.Name: unknown key. Did you mean `name`?\n\
             f:4:5: acl[0].action: unknown key. Did you mean `actions`?\n\
             f:5:1: nonsense: unknown key. Known keys here: server, token, users, acl, ext_auth, ldap_auth, \
             google_auth, \
             github_auth, gitlab_auth, oidc_auth, mongo_auth, xorm_auth, plugin_authn, acl_mongo, acl_xorm, \
             casbin_authz, \
             ext_authz, plugin_authz, htpasswd, robots, workload_auth, certificate_auth, tags, retention, shadow, notifications, registry, backends, limits, log, audit, \
             metrics, control, state, ui, personal_tokens"
        );
    }

    #[test]
    fn lost_indentation_is_recognised() {
        let text = "acl:\n  - match:\n    account: a\n    actions: []\n  - match:\n      account: \
        a\n      actions: []\n";
        assert_eq!(
            findings(text),
            "f:3:5: acl[0].account: unknown key. It is a condition: indent it under `match`\n\
             f:7:7: acl[1].match.actions: unknown key. It belongs beside `match`, not under it: indent it \
             less"
        );
    }

    #[test]
    fn a_secret_that_became_a_key_is_not_shown() {
        let text = "users: {bob: {password:$2y$05$secret}}\n";
        assert_eq!(
            findings(text),
            "f:1:15: users.bob.password…: unknown key. A space belongs after the colon: `password: …`"
        );
    }

    #[test]
    fn names_of_users_and_labels_are_free() {
        assert_eq!(
            findings("users: {any: {labels: {thing: [x]}}}\nacl: [{match: {labels: {thing: x}}}]\n"),
            ""
        );
        assert_eq!(findings("mongo_auth: {client_id: x}\n"), "");
    }
}
