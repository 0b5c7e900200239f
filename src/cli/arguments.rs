//! The command line, as clap reads it: each command with its options and the text of its help.

mod activity;
mod login;
mod replay;
mod tags;
#[cfg(test)]
mod tests;
mod token;
mod values;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

use super::config_file::ConfigFile;
use crate::{authz::parse_token_scope, registry::Scope};
use activity::ACTIVITY_EXAMPLES;
pub(super) use activity::{Activity, ActivityCommand, ActivityImport};
use login::{LOGIN_EXAMPLES, LOGOUT_EXAMPLE};
pub(super) use login::{Login, Logout};
pub(super) use replay::{AuditFiles, Replay, TestPolicy, Unused};
use replay::{REPLAY_EXAMPLES, TEST_POLICY_EXAMPLE, UNUSED_EXAMPLE};
use tags::{PRUNE_EXAMPLE, UNTAG_EXAMPLE};
pub(super) use tags::{Prune, Release, TagsCommand, Untag};
use token::TOKEN_EXAMPLES;
pub(super) use token::{Token, TokenCommand, TokenList, TokenNew};
pub(super) use values::moment;
use values::{free_text, tag, time};

/// A streaming, authorizing TLS proxy in front of an unchanged docker registry.
#[derive(Debug, Parser)]
#[command(version = env!("PORTWARDEN_VERSION"), after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the registry
    #[command(
        after_help = "SIGHUP, or a changed file, reloads the configuration; SIGTERM stops the server once transfers have finished."
    )]
    Serve(Serve),
    /// Check a configuration for errors and probable mistakes
    #[command(after_help = "Exit code 0: it can be used; 1: it cannot, or --strict and there are warnings.")]
    Check(Check),
    /// Show what an account may do, and by which rule
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Test the rules against a table of expectations, for use in CI
    #[command(after_help = TEST_POLICY_EXAMPLE, allow_missing_positional = true)]
    TestPolicy(TestPolicy),
    /// Show what other rules would have done with the requests of an audit log: who gains, who loses, by which rule
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
    /// List the rules, and rights of them, that no request of an audit log used
    #[command(after_help = UNUSED_EXAMPLE)]
    Unused(Unused),
    /// Reject writes temporarily while the registry collects its garbage; pulls go on
    #[command(after_help = FREEZE_EXAMPLE)]
    Freeze(Freeze),
    /// Accept writes again
    Thaw(ControlSocket),
    /// Show whether writes are accepted
    #[command(
        after_help = "Exit code 0: writes are accepted; 3: they are frozen, or a freeze is draining; 1: the server cannot be reached."
    )]
    Status(Status),
    /// Delete tags, and leave the other tags on their manifests, on registry 2.8 too
    #[command(after_help = UNTAG_EXAMPLE)]
    Untag(Untag),
    /// Look after write-once tags
    #[command(subcommand)]
    Tags(TagsCommand),
    /// Delete the tags that retention does not keep, with the images that no other tag needs; without --apply, show them
    #[command(after_help = PRUNE_EXAMPLE)]
    Prune(Prune),
    /// Show who pushed and pulled what last, and how often
    #[command(after_help = ACTIVITY_EXAMPLES, args_conflicts_with_subcommands = true)]
    Activity(Activity),
    /// Refuse tokens and sessions that were issued, from their next request on
    #[command(after_help = REVOKE_EXAMPLE)]
    Revoke(Revoke),
    /// Get a token from a registry, for scripts; `token new` makes one for a robot
    #[command(after_help = TOKEN_EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Token(Token),
    /// Get a token for docker, podman and skopeo, once you allow it in a browser
    #[command(after_help = LOGIN_EXAMPLES)]
    Login(Login),
    /// Remove a registry from docker's configuration, and revoke the token that stood there
    #[command(after_help = LOGOUT_EXAMPLE)]
    Logout(Logout),
    /// Answer a kubelet: the token of a pod's service account as the credentials of an image
    #[command(after_help = CREDENTIAL_PROVIDER_HELP)]
    CredentialProvider(CredentialProvider),
    /// Hash a password for `users:`, as `htpasswd -nB` does
    #[command(after_help = HASH_EXAMPLES)]
    Hash(Hash),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions(Completions),
}

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Address to listen on, instead of server.addr: ":443", "127.0.0.1:8443", "unix:/path" (may be repeated)
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Vec<String>,
    /// Address of the registry, instead of registry.url: http://127.0.0.1:5000 or unix:/path
    #[arg(long, value_name = "URL")]
    pub(super) registry: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Treat warnings as errors
    #[arg(long)]
    pub(super) strict: bool,
    /// Read no other file than the configuration, for a machine without its certificates, keys, commands and databases;
    /// a note names each that was skipped
    #[arg(long)]
    pub(super) without_files: bool,
    /// Print each finding as a JSON object on a line: severity, file, line, column, key, message, hint
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// The account; "" for a client without credentials
    #[arg(long, value_name = "NAME", group = "who", requires = "what", required_unless_present_any = ["everyone", "json", "jwt", "certificate"], allow_hyphen_values = true, value_parser = free_text)]
    pub(super) account: Option<String>,
    /// Instead, the account and labels of a JWT in a file, checked as a login with it would be; the keys of its issuer
    /// are fetched
    #[arg(long, value_name = "FILE", group = "who", conflicts_with_all = ["account", "everyone", "label"])]
    pub(super) jwt: Option<std::path::PathBuf>,
    /// Instead, the account and labels of the client certificate in a file (PEM, the intermediate authorities behind it),
    /// judged as on a connection
    #[arg(long, value_name = "FILE", group = "who", conflicts_with_all = ["account", "everyone", "label", "jwt"])]
    pub(super) certificate: Option<std::path::PathBuf>,
    /// Every account of the configuration that may do that, and by which rule (with -v, also those that may not)
    #[arg(long, group = "who", requires = "what", conflicts_with_all = ["account", "label"])]
    pub(super) everyone: bool,
    /// A label, instead of the account's own (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", requires = "what", allow_hyphen_values = true, value_parser = free_text)]
    pub(super) label: Vec<String>,
    /// The client's address; without one, a rule with an ip grants nothing and may deny
    #[arg(long, value_name = "ADDRESS", requires = "what")]
    pub(super) ip: Option<std::net::IpAddr>,
    /// The service, instead of registry.service
    #[arg(long, value_name = "NAME", requires = "what")]
    pub(super) service: Option<String>,
    /// Another time than the present, as 2026-12-31 or 2026-12-31T18:00:00Z: rules with from and until hold at times
    #[arg(long, value_name = "TIME", requires = "what", value_parser = moment)]
    pub(super) at: Option<u64>,
    /// The tag that a scope is asked about, for rules with `tag`; a request names its own
    #[arg(long, value_name = "TAG", requires = "scope", conflicts_with = "request", value_parser = tag)]
    pub(super) tag: Option<String>,
    /// With a personal token of this scope, as repository:team/*:pull (may be repeated), instead of a password
    #[arg(long, value_name = "SCOPE", requires = "what", conflicts_with_all = ["everyone", "jwt", "certificate"], value_parser = parse_token_scope)]
    pub(super) token_scope: Vec<Scope>,
    /// Scope to ask for: repository:team/app:pull,push
    #[arg(long, value_name = "SCOPE", group = "what", requires = "who", required_unless_present_any = ["request", "json", "jwt", "certificate"], conflicts_with = "request")]
    pub(super) scope: Option<String>,
    /// Or a request, whose needs are looked up: 'PUT /v2/team/app/manifests/1.0'
    #[arg(long, value_name = "REQUEST", group = "what", requires = "who")]
    pub(super) request: Option<String>,
    /// Also say why the rules before it did not match
    #[arg(long, short, requires = "what")]
    pub(super) verbose: bool,
    /// Answer in JSON, a line for each account. With no scope and no request, answer each line of standard input:
    /// {"account","type","name","service","ip","actions","labels","at","tag"}
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Freeze {
    /// Time after which it ends by itself: 90s, 30m, 2h
    #[arg(long = "for", value_name = "TIME", default_value = "30m", value_parser = time)]
    pub(super) length: Duration,
    /// Time for which pushes under way may go on before they are cut off
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    pub(super) drain: Duration,
    #[command(flatten)]
    pub(super) control: ControlSocket,
}

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Print a JSON object: state (open, draining or frozen), seconds, cut_off or pushes, and shadow if there is one
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) control: ControlSocket,
}

