//! A real directory: Debian's `slapd` with its store in a temporary directory, on loopback, with `ldap://`, `ldaps://`
//! and StartTLS.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    command,
    pki::{self, Authority},
    ports::{free_port, listeners},
    process::{PATIENCE, Process, eventually},
    programs,
};

/// Its path on Debian, independent of the `PATH`.
const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
const READY: &str = "slapd starting";

/// The name below which everything is.
pub const BASE: &str = "dc=example,dc=com";
/// The account that may search, unless [`Builder::access`] says otherwise.
pub const READER: &str = "cn=reader,dc=example,dc=com";
/// The filter that finds the people of `people.ldif` by their names.
pub const BY_UID: &str = "(&(uid=${account})(objectClass=person))";
/// The reader's password.
pub const READER_PASSWORD: &str = "reads everything";

/// A password may be compared by any client and read by none; only the reader sees the rest. So a search as any other
/// account finds nothing.
const FOR_THE_READER: &str = "access to attrs=userPassword by anonymous auth by * none\n\
                              access to * by dn.exact=\"cn=reader,dc=example,dc=com\" read by anonymous auth by * none\n";
const PEOPLE: &str = include_str!("people.ldif");
/// Every client sees everything but passwords.
pub const FOR_ANYBODY: &str =
    "access to attrs=userPassword by anonymous auth by * none\naccess to * by * read\n";
/// Every account sees everything but passwords, once it has signed in.
pub const FOR_USERS: &str = "access to attrs=userPassword by anonymous auth by * none\n\
                             access to * by users read by anonymous auth\n";

/// The settings of a server, before it is started.
pub struct Builder {
    access: &'static str,
    directives: String,
    entries: String,
    authority: Option<&'static str>,
}

/// A directory that only the reader may search.
pub fn slapd() -> Builder {
    Builder { access: FOR_THE_READER, directives: String::new(), entries: String::new(), authority: None }
}

impl Builder {
    /// Other rules of access.
    pub fn access(mut self, rules: &'static str) -> Self {
        self.access = rules;
        self
    }

    /// A line for the global part of `slapd.conf`.
    pub fn directive(mut self, line: &str) -> Self {
        self.directives.push_str(line);
        self.directives.push('\n');
        self
    }

    /// More entries, in LDIF.
    pub fn entries(mut self, ldif: &str) -> Self {
        self.entries.push_str(ldif);
        self
    }

    /// A certificate by another authority than the tests'.
    pub fn authority(mut self, name: &'static str) -> Self {
        self.authority = Some(name);
        self
    }

    /// Fills the store, starts slapd and waits until it listens.
    pub fn start(self) -> Slapd {
        for program in [SLAPD, SLAPADD] {
            programs::require(program);
        }
        let directory = tempfile::Builder::new().prefix("portwarden-slapd-").tempdir().unwrap();
        match self.authority {
            Some(name) => Authority::new(name).write_server_certificate(directory.path()),
            None => pki::authority().write_server_certificate(directory.path()),
        }
        fs::create_dir(directory.path().join("store")).unwrap();
        fs::write(directory.path().join("slapd.conf"), self.configuration(directory.path())).unwrap();
        fs::write(directory.path().join("people.ldif"), format!("{PEOPLE}\n{}", self.entries)).unwrap();
        fs::write(directory.path().join("ca.crt"), pki::authority().pem()).unwrap();
        let password = directory.path().join("password");
        fs::write(&password, format!("{READER_PASSWORD}\n")).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        command::run(SLAPADD, &["-f", &path("slapd.conf"), "-l", &path("people.ldif")], &[]).succeeds();
        let (port, tls_port) = (free_port(), free_port());
        let process = run(directory.path(), port, tls_port);
        Slapd { process: Some(process), port, tls_port, directory }
    }

    fn configuration(&self, directory: &Path) -> String {
        let directory = directory.display();
        format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
             TLSCertificateFile {directory}/tls.crt\nTLSCertificateKeyFile {directory}/tls.key\n{}\
             database mdb\nsuffix \"{BASE}\"\ndirectory {directory}/store\ndbnosync\nindex uid eq\n{}",
            self.directives, self.access
        )
    }
}

/// A running directory.
pub struct Slapd {
    process: Option<Process>,
    port: u16,
    tls_port: u16,
    directory: TempDir,
}

impl Slapd {
    /// The port of `ldap://`, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of `ldaps://`, on 127.0.0.1 and on 127.0.0.2, which its certificate does not name.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// The file with the reader's password.
    pub fn password_file(&self) -> PathBuf {
        self.directory.path().join("password")
    }

    /// The certificate of the tests' authority.
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.take().expect("a running slapd").kill();
    }

    /// Starts it again on the same ports.
    pub fn start_again(&mut self) {
        self.process = Some(run(self.directory.path(), self.port, self.tls_port));
    }

    /// Sends a signal, by its name without `SIG`: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        self.process.as_ref().expect("a running slapd").signal(name);
    }

    /// Waits until it logged `text`.
    pub fn wait_for_log(&mut self, from: usize, text: &str) -> String {
        self.process.as_mut().expect("a running slapd").wait_for_log(from, text)
    }

    /// Waits until a line of its log has `text`.
    #[track_caller]
    pub fn says(&self, text: &str) {
        self.process.as_ref().expect("a running slapd").says(text);
    }

    /// Each connection that it accepted, binds and searches, a line each.
    pub fn log(&self) -> String {
        self.process.as_ref().expect("a running slapd").log()
    }
}

fn run(directory: &Path, port: u16, tls_port: u16) -> Process {
    let configuration = directory.join("slapd.conf");
    let urls =
        format!("ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/ ldaps://127.0.0.2:{tls_port}/");
    let arguments = ["-f", configuration.to_str().unwrap(), "-h", &urls, "-d", "stats"];
    let log = directory.join("log");
    let from = fs::read(&log).map_or(0, |log| log.len());
    let mut process = Process::start(SLAPD, &arguments, &[], &log);
    process.wait_for_log(from, READY);
    // It says so before it listens. To try would be to add connections to those that a test counts.
    let listens = || listeners(port) == 1 && listeners(tls_port) == 2;
    assert!(eventually(PATIENCE, listens), "slapd does not listen:\n{}", process.log());
    process
}
