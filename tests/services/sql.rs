//! `xorm_auth` and `acl_xorm` against real databases: SQLite, PostgreSQL and MariaDB, with the tables that docker_auth
//! makes in each.
//!
//! Needs: curl, docker-registry, htpasswd, mariadb, postgresql, sqlite3.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use portwarden::{
    authn::{self, Authenticators, Labels, Outcome, PasswordHash, Secret, Users},
    authz::{self, Authorizers, DecidedBy, Policy, Question, Ruling, SqlRulesSettings},
    backend::{BackendLimits, SqlSettings, Unavailable},
};

use crate::support::{
    curl::curl,
    database::{Failing, Server, Sqlite},
    mariadb::MariaDb,
    portwarden::{User, portwarden},
    postgres::Postgres,
    process::{PATIENCE, eventually},
    registry::registry,
};

/// The timeout of a question here.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The interval between readings of the rules here.
const REFRESH: Duration = Duration::from_secs(1);

fn limits() -> BackendLimits {
    BackendLimits { timeout: TIMEOUT, concurrent: 4, queue: 16 }
}

fn hash(password: &str) -> String {
    PasswordHash::create(&Secret::new(password), 5).unwrap()
}

/// `xorm_auth` alone.
fn accounts(settings: SqlSettings) -> Authenticators {
    let backends = authn::AuthenticationBackendSettings {
        xorm_auth: Some(settings),
        limits: limits(),
        ..Default::default()
    };
    Authenticators::new(Users::build(&[]).unwrap(), authn::Robots::default(), backends, None)
}

async fn ask(accounts: &Authenticators, account: &str, password: &str) -> Result<Outcome, Unavailable> {
    accounts.ask_backends(account, &Secret::new(password), None).await
}

/// `accepted` with its labels, `wrong`, `unknown`, or why there is no answer.
async fn said(accounts: &Authenticators, account: &str, password: &str) -> String {
    match ask(accounts, account, password).await {
        Ok(Outcome::Accepted(identity)) => {
            assert_eq!(identity.account, account);
            let labels: &Labels = &identity.labels;
            format!("accepted {labels:?}")
        }
        Ok(Outcome::WrongPassword) => "wrong".to_owned(),
        Ok(Outcome::NoSuchUser) => "unknown".to_owned(),
        Err(unavailable) => unavailable.to_string(),
    }
}

async fn the_newest_row_of_exactly_this_name_decides(server: &impl Server) {
    server.add_user("bob", &hash("old"), "'{\"group\":[\"old\"]}'");
    server.add_user("bob", &hash("right"), "'{\"group\":[\"dev\",\"ops\"],\"none\":null}'");
    server.add_user("null", &hash("x"), "NULL");
    server.add_user("json-null", &hash("x"), "'null'");
    server.add_user("clear", "x", "NULL");
    server.add_user("bad-labels", &hash("x"), "'[1]'");
    server.add_user("o'brien", &hash("x"), "NULL");
    server.add_user("björn ☃", &hash("x"), "NULL");
    server.add_user("long", &hash(&"x".repeat(72)), "NULL");
    let accounts = accounts(server.settings());
    let bobs = r#"accepted {"group": ["dev", "ops"], "none": []}"#;
    let long = "x".repeat(73);
    for (account, password, expected) in [
        ("bob", "right", bobs),
        ("bob", "old", "wrong"),
        ("bob", "", "unknown"),
        ("", "right", "unknown"),
        ("eve", "right", "unknown"),
        ("null", "x", "accepted {}"),
        ("json-null", "x", "accepted {}"),
        ("clear", "x", "wrong"),
        ("bad-labels", "y", "wrong"),
        ("o'brien", "x", "accepted {}"),
        ("björn ☃", "x", "accepted {}"),
        ("long", &long, "wrong"),
        ("long", &long[1..], "accepted {}"),
        // Names that a database may take for `bob`.
        ("BOB", "right", "unknown"),
        ("bob ", "right", "unknown"),
        ("bób", "right", "unknown"),
        ("bob\0", "right", "unknown"),
        ("bob\u{200b}", "right", "unknown"),
        ("\u{1F600}", "x", "unknown"),
        // Names that are SQL.
        ("' OR '1'='1", "right", "unknown"),
        ("bob' -- ", "right", "unknown"),
        ("bob\\", "right", "unknown"),
        ("'; DROP TABLE xorm_user; --", "right", "unknown"),
        ("%", "right", "unknown"),
        ("$1", "right", "unknown"),
        ("bob", "right", bobs),
    ] {
        assert_eq!(said(&accounts, account, password).await, expected, "{account:?} {password:?}");
    }
    let unread = said(&accounts, "bad-labels", "x").await;
    assert!(unread.contains("xorm_auth gave no answer: row 6 of xorm_user: labels"), "{unread}");
    let many = (0..12).map(|_| {
        let server = server.settings();
        tokio::spawn(async move { said(&self::accounts(server), "bob", "right").await })
    });
    for answer in many.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap(), bobs);
    }
    server.execute("DELETE FROM xorm_user WHERE username = 'bob'");
    assert_eq!(said(&accounts, "bob", "right").await, "unknown");
    server.execute("DROP TABLE xorm_user");
    let missing = said(&accounts, "bob", "right").await;
    assert!(missing.contains("no table xorm_user. docker_auth makes it when it starts"), "{missing}");
}

