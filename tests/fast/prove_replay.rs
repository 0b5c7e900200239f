//! `make prove-replay`: a replay finds every difference between two policies and no other.
//!
//! By the same rules there is none, over every recorded decision of the case files. For random changes of a rule, a slow
//! oracle decides each request anew by both policies, and counts the differences.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    path::Path,
    pin::pin,
    task::{Context, Poll, Waker},
};

use portwarden::{
    authz::{
        AuthorizationBackendSettings, Authorizers, Caller, Ceilings, LeftOut, NotPermitted, Policy, Question,
        RuleSettings, Validity, authorize,
    },
    registry::{Route, Scope},
    replay::{Accounts, HORIZON, Kind, Place, Replay, Report, Robot, Rules, RulesSettings, Subject},
};
use serde_json::{Value, json};

use crate::support::random::Random;

type Labels = BTreeMap<String, Vec<String>>;

/// The time of the switch.
const NOW: u64 = 1_800_000_000;
const SERVICE: &str = "registry.example";
const DAY: u64 = 24 * 3600;

fn rules(acl: &[RuleSettings], service: &str, accounts: Accounts) -> Rules {
    let service = service.to_owned();
    Rules::new(RulesSettings { acl, ceilings: &[], accounts, service, has_backend: false }).unwrap()
}

fn replay(rules: Rules, lines: &[String]) -> Replay {
    let mut replay = Replay::new(rules, NOW);
    for (line, number) in lines.iter().zip(1..) {
        replay.line(Place { file: 0, line: number }, Some(line.as_bytes()));
    }
    replay
}

fn compiled(acl: &[RuleSettings]) -> Authorizers {
    let settings = AuthorizationBackendSettings::default();
    Authorizers::new(Policy::compile(acl).unwrap(), Ceilings::default(), settings, None)
}

fn moment(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_micros(time).to_string()
}

/// The policy of a case and its question, where docker_auth and Portwarden both take it.
fn case(text: &str) -> Option<(Vec<RuleSettings>, Value)> {
    let case: Value = serde_json::from_str(text).unwrap();
    let mut acl = Vec::new();
    for entry in case["acl"].as_array()? {
        let conditions = entry["match"].as_object()?;
        let text = |key: &str| conditions.get(key).and_then(Value::as_str).map(str::to_owned);
        let labels = conditions.get("labels").and_then(Value::as_object);
        let labels = labels
            .into_iter()
            .flatten()
            .map(|(label, value)| (label.clone(), value.as_str().unwrap().into()));
        acl.push(RuleSettings {
            account: text("account"),
            resource_type: text("type"),
            name: text("name"),
            service: text("service"),
            ip: text("ip"),
            labels: labels.collect(),
            actions: serde_json::from_value(entry["actions"].clone()).ok()?,
            ..RuleSettings::default()
        });
    }
    Policy::compile(&acl).ok()?;
    Some((acl, case["request"].clone()))
}

