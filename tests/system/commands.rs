//! Commands of the operator behind real clients: docker logs in by `ext_auth` and pushes by `ext_authz`; and what is
//! left of a command that hangs, floods, fails or is gone. What their answers mean is held row by row in
//! `cases_commands`.
//!
//! Needs: curl, docker, docker-registry, htpasswd, root.

use std::{fs, path::Path, thread, time::Duration};

use tempfile::TempDir;

use crate::support::{
    command,
    curl::{Response, curl},
    docker::docker,
    image::Image,
    portwarden::{ADMIN, Builder, Portwarden, TEST, USER, User, portwarden},
    process::{PATIENCE, eventually, pause, whole_lines},
    registry::{Registry, registry},
};

/// Known to the command only.
const EVE: User = User { name: "eve", password: "right-password" };

/// Knows eve, a member of the crew.
const KNOWS_EVE: &str = r#"
read -r user password
case "$user $password" in
    'eve right-password') echo '{"labels": {"team": ["crew"]}}' ;;
    'eve '*) exit 1 ;;
    *) exit 2 ;;
esac
"#;

const CREW: &str = r#"
  - match: {labels: {team: "crew"}, name: "crew/*"}
    actions: ["pull", "push"]
"#;

#[test]
fn docker_logs_in_and_pushes_by_what_ext_auth_says() {
    let (registry, scripts) = (registry(), scripts());
    let warden = with_ext_auth(&registry, &scripts, KNOWS_EVE).acl(CREW).start();
    let docker = docker();
    let login = |user| docker.user(&warden, None).login(user);
    login(EVE).succeeds().says("Login Succeeded");
    login(User { password: "wrong", ..EVE }).fails().says("unauthorized");
    login(User { name: "stranger", ..EVE }).fails().says("unauthorized");
    login(ADMIN).succeeds();

    let client = docker.user(&warden, Some(EVE));
    for (name, allowed) in [("crew/app:1", true), ("other/app:1", false)] {
        client.load(Image::random(2, 5_000).archive(&client.reference(name)).path()).succeeds();
        let push = client.push(name);
        assert_eq!(push.succeeded(), allowed, "{push:#?}");
    }
    assert!(!warden.log().contains(EVE.password), "{}", warden.log());
}

#[test]
fn docker_pushes_by_what_ext_authz_says() {
    let (registry, scripts) = (registry(), scripts());
    let script = install(
        &scripts,
        "rules",
        &format!(
            "echo run >>'{}'\nread -r question\n\
             case \"$question\" in *'\"Account\":\"user\"'*'\"Name\":\"team/'*) exit 0 ;; esac\nexit 1\n",
            scripts.path().join("runs").display()
        ),
    );
    let warden = portwarden(&registry).acl("  []").with(&format!("ext_authz: {{command: {script}}}")).start();
    let client = docker().user(&warden, None);
    client.login(USER).succeeds();
    for (name, allowed) in [("team/app:1", true), ("other/app:1", false)] {
        client.load(Image::random(6, 5_000).archive(&client.reference(name)).path()).succeeds();
        let push = client.push(name);
        assert_eq!(push.succeeded(), allowed, "{push:#?}");
        if !allowed {
            push.says("may not push to repository other/app");
        }
    }
    // Docker sends some thirty requests for seven blobs and a manifest, and each is decided; few are asked about.
    let runs = fs::read_to_string(scripts.path().join("runs")).unwrap().lines().count();
    assert!(runs < 10, "{runs} runs");
}

#[test]
fn a_command_that_hangs_is_answered_for_in_time_and_holds_up_nobody_else() {
    let (registry, scripts) = (registry(), scripts());
    let warden = with_ext_auth(&registry, &scripts, "sleep 600").with("backends: {timeout: 15s}").start();
    let nobody = docker().user(&warden, None);
    thread::scope(|scope| {
        let hanging: Vec<_> = (0..12).map(|_| scope.spawn(|| log_in(&warden, EVE))).collect();
        pause(Duration::from_millis(300));
        nobody.login(ADMIN).succeeds();
        log_in(&warden, USER).is(200);
        assert!(!hanging.iter().any(|answer| answer.is_finished()), "it waited for the end of the others");
        for answer in hanging {
            unavailable(answer.join().unwrap());
        }
    });
    warden.says("ext_auth gave no answer: no answer within 15s");
}

#[test]
fn what_a_hanging_command_started_ends_with_it() {
    let (registry, scripts) = (registry(), scripts());
    let ids = scripts.path().join("ids");
    let script = format!("(sleep 600 & echo $! >>'{0}'; wait) & echo $$ $! >>'{0}'; wait", ids.display());
    let warden = with_ext_auth(&registry, &scripts, &script).with("backends: {timeout: 1s}").start();
    unavailable(log_in(&warden, EVE));
    all_gone(&ids, 3);
}

