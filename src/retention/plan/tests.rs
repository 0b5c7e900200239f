//! Tests of plans: each rule with a small repository; [`model`] has random ones.

mod model;

use std::time::Duration;

use super::*;
use crate::{
    registry::Tag,
    retention::{KeepSettings, Manifest, Pulls, PushTime, Retention, RetentionSettings},
};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

fn digest(n: usize) -> Digest {
    Digest::of(&n.to_be_bytes())
}

fn about(n: usize, suffix: &str) -> String {
    format!("{}{suffix}", digest(n).as_str().replace(':', "-"))
}

fn exact(at: u64) -> Option<PushTime> {
    Some(PushTime { at, is_exact: true })
}

fn before(at: u64) -> Option<PushTime> {
    Some(PushTime { at, is_exact: false })
}

fn tag(name: &str, n: usize, pushed: Option<PushTime>) -> StoredTag {
    StoredTag { tag: Tag::parse(name).unwrap(), digest: digest(n), pushed, is_write_once: false }
}

/// A repository with these tags, and manifests that name others and are about one.
fn repository(tags: Vec<StoredTag>, manifests: &[(usize, &[usize], Option<usize>)]) -> StoredRepository {
    let manifest = |children: &[usize], subject: Option<usize>| Manifest {
        manifests: children.iter().copied().map(digest).collect(),
        subject: subject.map(digest),
    };
    let manifests = manifests.iter().map(|(n, children, subject)| (digest(*n), manifest(children, *subject)));
    StoredRepository { tags, manifests: manifests.collect(), pulls: Pulls::default() }
}

fn retention(keep: Vec<KeepSettings>) -> Retention {
    let settings = RetentionSettings { name: "a".to_owned(), keep, ..RetentionSettings::default() };
    Retention::compile(&[settings]).unwrap()
}

fn planned(keep: &[KeepSettings], stored: &StoredRepository) -> Plan {
    let retention = retention(keep.to_vec());
    plan(retention.entry(&crate::registry::RepositoryName::parse("a").unwrap()).unwrap(), stored, NOW)
}

fn names(tags: &[StoredTag]) -> Vec<&str> {
    tags.iter().map(|tag| tag.tag.as_str()).collect()
}

fn kept(plan: &Plan) -> Vec<(String, String)> {
    plan.kept.iter().map(|(tag, by)| (tag.tag.to_string(), by.to_string())).collect()
}

fn newest(most: u32) -> KeepSettings {
    KeepSettings::Newest(most)
}

fn younger(days: u64) -> KeepSettings {
    KeepSettings::Younger(Duration::from_secs(days * DAY))
}

fn pulled_within(days: u64) -> KeepSettings {
    KeepSettings::PulledWithin(Duration::from_secs(days * DAY))
}

/// Pulls of tags and manifests, so many days ago; on record for so many days.
fn pulls(since: u64, tags: &[(&str, u64)], manifests: &[(usize, u64)]) -> Pulls {
    let at = |days: u64| NOW - days * DAY;
    Pulls {
        since: at(since),
        tags: tags.iter().map(|(tag, days)| (Tag::parse(tag).unwrap(), at(*days))).collect(),
        manifests: manifests.iter().map(|(n, days)| (digest(*n), at(*days))).collect(),
    }
}

fn tags(pattern: &str) -> KeepSettings {
    KeepSettings::Tags(vec![pattern.to_owned()])
}

fn same<const N: usize>(found: &[Digest], expected: [usize; N]) {
    assert_eq!(found, expected.map(digest));
}

#[test]
fn the_newest_are_those_that_fewer_were_certainly_pushed_after() {
    let list = [
        tag("old", 1, exact(NOW - 5 * DAY)),
        tag("new", 2, exact(NOW - DAY)),
        tag("tie", 3, exact(NOW - 2 * DAY)),
        tag("also", 4, exact(NOW - 2 * DAY)),
    ];
    let all = repository(list.to_vec(), &[(1, &[], None), (2, &[], None), (3, &[], None), (4, &[], None)]);
    for (most, gone) in [(1, vec!["old", "tie", "also"]), (2, vec!["old"]), (3, vec!["old"]), (4, vec![])] {
        assert_eq!(names(&planned(&[newest(most)], &all).tags), gone, "newest: {most}");
    }
    // What is not certain makes no other tag older, but may be old itself.
    let list = [
        tag("seen", 1, before(NOW - 3 * DAY)),
        tag("old", 2, exact(NOW - 5 * DAY)),
        tag("new", 3, exact(NOW - DAY)),
    ];
    let all = repository(list.to_vec(), &[(1, &[], None), (2, &[], None), (3, &[], None)]);
    assert_eq!(names(&planned(&[newest(1)], &all).tags), ["seen", "old"]);
    assert_eq!(names(&planned(&[newest(2)], &all).tags), [""; 0]);
}

