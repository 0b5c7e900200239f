//! `portwarden replay` over the audit log of real requests.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::fs;

use crate::support::{
    audit::{TO_FILE, line_with},
    command::{self, Output},
    curl::curl,
    distribution::push_image,
    portwarden::{ADMIN, Portwarden, TEST2, USER, portwarden, program},
    registry::registry,
    token_exchange,
};

const RULES: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team/app"}
    actions: ["pull"]
  - match: {account: "test2", name: "team/*", ip: "127.0.0.0/8"}
    actions: ["pull", "push"]"#;

fn replay(warden: &Portwarden, config: &str) -> Output {
    let (config, log) = (warden.file(config), warden.file("audit.log"));
    let args = ["replay", "-c", config.to_str().unwrap(), "--audit", log.to_str().unwrap()];
    command::run(&program(), &args, &[])
}

#[test]
fn rule_55_a_replay_of_what_the_proxy_wrote_finds_what_changed_and_nothing_else() {
    let registry = registry();
    let warden = portwarden(&registry).acl(RULES).with(TO_FILE).start();
    let digest = push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    let mount = format!("/v2/team/web/blobs/uploads/?mount={digest}&from=other/app");
    for user in [ADMIN, TEST2, USER] {
        for target in [
            "/v2/",
            "/v2/_catalog",
            "/v2/team/app/tags/list",
            "/v2/team/app/manifests/1",
            "/v2/other/x/tags/list",
        ] {
            curl(&warden).user(user).get(target);
        }
        curl(&warden).user(user).send("POST", &mount);
    }
    curl(&warden).get("/v2/team/app/tags/list").is(401);
    curl(&warden).bearer("nonsense").get("/v2/team/app/tags/list").is(401);
    token_exchange::ask(&warden, Some(USER), &["repository:team/app:pull,push", "repository:b:push"]).is(200);
    let last = curl(&warden).user(USER).get("/v2/").is(200);
    line_with(
        &warden.file("audit.log"),
        &[("request_id", last.header("x-request-id").unwrap()), ("event", "transfer")],
    );

    let same = replay(&warden, "portwarden.yml").succeeds();
    assert!(same.stdout.starts_with("gain: none\nlose: none\nread "), "{}", same.stdout);
    assert!(!same.stdout.contains("foreign") && !same.stdout.contains("undecided"), "{}", same.stdout);
    let text = fs::read_to_string(warden.file("portwarden.yml")).unwrap();
    let next = text.replace(r#"account: "user", name: "team/app""#, r#"account: "user", name: "other/*""#);
    assert_ne!(text, next);
    fs::write(warden.file("next.yml"), next).unwrap();
    let other = replay(&warden, "next.yml");
    assert_eq!(other.status, Some(1), "{}", other.stdout);
    for difference in [
        "gain: user may pull other/x: 1 time, last ",
        "lose: user may not pull team/app: 2 times, last ",
        "lose: user gets no token to pull team/app: 1 time, last ",
    ] {
        assert!(other.stdout.contains(difference), "{difference}: {}", other.stdout);
    }
    let differences = |kind: &str| other.stdout.lines().filter(|line| line.starts_with(kind)).count();
    assert_eq!((differences("gain: "), differences("lose: ")), (1, 2), "{}", other.stdout);
}
