//! Tests of the graph of manifests, against a slow and obvious model.

use std::{collections::BTreeSet, time::Duration};

use super::{super::repository::ABSENT, *};

fn children(manifests: &[usize], blobs: &[usize], subject: Option<usize>) -> Children {
    let names = |all: &[usize]| all.iter().map(|n| format!("d{n}")).collect();
    Children { manifests: names(manifests), blobs: names(blobs), subject: subject.map(|n| format!("d{n}")) }
}

/// The tags of repository `a` that reach a digest, with what each names.
fn tags(graph: &Graph, digest: &str) -> Vec<String> {
    graph.above("a", (digest, false)).tags().map(|(tag, root)| format!("{tag} {root}")).collect()
}

/// A small generator of numbers, the same on each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

#[test]
fn rule_51_what_reaches_a_digest_is_what_a_slow_model_says() {
    let (mut numbers, now) = (Numbers(51), Instant::now());
    for _ in 0..300 {
        let (mut graph, mut edges, mut held) = (Graph::default(), BTreeSet::new(), BTreeSet::new());
        let mut order: Vec<usize> = (10..30).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, numbers.below(at + 1));
        }
        for id in order {
            let mut some =
                |most: usize| -> Vec<usize> { (0..numbers.below(4)).map(|_| numbers.below(most)).collect() };
            // A manifest names only what was there before: a digest is of the content.
            let (manifests, blobs) = (some(id), some(10));
            let subject = (numbers.below(4) == 0).then(|| numbers.below(id));
            edges.extend(manifests.iter().map(|child| (id, *child)));
            held.extend(blobs.iter().map(|blob| (id, *blob)));
            edges.extend(subject.map(|subject| (subject, id)));
            graph.add("a", &format!("d{id}"), &children(&manifests, &blobs, subject), now).unwrap();
        }
        for digest in 0..30 {
            let holders = held.iter().filter(|(_, blob)| *blob == digest).map(|(holder, _)| *holder);
            let mut above: BTreeSet<usize> = holders.chain([digest]).collect();
            while let Some((parent, _)) =
                edges.iter().find(|(parent, child)| above.contains(child) && !above.contains(parent))
            {
                above.insert(*parent);
            }
            let asked = format!("d{digest}");
            let (here, elsewhere) = (graph.above("a", (&asked, false)), graph.above("b", (&asked, false)));
            for other in 0..30 {
                let name = format!("d{other}");
                assert_eq!(here.has(&name), above.contains(&other), "{name} above {asked}");
                assert_eq!(elsewhere.has(&name), other == digest, "of another repository");
            }
        }
    }
}

#[test]
fn rule_51_a_layer_reaches_nothing_whatever_it_looks_like() {
    let (mut graph, now) = (Graph::default(), Instant::now());
    graph.tag("a", "pr-1", Some("d1"), now).unwrap();
    graph.add("a", "d1", &children(&[], &[2], None), now).unwrap();
    graph.add("a", "d2", &children(&[3], &[4], None), now).unwrap();
    let is_reached = |digest, is_manifest| graph.above("a", (digest, is_manifest)).tags().next().is_some();
    assert!(is_reached("d2", false) && !is_reached("d2", true));
    for digest in ["d3", "d4"] {
        assert!(!is_reached(digest, false) && !is_reached(digest, true), "{digest}");
    }
}

#[test]
fn rule_51_an_answer_from_before_a_push_is_of_no_use() {
    let (mut graph, now) = (Graph::default(), Instant::now());
    graph.tag("a", "1.0", Some("d1"), now).unwrap();
    graph.tag("a", "1.1", Some("d1"), now).unwrap();
    assert_eq!(graph.tag_since("a", "1.0", Some(now)).as_deref(), Some("d1"));
    assert_eq!(graph.tag_since("a", "1.0", None), None, "there is no such time");
    let later = now + Duration::from_secs(1);
    graph.written("a", ["1.0"], later);
    assert_eq!(graph.written_since("a", later), Some(vec!["1.0".into()]));
    assert!(!graph.is_unchanged_since("a", now) && graph.is_unchanged_since("a", later + LASTS));
    graph.tag("a", "1.0", Some("d1"), now).unwrap();
    assert_eq!(graph.tag_since("a", "1.0", Some(now)), None);
    assert_eq!(tags(&graph, "d1").len(), 1, "the other tag");
    graph.tag("a", "1.0", Some("d2"), later).unwrap();
    assert_eq!(tags(&graph, "d2"), ["1.0 d2"]);
    graph.tag("a", "1.0", None, later).unwrap();
    assert!(tags(&graph, "d2").is_empty());
    graph.tag("a", "1.2", Some("d1"), now).unwrap();
    assert_eq!(graph.tag_since("a", "1.2", Some(now)).as_deref(), Some("d1"), "another tag was written");
    graph.written(
        "a",
        (0..=MOST_WRITTEN).map(|n| n.to_string()).collect::<Vec<_>>().iter().map(String::as_str),
        later,
    );
    assert_eq!(graph.written_since("a", later), None, "there is no room");
    graph.tag("a", "1.3", Some("d1"), now).unwrap();
    assert_eq!(graph.tag_since("a", "1.3", Some(now)), None);
}

