//! The recorded answers of docker_auth's `ext_auth` and `ext_authz`, and the input of their commands, against
//! Portwarden's.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use portwarden::{
    authn::{self, Authenticators, Outcome, Secret, Users},
    authz::{self, Authorizers, Policy, Question},
    backend::{CommandSettings, Unavailable},
};
use serde::Deserialize;

type Labels = BTreeMap<String, Vec<String>>;

/// The reason why Portwarden's answer, or the text it writes, differs from docker_auth's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Same,
    /// Labels that are null and a label whose values are null are kept apart from empty ones by docker_auth, but mean
    /// the same to each rule: nothing matches. Here they are empty.
    NullLabels,
    /// docker_auth tells `"Labels":{}` where a back end made an empty map and `null` where it made none, which is what
    /// `users` and `ext_auth` do without labels. Labels are never null here, so the more frequent form is written.
    EmptyLabels,
    /// The command reads `name password`, and takes the first word for the name: eve, whose password is `admin x`,
    /// would sign in as `eve admin`, and an empty name with the password `alice x` as alice. A name with white space,
    /// and an empty one with a password, is no user of the command here.
    Ambiguous,
}

/// The recorded logins whose name or password the command could take for another one.
const AMBIGUOUS: [&str; 2] = ["1d38724323df7c4a", "345f62630b518fc7"];

/// An answer, docker_auth's or Portwarden's. `Eq` is what the test is about.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Accepted(Labels),
    WrongPassword,
    NoSuchUser,
    Granted(Vec<String>),
    /// The exit code, where that is what is wrong; else the answer of the command is.
    Failed(Option<i32>),
}

#[derive(Deserialize)]
struct Login {
    id: String,
    script: String,
    user: String,
    password: String,
    expect: Expect,
}

#[derive(Deserialize)]
struct Access {
    id: String,
    script: String,
    request: Request,
    expect: Expect,
}

#[derive(Deserialize)]
struct Request {
    account: String,
    #[serde(rename = "type")]
    resource_type: String,
    name: String,
    service: String,
    ip: IpAddr,
    actions: Vec<String>,
    labels: Option<Labels>,
}

#[derive(Deserialize)]
struct Expect {
    outcome: String,
    #[serde(default)]
    error: String,
    labels: Option<BTreeMap<String, Option<Vec<String>>>>,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    stdin: String,
}

#[test]
fn ext_auth_answers_as_in_docker_auth() {
    let mut counts = BTreeMap::<Reason, usize>::new();
    let mut failures = Vec::new();
    for row in rows::<Login>("ext_auth.jsonl") {
        let (reason, expected) = if AMBIGUOUS.contains(&row.id.as_str()) {
            (Reason::Ambiguous, Said::NoSuchUser)
        } else if row.expect.outcome == "ok" && has_null(&row.expect) {
            (Reason::NullLabels, recorded_login(&row.expect))
        } else {
            (Reason::Same, recorded_login(&row.expect))
        };
        *counts.entry(reason).or_default() += 1;
        let answer = log_in(&row);
        if answer != expected {
            failures.push(format!("{} {}: {answer:?}", row.id, row.script));
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    // The recorded file has this many of each; another number means that rows are lost, or permitted by mistake.
    let expected = [(Reason::Same, 25), (Reason::NullLabels, 8), (Reason::Ambiguous, 2)];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn ext_authz_is_told_what_docker_auth_tells_and_answers_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut counts = BTreeMap::<Reason, usize>::new();
    let mut failures = Vec::new();
    for row in rows::<Access>("ext_authz.jsonl") {
        let (reason, stdin) = match &row.request.labels {
            Some(labels) if labels.is_empty() => {
                (Reason::EmptyLabels, row.expect.stdin.replace("\"Labels\":{}", "\"Labels\":null"))
            }
            _ => (Reason::Same, row.expect.stdin.clone()),
        };
        *counts.entry(reason).or_default() += 1;
        let (told, answer) = decide(&row, &directory.path().join("stdin"));
        if told != stdin || answer != recorded_access(&row.expect) {
            failures.push(format!("{} {}: {answer:?} to {told}", row.id, row.script));
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(counts, BTreeMap::from([(Reason::Same, 18), (Reason::EmptyLabels, 7)]));
}

fn has_null(expect: &Expect) -> bool {
    expect.labels.as_ref().is_none_or(|labels| labels.values().any(Option::is_none))
}

fn recorded_login(expect: &Expect) -> Said {
    match expect.outcome.as_str() {
        "ok" => {
            let labels = expect.labels.clone().unwrap_or_default().into_iter();
            Said::Accepted(labels.map(|(label, values)| (label, values.unwrap_or_default())).collect())
        }
        "denied" => Said::WrongPassword,
        "no_match" => Said::NoSuchUser,
        _ => recorded_failure(expect),
    }
}

fn recorded_access(expect: &Expect) -> Said {
    if expect.outcome == "ok" { Said::Granted(expect.actions.clone()) } else { recorded_failure(expect) }
}

/// docker_auth says `bad return code from command: 3`, or what Go says of JSON.
fn recorded_failure(expect: &Expect) -> Said {
    assert_eq!(expect.outcome, "error");
    let code = expect.error.strip_prefix("bad return code from command: ");
    Said::Failed(code.map(|code| code.parse().unwrap()))
}

fn rows<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The script as `/bin/sh` runs it, like a file of it would be.
fn sh(script: &str) -> CommandSettings {
    CommandSettings { command: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
}

fn log_in(row: &Login) -> Said {
    let settings =
        authn::AuthenticationBackendSettings { ext_auth: Some(sh(&row.script)), ..Default::default() };
    let authenticators = Authenticators::new(Users::default(), authn::Robots::default(), settings, None);
    match block_on(authenticators.ask_backends(&row.user, &Secret::new(row.password.as_str()), None)) {
        Ok(Outcome::Accepted(identity)) => {
            assert_eq!(identity.account, row.user, "{}", row.id);
            Said::Accepted((*identity.labels).clone())
        }
        Ok(Outcome::WrongPassword) => Said::WrongPassword,
        Ok(Outcome::NoSuchUser) => Said::NoSuchUser,
        Err(unavailable) => failed(&unavailable),
    }
}

/// Returns the input of the command, and the decision.
fn decide(row: &Access, file: &Path) -> (String, Said) {
    // The command keeps its input, and the recorded script decides.
    let script = format!("cat >'{}'; {}", file.display(), row.script);
    let settings = authz::AuthorizationBackendSettings { ext_authz: Some(sh(&script)), ..Default::default() };
    let request = &row.request;
    let question = Question {
        account: &request.account,
        labels: &request.labels.clone().unwrap_or_default(),
        ip: Some(request.ip),
        service: &request.service,
        resource_type: &request.resource_type,
        name: &request.name,
        tag: None,
        actions: &request.actions,
        token_scopes: None,
        now: 0,
    };
    let authorizers =
        Authorizers::new(Policy::compile(&[]).unwrap(), authz::Ceilings::default(), settings, None);
    let ruling = block_on(authorizers.decide(&question));
    let said = ruling.map_or_else(|unavailable| failed(&unavailable), |ruling| Said::Granted(ruling.actions));
    (fs::read_to_string(file).unwrap(), said)
}

/// Portwarden says `bad exit code 3 from …`.
fn failed(unavailable: &Unavailable) -> Said {
    let code = unavailable.why.strip_prefix("bad exit code ").and_then(|rest| rest.split(' ').next());
    Said::Failed(code.map(|code| code.parse().unwrap()))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
