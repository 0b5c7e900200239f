//! `control:`: the socket through which a running server is spoken to.

use std::path::PathBuf;

use crate::config::{
    Context,
    schema::{File, Text},
};

/// `control.socket`; by default in the directory that systemd made for the service (`RuntimeDirectory=`), and none
/// where there is no such directory.
pub(crate) fn socket(file: &File, context: &Context<'_>) -> Option<PathBuf> {
    let written = file.control.as_ref().and_then(|control| control.socket.as_ref());
    match written.map(|Text(path)| path.as_str()) {
        Some("none") => None,
        Some(path) => Some(context.path(path)),
        None => std::env::var_os("RUNTIME_DIRECTORY")
            .map(|directory| PathBuf::from(directory).join("control.sock")),
    }
}
