//! The files of an audit log, as `replay` and `unused` read them: patterns of names, standard input, compression.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

use super::{arguments::AuditFiles, config_file::ConfigFile, output::Failure, progress::Progress};
use crate::{
    authn::Robots,
    authz::Glob,
    config::Config,
    replay::{Accounts, Place, Robot, Rules, RulesSettings, each_line},
};

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// Compressions that are not read, by their first bytes, with the program that undoes each.
const FOREIGN: [(&[u8], &str, &str); 3] =
    [(b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"), (b"\xfd7zXZ\0", "xz", "xzcat"), (b"BZh", "bzip2", "bzcat")];

/// The longest of the first bytes of a compression.
const LONGEST_MAGIC: u64 = 6;

/// Files that were read.
pub(super) struct Files {
    pub(super) names: Vec<String>,
    /// Those that end too early, with the reason.
    pub(super) broken: Vec<String>,
}

/// Reads the rules and accounts of a configuration.
///
/// # Errors
/// All that is wrong with the file.
pub(super) fn rules(file: &ConfigFile) -> Result<(Config, Rules), String> {
    let config = Config::load(file).map_err(|findings| findings.to_string())?.config;
    let accounts = accounts(&config)?;
    let settings = RulesSettings {
        acl: &config.acl,
        ceilings: &config.ceilings,
        accounts,
        service: config.proxy.service.clone(),
        has_backend: config.authorizers.acl_xorm.is_some() || config.authorizers.ext_authz.is_some(),
    };
    let rules = Rules::new(settings).map_err(|errors| errors.join("\n"))?;
    Ok((config, rules))
}

fn accounts(config: &Config) -> Result<Accounts, String> {
    let robots = Robots::build(&config.robots)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let mut accounts = Accounts::default();
    for robot in &config.robots {
        let robot_of = Robot { labels: robot.labels.clone(), tokens: Vec::new() };
        accounts.robots.insert(robot.name.clone(), robot_of);
    }
    for token in robots.tokens() {
        if let Some(robot) = accounts.robots.get_mut(token.robot) {
            robot.tokens.push(token.name.id.clone());
        }
    }
    accounts.users = config.users.iter().map(|user| (user.name.clone(), user.labels.clone())).collect();
    accounts.issuers = config.workload.issuers.iter().map(|issuer| issuer.name.clone()).collect();
    let certificates = config.certificates.as_ref().and_then(|all| all.accounts.as_ref());
    let certificates = certificates.map(|_| "certificate_auth");
    accounts.sections = config.sections_elsewhere().chain(certificates).collect();
    Ok(accounts)
}

impl Files {
    /// Hands each line of the files to `take`, with its place.
    ///
    /// # Errors
    /// A file cannot be opened, or is compressed in a way that is not read.
    pub(super) fn read(
        files: &AuditFiles,
        mut take: impl FnMut(Place, Option<&[u8]>),
    ) -> Result<Self, Failure> {
        let paths = paths(&files.names)?;
        let mut read = Self { names: Vec::new(), broken: Vec::new() };
        let mut progress = Progress::of_lines();
        for (file, path) in paths.iter().enumerate() {
            let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
            let mut reader = open(path, &name)?;
            let mut number = 0;
            let ended = each_line(&mut reader, |text| {
                number += 1;
                progress.step();
                if text.is_none_or(|text| !text.is_empty()) {
                    take(Place { file, line: number }, text);
                }
            });
            if let Err(error) = ended {
                read.broken.push(format!("{name}: broken off behind line {number}: {error}"));
            }
            read.names.push(name);
        }
        progress.clear();
        Ok(read)
    }

    /// `audit.log:12`.
    pub(super) fn place(&self, place: &Place) -> String {
        let name = self.names.get(place.file).map(String::as_str).unwrap_or_default();
        format!("{name}:{}", place.line)
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Expands patterns in the last component of each name; a file that has such a name is meant itself.
fn paths(names: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for name in names {
        let text = name.file_name().map(|last| last.to_string_lossy().into_owned()).unwrap_or_default();
        let is_pattern = text.contains(['*', '?', '[']) && !name.exists();
        let found = if is_pattern { expand(name, &text)? } else { vec![name.clone()] };
        paths.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    Ok(paths)
}

fn expand(name: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let glob = Glob::compile(pattern).map_err(|error| format!("{}: {error}", name.display()))?;
    let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new(".")));
    let entries = entries.map_err(|error| format!("{}: {error}", name.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", name.display()))?;
        if entry.file_name().to_str().is_some_and(|file| glob.is_match(file)) {
            found.push(name.with_file_name(entry.file_name()));
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(format!("{}: no file has such a name", name.display()));
    }
    Ok(found)
}

fn open(path: &Path, name: &str) -> Result<Box<dyn BufRead>, String> {
    let failed = |error: io::Error| format!("{name}: {error}");
    let mut source: Box<dyn Read> = match is_stdin(path) {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(failed)?),
    };
    let mut head = Vec::new();
    source.by_ref().take(LONGEST_MAGIC).read_to_end(&mut head).map_err(failed)?;
    let foreign = FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic));
    if let Some((_, compression, program)) = foreign {
        return Err(format!(
            "{name}: {compression} is not read here: type `{program} {} | portwarden … --audit -`",
            path.display()
        ));
    }
    let is_gzip = head.starts_with(b"\x1f\x8b");
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(head).chain(source));
    if is_gzip {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole))));
    }
    Ok(Box::new(whole))
}