/// A case as the line of a token request, and as that of a request where it is one.
fn lines_of(acl: &[RuleSettings], asked: &Value) -> Vec<String> {
    let text = |key: &str| asked[key].as_str().unwrap_or_default();
    let labels: Labels = serde_json::from_value(asked["labels"].clone()).unwrap_or_default();
    let ip: Option<IpAddr> = asked["ip"].as_str().and_then(|ip| ip.parse().ok());
    let actions: Vec<String> = serde_json::from_value(asked["actions"].clone()).unwrap_or_default();
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    // As the proxy reads it: an empty list of actions is one without a name.
    let written = Scope::new(text("type"), text("name"), &actions).to_string();
    let scope = Scope::parse_all([written.as_str()]).unwrap_or_default().into_iter().next();
    let Some(scope) = scope.filter(|scope| scope.to_string() == written) else { return Vec::new() };
    let question = Question {
        account: text("account"),
        labels: &labels,
        ip,
        service: text("service"),
        resource_type: &scope.resource_type,
        name: &scope.name,
        tag: None,
        actions: &scope.actions,
        token_scopes: None,
        now: NOW,
    };
    let policy = Policy::compile(acl).unwrap();
    let granted = policy.decide(&question).actions;
    let granted = Scope { actions: granted, ..scope.clone() };
    let source = (!text("account").is_empty()).then_some("ldap_auth");
    let mut line = json!({
        "time": moment(NOW), "event": "token", "account": text("account"), "labels": labels,
        "credentials": "password", "method": "GET", "service": text("service"), "requested": [scope.to_string()],
        "granted": (!granted.actions.is_empty()).then(|| granted.to_string()).into_iter().collect::<Vec<_>>(),
        "decision": "allowed", "rule": "rule 1",
    });
    if let Some(source) = source {
        line["source"] = source.into();
    }
    if let Some(ip) = ip {
        line["address"] = ip.to_string().into();
    }
    let mut lines = vec![line.to_string()];
    let method = match scope.actions.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pull"] => "GET",
        ["pull", "push"] => "PUT",
        ["delete"] => "DELETE",
        _ => return lines,
    };
    if scope.resource_type != "repository"
        || Route::parse(method, &format!("/v2/{}/manifests/1", scope.name), None).is_err()
    {
        return lines;
    }
    let is_allowed = granted.actions.len() == scope.actions.len();
    line["event"] = "decision".into();
    line["method"] = method.into();
    line["route"] = "manifest".into();
    line["repository"] = scope.name.as_str().into();
    line["reference"] = "1".into();
    line["decision"] = if is_allowed { "allowed" } else { "denied" }.into();
    lines.push(line.to_string());
    lines
}

#[test]
fn rule_55_by_the_same_rules_nobody_gains_or_loses() {
    let (mut tokens, mut requests) = (0, 0);
    for file in ["acl.jsonl", "acl_deny.jsonl"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(file);
        for text in std::fs::read_to_string(path).unwrap().lines() {
            let Some((acl, asked)) = case(text) else { continue };
            let labels: Labels = serde_json::from_value(asked["labels"].clone()).unwrap_or_default();
            let accounts = Accounts {
                users: HashMap::from([(String::new(), labels)]),
                sections: vec!["ldap_auth"],
                ..Accounts::default()
            };
            let service = asked["service"].as_str().unwrap();
            let replay = replay(rules(&acl, service, accounts), &lines_of(&acl, &asked));
            let report = replay.report();
            assert!(report.differences.is_empty(), "{text}\n{:?}", report.differences);
            assert!(report.undecided.is_empty(), "{text}\n{:?}", report.undecided);
            tokens += report.counts.tokens;
            requests += report.counts.requests;
        }
    }
    println!("{tokens} tokens and {requests} requests");
    assert!(tokens > 3_000 && requests > 500, "{tokens} {requests}");
}

impl Random {
    fn validity(&mut self) -> Validity {
        let times = [NOW - DAY, NOW + DAY, NOW + 30 * DAY, NOW + 89 * DAY, NOW + 91 * DAY];
        let from = self.one_in(2).then(|| self.pick(&times[..3]));
        Validity { from, until: (from.is_none() || self.one_in(2)).then(|| self.pick(&times[3..])) }
    }

    fn rule(&mut self, with_tags: bool) -> RuleSettings {
        let accounts =
            [None, None, Some("alice"), Some("bob"), Some("carol"), Some("ci"), Some(""), Some("*")];
        let names = [
            None,
            Some("team/*"),
            Some("team/app"),
            Some("base/*"),
            Some("/^team\\/.+$/"),
            Some("${account}/*"),
        ];
        let actions: &[&str] =
            self.pick(&[&[][..], &["pull"], &["pull", "push"], &["delete"], &["*"], &["*"]]);
        let mut rule = RuleSettings {
            account: self.pick(&accounts).map(str::to_owned),
            name: self.pick(&names).map(str::to_owned),
            resource_type: self.one_in(5).then(|| self.pick(&["repository", "registry"]).to_owned()),
            ip: self.one_in(4).then(|| self.pick(&["10.0.0.0/8", "192.0.2.0/24"]).to_owned()),
            tags: (with_tags && self.one_in(3)).then(|| vec![self.pick(&["1.*", "main", "*"]).to_owned()]),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            line: 10 + self.below(90),
            ..RuleSettings::default()
        };
        if self.one_in(6) {
            rule.labels.insert("team".to_owned(), self.pick(&["a", "b", "*"]).to_owned());
        }
        if self.one_in(5) {
            rule.validity = self.validity();
        }
        rule
    }

