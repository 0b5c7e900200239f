//! The recording in the README: a walk with docker from the start of Portwarden to a pull that is refused, and why.
//!
//! `make recording` makes `docs/recording.cast` (asciinema, version 2) and `docs/recording.svg` anew, of what the
//! commands print. The pace is that of a person, and the same each time. The name of the registry stands for the
//! addresses of the test, and docker's warning about the file of its passwords is left out.
//!
//! Needs: docker, docker-registry, htpasswd, root.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::support::{
    docker::docker,
    image::Image,
    portwarden::{Portwarden, User, portwarden},
    registry::{Registry, registry},
};

const ALICE: User = User { name: "alice", password: "a-password" };
const BOB: User = User { name: "bob", password: "b-password" };
const ACL: &str = r#"
  - match: {account: alice, name: "team/*"}
    actions: [pull, push]
  - match: {account: bob, name: "team/app"}
    actions: [pull]
"#;

/// The commands, as they are typed, and what each must say.
const WALK: [(&str, &str); 8] = [
    ("grep -A4 ^acl: portwarden.yml", "name: \"team/app\""),
    ("portwarden serve --config portwarden.yml &", "2 users, 2 rules"),
    ("docker login -u alice --password-stdin registry.example <alice.txt", "Login Succeeded"),
    ("docker push registry.example/team/plans:1", "1: digest: sha256:"),
    ("docker login -u bob --password-stdin registry.example <bob.txt", "Login Succeeded"),
    ("docker pull --quiet registry.example/team/app:1", "registry.example/team/app:1\n"),
    ("docker pull registry.example/team/plans:1", "account 'bob' may not pull from repository team/plans"),
    (
        "portwarden explain --config portwarden.yml --account bob --scope repository:team/plans:pull -v",
        "no rule matches",
    ),
];

/// The size of the terminal. All of the walk fits.
const COLUMNS: usize = 100;
const ROWS: usize = 34;
/// In milliseconds: between two keys, from the last key to the answer, and to read a line of it.
const KEY: usize = 30;
const ANSWER: usize = 400;
const LINE: usize = 300;

#[test]
fn the_recording_shows_what_the_commands_say() {
    let steps = walk();
    let (cast, picture) = (cast(&steps), picture(&steps));
    if env::var_os("PORTWARDEN_WRITE").is_some() {
        fs::write(file("cast"), &cast).unwrap();
        fs::write(file("svg"), &picture).unwrap();
    }
    let seconds = end(&cast);
    assert!((20.0..40.0).contains(&seconds), "it takes {seconds} seconds");
    let shipped = text(&fs::read_to_string(file("cast")).unwrap());
    for (step, (typed, words)) in steps.iter().zip(WALK) {
        assert!(shipped.contains(&format!("$ {typed}\n")), "the recording lacks `{typed}`: `make recording`");
        assert!(shipped.contains(words), "the recording does not say {words:?}: `make recording`");
        // What docker prints differs from version to version.
        let is_ours = !typed.starts_with("docker");
        assert!(
            !is_ours || shipped.contains(&step.printed),
            "not in the recording: {step:#?}: `make recording`"
        );
    }
    // No address or path of the machine that made it.
    let strayed = ["/tmp", "/home", "/root", env!("CARGO_MANIFEST_DIR"), "127.0.0.1:"];
    let other = |word: &&str| shipped.replace("127.0.0.1:5000", "").contains(*word);
    assert!(!strayed.iter().any(other), "{shipped}");
    assert!(fs::read_to_string(file("svg")).unwrap().contains("no rule matches"), "`make recording`");
}

/// A command, and what it printed.
#[derive(Debug)]
struct Step {
    typed: &'static str,
    printed: String,
}

fn walk() -> Vec<Step> {
    let registry = registry();
    let warden = portwarden(&registry).users(&[ALICE, BOB]).acl(ACL).start();
    for user in [ALICE, BOB] {
        fs::write(warden.file(&format!("{}.txt", user.name)), user.password).unwrap();
    }
    let docker = docker();
    let client = docker.user(&warden, None);
    for (name, text) in [("team/app:1", "an application"), ("team/plans:1", "plans")] {
        let archive = Image::holding("README", text).archive(&client.reference(name));
        client.load(archive.path()).succeeds();
    }
    docker.user(&warden, Some(ALICE)).push("team/app:1").succeeds();
    client.forget("team/app:1").succeeds();
    let run = |(typed, words): (&'static str, &str)| {
        let printed = match typed.strip_suffix(" &") {
            Some(_) => warden.says("listening on"),
            None => {
                client.shell(warden.directory(), &typed.replace("registry.example", &warden.host())).text()
            }
        };
        let printed = published(&printed, &warden, &registry);
        assert!(printed.contains(words), "`{typed}` should say {words:?}: {printed}");
        Step { typed, printed }
    };
    WALK.into_iter().map(run).collect()
}