#[test]
fn what_is_not_known_stays() {
    let list = [
        tag("unknown", 1, None),
        tag("future", 2, exact(NOW + 1)),
        tag("now", 3, exact(NOW)),
        tag("old", 4, exact(0)),
    ];
    let all = repository(list.to_vec(), &[(1, &[], None), (2, &[], None), (3, &[], None), (4, &[], None)]);
    for keep in [newest(1), younger(1)] {
        let plan = planned(std::slice::from_ref(&keep), &all);
        assert_eq!(names(&plan.tags), ["old"], "{keep:?}");
        assert!(kept(&plan)[0].1.contains("unknown") && kept(&plan)[1].1.contains("unknown"), "{plan:?}");
    }
    // A time in the future makes no other tag older.
    let future = (0..20).map(|n| tag(&format!("f{n}"), 2, exact(NOW + 1 + n)));
    let list: Vec<_> = future.chain([tag("now", 3, exact(NOW - DAY))]).collect();
    assert_eq!(planned(&[newest(1)], &repository(list, &[(2, &[], None), (3, &[], None)])).tags, []);
}

#[test]
fn younger_counts_from_the_push_and_to_the_second() {
    let at = |at| planned(&[younger(30)], &repository(vec![tag("t", 1, at)], &[(1, &[], None)])).tags.len();
    assert_eq!(at(exact(NOW - 30 * DAY)), 1);
    assert_eq!(at(exact(NOW - 30 * DAY + 1)), 0);
    assert_eq!(at(before(NOW - 30 * DAY)), 1, "it was pushed then or before");
    assert_eq!(at(before(NOW - 30 * DAY + 1)), 0);
}

#[test]
fn keep_is_a_union_and_says_what_keeps() {
    let list = [
        tag("v1", 1, exact(0)),
        tag("ci-1", 2, exact(0)),
        tag("ci-2", 3, exact(NOW - DAY)),
        tag("ci-3", 4, exact(NOW - 2 * DAY)),
    ];
    let all = repository(list.to_vec(), &[(1, &[], None), (2, &[], None), (3, &[], None), (4, &[], None)]);
    let plan = planned(&[newest(1), tags("/^v/"), younger(3)], &all);
    assert_eq!(names(&plan.tags), ["ci-1"]);
    let why = [("v1", "tag: /^v/"), ("ci-2", "newest: 1"), ("ci-3", "younger: 3d")];
    assert_eq!(kept(&plan), why.map(|(tag, by)| (tag.to_owned(), by.to_owned())));
    same(&plan.manifests, [2]);
}

#[test]
fn write_once_tags_and_tags_about_a_manifest_are_not_counted() {
    let once = StoredTag { is_write_once: true, ..tag("v1", 1, exact(NOW)) };
    let list = vec![once, tag(&about(9, ""), 2, exact(NOW)), tag("ci", 3, exact(NOW - DAY))];
    let all = repository(list, &[(1, &[], None), (2, &[], None), (3, &[], None)]);
    let plan = planned(&[newest(1)], &all);
    assert_eq!(names(&plan.tags), [""; 0]);
    assert_eq!(kept(&plan)[0].1, "tags.write_once");
}

#[test]
fn what_a_tag_that_stays_leads_to_stays() {
    // An index that goes shares a platform with one that stays.
    let list = vec![tag("stays", 1, None), tag("goes", 2, None)];
    let all = repository(
        list,
        &[(1, &[3, 4], None), (2, &[3, 5, 6], None), (3, &[], None), (4, &[], None), (5, &[], None)],
    );
    let plan = planned(&[tags("stays")], &all);
    // The platform 6 is not there.
    same(&plan.manifests, [2, 5]);
    // A manifest with another tag loses the tag only.
    let list = vec![tag("stays", 1, None), tag("goes", 1, None)];
    let plan = planned(&[tags("stays")], &repository(list, &[(1, &[], None)]));
    assert_eq!((names(&plan.tags), plan.manifests), (vec!["goes"], vec![]));
}

