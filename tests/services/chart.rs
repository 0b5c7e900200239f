//! The Helm chart in `config/helm/portwarden`, by helm itself. `make test-helm`.
//!
//! Needs: docker-registry, helm, htpasswd.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    command::{self, Output},
    kubernetes::{CHART, Types, documents, fingerprint},
    pki::{self, KeyType},
    portwarden::program,
    process::Process,
    programs::fetched_by,
};

/// Values of `config/kubernetes/replicas.yaml`, which applies without helm.
const REPLICAS: [&str; 4] = [
    "configSecret=portwarden",
    "tls.secret=portwarden-tls",
    "token.secret=portwarden-token",
    "state.passwordSecret=portwarden-database",
];

/// The head of that file, behind a line with the fingerprint of the chart.
const HEAD: &str = "\
# Two Portwardens before a registry, with their state in PostgreSQL: docs/scaling.md. Made from the chart in ../helm, by
# `make test-helm PORTWARDEN_WRITE=1`, for clusters without Helm: correct it there. Make the image by
# ../container/Containerfile, and the secrets from your files:
#   kubectl create namespace portwarden
#   alias k='kubectl --namespace portwarden'
#   k create secret generic portwarden --from-file=auth_config.yml
#   k create secret tls portwarden-tls --cert=portwarden.crt --key=portwarden.key
#   k create secret tls portwarden-token --cert=token.crt --key=token.key
#   k create secret generic portwarden-database --from-file=password=database.password
# In auth_config.yml:
#   server: {addr: \":8443\", certificate: tls.crt, key: tls.key}
#   token: {issuer: Portwarden, expiration: 900, certificate: token.crt, key: token.key}
#   metrics: {addr: \":9090\"}
#   control: {socket: /run/portwarden/control.sock}
#   registry: {url: \"http://registry.portwarden.svc:5000\"}    # which nothing else may reach
#   state: {url: \"postgres://portwarden@database.example/portwarden?sslmode=verify-full\", password_file: database.password}
# A pod takes a changed secret within a minute or two, and reloads it by itself.
";

/// `check` warns of them, since it sees no NetworkPolicy: the chart has one for the metrics, and docs/scaling.md names the
/// one for the registry.
const BEYOND_THIS_MACHINE: [&str; 2] = ["metrics.addr", "registry.url"];

fn helm(arguments: &[&str]) -> Output {
    let helm = fetched_by("test-helm", "helm/current/helm", "helm");
    let home = tempfile::tempdir().unwrap();
    command::run(helm.to_str().unwrap(), arguments, &[("HOME", home.path().to_str().unwrap())])
}

/// The text that the chart renders with values of a file, and further ones.
fn render(values: Option<&Path>, more: &[&str]) -> Output {
    let chart = root().join(CHART);
    let mut arguments = vec!["template", "portwarden", chart.to_str().unwrap(), "--namespace", "portwarden"];
    arguments.extend(values.into_iter().flat_map(|file| ["--values", file.to_str().unwrap()]));
    arguments.extend(more.iter().flat_map(|value| ["--set", value]));
    helm(&arguments)
}

/// The values in docs/scaling.md, in a file.
fn documented() -> (TempDir, std::path::PathBuf) {
    let page = fs::read_to_string(root().join("docs/scaling.md")).unwrap();
    let block = page.split("# values.yaml\n").nth(1).unwrap().split("```").next().unwrap();
    // It stands in a list.
    let block: String =
        block.lines().flat_map(|line| [line.strip_prefix("   ").unwrap_or(line), "\n"]).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("values.yaml");
    fs::write(&file, block).unwrap();
    (directory, file)
}

