//! The words of findings about `notifications`.

use crate::config::tests::{SERVER, TOKEN, said};

fn of(endpoints: &str) -> String {
    with(&format!("spool: s, endpoints: [{endpoints}]"))
}

fn with(section: &str) -> String {
    said(&format!("{SERVER}{TOKEN}users: {{}}\nacl: []\nnotifications: {{{section}}}\n"))
}

#[test]
fn the_section_of_the_registry_is_read_as_it_is() {
    let of_the_registry = "\
notifications:
  events:
    includereferences: false
  endpoints:
    - name: alistener
      disabled: false
      url: https://my.listener.example/event
      headers: {Authorization: [Bearer abc], X-Two: [one, two]}
      timeout: 1s
      threshold: 10
      backoff: 1s
      ignoredmediatypes:
        - application/octet-stream
      ignore:
        mediatypes:
          - application/octet-stream
        actions:
          - pull
  spool: s
";
    assert_eq!(said(&format!("{SERVER}{TOKEN}users: {{}}\nacl: []\n{of_the_registry}")), "");
}

#[test]
fn what_cannot_be_honoured_is_an_error_with_the_next_step() {
    for (endpoint, says) in [
        ("~", "endpoints[0].name: missing, or not a name"),
        ("{name: a}", "endpoints[0].url: missing"),
        ("{name: 'a b', url: 'https://h'}", "name: missing, or not a name of an endpoint"),
        ("{name: a, url: h/x}", "url: not an http or https URL"),
        ("{name: a, url: 'ftp://h'}", "url: not an http or https URL"),
        ("{name: a, url: 'https://h/a b'}", "url: not an http or https URL"),
        ("{name: a, url: 'https://h/#x'}", "url: not an http or https URL"),
        ("{name: a, url: 'https://u:hunter2@h'}", "url: has a user or a password in it. Move it into"),
        ("{name: a, url: 'https://h'}, {name: a, url: 'https://i'}", "endpoints[1].name: another endpoint"),
        ("{name: a, url: 'https://h', timeout: 0}", "endpoints[0].timeout: must be from 100ms to 1m"),
        ("{name: a, url: 'https://h', backoff: 2}", "endpoints[0].backoff: not a duration"),
        ("{name: a, url: 'https://h', threshold: 0}", "endpoints[0].threshold: must be from 1 to 1000"),
        ("{name: a, url: 'https://h', headers: {Host: x}}", "headers.Host: not a header that can be added"),
        ("{name: a, url: 'https://h', headers: {'a b': x}}", "not a header that can be added"),
        ("{name: a, url: 'https://h', headers: {A: \"hunter2\\n\"}}", "headers.A: not a value of a header"),
        ("{name: a, url: 'https://h', ignore: {actions: [pull, purge]}}", "actions[1]: not an action"),
        ("{name: a, url: 'https://h', secret_file: none.txt}", "secret_file: cannot read none.txt"),
        ("{name: a, url: 'https://h', secret_file: empty.pem}", "empty.pem has fewer than 16 bytes"),
        ("{name: a, url: 'http://localhost', ca_certificate: cert.pem}", "stands beside an http URL"),
        ("{name: a, url: 'https://h', retries: 5}", "endpoints[0].retries: unknown key"),
    ] {
        let said = of(endpoint);
        assert!(said.contains(says) && !said.contains("warning"), "{endpoint}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    for (section, says) in [
        ("spool: s", "notifications.endpoints: there are no endpoints"),
        ("spool: none/s, endpoints: [{name: a, url: 'https://h'}]", "spool: expected a directory at none"),
        ("spool: s, waiting: 1, endpoints: [{name: a, url: 'https://h'}]", "waiting: must be from 100 to"),
        ("endpoints: [{name: a, url: 'https://h'}]", "notifications.spool: missing"),
    ] {
        assert!(with(section).contains(says), "{section}: {}", with(section));
    }
    let beside = "state: {file: state.db}\nnotifications: {endpoints: [{name: a, url: 'https://h'}]}\n";
    assert_eq!(said(&format!("{SERVER}{TOKEN}users: {{}}\nacl: []\n{beside}")), "");
}

#[test]
fn risky_urls_are_warned_of() {
    for (url, says) in [
        ("http://127.0.0.1:8080/x", ""),
        ("http://[::1]/x", ""),
        ("http://localhost/x", ""),
        ("https://10.0.0.7/x", ""),
        ("http://hooks.example/x", "plain HTTP to another host"),
        ("https://169.254.169.254/x", "a link-local or multicast address"),
        ("https://[fe80::1]/x", "a link-local or multicast address"),
    ] {
        let said = of(&format!("{{name: a, url: '{url}'}}"));
        assert!(says.is_empty() == said.is_empty() && said.contains(says), "{url}: {said}");
    }
}
