//! Tests of ceilings.

use std::collections::BTreeMap;

use super::*;
use crate::authz::{AuthorizationBackendSettings, Authorizers, LeftOut, Policy, RuleSettings};

fn ceilings(scopes: Option<&[&str]>, ip: Option<&[&str]>) -> Result<Ceilings, String> {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let settings =
        CeilingSettings { account: "ci".to_owned(), scopes: scopes.map(owned), ip: ip.map(owned), line: 3 };
    Ceilings::compile(&[settings]).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The actions that are left of those asked for.
fn left(ceilings: &Ceilings, ip: Option<&str>, scope: (&str, &str), actions: &[&str]) -> String {
    let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
    let question = Question {
        account: "ci",
        labels: &BTreeMap::new(),
        ip: ip.map(|ip| ip.parse().unwrap()),
        service: "registry.example",
        resource_type: scope.0,
        name: scope.1,
        tag: None,
        actions: &actions,
        token_scopes: None,
        now: 0,
    };
    ceilings.bound(&question).map_or(actions.clone(), |(left, _)| left).join(",")
}

#[test]
fn scopes_add_up_and_whatever_they_do_not_list_is_taken_away() {
    let bound = ceilings(Some(&["repository:acme/*:pull", "repository:acme/app:push"]), None).unwrap();
    let of = |name, actions: &[&str]| left(&bound, None, ("repository", name), actions);
    assert_eq!(of("acme/app", &["pull", "push"]), "pull,push");
    assert_eq!(of("acme/lib", &["pull", "push"]), "pull");
    assert_eq!(of("acme/app", &["delete"]), "");
    assert_eq!(of("acme/app", &["*"]), "", "a part is not all");
    for outside in ["acme/a/b", "acme", "acme2/app", "xacme/app", "acme/", "other/app", "ACME/app", ""] {
        assert_eq!(of(outside, &["push"]), "", "{outside}");
    }
    assert_eq!(of("acme/a/b", &["pull"]), "", "`*` stops at a slash, as in a rule");
    assert_eq!(left(&bound, None, ("registry", "acme/app"), &["pull"]), "");
}

#[test]
fn a_star_is_every_action_and_an_expression_is_one_of_a_rule() {
    let all = ceilings(Some(&["repository:/^acme\\/(a|b)$/:*", "registry:catalog:*"]), None).unwrap();
    let of = |kind, name, actions: &[&str]| left(&all, None, (kind, name), actions);
    assert_eq!(of("repository", "acme/a", &["delete", "*"]), "delete,*");
    assert_eq!(of("repository", "acme/c", &["pull"]), "");
    assert_eq!(of("registry", "catalog", &["*"]), "*");
}

#[test]
fn rule_41_an_address_that_is_unknown_or_elsewhere_leaves_nothing() {
    let bound = ceilings(None, Some(&["10.0.0.0/8", "2001:db8::/32"])).unwrap();
    let of = |ip| left(&bound, ip, ("repository", "a"), &["pull"]);
    for (ip, granted) in [
        (Some("10.1.2.3"), "pull"),
        (Some("::ffff:10.1.2.3"), "pull"),
        (Some("2001:db8::1"), "pull"),
        (Some("11.0.0.1"), ""),
        (Some("::1"), ""),
        (None, ""),
    ] {
        assert_eq!(of(ip), granted, "{ip:?}");
        assert_eq!(bound.admits("ci", ip.map(|ip| ip.parse().unwrap())), granted == "pull", "{ip:?}");
    }
    assert!(bound.admits("another", None), "an account without a ceiling");
}

#[test]
fn rule_41_a_ceiling_takes_away_and_never_adds() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rule = |name: &str, actions: &[&str]| RuleSettings {
        name: Some(name.to_owned()),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        ..RuleSettings::default()
    };
    let rules = [rule("acme/app", &["pull"]), rule("acme/*", &["*"])];
    let scopes: [&[&str]; 3] = [&["repository:acme/*:*"], &["repository:acme/*:pull,push"], &[]];
    for (scopes, ip) in
        scopes.iter().flat_map(|scopes| [(*scopes, None), (*scopes, Some(&["10.0.0.0/8"][..]))])
    {
        let policy = Policy::compile(&rules).unwrap();
        let bound = Authorizers::new(
            policy,
            ceilings(Some(scopes), ip).unwrap(),
            AuthorizationBackendSettings::default(),
            None,
        );
        for (name, actions) in ["acme/app", "acme/lib", "other"].into_iter().flat_map(|name| {
            [(name, &["pull"][..]), (name, &["pull", "push"]), (name, &["pull", "push", "delete"])]
        }) {
            let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
            let question = Question {
                account: "ci",
                labels: &BTreeMap::new(),
                ip: Some("10.0.0.1".parse().unwrap()),
                service: "registry.example",
                resource_type: "repository",
                name,
                tag: None,
                actions: &actions,
                token_scopes: None,
                now: 0,
            };
            let without = runtime.block_on(bound.decide_by_rules(&LeftOut::new(), &question)).unwrap();
            let with = runtime.block_on(bound.decide(&question)).unwrap();
            assert!(with.actions.iter().all(|action| without.actions.contains(action)), "{name} {with:?}");
            let another = runtime.block_on(bound.decide(&Question { account: "alice", ..question })).unwrap();
            assert_eq!(another, without, "a ceiling is of one account");
        }
    }
}

