//! The configuration of an image: how it is run, and how it was made (OCI image specification 1.1, `config.md`;
//! docker's image specification 1.2 has the same members, and the health check).

use std::{collections::BTreeMap, time::SystemTime};

use super::{Platform, json::Json, timestamp::timestamp};

/// The configuration of an image. What the document does not say, or says in another type, is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// The platform it runs on.
    pub platform: Platform,
    /// The time of the build; reproducible builds often say 1970.
    pub created: Option<SystemTime>,
    /// The author.
    pub author: Option<String>,
    /// The user it runs as: a name or a number, perhaps with a group: `app:app`.
    pub user: Option<String>,
    /// The folder in which its process starts.
    pub working_dir: Option<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments after these, or the program.
    pub cmd: Vec<String>,
    /// The environment: `NAME=value`, in its order.
    pub env: Vec<String>,
    /// `80/tcp`, in order of text.
    pub exposed_ports: Vec<String>,
    /// Paths, in order of text.
    pub volumes: Vec<String>,
    /// The signal that ends it: `SIGTERM`.
    pub stop_signal: Option<String>,
    /// docker's health check: `CMD` and a command, `CMD-SHELL` and a line for a shell, or `NONE`.
    pub healthcheck: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The steps of the build, the first one first.
    pub history: Vec<HistoryEntry>,
}

/// A step in which an image was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryEntry {
    /// The time of the step.
    pub created: Option<SystemTime>,
    /// The command that made it; empty when it is not known.
    pub created_by: String,
    /// The builder's remark: `buildkit.dockerfile.v0`.
    pub comment: Option<String>,
    /// It made no layer.
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration. At most [`MOST`](super::MOST) entries of each list and [`LONGEST`](super::LONGEST) bytes
    /// of each text are kept. `None` for what is no JSON object.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        Json::read(&text).filter(|document| document.is_object()).map(Self::read)
    }

    fn read(document: Json<'_>) -> Self {
        let [created, author, config, history] = document.members(["created", "author", "config", "history"]);
        Self {
            platform: Platform::read(document),
            created: created.and_then(timestamp),
            author: author.and_then(Json::words),
            history: history
                .map(Json::list)
                .unwrap_or_default()
                .into_iter()
                .map(HistoryEntry::read)
                .collect(),
            ..config.map(Self::read_run).unwrap_or_default()
        }
    }

    /// Reads the member `config`: the settings for running it.
    fn read_run(config: Json<'_>) -> Self {
        let [user, working_dir, stop_signal] =
            config.members(["User", "WorkingDir", "StopSignal"]).map(|text| text.and_then(Json::words));
        let [entrypoint, cmd, env] = config
            .members(["Entrypoint", "Cmd", "Env"])
            .map(|list| list.map(Json::texts).unwrap_or_default());
        let [exposed_ports, volumes] =
            config.members(["ExposedPorts", "Volumes"]).map(|set| set.map(Json::names).unwrap_or_default());
        let [labels, healthcheck] = config.members(["Labels", "Healthcheck"]);
        let [test] = healthcheck.map_or([None], |check| check.members(["Test"]));
        Self {
            user,
            working_dir,
            entrypoint,
            cmd,
            env,
            exposed_ports,
            volumes,
            stop_signal,
            healthcheck: test.map(Json::texts).unwrap_or_default(),
            labels: labels.map(|map| map.map(Json::text)).unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl HistoryEntry {
    /// A value that is no entry becomes an empty one, since layers are counted along the history.
    fn read(json: Json<'_>) -> Self {
        let [created, created_by, comment, empty_layer] =
            json.members(["created", "created_by", "comment", "empty_layer"]);
        Self {
            created: created.and_then(timestamp),
            created_by: created_by.and_then(Json::text).unwrap_or_default(),
            comment: comment.and_then(Json::words),
            empty_layer: empty_layer.is_some_and(Json::is_true),
        }
    }
}

#[cfg(test)]
mod tests;
