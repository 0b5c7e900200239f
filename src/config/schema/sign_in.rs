//! `google_auth:`, `github_auth:`, `gitlab_auth:` and `oidc_auth:`, each with its own keys, and all of them as one type.

use serde::{Deserialize, de::IgnoredAny};

use super::{OneOrMany, Text};

/// A database of docker_auth, as far as it checks one.
#[derive(Deserialize, Default)]
#[serde(default, expecting = "a mapping")]
pub(crate) struct TokenDatabase {
    pub(crate) path: Option<Text>,
    pub(crate) bucket: Option<Text>,
    pub(crate) client_secret_file: Option<Text>,
    pub(crate) redis_options: Option<IgnoredAny>,
    pub(crate) redis_cluster_options: Option<IgnoredAny>,
}

/// The keys of all the sections.
#[derive(Clone, Copy, Default)]
pub(crate) struct SignInAuth<'w> {
    pub(crate) client_id: Option<&'w Text>,
    pub(crate) client_secret: Option<&'w Text>,
    pub(crate) client_secret_file: Option<&'w Text>,
    pub(crate) http_timeout: Option<&'w Text>,
    pub(crate) revalidate_after: Option<&'w Text>,
    pub(crate) ca_certificate: Option<&'w Text>,
    pub(crate) registry_url: Option<&'w Text>,
    pub(crate) redirect_url: Option<&'w Text>,
    pub(crate) redirect_uri: Option<&'w Text>,
    pub(crate) level_token_db: Option<&'w TokenDatabase>,
    pub(crate) gcs_token_db: Option<&'w TokenDatabase>,
    pub(crate) redis_token_db: Option<&'w TokenDatabase>,
    pub(crate) issuer: Option<&'w Text>,
    pub(crate) user_claim: Option<&'w Text>,
    pub(crate) label_claims: Option<&'w OneOrMany>,
    pub(crate) labels_claims: Option<&'w OneOrMany>,
    pub(crate) scopes: Option<&'w Vec<Text>>,
    pub(crate) jwks_uri: Option<&'w Text>,
    pub(crate) domain: Option<&'w Text>,
    pub(crate) organization: Option<&'w Text>,
    pub(crate) github_web_uri: Option<&'w Text>,
    pub(crate) github_api_uri: Option<&'w Text>,
    pub(crate) gitlab_web_uri: Option<&'w Text>,
    pub(crate) gitlab_api_uri: Option<&'w Text>,
    pub(crate) grant_type: Option<&'w Text>,
}

/// A section with some of the keys, in the order of the table of settings.
macro_rules! section {
    ($doc:literal, $name:ident { $($key:ident: $type:ty,)* }) => {
        #[doc = $doc]
        #[derive(Deserialize, Default)]
        #[serde(deny_unknown_fields, default, expecting = "a mapping with `client_id`")]
        pub(crate) struct $name {
            $($key: Option<$type>,)*
        }

        impl $name {
            /// The section as the type of all of them.
            pub(crate) fn as_any(&self) -> SignInAuth<'_> {
                SignInAuth { $($key: self.$key.as_ref(),)* ..SignInAuth::default() }
            }
        }
    };
}

section!(
    "`google_auth:`; `redirect_url` and `revalidate_after` are Portwarden's own.",
    GoogleAuth {
        client_id: Text,
        client_secret: Text,
        client_secret_file: Text,
        domain: Text,
        redirect_url: Text,
        revalidate_after: Text,
        http_timeout: Text,
        level_token_db: TokenDatabase,
        gcs_token_db: TokenDatabase,
        redis_token_db: TokenDatabase,
    }
);
section!(
    "`github_auth:`; `redirect_url` and `ca_certificate` are Portwarden's own.",
    GithubAuth {
        client_id: Text,
        client_secret: Text,
        client_secret_file: Text,
        organization: Text,
        github_web_uri: Text,
        github_api_uri: Text,
        redirect_url: Text,
        revalidate_after: Text,
        http_timeout: Text,
        ca_certificate: Text,
        registry_url: Text,
        level_token_db: TokenDatabase,
        gcs_token_db: TokenDatabase,
        redis_token_db: TokenDatabase,
    }
);
section!(
    "`gitlab_auth:`; `ca_certificate` is Portwarden's own.",
    GitlabAuth {
        client_id: Text,
        client_secret: Text,
        client_secret_file: Text,
        redirect_uri: Text,
        grant_type: Text,
        gitlab_web_uri: Text,
        gitlab_api_uri: Text,
        revalidate_after: Text,
        http_timeout: Text,
        ca_certificate: Text,
        registry_url: Text,
        level_token_db: TokenDatabase,
        gcs_token_db: TokenDatabase,
        redis_token_db: TokenDatabase,
    }
);
section!(
    "`oidc_auth:`; `jwks_uri`, `revalidate_after` and `ca_certificate` are Portwarden's own.",
    OidcAuth {
        issuer: Text,
        redirect_url: Text,
        client_id: Text,
        client_secret: Text,
        client_secret_file: Text,
        user_claim: Text,
        label_claims: OneOrMany,
        labels_claims: OneOrMany,
        scopes: Vec<Text>,
        jwks_uri: Text,
        revalidate_after: Text,
        http_timeout: Text,
        ca_certificate: Text,
        registry_url: Text,
        level_token_db: TokenDatabase,
        gcs_token_db: TokenDatabase,
        redis_token_db: TokenDatabase,
    }
);