#[test]
fn signatures_go_with_their_subject_and_stay_with_it() {
    let list = vec![
        tag(&about(1, ".sig"), 11, exact(0)),
        tag(&about(2, ".sig"), 12, exact(NOW)),
        tag(&about(12, ".sig"), 13, exact(NOW)),
        tag("stays", 1, None),
        tag("goes", 2, None),
    ];
    let all = repository(
        list,
        &[(1, &[], None), (2, &[], None), (11, &[], Some(1)), (12, &[], Some(2)), (13, &[], None)],
    );
    let plan = planned(&[tags("stays")], &all);
    assert_eq!(names(&plan.tags), ["goes", &about(2, ".sig"), &about(12, ".sig")]);
    let mut manifests = plan.manifests;
    manifests.sort();
    let mut expected = [2, 12, 13].map(digest);
    expected.sort();
    assert_eq!(manifests, expected);
}

#[test]
fn what_no_tag_leads_to_stays_with_what_is_about_it() {
    // 7 is not there; 8 is there without a tag, as an image that is pulled by its digest.
    let list =
        vec![tag(&about(7, ".sig"), 1, exact(0)), tag(&about(8, ""), 2, exact(0)), tag("goes", 4, None)];
    let all = repository(
        list,
        &[(1, &[], None), (2, &[3], None), (3, &[], Some(8)), (8, &[], None), (4, &[7, 3], Some(8))],
    );
    let plan = planned(&[tags("none")], &all);
    assert_eq!(names(&plan.tags), ["goes"]);
    // An attached file does not own its image, and 3 is needed.
    same(&plan.manifests, [4]);
    assert!(kept(&plan)[0].1.contains("no tag leads"), "{plan:?}");
}

#[test]
fn what_an_attached_file_that_stays_is_about_stays() {
    let list = vec![tag("sbom", 1, None), tag("app", 2, None)];
    let all = repository(list, &[(1, &[], Some(2)), (2, &[3], None), (3, &[], None)]);
    assert_eq!(planned(&[tags("sbom")], &all).manifests, []);
    same(&planned(&[tags("app")], &all).manifests, [1]);
}

#[test]
fn an_index_goes_before_what_it_names() {
    let list = vec![tag("a", 5, None), tag("b", 1, None), tag("c", 4, None)];
    let all = repository(
        list,
        &[(1, &[2, 5, 5], None), (2, &[3, 4], None), (3, &[4], None), (4, &[], None), (5, &[4], None)],
    );
    let plan = planned(&[tags("none")], &all);
    let place = |n| plan.manifests.iter().position(|found| *found == digest(n)).unwrap();
    assert_eq!(plan.manifests.len(), 5);
    for (index, child) in [(1, 2), (1, 5), (2, 3), (2, 4), (3, 4), (5, 4)] {
        assert!(place(index) < place(child), "{index} before {child}");
    }
}

#[test]
fn a_reach_counts_a_tag_as_gone_but_not_what_is_about_another() {
    let list = vec![tag("a", 1, None), tag("b", 2, None), tag(&about(1, ""), 3, None)];
    let all = repository(list, &[(1, &[], None), (2, &[4], None), (3, &[], None)]);
    let without = |names: &[&str]| {
        let tags = names.iter().map(|name| Tag::parse(name).unwrap()).collect();
        let reach = all.reach_without(&tags);
        (1..=4).filter(|n| reach.contains(&digest(*n))).collect::<Vec<_>>()
    };
    assert_eq!(without(&[]), [1, 2, 3, 4]);
    assert_eq!(without(&["b"]), [1, 3]);
    assert_eq!(without(&["b", &about(1, "")]), [1, 3], "its subject is needed");
    assert_eq!(without(&["a", &about(1, "")]), [2, 4]);
}