#[test]
fn rule_62_a_personal_token_takes_away_below_the_ceiling_of_its_account_too() {
    let bound = ceilings(Some(&["repository:acme/*:pull,push"]), None).unwrap();
    let scopes =
        |text: &str| crate::authz::TokenScopes::of(&[crate::authz::parse_token_scope(text).unwrap()]);
    for (account, token, left) in [
        ("ci", "repository:acme/app:*", "pull,push"),
        ("ci", "repository:acme/app:push,delete", "push"),
        ("ci", "repository:other:*", ""),
        ("alice", "repository:acme/*:pull,delete", "pull,delete"),
        ("alice", "repository:/.*/:pull", "pull"),
        ("alice", "registry:catalog:*", ""),
    ] {
        let (token_scopes, labels) = (scopes(token), BTreeMap::new());
        let actions = ["pull", "push", "delete"].map(str::to_owned);
        let question = Question {
            account,
            labels: &labels,
            ip: None,
            service: "registry.example",
            resource_type: "repository",
            name: "acme/app",
            tag: None,
            actions: &actions,
            token_scopes: Some(&token_scopes),
            now: 0,
        };
        let found = bound.bound(&question).map_or(actions.to_vec(), |(left, _)| left).join(",");
        assert_eq!(found, left, "{account} {token}");
    }
}

#[test]
fn an_empty_list_leaves_nothing_and_none_leaves_all() {
    let of = |ceilings: &Ceilings| left(ceilings, Some("10.0.0.1"), ("repository", "a"), &["pull"]);
    assert_eq!(of(&ceilings(Some(&[]), None).unwrap()), "");
    assert_eq!(of(&ceilings(None, Some(&[])).unwrap()), "");
    assert_eq!(of(&ceilings(None, None).unwrap()), "pull");
}

#[test]
fn what_is_no_scope_and_no_block_is_refused() {
    for wrong in [
        "",
        "repository",
        "repository:a",
        "repository::pull",
        ":a:pull",
        "repository:a:",
        "repository:a:pull,",
        "repository:a:read",
        "repository:a:Pull",
        "repository:a:pull push",
        "Repository:a:pull",
        "repo*:a:pull",
        "repository:a[:pull",
        "repository:/(/:pull",
        "repository:${account}/*:pull",
        "repository:a:pull:x",
    ] {
        assert!(ceilings(Some(&[wrong]), None).is_err(), "{wrong}");
    }
    assert!(ceilings(Some(&["repository:host:5000/a:pull"]), None).is_ok());
    let said = ceilings(Some(&["repository:a:read"]), Some(&["10.0.0.0/33"])).unwrap_err();
    assert!(
        said.contains("robots: \"ci\": scopes[0]: \"repository:a:read\" is no scope: \"read\""),
        "{said}"
    );
    assert!(said.contains("ip[0]: \"10.0.0.0/33\" is neither an address nor a CIDR block"), "{said}");
}
