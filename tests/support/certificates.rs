//! Client certificates: an authority that signs them for machines, its revocation list, and a Portwarden that takes
//! them as logins.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

use super::{
    curl::Request,
    portwarden::{Builder, Portwarden},
};

/// The rules: the machine `ci/app` may pull and push its repository, and machines of `acme` may pull it.
pub const ACL: &str = r#"
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "cert:ci/app", name: "acme/app"}
    actions: ["pull", "push"]
  - match: {labels: {org: "acme"}, name: "acme/app"}
    actions: ["pull"]
"#;

/// The account of [`ClientAuthority::machine`] with the name `ci/app`.
pub const ACCOUNT: &str = "cert:ci/app";

/// The mapping.
pub const SECTION: &str = "certificate_auth: {account: \"${san:uri}\", strip: \"spiffe://example.org/\", labels: {org: \"${subject:O}\"}}";

/// An authority for client certificates, with its files.
pub struct ClientAuthority {
    authority: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
    serials: RefCell<u64>,
}

/// A certificate and its key, on disk.
pub struct Machine {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
    /// The serial number.
    pub serial: u64,
}

impl ClientAuthority {
    /// A new one, of that name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::Builder::new().prefix("portwarden-clients-").tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authority, directory, serials: RefCell::new(0x0a00) }
    }

    /// The file of its certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Signs for the machine `spiffe://example.org/<name>` of the organization `acme`.
    pub fn machine(&self, name: &str) -> Machine {
        self.sign(|params| {
            params.subject_alt_names =
                vec![SanType::URI(format!("spiffe://example.org/{name}").as_str().try_into().unwrap())];
        })
    }

    /// Signs what `change` makes of a certificate for clients of the organization `acme`.
    pub fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Machine {
        let serial = *self.serials.borrow() + 1;
        *self.serials.borrow_mut() = serial;
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "acme");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let path = |ending: &str| self.directory.path().join(format!("{serial:x}.{ending}"));
        fs::write(path("crt"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        Machine { certificate: path("crt"), key: path("key"), serial }
    }

    /// Writes its revocation list, with these serial numbers, and returns the file.
    pub fn revoke(&self, serials: &[u64]) -> PathBuf {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let file = self.directory.path().join("crl.pem");
        fs::write(&file, params.signed_by(&self.authority).unwrap().pem().unwrap()).unwrap();
        file
    }

    /// The builder with this authority.
    pub fn asked_for(&self, builder: Builder) -> Builder {
        builder.acl(ACL).with_server("client_ca", self.file().to_str().unwrap())
    }

    /// The same with logins.
    pub fn trusted(&self, builder: Builder) -> Builder {
        self.asked_for(builder).with(SECTION)
    }
}

impl Machine {
    /// The request with this certificate.
    pub fn asks(&self, request: Request) -> Request {
        let path = |file: &Path| file.to_str().unwrap().to_owned();
        request.option(&["--cert", &path(&self.certificate), "--key", &path(&self.key)])
    }

    /// A directory as docker, podman and skopeo have for a host: `ca.crt`, `client.cert` and `client.key`.
    pub fn write_directory(&self, warden: &Portwarden, directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        fs::copy(warden.authority_file(), directory.join("ca.crt")).unwrap();
        fs::copy(&self.certificate, directory.join("client.cert")).unwrap();
        fs::copy(&self.key, directory.join("client.key")).unwrap();
    }
}
