//! `ext_authz`: the operator's command says whether the actions that are asked for are granted.
//!
//! The protocol is docker_auth's (`authz/ext_authz.go`): the question as Go writes JSON on standard input, the answer
//! in the exit code. How a command is run is `backend`'s business; how long an answer holds, `remembered`'s.

mod decision_cache;

use std::{collections::BTreeMap, time::Instant};

use serde::Serialize;

use super::Question;
use crate::backend::{BackendLimits, BackendShares, CommandSettings, Gate, Unavailable};
pub(super) use decision_cache::DecisionCache;

const SECTION: &str = "ext_authz";

/// The command.
#[derive(Debug)]
pub(super) struct CommandRules {
    command: CommandSettings,
    gate: Gate,
    shares: BackendShares,
}

impl CommandRules {
    /// Nothing is run yet.
    pub(super) fn new(settings: CommandSettings, limits: &BackendLimits) -> Self {
        Self { command: settings, gate: Gate::new(SECTION, limits), shares: BackendShares::new(limits) }
    }

    /// The granted ones of the requested actions: all, as they were asked for, or none. What is `remembered` is not
    /// asked again, so that the layers of one image cost one run and not twenty.
    ///
    /// # Errors
    /// It cannot be run, takes too long, or says that it failed (an exit code other than 0 and 1); or half of all that
    /// may be asked at once comes from the same address.
    pub(super) async fn decide(
        &self,
        question: &Question<'_>,
        remembered: &DecisionCache,
    ) -> Result<Vec<String>, Unavailable> {
        let input = written(question).map_err(|error| self.gate.unavailable(error.to_string()))?;
        let ask = async || {
            let _share = self.shares.of(question.ip, SECTION)?;
            self.gate.ask(self.ask(&input)).await
        };
        let granted = remembered.get_or_ask(&input, Instant::now, ask).await?;
        Ok(if granted { question.actions.to_vec() } else { Vec::new() })
    }

    async fn ask(&self, input: &str) -> Result<bool, String> {
        let exit = self.command.run(input.as_bytes(), b"").await?;
        match exit.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(self.command.bad_exit_code(&exit, "0 grants and 1 denies")),
        }
    }
}

/// docker_auth's `AuthRequestInfo`, in the order of its fields.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AuthRequestInfo<'q> {
    account: &'q str,
    #[serde(rename = "Type")]
    resource_type: &'q str,
    name: &'q str,
    service: &'q str,
    #[serde(rename = "IP")]
    ip: String,
    actions: &'q [String],
    /// Null where there are none: what docker_auth writes for an account of `users` without labels and for one that
    /// `ext_auth` accepts without any, the two that scripts know.
    labels: Option<&'q BTreeMap<String, Vec<String>>>,
}

