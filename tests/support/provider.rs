//! A provider at which people sign in: OpenID Connect as its specifications say, and the parts of GitHub's and GitLab's
//! APIs that a sign-in uses, as their documentation says. A test approves for the person, and says what the provider
//! answers.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL},
};
use serde_json::{Value, json};

use super::{
    https_server::{Answer, Asked, HttpsServer, https_server},
    issuer,
    waiting::pause,
};

/// The client and its secret at the provider, and the address that is registered there.
pub const CLIENT: &str = "the-registry";
pub const SECRET: &str = "the-secret-of-the-registry";
pub const REGISTERED: &str = "https://registry.test";

/// The knowledge and the answers of the provider. A test changes them.
pub struct World {
    /// The claims of the ID token beside those that bind it; one of these names replaces those.
    pub claims: Value,
    /// The claims of the endpoint for claims.
    pub userinfo: Value,
    /// In place of the nonce that was asked for; empty for none at all.
    pub nonce: Option<String>,
    /// False to give no refresh token.
    pub renews: bool,
    /// True to refuse refresh tokens and access tokens: the person was locked out.
    pub refuses: bool,
    /// True to answer 503.
    pub is_down: bool,
    /// The beginning of the targets that get no answer as long as this stands here.
    pub hangs: Option<&'static str>,
    /// In place of its own address for browsers.
    pub authorization: Option<String>,
    /// True to announce, and send, `iss` with the code (RFC 9207).
    pub names_itself: bool,
    /// GitHub's or GitLab's user.
    pub user: Value,
    /// The status of the question whether the user is a member of the organization.
    pub membership: &'static str,
    /// The pages of the user's teams.
    pub teams: Vec<Value>,
    /// The address of the second page of teams, where it is not on this server.
    pub next_page: Option<String>,
    /// True where GitHub's rate limit is used up.
    pub is_limited: bool,
    /// Each request: method, target, and form.
    pub asked: Vec<String>,
    codes: HashMap<String, Code>,
    refresh_tokens: Vec<String>,
    made: usize,
}

struct Code {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

/// The provider; its threads end with the process.
pub struct Provider {
    server: HttpsServer,
    world: Arc<Mutex<World>>,
}

/// Starts one, whose person is `ada@example.com` and `ada`.
pub fn provider() -> Provider {
    let world = Arc::new(Mutex::new(World::new()));
    let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let known = Arc::clone(&world);
    let server = https_server(move |url, asked| answer(url, asked, (&signer, &known)));
    Provider { server, world }
}

impl World {
    fn new() -> Self {
        Self {
            claims: json!({"sub": "subject-1", "email": "ada@example.com", "email_verified": true, "groups": ["dev"]}),
            userinfo: json!({"sub": "subject-1", "email": "ada@example.com", "email_verified": true, "groups": ["dev"]}),
            nonce: None,
            renews: true,
            refuses: false,
            is_down: false,
            hangs: None,
            authorization: None,
            names_itself: false,
            user: json!({"id": 7, "login": "ada", "username": "ada", "state": "active"}),
            membership: "204 No Content",
            teams: vec![
                json!([{"slug": "dev", "organization": {"login": "acme"}, "parent": {"slug": "everyone"}},
                    {"slug": "owners", "organization": {"login": "other"}}]),
                json!([{"slug": "ops", "organization": {"login": "Acme"}, "parent": null}]),
            ],
            next_page: None,
            is_limited: false,
            asked: Vec::new(),
            codes: HashMap::new(),
            refresh_tokens: Vec::new(),
            made: 0,
        }
    }

    fn approve(&mut self, url: &str, address: &str) -> String {
        let query = parameters(address.split_once('?').unwrap().1);
        let get = |name: &str| query.get(name).cloned().unwrap_or_default();
        let code = self.new_token("code");
        assert_eq!((get("client_id"), get("code_challenge_method")), (CLIENT.to_owned(), "S256".to_owned()));
        let made =
            Code { nonce: get("nonce"), challenge: get("code_challenge"), redirect_uri: get("redirect_uri") };
        self.codes.insert(code.clone(), made);
        let issuer = if self.names_itself { format!("&iss={url}") } else { String::new() };
        format!("code={code}&state={}{issuer}", get("state"))
    }

    fn new_token(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{}", self.made)
    }
}

impl Provider {
    /// Its address, which is its `iss`.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The file with the certificate of its authority.
    pub fn authority_file(&self) -> PathBuf {
        self.server.authority_file()
    }

    /// Its knowledge and its answers.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The person lets this registry sign it in, which asked for it with this address: the query with which the browser
    /// is sent back.
    pub fn approve(&self, address: &str) -> String {
        self.world().approve(self.url(), address)
    }

