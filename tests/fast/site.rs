//! The site that `make site` makes of the documents: a page for each of them, no dead link, and nothing that a browser
//! would fetch from another origin.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Component, Path, PathBuf},
    process::Command,
};

use crate::{documents::documents, support::sources::root};

#[test]
fn the_site_has_every_document_and_what_they_link_to() {
    let sources = tempfile::tempdir().unwrap();
    let mut make = Command::new(root().join(".ci/site"));
    let output = make.arg("--sources").arg(sources.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let contents = fs::read_to_string(sources.path().join("SUMMARY.md")).unwrap();
    let pages = documents();
    assert!(pages.contains(&PathBuf::from("docs/threat-model.md")));
    for page in pages {
        let page = page.to_str().unwrap().replace("README.md", "index.md");
        assert!(contents.contains(&format!("]({page})\n")), "docs/README.md does not list {page}");
        assert!(sources.path().join(&page).exists(), "{page} is not copied");
    }
    for file in ["config/reference.yml", "LICENSE", "docs/audit.schema.json"] {
        assert!(sources.path().join(file).exists(), "{file} is not copied");
    }
}

#[test]
#[ignore = "`make site` makes the site, then runs this"]
fn no_link_of_the_site_is_dead_and_nothing_is_of_another_origin() {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let site = Site::read(&target.join("site/html"));
    assert!(site.files.len() > 50, "only {} files: `make site` first", site.files.len());
    let faults = site.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn faults_of_a_site_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "index.html",
        "<h1 id=\"top\">A</h1><a href=\"a/b.html#part\">b</a> <a href=\"https://x.example/\">x</a>",
    );
    write(
        "a/b.html",
        "<h2 id=\"part\">B</h2><a href=\"../index.html\">A</a><link href=\"../s.css\"><a href=\"#part\">",
    );
    write("s.css", "a { background: url(b.png) }");
    assert_eq!(Site::read(folder.path()).faults(), [""; 0]);

    write(
        "index.html",
        "<a href=\"a/c.html\"><a href=\"a/b.html#none\"><a href=\"#none\"><img src=\"//x.example/i\">",
    );
    write("a/b.html", "<script src='https://x.example/s.js'></script><a href=\"../../above.html\">");
    write("s.css", "@import url(\"https://x.example/s.css\")");
    let expected = [
        "a/b.html: ../../above.html",
        "a/b.html: https://x.example/s.js is of another origin",
        "index.html: #none",
        "index.html: //x.example/i is of another origin",
        "index.html: a/b.html#none",
        "index.html: a/c.html",
        "s.css: names another origin",
    ];
    assert_eq!(Site::read(folder.path()).faults(), expected);
}

/// The files of a site by their paths, with the text of pages and styles, and nothing of others.
struct Site {
    files: BTreeMap<PathBuf, String>,
}

impl Site {
    fn read(folder: &Path) -> Self {
        let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
        while let Some(inner) = folders.pop() {
            for entry in fs::read_dir(&inner).unwrap_or_else(|error| panic!("{}: {error}", inner.display())) {
                let path = entry.unwrap().path();
                let is_text =
                    path.extension().is_some_and(|extension| extension == "html" || extension == "css");
                let text = || fs::read_to_string(&path).unwrap();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let text = if is_text { text() } else { String::new() };
                        files.insert(path.strip_prefix(folder).unwrap().to_owned(), text);
                    }
                }
            }
        }
        Self { files }
    }

    /// Dead links, and what a browser would fetch from another origin; sorted.
    fn faults(&self) -> Vec<String> {
        let mut faults = BTreeSet::new();
        for (path, text) in &self.files {
            let name = path.display();
            if path.extension().is_some_and(|extension| extension == "css") {
                let addresses = text.split("url(").skip(1).map(|rest| rest.trim_start_matches(['"', '\'']));
                if addresses
                    .into_iter()
                    .any(|address| address.starts_with("http") || address.starts_with("//"))
                {
                    faults.insert(format!("{name}: names another origin"));
                }
                continue;
            }
            for (tag, target) in references(text) {
                if target.contains("://") || target.starts_with("//") {
                    if tag != "a" {
                        faults.insert(format!("{name}: {target} is of another origin"));
                    }
                } else if !self.has(path, target) {
                    faults.insert(format!("{name}: {target}"));
                }
            }
        }
        faults.into_iter().collect()
    }

    /// Returns true if a link in a page leads to a file, and to a part of it if it names one.
    fn has(&self, page: &Path, target: &str) -> bool {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = match path {
            "" => Some(page.to_owned()),
            path => normal(&page.parent().unwrap().join(path)),
        };
        let text = file.and_then(|file| self.files.get(&file));
        text.is_some_and(|text| anchor.is_empty() || text.contains(&format!("id=\"{anchor}\"")))
    }
}

/// The targets of links, pictures, scripts and styles in a page, and the name of the element of each.
fn references(page: &str) -> Vec<(&str, &str)> {
    let tags = page.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    let attributes = |tag: &str| -> Vec<(usize, char)> {
        let starts = ["href=", "src=", "srcset="].into_iter().flat_map(|key| {
            tag.match_indices(key)
                .filter(|(at, _)| tag[..*at].ends_with([' ', '\n']))
                .map(move |(at, key)| at + key.len())
        });
        starts.filter_map(|at| tag[at..].chars().next().map(|quote| (at + 1, quote))).collect()
    };
    let mut found = Vec::new();
    for tag in tags {
        let name = tag.split_whitespace().next().unwrap_or_default();
        for (at, quote) in attributes(tag).into_iter().filter(|(_, quote)| ['"', '\''].contains(quote)) {
            found.push((name, tag[at..].split(quote).next().unwrap()));
        }
    }
    found
}

/// A path without `..`; `None` if it leads out of the site.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => normal.pop().then_some(())?,
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    Some(normal)
}
