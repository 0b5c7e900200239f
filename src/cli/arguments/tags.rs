//! The options of `portwarden untag`, `tags` and `prune`.

use super::{
    ControlSocket,
    values::{repository, tag},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Untag {
    /// The repository: team/app
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    pub(in crate::cli) repository: String,
    /// The tags
    #[arg(value_name = "TAG", required = true, value_parser = tag)]
    pub(in crate::cli) tags: Vec<String>,
    /// Print a JSON object for each tag: repository, tag, deleted, digest, why
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) control: ControlSocket,
}

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum TagsCommand {
    /// End the claim of a push whose answer was lost, so that another image can be pushed to the tag
    #[command(after_help = RELEASE_EXAMPLE)]
    Release(Release),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Release {
    /// The repository: team/app
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    pub(in crate::cli) repository: String,
    /// The tag
    #[arg(value_name = "TAG", value_parser = tag)]
    pub(in crate::cli) tag: String,
    #[command(flatten)]
    pub(in crate::cli) control: ControlSocket,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Prune {
    /// Repositories: team/app; without one, each that an entry of retention matches
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    pub(in crate::cli) repositories: Vec<String>,
    /// Delete; without it, only show what would be deleted
    #[arg(long)]
    pub(in crate::cli) apply: bool,
    /// Also show the tags that stay, each with what keeps it
    #[arg(long, short)]
    pub(in crate::cli) verbose: bool,
    /// Print each tag as a JSON object on a line: repository, tag, digest, pushed, is_exact, what (tag, tag_and_image or
    /// kept), why; then each failure: repository, failed; and the numbers at the end
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) control: ControlSocket,
}

pub(super) const UNTAG_EXAMPLE: &str = "\
The manifest stays, by its digest too, until the registry collects its garbage. Write-once tags are not deleted.
Exit code 1: a tag was not deleted; the others were.

Example, as root:
  portwarden untag team/app pr-12 pr-13";

pub(super) const RELEASE_EXAMPLE: &str = "\
A push of a write-once tag that the registry did not answer may still be done, so it holds the tag for its digest. Look
at the registry's log first: once the claim has ended, the push of another digest may win, and a late end of the first
one would move the tag. Nothing is released in the ten minutes after the push began, nor where the registry shows the
tag with that digest. Exit code 1: the claim has not ended.

Example, as root:
  portwarden tags release team/app 1.2.0";

pub(super) const PRUNE_EXAMPLE: &str = "\
Deletes the tags that no keep of retention keeps, and the manifests that no other tag needs. The registry frees their
space when it collects its garbage: portwarden freeze. Ctrl-C stops before the next step; the next run goes on.
Exit code 1: something could not be read or deleted; what cannot be read is left as it is.

Examples, as root:
  portwarden prune
  portwarden prune -v ci/app
  portwarden prune --apply";
