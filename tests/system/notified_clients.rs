//! Events of notifications under real clients, beside those that the registry sends itself.
//!
//! Needs: buildx, docker, docker-registry, htpasswd, oras, root.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    collector::collector,
    command::{Output, run},
    docker::docker,
    events::{assert_the_same, with_references},
    image::{Image, random_bytes},
    portwarden::{ADMIN, Portwarden, portwarden},
    programs::fetched_by,
    registry::registry_notifying,
};

/// The number of events of an action.
fn count(events: &[Value], action: &str) -> usize {
    events.iter().filter(|event| event["action"] == action).count()
}

#[test]
fn events_under_docker_are_those_of_the_registry() {
    let (theirs, ours) = (collector(), collector());
    let registry = registry_notifying(&theirs.url());
    let warden = portwarden(&registry).with(&with_references(&ours)).start();
    let client = docker().user(&warden, Some(ADMIN));
    let image = Image::random(2, 20_000);
    let reference = client.reference("team/app:1");
    client.load(image.archive(&reference).path()).succeeds();
    client.push("team/app:1").succeeds();
    client.tag("team/app:1", "team/other:1").succeeds();
    client.push("team/other:1").succeeds().says("Mounted from team/app");
    client.forget("team/app:1");
    client.forget("team/other:1");
    client.pull("team/app:1").succeeds();
    // Two layers, a configuration and a manifest go in, two layers are mounted, and all of the image comes out.
    let whole = |events: &[Value]| count(events, "push") >= 6 && count(events, "pull") >= 4;
    ours.until(whole);
    let (events, _) = assert_the_same(&ours, &theirs);
    assert!(count(&events, "mount") >= 2);
    assert!(events.iter().all(|event| event["actor"] == json!({"name": "admin"})));
}

/// The programs that `.ci/install` builds, in the target folder.
const ORAS: &str = "oras/current/oras";
const BUILDX: &str = "buildx/current/buildx";

/// One of them, with the login of the administrator and the tests' authority.
fn built(path: &str, warden: &Portwarden, home: &Path, arguments: &[&str]) -> Output {
    let path = fetched_by("test-registry3", path, path);
    let (authority, home) = (warden.authority_file(), home.to_str().unwrap());
    let environment =
        [("SSL_CERT_FILE", authority.to_str().unwrap()), ("HOME", home), ("DOCKER_CONFIG", home)];
    run(path.to_str().unwrap(), arguments, &environment)
}

#[test]
#[ignore = "run by `make test-registry3`, which builds oras and buildx"]
fn events_under_oras_and_buildx_are_those_of_the_registry() {
    let (theirs, ours) = (collector(), collector());
    let registry = registry_notifying(&theirs.url());
    let warden = portwarden(&registry).with(&with_references(&ours)).start();
    let home = tempfile::tempdir().unwrap();
    let (host, directory) = (warden.host(), home.path());
    fs::write(directory.join("file"), random_bytes(3000)).unwrap();
    fs::write(directory.join("other"), random_bytes(3000)).unwrap();
    let oras = |arguments: &[&str]| built(ORAS, &warden, directory, arguments).succeeds();
    oras(&["login", &host, "--username", ADMIN.name, "--password", ADMIN.password]);
    let (first, second) = (format!("{host}/acme/first:1"), format!("{host}/acme/second:1"));
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    oras(&["push", "--disable-path-validation", &first, &format!("{}:text/plain", file("file"))]);
    oras(&["attach", "--disable-path-validation", "--artifact-type", "a/b", &first, &file("other")]);
    oras(&["cp", "--recursive", &first, &second]);
    oras(&["pull", "--allow-path-traversal", "--output", &file("pulled"), &second]);
    let (index, all) = (format!("{host}/acme/first:all"), format!("{host}/acme/second:all"));
    let buildx = |arguments: &[&str]| built(BUILDX, &warden, directory, arguments).succeeds();
    buildx(&["imagetools", "create", "--tag", &index, &first, &second]);
    buildx(&["imagetools", "create", "--tag", &all, &index]);
    buildx(&["imagetools", "inspect", &all]);
    ours.until(|events| events.iter().any(|event| event["target"]["tag"] == "all"));
    let (events, _) = assert_the_same(&ours, &theirs);
    let clients = |name: &str| {
        events.iter().filter(|event| event["request"]["useragent"].as_str().unwrap().contains(name)).count()
    };
    // buildx has the library of containerd, and its name.
    assert!(
        clients("oras/") >= 10 && clients("containerd/") >= 3,
        "{} {}",
        clients("oras/"),
        clients("containerd/")
    );
    let is_index = |event: &&Value| event["target"]["tag"] == "all" && event["action"] == "push";
    for event in events.iter().filter(is_index) {
        assert_eq!(event["target"]["references"][0]["platform"]["os"], "linux", "{event}");
    }
}
