//! The files around the program: they name one compiler, workflows run what anyone can run, and a release is refused
//! unless everything names its version.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::sources::root;

#[test]
fn one_compiler_is_named_everywhere() {
    let channel = between(&read("rust-toolchain.toml"), "channel = \"", "\"");
    let minor = channel.rsplit_once('.').unwrap().0;
    let image = format!("rust:{minor}-bookworm");
    for file in [workflows(), vec![root().join("config/container/Containerfile")]].concat() {
        let text = fs::read_to_string(&file).unwrap();
        let images: Vec<&str> =
            text.split("rust:").skip(1).map(|rest| rest.split(['"', ' ']).next().unwrap()).collect();
        assert!(!images.is_empty(), "{} names no image of Rust", file.display());
        assert!(
            images.iter().all(|tag| image == format!("rust:{tag}")),
            "{}: expected {image}, found {images:?}",
            file.display()
        );
    }
    let oldest = between(&read("Cargo.toml"), "rust-version = \"", "\"");
    let number = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    assert!(number(&oldest) <= number(&channel), "rust-version {oldest} is newer than {channel}");
}

#[test]
fn workflows_run_targets_of_the_makefile_and_may_only_read() {
    let makefile = read("Makefile");
    for file in workflows() {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.display();
        assert!(text.contains("\npermissions: {contents: read}\n"), "{name} does not reduce its permissions");
        assert!(!text.contains("pull_request_target"), "{name} would run a stranger's code with secrets");
        let mut commands = 0;
        for command in
            text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("run: "))
        {
            if command == "{shell: bash}" {
                continue;
            }
            let target =
                command.strip_prefix("make ").unwrap_or_else(|| panic!("{name}: `{command}` is not make"));
            let target = target.split(' ').next().unwrap();
            assert!(
                makefile.contains(&format!("\n{target}:")),
                "{name}: the Makefile has no target {target}"
            );
            commands += 1;
        }
        assert!(commands > 0, "{name} runs nothing: the search is broken");
        for action in text.split("uses: ").skip(1).map(|rest| rest.lines().next().unwrap()) {
            let (commit, version) = action.split_once('@').unwrap().1.split_once(" # v").unwrap_or_default();
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit && !version.is_empty(), "{name}: `{action}` is not pinned to a commit");
        }
    }
}

#[test]
fn a_release_needs_a_clean_tree_its_tag_and_its_changelogs() {
    let project = Project::new();
    assert_eq!(project.refusal(), None);

    project.write("README.md", "changed");
    project.is_refused("the tree has changes that are not committed:\n M README.md");
    project.git(&["checkout", "README.md"]);
    project.write("new", "");
    project.is_refused("the tree has changes that are not committed:\n?? new");
    fs::remove_file(project.path("new")).unwrap();

    project.commit_with("README.md", "a commit after the tag");
    project.is_refused("the commit has no tag v1.2.3, which is the version in Cargo.toml; its tags: none");
    project.git(&["tag", "v1.2.30"]);
    project.is_refused("the commit has no tag v1.2.3, which is the version in Cargo.toml; its tags: v1.2.30");
}

#[test]
fn a_release_needs_an_entry_in_both_changelogs() {
    for section in
        ["## [Unreleased]: 1.2.3", "## [1.2.30] - 2026-01-02", "## [1x2.3] - 2026-01-02", "## [1.2.3]"]
    {
        let project = Project::new();
        project.commit_with("CHANGELOG.md", section);
        project.git(&["tag", "--force", "v1.2.3"]);
        project.is_refused("CHANGELOG.md has no section \"## [1.2.3] - YYYY-MM-DD\"");
    }
    let project = Project::new();
    project.commit_with("systemd/debian/changelog", "portwarden (1.2.2-1) unstable; urgency=medium\n");
    project.git(&["tag", "--force", "v1.2.3"]);
    project.is_refused("systemd/debian/changelog does not begin with \"portwarden (1.2.3-\"");
}

/// A repository that may be released as 1.2.3.
struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write(
            "Cargo.toml",
            "[package]\nversion = \"1.2.3\"\n[dependencies.other]\nversion = \"9.9.9\"\n",
        );
        project.write("CHANGELOG.md", "## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n");
        project.write("README.md", "");
        project.write("systemd/debian/changelog", "portwarden (1.2.3-1) unstable; urgency=medium\n");
        project.write(".ci/release", "");
        fs::copy(root().join(".ci/release"), project.path(".ci/release")).unwrap();
        project.git(&["init", "--quiet"]);
        project.commit();
        project.git(&["tag", "v1.2.3"]);
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "commit",
            "--quiet",
            "--message=a",
        ]);
    }

    fn commit_with(&self, name: &str, text: &str) {
        self.write(name, text);
        self.commit();
    }

    fn git(&self, arguments: &[&str]) {
        let output = run(Command::new("git").current_dir(self.0.path()).args(arguments));
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Returns the objection of `.ci/release --check` to a release, if any.
    fn refusal(&self) -> Option<String> {
        let output = run(Command::new(self.path(".ci/release")).arg("--check"));
        let said = String::from_utf8(output.stderr).unwrap();
        (!output.status.success()).then(|| said.trim_end().to_owned())
    }

    fn is_refused(&self, why: &str) {
        assert_eq!(self.refusal(), Some(format!("no release: {why}")));
    }
}

/// Runs a command without the settings of the user's git.
fn run(command: &mut Command) -> Output {
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").output().unwrap()
}

fn workflows() -> Vec<PathBuf> {
    let files: Vec<PathBuf> =
        fs::read_dir(root().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    files
}

fn between(text: &str, before: &str, after: &str) -> String {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0.to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}
