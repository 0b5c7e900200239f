//! The claim of `workload_auth` as one story: a job logs in with docker and a JWT that is soon dead, pushes for longer
//! than that, and is refused once its line is taken out of the file. `make demo-ci` runs it with a JWT of a minute.
//!
//! Needs: containerd, curl, docker, docker-registry, htpasswd, podman, root.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    command,
    containerd::containerd,
    curl::curl,
    distribution::{start_upload, with_digest},
    docker::docker,
    image::{Image, random_bytes, sha256},
    issuer::issuer,
    podman::podman,
    portwarden::{Portwarden, portwarden, program},
    registry::registry,
    waiting::{PATIENCE, eventually, pause},
    workload::{job, log_in, member, trusting},
};

/// The name of docker's image.
const NAME: &str = "acme/app:1";

#[test]
fn a_job_pushes_for_longer_than_its_jwt_lives_and_ends_with_its_line() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    // Negative: it has ended already, and is taken for what is left of the minute that clocks may differ.
    let seconds = env::var("JWT_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(-45);
    let jwt = issuer.sign(&issuer.claims(seconds));
    let client = docker().user(&warden, None);
    client.login(job(&jwt)).succeeds().says("Login Succeeded");
    let kept = fs::read_to_string(client.configuration()).unwrap();
    assert!(kept.contains("identitytoken"), "{kept}");
    for part in jwt.split('.').chain([jwt.as_str()]) {
        assert!(!kept.contains(part), "a part of the JWT is kept: {kept}");
    }
    println!("docker keeps a token of the session, and no part of the JWT");

    let token = member(&log_in(&warden, &jwt).is(200).json(), "token");
    push_until_dead(&warden, &token, &jwt);
    client.load(Image::random(1, 20_000).archive(&client.reference(NAME)).path()).succeeds();
    client.push(NAME).succeeds();
    println!("docker pushes with what it keeps");

    let file = warden.file("portwarden.yml");
    let before = fs::read_to_string(&file).unwrap();
    let (above, rest) = before.split_once("workload_auth:").unwrap();
    let (_, below) = rest.split_once("\nusers:").unwrap();
    fs::write(&file, format!("{above}users:{below}")).unwrap();
    let since = Instant::now();
    let is_refused = || curl(&warden).bearer(&token).get("/v2/acme/app/tags/list").status == 401;
    assert!(eventually(PATIENCE, is_refused));
    println!("refused {:.1} s after the line was taken out", since.elapsed().as_secs_f64());
    client.push(NAME).fails();

    let jwt_file = warden.file("job.jwt");
    fs::write(&jwt_file, &jwt).unwrap();
    let question = ["explain", "--config", file.to_str().unwrap(), "--jwt", jwt_file.to_str().unwrap()];
    command::run(&program(), &question, &[]).fails().says("the configuration has no issuer");
}

/// JWTs of one and a half and six KiB, as a password of docker, podman and containerd. skopeo: `services::issuers`.
#[test]
fn docker_podman_and_containerd_push_with_short_and_long_jwts() {
    let (registry, issuer) = (registry(), issuer());
    let warden = trusting(portwarden(&registry), &issuer).start();
    let (podman, containerd) = (podman(&warden), containerd(&warden));
    let archive = Image::random(1, 2_000).archive(&format!("{}/{NAME}", warden.host()));
    podman.load(archive.path()).succeeds();
    containerd.load(archive.path()).succeeds();
    for (bytes, size) in [(800, 1_400..2_000), (4_200, 5_800..6_600)] {
        let mut claims = issuer.claims(300);
        claims["more"] = json!("x".repeat(bytes));
        let jwt = issuer.sign(&claims);
        assert!(size.contains(&jwt.len()), "{} bytes", jwt.len());
        let client = docker().user(&warden, None);
        client.login(job(&jwt)).succeeds().says("Login Succeeded");
        client.load(archive.path()).succeeds();
        client.push(NAME).succeeds();
        podman.login(job(&jwt)).succeeds();
        podman.push(job(&jwt), NAME).succeeds();
        containerd.push(job(&jwt), NAME).succeeds();
        podman.pull(job(&jwt), NAME).succeeds();
        containerd.pull(job(&jwt), NAME).succeeds();
        containerd.push(job("a.b.c"), NAME).fails();
    }
}

/// Uploads one layer piece by piece, until the JWT is dead.
fn push_until_dead(warden: &Portwarden, token: &str, jwt: &str) {
    let (piece, began) = (random_bytes(1 << 10), Instant::now());
    let location = start_upload(&curl(warden).bearer(token), "acme/app");
    let mut layer = Vec::new();
    let request = curl(warden).bearer(token).seconds(600);
    let patched = request.send_stream("PATCH", &location, |pipe| {
        while log_in(warden, jwt).status == 200 {
            pipe.write_all(&piece)?;
            pipe.flush()?;
            layer.extend(&piece);
            pause(Duration::from_secs(1));
        }
        Ok(())
    });
    let location = patched.is(202).header("location").unwrap().to_owned();
    log_in(warden, jwt).is(401);
    let whole = with_digest(&location, &sha256(&layer));
    curl(warden).bearer(token).body(b"").send("PUT", &whole).is(201);
    println!("the JWT is dead, and the layer that took {:.0} s is there", began.elapsed().as_secs_f64());
}
