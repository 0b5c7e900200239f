//! Tokens beside docker_auth: the same accounts, rules and keys, over TLS, in turns.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpStream},
};

use crate::{
    contenders::{Contender, Field, Setup, free_port},
    options::Options,
    report::{Goal, Report, cpu_samples, sample},
    support::{
        pki::KeyType,
        portwarden::{ISSUER, Portwarden},
        process::{PATIENCE, Process, eventually},
    },
    token::{Way, ask},
};

/// The variable that names its program, which no package has: `go build` makes it in docker_auth's `auth_server`.
const PROGRAM: &str = "DOCKER_AUTH_BIN";

const CASES: [(&str, KeyType); 2] =
    [("token-docker-auth-p256", KeyType::P256), ("token-docker-auth-rsa", KeyType::Rsa)];

/// Measures them, if there is its program. It hashes the password for each token; Portwarden remembers that it was right.
pub fn run(options: &Options, report: &mut Report) {
    let cases = CASES.iter().filter(|(case, _)| options.wants(case));
    let Ok(program) = env::var(PROGRAM) else {
        cases.for_each(|(case, _)| eprintln!("{case}: left out, since {PROGRAM} names no program"));
        return;
    };
    for (case, token_key) in cases {
        let mut field = Field::start(Setup { token_key: *token_key, ..Setup::default() });
        let (_process, docker_auth) = start(&program, &field.warden);
        field.contenders.truncate(1);
        field.contenders.push(docker_auth);
        report.measure(case, &field.contenders, options.rounds(), |contender| {
            let number = options.pick(2_000, 200);
            let spent = ask(&field.authority, contender, Way::Password, number);
            let mut samples = cpu_samples("CPU µs/token", &[Goal::Ratio], &spent, number as f64 / 1e6);
            samples.push(sample("wall µs/token", Goal::Ratio, spent.wall * 1e6 / number as f64));
            samples
        });
    }
}

/// Starts it with the users, the rules, the certificate and the key of that Portwarden.
fn start(program: &str, warden: &Portwarden) -> (Process, Contender) {
    let port = free_port();
    let file = |name: &str| warden.file(name).display().to_string();
    let own = fs::read_to_string(warden.file("portwarden.yml")).unwrap();
    let policy = own.find("\nusers:\n").map_or("", |at| &own[at..]);
    let text = format!(
        "server: {{addr: '127.0.0.1:{port}', certificate: '{}', key: '{}'}}\n\
         token: {{issuer: '{ISSUER}', expiration: 900, certificate: '{}', key: '{}'}}\n{policy}",
        file("tls.crt"),
        file("tls.key"),
        file("token.crt"),
        file("token.key"),
    );
    fs::write(warden.file("docker_auth.yml"), text).unwrap();
    let (configuration, log) = (file("docker_auth.yml"), warden.file("docker_auth.log"));
    let process = Process::start(program, &["--logtostderr", &configuration], &[], &log);
    let address = (Ipv4Addr::LOCALHOST, port).into();
    assert!(eventually(PATIENCE, || TcpStream::connect(address).is_ok()), "{}", process.log());
    let contender = Contender { name: "docker_auth", address, processes: vec![process.id()] };
    (process, contender)
}