/// The address of the running server.
#[derive(Debug, clap::Args)]
pub(super) struct ControlSocket {
    /// The control socket of the server
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(super) socket: PathBuf,
}

/// The socket in the RuntimeDirectory of the unit.
pub(super) const DEFAULT_SOCKET: &str = "/run/portwarden/control.sock";

#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    pub(super) subject: RevokeSubject,
    /// Forget which person of which provider has the account: its name is free for the next one who signs in
    #[arg(long, conflicts_with_all = ["token", "jti", "all_sessions"])]
    pub(super) forget: bool,
    /// Print a JSON object: revoked (account, token or all), name, robot, account (of a personal token), at, and forgotten
    /// with --forget
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) control: ControlSocket,
}

/// The subject of a revocation: one of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct RevokeSubject {
    /// All that was issued to this account, in any spelling of its name
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = free_text)]
    pub(super) account: Option<String>,
    /// A token by its id: twelve digits of a robot's or a personal token, or the jti of a token or JWT
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = free_text)]
    pub(super) token: Option<String>,
    /// The same by a jti that looks like the id of such a token: twelve or 64 hexadecimal digits
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = free_text)]
    pub(super) jti: Option<String>,
    /// All that was issued, to every account
    #[arg(long)]
    pub(super) all_sessions: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct CredentialProvider {
    /// The name of the cluster under `workload_auth.issuers`, which is the user name of a login
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = free_text)]
    pub(super) issuer: String,
    /// A registry that may get the token, as images name it: registry.example or registry.example:8443 (may be
    /// repeated); without one, each that matchImages of the kubelet's configuration lets through
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(super) registry: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Hash {
    /// The work factor: each step doubles the time of a guess, and of a login
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=31))]
    pub(super) cost: u32,
    /// Print the whole line for `users:`, with this name
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, value_parser = free_text)]
    pub(super) user: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// bash, zsh, fish, elvish or powershell
    #[arg(hide_possible_values = true)]
    pub(super) shell: clap_complete::Shell,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  portwarden explain -c auth_config.yml --everyone \\
      --scope repository:team/app:push
  portwarden explain -c auth_config.yml --account test2 \\
      --scope repository:team/app:push
  portwarden explain -c auth_config.yml --account test -v \\
      --request 'GET /v2/team/app/manifests/1.0'";

