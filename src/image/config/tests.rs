//! Configurations as builders write them, and as an attacker would.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::image::{LONGEST, MOST};

fn parse(document: &serde_json::Value) -> ImageConfig {
    ImageConfig::parse(document.to_string().as_bytes()).unwrap()
}

fn at(seconds: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[test]
fn a_configuration_of_docker() {
    let config = parse(&json!({
        "architecture": "arm64", "variant": "v8", "os": "linux", "docker_version": "20.10.24",
        "created": "2024-06-01T14:00:00+02:00", "author": "A. Nyone <a@example.com>",
        "config": {
            "Hostname": "", "User": "app:app", "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
            "Env": ["PATH=/usr/bin:/bin", "A=b=c"], "Cmd": ["-g", "daemon off;"], "Entrypoint": ["/bin/app"],
            "Volumes": {"/data": {}}, "WorkingDir": "/srv", "StopSignal": "SIGQUIT", "OnBuild": null,
            "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost || exit 1"], "Interval": 30_000_000_000_u64},
            "Labels": {"org.opencontainers.image.source": "https://example.com/app", "empty": ""},
        },
        "container_config": {"User": "nobody"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:00"]},
        "history": [
            {"created": "2024-06-01T12:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
            {"created": "2024-06-01T12:00:01Z", "created_by": "CMD [\"sh\"]", "comment": "buildkit.dockerfile.v0",
                "empty_layer": true},
        ],
    }));
    let platform = Platform {
        os: "linux".into(),
        architecture: "arm64".into(),
        variant: Some("v8".into()),
        os_version: None,
    };
    let expected = ImageConfig {
        platform,
        created: at(1_717_243_200),
        author: Some("A. Nyone <a@example.com>".into()),
        user: Some("app:app".into()),
        working_dir: Some("/srv".into()),
        entrypoint: vec!["/bin/app".into()],
        cmd: vec!["-g".into(), "daemon off;".into()],
        env: vec!["PATH=/usr/bin:/bin".into(), "A=b=c".into()],
        exposed_ports: vec!["443/tcp".into(), "80/tcp".into()],
        volumes: vec!["/data".into()],
        stop_signal: Some("SIGQUIT".into()),
        healthcheck: vec!["CMD-SHELL".into(), "curl -f localhost || exit 1".into()],
        labels: BTreeMap::from([
            ("empty".into(), String::new()),
            ("org.opencontainers.image.source".into(), "https://example.com/app".into()),
        ]),
        history: vec![
            HistoryEntry {
                created: at(1_717_243_200),
                created_by: "/bin/sh -c #(nop) ADD file:1 in / ".into(),
                ..HistoryEntry::default()
            },
            HistoryEntry {
                created: at(1_717_243_201),
                created_by: "CMD [\"sh\"]".into(),
                comment: Some("buildkit.dockerfile.v0".into()),
                empty_layer: true,
            },
        ],
    };
    assert_eq!(config, expected);
}

#[test]
fn a_configuration_of_windows_and_a_bare_one() {
    let windows = parse(&json!({"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2461",
        "created": "0001-01-01T00:00:00Z", "config": {"Entrypoint": "cmd.exe", "Cmd": null}}));
    assert_eq!(windows.platform.to_string(), "windows/amd64 10.0.20348.2461");
    assert_eq!(
        (windows.created, windows.entrypoint, windows.cmd),
        (None, vec!["cmd.exe".to_owned()], vec![])
    );
    assert_eq!(parse(&json!({})), ImageConfig::default());
    assert_eq!(parse(&json!({"config": null, "history": null})), ImageConfig::default());
}

#[test]
fn what_is_no_object_is_no_configuration() {
    let deep = [b"{\"a\":".to_vec(), vec![b'['; 100_000]].concat();
    for document in [&b""[..], b"[]", b"null", b"1", b"{", b"{}{}", b"\xff", b"\0", &deep] {
        assert_eq!(ImageConfig::parse(document), None);
    }
}

#[test]
fn wrong_types_spoil_only_themselves() {
    let config = parse(&json!({"os": 1, "architecture": "amd64", "variant": [], "created": 5, "author": {},
        "config": {"User": 0, "Env": ["A=1", 2, null, ["x"], "B=2"], "Cmd": {"a": "b"}, "Entrypoint": 3,
            "ExposedPorts": ["80/tcp"], "Volumes": {"/a": 1, "/b": null, "/c": {}}, "Labels": {"a": 1, "b": "c", "d": {}},
            "Healthcheck": [1], "StopSignal": false, "WorkingDir": ["/"]},
        "history": [1, {"created_by": 1, "created": [], "empty_layer": "true"}, {"created_by": "x"}]}));
    let step =
        |created_by: &str| HistoryEntry { created_by: created_by.to_owned(), ..HistoryEntry::default() };
    let expected = ImageConfig {
        platform: Platform { architecture: "amd64".to_owned(), ..Platform::default() },
        env: vec!["A=1".to_owned(), "B=2".to_owned()],
        volumes: vec!["/a".to_owned(), "/c".to_owned()],
        labels: BTreeMap::from([("b".to_owned(), "c".to_owned())]),
        history: vec![step(""), step(""), step("x")],
        ..ImageConfig::default()
    };
    assert_eq!(config, expected);
    assert_eq!(parse(&json!({"config": [], "history": {}})), ImageConfig::default());
}

#[test]
fn repeated_members_are_understood_as_docker_does() {
    let config = ImageConfig::parse(
        br#"{"OS":"plan9","os":"linux","config":{"user":"root","User":"app","Labels":{"a":"1","A":"2","a":"3"}}}"#,
    );
    let config = config.unwrap();
    assert_eq!((config.platform.os.as_str(), config.user.as_deref()), ("linux", Some("app")));
    assert_eq!(config.labels, BTreeMap::from([("A".into(), "2".into()), ("a".into(), "3".into())]));
}

#[test]
fn endless_configurations_end() {
    let names: serde_json::Map<String, serde_json::Value> =
        (0..2 * MOST).map(|i| (format!("{i}"), json!(""))).collect();
    let texts: Vec<String> = names.keys().cloned().collect();
    let history = vec![json!({"created_by": "é".repeat(LONGEST)}); 3 * MOST / 2];
    let config =
        parse(&json!({"history": history, "config": {"Env": texts, "Cmd": texts, "Entrypoint": texts,
        "Labels": names, "Volumes": names, "ExposedPorts": names, "Healthcheck": {"Test": texts}}}));
    let counts = [
        config.history.len(),
        config.env.len(),
        config.cmd.len(),
        config.entrypoint.len(),
        config.labels.len(),
        config.volumes.len(),
        config.exposed_ports.len(),
        config.healthcheck.len(),
    ];
    assert_eq!(counts, [MOST; 8]);
    assert!(
        config.history.iter().all(|step| step.created_by.len() <= LONGEST && step.created_by.ends_with("é…"))
    );
}
