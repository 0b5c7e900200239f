//! The catalogue shows to each account the repositories that it may pull, all of them and never a name more, in pages
//! of any size; or, with `registry.catalog: strict`, all or nothing.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    audit,
    curl::{Request, Response, curl, curl_at},
    page_client::Visitor,
    portwarden::{ADMIN, ANYBODY, Portwarden, TEST, TEST2, USER, portwarden, portwarden_at},
    process::pause,
    registry::{Registry, registry, registry_with_pages_of},
    token_exchange,
};

/// An account with some rights of each kind: by a glob, by an expression, by a name, and one taken away by an earlier
/// rule.
const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "user", name: "team3/secret"}
    actions: []
  - match: {account: "user", name: "team3/*"}
    actions: ["pull"]
  - match: {account: "user", name: "/^team1/app-?[0-4]$/"}
    actions: ["pull", "push"]
  - match: {account: "user", name: "zebra"}
    actions: ["pull"]
  - match: {account: "test2"}
    actions: ["push"]
  - match: {account: "", name: "team2/app*"}
    actions: ["pull"]
"#;

/// Names of which some sort differently by path than by byte.
fn names() -> Vec<String> {
    let mut names: Vec<String> = (0..300).map(|n| format!("team{}/app{}", n % 7, n / 7)).collect();
    names.extend(
        ["zebra", "team1", "team1-x", "team1/app-3", "team3/secret", "team3/a/b", "team3.x/app"]
            .map(str::to_owned),
    );
    names
}

fn stocked() -> Registry {
    let registry = registry();
    registry.add_repositories(&names());
    registry
}

#[test]
fn each_account_sees_exactly_what_it_may_pull_whatever_the_size_of_a_page() {
    let registry = stocked();
    let warden = portwarden(&registry).users(&[ADMIN, USER, TEST2, TEST, ANYBODY]).acl(ACL).start();
    let whole = listed(&curl_at(&registry.url()), "1000");
    assert_eq!(whole.len(), names().len());
    for (user, expected) in [(ADMIN, whole.len()), (USER, 43 + 6 + 1), (TEST2, 0), (TEST, 0), (ANYBODY, 43)] {
        // A client that shows nothing is challenged, and comes back with a token of the anonymous user.
        let anonymous = token_exchange::token(&warden, user, &["registry:catalog:*", "repository:a:pull"]);
        let ask =
            || if user == ANYBODY { curl(&warden).bearer(&anonymous) } else { curl(&warden).user(user) };
        let pulling = || if user == ANYBODY { curl(&warden) } else { curl(&warden).user(user) };
        let may_pull: Vec<String> = whole.iter().filter(|name| pulls(&pulling(), name)).cloned().collect();
        assert_eq!(may_pull.len(), expected, "{}", user.name);
        for n in ["", "1", "7", "50", "51", "100", "1000", "5000", "-1", "x"] {
            assert_eq!(listed(&ask(), n), may_pull, "{} with n={n}", user.name);
        }
    }
}

#[test]
fn nothing_tells_that_there_are_names_which_one_may_not_see() {
    let registry = stocked();
    let warden = portwarden(&registry).acl(ACL).start();
    let all = listed(&curl(&warden).user(USER), "1000");
    let ask = |query: &str| curl(&warden).user(USER).get(&format!("/v2/_catalog?{query}")).is(200);
    let exact = ask(&format!("n={}", all.len()));
    assert_eq!(exact.json()["repositories"].as_array().unwrap().len(), all.len());
    assert_eq!(exact.header("link"), None, "there are more in the registry, and none for this account");
    let short = ask(&format!("n={}", all.len() - 1));
    assert!(short.header("link").unwrap().ends_with("; rel=\"next\""), "{short:?}");
    // Behind a name that one may not see, and one that does not exist.
    for (last, left_out) in [("team0/app1", 0), ("team2/nowhere", 6)] {
        assert_eq!(names_in(&ask(&format!("n=1000&last={last}"))), all[left_out..], "behind {last}");
    }
    assert_eq!(names_in(&ask("n=0")), [""; 0]);
    assert_eq!(names_in(&ask("last=zebra")), [""; 0]);
    let nobody = curl(&warden).user(TEST).get("/v2/_catalog").is(200);
    assert_eq!((nobody.text().as_str(), nobody.header("link")), ("{\"repositories\":[]}\n", None));
    assert_eq!(nobody.header("docker-distribution-api-version"), Some("registry/2.0"));
}

