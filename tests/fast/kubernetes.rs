//! `portwarden credential-provider` as a kubelet runs it, and the files in `config/kubernetes/` held against the types of
//! Kubernetes.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};

use crate::support::{
    kubernetes::{CHART, Types, documents, fingerprint},
    sources::root,
};

/// The files, each with its documents.
fn manifests() -> Vec<(String, Vec<Value>)> {
    let folder = root().join("config/kubernetes");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    let named = files.map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        (file.file_name().unwrap().to_str().unwrap().to_owned(), documents(&text))
    });
    named.collect()
}

/// `apiVersion` and `kind` together.
fn kind(document: &Value) -> String {
    format!("{} {}", document["apiVersion"].as_str().unwrap(), document["kind"].as_str().unwrap())
}

fn document(file: &str, wanted: &str) -> Value {
    let all = manifests().into_iter().filter(|(name, _)| name == file).flat_map(|(_, documents)| documents);
    all.into_iter().find(|document| kind(document) == wanted).unwrap_or_else(|| panic!("{file}: no {wanted}"))
}

#[test]
fn every_manifest_has_the_members_that_kubernetes_has() {
    let types = Types::read();
    let mut checked = 0;
    for (file, documents) in manifests() {
        for document in documents {
            let faults = types.faults_of_document(&document);
            assert!(faults.is_empty(), "{file}: {faults:#?}");
            checked += 1;
        }
    }
    assert!(checked >= 9, "only {checked} documents");
}

/// Those of docs/kubernetes.md, by their first line: the secret and the service account, and the file of k3s.
#[test]
fn the_manifests_in_the_documentation_have_the_members_that_their_readers_have() {
    let page = fs::read_to_string(root().join("docs/kubernetes.md")).unwrap();
    let types = Types::read();
    for (first, kind) in [
        ("# Secret", "Secret"),
        ("# ServiceAccount", "ServiceAccount"),
        ("# /etc/rancher/k3s/registries.yaml", "Registries"),
    ] {
        let block = page.split(&format!("```yaml\n{first}\n")).nth(1).unwrap().split("```").next().unwrap();
        let document: Value = serde_yaml::from_str(block).unwrap();
        assert_eq!(types.faults(&document, kind, kind), Vec::<String>::new());
        assert!(kind == "Registries" || document["kind"] == kind);
    }
}

