//! The documents: what a machine can hold of their form, and that what they name exists.
//!
//! The limits are those of plain technical English: short sentences and paragraphs, a phrase in a table cell, lines
//! that fit beside each other. A document that needs more says too much at once.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::sources::{files, root};

/// Columns of a line of prose.
const COLUMNS: usize = 120;
/// Characters in a cell of a table, without the targets of links.
const CELL: usize = 160;
/// Lines in a paragraph.
const PARAGRAPH: usize = 6;
/// Words in a sentence, on average over a document.
const SENTENCE: usize = 20;
/// Words in the README, code included.
const README: usize = 1600;

/// Words that say less than "no account", "any client that", "an operator", "is reported", "our".
const RARE_WORDS: [&str; 5] = ["nobody", "whoever", "somebody", "is told", "of ours"];

/// Words that begin no doc comment.
const QUESTIONS: [&str; 7] = ["What", "How", "Who", "Where", "Why", "When", "Whether"];

#[test]
fn prose_is_short_and_fits() {
    let mut wrong = Vec::new();
    for document in documents() {
        let page = read(&document);
        let prose = Prose::of(&page);
        let name = document.display();
        let long = prose.lines.iter().filter(|(_, line)| line.chars().count() > COLUMNS);
        wrong.extend(long.map(|(number, _)| format!("{name}:{number}: over {COLUMNS} columns")));
        let high = prose.paragraphs.iter().filter(|lines| lines.len() > PARAGRAPH);
        wrong.extend(high.map(|lines| format!("{name}: over {PARAGRAPH} lines: {}", lines.concat())));
        let wide = prose.cells.iter().filter(|cell| cell.chars().count() > CELL);
        wrong.extend(wide.map(|cell| format!("{name}: over {CELL} characters in a cell: {cell}")));
        let (words, sentences) = prose.words_and_sentences();
        if words > SENTENCE * sentences {
            wrong.push(format!("{name}: {words} words in {sentences} sentences: over {SENTENCE} on average"));
        }
        for word in RARE_WORDS {
            let found = prose.lines.iter().filter(|(_, line)| has_word(&without_code(line), word));
            wrong.extend(found.map(|(number, _)| format!("{name}:{number}: `{word}`")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let words = read(Path::new("README.md")).split_whitespace().count();
    assert!(words <= README, "{words} words: move something to docs/");
}

#[test]
fn doc_comments_are_statements_not_questions() {
    let of = |file: &PathBuf| {
        first_words(&read(file)).into_iter().map(|word| (file.clone(), word)).collect::<Vec<_>>()
    };
    let first_words = files("src").iter().flat_map(of).collect::<Vec<_>>();
    assert!(first_words.len() > 3000, "only {} doc comments: the search is broken", first_words.len());
    let of_questions: Vec<_> =
        first_words.iter().filter(|(_, word)| QUESTIONS.contains(&word.as_str())).collect();
    assert!(of_questions.is_empty(), "doc comments that begin with one of {QUESTIONS:?}: {of_questions:?}");
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    let mut followed = 0;
    let others = ["CHANGELOG.md", ".github/pull_request_template.md"].map(PathBuf::from);
    for document in documents().into_iter().chain(others) {
        let text = without_blocks(&read(&document));
        for target in targets(&text).filter(|target| !target.contains("://")) {
            followed += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let exists = root().join(&file).exists();
            if !exists || !(anchor.is_empty() || anchors(&read(&file)).contains(anchor)) {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links to nothing:\n{}", dead.join("\n"));
    assert!(followed > 50, "only {followed} links: the search is broken");
}

#[test]
fn the_security_policy_names_tests_that_exist() {
    let (policy, sources) = (read(Path::new("SECURITY.md")), sources());
    let named: Vec<&str> =
        policy.split('`').filter(|code| code.starts_with("rule_") && code.len() > 5).collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !is_test(&sources, name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
    assert!(named.len() > 20, "only {} tests named: the search is broken", named.len());
}

/// A word with two underscores or more in backticks is a test there, and an advisory is a link to its own record.
#[test]
fn the_threat_model_names_tests_and_advisories_that_exist() {
    let (page, sources) = (read(Path::new("docs/threat-model.md")), sources());
    let codes = page.split('`').skip(1).step_by(2);
    let named: Vec<&str> = codes.filter(|code| is_name_of_a_test(code)).collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !is_test(&sources, name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
    assert!(named.len() > 80, "only {} tests named: the search is broken", named.len());
    let strayed: Vec<&str> = ["CVE-", "GHSA-", "RUSTSEC-"]
        .into_iter()
        .flat_map(|kind| page.match_indices(kind).map(|(at, _)| at))
        .filter(|&at| !stands_in_a_link_to_itself(&page, at))
        .map(|at| page[at..].lines().next().unwrap())
        .collect();
    assert!(strayed.is_empty(), "not a link to its own record: {strayed:#?}");
}

fn is_name_of_a_test(code: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    code.matches('_').count() > 1 && code.chars().all(plain)
}

/// `[CVE-1](https://…CVE-1)`, at either place.
fn stands_in_a_link_to_itself(page: &str, at: usize) -> bool {
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let id = page[at..].split(end).next().unwrap();
    let (before, line) = (&page[..at], page[at..].lines().next().unwrap());
    let target = line.strip_prefix(id).and_then(|rest| rest.strip_prefix("](https://")?.split(')').next());
    match target {
        Some(target) => before.ends_with('[') && target.trim_end_matches(".html").ends_with(id),
        None => before.rsplit_once("](").is_some_and(|(text, _)| text.ends_with(&format!("[{id}"))),
    }
}

fn sources() -> String {
    ["src", "tests"].into_iter().flat_map(files).map(|file| read(&file)).collect()
}

/// A function with the attribute of a test, or a property that `tests/fast/properties.rs` makes one of.
fn is_test(sources: &str, name: &str) -> bool {
    let is_one = |above: &str| above.starts_with("#[test]") || above.starts_with("#[tokio::test");
    let functions = sources.match_indices(&format!("fn {name}()")).any(|(at, _)| {
        let above = sources[..at].rsplit('\n').skip(1).map(str::trim_start);
        above.take_while(|line| line.starts_with("#[")).any(is_one)
    });
    functions || sources.contains(&format!("holds!({name},"))
}

/// A cell without a link says no more than a page can be searched for, which the head of its column links to.
#[test]
fn each_cell_of_the_comparison_has_a_source() {
    let page = read(Path::new("docs/comparison.md"));
    let (mut without, mut seen) = (Vec::new(), 0);
    for part in ["## What keeps the registry\n", "## Other registries\n"] {
        let (_, rest) = page.split_once(part).unwrap();
        let rows = rest.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with('|'));
        for (at, row) in rows.enumerate().filter(|(at, _)| *at != 1) {
            let cells = row.trim_matches('|').split('|').map(str::trim).skip(1);
            let plain = cells.inspect(|_| seen += 1).filter(|cell| !cell.contains("]("));
            let bare =
                plain.filter(|cell| at == 0 || cell.split(' ').count() > 3 || *cell == "not looked up");
            without.extend(bare.map(|cell| format!("{row}: `{cell}`")));
        }
    }
    assert!(without.is_empty(), "without a source: {without:#?}");
    assert!(seen > 150, "only {seen} cells: the search is broken");
}

#[test]
fn the_index_has_every_page() {
    let index = read(Path::new("docs/README.md"));
    let listed: BTreeSet<&str> = targets(&index).collect();
    let missing: Vec<PathBuf> = documents()
        .into_iter()
        .filter(|page| page.parent() == Some(Path::new("docs")) && !page.ends_with("README.md"))
        .filter(|page| !listed.contains(page.file_name().unwrap().to_str().unwrap()))
        .collect();
    assert!(missing.is_empty(), "not in docs/README.md: {missing:?}");
}

#[test]
fn the_documents_name_files_that_exist() {
    let mut missing = Vec::new();
    let mut named = 0;
    for document in documents() {
        let text = read(&document);
        for name in text.split('`').filter(|code| code.ends_with(".rs") && !code.contains(['*', ' '])) {
            named += 1;
            if !root().join(name).exists() && !root().join("src").join(name).exists() {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no such files: {missing:?}");
    assert!(named > 15, "only {named} files named: the search is broken");
}

#[test]
fn prose_is_told_from_code_and_tables() {
    let page = "# A heading\n\nOne sentence. Two,\nover a line.\n\n- An item\n\n```sh\ncode\n```\n\n\
                | a | [b](c.md) \\| d |\n|---|---|\n";
    let prose = Prose::of(page);
    assert_eq!(prose.paragraphs, [vec!["One sentence. Two,", "over a line."], vec!["- An item"]]);
    assert_eq!(prose.words_and_sentences(), (8, 3));
    assert_eq!(prose.cells, ["a", "[b] \\| d", "---", "---"]);
    assert_eq!(anchors(page), BTreeSet::from(["a-heading".to_owned()]));
    assert!(has_word("It is told.", "is told") && !has_word("This told", "is told"));
    let sources = "fn a_b_c() {}\n    #[test]\n    #[ignore]\n    async fn d_e_f() {}\n";
    assert!(is_test(sources, "d_e_f") && !is_test(sources, "a_b_c") && !is_test(sources, "e_f"));
    assert!(is_name_of_a_test("d_e_f") && !is_name_of_a_test("ext_auth") && !is_name_of_a_test("A_b_c"));
    let links = "[CVE-1](https://x/CVE-1) [CVE-2](https://x/CVE-20) CVE-3";
    let held: Vec<bool> =
        links.match_indices("CVE-").map(|(at, _)| stands_in_a_link_to_itself(links, at)).collect();
    assert_eq!(held, [true, true, false, false, false]);
    assert_eq!(first_words("//! Of it\n//! all\n\n/// What, how\n/// Why\nfn f() {}\n"), ["Of", "What"]);
}

/// A page of Markdown without its code blocks, headings and HTML.
struct Prose<'a> {
    /// By their numbers, from 1.
    lines: Vec<(usize, &'a str)>,
    /// The lines of each paragraph and of each item of a list.
    paragraphs: Vec<Vec<&'a str>>,
    cells: Vec<String>,
}

impl<'a> Prose<'a> {
    fn of(page: &'a str) -> Self {
        let mut prose = Self { lines: Vec::new(), paragraphs: Vec::new(), cells: Vec::new() };
        let (mut in_code, mut open) = (false, false);
        for (at, line) in page.lines().enumerate() {
            let text = line.trim_start();
            let is_fence = text.starts_with("```");
            in_code ^= is_fence;
            let is_table = text.starts_with('|');
            if is_table && !in_code {
                prose.cells.extend(cells(text));
            }
            let is_other = is_fence || in_code || is_table || line.starts_with("     ");
            if is_other || text.is_empty() || text.starts_with(['#', '<']) {
                open = false;
                continue;
            }
            prose.lines.push((at + 1, line));
            match prose.paragraphs.last_mut() {
                Some(paragraph) if open && !begins_item(text) => paragraph.push(text),
                _ => prose.paragraphs.push(vec![text]),
            }
            open = true;
        }
        prose
    }

    /// A paragraph that ends without a full stop ends a sentence as well.
    fn words_and_sentences(&self) -> (usize, usize) {
        let (mut words, mut sentences) = (0, 0);
        for paragraph in &self.paragraphs {
            let text = without_targets(&paragraph.join(" "));
            let all: Vec<&str> =
                text.split_whitespace().filter(|w| w.contains(char::is_alphanumeric)).collect();
            words += all.len();
            let ends = all.iter().zip(all.iter().skip(1)).filter(|(word, next)| ends_sentence(word, next));
            sentences += ends.count() + usize::from(!all.is_empty());
        }
        (words, sentences)
    }
}

fn begins_item(text: &str) -> bool {
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    text.starts_with("- ") || (number.len() < text.len() && number.starts_with(". "))
}

fn ends_sentence(word: &str, next: &str) -> bool {
    let ends = word.trim_end_matches(['"', ')', '*', ']', '_']).ends_with(['.', '!', '?']);
    ends && !next.starts_with(|c: char| c.is_lowercase())
}

/// The cells of a row, in which a bar with a backslash before it is a character.
fn cells(row: &str) -> Vec<String> {
    let row = without_targets(row).replace("\\|", "\0");
    let inside = row.trim().trim_matches('|');
    inside.split('|').map(|cell| cell.trim().replace('\0', "\\|")).collect()
}

/// `[text](target)` becomes `[text]`.
fn without_targets(text: &str) -> String {
    let mut parts = text.split("](");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        whole.push(']');
        whole.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    whole
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The whole word, or words, in any case.
fn has_word(line: &str, word: &str) -> bool {
    let line = line.to_lowercase();
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

/// The page without what stands in fences and between backticks.
fn without_blocks(page: &str) -> String {
    let text: Vec<&str> = page.split("```").step_by(2).collect();
    without_code(&text.concat())
}

/// The targets of links and pictures.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let pictures = ["src=\"", "srcset=\""].into_iter().flat_map(|key| text.split(key).skip(1));
    links.chain(pictures.filter_map(|rest| rest.split('"').next()))
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let text: String = page.split("```").step_by(2).collect();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || ['-', '_', ' '].contains(c);
    let anchor = |heading: &str| -> String {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        title.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The first word of each doc comment, without what follows it.
fn first_words(source: &str) -> Vec<String> {
    let (mut words, mut before) = (Vec::new(), "");
    for line in source.lines() {
        let text = line.trim_start();
        let mark = ["//!", "///"].into_iter().find(|mark| text.starts_with(mark)).unwrap_or_default();
        if let Some(comment) = text.strip_prefix(mark).filter(|_| !mark.is_empty() && mark != before) {
            let word = comment.split_whitespace().next().unwrap_or_default();
            words.push(word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned());
        }
        before = mark;
    }
    words
}

/// The pages of the documentation, relative to the root. The changelog is a record, not a page to read through.
pub(crate) fn documents() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("benches/README.md")];
    for folder in ["", "docs"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let pages = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
        found.extend(pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")));
    }
    found.retain(|page| page != Path::new("CHANGELOG.md"));
    found.sort();
    assert!(found.len() > 10, "only {found:?}");
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}
