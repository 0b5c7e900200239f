//! `registry.storage:`: the registry's own directory, from which blobs are read.

use std::{fs::Metadata, os::unix::fs::MetadataExt as _, path::PathBuf};

use crate::config::{
    Context,
    diagnostics::path::Path,
    schema::{Registry, Text},
};

/// The directory in which registry 2 and 3 store, below their `rootdirectory`.
const STORE: &str = "docker/registry/v2";

/// Reads `registry.storage_answers`.
pub(super) fn answers(written: &Registry, context: &mut Context<'_>) -> bool {
    let answers = written.storage_answers.unwrap_or_default().0;
    if answers && written.storage.is_none() {
        let hint = "Write the `rootdirectory` of the registry's `storage.filesystem` as `registry.storage`";
        let message = "answers need the files of the registry, and registry.storage is not written";
        context.report.error("registry.storage_answers", message, hint);
    }
    answers
}

/// Reads the directory, and looks whether it is a registry's that no stranger may write to.
pub(super) fn directory(written: &Registry, context: &mut Context<'_>) -> Option<PathBuf> {
    let Text(text) = written.storage.as_ref()?;
    let (path, at) = (context.path(text), Path::from("registry").key("storage"));
    if !context.looks_at(&path, &at) {
        return Some(path);
    }
    let root = path.metadata().ok().filter(Metadata::is_dir);
    let Some(root) = root else {
        let hint = "Write the `rootdirectory` of the registry's `storage.filesystem`, and let the user of the service read it";
        context.report.error(at, format!("expected a directory at {}, found none", path.display()), hint);
        return None;
    };
    let store = path.join(STORE);
    let Ok(found) = store.metadata() else {
        let message = format!("{} has no {STORE}, as a registry that has no image yet", path.display());
        let hint = "Write the `rootdirectory` of the registry's `storage.filesystem`, and let the user of the service read it";
        context.report.warn(at, message, hint);
        return Some(path);
    };
    let mut all = vec![(path.clone(), root), (store.clone(), found)];
    for child in ["blobs", "repositories"].map(|child| store.join(child)) {
        all.extend(child.metadata().ok().map(|found| (child, found)));
    }
    for (path, found) in &all {
        if found.mode() & 0o002 != 0 {
            let message =
                format!("every user may write to {}: mode {:o}", path.display(), found.mode() & 0o7777);
            context.report.error(at.clone(), message, "See who wrote there, then `chmod o-w` it");
        }
    }
    Some(path)
}
