//! Sign-in of people at a provider: `google_auth:`, `github_auth:`, `gitlab_auth:`, `oidc_auth:`.

use crate::config::settings::row::{
    DefaultValue::Words, Setting, duration, hours, optional, plain, required, seconds, section,
};

const CLIENT_ID: &str = "The name of this registry's client, as it is registered at the provider.";
const SECRET: &str = "The secret of the client.";
const SECRET_FILE: &str = "The file with the secret of the client, in place of `client_secret`.";
const CA: &str =
    "The authorities that the provider's certificate may be from, in PEM. docker_auth does not have it.";
const TIMEOUT: &str = "The time for each request to the provider.";
const REVALIDATE: &str =
    "The time after which the provider is asked again whether the person may still sign in.";
const LEVEL: &str = "Of docker_auth, for its database. Portwarden keeps sign-ins in `state.file`.";
const STORE: &str = "The same.";
const REGISTRY: &str =
    "Of docker_auth, for its page. Portwarden's pages name the host that the browser asked for.";

pub(crate) const GOOGLE: &[Setting] = &[
    section("google_auth", "People who sign in with Google: see docs/sign-in.md.").or(Words("none")),
    required("google_auth.client_id", CLIENT_ID),
    optional("google_auth.client_secret", SECRET),
    optional("google_auth.client_secret_file", SECRET_FILE),
    optional(
        "google_auth.domain",
        "The organization at Google, as `example.com`, whose accounts alone may sign in.",
    )
    .or(Words("any account of Google")),
    optional(
        "google_auth.redirect_url",
        "The address to which Google sends browsers back. docker_auth does not have it.",
    )
    .or(Words("`/google_auth` at the host that the browser asked for")),
    duration("google_auth.revalidate_after", hours(1), seconds(1)..=hours(720), REVALIDATE),
    duration("google_auth.http_timeout", seconds(10), seconds(1)..=seconds(60), TIMEOUT),
    optional("google_auth.level_token_db", LEVEL),
    optional("google_auth.gcs_token_db", STORE),
    optional("google_auth.redis_token_db", STORE),
];

pub(crate) const GITHUB: &[Setting] = &[
    section("github_auth", "People who sign in with GitHub: see docs/sign-in.md.").or(Words("none")),
    required("github_auth.client_id", CLIENT_ID),
    optional("github_auth.client_secret", SECRET),
    optional("github_auth.client_secret_file", SECRET_FILE),
    optional(
        "github_auth.organization",
        "The organization whose members alone may sign in. Its teams are the label `teams`.",
    )
    .or(Words("any account of GitHub")),
    plain(
        "github_auth.github_web_uri",
        "https://github.com",
        "GitHub's pages, or those of an Enterprise Server.",
    ),
    plain("github_auth.github_api_uri", "https://api.github.com", "GitHub's API."),
    optional(
        "github_auth.redirect_url",
        "The address to which GitHub sends browsers back. docker_auth does not have it.",
    )
    .or(Words("the one that is registered at GitHub")),
    duration("github_auth.revalidate_after", hours(1), seconds(1)..=hours(720), REVALIDATE),
    duration("github_auth.http_timeout", seconds(10), seconds(1)..=seconds(60), TIMEOUT),
    optional("github_auth.ca_certificate", CA).or(Words("the authorities of this machine")),
    optional("github_auth.registry_url", REGISTRY),
    optional("github_auth.level_token_db", LEVEL),
    optional("github_auth.gcs_token_db", STORE),
    optional("github_auth.redis_token_db", STORE),
];

pub(crate) const GITLAB: &[Setting] = &[
    section("gitlab_auth", "People who sign in with GitLab: see docs/sign-in.md.").or(Words("none")),
    required("gitlab_auth.client_id", CLIENT_ID),
    optional("gitlab_auth.client_secret", SECRET),
    optional("gitlab_auth.client_secret_file", SECRET_FILE),
    required(
        "gitlab_auth.redirect_uri",
        "The address to which GitLab sends browsers back: it ends in `/gitlab_auth`.",
    ),
    plain("gitlab_auth.grant_type", "authorization_code", "Nothing else."),
    plain("gitlab_auth.gitlab_web_uri", "https://gitlab.com", "GitLab's pages."),
    plain("gitlab_auth.gitlab_api_uri", "https://gitlab.com/api/v4", "GitLab's API."),
    duration("gitlab_auth.revalidate_after", hours(1), seconds(1)..=hours(720), REVALIDATE),
    duration("gitlab_auth.http_timeout", seconds(10), seconds(1)..=seconds(60), TIMEOUT),
    optional("gitlab_auth.ca_certificate", CA).or(Words("the authorities of this machine")),
    optional("gitlab_auth.registry_url", REGISTRY),
    optional("gitlab_auth.level_token_db", LEVEL),
    optional("gitlab_auth.gcs_token_db", STORE),
    optional("gitlab_auth.redis_token_db", STORE),
];

pub(crate) const OIDC: &[Setting] = &[
    section("oidc_auth", "People who sign in at a provider of OpenID Connect: see docs/sign-in.md.")
        .or(Words("none")),
    required("oidc_auth.issuer", "The provider, an https URL: what `iss` of its tokens is, byte for byte."),
    required(
        "oidc_auth.redirect_url",
        "The address to which the provider sends browsers back: it ends in `/oidc_auth`.",
    ),
    required("oidc_auth.client_id", CLIENT_ID),
    optional("oidc_auth.client_secret", SECRET),
    optional("oidc_auth.client_secret_file", SECRET_FILE),
    plain(
        "oidc_auth.user_claim",
        "email",
        "The claim that names the account. An `email` counts with `email_verified` only.",
    ),
    optional("oidc_auth.label_claims", "Claims that are lists of text, and become labels of the same name."),
    optional("oidc_auth.labels_claims", "The same, as docker_auth's program reads it."),
    plain(
        "oidc_auth.scopes",
        "[\"openid\", \"email\"]",
        "The scopes. Many providers renew with `offline_access` only.",
    ),
    optional("oidc_auth.jwks_uri", "The https URL of its keys. docker_auth does not have it.")
        .or(Words("discovered")),
    duration("oidc_auth.revalidate_after", hours(1), seconds(1)..=hours(720), REVALIDATE),
    duration("oidc_auth.http_timeout", seconds(10), seconds(1)..=seconds(60), TIMEOUT),
    optional("oidc_auth.ca_certificate", CA).or(Words("the authorities of this machine")),
    optional("oidc_auth.registry_url", REGISTRY),
    optional("oidc_auth.level_token_db", LEVEL),
    optional("oidc_auth.gcs_token_db", STORE),
    optional("oidc_auth.redis_token_db", STORE),
];