/// The text without addresses of the test and docker's warning.
fn published(printed: &str, warden: &Portwarden, registry: &Registry) -> String {
    let named = printed.replace(&warden.host(), "registry.example");
    let named = named.replace(&warden.address().to_string(), "registry.example");
    let named = named.replace(&registry.url(), "http://127.0.0.1:5000");
    let is_warning = |line: &&str| {
        ["WARNING!", "Configure a credential helper", "https://docs.docker.com"]
            .iter()
            .any(|w| line.starts_with(w))
    };
    let lines = named.lines().filter(|line| !is_warning(line) && !line.is_empty());
    lines.map(|line| format!("{line}\n")).collect()
}

/// A text that appears, with its time in milliseconds from the start.
fn events(steps: &[Step]) -> Vec<(usize, String)> {
    let (mut events, mut now) = (Vec::new(), 500);
    for step in steps {
        events.push((now, "$ ".to_owned()));
        now += ANSWER;
        for key in step.typed.chars() {
            events.push((now, key.to_string()));
            now += KEY;
        }
        now += ANSWER;
        events.push((now, format!("\n{}", step.printed)));
        now += LINE * (1 + wrapped(&step.printed).len());
    }
    events.push((now, "$ ".to_owned()));
    events
}

/// The recording as asciinema reads it: a header, then an event in each line.
fn cast(steps: &[Step]) -> String {
    let header = json!({"version": 2, "width": COLUMNS, "height": ROWS, "title": "Portwarden"});
    let mut cast = format!("{header}\n");
    for (at, text) in events(steps) {
        let line = json!([seconds(at), "o", text.replace('\n', "\r\n")]);
        writeln!(cast, "{line}").unwrap();
    }
    cast
}

#[allow(clippy::cast_precision_loss, reason = "some thousand milliseconds")]
fn seconds(milliseconds: usize) -> f64 {
    milliseconds as f64 / 1000.0
}

fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn end(cast: &str) -> f64 {
    event(cast.lines().last().unwrap())[0].as_f64().unwrap()
}

/// All that a recording prints.
fn text(cast: &str) -> String {
    let texts = cast.lines().skip(1).map(|line| event(line)[2].as_str().unwrap().to_owned());
    texts.collect::<String>().replace('\r', "")
}

/// Lines as the terminal breaks them.
fn wrapped(text: &str) -> Vec<String> {
    let pieces = |line: &str| -> Vec<String> {
        let letters: Vec<char> = line.chars().collect();
        letters.chunks(COLUMNS).map(|piece| piece.iter().collect()).collect()
    };
    text.lines().flat_map(pieces).collect()
}

/// The same as a picture, in which each line appears in its turn, three times as fast: a picture that is seen for the
/// first time should not be empty for long. All at once for readers who want no motion.
fn picture(steps: &[Step]) -> String {
    let (mut lines, mut shown) = (Vec::new(), 0);
    for (at, text) in events(steps) {
        if let Some(answer) = text.strip_prefix('\n') {
            let typed = format!("$ {}", steps[shown].typed);
            lines.extend(wrapped(&typed).into_iter().map(|line| (at.saturating_sub(ANSWER), "typed", line)));
            lines.extend(wrapped(answer).into_iter().map(|line| (at, "answer", line)));
            shown += 1;
        }
    }
    let (width, height) = (COLUMNS * 9 + 32, lines.len() * 20 + steps.len() * 10 + 20);
    assert!(lines.len() < ROWS, "{} lines", lines.len());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Commands in a terminal, and what they print\">\n<style>\n\
         text {{ font: 15px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre }}\n\
         .typed {{ fill: #ffffff }} .answer {{ fill: #a9b7c6 }}\n\
         @media (prefers-reduced-motion: no-preference) {{\n\
         text {{ opacity: 0; animation: shown 1ms linear forwards }}\n\
         @keyframes shown {{ to {{ opacity: 1 }} }}\n}}\n</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#161b22\"/>\n",
    );
    let mut y = 12;
    for (at, class, line) in &lines {
        let delay = at / 3;
        y += if line.starts_with("$ ") { 30 } else { 20 };
        let letters = line.chars().count() * 9;
        let line = line.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(
            svg,
            "<text x=\"16\" y=\"{y}\" textLength=\"{letters}\" class=\"{class}\" style=\"animation-delay: {delay}ms\">{line}</text>"
        )
        .unwrap();
    }
    svg + "</svg>\n"
}

fn file(kind: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recording")).with_extension(kind)
}