    /// The rules after a change of one of them.
    fn changed(&mut self, acl: &[RuleSettings], with_tags: bool) -> Vec<RuleSettings> {
        let mut next = acl.to_vec();
        let at = self.below(next.len());
        match self.below(7) {
            0 => drop(next.remove(at)),
            1 => next.insert(at, self.rule(with_tags)),
            2 => next[at].actions = self.rule(false).actions,
            3 => next[at].ip = self.one_in(2).then(|| "10.0.0.0/8".to_owned()),
            4 => next[at].validity = self.validity(),
            5 => next[at].name = self.rule(false).name,
            _ => next[at].account = self.rule(false).account,
        }
        next
    }

    fn request(&mut self) -> Request {
        let digest = format!("sha256:{}", self.pick(&["0", "1", "2"]).repeat(64));
        let name = self.pick(&["team/app", "team/web", "base/os", "alice/x"]);
        let other = self.pick(&["team/app", "base/os", "alice/x"]);
        let tag = self.pick(&["1.0", "1.1", "main", "sha-1"]);
        let (method, target) = match self.below(10) {
            0 => ("GET", "/v2/_catalog".to_owned()),
            1 => ("GET", format!("/v2/{name}/tags/list")),
            2 => ("PUT", format!("/v2/{name}/manifests/{tag}")),
            3 => ("DELETE", format!("/v2/{name}/manifests/{digest}")),
            4 => ("GET", format!("/v2/{name}/blobs/{digest}")),
            5 => ("POST", format!("/v2/{name}/blobs/uploads/?mount={digest}&from={other}")),
            6 => ("PATCH", format!("/v2/{name}/blobs/uploads/9a3c7d2e-0000-4000-8000-000000000000")),
            7 => ("PUT", format!("/v2/{name}/manifests/{digest}?tag={tag}&tag=main")),
            8 => ("GET", format!("/v2/{name}/referrers/{digest}")),
            _ => ("GET", format!("/v2/{name}/manifests/{tag}")),
        };
        let (path, query) =
            target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
        Request {
            route: Route::parse(method, path, query).unwrap(),
            account: self.pick(&["alice", "bob", "carol", "ci", ""]),
            ip: self
                .pick(&[None, Some("10.1.2.3"), Some("192.0.2.7"), Some("203.0.113.1")])
                .map(|ip| ip.parse().unwrap()),
            credentials: self.pick(&["none", "token"]),
            carols: self.pick(&[&[][..], &["a"], &["b", "c"]]),
            time: NOW - 1 - self.below(1_000) as u64,
        }
    }
}

/// A request, and the account behind it.
struct Request {
    route: Route,
    account: &'static str,
    ip: Option<IpAddr>,
    credentials: &'static str,
    /// The teams of `carol`, whom a directory knows.
    carols: &'static [&'static str],
    time: u64,
}

fn team(teams: &[&str]) -> Labels {
    Labels::from([("team".to_owned(), teams.iter().map(|team| (*team).to_owned()).collect())])
}

fn accounts() -> Accounts {
    let users = [("alice", team(&["a"])), ("bob", Labels::new()), ("", Labels::new())];
    let robot = Robot { labels: team(&["b"]), tokens: vec!["0123456789ab".into()] };
    Accounts {
        users: users.into_iter().map(|(name, labels)| (name.to_owned(), labels)).collect(),
        robots: HashMap::from([("ci".to_owned(), robot)]),
        sections: vec!["ldap_auth"],
        ..Accounts::default()
    }
}

/// The outcome of a request at one time.
enum Outcome {
    Allowed { by: String, with_source: bool },
    Denied(String),
    Undecided,
}

impl Request {
    fn nothing_shown(&self) -> bool {
        self.account.is_empty() && self.credentials == "none"
    }

