//! A blob far larger than any memory limit, up and down, and peers that stop reading: what Portwarden keeps in memory
//! does not depend on the size of what passes through it.
//!
//! `PORTWARDEN_BLOB_MIB` says how large the blob is; 5120 when it is not set. The registry's store needs that much
//! room in the temporary directory.
//!
//! Needs: curl, docker-registry, htpasswd.

use std::{
    env,
    io::{self, Read, Write},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};

use crate::support::{
    curl::curl,
    distribution::{start_upload, with_digest},
    image::{hex, random_bytes},
    misbehaving_registry::{Fault, misbehaving},
    portwarden::{ADMIN, Portwarden, portwarden, portwarden_at},
    process::pause,
    registry::registry,
};

const MIB: usize = 1 << 20;
/// The most memory that Portwarden may ever have held beyond its size before.
const GROWTH_KIB: u64 = 64 * 1024;
/// Room for the tests beside it: the images of a docker daemon, the registries of the others, and logs.
const BESIDE_MIB: usize = 2048;
/// Timeout of one direction, in seconds.
const SECONDS: u32 = 600;

#[test]
fn a_blob_of_five_gigabytes_passes_up_and_down_in_little_memory() {
    let mebibytes = env::var("PORTWARDEN_BLOB_MIB").map_or(5120, |mib| mib.parse().expect("a number of MiB"));
    let _alone = crate::heavy_load();
    assert_room(mebibytes);
    let registry = registry();
    let warden = portwarden(&registry).start();
    // HTTP/1.1 as docker speaks it; curl itself is the bottleneck of large uploads over HTTP/2.
    let admin = curl(&warden).user(ADMIN).seconds(SECONDS).option(&["--http1.1"]);
    admin.clone().get("/v2/").is(200);
    let before = warden.rss_kib();

    let location = start_upload(&admin, "team/big");
    let mut sent = Context::new(&SHA256);
    let patched =
        admin.clone().send_stream("PATCH", &location, |body| write_blob(body, mebibytes, &mut sent)).is(202);
    let digest = format!("sha256:{}", hex(sent.finish().as_ref()));
    let location = patched.header("location").expect("a Location");
    admin.clone().send("PUT", &with_digest(location, &digest)).is(201);
    assert_memory(&warden, before, "the upload");

    let files = tempfile::tempdir().unwrap();
    let mut pull = admin.option(&["--http2"]).start(&format!("/v2/team/big/blobs/{digest}"), files.path());
    let (bytes, received) = read_blob(&mut pull.stdout.take().unwrap());
    assert!(pull.wait().unwrap().success());
    assert_eq!((bytes, received), (mebibytes * MIB, digest));
    assert_memory(&warden, before, "the download");
}

#[test]
fn a_client_that_stops_reading_holds_up_the_registry_and_not_the_memory() {
    let registry = registry();
    let warden = portwarden(&registry).start();
    let admin = curl(&warden).user(ADMIN);
    let location = start_upload(&admin, "team/big");
    let mut sent = Context::new(&SHA256);
    let patched =
        admin.clone().send_stream("PATCH", &location, |body| write_blob(body, 256, &mut sent)).is(202);
    let digest = format!("sha256:{}", hex(sent.finish().as_ref()));
    admin.clone().send("PUT", &with_digest(patched.header("location").unwrap(), &digest)).is(201);
    let before = warden.rss_kib();

    for protocol in ["--http1.1", "--http2"] {
        let files = tempfile::tempdir().unwrap();
        let blob = format!("/v2/team/big/blobs/{digest}");
        let mut pull = admin.clone().option(&[protocol]).start(&blob, files.path());
        let mut body = pull.stdout.take().unwrap();
        body.read_exact(&mut vec![0; MIB]).unwrap();
        pause(Duration::from_secs(2));
        assert_memory(&warden, before, protocol);
        // Having waited, the client reads on and gets the rest.
        let (rest, _) = read_blob(&mut body);
        assert!(pull.wait().unwrap().success());
        assert_eq!(rest, 255 * MIB, "{protocol}");
    }
}

#[test]
fn a_registry_that_stops_reading_holds_up_the_client_and_not_the_memory() {
    let upstream = misbehaving(Fault::Silence);
    let warden = portwarden_at(&upstream.url()).start();
    let admin = curl(&warden).user(ADMIN).seconds(3);
    let before = warden.rss_kib();
    for protocol in ["--http1.1", "--http2"] {
        let mut sent = Context::new(&SHA256);
        let mut passed = Ok(());
        let request = admin.clone().option(&[protocol]);
        request.send_stream(
            "PATCH",
            "/v2/team/big/blobs/uploads/00000000-0000-0000-0000-000000000000",
            |body| {
                passed = write_blob(body, 256, &mut sent);
                Ok(())
            },
        );
        assert!(passed.is_err(), "{protocol}: something took 256 MiB that the registry did not read");
        assert_memory(&warden, before, protocol);
    }
}

/// Writes `mebibytes` MiB in which no two MiB are the same, made while they are sent.
fn write_blob(body: &mut dyn Write, mebibytes: usize, digest: &mut Context) -> io::Result<()> {
    let mut block = random_bytes(MIB);
    for number in 0..mebibytes {
        block[..8].copy_from_slice(&number.to_be_bytes());
        digest.update(&block);
        body.write_all(&block)?;
    }
    body.flush()
}

/// Reads to the end; returns how many bytes there were and their digest.
fn read_blob(body: &mut dyn Read) -> (usize, String) {
    let mut digest = Context::new(&SHA256);
    let mut block = vec![0; MIB];
    let mut bytes = 0;
    loop {
        let read = body.read(&mut block).unwrap();
        if read == 0 {
            return (bytes, format!("sha256:{}", hex(digest.finish().as_ref())));
        }
        digest.update(&block[..read]);
        bytes += read;
    }
}

/// A full disk takes curl's words with it, and would leave nothing to go by.
#[track_caller]
fn assert_room(mebibytes: usize) {
    let directory = env::temp_dir();
    let disk = rustix::fs::statvfs(&directory).unwrap();
    let room = usize::try_from(disk.f_bavail * disk.f_frsize).unwrap() / MIB;
    assert!(
        room > mebibytes + BESIDE_MIB,
        "{room} MiB are free in {}, and the store of this test takes {mebibytes}, {BESIDE_MIB} more those beside it: make \
         room, or set TMPDIR to another directory or PORTWARDEN_BLOB_MIB to a smaller blob",
        directory.display()
    );
}

#[track_caller]
fn assert_memory(warden: &Portwarden, before: u64, what: &str) {
    let peak = warden.peak_rss_kib();
    assert!(peak < before + GROWTH_KIB, "{what}: {before} KiB before, {peak} KiB at most");
}
