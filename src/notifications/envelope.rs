//! Events in the form of the registry's own notifications (distribution 2.8 and 3, `notifications/event.go`), with an
//! object of Portwarden's beside it.

use aws_lc_rs::rand;
use serde::Serialize;

use crate::telemetry::{Action, Object, Reference, RegistryEvent, TargetDetails};

/// The media type of an envelope.
pub(super) const MEDIA_TYPE: &str = "application/vnd.docker.distribution.events.v2+json";
/// The media type that the registry has for every blob.
const BLOB: &str = "application/octet-stream";

/// The server that events come from: `source`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventSource {
    /// The name of the machine, with the port.
    pub addr: String,
    /// Another at each start.
    #[serde(rename = "instanceID")]
    pub instance: String,
}

impl EventSource {
    /// Returns the name of this start.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// The source of a server that has just started on this machine.
    pub fn new(addr: String) -> Self {
        Self { addr, instance: uuid() }
    }
}

#[derive(Serialize)]
struct Event<'a> {
    id: String,
    timestamp: String,
    action: &'static str,
    target: Target<'a>,
    request: Request<'a>,
    actor: Actor<'a>,
    source: &'a EventSource,
    portwarden: Own<'a>,
}

/// Fields that the registry leaves out where it has no value are left out here.
#[derive(Serialize)]
struct Target<'a> {
    #[serde(rename = "mediaType", skip_serializing_if = "str::is_empty")]
    media_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    repository: &'a str,
    #[serde(rename = "fromRepository", skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Reference]>::is_empty")]
    references: &'a [Reference],
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    addr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    method: &'a str,
    useragent: &'a str,
}

#[derive(Serialize)]
struct Actor<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

/// The object of Portwarden's: what the registry's form has no place for.
#[derive(Serialize)]
struct Own<'a> {
    object: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    settled: bool,
}

/// Returns the media type of what an event is about; empty for a deletion, as the registry has it.
pub(super) fn media_type(event: &RegistryEvent) -> &str {
    match (event.action, event.object) {
        (Action::Delete, _) => "",
        (_, Object::Blob) => BLOB,
        _ => event.media_type.as_deref().unwrap_or_default(),
    }
}

/// Writes an event as JSON: one for each tag that a manifest was pushed under, and one more for each tag that went with a
/// manifest, as the registry does. `details` are those of the target that the event itself does not have.
pub(super) fn written(event: &RegistryEvent, details: &TargetDetails, source: &EventSource) -> Vec<String> {
    let tags: Vec<Option<&str>> = match &*event.tags {
        [] => vec![None],
        tags => tags.iter().map(|tag| Some(tag.as_str())).collect(),
    };
    let mut all: Vec<String> = tags.into_iter().map(|tag| one(event, tag, details, source)).collect();
    let of_tag = RegistryEvent { object: Object::Tag, gone: None, ..event.clone() };
    let none = TargetDetails::default();
    all.extend(event.gone.iter().flatten().map(|tag| one(&of_tag, Some(tag), &none, source)));
    all
}

fn one(event: &RegistryEvent, tag: Option<&str>, details: &TargetDetails, source: &EventSource) -> String {
    let is_deletion = event.action == Action::Delete;
    let size = event.size.or(details.size).filter(|_| !is_deletion);
    // Of a tag that is deleted alone the manifest stays, and a digest would say that it is gone.
    let digest = event.digest.as_deref().filter(|_| event.object != Object::Tag);
    let event = Event {
        id: uuid(),
        timestamp: humantime::format_rfc3339_nanos(event.time).to_string(),
        action: event.action.as_str(),
        target: Target {
            media_type: media_type(event),
            digest,
            size,
            length: size,
            repository: &event.repository,
            from: event.from.as_deref(),
            url: digest.filter(|_| !is_deletion).and_then(|digest| url(event, digest)),
            tag,
            references: &details.references,
        },
        request: Request {
            id: &event.request_id,
            addr: event.address.map(|address| address.to_string()),
            host: event.host.as_deref(),
            method: &event.method,
            useragent: event.user_agent.as_deref().unwrap_or_default(),
        },
        actor: Actor { name: &event.account },
        source,
        portwarden: Own {
            object: match event.object {
                Object::Manifest => "manifest",
                Object::Tag => "tag",
                Object::Blob => "blob",
            },
            section: event.source.as_deref(),
            rule: event.rule.as_deref(),
            settled: event.settled,
        },
    };
    // Texts and numbers only, so this does not fail.
    serde_json::to_string(&event).unwrap_or_default()
}

/// The URL of the target, under the address by which the client came.
fn url(event: &RegistryEvent, digest: &str) -> Option<String> {
    let kind = if event.object == Object::Blob { "blobs" } else { "manifests" };
    let host = event.host.as_deref()?;
    Some(format!("{}://{host}/v2/{}/{kind}/{digest}", event.scheme, event.repository))
}

