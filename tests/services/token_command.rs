//! `portwarden token`, as a script uses it: against Portwarden, a registry without tokens, and one that is not there.
//!
//! Needs: curl, docker-registry, htpasswd, openssl.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::support::{
    command::{self, Output},
    curl::curl,
    distribution::push_image,
    misbehaving_registry::no_registry,
    portwarden::{ADMIN, Portwarden, TEST, USER, User, portwarden, program},
    registry::registry,
};

#[test]
fn a_token_opens_what_was_asked_for() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    push_image(&curl(&warden).user(ADMIN), "team/app", "1");
    let printed = ask(&warden, Some(USER), &["--scope", "repository:team/app:pull"]).succeeds();
    let token = printed.stdout.strip_suffix('\n').expect("a line");
    assert!(!token.contains(char::is_whitespace), "{token}");
    curl(&warden).bearer(token).get("/v2/team/app/tags/list").is(200);
    curl(&warden).bearer(token).get("/v2/team/other/tags/list").is(401);
    let whole = ask(&warden, Some(ADMIN), &["--scope", "registry:catalog:*", "--json"]).succeeds();
    let whole: serde_json::Value = serde_json::from_str(&whole.stdout).unwrap();
    assert_eq!(whole.get("expires_in"), Some(&serde_json::json!(900)));
    let token = whole.get("token").and_then(serde_json::Value::as_str).unwrap();
    curl(&warden).bearer(token).get("/v2/_catalog").is(200);
}

#[test]
fn what_is_not_granted_is_said_and_there_is_no_token() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    for (user, scopes, says) in [
        (
            Some(USER),
            "repository:team/app:pull,push",
            "not granted to account \"user\": repository:team/app:push",
        ),
        (Some(TEST), "repository:team/app:pull", "not granted to account \"test\": repository:team/app:pull"),
        (Some(User { password: "wrong", ..USER }), "repository:a:pull", "the name or the password is wrong"),
        (None, "repository:a:pull", "give --user"),
        (Some(USER), "repository", "--scope: invalid scope"),
        (Some(USER), "", "--scope is empty: write it as repository:team/app:pull,push"),
        (Some(User { name: "a:b", ..USER }), "repository:a:pull", "a name with a colon"),
    ] {
        let told = ask(&warden, user, &["--scope", scopes]).fails().says(says);
        assert_eq!((told.status, told.stdout.as_str()), (Some(1), ""), "{told:?}");
        assert!(!told.stderr.contains("wrong\n") || says.contains("wrong"), "{told:?}");
    }
}

#[test]
fn who_gives_no_token_is_named() {
    let registry = registry();
    run(&["--registry", &registry.url()], None).fails().says("is open: it wants no token");
    let gone = no_registry();
    run(&["--registry", &format!("http://{gone}")], None).fails().says(&gone);
    let warden = portwarden(&registry).start();
    run(&["--registry", &warden.url()], None).fails().says("--ca-certificate");
    run(&["--registry", "http://registry.example"], None).fails().says("in the clear");
}

/// As `openssl req -x509` makes it: signed by itself, and marked as an authority's.
#[test]
fn a_certificate_that_signs_itself_is_trusted_by_its_file() {
    let registry = registry();
    let mut warden = portwarden(&registry).start();
    let (key, certificate) = (warden.file("tls.key"), warden.file("tls.crt"));
    let made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:0.0.0.0",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        certificate.to_str().unwrap(),
    ];
    command::run("openssl", &made, &[]).succeeds();
    warden.reload(|builder| builder);
    let url = warden.url();
    let ask = |file: &str| {
        run(&["--registry", &url, "--ca-certificate", file, "--user", USER.name], Some(USER.password))
    };
    ask(certificate.to_str().unwrap()).succeeds();
    ask(warden.authority_file().to_str().unwrap()).fails().says("--ca-certificate");
}

/// The password never stands among the arguments: it is a line of standard input.
fn ask(warden: &Portwarden, user: Option<User>, more: &[&str]) -> Output {
    let (url, authority) = (warden.url(), warden.authority_file());
    let mut arguments = vec!["--registry", &url, "--ca-certificate", authority.to_str().unwrap()];
    if let Some(user) = &user {
        arguments.extend(["--user", user.name]);
    }
    arguments.extend(more);
    run(&arguments, user.map(|user| user.password))
}

fn run(arguments: &[&str], password: Option<&str>) -> Output {
    let mut command = Command::new(program());
    command.arg("token").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that has ended already reads nothing.
    let _ = writeln!(child.stdin.take().unwrap(), "{}", password.unwrap_or_default());
    let output = child.wait_with_output().unwrap();
    Output {
        line: format!("portwarden token {}", arguments.join(" ")),
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
