//! `portwarden untag`: tags that an operator deletes, through the control socket.
//!
//! Needs: curl, docker-registry, htpasswd.

use super::{
    tag_rules::{NAME, client, image, put},
    write_once::{ALL, TAGS},
};
use crate::support::{
    audit::{self, line_with},
    command::{self, Output},
    curl::Request,
    distribution::MANIFEST,
    portwarden::{ADMIN, Portwarden, portwarden, program},
    registry::{registry, registry_without_deletion},
};

const SOCKET: &str = "control: {socket: ./control.sock}";

fn untag(warden: &Portwarden, args: &[&str]) -> Output {
    let socket = warden.file("control.sock");
    let args = [&["untag"], args, &["--socket", socket.to_str().unwrap()]].concat();
    command::run(&program(), &args, &[])
}

fn stock(admin: &Request, tags: &[&str]) -> String {
    let digest = image(admin, "kept", &[b"a layer"]);
    let manifest = admin.clone().get(&format!("/v2/{NAME}/manifests/kept")).is(200).json();
    tags.iter().for_each(|tag| drop(put(admin, tag, MANIFEST, &manifest).is(201)));
    digest
}

#[test]
fn rule_53_the_command_deletes_each_tag_that_it_may_and_says_what_it_could_not() {
    let registry = registry();
    let warden = portwarden(&registry).acl(ALL).with(TAGS).with(SOCKET).with(audit::TO_FILE).start();
    let admin = client(&warden).user(ADMIN);
    let digest = stock(&admin, &["pr-1", "pr-2", "pr-3", "1.2.0"]);
    let done = untag(&warden, &[NAME, "pr-1"]).succeeds();
    assert_eq!(done.stdout, format!("deleted: {NAME}:pr-1, which was {digest}\n"));
    let some = untag(&warden, &[NAME, "pr-2", "none", "1.2.0", "pr-3"]);
    assert_eq!(some.status, Some(1));
    assert_eq!(some.stdout.matches("deleted: ").count(), 2, "{}", some.stdout);
    assert!(
        some.stderr.contains(&format!("not deleted: {NAME}:none: {NAME} has no tag none")),
        "{}",
        some.stderr
    );
    assert!(some.stderr.contains(&format!("not deleted: {NAME}:1.2.0: tag 1.2.0 of {NAME} is write-once")));
    let list = admin.clone().get(&format!("/v2/{NAME}/tags/list")).json();
    let mut left: Vec<&str> =
        list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, ["1.2.0", "kept"]);
    let line = line_with(&warden.file("audit.log"), &[("event", "untag"), ("reference", "pr-1")]);
    assert!(line["reason"].as_str().unwrap().starts_with("by user "), "{line}");
    assert_eq!(
        (line["decision"].as_str(), line["digest"].as_str()),
        (Some("allowed"), Some(digest.as_str()))
    );
    line_with(
        &warden.file("audit.log"),
        &[("event", "untag"), ("reference", "1.2.0"), ("decision", "refused")],
    );
    put(&admin, "pr-1", MANIFEST, &admin.clone().get(&format!("/v2/{NAME}/manifests/kept")).json()).is(201);
    let json = untag(&warden, &[NAME, "pr-1", "none", "--json"]);
    let lines: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((json.status, lines.len()), (Some(1), 2));
    assert_eq!((&lines[0]["deleted"], &lines[0]["digest"]), (&true.into(), &digest.into()));
    assert_eq!((&lines[1]["deleted"], &lines[1]["tag"]), (&false.into(), &"none".into()));
}

#[test]
fn what_is_no_repository_or_no_tag_is_refused_before_the_server_is_asked() {
    for args in [["team/app:1.0", "1.0"], ["Team", "1.0"], ["team/app", "sha256:00"], ["team/app", "-"]] {
        let told = command::run(&program(), &["untag", "--socket", "/nowhere", "--", args[0], args[1]], &[]);
        assert_eq!(told.status, Some(2), "{args:?}: {}", told.stderr);
        assert!(!told.stderr.contains("/nowhere"), "{}", told.stderr);
    }
    let unreached = command::run(&program(), &["untag", "--socket", "/nowhere", "team/app", "1.0"], &[]);
    assert_eq!(unreached.status, Some(1));
    assert!(unreached.stderr.contains("cannot reach the server at /nowhere"), "{}", unreached.stderr);
}

#[test]
fn rule_53_the_command_waits_for_the_end_of_a_freeze_and_says_when_deletion_is_off() {
    let registry = registry_without_deletion();
    let warden = portwarden(&registry).acl(ALL).with(SOCKET).start();
    stock(&client(&warden).user(ADMIN), &["pr-1"]);
    let off = untag(&warden, &[NAME, "pr-1"]);
    assert!(off.status == Some(1) && off.stderr.contains("storage.delete.enabled: true"), "{}", off.stderr);
    let socket = warden.file("control.sock");
    let control = |command: &str| {
        command::run(&program(), &[command, "--socket", socket.to_str().unwrap()], &[]).succeeds()
    };
    control("freeze");
    let frozen = untag(&warden, &[NAME, "pr-1"]);
    assert!(frozen.status == Some(1) && frozen.stderr.contains("takes no changes"), "{}", frozen.stderr);
    control("thaw");
}
