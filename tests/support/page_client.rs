//! A browser without a screen: it keeps the session's cookie, follows no redirects, and says of its requests what
//! browsers say. For what only a real one can show there is `tests/services/browser/`.

use super::{
    curl::{Request, Response, curl},
    portwarden::{Portwarden, User},
};

/// A visitor of the pages.
#[derive(Clone)]
pub struct Visitor<'w> {
    warden: &'w Portwarden,
    /// `name=value` of the session, when there is one.
    pub cookie: Option<String>,
}

impl<'w> Visitor<'w> {
    /// A visitor that has not signed in.
    pub fn new(warden: &'w Portwarden) -> Self {
        Self { warden, cookie: None }
    }

    /// A visitor that has signed in.
    #[track_caller]
    pub fn signed_in(warden: &'w Portwarden, user: User) -> Self {
        let mut visitor = Self::new(warden);
        let answer = visitor.sign_in(user, "/");
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text());
        visitor
    }

    /// A visitor with that cookie, from any source.
    pub fn with_cookie(warden: &'w Portwarden, cookie: Option<String>) -> Self {
        Self { warden, cookie }
    }

    /// Sends the form, and keeps the cookie.
    pub fn sign_in(&mut self, user: User, next: &str) -> Response {
        let form = [("account", user.name), ("password", user.password), ("next", next)];
        let answer = self.post("/-/sign-in", &form);
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer
    }

    /// A page.
    pub fn get(&self, path: &str) -> Response {
        self.request().get(path)
    }

    /// Sends a form as a page of Portwarden does.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let origin = format!("Origin: {}", self.warden.url());
        send(self.request().header(&origin).header("Sec-Fetch-Site: same-origin"), path, fields)
    }

    /// A form with what another page's browser says of it.
    pub fn post_from(&self, headers: &[&str], path: &str, fields: &[(&str, &str)]) -> Response {
        send(headers.iter().fold(self.request(), |request, line| request.header(line)), path, fields)
    }

    /// The form of the page that asks before a manifest is deleted, as it stands there now.
    #[track_caller]
    pub fn asked_at(&self, path: &str) -> [(&'static str, String); 2] {
        let page = self.get(path).is(200).text();
        let field = |name: &'static str| {
            let (_, rest) = page.rsplit_once(&format!("name=\"{name}\" value=\"")).expect("the field");
            (name, rest.split('"').next().expect("its end").to_owned())
        };
        [field("csrf"), field("tags")]
    }

    /// Looks at what goes, and deletes it.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Response {
        let form = self.asked_at(path);
        self.post(path, &form.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    /// Returns the token that the forms of the session send along.
    #[track_caller]
    pub fn csrf(&self) -> String {
        let page = self.get("/").is(200).text();
        let (_, rest) = page.split_once("name=\"csrf\"").unwrap_or_else(|| panic!("no form in {page}"));
        let (_, value) = rest.split_once("value=\"").expect("a value");
        value.split('"').next().expect("its end").to_owned()
    }

    /// A request with the cookie.
    pub fn request(&self) -> Request {
        let request = curl(self.warden).header("Accept: text/html");
        match &self.cookie {
            Some(cookie) => request.header(&format!("Cookie: {cookie}")),
            None => request,
        }
    }
}

fn send(request: Request, path: &str, fields: &[(&str, &str)]) -> Response {
    let fields =
        fields.iter().flat_map(|(name, value)| ["--data-urlencode".to_owned(), format!("{name}={value}")]);
    let fields: Vec<String> = fields.collect();
    let options: Vec<&str> = fields.iter().map(String::as_str).collect();
    // Without a field curl would send no form.
    let options = if options.is_empty() { vec!["--data", ""] } else { options };
    request.option(&options).send("POST", path)
}
