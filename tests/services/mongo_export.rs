//! Accounts and rules of docker_auth in MongoDB, turned into lines of the configuration by the commands in
//! `docs/migrating.md`.
//!
//! Needs: docker-registry, htpasswd, jq.

use std::fs;

use crate::support::{command::run, pki, portwarden::program, programs};

/// The bcrypt hash of `test`, with the lowest cost.
const HASH: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";

#[test]
fn an_export_of_mongodb_becomes_accounts_and_rules_in_their_order() {
    programs::require("jq");
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let user = |id: &str, rest: &str| {
        format!("{{\"_id\":{{\"$oid\":\"{id}\"}},\"username\":\"{id}\",\"password\":\"{HASH}\"{rest}}}\n")
    };
    write("users.json", &[user("admin", ""), user("test", ",\"labels\":{\"group\":[\"dev\"]}")].concat());
    write(
        "acl.json",
        concat!(
            "{\"_id\":{\"$oid\":\"1\"},\"seq\":20,\"match\":{\"account\":\"/.+/\"},\"actions\":[],\"comment\":\"all\"}\n",
            "{\"_id\":{\"$oid\":\"2\"},\"seq\":10,\"match\":{\"labels\":{\"group\":\"dev\"},\"name\":\"a\"},\"actions\":[\"pull\"]}\n",
        ),
    );
    write(
        "auth_config.yml",
        "server: {addr: ':5001'}\ntoken: {issuer: Acme, expiration: 900, certificate: tls.crt, key: tls.key}\n",
    );
    pki::authority().write_server_certificate(directory.path());
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/migrating.md")).unwrap();
    let commands = page.split("```sh\n").find(|block| block.contains("mongoexport")).unwrap();
    let commands = commands.split("```").next().unwrap();
    let of_jq: String =
        commands.lines().filter(|line| line.starts_with("printf ")).collect::<Vec<_>>().join("\n");
    let script = format!("cd '{}' && {}", directory.path().display(), of_jq.replace('\n', " && "));
    run("sh", &["-c", &script], &[]).succeeds();
    let file = directory.path().join("auth_config.yml");
    let explain = |account: &str, scope: &str| {
        let arguments =
            ["explain", "--config", file.to_str().unwrap(), "--account", account, "--scope", scope];
        run(&program(), &arguments, &[])
    };
    explain("test", "repository:a:pull").succeeds().says("allowed, by rule 1");
    explain("test", "repository:a:push").fails();
    explain("admin", "repository:a:pull").fails();
    explain("gone", "repository:a:pull").fails();
}
