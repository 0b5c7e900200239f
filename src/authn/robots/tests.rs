//! Tests of the table of robots.

use super::{token::work::comparisons, *};

const NOON: u64 = 1_800_000_000; // 2027-01-15

fn new() -> (Secret, String) {
    let NewToken { token, digest } = NewToken::random().unwrap();
    (token, digest.to_string())
}

fn entry(sha256: &str, expires: Option<&str>) -> RobotTokenSettings {
    let comment = Some("cluster A".to_owned());
    RobotTokenSettings { sha256: sha256.to_owned(), expires: expires.map(str::to_owned), comment }
}

fn robot(name: &str, tokens: Vec<RobotTokenSettings>) -> RobotSettings {
    let labels = Labels::from([("team".to_owned(), vec!["web".to_owned()])]);
    RobotSettings { name: name.to_owned(), tokens, labels, line: 7 }
}

fn errors(robots: &[RobotSettings]) -> String {
    let errors = Robots::build(robots).unwrap_err();
    errors.iter().map(|error| format!("{error}\n")).collect()
}

#[test]
fn each_of_two_tokens_signs_in_and_no_other() {
    let ((one, of_one), (two, of_two), (other, of_other)) = (new(), new(), new());
    let ci = robot("ci", vec![entry(&of_one, None), entry(&of_two, Some("2027-03-01"))]);
    let robots = Robots::build(&[ci, robot("other", vec![entry(&of_other, None)])]).unwrap();
    for (token, sha256) in [(&one, &of_one), (&two, &of_two)] {
        let RobotVerdict::Accepted(identity) = robots.verify("ci", token, NOON) else { panic!("{sha256}") };
        assert_eq!((identity.account.as_str(), identity.source), ("ci", Source::Robots));
        assert_eq!(identity.labels["team"], ["web"]);
        let name = identity.token.unwrap();
        assert_eq!((&*name.id, name.comment.as_deref()), (&sha256[..12], Some("cluster A")));
        assert_eq!(robots.identity("ci", &name.id, NOON).unwrap().token, Some(name));
    }
    assert_eq!(robots.verify("ci", &other, NOON), RobotVerdict::Wrong);
    assert_eq!(robots.verify("other", &one, NOON), RobotVerdict::Wrong, "each robot has its own");
    assert_eq!(robots.verify("nobody", &one, NOON), RobotVerdict::Wrong);
    assert_eq!(robots.verify("ci", &Secret::new("pwt_1"), NOON), RobotVerdict::Mistyped);
    assert!(
        robots.has("ci") && robots.has(" CI") && !robots.has("c1"),
        "in each spelling, to keep it from back ends"
    );
}

#[test]
fn robots_with_equal_labels_share_them_and_others_keep_their_own() {
    let mut other = robot("c", vec![]);
    other.labels = Labels::from([("team".to_owned(), vec!["db".to_owned()])]);
    let robots = Robots::build(&[robot("a", vec![]), robot("b", vec![]), other]).unwrap();
    let labels = |name: &str| &robots.by_name[name].labels;
    assert!(Arc::ptr_eq(labels("a"), labels("b")), "once in memory");
    assert_eq!(
        (&labels("b")["team"][..], &labels("c")["team"][..]),
        (&["web".to_owned()][..], &["db".to_owned()][..])
    );
}

#[test]
fn a_robot_is_known_in_each_spelling_whichever_is_configured() {
    let robots = Robots::build(&[robot("ci", vec![]), robot("Deploy  A", vec![])]).unwrap();
    for name in ["ci", "CI", " ci", "Deploy  A", "deploy a", "DEPLOY A "] {
        assert!(robots.has(name), "{name:?}");
    }
    assert!(!robots.has("deploy") && !Robots::default().has(""));
    assert_eq!(robots.spellings.len(), 1, "names that are their own spelling are kept once");
}

