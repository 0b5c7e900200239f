//! Real commands by `/bin/sh`: what goes in and out, and what is left of them.

use std::{fs, time::Instant};

use tokio::time::sleep;

use super::*;

fn sh(script: &str) -> CommandSettings {
    CommandSettings { command: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
}

async fn run(script: &str) -> Exit {
    sh(script).run(b"a question", b"hunter2").await.unwrap_or_else(|why| panic!("{script}: {why}"))
}

async fn failure(script: &str) -> String {
    sh(script).run(b"a question", b"hunter2").await.err().unwrap_or_else(|| panic!("{script}: no failure"))
}

/// The state in `/proc/<id>/stat`: `S`, `Z`, …; `None` once it is gone.
fn state(id: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Returns true if it is gone with the next question, at the latest.
async fn is_gone(id: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    while state(id).is_some() && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
        run("exit 0").await;
    }
    state(id).is_none()
}

/// Runs the script until it has written so many ids into `$1`, then drops the question; returns them.
async fn interrupted(script: &str, count: usize) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let ids = directory.path().join("ids");
    let mut command = sh(script);
    command.args.extend(["sh".to_owned(), ids.display().to_string()]);
    let written = || {
        let text = fs::read_to_string(&ids).unwrap_or_default();
        text.split_inclusive('\n')
            .filter_map(|id| id.strip_suffix('\n'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let all_are_written = async {
        while written().len() < count {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = command.run(b"", b"") => panic!("{script}: it should hang"),
        () = all_are_written => written(),
    }
}

#[tokio::test]
async fn input_output_and_exit_code_go_through_as_they_are() {
    let exit = run("cat; echo; exit 7").await;
    assert_eq!((exit.code, exit.output.as_slice()), (7, &b"a question\n"[..]));
    assert_eq!(run("kill -9 $$").await.code, -1);
    // The command reads none of it.
    let long = vec![b'x'; 1 << 20];
    assert_eq!(sh("exit 0").run(&long, b"").await.ok().map(|exit| exit.code), Some(0));
    let exit = sh("wc -c").run(&long, b"").await.ok().unwrap();
    assert_eq!(String::from_utf8_lossy(&exit.output).trim(), "1048576");
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_it_started_and_reaped() {
    let ids = interrupted("echo $$ >$1; sleep 600 & echo $! >>$1; (sleep 601 & echo $! >>$1; wait)", 3).await;
    assert_eq!(ids.len(), 3);
    for id in ids {
        assert!(is_gone(&id).await, "{id} is {:?}", state(&id));
    }
}

/// In a container without an init, orphans come to this process, and no other one reaps them.
#[tokio::test]
async fn orphans_that_come_to_us_are_reaped() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let ids = interrupted("sleep 600 & echo $! >$1; (sleep 601 & echo $! >>$1; wait)", 2).await;
    let left = run("sleep 600 & echo $! >&2; exit 0").await.complaint;
    let ended = String::from_utf8(run("sleep 0.1 >/dev/null 2>&1 & printf $!").await.output).unwrap();
    for id in ids.iter().chain([&left, &ended]) {
        assert!(is_gone(id).await, "{id} is {:?}", state(id));
    }
}

#[tokio::test]
async fn who_is_left_behind_with_the_output_open_is_killed_and_not_waited_for() {
    let started = Instant::now();
    let exit = run("printf answer; sleep 600 & echo $! >&2; exit 0").await;
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!((exit.code, exit.output.as_slice()), (0, &b"answer"[..]));
    assert!(is_gone(&exit.complaint).await, "{} is {:?}", exit.complaint, state(&exit.complaint));
}

#[tokio::test]
async fn who_let_go_of_the_output_may_stay() {
    let exit = run("sleep 600 >/dev/null 2>&1 & printf $!").await;
    let id = String::from_utf8(exit.output).unwrap();
    assert!(state(&id).is_some_and(|state| state != 'Z'), "{:?}", state(&id));
    let id = Pid::from_raw(id.parse().unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::KILL).unwrap();
}

#[tokio::test]
async fn output_without_end_is_an_error_and_its_end() {
    assert_eq!(
        failure("echo $$; yes").await,
        "it printed more than 262144 bytes; let it print its answer only"
    );
    let exact = run("head -c 262144 /dev/zero").await;
    assert_eq!(exact.output.len(), 262144);
    // Messages are read to their end, so that the command never waits for a reader, and kept only so far.
    let exit = run("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 3").await;
    assert_eq!((exit.code, exit.complaint.len()), (3, MOST_COMPLAINT));
}

#[tokio::test]
async fn rule_16_a_complaint_is_shown_without_the_password_and_cannot_forge_a_line() {
    let exit = run("printf 'no\\033[2J hunter2\\nhunter2: no such \\377 user' >&2; exit 3").await;
    assert_eq!(
        sh("").bad_exit_code(&exit, "0 is right"),
        "bad exit code 3 from /bin/sh, where 0 is right: no\\u{1b}[2J ***\\n***: no such \u{fffd} user"
    );
    let cut = [&vec![b'x'; MOST_COMPLAINT - 3][..], b"hunter2", b"hunter2"].concat();
    assert!(
        harmless(&cut[..MOST_COMPLAINT + 7], b"hunter2").ends_with("x***"),
        "the cut hides nothing of it"
    );
    assert!(harmless(b"xa ya", b"a").contains("not shown"));
    // As `read` and `echo` of a script leave it.
    assert_eq!(harmless(b"no hunter2", b" hunter2  "), "no ***");
    assert_eq!(harmless(b"no hunter2 swordfish!", b"hunter2 \t swordfish"), "no *** ***!");
    assert_eq!(harmless(b"no hunter22", b"hunter2 hunter22"), "no ***", "the longest first");
    assert!(harmless(b"no hunter2 a", b"hunter2 a").contains("not shown"));
    assert_eq!(harmless(b"no", b""), "no");
    assert_eq!(harmless(b"a    b", b"    "), "a    b");
    assert_eq!(harmless(b"", b"a"), "");
    let killed = run("kill -9 $$").await;
    assert_eq!(
        sh("").bad_exit_code(&killed, "0 is right"),
        "bad exit code -1 (ended by a signal) from /bin/sh, where 0 is right"
    );
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| CommandSettings { command: directory.path().join(name), args: Vec::new() };
    fs::write(directory.path().join("plain"), "#!/bin/sh\n").unwrap();
    let why = |command: CommandSettings| async move { command.run(b"", b"").await.err().unwrap() };
    let missing = why(file("missing")).await;
    assert!(missing.starts_with(&format!("cannot run {}/missing: No such file", directory.path().display())));
    assert!(missing.contains("put it back"), "{missing}");
    assert!(why(file("plain")).await.contains("run `chmod +x` on it"));
}

#[tokio::test]
async fn the_environment_goes_through_but_for_what_systemd_gave_to_us_alone() {
    // Tests may not change their own environment, so this looks at what the child's is made of.
    let command = sh("").prepared();
    let changed: Vec<_> = command.as_std().get_envs().collect();
    let mut removed = NOT_INHERITED.map(|name| (name.as_ref(), None));
    removed.sort_unstable();
    assert_eq!(changed, removed);
    let exit = run("printf '%s' \"$PATH\"").await;
    assert_eq!(exit.output, std::env::var("PATH").unwrap().as_bytes());
}

#[tokio::test]
async fn descriptors_of_ours_stay_ours() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let exit = run("ls -l /proc/self/fd").await;
    let open = String::from_utf8(exit.output).unwrap();
    assert!(open.contains(" 0 -> pipe:"), "{open}");
    assert!(!open.contains(file.path().to_str().unwrap()) && !open.contains("socket:"), "{open}");
    drop(listener);
}