/// The question as Go's `encoding/json` writes it: what HTML or JavaScript could stumble over is escaped.
fn written(question: &Question<'_>) -> Result<String, serde_json::Error> {
    let asked = AuthRequestInfo {
        account: question.account,
        resource_type: question.resource_type,
        name: question.name,
        service: question.service,
        ip: question.ip.map(|ip| ip.to_canonical().to_string()).unwrap_or_default(),
        actions: question.actions,
        labels: Some(question.labels).filter(|labels| !labels.is_empty()),
    };
    let json = serde_json::to_string(&asked)?;
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        // These stand in texts only, so that an escape is always right.
        match letter {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            _ => escaped.push(letter),
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    const HOLD: Duration = Duration::from_secs(30);

    fn question<'q>(
        name: &'q str,
        labels: &'q BTreeMap<String, Vec<String>>,
        actions: &'q [String],
    ) -> Question<'q> {
        Question {
            account: "bob",
            labels,
            ip: None,
            service: "svc",
            resource_type: "repository",
            name,
            tag: None,
            actions,
            token_scopes: None,
            now: 0,
        }
    }

    /// A command that writes a line for each run, and how to count them.
    fn counted(rest: &str) -> (tempfile::TempDir, CommandRules) {
        let directory = tempfile::tempdir().unwrap();
        let script = format!("echo x >>'{}/runs'; {rest}", directory.path().display());
        let command = CommandSettings { command: "/bin/sh".into(), args: vec!["-c".into(), script] };
        (directory, CommandRules::new(command, &BackendLimits::default()))
    }

    fn runs(directory: &tempfile::TempDir) -> usize {
        fs::read_to_string(directory.path().join("runs")).unwrap_or_default().lines().count()
    }

    #[test]
    fn what_go_escapes_is_escaped() {
        let labels = BTreeMap::from([
            ("b".to_owned(), vec!["\u{2029}\u{7f}\u{1}\u{8}\u{c}\t".to_owned()]),
            ("<".to_owned(), vec![]),
        ]);
        assert_eq!(
            written(&question("a\"\\/", &labels, &[])).unwrap(),
            "{\"Account\":\"bob\",\"Type\":\"repository\",\"Name\":\"a\\\"\\\\/\",\"Service\":\"svc\",\"IP\":\"\",\
             \"Actions\":[],\"Labels\":{\"\\u003c\":[],\"b\":[\"\\u2029\u{7f}\\u0001\\b\\f\\t\"]}}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn twenty_equal_questions_at_once_run_the_command_once() {
        let (directory, rules) = counted("sleep 0.2; exit 0");
        let rules = std::sync::Arc::new((rules, DecisionCache::new(HOLD)));
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let rules = std::sync::Arc::clone(&rules);
                tokio::spawn(async move {
                    let (rules, remembered) = &*rules;
                    rules.decide(&question("app", &BTreeMap::new(), &["pull".to_owned()]), remembered).await
                })
            })
            .collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap(), Ok(vec!["pull".to_owned()]));
        }
        assert_eq!(runs(&directory), 1);
        let (rules, remembered) = &*rules;
        rules.decide(&question("app", &BTreeMap::new(), &["push".to_owned()]), remembered).await.unwrap();
        assert_eq!(runs(&directory), 2, "another question");
    }

    /// A client that may ask without a password could otherwise hold the slots of all others with questions about any
    /// names.
    #[tokio::test]
    async fn one_address_leaves_places_to_others() {
        let limits = BackendLimits { timeout: Duration::from_secs(10), concurrent: 2, queue: 2 };
        let script = vec!["-c".to_owned(), "sleep 0.5".to_owned()];
        let rules = CommandRules::new(CommandSettings { command: "/bin/sh".into(), args: script }, &limits);
        let (labels, actions, remembered) = (BTreeMap::new(), ["pull".to_owned()], DecisionCache::new(HOLD));
        let ask = async |name: &str, ip: [u8; 4]| {
            let question = Question { ip: Some(ip.into()), ..question(name, &labels, &actions) };
            rules.decide(&question, &remembered).await.map_err(|error| error.why)
        };
        let here = [10, 0, 0, 1];
        let (a, b, c, d, e, elsewhere) = tokio::join!(
            ask("a", here),
            ask("b", here),
            ask("c", here),
            ask("d", here),
            ask("a", here),
            ask("f", [10, 0, 0, 2])
        );
        assert_eq!(
            [&a, &b, &e, &elsewhere].map(Result::is_ok),
            [true; 4],
            "the same question takes no place"
        );
        let why = "too many questions come from 10.0.0.1";
        assert_eq!([c, d].map(Result::unwrap_err), [why; 2]);
        assert_eq!(ask("g", here).await, Ok(actions.to_vec()), "the places are free again");
    }

    #[tokio::test]
    async fn zero_remembers_nothing_and_a_denial_is_remembered_like_a_grant() {
        for (remember, expected) in [(Duration::ZERO, 2), (HOLD, 1)] {
            let (directory, rules) = counted("exit 1");
            let (labels, actions, remembered) =
                (BTreeMap::new(), ["pull".to_owned()], DecisionCache::new(remember));
            for _ in 0..2 {
                let denied = rules.decide(&question("app", &labels, &actions), &remembered).await;
                assert_eq!(denied, Ok(Vec::new()));
            }
            assert_eq!(runs(&directory), expected, "{remember:?}");
        }
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let (directory, rules) = counted("echo broken >&2; exit 2");
        let remembered = DecisionCache::new(HOLD);
        for _ in 0..2 {
            let labels = BTreeMap::new();
            let failed = rules.decide(&question("app", &labels, &[]), &remembered).await.unwrap_err();
            assert_eq!(
                failed.to_string(),
                "ext_authz gave no answer: bad exit code 2 from /bin/sh, where 0 grants and 1 denies: broken"
            );
        }
        assert_eq!(runs(&directory), 2);
    }
}
