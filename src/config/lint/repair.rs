//! Faults of names that no repository can have, and the names that were probably meant.

use super::{
    names::{example, is_host},
    resources::shape_of,
};
use crate::authz::{Example, PatternShape, Policy, RuleSettings, shapes};

/// A fault of a name, and the function that removes it.
type Fault = (&'static str, fn(&str) -> String);

/// The faults of names. In this order: an address before a tag, a tag before its slash.
const FAULTS: &[Fault] = &[
    ("white space around it", |name| name.trim().to_owned()),
    ("address before it", |name| {
        let rest = name.split_once("://").map(|(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        rest.unwrap_or(name).to_owned()
    }),
    ("digest", |name| name.split_once('@').map_or(name, |(name, _)| name).to_owned()),
    ("tag", without_tag),
    ("capitals", str::to_ascii_lowercase),
    ("empty part between slashes", |name| {
        let (start, end) = (name.starts_with('/'), name.ends_with('/'));
        let parts: Vec<_> = name.split('/').filter(|part| !part.is_empty()).collect();
        format!("{}{}{}", if start { "/" } else { "" }, parts.join("/"), if end { "/" } else { "" })
    }),
    ("part that is `.` or `..`", |name| {
        let parts: Vec<_> = name.split('/').filter(|part| *part != "." && *part != "..").collect();
        parts.join("/")
    }),
    ("slash at its start", |name| name.trim_start_matches('/').to_owned()),
    ("slash at its end", |name| match name.strip_suffix('/') {
        Some(space) => format!("{space}/*"),
        None => name.to_owned(),
    }),
];

/// A warning, and its hint, about a name that no repository can have.
pub(super) fn said(rule: &RuleSettings, shape: &PatternShape<'_>) -> (String, String) {
    let (why, hint) = in_another_language(rule, shape).unwrap_or_else(|| with_faults(rule, shape));
    (format!("matches no repository: {why}"), hint)
}

/// A regular expression without its slashes, a list, a negation.
fn in_another_language(rule: &RuleSettings, shape: &PatternShape<'_>) -> Option<(String, String)> {
    if shape.expression.is_some() {
        return None;
    }
    let name = shape.plain.as_str();
    let (why, hint) = if name == "_catalog" {
        (
            "the catalogue is called `catalog`",
            "Write `type: registry` and `name: catalog`, or `name: catalog`".to_owned(),
        )
    } else if is_expression(name) {
        let body = shape.text.trim_start_matches(['/', '^']).trim_end_matches(['/', '$']);
        let hint = "Write it as `/^…$/`".to_owned();
        (
            "a regular expression stands between slashes",
            verified(rule, Some(anchored(body))).map_or(hint, |text| format!("Write `{text}`")),
        )
    } else if name.contains('{') && name.contains(',') {
        let hint = "Write a rule for each of them".to_owned();
        (
            "braces are plain text",
            verified(rule, alternatives(shape)).map_or(hint, |text| format!("Write `{text}`")),
        )
    } else if name.trim().contains([',', ' ', ';']) {
        ("the list is one name", "Write a rule for each name".to_owned())
    } else if name.starts_with('!') {
        let hint = "Put a rule with `actions: []` for those names before this one".to_owned();
        ("`!` negates nothing", hint)
    } else {
        return None;
    };
    Some((why.to_owned(), hint))
}

/// Returns whether a text that stands for itself was meant as a regular expression.
pub(super) fn is_expression(plain: &str) -> bool {
    let inner = plain.trim_matches('/');
    inner.starts_with('^')
        || inner.ends_with('$')
        || inner == ".*"
        || ["/.*", "/.+", ".+", "]+", ")+", "(", "|", "\\d", "\\w"].iter().any(|part| inner.contains(part))
}

fn with_faults(rule: &RuleSettings, shape: &PatternShape<'_>) -> (String, String) {
    let hidden = Hidden::of(shape);
    let (faults, repaired) = hidden.simple_body().map(|body| repair(&body)).unwrap_or_default();
    if faults.is_empty() {
        let grammar =
            "a name is lower-case letters and digits, with `.`, `_`, `-` between them and `/` between parts";
        return (grammar.to_owned(), "Correct the name, or remove the rule".to_owned());
    }
    let without_host = repaired.split_once('/').filter(|(host, _)| is_host(host)).map(|(_, name)| name);
    // Of a name that is nothing but the fault, an expression would be left that matches every name.
    let repaired = Some(without_host.unwrap_or(&repaired)).filter(|name| !name.is_empty());
    let hint = verified(rule, repaired.map(|name| hidden.show(name)));
    let hint =
        hint.map_or_else(|| "Take it out, or remove the rule".to_owned(), |text| format!("Write `{text}`"));
    (format!("a name has no {}", faults.join(", no ")), hint)
}

/// Takes one fault after the other away.
fn repair(name: &str) -> (Vec<&'static str>, String) {
    let mut faults = Vec::new();
    let mut name = name.to_owned();
    for (fault, repair) in FAULTS {
        let repaired = repair(&name);
        if repaired != name {
            faults.push(*fault);
            name = repaired;
        }
    }
    (faults, name)
}

/// A colon in the last part.
fn without_tag(name: &str) -> String {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = name.get(last..).and_then(|last| last.find(':'));
    tag.and_then(|tag| name.get(..last + tag)).unwrap_or(name).to_owned()
}

/// The pattern in lower case; `None` where letters may be more than letters.
pub(super) fn lower_case(shape: &PatternShape<'_>) -> Option<String> {
    let hidden = Hidden::of(shape);
    Some(hidden.show(&hidden.simple_body()?.to_ascii_lowercase()))
}

/// The glob as an expression in which `**` crosses slashes.
pub(super) fn every_depth(shape: &PatternShape<'_>) -> Option<String> {
    let hidden = Hidden::of(shape);
    let text = hidden.text.replace("**", "\u{1}");
    Some(hidden.restore(&format!("/^{}$/", expression(&text)?.replace('\u{1}', ".+"))))
}

/// The glob as an expression in which braces hold alternatives.
fn alternatives(shape: &PatternShape<'_>) -> Option<String> {
    let hidden = Hidden::of(shape);
    let text = expression(&hidden.text)?.replace('{', "(").replace('}', ")").replace(',', "|");
    Some(hidden.restore(&format!("/^{text}$/")))
}

/// The body of an expression between anchors. Alternatives need a group: an anchor holds for the nearest one only.
pub(super) fn anchored(body: &str) -> String {
    if has_alternatives(body) { format!("/^({body})$/") } else { format!("/^{body}$/") }
}

/// Returns whether a `|` is outside of all groups, classes and escapes.
fn has_alternatives(body: &str) -> bool {
    let (mut depth, mut is_class, mut is_escaped) = (0_usize, false, false);
    for c in body.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ']' => is_class = false,
            _ if is_class => {}
            '[' => is_class = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// A glob without classes and escapes as an expression.
fn expression(glob: &str) -> Option<String> {
    let wild = |c: char| match c {
        '*' => "[^/]*".to_owned(),
        '?' => "[^/]".to_owned(),
        '.' => "\\.".to_owned(),
        other => other.to_string(),
    };
    (!glob.contains(['[', '\\', '(', ')', '+', '|', '^', '$'])).then(|| glob.chars().map(wild).collect())
}

/// `text` in place of the name, where a repository can have such a name.
pub(super) fn verified(rule: &RuleSettings, text: Option<String>) -> Option<String> {
    let rule = RuleSettings { name: Some(text?), ..rule.clone() };
    Policy::compile(std::slice::from_ref(&rule)).ok()?;
    let is_name = matches!(example(shape_of(&shapes(&rule), "name")?), Example::Text(_));
    rule.name.filter(|_| is_name)
}

/// A pattern with a letter of no alphabet for each placeholder, so that its text can be changed.
struct Hidden<'r> {
    text: String,
    placeholders: Vec<&'r str>,
    /// The text around the body of an expression.
    around: Option<(&'static str, &'static str)>,
}

/// The first letter of Unicode's private use.
const PRIVATE: u32 = 0xE000;

impl<'r> Hidden<'r> {
    fn of(shape: &PatternShape<'r>) -> Self {
        let (mut text, mut placeholders, mut rest) = (String::new(), Vec::new(), shape.text);
        for c in shape.plain.chars() {
            let length = if c == '\0' { rest.find('}').map_or(0, |end| end + 1) } else { c.len_utf8() };
            let (taken, after) = rest.split_at_checked(length).unwrap_or_default();
            rest = after;
            if c == '\0' {
                text.extend(u32::try_from(placeholders.len()).ok().and_then(|n| char::from_u32(PRIVATE + n)));
                placeholders.push(taken);
            } else {
                text.push(c);
            }
        }
        let around = shape.expression.map(|inner| {
            let (start, end) = (inner.starts_with('^'), inner.ends_with('$'));
            (if start { "/^" } else { "/" }, if end { "$/" } else { "/" })
        });
        Self { text, placeholders, around }
    }

    /// The text; of an expression what stands between its anchors, where that is hardly more than text.
    fn simple_body(&self) -> Option<String> {
        let Some((start, end)) = self.around else { return Some(self.text.clone()) };
        let body = self.text.strip_prefix(start)?.strip_suffix(end)?.replace("\\/", "/");
        let rest = body.replace("\\.", "").replace("\\-", "");
        (!rest.contains(['\\', '[', '^', '$']) && !rest.contains("(?")).then_some(body)
    }

    /// The reverse of `simple_body`.
    fn show(&self, body: &str) -> String {
        let Some((start, end)) = self.around else { return self.restore(body) };
        let space = body.strip_suffix("/*").map(|space| format!("{space}/.+"));
        self.restore(&format!("{start}{}{end}", space.as_deref().unwrap_or(body)))
    }

    fn restore(&self, text: &str) -> String {
        let index = |c: char| usize::try_from(u32::from(c).checked_sub(PRIVATE)?).ok();
        text.chars().fold(String::new(), |mut out, c| {
            match index(c).and_then(|index| self.placeholders.get(index)) {
                Some(placeholder) => out.push_str(placeholder),
                None => out.push(c),
            }
            out
        })
    }
}
