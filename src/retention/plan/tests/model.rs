//! The plan against a slow, obvious model, in random repositories.

use super::*;

#[test]
fn rule_54_a_plan_takes_exactly_what_a_slow_model_does_not_keep() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (mut gone, mut about_gone, mut shared) = (0, 0, 0);
    for _ in 0..5_000 {
        let stored = random.repository();
        let keep = random.keep();
        let plan = planned(&keep, &stored);
        let model = Model::of(&keep, &stored);
        let mut going: Vec<_> = names(&plan.tags);
        let mut staying: Vec<_> = plan.kept.iter().map(|(tag, _)| tag.tag.as_str()).collect();
        going.sort_unstable();
        staying.sort_unstable();
        assert_eq!(staying, model.tags, "{keep:?} {stored:#?} {plan:#?}");
        assert_eq!(going.len() + staying.len(), stored.tags.len());
        let mut manifests: Vec<_> = plan.manifests.iter().collect();
        manifests.sort();
        assert_eq!(manifests, model.gone, "{keep:?} {stored:#?} {plan:#?}");
        gone += plan.manifests.len();
        about_gone += plan.tags.iter().filter(|tag| tag.tag.subject().is_some()).count();
        shared += plan.tags.iter().filter(|tag| !plan.manifests.contains(&tag.digest)).count();
    }
    assert!(gone > 500 && about_gone > 500 && shared > 500, "{gone} {about_gone} {shared}: hardly any");
}

/// The tags and manifests that must stay, tried out one link at a time until nothing is added.
struct Model<'a> {
    tags: Vec<&'a str>,
    gone: Vec<&'a Digest>,
}

impl<'a> Model<'a> {
    fn of(keep: &[KeepSettings], stored: &'a StoredRepository) -> Self {
        let there = |digest: &Digest| stored.manifests.contains_key(digest);
        let ordinary = |tag: &StoredTag| !tag.is_write_once && tag.tag.subject().is_none();
        let stays = |tag: &StoredTag| tag.is_write_once || keep.iter().any(|keep| keeps(keep, tag, stored));
        let mut needed: HashSet<&Digest> = HashSet::new();
        let mut taken: HashSet<&Digest> = HashSet::new();
        for _ in 0..=stored.tags.len() + stored.manifests.len() {
            for tag in &stored.tags {
                if ordinary(tag) && !stays(tag) {
                    taken.insert(&tag.digest);
                } else if let Some(subject) = tag.tag.subject()
                    && taken.contains(&subject)
                    && there(&subject)
                {
                    taken.insert(&tag.digest);
                }
            }
            for (digest, manifest) in &stored.manifests {
                if taken.contains(digest) {
                    taken.extend(&manifest.manifests);
                }
            }
        }
        for _ in 0..=stored.tags.len() + stored.manifests.len() {
            for tag in &stored.tags {
                let follows = tag.tag.subject().is_some_and(|subject| {
                    needed.contains(&subject) || !taken.contains(&subject) || !there(&subject)
                });
                if follows || (tag.tag.subject().is_none() && stays(tag)) || tag.is_write_once {
                    needed.insert(&tag.digest);
                }
            }
            for (digest, manifest) in &stored.manifests {
                if needed.contains(digest) {
                    needed.extend(manifest.manifests.iter().chain(&manifest.subject));
                }
            }
        }
        let kept = |tag: &&StoredTag| match tag.tag.subject() {
            Some(subject) if !tag.is_write_once => {
                needed.contains(&subject) || !taken.contains(&subject) || !there(&subject)
            }
            _ => stays(tag),
        };
        let mut tags: Vec<_> = stored.tags.iter().filter(kept).map(|tag| tag.tag.as_str()).collect();
        let mut gone: Vec<_> =
            taken.into_iter().filter(|digest| there(digest) && !needed.contains(digest)).collect();
        tags.sort_unstable();
        gone.sort();
        Self { tags, gone }
    }
}

