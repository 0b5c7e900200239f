//! Keys that mean nothing, with what was probably meant. All of them at once: serde would stop at the first.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor, value::Error};

use super::{
    AclXorm, Audit, Backends, Command, Control, Cors, File, Htpasswd, LabelMap, LdapAuth, LetsEncrypt,
    Limits, Log, Match, Metrics, Registry, Rule, Server, Token, Ui, User, XormAuth,
};
use crate::config::{
    finding::Report,
    path::{Path, Step},
    positions::Positions,
};

/// Reports every key that is in no list of known keys.
pub(crate) fn unknown_keys(positions: &Positions, report: &mut Report<'_>) {
    for path in positions.paths() {
        let Some((Step::Key(key), parents)) = path.steps().split_last() else { continue };
        let known = known_keys(parents);
        // A merge key has its own finding.
        if !known.is_empty() && !known.contains(&key.as_str()) && key != "<<" {
            report.error(path, "unknown key", hint(path, key, known));
        }
    }
}

/// The keys that may stand in the mapping at `steps`; none where the operator chooses the names.
fn known_keys(steps: &[Step]) -> &'static [&'static str] {
    let names: Vec<Option<&str>> =
        steps.iter().map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).collect();
    match names.as_slice() {
        [] => fields::<File>(),
        [Some("server")] => fields::<Server>(),
        [Some("server"), Some("letsencrypt")] => fields::<LetsEncrypt>(),
        [Some("server"), Some("cors")] => fields::<Cors>(),
        [Some("token")] => fields::<Token>(),
        [Some("users"), Some(_)] => fields::<User>(),
        [Some("acl"), None] => fields::<Rule>(),
        [Some("acl"), None, Some("match")] => fields::<Match>(),
        [Some("ext_auth" | "ext_authz")] => fields::<Command>(),
        [Some("ldap_auth")] => fields::<LdapAuth>(),
        [Some("ldap_auth"), Some("labels"), Some(_)] => fields::<LabelMap>(),
        [Some("xorm_auth")] => fields::<XormAuth>(),
        [Some("acl_xorm")] => fields::<AclXorm>(),
        [Some("htpasswd")] => fields::<Htpasswd>(),
        [Some("backends")] => fields::<Backends>(),
        [Some("registry")] => fields::<Registry>(),
        [Some("limits")] => fields::<Limits>(),
        [Some("log")] => fields::<Log>(),
        [Some("audit")] => fields::<Audit>(),
        [Some("metrics")] => fields::<Metrics>(),
        [Some("control")] => fields::<Control>(),
        [Some("ui")] => fields::<Ui>(),
        _ => &[],
    }
}

fn hint(path: &Path, key: &str, known: &[&'static str]) -> String {
    if let Some(name) = key.split_once(':').map(|(name, _)| name).filter(|name| known.contains(name)) {
        return format!("A space belongs after the colon: `{name}: …`");
    }
    if let Some(place) = misplaced(path, key) {
        return place.to_owned();
    }
    let near = known.iter().map(|name| (strsim::damerau_levenshtein(&key.to_lowercase(), name), name)).min();
    match near {
        Some((distance, name)) if distance <= 1 + name.len() / 4 => format!("Did you mean `{name}`?"),
        _ => format!("Known keys here: {}", known.join(", ")),
    }
}

/// Right keys one level too high or too low, which is what a lost indentation makes.
fn misplaced(path: &Path, key: &str) -> Option<&'static str> {
    match path.steps() {
        [Step::Key(acl), Step::Index(_), _] if acl == "acl" && fields::<Match>().contains(&key) => {
            Some("It is a condition: indent it under `match`")
        }
        [Step::Key(acl), Step::Index(_), _, _] if acl == "acl" && fields::<Rule>().contains(&key) => {
            Some("It belongs beside `match`, not under it: indent it less")
        }
        _ => None,
    }
}

/// The names of the fields of `T`, which serde hands to whoever deserializes it: so they are written once.
fn fields<T: Deserialize<'static>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    drop(T::deserialize(Fields(&mut names)));
    names
}

/// Takes note of a struct's fields and gives up.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom(fmt::Error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> String {
        let (positions, _) = Positions::read(text).unwrap();
        let mut report = Report::new("f", &positions);
        unknown_keys(&positions, &mut report);
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
             ext_authz, plugin_authz, htpasswd, registry, backends, limits, log, audit, metrics, control, ui"
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
        assert_eq!(findings("github_auth: {client_id: x}\n"), "");
    }
}