#[test]
fn rule_51_what_is_deleted_reaches_nothing() {
    let (mut graph, now) = (Graph::default(), Instant::now());
    let referrer = children(&[], &[7], Some(1));
    graph.tag("a", "1.0", Some("d1"), now).unwrap();
    graph.add("a", "d3", &referrer, now).unwrap();
    assert_eq!(tags(&graph, "d7").len(), 1);
    let later = now + Duration::from_secs(1);
    graph.deleted("a", later);
    assert!(tags(&graph, "d7").is_empty() && !graph.has("a", "d3"));
    assert_eq!(graph.add("a", "d3", &referrer, now), Err(NotTaken::Outdated), "read before it was deleted");
    graph.add("a", "d3", &referrer, later).unwrap();
    // Past Portwarden it may be deleted at any time.
    graph.begin("a", later + LASTS - Duration::from_secs(1));
    assert!(graph.is_read("a", "d3"));
    graph.begin("a", later + LASTS);
    assert!(!graph.is_read("a", "d3"));
    assert_eq!(graph.known_since("a"), Some(later + LASTS), "no scan from before counts");
}

#[test]
fn nothing_grows_without_bound() {
    let (mut graph, now) = (Graph::default(), Instant::now());
    let many: Vec<usize> = (0..MOST_DIGESTS / 2).collect();
    graph.add("a", "x", &children(&[], &many, None), now).unwrap();
    graph.add("b", "x", &children(&[], &many, None), now).unwrap();
    assert!(!graph.has("a", "x") && graph.has("b", "x"), "the other one goes");
    assert_eq!(graph.len(), MOST_DIGESTS / 2 + 1);
    let too_many: Vec<usize> = (0..=MOST_DIGESTS).collect();
    assert_eq!(graph.add("c", "x", &children(&[], &too_many, None), now), Err(NotTaken::TooLarge));
    assert!(graph.repositories.is_empty());
}

#[test]
fn what_is_not_there_is_not_asked_for_again_and_again() {
    let (mut graph, now) = (Graph::default(), Instant::now());
    graph.absent("a", "d1", now);
    assert!(!graph.has("a", "d1"), "nothing names it");
    graph.add("a", "d2", &children(&[1], &[], None), now).unwrap();
    let unread = |graph: &Graph, now| graph.unread_below("a", &["d2".into()], now).len();
    assert_eq!(unread(&graph, now), 1);
    graph.absent("a", "d1", now);
    let later = now + ABSENT;
    assert_eq!((unread(&graph, later - Duration::from_secs(1)), unread(&graph, later)), (0, 1));
    graph.written("a", ["1.0"], now);
    assert_eq!(unread(&graph, now), 1, "it may have been pushed");
}

#[test]
fn repositories_are_bounded() {
    let (mut graph, now) = (Graph::default(), Instant::now());
    for n in 0..MOST_REPOSITORIES + 10 {
        let name = format!("r{n}");
        graph.begin(&name, now);
        graph.tag(&name, "1.0", None, now).unwrap();
        assert!(graph.known_since(&name).is_none(), "it may not be there");
        if n % 2 == 0 {
            graph.know(&name, now).unwrap();
        }
        graph.tag(&name, "1.0", Some("d1"), now).unwrap();
    }
    assert_eq!(graph.repositories.len(), MOST_REPOSITORIES);
    assert!(!graph.has("r9", "d1") && graph.has("r10", "d1"));
}
