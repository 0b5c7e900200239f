//! `server.client_ca`, `client_auth` and `client_crl`, and `certificate_auth:`.

use std::path::Path as FilePath;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject};
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer, revocation_list::CertificateRevocationList,
};

use crate::{
    authn::{
        CertificateAccounts, CertificateField, CertificateName, CertificateSettings, Certificates,
        RobotSettings, UserSettings, is_certificate_name,
    },
    config::{
        Context,
        diagnostics::path::Path,
        schema::{CertificateAuth, File, OneOrMany, Server, Text},
        sections::{access::user_path, robots::robot_path},
        values::pem,
    },
    server::TlsSettings,
    workload::WorkloadSettings,
};

/// Reads the settings of client certificates; `None` where none is asked for, or after an error.
pub(crate) fn settings(
    file: &File,
    tls: Option<&TlsSettings>,
    context: &mut Context<'_>,
) -> Option<CertificateSettings> {
    let none = Server::default();
    let server = file.server.as_ref().unwrap_or(&none);
    let accounts = file.certificate_auth.as_ref().map(|written| accounts(written, context));
    let is_required = is_required(server, context);
    let files = texts(server.client_ca.as_ref());
    if files.is_empty() {
        refuse_without_authorities(file, server, context);
        return None;
    }
    if tls.is_none() && server.certificate.is_none() && server.key.is_none() {
        let hint = "Add `certificate` and `key`; behind a proxy that speaks TLS, no certificate of a client arrives here";
        context.report.error(at("client_ca"), "needs HTTPS, which the server does not speak", hint);
    }
    refuse_believing_anyone(file, context);
    let authorities = authorities(files, context);
    let revocation_lists = revocation_lists(texts(server.client_crl.as_ref()), context)?;
    let accounts = match accounts {
        Some(accounts) => Some(accounts?),
        None => None,
    };
    if accounts.is_none() && !is_required {
        let hint = "Add `certificate_auth`, or write `client_auth: required`, or remove this";
        context.report.warn(at("client_ca"), "certificates are asked for, and mean nothing", hint);
    }
    let settings = CertificateSettings { authorities: authorities?, revocation_lists, is_required, accounts };
    if !context.without_files
        && let Err(why) = Certificates::new(&settings)
    {
        let (key, why) =
            why.strip_prefix("server.").and_then(|text| text.split_once(": ")).unwrap_or(("client_ca", &why));
        let hint = match key {
            "client_crl" => {
                "Look at it with `openssl crl -noout -text -in FILE`; it must be of version 2, which `openssl ca` writes \
                 with `crlnumber` in its configuration"
            }
            _ => "Look at it with `openssl x509 -noout -text -in FILE`",
        };
        context.report.error(at(key), format!("cannot be used: {why}"), hint);
    }
    Some(settings)
}

/// Reports accounts of other sections with the name `cert`, or one that begins with it and a colon; and such an issuer.
pub(crate) fn refuse_names(
    settings: Option<&CertificateSettings>,
    (users, robots): (&[UserSettings], &[RobotSettings]),
    workload: &WorkloadSettings,
    context: &mut Context<'_>,
) {
    if settings.is_none_or(|settings| settings.accounts.is_none()) {
        return;
    }
    let of_users = users.iter().map(|user| match user.line {
        0 => (&user.name, Path::from("htpasswd").key("file"), "user"),
        _ => (&user.name, user_path(&user.name), "user"),
    });
    let of_robots = robots.iter().map(|robot| (&robot.name, robot_path(&robot.name), "robot"));
    for (name, place, kind) in of_users.chain(of_robots) {
        if is_certificate_name(name) {
            let message = format!("the name {name:?} belongs to certificates (`certificate_auth`)");
            context.report.error(
                place,
                message,
                format!("Rename the {kind}: it must not be `cert`, nor begin with `cert:`"),
            );
        }
    }
    for (n, issuer) in workload.issuers.iter().enumerate() {
        if is_certificate_name(&issuer.name) {
            let place = Path::from("workload_auth").key("issuers").index(n).key("name");
            let message = "its accounts would have the names of certificates (`certificate_auth`)";
            context.report.error(place, message, "Give the issuer another name than `cert`");
        }
    }
}

/// `client_auth` and `client_crl` say nothing without authorities, and there is no account without them.
fn refuse_without_authorities(file: &File, server: &Server, context: &mut Context<'_>) {
    let hint = "Add `client_ca`, with the authorities that sign the certificates of clients";
    for (key, is_written) in
        [("client_auth", server.client_auth.is_some()), ("client_crl", server.client_crl.is_some())]
    {
        if is_written {
            context.report.error(at(key), "stands without `client_ca`", hint);
        }
    }
    if file.certificate_auth.is_some() {
        let hint = "Add `server.client_ca`, with the authorities that sign the certificates of clients";
        context.report.error("certificate_auth", "no certificate is asked for", hint);
    }
}

/// If any peer may say that it is a proxy, the certificate of a connection may be a proxy's.
fn refuse_believing_anyone(file: &File, context: &mut Context<'_>) {
    let Some(server) = file.server.as_ref().filter(|_| file.certificate_auth.is_some()) else { return };
    let is_written = |text: &Option<Text>| text.as_ref().is_some_and(|text| !text.0.is_empty());
    if is_written(&server.real_ip_header) && texts(server.trusted_proxies.as_ref()).is_empty() {
        let message =
            "any peer may be a proxy (`server.real_ip_header`), and its certificate that of no client";
        let hint =
            "List the proxies in `server.trusted_proxies`: what they pass on is no login by certificate";
        context.report.error("certificate_auth", message, hint);
    }
}