fn keeps(keep: &KeepSettings, tag: &StoredTag, stored: &StoredRepository) -> bool {
    let known = tag.pushed.filter(|pushed| pushed.at <= NOW);
    match keep {
        KeepSettings::Tags(patterns) => patterns.iter().any(|pattern| pattern == tag.tag.as_str()),
        KeepSettings::Younger(age) => known.is_none_or(|pushed| pushed.at + age.as_secs() > NOW),
        KeepSettings::PulledWithin(time) => {
            let pushed = tag.pushed.map_or(u64::MAX, |pushed| pushed.at);
            last_pull(tag, stored).max(pushed).saturating_add(time.as_secs()) > NOW
        }
        KeepSettings::Newest(most) => known.is_none_or(|pushed| {
            let later = |other: &&StoredTag| {
                let ordinary = !other.is_write_once && other.tag.subject().is_none();
                ordinary
                    && other.pushed.is_some_and(|time| time.is_exact && time.at > pushed.at && time.at <= NOW)
            };
            stored.tags.iter().filter(later).count() < *most as usize
        }),
    }
}

/// The last pull of a tag and of all that it leads to, or the time before which pulls are not on record.
fn last_pull(tag: &StoredTag, stored: &StoredRepository) -> u64 {
    let mut below: HashSet<&Digest> = [&tag.digest].into();
    for _ in 0..=stored.tags.len() + stored.manifests.len() {
        for (digest, manifest) in &stored.manifests {
            if below.contains(digest) {
                below.extend(&manifest.manifests);
                let about = stored.tags.iter().filter(|other| other.tag.subject().as_ref() == Some(digest));
                below.extend(about.map(|other| &other.digest));
            }
        }
    }
    let manifests = stored.pulls.manifests.iter().filter(|(digest, _)| below.contains(digest));
    let pulls = manifests.map(|(_, at)| at).chain(stored.pulls.tags.get(&tag.tag));
    pulls.copied().max().unwrap_or(0).max(stored.pulls.since)
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    /// A repository of up to twelve manifests, of which each leads to later ones only.
    fn repository(&mut self) -> StoredRepository {
        let count = 2 + self.index(11);
        let mut stored = StoredRepository::default();
        for n in 0..count {
            let later = |random: &mut Self| digest(n + 1 + random.index(count - n));
            let children = if self.below(3) == 0 { self.index(4) } else { 0 };
            let manifests = (0..children).map(|_| later(self)).collect();
            let subject = (self.below(5) == 0).then(|| later(self));
            if self.below(8) > 0 {
                stored.manifests.insert(digest(n), Manifest { manifests, subject });
            }
        }
        for n in 0..self.index(9) {
            let named = digest(self.index(count));
            // The manifest of a tag is there, or nothing is planned.
            stored.manifests.entry(named.clone()).or_default();
            let is_about = self.below(3) == 0;
            let name = if is_about { about(self.index(count), &format!(".{n}")) } else { format!("t{n}") };
            let pushed = match self.below(4) {
                0 => None,
                kind => Some(PushTime { at: NOW + 1 - self.below(6), is_exact: kind > 1 }),
            };
            let is_write_once = !is_about && self.below(8) == 0;
            let tag = Tag::parse(&name).unwrap();
            if self.below(3) == 0 {
                stored.pulls.tags.insert(tag.clone(), NOW + 1 - self.below(6));
            }
            stored.tags.push(StoredTag { tag, digest: named, pushed, is_write_once });
        }
        for n in 0..count {
            if self.below(4) == 0 {
                stored.pulls.manifests.insert(digest(n), NOW + 1 - self.below(6));
            }
        }
        stored.pulls.since = NOW + 1 - self.below(9);
        stored
    }

    fn keep(&mut self) -> Vec<KeepSettings> {
        let mut keep = vec![KeepSettings::Tags(vec![format!("t{}", self.index(8))])];
        if self.below(2) == 0 {
            keep.push(KeepSettings::Newest(1 + u32::try_from(self.below(3)).unwrap()));
        }
        if self.below(3) == 0 {
            keep.push(KeepSettings::Younger(Duration::from_secs(1 + self.below(4))));
        }
        if self.below(3) == 0 {
            keep.push(KeepSettings::PulledWithin(Duration::from_secs(1 + self.below(4))));
        }
        keep
    }
}
