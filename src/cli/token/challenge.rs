//! The token endpoint of a registry: its `WWW-Authenticate: Bearer …` (RFC 6750 section 3; the syntax is that of RFC
//! 9110 section 11.6.1).

/// The challenge of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// The URL of the token endpoint.
    pub(super) realm: String,
    /// The service for which the tokens are.
    pub(super) service: Option<String>,
}

impl Challenge {
    /// Reads a header line. `None` where it is of another scheme, or names no realm.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (scheme, mut rest) = value.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        while let Some((name, value, behind)) = parameter(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                _ => {}
            }
            rest = behind;
        }
        Some(Self { realm: realm?, service })
    }
}

/// The first `name=value` or `name="value"`, and what stands behind it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.trim_start_matches([' ', '\t', ',']).split_once('=')?;
    let (value, rest) = match rest.trim_start().strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let rest = rest.trim_start();
            let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            (value.to_owned(), rest)
        }
    };
    Some((name.trim(), value, rest))
}

/// A quoted string from behind its first quote, and what stands behind its last one; `None` where it does not end.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return text.get(at + 1..).map(|rest| (value, rest)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, Option<String>)> {
        Challenge::parse(value).map(|challenge| (challenge.realm, challenge.service))
    }

    #[test]
    fn challenges_are_read_in_each_form() {
        let realm = "https://a.example/auth";
        for (value, service) in [
            (r#"Bearer realm="https://a.example/auth",service="Docker registry""#, Some("Docker registry")),
            (r#"bearer  realm="https://a.example/auth" , service=registry"#, Some("registry")),
            (r#"Bearer error="a, b=c", service="a \"b\"",realm=https://a.example/auth"#, Some("a \"b\"")),
            (r#"Bearer realm="https://a.example/auth",scope="repository:a:pull""#, None),
        ] {
            assert_eq!(read(value), Some((realm.to_owned(), service.map(str::to_owned))), "{value}");
        }
    }

    #[test]
    fn others_are_none() {
        for value in
            ["", "Bearer", "Bearer ", "Basic realm=\"x\"", "Bearer realm=\"x", "Bearer service=\"x\""]
        {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