fn is_required(server: &Server, context: &mut Context<'_>) -> bool {
    match server.client_auth.as_ref().map(|text| text.0.as_str()) {
        None | Some("optional") => false,
        Some("required") => true,
        Some(other) => {
            let message = format!("expected `optional` or `required`, found {other:?}");
            context.report.error(at("client_auth"), message, "Write one of the two");
            true
        }
    }
}

fn authorities(files: &[String], context: &mut Context<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let mut all = Some(Vec::new());
    for (n, file) in files.iter().enumerate() {
        let (file, place) = (context.path(file), element("client_ca", n, files));
        if !context.looks_at(&file, &place) {
            continue;
        }
        let found = pem::read(&file, &place, context)
            .and_then(|pem| pem::certificates(&pem, &file, &place, context))
            .filter(|found| are_authorities(found, &file, &place, context));
        all = all.and_then(|mut all| {
            all.extend(found?);
            Some(all)
        });
    }
    all
}

/// The TLS library takes any certificate for an authority: the holder of one that is none could sign others.
fn are_authorities(
    found: &[CertificateDer<'_>],
    file: &FilePath,
    place: &Path,
    context: &mut Context<'_>,
) -> bool {
    let is_authority =
        |der: &CertificateDer<'_>| X509Certificate::from_der(der).is_ok_and(|(_, read)| read.is_ca());
    let Some(n) = found.iter().position(|der| !is_authority(der)) else { return true };
    let which = if found.len() > 1 { format!(", certificate {},", n + 1) } else { String::new() };
    let message = format!("{}{which} is no certificate of an authority (CA:TRUE)", file.display());
    let hint = format!(
        "Name the certificate that signs those of clients; look at this one with \
         `openssl x509 -noout -subject -issuer -ext basicConstraints -in {}`",
        file.display()
    );
    context.report.error(place, message, hint);
    false
}

fn revocation_lists(
    files: &[String],
    context: &mut Context<'_>,
) -> Option<Vec<CertificateRevocationListDer<'static>>> {
    let mut all = Vec::new();
    for (n, file) in files.iter().enumerate() {
        let (file, place) = (context.path(file), element("client_crl", n, files));
        if !context.looks_at(&file, &place) {
            continue;
        }
        let pem = pem::read(&file, &place, context)?;
        let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&pem).collect();
        let is_list = |der: &CertificateRevocationListDer<'_>| {
            CertificateRevocationList::from_der(der.as_ref()).is_ok_and(|(rest, _)| rest.is_empty())
        };
        match found {
            Ok(found) if !found.is_empty() && found.iter().all(is_list) => all.extend(found),
            _ => {
                let (message, hint) = no_list(&pem, &file);
                context.report.error(place, message, hint);
                return None;
            }
        }
    }
    Some(all)
}

fn no_list(content: &[u8], file: &FilePath) -> (String, String) {
    let from = file.display();
    if CertificateRevocationList::from_der(content).is_ok() {
        let hint = format!("Convert it with `openssl crl -inform DER -in {from} -out {from}.pem`");
        return (format!("{from} is a revocation list in DER form, not PEM"), hint);
    }
    let hint = "Write one with `openssl ca -gencrl`, or ask the authority for it; \
                look at a list with `openssl crl -noout -text -in FILE`";
    (format!("{from} holds no revocation list in PEM form"), hint.to_owned())
}

fn accounts(written: &CertificateAuth, context: &mut Context<'_>) -> Option<CertificateAccounts> {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.0.clone()).unwrap_or_default();
    let section = Path::from("certificate_auth");
    let account = CertificateName::parse(&text(&written.account));
    if account.is_none() {
        let hint = format!("Write a field, as `${{san:uri}}`; the account begins with `cert:`. {}", known());
        context.report.error(section.key("account"), "missing, or without a field that is known", hint);
    }
    let mut labels = Vec::new();
    for (label, field) in written.labels.iter().flat_map(|entries| &entries.0) {
        let field = field.as_ref().map(|text| text.0.as_str()).unwrap_or_default();
        match CertificateField::parse_placeholder(field) {
            Some(field) => labels.push((label.clone(), field)),
            None => {
                let hint = format!("Write one field, as `${{subject:O}}`. {}", known());
                context.report.error(section.key("labels").key(label), "not a field", hint);
            }
        }
    }
    Some(CertificateAccounts { account: account?, strip: text(&written.strip), labels })
}

fn known() -> String {
    format!("Known fields: {}", CertificateField::names().collect::<Vec<_>>().join(", "))
}

fn texts(written: Option<&OneOrMany>) -> &[String] {
    let texts = written.map(|OneOrMany(texts)| texts.as_slice()).unwrap_or_default();
    if texts.iter().all(String::is_empty) { &[] } else { texts }
}

/// The place of a text that may stand alone or in a list.
fn element(key: &str, n: usize, texts: &[String]) -> Path {
    if texts.len() > 1 { at(key).index(n) } else { at(key) }
}

fn at(key: &str) -> Path {
    Path::from("server").key(key)
}

#[cfg(test)]
mod tests;
