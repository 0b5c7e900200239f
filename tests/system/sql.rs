//! docker with the accounts and the rules of real databases. Of the databases alone see `tests/services/sql.rs`.
//!
//! Needs: docker, docker-registry, htpasswd, mariadb, postgresql, root, sqlite3.

use portwarden::authn::{PasswordHash, Secret};

use crate::support::{
    database::{Server, Sqlite},
    docker::docker,
    image::Image,
    mariadb::MariaDb,
    portwarden::{User, portwarden},
    postgres::Postgres,
    registry::registry,
};

const PERSON: User = User { name: "of-the-database", password: "right" };
const PERSON_WITH_A_WRONG_PASSWORD: User = User { password: "wrong", ..PERSON };

/// The text that docker shows for a wrong password.
const WRONG_PASSWORD: &str = "unauthorized";

fn kind_of<S: Server>(_: &S) -> &'static str {
    S::KIND
}

/// A real client signs in with an account, and pushes by a rule, that only the database knows.
fn docker_signs_in_and_pushes(server: &impl Server) {
    let hash = PasswordHash::create(&Secret::new(PERSON.password), 5).unwrap();
    server.add_user(PERSON.name, &hash, r#"'{"team":["app"]}'"#);
    server.add_rule(1, r#"{"Match":{"name":"${labels:team}/*"},"Actions":["pull","push"]}"#);
    let (kind, dsn) = (kind_of(server), server.conn_string().replace('\\', "\\\\").replace('"', "\\\""));
    let database = format!("database_type: {kind}, conn_string: \"{dsn}\"");
    let sections = format!("xorm_auth: {{{database}}}\nacl_xorm: {{{database}, cache_ttl: 1s}}\n");
    let registry = registry();
    let warden =
        portwarden(&registry).acl("  - {match: {account: admin}, actions: [\"*\"]}").with(&sections).start();
    let docker = docker();
    docker.user(&warden, None).login(PERSON).succeeds();
    docker.user(&warden, None).login(PERSON_WITH_A_WRONG_PASSWORD).fails().says(WRONG_PASSWORD);
    let client = docker.user(&warden, Some(PERSON));
    for (name, allowed) in [("app/image:1", true), ("other/image:1", false)] {
        client.load(Image::random(1, 2_000).archive(&client.reference(name)).path()).succeeds();
        assert_eq!(client.push(name).succeeded(), allowed, "{name}:\n{}", warden.log());
    }
}

#[test]
fn docker_signs_in_and_pushes_by_sqlite() {
    docker_signs_in_and_pushes(&Sqlite::start());
}

#[test]
fn docker_signs_in_and_pushes_by_postgres() {
    docker_signs_in_and_pushes(&<Postgres as Server>::start());
}

#[test]
fn docker_signs_in_and_pushes_by_mariadb() {
    docker_signs_in_and_pushes(&<MariaDb as Server>::start());
}