const FREEZE_EXAMPLE: &str = "\
Returns once writes are frozen; Ctrl-C before that calls it off. Clients get 503 with Retry-After.

Example, as root:
  portwarden freeze --for 1h &&
      docker-registry garbage-collect /etc/docker/registry/config.yml &&
      systemctl restart docker-registry &&
      portwarden thaw

The restart is for a registry that remembers blobs in memory: it would claim to have those that were collected.";

const REVOKE_EXAMPLE: &str = "\
Ends access tokens, refresh tokens, personal tokens and sessions, of every back end. It survives a restart; if it
cannot be stored, the exit code is 1. It keeps no account out: one that may sign in gets new tokens.

Examples, as root:
  portwarden revoke --account alice
  portwarden revoke --token 60e05bd1b195
  portwarden revoke --all-sessions";

const CREDENTIAL_PROVIDER_HELP: &str = "\
For args of a CredentialProviderConfig with tokenAttributes (Kubernetes 1.34, or 1.33 with a feature gate); see
docs/kubernetes.md. Reads a CredentialProviderRequest from standard input, and no other file; asks no server.

Example of args:
  args: [credential-provider, --issuer, cluster, --registry, registry.example]";

const HASH_EXAMPLES: &str = "\
Reads one line from standard input, or asks for the password on a terminal without echo.

Examples:
  portwarden hash
  portwarden hash --user alice --cost 12 <password-file";

const COMPLETIONS_EXAMPLE: &str = "\
Example:
  portwarden completions bash >/etc/bash_completion.d/portwarden";

const EXAMPLES: &str = "\
Examples:
  portwarden check /etc/portwarden/auth_config.yml --strict
  portwarden serve /etc/portwarden/auth_config.yml
  portwarden serve --config auth_config.yml --listen :8443 \\
      --registry http://127.0.0.1:5000
  portwarden hash --cost 12

PORTWARDEN_CONFIG names the configuration where the command line does not; NO_COLOR turns off colors in the log.";
