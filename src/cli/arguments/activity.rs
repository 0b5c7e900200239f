//! The options of `portwarden activity`.

use std::time::Duration;

use clap::Subcommand;

use super::{
    AuditFiles, ControlSocket,
    values::{free_text, image, past},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Activity {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<ActivityCommand>,
    /// A repository, a tag or a digest: team/app, team/app:2.4, team/app@sha256:…; without one, all
    #[arg(value_name = "REPOSITORY[:TAG]", value_parser = image)]
    pub(in crate::cli) image: Option<(String, Option<String>)>,
    /// Only where the last push, pull or check was by this account; "" for clients without one
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = free_text)]
    pub(in crate::cli) account: Option<String>,
    /// Only where something was done in this time, as 30d
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(in crate::cli) since: Option<Duration>,
    /// Print each as a JSON object on a line: repository, tag or digest, pushed, pulled and checked (each with at and
    /// account), pulls_30d; then known_since
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) control: ControlSocket,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ActivityCommand {
    /// Add what an audit log tells of the time before activity was recorded; what is on record already counts once
    #[command(after_help = IMPORT_EXAMPLE)]
    Import(ActivityImport),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ActivityImport {
    #[command(flatten)]
    pub(in crate::cli) audit: AuditFiles,
    #[command(flatten)]
    pub(in crate::cli) control: ControlSocket,
}

const IMPORT_EXAMPLE: &str = "\
Give all files at once, without one missing in between: their whole time counts as on record then. Exit code 1: it
does not, since a line cannot be read, or the log ends before the time from which requests are on record.

Example, as root:
  portwarden activity import --audit '/var/log/portwarden/audit.log*'";

pub(super) const ACTIVITY_EXAMPLES: &str = "\
Asks the running server, which records it in the state file. CHECKED is the last HEAD: a client that has the image
already asks for nothing else. docs/activity.md says what counts as a pull, and from when it is known.

Examples, as root:
  portwarden activity
  portwarden activity team/app:2.4
  portwarden activity --account ci --since 30d";