#[test]
fn a_token_for_the_catalogue_lists_and_another_one_is_told_which_to_ask_for() {
    let registry = stocked();
    let warden = portwarden(&registry).acl(ACL).start();
    let list = |token: &str| curl(&warden).bearer(token).get("/v2/_catalog?n=1000");
    let for_the_catalogue = token_exchange::token(&warden, USER, &["registry:catalog:*"]);
    assert_eq!(names_in(&list(&for_the_catalogue).is(200)), listed(&curl(&warden).user(USER), "1000"));
    let for_another = token_exchange::token(&warden, USER, &["repository:zebra:pull"]);
    let denied = list(&for_another).is(401);
    let challenge = denied.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"registry:catalog:*\""), "{challenge}");
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    // Without an anonymous account, every client must show credentials.
    let challenge = curl(&warden).get("/v2/_catalog").is(401);
    assert!(challenge.header("www-authenticate").unwrap().contains("registry:catalog:*"));
    // Other methods are not answered for the registry.
    for method in ["HEAD", "POST", "DELETE"] {
        assert_eq!(
            curl(&warden).user(USER).option(&["--head"]).send(method, "/v2/_catalog").status,
            401,
            "{method}"
        );
    }
}

#[test]
fn a_right_that_is_taken_away_is_gone_from_the_next_list() {
    let registry = stocked();
    let mut warden = portwarden(&registry).acl(ACL).start();
    let token = token_exchange::token(&warden, USER, &["registry:catalog:*"]);
    let list =
        |warden: &Portwarden| names_in(&curl(warden).bearer(&token).get("/v2/_catalog?n=1000").is(200));
    assert!(list(&warden).contains(&"zebra".to_owned()));
    warden.reload(|builder| builder.acl(&ACL.replace("\"zebra\"", "\"zebu\"")));
    assert!(!list(&warden).contains(&"zebra".to_owned()));
}

/// One question for each name: what a stranger's one request makes of commands is bounded in time.
#[test]
fn a_command_that_decides_slowly_is_not_asked_about_names_without_end() {
    let registry = stocked();
    let warden = portwarden(&registry)
        .acl("  []")
        .with("ext_authz: {command: /bin/sh, args: ['-c', 'sleep 1; exit 1']}")
        .start();
    let pages = Visitor::signed_in(&warden, USER);
    let (list, page) = thread::scope(|scope| {
        let list =
            scope.spawn(|| curl(&warden).user(USER).seconds(120).get("/v2/_catalog?last=team3&n=1000"));
        let page = scope.spawn(|| pages.request().seconds(120).get("/"));
        (list.join().unwrap(), page.join().unwrap())
    });
    assert_eq!((list.status, page.status), (504, 504), "{} {}", list.text(), page.text());
    assert!(list.text().contains("a back end decides too slowly"), "{}", list.text());
}

/// The report: an account without rights that lists 5,000 repositories ran the command 5,002 times.
#[test]
fn rule_35_a_list_runs_the_command_a_bounded_number_of_times() {
    let registry = registry();
    registry.add_repositories(&(0..1500).map(|n| format!("team/app{n:04}")).collect::<Vec<_>>());
    let directory = tempfile::tempdir().unwrap();
    let runs = directory.path().join("runs");
    let command =
        format!("ext_authz: {{command: /bin/sh, args: ['-c', 'echo x >>{}; exit 1']}}", runs.display());
    let warden = portwarden(&registry).acl("  []").with(&command).start();
    let list = curl(&warden).user(USER).seconds(60).get("/v2/_catalog?n=1");
    let count = fs::read_to_string(&runs).unwrap().lines().count();
    assert!(count <= 1001, "{count} runs");
    assert_eq!(list.status, 504, "{}", list.text());
    let few = curl(&warden).user(USER).get("/v2/_catalog?n=1&last=team/app1480").is(200);
    assert_eq!(names_in(&few), [""; 0]);
}