#[test]
fn rule_54_a_tag_stays_that_was_pulled_itself_or_by_a_digest_that_it_leads_to() {
    let old = exact(NOW - 400 * DAY);
    let list = vec![
        tag("tag", 1, old),
        tag("digest", 2, old),
        tag("index", 3, old),
        tag("outer", 5, old),
        tag("unused", 6, old),
        tag("long-ago", 7, old),
        tag("new", 8, exact(NOW - 89 * DAY)),
        tag("same-manifest", 1, old),
    ];
    let links: [(usize, &[usize], Option<usize>); 8] = [
        (1, &[], None),
        (2, &[], None),
        (3, &[4], None),
        (4, &[], None),
        (5, &[3], None),
        (6, &[], Some(2)),
        (7, &[], None),
        (8, &[], None),
    ];
    let mut all = repository(list, &links);
    all.pulls = pulls(300, &[("tag", 3), ("long-ago", 91), ("gone", 1)], &[(2, 60), (4, 0), (9, 1)]);
    let plan = planned(&[pulled_within(90)], &all);
    let expected = [
        ("tag", "pulled 3 days ago (pulled_within: 90d)"),
        ("digest", "pulled 60 days ago (pulled_within: 90d)"),
        ("index", "pulled just now (pulled_within: 90d)"),
        ("outer", "pulled just now (pulled_within: 90d)"),
        ("new", "pushed 89 days ago (pulled_within: 90d)"),
    ];
    assert_eq!(kept(&plan), expected.map(|(tag, by)| (tag.to_owned(), by.to_owned())));
    assert_eq!(names(&plan.tags), ["unused", "long-ago", "same-manifest"]);
}

#[test]
fn rule_54_what_is_not_on_record_counts_as_pulled() {
    let old = exact(NOW - 400 * DAY);
    let mut all = repository(vec![tag("a", 1, old), tag("b", 1, None)], &[(1, &[], None)]);
    let unknown = "it is not known whether it was pulled (pulled_within: 90d)";
    let reasons = |all: &StoredRepository| {
        kept(&planned(&[pulled_within(90)], all))
            .into_iter()
            .map(|(tag, by)| format!("{tag}: {by}"))
            .collect()
    };
    let both: Vec<String> = vec![format!("a: {unknown}"), format!("b: {unknown}")];
    assert_eq!(all.pulls.since, u64::MAX);
    let found: Vec<String> = reasons(&all);
    assert_eq!(found, both, "nothing is on record");
    all.pulls = pulls(89, &[("a", 100)], &[]);
    let found: Vec<String> = reasons(&all);
    assert_eq!(found, both, "on record for too short a time");
    all.pulls = pulls(90, &[("a", 100)], &[]);
    let found: Vec<String> = reasons(&all);
    assert_eq!(found, ["b: the time of its push is unknown"]);
    // A clock that went back, or was ahead.
    all.pulls = Pulls { since: NOW - 200 * DAY, ..pulls(0, &[], &[]) };
    all.pulls.manifests.insert(digest(1), NOW + 1);
    let found: Vec<String> = reasons(&all);
    assert_eq!(found, both, "a time in the future");
    all.pulls = pulls(89, &[], &[]);
    let certain = planned(&[pulled_within(90), tags("a")], &all);
    assert_eq!(kept(&certain)[0].1, "tag: a", "a reason that is certain comes first");
}

#[test]
fn rule_54_what_was_pulled_since_the_plan_was_made_is_known() {
    let list = vec![tag("a", 1, None), tag("b", 2, None), tag("c", 4, None), tag("d", 5, None)];
    let mut all =
        repository(list, &[(1, &[], None), (2, &[3], None), (3, &[], None), (4, &[], None), (5, &[], None)]);
    all.pulls = pulls(9, &[("a", 1), ("c", 2)], &[(3, 0), (5, 3)]);
    let since = |days: u64| {
        let mut tags: Vec<_> = all.pulled_since(NOW - days * DAY).iter().map(Tag::to_string).collect();
        tags.sort();
        tags.concat()
    };
    assert_eq!([since(0), since(1), since(2), since(3)], ["b", "ab", "abc", "abcd"]);
    assert_eq!(since(9), "abcd");
    all.pulls = pulls(9, &[], &[]);
    assert_eq!((all.pulled_since(NOW - 8 * DAY).len(), all.pulled_since(NOW - 9 * DAY).len()), (0, 4));
}
