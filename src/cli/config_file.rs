//! The configuration that a command reads: `--config FILE`, the file alone as docker_auth takes it, or
//! `PORTWARDEN_CONFIG`.

use std::{
    env,
    ops::Deref,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, error::ErrorKind};

/// Names the configuration where the command line does not.
const VARIABLE: &str = "PORTWARDEN_CONFIG";

/// The path of a configuration.
#[derive(Debug)]
pub(super) struct ConfigFile(PathBuf);

/// The two ways to write it on the command line.
#[derive(Debug, Args)]
struct Written {
    /// The configuration: docker_auth's auth_config.yml, with or without Portwarden's own sections [env:
    /// PORTWARDEN_CONFIG]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The same, without --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

impl Deref for ConfigFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl FromArgMatches for ConfigFile {
    /// The variable is read here and not by clap, for which it would conflict with a file on the command line.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let Written { config, file } = Written::from_arg_matches(matches)?;
        let from_environment = || env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = config.or(file).or_else(from_environment);
        path.map(Self).ok_or_else(|| {
            let message = format!("no configuration: name it with --config FILE, or set {VARIABLE}\n");
            Error::raw(ErrorKind::MissingRequiredArgument, message)
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ConfigFile {
    fn augment_args(command: Command) -> Command {
        Written::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Written::augment_args(command)
    }
}
