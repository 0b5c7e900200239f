//! Every command line of Portwarden in the documents is one that Portwarden takes: each command, option and value.

use std::fs;

use clap::error::ErrorKind;

use crate::{documents::documents, support::sources::root};

#[test]
fn portwarden_takes_every_command_line_in_the_documents() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for document in documents() {
        let page = fs::read_to_string(root().join(&document)).unwrap();
        for line in command_lines(&page).into_iter() {
            count += 1;
            if let Some(objection) = objection(&line) {
                wrong.push(format!("{}: {}: {objection}", document.display(), line.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 120, "only {count} command lines: the search is broken");
}

#[test]
fn command_lines_are_found_in_code() {
    let page = "Run `portwarden check`, not portwarden nonsense.\n\n```console\n$ sudo portwarden hash --user 'a b' \\\n    \
                --cost 12 >f   # a comment\nit prints this\n$ x=$(echo a | target/try/portwarden token --user \"c d\") && \
                portwarden thaw\n```\n\n```text\nportwarden says\n```\n";
    let expected: [&[&str]; 4] = [
        &["portwarden", "hash", "--user", "a b", "--cost", "12"],
        &["portwarden", "token", "--user", "c d"],
        &["portwarden", "thaw"],
        &["portwarden", "check"],
    ];
    assert_eq!(command_lines(page), expected);
    let says = |line: &str| objection(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    for left_to_the_reader in ["portwarden explain", "portwarden revoke --account"] {
        assert_eq!(says(left_to_the_reader), None);
    }
    assert!(says("portwarden explian").is_some() && says("portwarden check --stritc").is_some());
}

/// Returns why Portwarden would refuse the words; that some are missing is no objection.
fn objection(line: &[String]) -> Option<String> {
    let refused = portwarden::cli::command().try_get_matches_from(line).err()?;
    let fine = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    let said = refused.to_string();
    let is_cut_short = said.contains("a value is required for") && line.last().unwrap().starts_with('-');
    let is_fine = fine.contains(&refused.kind()) || is_cut_short;
    (!is_fine).then(|| said.lines().next().unwrap().to_owned())
}

/// The words of each command line that begins with `portwarden`: in blocks of a shell, then between backticks.
fn command_lines(page: &str) -> Vec<Vec<String>> {
    let parts: Vec<&str> = page.split("```").collect();
    let is_shell = |block: &str| ["sh\n", "console\n"].iter().any(|kind| block.starts_with(kind));
    let blocks = parts.iter().skip(1).step_by(2).filter(|block| is_shell(block)).map(|block| {
        let is_console = block.starts_with("console");
        let joined = block.replace("\\\n", " ");
        let typed =
            joined.lines().skip(1).map(str::trim).filter(|line| !is_console || line.starts_with(['$', '#']));
        typed.map(|line| line.trim_start_matches(['$', '#', ' ']).to_owned()).collect::<Vec<_>>()
    });
    let prose: String = parts.iter().step_by(2).copied().collect();
    let spans = prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " "));
    let lines: Vec<String> = blocks.flatten().chain(spans).collect();
    lines.iter().flat_map(|line| commands(line)).filter(|words| words.len() > 1).collect()
}

/// The commands of a line, without what is around them: `sudo`, pipes, redirections, comments.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    for word in words(line) {
        match word.as_str() {
            "|" | "&&" | "||" | ";" | "&" | "(" => commands.push(Vec::new()),
            _ => commands.last_mut().unwrap().push(word),
        }
    }
    let own = |words: &Vec<String>| -> Option<Vec<String>> {
        let at = words.iter().position(|word| word == "portwarden" || word.ends_with("/portwarden"))?;
        let before = ["sudo", "exec", "portwarden", "!", "if"];
        let is_first = words[..at].iter().all(|word| before.contains(&word.as_str()));
        let rest = words[at + 1..].iter().take_while(|word| !word.starts_with(['<', '>', '#', ')'])).cloned();
        is_first.then(|| [vec!["portwarden".to_owned()], rest.collect()].concat())
    };
    commands.iter().filter_map(own).collect()
}

/// Words as a shell splits them, with operators of their own and what is quoted in one.
fn words(line: &str) -> Vec<String> {
    let line = line.replace("$(", " ( ").replace(')', " ) ").replace("&&", " && ").replace(';', " ; ");
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if ['\'', '"'].contains(&letter) => quote = Some(letter),
            None if letter.is_whitespace() => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
