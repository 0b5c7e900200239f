//! A file of `htpasswd` as `registry:2` has it: docker logs in by it, and an edit is in force for the next request.
//!
//! Needs: curl, docker, docker-registry, htpasswd, root.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use tempfile::TempDir;

use crate::support::{
    command,
    curl::curl,
    docker::docker,
    portwarden::{ADMIN, Portwarden, User, portwarden},
    process::{PATIENCE, eventually},
    registry::registry,
    token_exchange,
};

const AMY: User = User { name: "amy", password: "of amy" };
const BOB: User = User { name: "bob", password: "of bob" };

const ACL: &str = r#"
  - match: {account: "/^(amy|bob)$/"}
    actions: ["pull"]
"#;

/// The file of accounts, edited with Apache's own tool.
struct Accounts(TempDir);

impl Accounts {
    fn new() -> Self {
        let accounts = Self(tempfile::Builder::new().prefix("portwarden-htpasswd-").tempdir().unwrap());
        accounts.write("");
        accounts
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("accounts")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// `htpasswd -B`, which writes the file in place.
    fn set(&self, user: User) {
        let file = self.file();
        command::run("htpasswd", &["-bB", file.to_str().unwrap(), user.name, user.password], &[]).succeeds();
    }

    fn remove(&self, user: User) {
        command::run("htpasswd", &["-D", self.file().to_str().unwrap(), user.name], &[]).succeeds();
    }

    /// Puts a new file in the place of the old one, as configuration managers do.
    fn replace(&self, users: &[User]) {
        let new = self.0.path().join("new");
        let line = |user: &User| {
            command::run("htpasswd", &["-nbB", user.name, user.password], &[]).succeeds().stdout
        };
        fs::write(&new, users.iter().map(line).collect::<String>()).unwrap();
        fs::rename(new, self.file()).unwrap();
    }
}

#[test]
fn docker_logs_in_by_the_file_and_by_users() {
    let (registry, accounts) = (registry(), Accounts::new());
    accounts.set(AMY);
    let warden = start(&registry, &accounts);
    let nobody = docker().user(&warden, None);
    nobody.login(AMY).succeeds().says("Login Succeeded");
    nobody.login(ADMIN).succeeds();
    nobody.login(User { password: "wrong", ..AMY }).fails().says("unauthorized");
    nobody.login(BOB).fails().says("unauthorized");
    warden.says("2 users");
}

#[test]
fn an_edit_is_in_force_without_a_restart_whichever_way_it_is_written() {
    let (registry, accounts) = (registry(), Accounts::new());
    accounts.set(AMY);
    let warden = start(&registry, &accounts);
    let amys = token_exchange::token(&warden, AMY, &["repository:team/app:pull"]);
    let with_token = || curl(&warden).bearer(&amys).get("/v2/team/app/tags/list").status;
    assert_eq!((with_token(), status(&warden, BOB)), (404, 401), "the registry has no such repository");

    accounts.set(BOB);
    assert!(eventually(SOON, || status(&warden, BOB) == 200), "{}", warden.log());
    assert_eq!(status(&warden, AMY), 200);

    accounts.remove(AMY);
    assert!(eventually(SOON, || status(&warden, AMY) == 401), "{}", warden.log());
    assert_eq!((with_token(), status(&warden, BOB)), (401, 200), "a token ends with its account");

    accounts.replace(&[User { password: "new", ..AMY }]);
    assert!(eventually(SOON, || status(&warden, User { password: "new", ..AMY }) == 200), "{}", warden.log());
    assert_eq!((status(&warden, AMY), status(&warden, BOB)), (401, 401));
}

#[test]
fn a_broken_edit_is_refused_by_line_and_the_old_accounts_stay() {
    let (registry, accounts) = (registry(), Accounts::new());
    accounts.set(AMY);
    let warden = start(&registry, &accounts);
    let good = fs::read_to_string(accounts.file()).unwrap();
    accounts.write(&format!("{good}bob:$apr1$hunter2\n"));
    let why = format!("{}:2: \"bob\" has an MD5 hash, and only bcrypt is taken", accounts.file().display());
    assert!(eventually(SOON, || warden.log().replace('\\', "").contains(&why)), "{}", warden.log());
    assert!(warden.log().contains("not reloaded") && !warden.log().contains("hunter2"), "{}", warden.log());
    assert_eq!(status(&warden, AMY), 200);

    // Mended, it is taken up again.
    accounts.write(&good);
    accounts.set(BOB);
    assert!(eventually(SOON, || status(&warden, BOB) == 200), "{}", warden.log());
}

/// Files are looked at each second, and a change is acted on when it has settled.
const SOON: Duration = PATIENCE;

fn start(registry: &crate::support::registry::Registry, accounts: &Accounts) -> Portwarden {
    let section = format!("htpasswd: {{file: {}}}", accounts.file().display());
    portwarden(registry).users(&[ADMIN]).acl(ACL).with(&section).start()
}

fn status(warden: &Portwarden, user: User) -> u16 {
    curl(warden).user(user).get("/v2/").status
}
