//! The line `Needs:` at the head of each module in `tests/services/` and `tests/system/` is true: it names the programs
//! that the module starts, itself or by the parts of the harness that it uses, and no other. Modules here need none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::support::{programs, sources};

/// Programs by the names under which sources start them, and the needs that they stand for: `root`, or names of the
/// table in `.ci/install`.
const PROGRAMS: [(&str, &[&str]); 44] = [
    ("/lib/systemd/systemd-journald", &["systemd"]),
    ("/usr/bin/mariadb", &["mariadb"]),
    ("/usr/bin/mariadb-install-db", &["mariadb"]),
    ("/usr/sbin/mariadbd", &["mariadb"]),
    ("/usr/sbin/slapadd", &["slapd"]),
    ("/usr/sbin/slapd", &["slapd"]),
    ("buildx/current/buildx", &["buildx"]),
    ("chromedriver", &["chromium"]),
    ("containerd", &["containerd", "root"]),
    ("ctr", &["containerd"]),
    ("curl", &["curl"]),
    ("docker", &["docker"]),
    ("docker-registry", &["docker-registry"]),
    ("dockerd", &["docker", "root"]),
    ("h2load", &["h2load"]),
    ("haproxy", &["haproxy"]),
    ("helm/current/helm", &["helm"]),
    ("htpasswd", &["htpasswd"]),
    ("initdb", &["postgresql"]),
    ("java", &["java"]),
    ("journalctl", &["systemd"]),
    ("jq", &["jq"]),
    ("libfaketimeMT.so.1", &["faketime"]),
    ("mandoc", &["mandoc"]),
    ("mount", &["root"]),
    ("node", &["node"]),
    ("openssl", &["openssl"]),
    ("oras/current/oras", &["oras"]),
    ("pebble/current/pebble", &["pebble"]),
    ("pebble/current/pebble-challtestsrv", &["pebble"]),
    ("podman", &["podman", "root"]),
    ("postgres", &["postgresql"]),
    ("prlimit", &["prlimit"]),
    ("psql", &["postgresql"]),
    ("registry-3/current/registry", &["registry-3"]),
    ("skopeo", &["skopeo"]),
    ("slowhttptest", &["slowhttptest"]),
    ("sqlite3", &["sqlite3"]),
    ("strace", &["strace"]),
    ("step-ca/current/step-ca", &["step-ca"]),
    ("systemd-analyze", &["systemd"]),
    ("systemd-socket-activate", &["systemd"]),
    ("testssl", &["testssl"]),
    ("unshare", &["root"]),
];

/// Programs that every Debian has: no module names them.
const EVERYWHERE: [&str; 9] =
    ["cp", "git", "install", "kill", "script", "setpriv", "sh", "timeout", "umount"];

/// Calls whose first argument is the name of a program.
const STARTS: [&str; 5] =
    ["Command::new(", "Process::start(", "command::run(", "programs::command(", "programs::require("];

