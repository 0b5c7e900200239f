//! The types of Kubernetes, to which manifests are held, and the Helm chart.
//!
//! `tests/cases/kubernetes.jsonl` has the members of each type, with its source and version: `text`, `int`, `bool`, `any`,
//! a type, `[…]` for a list, `{…}` for a map, and an exclamation mark where Kubernetes demands one. Kubelets decode their
//! configuration strictly, so a member of another name keeps one from starting.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use serde_json::Value;

/// The folder of the Helm chart.
pub const CHART: &str = "config/helm/portwarden";

/// The types, by name.
pub struct Types(BTreeMap<String, Value>);

impl Types {
    /// Reads them.
    pub fn read() -> Self {
        let lines = fs::read_to_string(root().join("tests/cases/kubernetes.jsonl")).unwrap();
        let types = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        Self(types.map(|known| (known["type"].as_str().unwrap().to_owned(), known)).collect())
    }

    /// The faults of a document: of its `apiVersion`, and of its members.
    pub fn faults_of_document(&self, document: &Value) -> Vec<String> {
        let kind = document["kind"].as_str().unwrap();
        let group = match kind {
            "CredentialProviderConfig" => "kubelet.config.k8s.io/v1",
            "DaemonSet" | "Deployment" => "apps/v1",
            "NetworkPolicy" => "networking.k8s.io/v1",
            "PodDisruptionBudget" => "policy/v1",
            "ClusterRole" | "ClusterRoleBinding" => "rbac.authorization.k8s.io/v1",
            _ => "v1",
        };
        let is_known = document["apiVersion"] == group;
        let fault = (!is_known).then(|| format!("{kind}: apiVersion is not {group}"));
        fault.into_iter().chain(self.faults(document, kind, kind)).collect()
    }

    /// The members of a type, with those of the types inside it.
    fn members(&self, name: &str) -> BTreeMap<String, String> {
        let known = self.0.get(name).unwrap_or_else(|| panic!("no type {name} in kubernetes.jsonl"));
        let own = known["fields"].as_object().unwrap();
        let own = own.iter().map(|(member, kind)| (member.clone(), kind.as_str().unwrap().to_owned()));
        let inline = known["inline"].as_array().into_iter().flatten();
        own.chain(inline.flat_map(|inner| self.members(inner.as_str().unwrap()))).collect()
    }

    /// The faults of a value that should be of a kind.
    pub fn faults(&self, value: &Value, kind: &str, at: &str) -> Vec<String> {
        let inner = |open, close| kind.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
        let fits = match kind {
            "any" => true,
            "text" => value.is_string(),
            "int" => value.is_i64(),
            "bool" => value.is_boolean(),
            _ => {
                return match (inner('[', ']'), inner('{', '}'), value) {
                    (Some(kind), _, Value::Array(list)) => {
                        let all = list.iter().enumerate();
                        all.flat_map(|(n, value)| self.faults(value, kind, &format!("{at}[{n}]"))).collect()
                    }
                    (_, Some(kind), Value::Object(map)) => {
                        let all = map.iter();
                        all.flat_map(|(name, value)| self.faults(value, kind, &format!("{at}.{name}")))
                            .collect()
                    }
                    (None, None, Value::Object(map)) => self.faults_of_object(map, kind, at),
                    _ => vec![format!("{at}: not {kind}: {value}")],
                };
            }
        };
        if fits { Vec::new() } else { vec![format!("{at}: not {kind}: {value}")] }
    }

    fn faults_of_object(&self, map: &serde_json::Map<String, Value>, kind: &str, at: &str) -> Vec<String> {
        let members = self.members(kind);
        let missing = members.iter().filter(|(name, kind)| kind.ends_with('!') && !map.contains_key(*name));
        let mut faults: Vec<_> = missing.map(|(name, _)| format!("{at}: {kind} needs {name}")).collect();
        for (name, value) in map {
            match members.get(name) {
                None => faults.push(format!("{at}: {kind} has no {name}")),
                Some(kind) => {
                    faults.extend(self.faults(value, kind.trim_end_matches('!'), &format!("{at}.{name}")));
                }
            }
        }
        faults
    }
}

/// The documents of a text of YAML.
pub fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|text| serde_yaml::from_str(text).unwrap()).collect()
}

/// The first 16 digits of a SHA-256 over the names and contents of the chart's files.
pub fn fingerprint() -> String {
    let mut files: Vec<PathBuf> = ["", "templates"]
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(CHART).join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut context = digest::Context::new(&digest::SHA256);
    for file in files {
        let content = fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        context.update(format!("{name} {}\n", content.len()).as_bytes());
        context.update(&content);
    }
    context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