/// Each reading makes the registry look through its whole store.
#[test]
fn rule_35_all_that_list_at_once_share_one_reading_of_the_registry() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let upstream = answers(move |target| {
        if target.starts_with("/v2/_catalog") {
            counted.fetch_add(1, Ordering::Relaxed);
            pause(Duration::from_millis(300));
        }
        page("{\"repositories\":[\"team1/app-1\",\"team2/app1\"]}", "")
    });
    let acl = format!("{ACL}\n  - match: {{account: \"\", type: \"registry\"}}\n    actions: [\"*\"]");
    let warden = portwarden_at(&upstream).users(&[ADMIN, USER, ANYBODY]).acl(&acl).start();
    let whole = token_exchange::token(&warden, ANYBODY, &["registry:catalog:*"]);
    let ask = |n: usize| match n % 2 {
        0 => curl(&warden).user(USER).get("/v2/_catalog?n=1").is(200),
        _ => curl(&warden).bearer(&whole).get("/v2/_catalog?n=5").is(200),
    };
    let names: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|n| scope.spawn(move || names_in(&ask(n)).len())).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    assert_eq!(names, [1, 2, 1, 2, 1, 2, 1, 2]);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "readings of the registry");
}

/// One client leaves room for others, which wait no longer than for themselves.
#[test]
fn rule_35_one_client_has_few_lists_made_at_once() {
    let registry = stocked();
    let command = "grep -q Type.:.registry && exit 1; sleep 60; exit 1";
    let slow =
        format!("ext_authz: {{command: /bin/sh, args: ['-c', '{command}']}}\nbackends: {{timeout: 15s}}");
    let warden = portwarden(&registry).acl("  []").with(&slow).with(crate::support::metrics::ON).start();
    let refused = |status: &u16| *status == 503;
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask =
            |n: usize| curl(&warden).user(USER).seconds(30).get(&format!("/v2/_catalog?last=x{n}")).status;
        let asking: Vec<_> = (0..30).map(|n| scope.spawn(move || ask(n))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(refused), "{statuses:?}");
    let counted =
        crate::support::metrics::value(&warden, r#"portwarden_limited_total{limit="catalog"}"#).unwrap();
    assert!(counted >= 14.0, "{counted} of 30 got no place");
}

#[test]
fn strict_is_all_or_nothing() {
    let registry = stocked();
    let warden = portwarden(&registry).acl(ACL).registry_setting("catalog", "strict").start();
    assert_eq!(
        curl(&warden).user(USER).get("/v2/_catalog").denial(),
        "account 'user' may not list the catalog of this registry"
    );
    assert_eq!(listed(&curl(&warden).user(ADMIN), "50").len(), names().len());
}

#[test]
fn a_registry_that_gives_small_pages_is_read_to_its_end() {
    let registry = registry_with_pages_of(10);
    registry.add_repositories(&names());
    let warden = portwarden(&registry).acl(ACL).start();
    assert_eq!(listed(&curl(&warden).user(USER), "1000").len(), 50);
}

#[test]
fn a_registry_that_gives_no_catalogue_is_named_as_the_one_at_fault() {
    for (answer, says) in [
        ("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "it answers 404"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]", "it answers 200"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\n{}", "broke off"),
    ] {
        let upstream = answers(move |_| answer.to_owned());
        let warden = portwarden_at(&upstream).start();
        let failed = curl(&warden).user(USER).get("/v2/_catalog").is(502);
        assert!(failed.error().1.contains(says), "{}", failed.text());
    }
    let empty = answers(|_| page("{\"repositories\":null}", ""));
    assert_eq!(
        names_in(&curl(&portwarden_at(&empty).start()).user(USER).get("/v2/_catalog").is(200)),
        [""; 0]
    );
    let large = answers(|_| page(&format!("{{\"repositories\":[\"{}\"]}}", "a".repeat(5 << 20)), ""));
    let failed = curl(&portwarden_at(&large).start()).user(USER).get("/v2/_catalog").is(502);
    assert!(failed.error().1.contains("more than 4 MiB"), "{}", failed.text());
    // One that says for ever that there is more comes to an end.
    let endless = answers(|_| page("{\"repositories\":[\"a\"]}", "Link: </v2/_catalog>; rel=\"next\"\r\n"));
    let warden = portwarden_at(&endless).start();
    assert_eq!(names_in(&curl(&warden).user(USER).get("/v2/_catalog").is(200)), ["a", "a"]);
}

#[test]
fn a_hundred_thousand_repositories_are_listed_in_bounded_memory() {
    const ALL: usize = 100_000;
    let upstream = answers(|target| {
        let last = target.split_once("app").map(|(_, last)| &last[..6]);
        let first = last.map_or(0, |last| last.parse::<usize>().unwrap() + 1);
        let end = (first + 1000).min(ALL);
        let mut names = String::new();
        for n in first..end {
            let _ = write!(names, "{}\"team/app{n:06}\"", if n == first { "" } else { "," });
        }
        let link = if end < ALL { "Link: </v2/_catalog>; rel=\"next\"\r\n" } else { "" };
        page(&format!("{{\"repositories\":[{names}]}}"), link)
    });
    let acl = "\n  - match: {account: \"user\", name: \"/[05]00$/\"}\n    actions: [\"pull\"]\n";
    let warden = portwarden_at(&upstream).acl(acl).start();
    // The first request warms what stays.
    curl(&warden).user(USER).get("/v2/_catalog?n=1").is(200);
    let before = warden.peak_rss_kib();
    let seen = listed(&curl(&warden).user(USER), "1000");
    assert_eq!((seen.len(), seen.last().map(String::as_str)), (200, Some("team/app099500")));
    let grown = warden.peak_rss_kib() - before;
    assert!(grown < 8 << 10, "{grown} KiB more than before");
}

#[test]
fn the_audit_log_says_why_it_is_a_part() {
    let registry = stocked();
    let warden = portwarden(&registry).acl(ACL).with(audit::TO_FILE).start();
    curl(&warden).user(USER).get("/v2/_catalog").is(200);
    let line = audit::line_with(&warden.file("audit.log"), &[("route", "catalog")]);
    assert_eq!(line["decision"], "allowed");
    assert_eq!(line["rule"], "the names that may be pulled; not all: no rule matches");
}

/// The names of all pages, from the first, following each link as it stands.
#[track_caller]
fn listed(ask: &Request, n: &str) -> Vec<String> {
    let (mut names, mut target) = (Vec::new(), "/v2/_catalog".to_owned());
    if !n.is_empty() {
        let _ = write!(target, "?n={n}");
    }
    loop {
        let page = ask.clone().get(&target).is(200);
        let on_this_page = names_in(&page);
        if let Ok(n) = n.parse::<usize>() {
            assert!(on_this_page.len() <= n, "{} names on a page of {n}", on_this_page.len());
        }
        names.extend(on_this_page);
        match page.header("link") {
            Some(link) => link.split(['<', '>']).nth(1).unwrap().clone_into(&mut target),
            None => return names,
        }
    }
}

fn names_in(page: &Response) -> Vec<String> {
    let json = page.json();
    let names = json["repositories"].as_array().unwrap_or_else(|| panic!("no list: {json}"));
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Returns true if a pull is let through: the repositories are empty, so that the registry has nothing to give.
fn pulls(ask: &Request, name: &str) -> bool {
    match ask.clone().get(&format!("/v2/{name}/manifests/none")).status {
        404 => true,
        401 => false,
        other => panic!("{other} for {name}"),
    }
}

fn page(json: &str, headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{json}", json.len())
}

/// An upstream that answers each request with what `answer` makes of its target, and closes after it. Its threads end
/// with the process.
fn answers(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, &answer));
        }
    });
    url
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> String) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    if lines.by_ref().any(|line| line.is_empty()) {
        let target = request.split(' ').nth(1).unwrap_or_default();
        let _ = stream.write_all(answer(target).as_bytes());
    }
}