#[test]
fn each_module_names_the_programs_that_it_needs() {
    let harness = Harness::read();
    let (mut wrong, mut named) = (Vec::new(), 0);
    for program in ["services", "system"] {
        for (module, source) in modules(program) {
            let needed = harness.needs_of(&source);
            named += needed.len();
            let is_stated = stated(&source);
            if is_stated.as_ref() != Some(&needed) {
                let expected = line(&needed);
                wrong.push(format!("tests/{program}/{module}: expected `{expected}`, found {is_stated:?}"));
            }
            if program == "services" && needed.contains("root") {
                wrong.push(format!("tests/services/{module} needs root: move it to tests/system"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named > 80, "only {named} needs: the search is broken");
}

#[test]
fn fast_modules_start_no_program() {
    let harness = Harness::read();
    for (module, source) in modules("fast").into_iter().filter(|(module, _)| module != "needs") {
        assert_eq!(
            harness.needs_of(&source),
            BTreeSet::new(),
            "tests/fast/{module} belongs to tests/services"
        );
    }
    let main = read(&sources::root().join("tests/fast/main.rs"));
    let parts = main.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'));
    let parts: Vec<&str> = parts.collect();
    assert!(parts.len() > 5, "only {parts:?}: the search is broken");
    for part in parts {
        assert_eq!(harness.needs(part), BTreeSet::new(), "support::{part} starts programs");
    }
}

#[test]
fn each_program_that_is_started_is_known() {
    let mut unknown = Vec::new();
    let mut started = 0;
    for file in sources::files("tests").iter().filter(|file| !file.ends_with("fast/needs.rs")) {
        let source = read(file);
        for program in STARTS.iter().flat_map(|call| first_arguments(&source, call)) {
            started += 1;
            let is_known = PROGRAMS.iter().any(|(name, _)| *name == program) || EVERYWHERE.contains(&program);
            if !is_known {
                unknown.push(format!("{}: {program}", file.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "neither in PROGRAMS nor EVERYWHERE: {unknown:#?}");
    assert!(started > 40, "only {started} programs: the search is broken");
}

#[test]
fn each_need_is_installed_by_make_tools() {
    let install = read(&sources::root().join(".ci/install"));
    let is_installed = |need: &str| {
        let mut rows = install.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.any(|row| row.len() > 1 && row.iter().any(|word| word.trim_end_matches("-server") == need))
    };
    for need in PROGRAMS.iter().flat_map(|(_, needs)| *needs).filter(|need| **need != "root") {
        assert!(is_installed(need), ".ci/install does not bring {need}");
    }
}

#[test]
fn a_program_that_is_missing_is_named_with_the_way_to_get_it() {
    let refused = std::panic::catch_unwind(|| programs::require("no-such-program")).unwrap_err();
    let sentence = refused.downcast_ref::<String>().unwrap();
    assert!(sentence.contains("no no-such-program") && sentence.contains("`make tools`"), "{sentence}");
    programs::require("sh");
}

#[test]
fn needs_are_read_from_imports_and_calls() {
    let source = "use crate::support::{\n    a::{self, c},\n    b,\n};\nfn f() { support::d::run(\"sh\") }";
    assert_eq!(parts_of(source), BTreeSet::from(["a", "b", "d"].map(str::to_owned)));
    assert_eq!(parts_of("use super::x::y;\n"), BTreeSet::from(["x".to_owned()]));
    assert_eq!(strings("f(\"a\\\"b\", \"c\") // \"d\"\n"), ["a\\\"b", "c"]);
    assert_eq!(stated("//! Of it.\n//!\n//! Needs: a, b.\n"), Some(["a", "b"].map(str::to_owned).into()));
    assert_eq!(line(&BTreeSet::new()), "//! Needs: no other program.");
}

/// The parts of `tests/support/`, by their names.
struct Harness(BTreeMap<String, String>);

impl Harness {
    fn read() -> Self {
        let files = sources::files("tests/support");
        Self(files.iter().map(|file| (stem(file), read(file))).collect())
    }

    /// The needs of a module: its own, and those of each part of the harness that it uses.
    fn needs_of(&self, source: &str) -> BTreeSet<String> {
        let of_parts = self.closure(parts_of(source)).into_iter().map(|part| own_needs(&self.0[&part]));
        of_parts.chain([own_needs(source)]).flatten().collect()
    }

    /// The needs of a part.
    fn needs(&self, part: &str) -> BTreeSet<String> {
        self.needs_of(&self.0[part])
    }

    /// The parts and those that they use themselves.
    fn closure(&self, parts: BTreeSet<String>) -> BTreeSet<String> {
        let mut open: Vec<String> = parts.into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(part) = open.pop() {
            if let Some(source) = self.0.get(&part).filter(|_| found.insert(part.clone())) {
                open.extend(parts_of(source));
            }
        }
        found
    }
}

/// The modules of a test program, each with its sources: those of a folder are one module.
fn modules(program: &str) -> BTreeMap<String, String> {
    let folder = sources::root().join("tests").join(program);
    let mut modules = BTreeMap::<String, String>::new();
    let mut files = sources::files(&format!("tests/{program}"));
    // The head of a folder's module is that of its `mod.rs`.
    files.sort_by_key(|file| !file.ends_with("mod.rs"));
    for file in files.iter().filter(|file| !file.ends_with("main.rs")) {
        let inside = file.strip_prefix(&folder).unwrap();
        let name = stem(Path::new(inside.components().next().unwrap().as_os_str()));
        modules.entry(name).or_default().push_str(&read(file));
    }
    assert!(modules.len() > 10, "only {modules:?}");
    // The compiler does not look at a file that no `mod` names.
    let main = read(&folder.join("main.rs"));
    for module in modules.keys() {
        let is_run = main.contains(&format!("\nmod {module};\n"));
        assert!(is_run, "tests/{program}/main.rs does not name {module}: its tests do not run");
    }
    modules
}

/// The needs that the head of a module states, or `None` where it has no such line.
fn stated(source: &str) -> Option<BTreeSet<String>> {
    let mut head = source.lines().take_while(|line| line.starts_with("//!"));
    let needs = head.find_map(|line| line.strip_prefix("//! Needs: "))?.trim_end_matches('.');
    let names = needs.split(", ").filter(|name| *name != "no other program");
    Some(names.map(str::to_owned).collect())
}

/// The line that states needs.
fn line(needs: &BTreeSet<String>) -> String {
    let names: Vec<&str> = needs.iter().map(String::as_str).collect();
    let names = if names.is_empty() { "no other program".to_owned() } else { names.join(", ") };
    format!("//! Needs: {names}.")
}

/// The needs of the programs that a source names itself.
fn own_needs(source: &str) -> BTreeSet<String> {
    let strings = strings(source);
    let named = PROGRAMS.iter().filter(|(name, _)| strings.iter().any(|text| shows(text, name)));
    named.flat_map(|(_, needs)| *needs).map(|need| (*need).to_owned()).collect()
}

/// Returns true if a string is a program's name, or the path of a library of that name.
fn shows(text: &str, name: &str) -> bool {
    text == name || name.contains(".so") && text.ends_with(name)
}

/// The parts of the harness that a source imports or calls.
fn parts_of(source: &str) -> BTreeSet<String> {
    let (source, mut parts) = (without_comments(source), BTreeSet::new());
    for path in ["support::", "super::"] {
        for (at, _) in source.match_indices(path) {
            let rest = &source[at + path.len()..];
            match rest.strip_prefix('{') {
                Some(tree) => parts.extend(first_level(tree)),
                None => parts.extend(identifier(rest)),
            }
        }
    }
    parts
}

/// The first names in a tree of imports, up to the brace that ends it.
fn first_level(tree: &str) -> Vec<String> {
    let (mut names, mut depth, mut expects_name) = (Vec::new(), 0, true);
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            character if expects_name && character.is_alphabetic() => {
                names.extend(identifier(&tree[at..]));
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name).filter(|name| !name.is_empty())
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn without_comments(source: &str) -> String {
    source.split_inclusive('\n').filter(|line| !is_comment(line)).collect()
}

/// The strings of a source, without those in comments at the end of a line or over whole lines.
fn strings(source: &str) -> Vec<&str> {
    let code = source.lines().filter(|line| !is_comment(line));
    code.map(|line| line.split(" // ").next().unwrap())
        .flat_map(|line| {
            let quotes: Vec<usize> =
                line.match_indices('"').map(|(at, _)| at).filter(|at| !line[..*at].ends_with('\\')).collect();
            quotes.chunks_exact(2).map(|pair| &line[pair[0] + 1..pair[1]]).collect::<Vec<_>>()
        })
        .collect()
}

/// The strings that stand first between the parentheses of a call.
fn first_arguments<'a>(source: &'a str, call: &str) -> Vec<&'a str> {
    let arguments = source.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    arguments.filter_map(|rest| rest.split('"').next()).collect()
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn read(file: &PathBuf) -> String {
    fs::read_to_string(file).unwrap()
}
