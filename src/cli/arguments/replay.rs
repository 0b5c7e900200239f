//! The options of `portwarden test-policy`, `replay` and `unused`.

use std::{path::PathBuf, time::Duration};

use super::{
    ConfigFile,
    values::{moment, past},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TestPolicy {
    #[command(flatten)]
    pub(in crate::cli) config: ConfigFile,
    /// The table, in YAML
    #[arg(value_name = "EXPECTATIONS")]
    pub(in crate::cli) expectations: PathBuf,
    /// Print each expectation, met or not, as a JSON object on a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    pub(in crate::cli) config: ConfigFile,
    #[command(flatten)]
    pub(in crate::cli) audit: AuditFiles,
    /// The time of the switch, as 2026-12-31 or 2026-12-31T18:00:00Z, instead of the present
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) at: Option<u64>,
    /// Exit with 0 even if it cannot be told from the log what becomes of some requests
    #[arg(long)]
    pub(in crate::cli) allow_undecided: bool,
    /// Also name a tag or digest for each difference
    #[arg(long, short)]
    pub(in crate::cli) verbose: bool,
    /// Print each difference as a JSON object on a line: kind, account, source, token, type, name, action, count, last,
    /// from, by, was, reference; then each reason of undecided requests; and the numbers at the end
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Unused {
    #[command(flatten)]
    pub(in crate::cli) config: ConfigFile,
    #[command(flatten)]
    pub(in crate::cli) audit: AuditFiles,
    /// Look at the requests of this time only, as 90d
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(in crate::cli) since: Option<Duration>,
    /// Print each rule as a JSON object on a line: rule, line, comment, decided, last, grants, used, accounts,
    /// repositories; and the numbers at the end
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The files of an audit log.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AuditFiles {
    /// Files of the audit log, also compressed by gzip; '-' is standard input, and '*' in a quoted name stands for any
    /// characters
    #[arg(long = "audit", value_name = "LOG", required = true, num_args = 1..)]
    pub(in crate::cli) names: Vec<PathBuf>,
}

pub(super) const TEST_POLICY_EXAMPLE: &str = "\
Example:
  portwarden test-policy -c auth_config.yml expectations.yml

The table is a list:
- {account: test2, request: 'PUT /v2/team/app/manifests/1.0', expect: allow}
- {account: user, scope: 'repository:team/app:push', expect: deny}
- {account: ci, labels: {group: [dev]}, ip: 10.0.0.1,
   scope: 'repository:dev/app:pull', expect: allow}";

pub(super) const REPLAY_EXAMPLES: &str = "\
Decides the requests and tokens of an audit log again by the rules of FILE. Asks no server and no back end.
Exit code 0: no account gains anything, and every request was decided; 1: an account gains something, it cannot be
told, a file broke off, or no request was decided. A loss alone is no failure: see whether it is meant.

Examples:
  portwarden replay -c next.yml --audit '/var/log/portwarden/audit.log*'
  portwarden replay -c next.yml --audit audit.log --at 2027-01-01
  zstdcat audit.log.zst | portwarden replay -c next.yml --audit -";

pub(super) const UNUSED_EXAMPLE: &str = "\
Decides the requests of an audit log again by the rules of FILE, and lists the rules that decided none, and rights
that no allowed request used. Tokens use no right.

Example:
  portwarden unused -c auth_config.yml --since 90d \\
      --audit '/var/log/portwarden/audit.log*'";