    fn labels(&self) -> Labels {
        match self.account {
            "alice" => team(&["a"]),
            "ci" => team(&["b"]),
            "carol" => team(self.carols),
            _ => Labels::new(),
        }
    }

    fn decide(&self, authorizers: &Authorizers, now: u64) -> Outcome {
        let caller = Caller {
            account: self.account,
            labels: &self.labels(),
            left_out: &LeftOut::new(),
            ip: self.ip,
            service: SERVICE,
            ceiling: None,
            token_scopes: None,
            now,
        };
        let decided = pin!(authorize(authorizers, caller, self.route.clone()));
        let Poll::Ready(decided) = decided.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a decision without back ends waits for nothing");
        };
        match decided {
            Ok(permit) => Outcome::Allowed {
                by: permit.decided_by(),
                with_source: permit.route().source() == self.route.source(),
            },
            Err(NotPermitted::Denied(denial)) => Outcome::Denied(denial.by.in_full()),
            // A tag that is granted itself may be pulled.
            Err(NotPermitted::ByTag(by_tag))
                if self.route.tag().is_some()
                    && self.route.method().as_str() == "GET"
                    && by_tag.denied.is_none() =>
            {
                Outcome::Allowed { by: by_tag.decided_by(), with_source: true }
            }
            Err(_) => Outcome::Undecided,
        }
    }

    /// The line of a decision, as the proxy writes it; `None` for one that is left to the tags.
    fn line(&self, old: &Outcome) -> Option<String> {
        let (route, endpoint) = (&self.route, self.route.endpoint());
        let shown = !self.nothing_shown();
        let (decision, rule) = match old {
            Outcome::Undecided => return None,
            _ if !shown && endpoint.class() == "catalog" => ("challenged", None),
            Outcome::Allowed { with_source: false, .. } if !shown => ("challenged", None),
            Outcome::Allowed { by, .. } => ("allowed", Some(by)),
            Outcome::Denied(by) => (if shown { "denied" } else { "challenged" }, Some(by)),
        };
        let source = match self.account {
            "" => None,
            "carol" => Some("ldap_auth"),
            "ci" => Some("robots"),
            _ => Some("users"),
        };
        let fields = json!({
            "time": moment(self.time), "event": "decision", "request_id": "x", "address": self.ip,
            "account": self.account, "source": source,
            "robot_token": (self.account == "ci").then_some("0123456789ab"), "credentials": self.credentials,
            "labels": self.labels(), "method": route.method().as_str(), "route": endpoint.class(),
            "repository": endpoint.repository().map(|name| name.as_str()), "reference": route.reference(),
            "tags": (!route.tags().is_empty()).then(|| route.tags().iter().map(|tag| tag.as_str()).collect::<Vec<_>>()),
            "from": route.source().map(|name| name.as_str()),
            "requested": route.needs().iter().map(Scope::to_string).collect::<Vec<_>>(),
            "decision": decision, "rule": rule,
        });
        // A field that does not apply is left out.
        let fields = fields.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        Some(Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect()).to_string())
    }

    fn subject(&self, kind: Kind, scope: &Scope, by: &str, from: Option<u64>) -> Subject {
        let source = match self.account {
            "" => None,
            "carol" => Some("ldap_auth".to_owned()),
            "ci" => Some("robots".to_owned()),
            _ => Some("users".to_owned()),
        };
        Subject {
            kind,
            account: self.account.to_owned(),
            source,
            action: scope.actions.join(","),
            name: scope.name.clone(),
            resource_type: scope.resource_type.clone(),
            is_token: false,
            by: by.into(),
            from,
        }
    }
}