/// Joins events that are written already.
pub(super) fn envelope<'a>(events: impl Iterator<Item = &'a str>) -> String {
    let events: Vec<&str> = events.collect();
    format!("{{\"events\":[{}]}}", events.join(","))
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let mut bytes = [0; 16];
    // Without randomness events have the same id; no secret rests on it.
    let _ = rand::fill(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xf << 76) & !(0x3 << 62)) | (4 << 76) | (2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        time::{Duration, UNIX_EPOCH},
    };

    use serde_json::{Value, json};

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn push() -> RegistryEvent {
        RegistryEvent {
            time: UNIX_EPOCH + Duration::from_millis(1_500),
            action: Action::Push,
            object: Object::Manifest,
            repository: "team/app".to_owned(),
            tags: vec!["1".to_owned(), "latest".to_owned()],
            gone: None,
            digest: Some(DIGEST.to_owned()),
            media_type: Some("m".to_owned()),
            size: Some(7),
            from: None,
            account: "ci".to_owned(),
            source: Some("users".into()),
            address: Some([192, 0, 2, 7].into()),
            scheme: "https".into(),
            host: Some("r.example:8443".to_owned()),
            method: "PUT".to_owned(),
            user_agent: Some("a \"client\"\n".to_owned()),
            request_id: "abc".to_owned(),
            rule: Some("rule 2, line 3".to_owned()),
            intent: None,
            settled: false,
        }
    }

    fn read(event: &RegistryEvent, size: Option<u64>) -> Vec<Value> {
        let details = TargetDetails { size, references: Vec::new() };
        let source = EventSource { addr: "host:443".to_owned(), instance: "i".to_owned() };
        let written = written(event, &details, &source);
        let whole = envelope(written.iter().map(String::as_str));
        let Value::Object(mut whole) = serde_json::from_str(&whole).unwrap() else { panic!("{whole}") };
        let Some(Value::Array(events)) = whole.remove("events") else { panic!("no list") };
        assert!(whole.is_empty());
        events
    }

    fn without_id(mut event: Value) -> Value {
        event.as_object_mut().unwrap().remove("id");
        event
    }

    #[test]
    fn a_push_under_two_tags_is_two_events_in_the_form_of_the_registry() {
        let events = read(&push(), None);
        let ids: BTreeSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 2, "each has an id of its own");
        let expected = |tag: &str| {
            json!({
                "timestamp": "1970-01-01T00:00:01.500000000Z", "action": "push",
                "target": {
                    "mediaType": "m", "digest": DIGEST, "size": 7, "length": 7, "repository": "team/app",
                    "url": format!("https://r.example:8443/v2/team/app/manifests/{DIGEST}"), "tag": tag,
                },
                "request": {
                    "id": "abc", "addr": "192.0.2.7", "host": "r.example:8443", "method": "PUT",
                    "useragent": "a \"client\"\n",
                },
                "actor": {"name": "ci"},
                "source": {"addr": "host:443", "instanceID": "i"},
                "portwarden": {"object": "manifest", "section": "users", "rule": "rule 2, line 3"},
            })
        };
        let events: Vec<Value> = events.into_iter().map(without_id).collect();
        assert_eq!(events, [expected("1"), expected("latest")]);
    }

    #[test]
    fn a_blob_has_the_size_that_the_registry_says_and_a_deletion_only_its_digest() {
        let blob = RegistryEvent {
            action: Action::Mount,
            object: Object::Blob,
            tags: Vec::new(),
            size: None,
            from: Some("other".to_owned()),
            ..push()
        };
        let target = &read(&blob, Some(9))[0]["target"];
        assert_eq!(
            *target,
            json!({
                "mediaType": "application/octet-stream", "digest": DIGEST, "size": 9, "length": 9,
                "repository": "team/app", "fromRepository": "other",
                "url": format!("https://r.example:8443/v2/team/app/blobs/{DIGEST}"),
            })
        );
        let deletion = RegistryEvent::deletion(Object::Manifest, "team/app", None, Some(DIGEST));
        let event = &read(&deletion, Some(9))[0];
        assert_eq!(event["target"], json!({"digest": DIGEST, "repository": "team/app"}));
        assert_eq!(event["actor"], json!({}));
        assert_eq!(event["request"], json!({"id": "", "method": "", "useragent": ""}));
        let with_tags = RegistryEvent { gone: Some(vec!["1".to_owned(), "2".to_owned()]), ..deletion };
        let events = read(&with_tags, None);
        let targets: Vec<&Value> = events.iter().map(|event| &event["target"]).collect();
        let tag = |tag: &str| json!({"repository": "team/app", "tag": tag});
        let manifest = json!({"digest": DIGEST, "repository": "team/app"});
        assert_eq!(targets, [&manifest, &tag("1"), &tag("2")]);
        assert_eq!(events[1]["portwarden"], json!({"object": "tag"}));
        let untagged = RegistryEvent::deletion(Object::Tag, "team/app", Some("1"), Some(DIGEST));
        assert_eq!(read(&untagged, None)[0]["target"], json!({"repository": "team/app", "tag": "1"}));
    }

    #[test]
    fn ids_are_uuids_of_version_4() {
        let ids: BTreeSet<String> = (0..1000).map(|_| uuid()).collect();
        assert_eq!(ids.len(), 1000);
        let form = regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
        assert!(ids.iter().all(|id| form.as_ref().unwrap().is_match(id)), "{ids:?}");
    }
}