#[test]
fn a_command_whose_client_went_away_ends_when_its_time_is_up() {
    let (registry, scripts) = (registry(), scripts());
    let ids = scripts.path().join("ids");
    let script = format!("sleep 600 & echo $$ $! >>'{}'; wait", ids.display());
    let warden = with_ext_auth(&registry, &scripts, &script).with("backends: {timeout: 4s}").start();
    let mut client = curl(&warden).user(EVE).start("/v2/", scripts.path());
    assert!(eventually(PATIENCE, || written(&ids) == 2), "the command does not run");
    client.kill().unwrap();
    client.wait().unwrap();
    all_gone(&ids, 2);
    log_in(&warden, ADMIN).is(200);
}

#[test]
fn a_child_that_holds_the_output_holds_up_no_answer() {
    let (registry, scripts) = (registry(), scripts());
    let ids = scripts.path().join("ids");
    let script = format!("sleep 600 & echo $! >>'{}'\nexit 0", ids.display());
    let warden = with_ext_auth(&registry, &scripts, &script).with("backends: {timeout: 60s}").start();
    // Waited for until its time is up, it would be no answer.
    log_in(&warden, EVE).is(200);
    all_gone(&ids, 1);
}

#[test]
fn a_command_that_floods_is_stopped() {
    let (registry, scripts) = (registry(), scripts());
    let script = "head -c 1000000000 /dev/zero; exit 0";
    let warden = with_ext_auth(&registry, &scripts, script).start();
    log_in(&warden, ADMIN).is(200);
    let before = warden.peak_rss_kib();
    unavailable(log_in(&warden, EVE));
    warden.says("it printed more than 262144 bytes");
    let grown = warden.peak_rss_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
}

#[test]
fn rule_16_a_command_that_fails_is_quoted_without_the_password() {
    let (registry, scripts) = (registry(), scripts());
    let script = "read -r line; echo \"cannot check $line\" >&2; echo \"$line\"; exit 3";
    let warden = with_ext_auth(&registry, &scripts, script).start();
    unavailable(log_in(&warden, EVE));
    warden.says("bad exit code 3 from");
    warden.says("cannot check eve ***");
    assert!(!warden.log().contains(EVE.password), "{}", warden.log());
}

#[test]
fn a_command_that_is_gone_is_named_and_taken_up_when_it_is_back() {
    let (registry, scripts) = (registry(), scripts());
    let warden = with_ext_auth(&registry, &scripts, KNOWS_EVE).start();
    let script = scripts.path().join("accounts");
    fs::remove_file(&script).unwrap();
    unavailable(log_in(&warden, EVE));
    warden.says(&format!("cannot run {}: No such file", script.display()));
    warden.says("put it back");
    log_in(&warden, TEST).is(200);
    install(&scripts, "accounts", KNOWS_EVE);
    log_in(&warden, EVE).is(200);
}

/// Nothing that the proxy has open reaches a command: no connection of a client, no listener, no key.
#[test]
fn a_command_has_its_pipes_and_nothing_else_of_ours() {
    let (registry, scripts) = (registry(), scripts());
    let open = scripts.path().join("open");
    let script = format!("ls -l /proc/$$/fd >'{}'", open.display());
    let warden = with_ext_auth(&registry, &scripts, &script).start();
    log_in(&warden, EVE).is(200);
    let open = fs::read_to_string(open).unwrap();
    assert!(open.contains(" 0 -> pipe:"), "{open}");
    assert!(!open.contains("socket:") && !open.contains("anon_inode:"), "{open}");
}

fn scripts() -> TempDir {
    tempfile::Builder::new().prefix("portwarden-scripts-").tempdir().unwrap()
}

/// Puts a program there by another process. If this one wrote it, a child that another test starts meanwhile would have
/// it open for writing for a moment. Until then it cannot be run.
fn install(scripts: &TempDir, name: &str, script: &str) -> String {
    let (text, program) = (scripts.path().join(format!("{name}.txt")), scripts.path().join(name));
    fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
    let program = program.to_str().unwrap();
    command::run("install", &["-m", "700", text.to_str().unwrap(), program], &[]).succeeds();
    program.to_owned()
}

fn with_ext_auth(registry: &Registry, scripts: &TempDir, script: &str) -> Builder {
    let program = install(scripts, "accounts", script);
    portwarden(registry).with(&format!("ext_auth: {{command: {program}}}"))
}

fn log_in(warden: &Portwarden, user: User) -> Response {
    curl(warden).user(user).get("/v2/")
}

#[track_caller]
fn unavailable(answer: Response) {
    let answer = answer.is(503);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(answer.error().0, "UNAVAILABLE");
}

/// The number of process ids in the file.
fn written(ids: &Path) -> usize {
    let text = fs::read_to_string(ids).unwrap_or_default();
    whole_lines(&text).split_whitespace().count()
}

/// Returns true if each process that the file names is gone, without a zombie.
#[track_caller]
fn all_gone(ids: &Path, count: usize) {
    eventually(PATIENCE, || written(ids) == count);
    let ids = fs::read_to_string(ids).unwrap();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    assert_eq!(ids.len(), count, "{ids:?}");
    let stat = |id: &str| fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let gone = || ids.iter().all(|id| stat(id).is_empty());
    let left = || ids.iter().map(|id| stat(id)).collect::<String>();
    assert!(eventually(PATIENCE, gone), "{}", left());
}