/// The difference that a request makes: `Err` for one that cannot be told.
fn oracle(
    request: &Request,
    old: &Outcome,
    next: &[RuleSettings],
    compiled: &Authorizers,
) -> Result<Option<Subject>, ()> {
    let needs = request.route.needs();
    let shown = !request.nothing_shown();
    if !shown && request.route.endpoint().class() == "catalog" {
        return Ok(None);
    }
    let may =
        |outcome: &Outcome| matches!(outcome, Outcome::Allowed { with_source, .. } if *with_source || shown);
    let bounds = next.iter().flat_map(|rule| [rule.validity.from, rule.validity.until]).flatten();
    let mut times: Vec<u64> = bounds.filter(|time| *time > NOW && *time <= NOW + HORIZON).collect();
    times.push(NOW);
    times.sort_unstable();
    let answers: Vec<(u64, Outcome)> =
        times.into_iter().map(|time| (time, request.decide(compiled, time))).collect();
    let from = |time: &u64, before: &[(u64, Outcome)]| (!before.is_empty()).then_some(*time);
    let was = may(old);
    for (at, (time, answer)) in answers.iter().enumerate() {
        let (Outcome::Allowed { by, .. } | Outcome::Denied(by)) = answer else { continue };
        if may(answer) != was {
            let kind = if was { Kind::Lose } else { Kind::Gain };
            return Ok(Some(request.subject(kind, &needs[0], by, from(time, &answers[..at]))));
        }
    }
    if answers.iter().any(|(_, answer)| matches!(answer, Outcome::Undecided)) {
        return Err(());
    }
    let (Outcome::Allowed { with_source: had, .. }, 2) = (old, needs.len()) else { return Ok(None) };
    for (at, (time, answer)) in answers.iter().enumerate() {
        if let Outcome::Allowed { by, with_source } = answer
            && was
            && with_source != had
        {
            let kind = if *had { Kind::Lose } else { Kind::Gain };
            return Ok(Some(request.subject(kind, &needs[1], by, from(time, &answers[..at]))));
        }
    }
    Ok(None)
}

fn found(report: &Report) -> BTreeMap<Subject, u64> {
    report.differences.iter().map(|(subject, seen)| (subject.clone(), seen.count)).collect()
}

#[test]
fn rule_55_each_difference_that_an_oracle_finds_is_listed_and_no_other() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut gains, mut losses, mut later, mut sources, mut undecided) = (0, 0, 0, 0, 0);
    for change in 0..1_000 {
        let with_tags = random.one_in(4);
        let acl: Vec<RuleSettings> = (0..3 + random.below(5)).map(|_| random.rule(with_tags)).collect();
        let next = random.changed(&acl, with_tags);
        let (before, after) = (compiled(&acl), compiled(&next));
        let (mut lines, mut expected, mut open) = (Vec::new(), BTreeMap::<Subject, u64>::new(), 0);
        for _ in 0..30 {
            let request = random.request();
            let old = request.decide(&before, NOW);
            let Some(line) = request.line(&old) else { continue };
            // Twice: the second is remembered.
            lines.extend([line.clone(), line]);
            match oracle(&request, &old, &next, &after) {
                Ok(subject) => subject.into_iter().for_each(|it| *expected.entry(it).or_default() += 2),
                Err(()) => open += 2,
            }
        }
        let replay = replay(rules(&next, SERVICE, accounts()), &lines);
        let report = replay.report();
        assert_eq!((report.counts.foreign, report.counts.unreadable), (0, 0), "{lines:#?}");
        assert_eq!(found(report), expected, "change {change}: {acl:#?} {next:#?} {lines:#?}");
        let left: u64 = report.undecided.iter().map(|(_, open)| open.allowed + open.denied).sum();
        assert_eq!(left, open, "change {change}");
        assert_eq!(report.has_gains(), expected.keys().any(|subject| subject.kind == Kind::Gain));
        gains += expected.keys().filter(|subject| subject.kind == Kind::Gain).count();
        losses += expected.keys().filter(|subject| subject.kind == Kind::Lose).count();
        later += expected.keys().filter(|subject| subject.from.is_some()).count();
        sources += expected.keys().filter(|subject| subject.action == "pull").count();
        undecided += open;
    }
    println!(
        "{gains} gains, {losses} losses, {later} of them later, {sources} of pulls, {undecided} undecided"
    );
    assert!(
        gains > 500 && losses > 500 && later > 100 && sources > 100 && undecided > 50,
        "too little is tried"
    );
}