/// `make test-helm` makes the file anew, and compares all of it.
#[test]
fn replicas_yaml_is_made_from_the_chart_of_now() {
    let text = fs::read_to_string(root().join("config/kubernetes/replicas.yaml")).unwrap();
    let made_from = text.lines().next().unwrap().rsplit(' ').next().unwrap();
    assert_eq!(made_from, fingerprint(), "the chart has changed: run `make test-helm PORTWARDEN_WRITE=1`");
    let pod = &document("replicas.yaml", "apps/v1 Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let context = &pod["containers"][0]["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
}

#[test]
fn the_chart_is_of_this_version_and_its_schema_has_its_values() {
    let read = |name: &str| fs::read_to_string(root().join(CHART).join(name)).unwrap();
    let chart: Value = serde_yaml::from_str(&read("Chart.yaml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!([&chart["version"], &chart["appVersion"]], [version, version]);
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let mut schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    // helm gives it to every chart.
    schema["properties"].as_object_mut().unwrap().remove("global");
    same_names(&values, &schema, "values");
}

/// Fails unless the schema describes each value, and refuses others where it has a list of names.
fn same_names(values: &Value, schema: &Value, at: &str) {
    let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
    assert_eq!(schema["additionalProperties"], false, "{at}");
    let values = values.as_object().unwrap_or_else(|| panic!("{at}: no object"));
    let names = |map: &serde_json::Map<String, Value>| {
        let mut names: Vec<_> = map.keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(values), names(known), "{at}");
    for (name, value) in values {
        same_names(value, &known[name], &format!("{at}.{name}"));
    }
}

#[test]
fn a_member_of_another_name_or_kind_is_found() {
    let types = Types::read();
    let good = document("credential-provider.yaml", "kubelet.config.k8s.io/v1 CredentialProviderConfig");
    let faults = |change: &dyn Fn(&mut Value)| {
        let mut config = good.clone();
        change(&mut config["providers"][0]);
        types.faults(&config, "CredentialProviderConfig", "config").join("\n")
    };
    assert_eq!(faults(&|_| ()), "");
    assert!(faults(&|it| it["matchImage"] = json!(["a"])).contains("CredentialProvider has no matchImage"));
    assert!(faults(&|it| it["args"] = json!("a")).contains("config.providers[0].args: not [text]"));
    assert!(
        faults(&|it| it["tokenAttributes"] = json!({"cacheType": "Token"}))
            .contains("needs requireServiceAccount")
    );
}

/// Beside its types, a kubelet demands these.
#[test]
fn the_configuration_of_kubelets_is_one_that_they_take() {
    let config = document("credential-provider.yaml", "kubelet.config.k8s.io/v1 CredentialProviderConfig");
    let provider = &config["providers"][0];
    assert_eq!(provider["name"], "portwarden", "the name of the program");
    assert_eq!(provider["apiVersion"], "credentialprovider.kubelet.k8s.io/v1", "no other has tokens");
    assert_eq!(provider["tokenAttributes"]["cacheType"], "Token", "demanded where the token is the password");
    let audience = &provider["tokenAttributes"]["serviceAccountTokenAudience"];
    let role = document("access.yaml", "rbac.authorization.k8s.io/v1 ClusterRole");
    assert_eq!(&role["rules"][0]["resources"][0], audience);
    let shipped = document("install.yaml", "v1 ConfigMap");
    let shipped = shipped["data"]["credential-provider.yaml"].as_str().unwrap();
    let file = fs::read_to_string(root().join("config/kubernetes/credential-provider.yaml")).unwrap();
    assert_eq!(shipped, file);

    let arguments = provider["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let token = token(now() + 600);
    let (code, answer, _) =
        run(&arguments.collect::<Vec<_>>(), &request("registry.example/acme/app", &token));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((code, Types::read().faults(&answer, "CredentialProviderResponse", "answer")), (0, vec![]));
    assert_eq!(answer["auth"], json!({"registry.example": {"username": "cluster", "password": token}}));
    let cached: u64 = answer["cacheDuration"].as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap();
    assert!((500..600).contains(&cached), "{answer}");
}

#[test]
fn rule_16_a_bad_request_is_an_error_that_shows_no_token() {
    let (good, expired) = (token(now() + 600), token(now() - 1));
    let arguments = ["credential-provider", "--issuer", "cluster", "--registry", "registry.example"];
    let with = |member: &str, value: &str| {
        let mut request: Value = serde_json::from_str(&request("registry.example/app", &good)).unwrap();
        request[member] = value.into();
        request.to_string()
    };
    for (request, next_step) in [
        (format!("{good}\n"), "call this command as the credential provider"),
        (with("kind", "CredentialProviderResponse"), "call this command as the credential provider"),
        (with("apiVersion", "credentialprovider.kubelet.k8s.io/v1alpha1"), "set it as apiVersion"),
        (with("serviceAccountToken", ""), "set tokenAttributes"),
        (request("registry.example/app", &expired), "expired (`exp`); compare the clocks"),
        (with("image", "other.example/app"), "add it to args, or take it out of matchImages"),
        (with("more", &good.repeat(1000)), "larger than 64 KiB"),
    ] {
        let (code, answer, said) = run(&arguments, &request);
        assert!(code == 1 && answer.is_empty() && said.contains(next_step), "{next_step}: {code} {said}");
        let parts = [&good, &expired].into_iter().flat_map(|token| token.split('.'));
        assert!(parts.into_iter().all(|part| !said.contains(part)), "{said}");
    }
}

#[test]
fn the_script_of_the_daemon_set_installs_both_files_once() {
    let container =
        &document("install.yaml", "apps/v1 DaemonSet")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"][0], "install-credential-provider");
    let node = tempfile::tempdir().unwrap();
    let (program, configuration) = (node.path().join("program"), node.path().join("configuration"));
    fs::write(&program, "one").unwrap();
    fs::write(&configuration, "two").unwrap();
    let directory = node.path().join("lib/portwarden");
    let install = || {
        let mut command = Command::new("sh");
        command.arg(root().join("config/kubernetes/install")).args([&program, &configuration, &directory]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!((install(), install()), (2, 0));
    assert_eq!([read("bin/portwarden"), read("credential-provider.yaml")], ["one", "two"]);
    let mode = |name: &str| std::os::unix::fs::MetadataExt::mode(&directory.join(name).metadata().unwrap());
    assert_eq!([mode("bin/portwarden") & 0o777, mode("credential-provider.yaml") & 0o777], [0o755, 0o644]);
    fs::write(&configuration, "three").unwrap();
    assert_eq!((install(), read("credential-provider.yaml").as_str()), (1, "three"));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing else is left");
}

/// Exit code, standard output and standard error.
fn run(arguments: &[&str], request: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portwarden"));
    // Neither a configuration nor a home: a kubelet has none of them.
    command.args(arguments).env_clear().current_dir(PathBuf::from("/"));
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, err)
}

fn request(image: &str, token: &str) -> String {
    let request = json!({"kind": "CredentialProviderRequest", "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": image, "serviceAccountToken": token});
    assert_eq!(Types::read().faults(&request, "CredentialProviderRequest", "request"), Vec::<String>::new());
    request.to_string()
}

/// A token of that `exp`; no one checks its signature here.
fn token(expiry: u64) -> String {
    let part = |value: Value| BASE64URL.encode(value.to_string());
    let header = part(json!({"alg": "RS256", "kid": "k"}));
    format!("{header}.{}.{}", part(json!({"exp": expiry, "aud": ["x"]})), BASE64URL.encode("a signature"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