    /// The certificate of the server itself, and its port.
    pub fn server(&self) -> (PathBuf, u16) {
        (self.server.certificate_file(), self.url().rsplit_once(':').unwrap().1.parse().unwrap())
    }

    /// `oidc_auth` with this provider.
    pub fn oidc(&self) -> String {
        format!(
            "oidc_auth:\n  issuer: {}\n  redirect_url: {REGISTERED}/oidc_auth\n  client_id: {CLIENT}\n  client_secret: {SECRET}\n  \
             label_claims: [groups]\n  ca_certificate: {}\n",
            self.url(),
            self.authority_file().display()
        )
    }

    /// `github_auth` with this provider and the organization `acme`.
    pub fn github(&self) -> String {
        format!(
            "github_auth:\n  organization: acme\n  client_id: {CLIENT}\n  client_secret: {SECRET}\n  github_web_uri: {url}\n  \
             github_api_uri: {url}/api/v3\n  ca_certificate: {}\n",
            self.authority_file().display(),
            url = self.url()
        )
    }

    /// `gitlab_auth` with this provider.
    pub fn gitlab(&self) -> String {
        format!(
            "gitlab_auth:\n  client_id: {CLIENT}\n  client_secret: {SECRET}\n  grant_type: authorization_code\n  \
             redirect_uri: {REGISTERED}/gitlab_auth\n  gitlab_web_uri: {url}\n  gitlab_api_uri: {url}/api/v4\n  \
             ca_certificate: {}\n",
            self.authority_file().display(),
            url = self.url()
        )
    }
}

type Form = HashMap<String, String>;

/// The parameters of a query or a form.
pub fn parameters(query: &str) -> Form {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).unwrap().replace('+', " ")
}

fn answer(url: &str, asked: &Asked, (signer, world): (&EcdsaKeyPair, &Mutex<World>)) -> Answer {
    let form = parameters(&asked.body);
    world.lock().unwrap().asked.push(format!("{} {} {form:?}", asked.method, asked.target));
    let hangs = || world.lock().unwrap().hangs.is_some_and(|target| asked.target.starts_with(target));
    while hangs() {
        pause(Duration::from_millis(20));
    }
    let world = &mut *world.lock().unwrap();
    if world.is_down {
        return ("503 Service Unavailable", String::new(), String::new());
    }
    let path = asked.target.split('?').next().unwrap();
    match (asked.method.as_str(), path) {
        ("GET", "/.well-known/openid-configuration") => ok(&discovery(url, world)),
        ("GET", "/authorize") => {
            let to = parameters(asked.target.split_once('?').unwrap().1)["redirect_uri"].clone();
            let back = world.approve(url, &asked.target).replace('&', "&amp;");
            let page =
                format!("<!DOCTYPE html><title>Provider</title><a id=allow href=\"{to}?{back}\">Allow</a>");
            ("200 OK", "content-type: text/html\r\n".to_owned(), page)
        }
        ("GET", "/keys") => {
            let key = issuer::jwk("the-key", signer);
            ok(&json!({"keys": [key]}))
        }
        ("POST", "/token") => token(asked, &form, (url, signer), world),
        ("GET", "/userinfo") if is_known(asked, world) => ok(&world.userinfo),
        ("POST", "/login/oauth/access_token") => github_token(&form, world),
        ("POST", "/oauth/token") => gitlab_token(&form, world),
        ("GET", "/api/v3/user" | "/api/v4/user" | "/api/v3/user/teams") if !is_known(asked, world) => {
            ("401 Unauthorized", String::new(), json!({"message": "Bad credentials"}).to_string())
        }
        ("GET", path) if path.starts_with("/api/v3/") => github(asked, url, world),
        ("GET", "/api/v4/user") => ok(&world.user),
        _ => ("401 Unauthorized", String::new(), "{}".to_owned()),
    }
}

fn ok(body: &Value) -> Answer {
    ("200 OK", "content-type: application/json\r\n".to_owned(), body.to_string())
}

fn refused(error: &str) -> Answer {
    ("400 Bad Request", String::new(), json!({"error": error, "error_description": "as told"}).to_string())
}