#[test]
#[ignore = "needs helm: `make test-helm`"]
fn replicas_yaml_is_what_the_chart_renders() {
    let rendered = render(None, &REPLICAS).succeeds().stdout;
    let lines = rendered.lines().filter(|line| !line.starts_with("# Source: "));
    let body: String = lines.skip_while(|line| *line == "---").flat_map(|line| [line, "\n"]).collect();
    let made = format!("# Of the chart {}\n{HEAD}{body}", fingerprint());
    let file = root().join("config/kubernetes/replicas.yaml");
    if std::env::var_os("PORTWARDEN_WRITE").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let is_same = fs::read_to_string(&file).unwrap() == made;
    assert!(is_same, "run `make test-helm PORTWARDEN_WRITE=1`, and look at what changes");
}

#[test]
#[ignore = "needs helm: `make test-helm`"]
fn what_is_rendered_is_of_kubernetes_types_and_a_configuration_that_check_accepts() {
    let (_directory, values) = documented();
    let lint =
        ["lint", "--strict", &format!("{}/{CHART}", root().display()), "--values", values.to_str().unwrap()];
    helm(&lint).succeeds();
    let digest = format!("image.digest=sha256:{}", "0".repeat(64));
    let more: [&[&str]; 6] = [
        &[],
        &[
            "metricsFrom[0].namespaceSelector.matchLabels.name=monitoring",
            "service.type=ClusterIP",
            "service.port=8443",
            "service.annotations.a=b",
            "podAnnotations.c=d",
        ],
        &[&digest, "image.pullSecrets={one,two}", "fileSecrets={other}"],
        &["replicas=1", "state.url=", "state.passwordSecret="],
        &["config=null", "registry.url=", "state.url=", "configSecret=other"],
        &["config.limits.connections=1000000", "config.metrics.addr=:1", "config.token.issuer=Acme"],
    ];
    for more in more {
        let rendered = documents(&render(Some(&values), more).succeeds().stdout);
        let types = Types::read();
        for document in &rendered {
            assert_eq!(types.faults_of_document(document), Vec::<String>::new(), "{more:?}");
        }
        let of = |kind: &str| rendered.iter().find(|document| document["kind"] == kind);
        let pod = &of("Deployment").unwrap()["spec"]["template"]["spec"];
        let image = pod["containers"][0]["image"].as_str().unwrap();
        assert_eq!(image.contains("@sha256:0000"), more.contains(&digest.as_str()), "{image}");
        let Some(secret) = of("Secret") else {
            assert!(more.contains(&"configSecret=other"));
            assert_eq!(pod["volumes"][0]["projected"]["sources"][0]["secret"]["name"], "other");
            continue;
        };
        let text = secret["stringData"]["auth_config.yml"].as_str().unwrap();
        let volume = Volume::of(&pod["volumes"][0]["projected"], text);
        assert_eq!(volume.check(), BEYOND_THIS_MACHINE, "{more:?}");
        let config: Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(config["metrics"]["addr"], ":9090", "the probes ask there");
        assert_eq!(config.get("state").is_some(), !more.contains(&"replicas=1"));
        let connections = more.contains(&"config.limits.connections=1000000").then(|| json!(1_000_000));
        assert_eq!(config.pointer("/limits/connections").cloned(), connections);
    }
}

#[test]
#[ignore = "needs helm: `make test-helm`"]
fn values_that_contradict_each_other_are_refused() {
    let (_directory, values) = documented();
    for (change, next_step) in [
        ("configSecret=other", "found both: remove one"),
        ("config=null", "found neither: set config"),
        ("registry.url=", "expected registry.url"),
        ("registry.url=registry:5000", "/registry/url"),
        ("state.url=", "set state.url, or replicas to 1"),
        ("state.url=postgres://a:secret@b/c", "set state.passwordSecret"),
        ("state.url=postgres://a@b/c?password=secret", "set state.passwordSecret"),
        ("state.url=mysql://a@b/c", "/state/url"),
        ("tls.secret=", "/tls/secret"),
        ("token.secret=", "/token/secret"),
        ("token.secret=portwarden-tls", "token.secret is tls.secret"),
        ("image.digest=sha256:0", "/image/digest"),
        ("replicas=0", "/replicas"),
        ("replica=3", "replica"),
        ("service.nodePort=1", "nodePort"),
    ] {
        let refused = render(Some(&values), &[change]);
        assert!(!refused.succeeded() && refused.stderr.contains(next_step), "{change}: {refused:?}");
        assert!(!refused.stderr.contains("a:secret"), "{change}: {refused:?}");
    }
}

