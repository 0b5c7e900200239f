//! The man pages and the shell completions say what the program says.
//!
//! They are files in `docs/`, so that a package needs no program to run. `make man` writes them anew after a change of
//! the command line: the completions whole, and in portwarden(1) what stands between two markers; the rest of the page
//! is prose. The keys in portwarden(5) are in `src/config/settings`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use clap_complete::Shell;
use clap_mangen::Man;

use crate::support::sources::root;

const BEGIN: &str = ".\\\" Written by `make man` from here\n";
const END: &str = ".\\\" to here.\n";

#[test]
fn the_completions_are_current() {
    for (shell, name) in
        [(Shell::Bash, "portwarden.bash"), (Shell::Zsh, "_portwarden"), (Shell::Fish, "portwarden.fish")]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "portwarden", &mut script);
        holds(&docs("completions").join(name), &String::from_utf8(script).unwrap());
    }
}

#[test]
fn the_man_page_has_every_command_as_it_is() {
    let page = docs("man").join("portwarden.1");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    holds(&page, &format!("{before}{BEGIN}{}{END}{after}", commands()));
}

#[test]
fn the_man_pages_are_of_this_version() {
    for page in ["portwarden.1", "portwarden.5"] {
        let text = fs::read_to_string(docs("man").join(page)).unwrap();
        let title = text.lines().find(|line| line.starts_with(".TH ")).unwrap();
        assert!(title.contains(concat!("\"portwarden ", env!("CARGO_PKG_VERSION"), "\"")), "{page}: {title}");
    }
    let changelog = fs::read_to_string(root().join("systemd/debian/changelog")).unwrap();
    let first = concat!("portwarden (", env!("CARGO_PKG_VERSION"), "-");
    assert!(changelog.starts_with(first), "systemd/debian/changelog does not begin with {first}");
}

/// An operator on call finds each warning and each error of the log in docs/operations.md, by its first words.
#[test]
fn each_warning_and_error_is_explained() {
    let explained = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let mut lines = Vec::new();
    find_log_lines(&root().join("src"), &mut lines);
    assert!(lines.len() >= 13, "{lines:?}");
    let missing: Vec<&String> = lines.iter().filter(|line| !explained.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "docs/operations.md, What each line means, has nothing of: {missing:#?}");
}

/// The first words of each `warn!` and `error!`: four of its longest part without placeholders. Those that have none
/// (`"{finding}"`, `"{message}"`) print what stands elsewhere.
fn find_log_lines(directory: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_log_lines(&path, lines);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            for call in text.split("warn!(").skip(1).chain(text.split("error!(").skip(1)) {
                let literal = call.split('"').nth(1).unwrap_or_default();
                let part =
                    literal.split(['{', '}', '\\']).max_by_key(|part| part.matches(' ').count()).unwrap();
                let words: Vec<&str> = part.trim_start_matches([':', ';', ' ']).split(' ').take(4).collect();
                if words.len() > 1 {
                    lines.push(words.join(" ").trim_end_matches([' ', ';', ':', ',']).to_owned());
                }
            }
        }
    }
}

/// The commands in roff: a subsection each, with usage, purpose, options and what stands behind them in `--help`.
fn commands() -> String {
    let mut whole = command();
    whole.build();
    shown(&whole)
        .map(|command| subsection(command) + &shown(command).map(subsection).collect::<String>())
        .collect()
}

/// The commands below one, without those that are hidden.
fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn subsection(command: &clap::Command) -> String {
    let page = Man::new(command.clone().disable_help_flag(true));
    let mut roff = Vec::new();
    page.render_synopsis_section(&mut roff).unwrap();
    page.render_description_section(&mut roff).unwrap();
    page.render_options_section(&mut roff).unwrap();
    if command.get_after_help().is_some() {
        page.render_extra_section(&mut roff).unwrap();
    }
    let roff = String::from_utf8(roff).unwrap();
    // The preamble of a page of its own, which defines an apostrophe, and the names of its sections.
    let lines = roff.lines().filter_map(|line| match line {
        ".SH DESCRIPTION" | ".SH EXTRA" => Some(".PP".to_owned()),
        ".PP" => None,
        line if [".ie ", ".el ", ".SH "].iter().any(|start| line.starts_with(start)) => None,
        line => Some(line.replace("\\*(Aq", "\\(aq").trim_end().to_owned()),
    });
    let body: Vec<String> = lines.collect();
    // `token new` for the command below another.
    let name = command.get_bin_name().unwrap_or_default().trim_start_matches("portwarden ");
    format!(".SS {name}\n{}\n", body.join("\n"))
}

fn command() -> clap::Command {
    portwarden::cli::command()
}

fn docs(directory: &str) -> PathBuf {
    root().join("docs").join(directory)
}

/// Compares a file with what it should be; with `PORTWARDEN_WRITE` set, makes it so.
fn holds(file: &Path, expected: &str) {
    if env::var_os("PORTWARDEN_WRITE").is_some() {
        fs::write(file, expected).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert!(found == expected, "{} is not what the command line says: `make man`", file.display());
}
