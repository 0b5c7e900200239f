//! The databases of the tests behind one interface, with the tables that docker_auth makes in each.

use std::path::{Path, PathBuf};

use portwarden::backend::SqlSettings;
use tempfile::TempDir;

use super::{command, mariadb::MariaDb, postgres::Postgres};

/// A database that is really there.
pub trait Server {
    /// docker_auth's tables, as xorm makes them in this kind of database.
    const TABLES: &'static str;
    /// `database_type`.
    const KIND: &'static str;

    /// Starts one that has the tables.
    fn start() -> Self;
    /// Runs SQL as its administrator.
    fn execute(&self, sql: &str);
    /// The driver's notation.
    fn conn_string(&self) -> String;

    /// Returns its address and login.
    fn settings(&self) -> SqlSettings {
        SqlSettings::parse(Self::KIND, &self.conn_string(), Path::new("/")).unwrap()
    }

    /// A row of `xorm_user`; `labels` is SQL.
    fn add_user(&self, name: &str, hash: &str, labels: &str) {
        let (name, hash) = (name.replace('\'', "''"), hash.replace('\'', "''"));
        self.execute(&format!(
            "INSERT INTO xorm_user (username, password_hash, labels) VALUES ('{name}', '{hash}', {labels})"
        ));
    }

    /// A row of `xorm_acl_entry`.
    fn add_rule(&self, seq: u32, json: &str) {
        self.execute(&format!("INSERT INTO xorm_acl_entry (acl_entry, seq) VALUES ('{json}', {seq})"));
    }
}

/// A server in a process of its own, which can fail.
pub trait Failing: Server {
    /// Ends it at once, connections and all.
    fn crash(&mut self);
    /// Starts it again, at the same address.
    fn start_again(&mut self);
    /// Stops it in the middle of what it does.
    fn hang(&self);
    /// Lets it go on.
    fn go_on(&self);
}

/// A file of SQLite's, filled by its own program.
pub struct Sqlite(TempDir);

impl Sqlite {
    /// The file.
    pub fn file(&self) -> PathBuf {
        self.0.path().join("a b.db")
    }
}

impl Server for Sqlite {
    const TABLES: &'static str = "
        CREATE TABLE xorm_user (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, username TEXT NOT NULL, \
            password_hash TEXT NOT NULL, labels TEXT NULL);
        CREATE TABLE xorm_acl_entry (acl_entry TEXT NULL, seq INTEGER NULL);";
    const KIND: &'static str = "sqlite3";

    fn start() -> Self {
        let server = Self(tempfile::tempdir().unwrap());
        server.execute(Self::TABLES);
        server
    }

    fn execute(&self, sql: &str) {
        command::run("sqlite3", &["-bail", self.file().to_str().unwrap(), sql], &[]).succeeds();
    }

    fn conn_string(&self) -> String {
        format!("file:{}/a%20b.db?mode=rwc&_busy_timeout=5000", self.0.path().display())
    }
}

impl Server for Postgres {
    const TABLES: &'static str = "
        CREATE TABLE xorm_user (id BIGSERIAL PRIMARY KEY NOT NULL, username VARCHAR(128) NOT NULL, \
            password_hash VARCHAR(128) NOT NULL, labels JSON NULL);
        CREATE TABLE xorm_acl_entry (acl_entry JSON NULL, seq BIGINT NULL);
        GRANT SELECT ON xorm_user, xorm_acl_entry TO reader";
    const KIND: &'static str = "postgres";

    fn start() -> Self {
        let server = Self::start();
        server.execute(Self::TABLES);
        server
    }

    fn execute(&self, sql: &str) {
        self.execute(sql);
    }

    fn conn_string(&self) -> String {
        self.url("sslmode=disable&connect_timeout=10")
    }
}

impl Failing for Postgres {
    fn crash(&mut self) {
        self.crash();
    }
    fn start_again(&mut self) {
        self.start_again();
    }
    fn hang(&self) {
        self.hang();
    }
    fn go_on(&self) {
        self.go_on();
    }
}

impl Server for MariaDb {
    const TABLES: &'static str = "
        CREATE TABLE xorm_user (id BIGINT(20) PRIMARY KEY AUTO_INCREMENT NOT NULL, username VARCHAR(128) NOT NULL, \
            password_hash VARCHAR(128) NOT NULL, labels TEXT NULL) DEFAULT CHARSET utf8;
        CREATE TABLE xorm_acl_entry (acl_entry JSON NULL, seq BIGINT(20) NULL) DEFAULT CHARSET utf8;";
    const KIND: &'static str = "mysql";

    fn start() -> Self {
        let server = Self::start();
        server.execute(Self::TABLES);
        server
    }

    fn execute(&self, sql: &str) {
        self.execute(sql);
    }

    fn conn_string(&self) -> String {
        self.tcp("charset=utf8&parseTime=true")
    }
}

impl Failing for MariaDb {
    fn crash(&mut self) {
        self.crash();
    }
    fn start_again(&mut self) {
        self.start_again();
    }
    fn hang(&self) {
        self.hang();
    }
    fn go_on(&self) {
        self.go_on();
    }
}
