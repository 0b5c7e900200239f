//! Tests of a file that is there, of one that is not, and of those that are refused.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

const HOST: &str = "registry.example:8443";

fn folder() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".docker");
    (home, folder)
}

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn open(folder: &Path) -> Result<DockerConfig, String> {
    DockerConfig::open_in(folder, me())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn written(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
}

fn with(text: &str) -> (TempDir, PathBuf) {
    let (home, folder) = folder();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.json"), text).unwrap();
    (home, folder)
}

#[test]
fn rule_65_all_else_of_the_file_stays_and_it_is_for_its_owner_only() {
    let text = r#"{"auths":{"other.example":{"auth":"eDp5"},"registry.example:8443":{"auth":"eDp5","identitytoken":"old"}},
        "HttpHeaders":{"X":"1"},"credHelpers":{"third.example":"pass"},"psFormat":"{{.ID}}","n":12345678901234567}"#;
    let (_home, folder) = with(text);
    let mut config = open(&folder).unwrap();
    config.refuse_helper(HOST).unwrap();
    config.set(HOST, "ada", &Secret::new("pwt_x"));
    config.store().unwrap();
    let mut expected: Value = serde_json::from_str(text).unwrap();
    expected["auths"][HOST] = json!({"auth": BASE64.encode("ada:pwt_x")});
    assert_eq!(written(&folder), expected);
    assert_eq!(mode(&folder.join("config.json")), 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no other file is left");

    let mut config = open(&folder).unwrap();
    let (account, password) = config.remove(HOST).unwrap();
    assert_eq!((account.as_str(), password.as_str()), ("ada", "pwt_x"));
    config.store().unwrap();
    expected["auths"].as_object_mut().unwrap().remove(HOST);
    assert_eq!(written(&folder), expected);
    assert!(open(&folder).unwrap().remove(HOST).is_none());
}

#[test]
fn a_file_that_is_not_there_or_empty_is_made() {
    for text in [None, Some(""), Some(" \n"), Some("{}")] {
        let (_home, folder) = text.map_or_else(folder, with);
        let mut config = open(&folder).unwrap();
        config.set(HOST, "ada", &Secret::new("pwt_x"));
        config.store().unwrap();
        assert_eq!(written(&folder)["auths"][HOST]["auth"], BASE64.encode("ada:pwt_x"), "{text:?}");
        assert!(text.is_some() || mode(&folder) == 0o700);
    }
}

#[test]
fn rule_65_a_file_that_another_user_could_exchange_is_refused() {
    let (_home, folder) = with("{}");
    let path = folder.join("config.json");
    let said = |folder: &Path| open(folder).map(drop).unwrap_err();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(said(&folder).contains("other users may write there (mode 666)"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    open(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(said(&folder).contains("other users may write there (mode 777)"));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let other = DockerConfig::open_in(&folder, me() + 1).map(drop).unwrap_err();
    assert!(other.contains("expected a file or folder of the user"), "{other}");

    let elsewhere = folder.join("elsewhere.json");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(said(&folder).contains("expected a file, found a link"));
    // One that leads nowhere, too: the file would be made where it leads.
    fs::remove_file(&elsewhere).unwrap();
    assert!(said(&folder).contains("expected a file, found a link"));
    assert!(!elsewhere.exists());
}

#[test]
fn rule_65_a_folder_that_another_user_made_meanwhile_is_refused() {
    let (_home, folder) = folder();
    let mut config = open(&folder).unwrap();
    config.set(HOST, "ada", &Secret::new("pwt_x"));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(config.store().unwrap_err().contains("other users may write there (mode 777)"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn rule_65_what_docker_would_read_otherwise_is_refused_and_left_as_it_is() {
    for (text, found) in [
        ("{", "found none, or a key"),
        (r#"{"auths":{},"auths":{}}"#, "a key that stands there twice"),
        ("[]", "found no object"),
        (r#"{"auths":[]}"#, "an `auths` that is no object"),
        (&format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20)), "more than 1 MiB"),
    ] {
        let (_home, folder) = with(text);
        let said = open(&folder).map(drop).unwrap_err();
        assert!(said.contains(found) && said.contains("config.json"), "{said}");
        assert_eq!(fs::read_to_string(folder.join("config.json")).unwrap(), text);
    }
}

#[test]
fn a_registry_whose_passwords_a_helper_keeps_is_refused() {
    for (text, helper) in [
        (r#"{"credsStore":"desktop"}"#, Some("docker-credential-desktop (credsStore)")),
        (r#"{"credHelpers":{"registry.example:8443":"pass"}}"#, Some("docker-credential-pass (credHelpers)")),
        (r#"{"credsStore":"desktop","credHelpers":{"registry.example:8443":""}}"#, None),
        (r#"{"credsStore":"","credHelpers":{"registry.example":"pass"}}"#, None),
    ] {
        let (_home, folder) = with(text);
        let said = open(&folder).unwrap().refuse_helper(HOST).err();
        match helper {
            None => assert_eq!(said, None, "{text}"),
            Some(helper) => assert!(said.unwrap().contains(helper), "{text}"),
        }
    }
}
