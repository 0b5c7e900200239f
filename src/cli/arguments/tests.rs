//! Names, ids and options on the command line.

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

/// One `jti` in 64 begins with a hyphen, and names of accounts may.
#[test]
fn a_name_or_an_id_may_begin_with_a_hyphen() {
    for line in [
        "portwarden revoke --token -bpWAiK8sd7RZJ4sVPgMvA",
        "portwarden revoke --token --pWAiK8sd7RZJ4sVPgMvA --json",
        "portwarden revoke --jti -60e05bd1b195",
        "portwarden revoke --account -x",
        "portwarden explain -c f --account -x --label -group=-dev --scope repository:team/app:pull",
        "portwarden token --registry https://registry.example --user -x",
        "portwarden token list --account -x",
        "portwarden token new --robot -x --comment -old-",
        "portwarden credential-provider --issuer -x",
        "portwarden hash --user -x",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

/// An empty variable of a script must not make an option a name: nothing would be revoked, with exit code 0.
#[test]
fn an_option_is_no_name() {
    for line in [
        "portwarden revoke --token --json",
        "portwarden revoke --account --all-sessions",
        "portwarden revoke --jti --socket=/run/portwarden/control.sock",
        "portwarden token list --account --json",
        "portwarden token new --robot --json",
        "portwarden token new --robot ci --comment -h",
        "portwarden explain -c f --account -v --scope repository:team/app:pull",
    ] {
        let error = parse(line).expect_err(line).to_string();
        assert!(error.contains("is an option"), "{line}: {error}");
    }
}