#[test]
fn rule_41_every_verdict_on_a_token_compares_two_digests() {
    let ((one, of_one), (two, of_two), (stranger, _)) = (new(), new(), new());
    let both = robot("both", vec![entry(&of_one, None), entry(&of_two, None)]);
    let (lone, of_lone) = new();
    let robots =
        Robots::build(&[both, robot("lone", vec![entry(&of_lone, None)]), robot("none", vec![])]).unwrap();
    for (name, token, is_right) in [
        ("both", &one, true),
        ("both", &two, true),
        ("both", &stranger, false),
        ("lone", &lone, true),
        ("lone", &stranger, false),
        ("none", &stranger, false),
        ("unknown", &stranger, false),
        ("unknown", &one, false),
    ] {
        let mut verdict = RobotVerdict::Mistyped;
        assert_eq!(comparisons(|| verdict = robots.verify(name, token, NOON)), 2, "{name}");
        assert_eq!(matches!(verdict, RobotVerdict::Accepted(_)), is_right, "{name}");
    }
    let mistyped = comparisons(|| {
        assert_eq!(robots.verify("both", &Secret::new("pwt_x"), NOON), RobotVerdict::Mistyped);
    });
    assert_eq!(mistyped, 0, "a typing error is found before any look-up");
}

#[test]
fn rule_41_a_token_ends_with_its_last_day_and_so_does_what_was_issued_for_it() {
    let (token, sha256) = new();
    let robots = Robots::build(&[robot("ci", vec![entry(&sha256, Some("2027-03-01"))])]).unwrap();
    let day = LastDay::parse("2027-03-01").unwrap();
    let id = &sha256[..12];
    assert!(matches!(robots.verify("ci", &token, day.end() - 1), RobotVerdict::Accepted(_)));
    assert!(
        matches!(robots.verify("ci", &token, day.end()), RobotVerdict::Expired(_, ended) if ended == day)
    );
    assert!(robots.identity("ci", id, day.end() - 1).is_ok());
    assert_eq!(robots.identity("ci", id, day.end()), Err(TokenEnded::Expired));
    assert_eq!(robots.identity("ci", "000000000000", NOON), Err(TokenEnded::Removed));
    assert_eq!(robots.identity("other", id, NOON), Err(TokenEnded::Removed));
    assert_eq!(robots.stored("ci", 0).map(|(digest, name)| (digest, &*name.id)), Some((sha256.clone(), id)));
    assert!(robots.stored("ci", 1).is_none() && robots.stored("other", 0).is_none());
    assert_eq!(
        robots.verify("other", &token, day.end()),
        RobotVerdict::Wrong,
        "only its holder learns that it ended"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let (_, sha256) = new();
    let good = || entry(&sha256, None);
    for (settings, said) in [
        (robot("ci", vec![entry("123", None)]), "tokens[0]: sha256 (line 7): expected 64 hexadecimal digits"),
        (robot("ci", vec![entry("", None)]), "tokens[0]: sha256 (line 7): missing"),
        (robot("ci", vec![entry(&sha256, Some("soon"))]), "tokens[0]: expires (line 7): expected a day"),
        (robot("ci", vec![good(), good()]), "tokens[1]: sha256 (line 7): the same token stands twice"),
        (
            robot("ci", vec![good(), entry(&new().1, None), entry(&new().1, None)]),
            "at most 2 tokens, found 3",
        ),
        (robot("", vec![]), "the robot has no name"),
        (robot("a:b", vec![]), "no colon"),
        (robot("a\n", vec![]), "no control character"),
    ] {
        let found = errors(&[settings]);
        assert!(found.contains(said), "{said}: {found}");
    }
    let two = errors(&[robot("a", vec![good()]), robot("b", vec![good()])]);
    assert!(two.starts_with("robots: \"b\": tokens[0]: sha256"), "{two}");
}

#[test]
fn rule_16_a_token_in_the_file_is_named_and_never_shown() {
    let (token, sha256) = new();
    let text = token.expose_text().unwrap();
    let in_comment = RobotTokenSettings { comment: Some(format!("old: {text}")), ..entry(&sha256, None) };
    for settings in [
        robot("ci", vec![entry(text, None)]),
        robot("ci", vec![entry(&text[..30], None)]),
        robot("ci", vec![in_comment]),
        robot(text, vec![]),
    ] {
        let said = errors(std::slice::from_ref(&settings));
        assert!(said.contains("leaked") && !said.contains(&text[4..30]), "{said}");
        let printed = format!("{:?}", settings.tokens);
        assert!(!printed.contains(&text[4..30]) && !printed.contains(&sha256), "{printed}");
    }
}
