//! The whole program with the accounts of a real directory: `admin` is in `users`, all others are in slapd. Of the
//! directory alone see `tests/services/ldap.rs`.
//!
//! Needs: curl, docker, docker-registry, htpasswd, root, slapd.

use crate::support::{
    curl::curl,
    docker::docker,
    page_client::Visitor,
    portwarden::{ADMIN, Portwarden, User, portwarden},
    process::{PATIENCE, eventually},
    registry::{Registry, registry},
    slapd::{BASE, BY_UID, READER, READER_PASSWORD, Slapd, slapd},
};

const BOB: User = User { name: "bob", password: "builder" };
const ALICE: User = User { name: "alice", password: "wonderland" };
const BY_LABELS: &str = "  - match: {account: admin}\n    actions: ['*']\n  \
                         - match: {labels: {groups: admins}}\n    actions: [pull, push]\n";

fn warden(registry: &Registry, directory: &Slapd, tls: &str, port: u16) -> Portwarden {
    let section = format!(
        "backends: {{timeout: 2s}}\nldap_auth:\n  addr: \"127.0.0.1:{port}\"\n  tls: {tls}\n  ca_certificate: {}\n  \
         bind_dn: \"{READER}\"\n  bind_password_file: {}\n  base: {BASE}\n  filter: {BY_UID}\n  \
         labels: {{groups: {{attribute: seeAlso, parse_cn: true, lower_case: true}}}}",
        directory.authority_file().display(),
        directory.password_file().display(),
    );
    portwarden(registry).users(&[ADMIN]).acl(BY_LABELS).with(&section).start()
}

#[test]
fn docker_logs_in_with_the_password_of_the_directory() {
    let (registry, directory) = (registry(), slapd().start());
    let warden = warden(&registry, &directory, "starttls", directory.port());
    let nobody = docker().user(&warden, None);
    nobody.login(BOB).succeeds().says("Login Succeeded");
    nobody.login(ALICE).succeeds().says("Login Succeeded");
    nobody.login(ADMIN).succeeds().says("Login Succeeded");
    nobody.login(User { password: "wrong", ..BOB }).fails().says("unauthorized");
    nobody.login(User { name: "stranger", ..BOB }).fails().says("unauthorized");
}

#[test]
fn rules_see_the_labels_of_the_directory() {
    let (registry, directory) = (registry(), slapd().start());
    let warden = warden(&registry, &directory, "always", directory.tls_port());
    let upload = |user| curl(&warden).user(user).send("POST", "/v2/team/app/blobs/uploads/").status;
    assert_eq!((upload(BOB), upload(ALICE)), (202, 401));
}

/// `kim` with 300 groups and `lee` with 100, as a large company's directory has them.
fn in_many_groups() -> String {
    let entry = |(name, count): (&str, usize)| {
        let groups = (0..count).map(|n| {
            format!("seeAlso: cn=app-team-{n:04}-developers,ou=security groups,ou=corp,dc=example,dc=com\n")
        });
        format!(
            "dn: uid={name},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\n\
             sn: {name}\nuserPassword: pw\n{}\n",
            groups.collect::<String>()
        )
    };
    [("kim", 300), ("lee", 100)].map(entry).concat()
}

#[test]
fn accounts_in_hundreds_of_groups_sign_in_everywhere() {
    let (registry, directory) = (registry(), slapd().entries(&in_many_groups()).start());
    let section = format!(
        "ldap_auth:\n  addr: \"127.0.0.1:{}\"\n  tls: none\n  bind_dn: \"{READER}\"\n  \
         bind_password_file: {}\n  base: {BASE}\n  filter: {BY_UID}\n  \
         labels: {{groups: {{attribute: seeAlso}}, short: {{attribute: seeAlso, parse_cn: true, lower_case: true}}}}",
        directory.port(),
        directory.password_file().display(),
    );
    let by_no_label = "  - match: {account: \"/.+/\"}\n    actions: [pull, push]\n";
    let by_one_group = "  - match: {labels: {short: app-team-0042-developers}}\n    actions: [pull, push]\n";
    let by_a_part =
        "  - match: {labels: {groups: \"/^cn=app-team-00(41|42)-/\"}}\n    actions: [pull, push]\n";
    let docker = docker();
    for acl in [by_no_label, by_one_group, by_a_part] {
        let warden = portwarden(&registry).users(&[ADMIN]).acl(acl).with(&section).start();
        for name in ["kim", "lee"] {
            let user = User { name, password: "pw" };
            let scope = "repository:team/app:pull,push";
            let answer = curl(&warden).user(user).get(&format!("/auth?service=registry.test&scope={scope}"));
            let token = answer.is(200).json()["token"].as_str().unwrap().to_owned();
            assert!(token.len() < 2_000, "{name}: {} bytes, {acl}", token.len());
            curl(&warden).bearer(&token).send("POST", "/v2/team/app/blobs/uploads/").is(202);
            docker.user(&warden, None).login(user).succeeds().says("Login Succeeded");
            let visitor = Visitor::signed_in(&warden, user);
            visitor.get("/-/access").is(200);
        }
    }
}

#[test]
fn a_directory_that_hangs_or_is_gone_stops_nobody_else() {
    let (registry, mut directory) = (registry(), slapd().start());
    let warden = warden(&registry, &directory, "none", directory.port());
    let asked = |user| curl(&warden).user(user).get("/v2/").status;
    assert_eq!(asked(ADMIN), 200);
    directory.signal("STOP");
    assert_eq!(asked(ALICE), 503, "{}", warden.log());
    assert_eq!(asked(ADMIN), 200);
    directory.signal("CONT");
    assert!(eventually(PATIENCE, || asked(ALICE) == 200), "{}", warden.log());
    directory.kill();
    assert_eq!(asked(BOB), 503, "{}", warden.log());
    directory.start_again();
    assert!(eventually(PATIENCE, || asked(BOB) == 200), "{}", warden.log());
    assert!(!warden.log().contains(BOB.password) && !warden.log().contains(READER_PASSWORD));
}