/// As a kubelet puts new files into a pod: a link to their directory is replaced in one step.
#[test]
#[ignore = "needs helm: `make test-helm`"]
fn a_pod_serves_from_the_volume_and_reloads_what_a_kubelet_replaces() {
    let (_directory, values) = documented();
    let rendered = |more: &[&str]| {
        let set =
            [&["registry.url=http://127.0.0.1:1", "replicas=1", "state.url=", "state.passwordSecret="], more]
                .concat();
        let all = documents(&render(Some(&values), &set).succeeds().stdout);
        let of = |kind: &str| all.iter().find(|document| document["kind"] == kind).unwrap().clone();
        let text = of("Secret")["stringData"]["auth_config.yml"].as_str().unwrap().to_owned();
        (of("Deployment")["spec"]["template"]["spec"].clone(), text)
    };
    let (pod, text) = rendered(&[]);
    let volume = Volume::of(&pod["volumes"][0]["projected"], &here(&text));
    let config = volume.0.path().join("auth_config.yml");
    let arguments = ["serve", "--config", config.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let mut process = Process::start(&program(), &arguments, &[], &volume.0.path().join("log"));
    process.wait_for_log(0, "1 user");
    let from = process.log().len();
    let (_, text) = rendered(&[
        "config.users.grace.password=$2y$10$lfIkMm1jPw8Is./rthy5auKvJeeuH7pJMDm4K.KmbODdBR31EC/am",
    ]);
    volume.replace(&here(&text));
    process.wait_for_log(from, "reloaded: 2 users");
}

/// With the addresses of a pod in place of those of a test.
fn here(text: &str) -> String {
    let here = text.replace("addr: :8443", "addr: 127.0.0.1:0").replace("addr: :9090", "addr: 127.0.0.1:0");
    here.replace("/run/portwarden/control.sock", "./control.sock")
}

/// A directory with the files of a projected volume, as a kubelet lays it out.
struct Volume(TempDir);

impl Volume {
    fn of(projected: &Value, config: &str) -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        volume.replace(config);
        for source in projected["sources"].as_array().unwrap() {
            let items = source["secret"]["items"].as_array().cloned().unwrap_or_default();
            for path in items.iter().map(|item| item["path"].as_str().unwrap()) {
                symlink(format!("..data/{path}"), volume.0.path().join(path)).unwrap();
            }
        }
        volume
    }

    /// Puts another directory, with that configuration, in the place of the one before.
    fn replace(&self, config: &str) {
        let directory = tempfile::Builder::new().prefix("..").tempdir_in(self.0.path()).unwrap().keep();
        let own = directory.file_name().unwrap();
        fs::write(directory.join("auth_config.yml"), config).unwrap();
        fs::write(directory.join("database.password"), "secret").unwrap();
        pki::authority().write_server_certificate(&directory);
        pki::write_token_key(&directory, KeyType::P256);
        for file in fs::read_dir(&directory).unwrap() {
            fs::set_permissions(file.unwrap().path(), Permissions::from_mode(0o440)).unwrap();
        }
        let link = self.0.path().join("..data_tmp");
        symlink(own, &link).unwrap();
        fs::rename(link, self.0.path().join("..data")).unwrap();
    }

    /// The keys that `portwarden check --strict` warns of.
    fn check(&self) -> Vec<String> {
        let config = self.0.path().join("auth_config.yml");
        let checked =
            command::run(&program(), &["check", "--strict", "--config", config.to_str().unwrap()], &[]);
        let warnings = checked.stderr.lines().map(|line| line.split(": ").nth(1).unwrap_or(line).to_owned());
        warnings.collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