async fn rows_stand_in_the_order_of_their_numbers(server: &impl Server) {
    for n in 1..=12 {
        server.add_user("bob", &hash(&format!("password {n}")), "NULL");
        server.add_rule(n, &format!(r#"{{"Match":{{"account":"bob"}},"Actions":[],"Comment":"{n}"}}"#));
    }
    server.execute("DELETE FROM xorm_acl_entry WHERE seq = 1");
    let accounts = accounts(server.settings());
    assert_eq!(said(&accounts, "bob", "password 9").await, "wrong");
    assert_eq!(said(&accounts, "bob", "password 12").await, "accepted {}");
    // As text, 10 would come before 2.
    assert_eq!(ruled(&rules(server.settings()), "bob").await, "acl_xorm rule 1 2 ");
}

async fn a_server_that_fails_is_said_at_once_and_found_again(server: &mut impl Failing) {
    server.add_user("bob", &hash("right"), "NULL");
    let accounts = accounts(server.settings());
    assert_eq!(said(&accounts, "bob", "right").await, "accepted {}");

    server.crash();
    let down = said(&accounts, "bob", "right").await;
    assert!(down.contains("Connection refused") && !down.contains("secret"), "{down}");
    server.start_again();
    assert_eq!(said(&accounts, "bob", "right").await, "accepted {}");

    // Restarted while no question was asked: the connection that was kept is dead.
    server.crash();
    server.start_again();
    assert_eq!(said(&accounts, "bob", "right").await, "accepted {}");

    server.hang();
    let questions: Vec<_> = (0..3).map(|_| said(&accounts, "bob", "right")).collect();
    for question in questions {
        let hanging = question.await;
        assert_eq!(hanging, "xorm_auth gave no answer: no answer within 5s");
    }
    server.go_on();
    assert_eq!(said(&accounts, "bob", "right").await, "accepted {}");
}

/// `acl_xorm` alone.
fn rules(settings: SqlSettings) -> Authorizers {
    let acl_xorm = Some(SqlRulesSettings { database: settings, refresh: REFRESH });
    let backends = authz::AuthorizationBackendSettings { acl_xorm, limits: limits(), ..Default::default() };
    Authorizers::new(Policy::default(), authz::Ceilings::default(), backends, None)
}

async fn decide(rules: &Authorizers, account: &str) -> Result<Ruling, Unavailable> {
    let question = Question {
        account,
        labels: &Labels::new(),
        ip: None,
        service: "registry.test",
        resource_type: "repository",
        name: "team/app",
        tag: None,
        actions: &["pull".to_owned(), "push".to_owned()],
        token_scopes: None,
        now: 0,
    };
    rules.decide(&question).await
}

/// The comment of the rule that decides and what it grants, or why there is none.
async fn ruled(rules: &Authorizers, account: &str) -> String {
    match decide(rules, account).await {
        Ok(Ruling { by: DecidedBy::Rule(rule), actions, .. }) => {
            let comment = rule.comment.as_deref().unwrap_or("-").to_owned();
            format!("{rule} {comment} {}", actions.join(","))
        }
        Ok(ruling) => ruling.by.to_string(),
        Err(unavailable) => unavailable.to_string(),
    }
}

/// Waits for a reading or two.
async fn comes_to(rules: &Authorizers, account: &str, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = ruled(rules, account).await;
        if now == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{account}: {now}, not {expected}");
        tokio::time::sleep(REFRESH / 20).await;
    }
}

async fn stays(rules: &Authorizers, account: &str, expected: &str) {
    let until = Instant::now() + REFRESH * 3;
    while Instant::now() < until {
        assert_eq!(ruled(rules, account).await, expected);
        tokio::time::sleep(REFRESH / 20).await;
    }
}

async fn rules_come_in_order_and_change_with_the_table(server: &impl Server) {
    server.add_rule(20, r#"{"Match":{"account":"bob"},"Actions":["*"],"Comment":"second"}"#);
    server.add_rule(10, r#"{"match":{"account":"bo?","name":"team/*"},"actions":["pull"]}"#);
    server.add_rule(30, r#"{"Match":{"account":"/^e/"},"Actions":[],"Comment":"none"}"#);
    let rules = rules(server.settings());
    assert_eq!(ruled(&rules, "bob").await, "acl_xorm rule 1 - pull");
    assert_eq!(ruled(&rules, "eve").await, "acl_xorm rule 3 none ");
    assert_eq!(ruled(&rules, "dan").await, "no rule matches");

    server.execute("DELETE FROM xorm_acl_entry WHERE seq = 10");
    comes_to(&rules, "bob", "acl_xorm rule 1 second pull,push").await;

    server.add_rule(1, r#"{"Match":{"acount":"dan"},"Actions":["*"]}"#);
    stays(&rules, "dan", "no rule matches").await;
    assert_eq!(ruled(&rules, "bob").await, "acl_xorm rule 1 second pull,push");

    server.execute("DELETE FROM xorm_acl_entry WHERE seq = 1");
    server.add_rule(2, r#"{"Match":{"account":"dan"},"Actions":["push"],"Comment":"back"}"#);
    comes_to(&rules, "dan", "acl_xorm rule 1 back push").await;

    server.execute("DELETE FROM xorm_acl_entry");
    comes_to(&rules, "dan", "no rule matches").await;
}

async fn rules_outlive_their_server_for_a_while(server: &mut impl Failing) {
    server.add_rule(1, r#"{"Match":{"account":"bob"},"Actions":["*"],"Comment":"first"}"#);
    let lasting = rules(server.settings());
    assert_eq!(ruled(&lasting, "bob").await, "acl_xorm rule 1 first pull,push");
    server.crash();
    stays(&lasting, "bob", "acl_xorm rule 1 first pull,push").await;
    let late = rules(server.settings());
    let down = ruled(&late, "bob").await;
    assert!(down.contains("acl_xorm gave no answer") && down.contains("Connection refused"), "{down}");

    server.start_again();
    comes_to(&late, "bob", "acl_xorm rule 1 first pull,push").await;
    server.execute("UPDATE xorm_acl_entry SET seq = 5");
    server.add_rule(2, r#"{"Match":{},"Actions":["pull"],"Comment":"newer"}"#);
    comes_to(&lasting, "bob", "acl_xorm rule 1 newer pull").await;

    server.hang();
    let hanging = rules(server.settings());
    let silent = ruled(&hanging, "bob").await;
    assert!(silent.contains("acl_xorm gave no answer"), "{silent}");
    stays(&lasting, "bob", "acl_xorm rule 1 newer pull").await;
    server.go_on();
    comes_to(&hanging, "bob", "acl_xorm rule 1 newer pull").await;
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn accounts() {
        the_newest_row_of_exactly_this_name_decides(&Sqlite::start()).await;
    }

    #[tokio::test]
    async fn rules() {
        rules_come_in_order_and_change_with_the_table(&Sqlite::start()).await;
    }

    #[tokio::test]
    async fn rule_39_rules_that_look_at_labels_left_out_by_a_token_do_not_decide() {
        let server = Sqlite::start();
        server.add_rule(10, r#"{"Match":{"labels":{"team":"d*"}},"Actions":["pull"]}"#);
        let rules = super::rules(server.settings());
        let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let labels =
            Labels::from([("team".to_owned(), texts(&["dev", "ops"])), ("city".to_owned(), texts(&["Ulm"]))]);
        assert!(rules.part(&labels).0.is_empty(), "no rule is known yet");
        comes_to(&rules, "bob", "no rule matches").await;
        let (carried, left_out) = rules.part(&labels);
        assert_eq!(carried, Labels::from([("team".to_owned(), texts(&["dev"]))]));
        let decide = async || {
            let question = Question {
                account: "bob",
                labels: &carried,
                ip: None,
                service: "registry.test",
                resource_type: "repository",
                name: "team/app",
                tag: None,
                actions: &["pull".to_owned()],
                token_scopes: None,
                now: 0,
            };
            let ruling = rules.decide_without(&left_out, &question).await;
            ruling.map(|ruling| ruling.actions).map_err(|error| error.to_string())
        };
        assert_eq!(decide().await, Ok(texts(&["pull"])));
        assert!(!rules.need(&left_out));
        server.add_rule(1, r#"{"Match":{"labels":{"city":"Ulm"}},"Actions":[]}"#);
        let deadline = Instant::now() + REFRESH * 10;
        while decide().await == Ok(texts(&["pull"])) {
            assert!(Instant::now() < deadline, "the rule is not read");
            tokio::time::sleep(REFRESH / 20).await;
        }
        let why = "acl_xorm gave no answer: its rules have changed, and look at labels that the token does not carry";
        assert_eq!(decide().await, Err(why.to_owned()));
        assert!(rules.need(&left_out));
    }

    #[tokio::test]
    async fn order() {
        rows_stand_in_the_order_of_their_numbers(&Sqlite::start()).await;
    }

    #[tokio::test]
    async fn a_path_that_is_mistyped_is_no_new_database() {
        let directory = tempfile::tempdir().unwrap();
        let settings = SqlSettings::parse("sqlite3", "users.db", directory.path()).unwrap();
        let answer = said(&super::accounts(settings), "bob", "right").await;
        assert!(answer.contains("users.db") && answer.contains("unable to open"), "{answer}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_table_that_is_too_large_is_not_read() {
        let many = "WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq <= 100000) \
            INSERT INTO xorm_acl_entry SELECT '{\"Match\":{},\"Actions\":[]}', seq FROM n";
        let large = "INSERT INTO xorm_acl_entry SELECT hex(zeroblob(9000000)), 1";
        for (rows, expected) in
            [(many, "too many rules: 100001 with"), (large, "too many rules: 1 with 18000000 bytes")]
        {
            let server = Sqlite::start();
            server.execute(rows);
            let why = ruled(&super::rules(server.settings()), "bob").await;
            assert!(why.contains(expected), "{why}");
        }
    }

    /// A file from another source may have a view in the table's place, and that one no end.
    #[tokio::test]
    async fn a_table_without_an_end_costs_its_time_and_no_more() {
        let endless = "DROP TABLE xorm_user; CREATE VIEW xorm_user AS \
            WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id > 0) \
            SELECT id, 'u' || id AS username, '' AS password_hash, '' AS labels FROM n";
        let server = Sqlite::start();
        server.execute(endless);
        let accounts = super::accounts(server.settings());
        let answer = said(&accounts, "bob", "right").await;
        assert!(answer.starts_with("xorm_auth gave no answer"), "{answer}");
        assert!(eventually(PATIENCE, || readers_of_files() == 0), "{} still read", readers_of_files());
    }

    #[tokio::test]
    async fn a_value_that_is_too_large_for_memory_is_not_made() {
        let huge = "DROP TABLE xorm_user; CREATE VIEW xorm_user AS \
            SELECT 1 AS id, 'bob' AS username, 'x' AS password_hash, hex(zeroblob(200000000)) AS labels";
        let server = Sqlite::start();
        server.execute(huge);
        // On a busy machine the time for an answer may be over first.
        let mut answers = Vec::new();
        while !answers.last().is_some_and(|answer: &String| answer.ends_with(" says: out of memory")) {
            answers.push(said(&super::accounts(server.settings()), "bob", "right").await);
            assert!(
                answers.iter().all(|answer| answer.starts_with("xorm_auth gave no answer: ")),
                "{answers:?}"
            );
            assert!(answers.len() < 20, "{answers:?}");
        }
        // Questions to another database go on.
        let other = Sqlite::start();
        other.add_user("bob", &hash("right"), "NULL");
        assert_eq!(said(&super::accounts(other.settings()), "bob", "right").await, "accepted {}");
    }

    /// A count of characters that stops at a NUL finds nothing here.
    #[tokio::test]
    async fn the_size_of_a_table_is_that_of_its_bytes() {
        let hidden = "INSERT INTO xorm_acl_entry SELECT CAST(zeroblob(18000000) AS TEXT), 1";
        let server = Sqlite::start();
        server.execute(hidden);
        let why = ruled(&super::rules(server.settings()), "bob").await;
        assert!(why.contains("too many rules: 1 with 18000000 bytes"), "{why}");
    }

    #[tokio::test]
    async fn what_a_database_says_is_one_line_of_the_log_and_not_without_end() {
        let name = format!("forged\n2026-01-01 INFO {}", "x".repeat(5_000));
        let server = Sqlite::start();
        server.execute(&format!(
            "DROP TABLE xorm_user; CREATE VIEW xorm_user AS SELECT \"{name}\"() AS username"
        ));
        let answer = said(&super::accounts(server.settings()), "bob", "right").await;
        assert!(answer.contains("no such function: forged 2026"), "{answer}");
        assert!(!answer.contains('\n') && answer.len() < 500, "{answer}");
    }

    /// The threads of this process that read a file.
    fn readers_of_files() -> usize {
        let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
        threads.map(name).filter(|name| name.starts_with("sqlx-sqlite")).count()
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_counts_from_the_next_question_on() {
        let (server, other) = (Sqlite::start(), Sqlite::start());
        server.add_user("bob", &hash("old"), "NULL");
        other.execute("PRAGMA journal_mode = WAL");
        other.add_user("bob", &hash("new"), "NULL");
        let accounts = super::accounts(server.settings());
        assert_eq!(said(&accounts, "bob", "old").await, "accepted {}");
        fs::rename(other.file(), server.file()).unwrap();
        assert_eq!(said(&accounts, "bob", "old").await, "wrong");
        assert_eq!(said(&accounts, "bob", "new").await, "accepted {}");
    }

    /// A writer that holds the file for longer than a question may take is a database that does not answer.
    #[tokio::test]
    async fn a_locked_file_is_waited_for_and_not_for_ever() {
        use std::io::Write as _;
        let server = Sqlite::start();
        server.add_user("bob", &hash("right"), "NULL");
        let accounts = super::accounts(server.settings());
        let mut holder = std::process::Command::new("sqlite3")
            .arg(server.file())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = holder.stdin.take().unwrap();
        writeln!(input, "BEGIN EXCLUSIVE;\nSELECT 'locked';").unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut line)
            .unwrap();
        assert_eq!(line, "locked\n");
        let answer = said(&accounts, "bob", "right").await;
        assert!(answer.starts_with("xorm_auth gave no answer"), "{answer}");
        drop(input);
        holder.wait().unwrap();
        assert_eq!(said(&accounts, "bob", "right").await, "accepted {}");
    }
}

mod postgres {
    use super::*;

    #[tokio::test]
    async fn accounts() {
        let mut server = <Postgres as Server>::start();
        a_server_that_fails_is_said_at_once_and_found_again(&mut server).await;
        server.execute("TRUNCATE xorm_user RESTART IDENTITY");
        the_newest_row_of_exactly_this_name_decides(&server).await;
    }

    #[tokio::test]
    async fn rules() {
        let mut server = <Postgres as Server>::start();
        rules_come_in_order_and_change_with_the_table(&server).await;
        rules_outlive_their_server_for_a_while(&mut server).await;
    }

    #[tokio::test]
    async fn order() {
        rows_stand_in_the_order_of_their_numbers(&<Postgres as Server>::start()).await;
    }

    /// A notice has any text, and a connection may have any number of them.
    #[test]
    fn what_a_server_notes_is_not_logged() {
        let server = <Postgres as Server>::start();
        server.execute(
            "CREATE FUNCTION note() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN \
             RAISE WARNING E'noted\\n2026-01-01 INFO forged'; RETURN 1; END $$; \
             CREATE VIEW noting AS SELECT note() AS id, 'bob'::text AS username, ''::text AS password_hash, \
             ''::text AS labels; GRANT SELECT ON noting TO reader; DROP TABLE xorm_user; \
             ALTER VIEW noting RENAME TO xorm_user",
        );
        let section = format!("xorm_auth: {{database_type: postgres, conn_string: \"{}\"}}", server.url(""));
        let registry = registry();
        let warden = portwarden(&registry).acl("  - {match: {}, actions: []}").with(&section).start();
        let bob = User { name: "bob", password: "x" };
        assert_eq!(curl(&warden).user(bob).get("/v2/").status, 401);
        warden.says("no account can sign in with this row");
        assert!(!warden.log().contains("noted"), "{}", warden.log());
    }

    #[tokio::test]
    async fn each_way_to_connect_verifies_what_it_says() {
        let server = <Postgres as Server>::start();
        server.add_user("bob", &hash("right"), "NULL");
        let [own, other] = server.authority_files();
        let url =
            |mode: &str, roots: &Path| server.url(&format!("sslmode={mode}&sslrootcert={}", roots.display()));
        for (dsn, works) in [
            (server.key_value(), true),
            (server.url("sslmode=require"), true),
            (url("require", &own), true),
            (url("require", &other), false),
            (url("verify-ca", &own), true),
            (url("verify-ca", &other), false),
            (url("verify-full", &own), true),
            (url("verify-full", &other), false),
            (url("verify-full", &own).replace("127.0.0.1", "127.0.0.2"), false),
            (server.url("sslmode=verify-full"), false),
            (server.url("sslmode=disable").replace("reader:", "reader:wrong"), false),
        ] {
            let settings = SqlSettings::parse("postgres", &dsn, Path::new("/")).unwrap();
            let answer = said(&super::accounts(settings), "bob", "right").await;
            assert_eq!(answer == "accepted {}", works, "{dsn}: {answer}");
            assert!(!answer.contains("cret"), "{answer}");
        }
        // In a schema of its own, which is where `search_path` leads.
        server.execute(
            "CREATE SCHEMA own; GRANT USAGE ON SCHEMA own TO reader; ALTER TABLE xorm_user SET SCHEMA own",
        );
        for (parameter, works) in [("search_path=own", true), ("search_path=public", false)] {
            let dsn = server.url(&format!("sslmode=disable&{parameter}"));
            let settings = SqlSettings::parse("postgres", &dsn, Path::new("/")).unwrap();
            let answer = said(&super::accounts(settings), "bob", "right").await;
            assert_eq!(answer == "accepted {}", works, "{dsn}: {answer}");
        }
    }
}

mod mariadb {
    use super::*;

    #[tokio::test]
    async fn accounts() {
        let mut server = <MariaDb as Server>::start();
        a_server_that_fails_is_said_at_once_and_found_again(&mut server).await;
        server.execute("TRUNCATE xorm_user");
        the_newest_row_of_exactly_this_name_decides(&server).await;
    }

    #[tokio::test]
    async fn rules() {
        let mut server = <MariaDb as Server>::start();
        rules_come_in_order_and_change_with_the_table(&server).await;
        rules_outlive_their_server_for_a_while(&mut server).await;
    }

    #[tokio::test]
    async fn order() {
        rows_stand_in_the_order_of_their_numbers(&<MariaDb as Server>::start()).await;
    }

    #[tokio::test]
    async fn each_way_to_connect_verifies_what_it_says() {
        let server = <MariaDb as Server>::start();
        server.add_user("bob", &hash("right"), "NULL");
        for (dsn, works) in [
            (server.unix(), true),
            (server.tcp("tls=false"), true),
            (server.tcp("tls=preferred"), true),
            (server.tcp("tls=skip-verify"), true),
            // The tests' authority is none of the system's.
            (server.tcp("tls=true"), false),
            (server.tcp("").replace("reader:", "reader:wrong"), false),
        ] {
            let settings = SqlSettings::parse("mysql", &dsn, Path::new("/")).unwrap();
            let answer = said(&super::accounts(settings), "bob", "right").await;
            assert_eq!(answer == "accepted {}", works, "{dsn}: {answer}");
            assert!(!answer.contains(crate::support::mariadb::PASSWORD), "{answer}");
        }
        server.execute("ALTER USER reader@'%' REQUIRE SSL");
        for (dsn, works) in [(server.tcp(""), false), (server.tcp("tls=skip-verify"), true)] {
            let settings = SqlSettings::parse("mysql", &dsn, Path::new("/")).unwrap();
            let answer = said(&super::accounts(settings), "bob", "right").await;
            assert_eq!(answer == "accepted {}", works, "{dsn}: {answer}");
        }
    }
}
