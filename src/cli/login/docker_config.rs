//! docker's `config.json`: the passwords of registries, which podman and skopeo read, too. All else in it stays.
//!
//! It is replaced in one step, and open to its owner only. A file or a folder that another user could exchange is
//! refused: the token would be theirs.

use std::{
    env,
    fs::{self, DirBuilder, Metadata},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize as _;
use serde_json::{Map, Value, json, ser::PrettyFormatter};
use zeroize::Zeroizing;

use crate::{authn::Secret, private_file, strict_json};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// The bits of a mode that let other users write.
const OTHERS_WRITE: u32 = 0o022;

/// The file, as it was read.
#[derive(Debug)]
pub(super) struct DockerConfig {
    path: PathBuf,
    content: Map<String, Value>,
    user: u32,
}

impl DockerConfig {
    /// Reads the file in `$DOCKER_CONFIG`, or else in `~/.docker`. One that is not there is empty.
    ///
    /// # Errors
    /// It cannot be read as docker reads it, or others could exchange it.
    pub(super) fn open() -> Result<Self, String> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
        let folder = folder.ok_or(
            "expected the folder of docker's config.json in DOCKER_CONFIG or HOME, found neither; set one, or use --print",
        )?;
        Self::open_in(&folder, rustix::process::geteuid().as_raw())
    }

    fn open_in(folder: &Path, user: u32) -> Result<Self, String> {
        let path = folder.join("config.json");
        match fs::metadata(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", folder.display())),
            Ok(found) => refuse_foreign(folder, &found, user)?,
        }
        let content = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
            Ok(found) => {
                if !found.is_file() {
                    let hint =
                        "name the folder of the file that it leads to with DOCKER_CONFIG, or use --print";
                    return Err(format!(
                        "{}: expected a file, found a link or something else; {hint}",
                        path.display()
                    ));
                }
                refuse_foreign(&path, &found, user)?;
                read(&path, &found)?
            }
        };
        Ok(Self { path, content, user })
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a registry whose passwords docker keeps elsewhere: it would not look here.
    ///
    /// # Errors
    /// A credential helper has them.
    pub(super) fn refuse_helper(&self, host: &str) -> Result<(), String> {
        let own = self.content.get("credHelpers").and_then(|helpers| helpers.get(host));
        let (key, helper) = match own {
            Some(helper) => ("credHelpers", Some(helper)),
            None => ("credsStore", self.content.get("credsStore")),
        };
        match helper.map(|helper| helper.as_str().unwrap_or("?")) {
            None | Some("") => Ok(()),
            Some(helper) => Err(format!(
                "{}: docker keeps the password of {host} in docker-credential-{} ({key}), which this command does not write; \
                 use --print and give the token to docker login --password-stdin; end it with docker logout",
                self.path.display(),
                helper.escape_debug()
            )),
        }
    }

    /// Puts a password in the place of what is there for that registry.
    pub(super) fn set(&mut self, host: &str, account: &str, token: &Secret) {
        let pair = Zeroizing::new(format!("{account}:{}", token.expose_text().unwrap_or_default()));
        // docker prefers an `identitytoken`: the whole entry is another.
        let entry = json!({"auth": BASE64.encode(pair.as_bytes())});
        let auths = self.content.entry("auths").or_insert_with(|| json!({}));
        if let Value::Object(auths) = auths {
            auths.insert(host.to_owned(), entry);
        }
    }

    /// Takes the entry of a registry out: its account, and its password. Both are empty where it has none that can be
    /// read. `None` if there is no entry.
    pub(super) fn remove(&mut self, host: &str) -> Option<(String, Zeroizing<String>)> {
        let entry = self.content.get_mut("auths")?.as_object_mut()?.remove(host)?;
        let pair = entry.get("auth").and_then(|auth| BASE64.decode(auth.as_str()?).ok());
        let pair = Zeroizing::new(pair.and_then(|pair| String::from_utf8(pair).ok()).unwrap_or_default());
        let (account, password) = pair.split_once(':').unwrap_or_default();
        Some((account.to_owned(), Zeroizing::new(password.to_owned())))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written; then it is as it was.
    pub(super) fn store(&self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.path.display());
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
            // It may be there by now, of another user.
            refuse_foreign(folder, &fs::metadata(folder).map_err(failed)?, self.user)?;
        }
        let mut text = Zeroizing::new(Vec::new());
        // As docker indents it.
        let mut writer =
            serde_json::Serializer::with_formatter(&mut *text, PrettyFormatter::with_indent(b"\t"));
        self.content.serialize(&mut writer).map_err(|error| failed(error.into()))?;
        private_file::replace(&self.path, &text).map_err(failed)
    }
}

/// Refuses a file or folder of another user, or one that others may write to.
fn refuse_foreign(path: &Path, found: &Metadata, user: u32) -> Result<(), String> {
    let path = path.display();
    if found.uid() != user {
        return Err(format!(
            "{path}: expected a file or folder of the user {user}, found one of the user {}; run the command as that user, \
             or set DOCKER_CONFIG",
            found.uid()
        ));
    }
    if found.mode() & OTHERS_WRITE != 0 {
        let mode = found.mode() & 0o777;
        return Err(format!(
            "{path}: other users may write there (mode {mode:o}); see who did, then run chmod go-w {path}"
        ));
    }
    Ok(())
}

fn read(path: &Path, found: &Metadata) -> Result<Map<String, Value>, String> {
    let wrong = |found: &str| {
        let hint = "correct it, or set DOCKER_CONFIG to another folder; nothing was changed";
        format!("{}: expected the JSON of docker's configuration, found {found}; {hint}", path.display())
    };
    if found.len() > LARGEST {
        return Err(wrong("more than 1 MiB"));
    }
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if text.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let value = strict_json::read(&text, strict_json::once);
    match value.ok_or_else(|| wrong("none, or a key that stands there twice"))? {
        Value::Object(content) if content.get("auths").is_none_or(Value::is_object) => Ok(content),
        Value::Object(_) => Err(wrong("an `auths` that is no object")),
        _ => Err(wrong("no object")),
    }
}

#[cfg(test)]
mod tests;