fn discovery(url: &str, world: &World) -> Value {
    json!({
        "issuer": url,
        "authorization_endpoint": world.authorization.clone().unwrap_or_else(|| format!("{url}/authorize")),
        "token_endpoint": format!("{url}/token"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "jwks_uri": format!("{url}/keys"),
        "authorization_response_iss_parameter_supported": world.names_itself,
    })
}

fn is_known(asked: &Asked, world: &World) -> bool {
    !world.refuses && asked.authorization.starts_with("Bearer access-")
}

/// The code, once, with the verifier and the redirect URI of the request that it was made for (RFC 6749, RFC 7636).
fn redeemed(form: &Form, world: &mut World) -> Option<Code> {
    let code = world.codes.remove(form.get("code")?)?;
    let verifier = form.get("code_verifier")?;
    let challenge = BASE64URL.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let redirect_uri = form.get("redirect_uri").map_or("", String::as_str);
    (challenge == code.challenge && redirect_uri == code.redirect_uri).then_some(code)
}

fn token(asked: &Asked, form: &Form, (url, signer): (&str, &EcdsaKeyPair), world: &mut World) -> Answer {
    if asked.authorization != format!("Basic {}", BASE64.encode(format!("{CLIENT}:{SECRET}"))) {
        return ("401 Unauthorized", String::new(), json!({"error": "invalid_client"}).to_string());
    }
    let mut body =
        json!({"token_type": "Bearer", "expires_in": 300, "access_token": world.new_token("access")});
    if form["grant_type"] == "refresh_token" {
        if !renewed(form, world) {
            return refused("invalid_grant");
        }
    } else {
        let Some(code) = redeemed(form, world) else { return refused("invalid_grant") };
        body["id_token"] = id_token(url, signer, world, &code.nonce).into();
    }
    add_refresh_token(&mut body, world);
    ok(&body)
}

/// Each refresh token counts once.
fn renewed(form: &Form, world: &mut World) -> bool {
    let before = world.refresh_tokens.len();
    world.refresh_tokens.retain(|known| *known != form["refresh_token"]);
    !world.refuses && world.refresh_tokens.len() < before
}

fn add_refresh_token(body: &mut Value, world: &mut World) {
    if world.renews {
        let token = world.new_token("refresh");
        world.refresh_tokens.push(token.clone());
        body["refresh_token"] = token.into();
    }
}

fn id_token(url: &str, signer: &EcdsaKeyPair, world: &World, nonce: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({"iss": url, "aud": CLIENT, "iat": now, "exp": now + 300});
    match world.nonce.as_deref().unwrap_or(nonce) {
        "" => {}
        nonce => claims["nonce"] = nonce.into(),
    }
    claims.as_object_mut().unwrap().extend(world.claims.as_object().unwrap().clone());
    issuer::sign(signer, "the-key", &claims)
}

/// GitHub answers errors with 200.
fn github_token(form: &Form, world: &mut World) -> Answer {
    let is_client = form.get("client_id").map(String::as_str) == Some(CLIENT)
        && form.get("client_secret").map(String::as_str) == Some(SECRET);
    if !is_client {
        return ok(&json!({"error": "incorrect_client_credentials", "error_description": "as told"}));
    }
    match redeemed(form, world) {
        Some(_) => ok(
            &json!({"access_token": world.new_token("access"), "scope": "read:org,user:email", "token_type": "bearer"}),
        ),
        None => ok(&json!({"error": "bad_verification_code", "error_description": "as told"})),
    }
}

fn github(asked: &Asked, url: &str, world: &World) -> Answer {
    if world.is_limited {
        let more = "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n".to_owned();
        return ("403 Forbidden", more, json!({"message": "API rate limit exceeded"}).to_string());
    }
    match asked.target.as_str() {
        "/api/v3/user" => ok(&world.user),
        target if target.starts_with("/api/v3/orgs/acme/members/") => {
            (world.membership, "location: /elsewhere\r\n".to_owned(), String::new())
        }
        target if target.starts_with("/api/v3/user/teams") => {
            let is_second = target.contains("&page=2");
            let next = world
                .next_page
                .clone()
                .unwrap_or_else(|| format!("{url}/api/v3/user/teams?per_page=50&page=2"));
            let link = format!("link: <{url}/first>; rel=\"first\", <{next}>; rel=\"next\"\r\n");
            let more = if is_second { String::new() } else { link };
            ("200 OK", more, world.teams[usize::from(is_second)].to_string())
        }
        _ => ("404 Not Found", String::new(), json!({"message": "Not Found"}).to_string()),
    }
}

fn gitlab_token(form: &Form, world: &mut World) -> Answer {
    if form.get("client_secret").map(String::as_str) != Some(SECRET) {
        return ("401 Unauthorized", String::new(), json!({"error": "invalid_client"}).to_string());
    }
    let is_right = match form["grant_type"].as_str() {
        "refresh_token" => renewed(form, world),
        _ => redeemed(form, world).is_some(),
    };
    if !is_right {
        return refused("invalid_grant");
    }
    let mut body =
        json!({"access_token": world.new_token("access"), "token_type": "Bearer", "expires_in": 7200});
    add_refresh_token(&mut body, world);
    ok(&body)
}
