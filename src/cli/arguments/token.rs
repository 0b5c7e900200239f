//! `token`, `token new` and `token list`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{ControlSocket, values::free_text};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Token {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<TokenCommand>,
    /// The registry: https://registry.example
    #[arg(long, value_name = "URL", required = true)]
    pub(in crate::cli) registry: Option<String>,
    /// The account, whose password is asked for, or read from standard input; without one, an anonymous token
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = free_text)]
    pub(in crate::cli) user: Option<String>,
    /// Scope of the token: repository:team/app:pull,push (may be repeated)
    #[arg(long, value_name = "SCOPE")]
    pub(in crate::cli) scope: Vec<String>,
    /// Trust the authorities in this file (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_certificate: Option<PathBuf>,
    /// The token endpoint, where it is on another host than the registry
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) realm: Option<String>,
    /// Print the whole answer, with the lifetime of the token
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// Make a token for a robot, and the line for `robots:`; it is shown once and stored nowhere
    #[command(after_help = TOKEN_NEW_EXAMPLE)]
    New(TokenNew),
    /// List the tokens of robots and of people, with their last use, and the revocations in force, as the running server
    /// knows them
    List(TokenList),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TokenList {
    /// Only those of this account
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = free_text)]
    pub(in crate::cli) account: Option<String>,
    /// Print each as a JSON object on a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) control: ControlSocket,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TokenNew {
    /// The robot: its name under `robots:`, and the user name of `docker login`
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = free_text)]
    pub(in crate::cli) robot: String,
    /// The last day on which the token is good, in UTC, as 2027-03-01; without it, the token does not expire
    #[arg(long, value_name = "DAY")]
    pub(in crate::cli) expires: Option<String>,
    /// Your own words about the token, for the audit log: where it is used
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = free_text)]
    pub(in crate::cli) comment: Option<String>,
    /// Print a JSON object: robot, token, id, sha256, expires, comment
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub(super) const TOKEN_EXAMPLES: &str = "\
Prints the token alone. Exit code 1, and no token, if any part of the request is not granted.

Example:
  token=$(portwarden token --registry https://registry.example --user ci \\
      --scope repository:team/app:pull <password-file)
  curl -H \"Authorization: Bearer $token\" \\
      https://registry.example/v2/team/app/tags/list";

const TOKEN_NEW_EXAMPLE: &str = "\
Example:
  portwarden token new --robot ci-deploy --expires 2027-03-01 \\
      --comment 'cluster A'";
