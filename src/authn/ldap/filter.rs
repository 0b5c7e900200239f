//! Search filters (RFC 4515) with a placeholder for the account.
//!
//! A filter is read once, with its placeholders; an account is put into the finished structure, as the bytes of a
//! value. So there is nothing to escape, and no account can change the question.

use std::fmt;

use super::{
    ACCOUNT,
    ber::{CONSTRUCTED, CONTEXT, OCTET_STRING, element, octets},
};

/// Deepest nesting of filters: deeper than any filter written by hand.
const DEEPEST: usize = 32;

/// A filter with at least one placeholder for the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// `(&…)` or `(|…)`, by its tag.
    Set(u8, Vec<Node>),
    Not(Box<Node>),
    Present(String),
    /// `=`, `>=`, `<=` or `~=`, by its tag.
    Comparison(u8, String, Value),
    /// Each piece between asterisks, with the tag of its place.
    Substrings(String, Vec<(u8, Value)>),
    Extensible {
        rule: Option<String>,
        attribute: Option<String>,
        dn: bool,
        value: Value,
    },
}

/// A value, in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Value(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Account,
}

/// The reasons for which a filter is rejected. Displays without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterError {
    /// It is not as RFC 4515 has it: what is wrong, and before which text (empty at the end).
    Syntax(&'static str, String),
    /// `${account}` stands where the name of an attribute belongs.
    AccountOutsideValue,
    /// There is no `${account}`: every account would be the same entry.
    NoAccount,
}

const AND: u8 = CONTEXT | CONSTRUCTED;
const OR: u8 = CONTEXT | CONSTRUCTED | 1;
const NOT: u8 = CONTEXT | CONSTRUCTED | 2;
const EQUAL: u8 = CONTEXT | CONSTRUCTED | 3;
const SUBSTRINGS: u8 = CONTEXT | CONSTRUCTED | 4;
const AT_LEAST: u8 = CONTEXT | CONSTRUCTED | 5;
const AT_MOST: u8 = CONTEXT | CONSTRUCTED | 6;
const PRESENT: u8 = CONTEXT | 7;
const APPROXIMATE: u8 = CONTEXT | CONSTRUCTED | 8;
const EXTENSIBLE: u8 = CONTEXT | CONSTRUCTED | 9;
/// The places of substrings.
const INITIAL: u8 = CONTEXT;
const ANY: u8 = CONTEXT | 1;
const FINAL: u8 = CONTEXT | 2;

impl Filter {
    /// Reads a filter. White space around a filter inside another one is passed over: people fold long ones.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser { rest: text };
        let node = parser.filter(0)?;
        if !parser.rest.is_empty() {
            return Err(parser.wrong("nothing may follow the filter"));
        }
        if node.any(&|node| node.values().any(Value::has_account)) {
            Ok(Self(node))
        } else {
            Err(FilterError::NoAccount)
        }
    }

    /// Returns true if every entry found had the account compared with the whole of an attribute's value. Otherwise an
    /// account that is only a part of a name may find the entry of another account.
    pub fn compares_whole_account(&self) -> bool {
        self.0.compares_whole_account()
    }

    /// The filter for `account`, encoded (RFC 4511, section 4.5.1).
    pub(super) fn encode(&self, account: &str) -> Vec<u8> {
        let mut out = Vec::new();
        self.0.encode(account.as_bytes(), &mut out);
        out
    }
}

impl Node {
    /// Returns true if `is` holds for this node or one inside it.
    fn any(&self, is: &impl Fn(&Self) -> bool) -> bool {
        let inside = match self {
            Self::Set(_, nodes) => nodes.iter().any(|node| node.any(is)),
            Self::Not(node) => node.any(is),
            _ => false,
        };
        inside || is(self)
    }

    fn compares_whole_account(&self) -> bool {
        match self {
            Self::Set(AND, nodes) => nodes.iter().any(Self::compares_whole_account),
            Self::Set(_, nodes) => nodes.iter().all(Self::compares_whole_account),
            Self::Comparison(EQUAL, _, value) | Self::Extensible { value, .. } => value.has_account(),
            _ => false,
        }
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        let (one, many) = match self {
            Self::Comparison(_, _, value) | Self::Extensible { value, .. } => (Some(value), &[][..]),
            Self::Substrings(_, pieces) => (None, pieces.as_slice()),
            Self::Set(..) | Self::Not(_) | Self::Present(_) => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().map(|(_, value)| value))
    }

    fn encode(&self, account: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Set(tag, nodes) => {
                element(out, *tag, |out| nodes.iter().for_each(|node| node.encode(account, out)));
            }
            Self::Not(node) => element(out, NOT, |out| node.encode(account, out)),
            Self::Present(attribute) => octets(out, PRESENT, attribute.as_bytes()),
            Self::Comparison(tag, attribute, value) => element(out, *tag, |out| {
                octets(out, OCTET_STRING, attribute.as_bytes());
                octets(out, OCTET_STRING, &value.filled(account));
            }),
            Self::Substrings(attribute, pieces) => element(out, SUBSTRINGS, |out| {
                octets(out, OCTET_STRING, attribute.as_bytes());
                element(out, super::ber::SEQUENCE, |out| {
                    pieces.iter().for_each(|(tag, value)| octets(out, *tag, &value.filled(account)));
                });
            }),
            Self::Extensible { rule, attribute, dn, value } => element(out, EXTENSIBLE, |out| {
                rule.iter().for_each(|rule| octets(out, CONTEXT | 1, rule.as_bytes()));
                attribute.iter().for_each(|attribute| octets(out, CONTEXT | 2, attribute.as_bytes()));
                octets(out, CONTEXT | 3, &value.filled(account));
                if *dn {
                    octets(out, CONTEXT | 4, &[0xff]);
                }
            }),
        }
    }
}

impl Value {
    fn has_account(&self) -> bool {
        self.0.contains(&Piece::Account)
    }

    fn filled(&self, account: &[u8]) -> Vec<u8> {
        let piece = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.clone(),
            Piece::Account => account.to_vec(),
        };
        self.0.iter().flat_map(piece).collect()
    }

    fn push(&mut self, byte: u8) {
        match self.0.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes.push(byte),
            _ => self.0.push(Piece::Bytes(vec![byte])),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn filter(&mut self, depth: usize) -> Result<Node, FilterError> {
        self.rest = self.rest.trim_start();
        if depth > DEEPEST {
            return Err(self.wrong("filters stand too deep in each other"));
        }
        self.expect("(", "a filter begins with `(`")?;
        let node = if self.take("&") {
            Node::Set(AND, self.filters(depth)?)
        } else if self.take("|") {
            Node::Set(OR, self.filters(depth)?)
        } else if self.take("!") {
            Node::Not(Box::new(self.filter(depth + 1)?))
        } else {
            self.item()?
        };
        self.expect(")", "`)` is missing")?;
        self.rest = self.rest.trim_start();
        Ok(node)
    }

    fn filters(&mut self, depth: usize) -> Result<Vec<Node>, FilterError> {
        let mut nodes = Vec::new();
        self.rest = self.rest.trim_start();
        while self.rest.starts_with('(') {
            nodes.push(self.filter(depth + 1)?);
        }
        Ok(nodes)
    }

    fn item(&mut self) -> Result<Node, FilterError> {
        let attribute = self.name()?;
        if self.rest.starts_with(':') {
            return self.extensible(attribute);
        }
        let attribute = attribute.ok_or_else(|| self.wrong("the name of an attribute is missing"))?;
        for (sign, tag) in [(">=", AT_LEAST), ("<=", AT_MOST), ("~=", APPROXIMATE)] {
            if self.take(sign) {
                return Ok(Node::Comparison(tag, attribute, self.value()?));
            }
        }
        self.expect("=", "`=` is missing")?;
        self.equality(attribute)
    }

    /// Reads the part after `attribute=`: a value, or pieces of one between asterisks.
    fn equality(&mut self, attribute: String) -> Result<Node, FilterError> {
        let mut pieces = vec![self.value()?];
        while self.take("*") {
            pieces.push(self.value()?);
        }
        let last = pieces.len() - 1;
        if last == 0 {
            return Ok(Node::Comparison(EQUAL, attribute, pieces.pop().unwrap_or_default()));
        }
        let place = |n| match n {
            0 => INITIAL,
            n if n == last => FINAL,
            _ => ANY,
        };
        let pieces = pieces.into_iter().enumerate().map(|(n, value)| (place(n), value));
        let pieces: Vec<_> = pieces.filter(|(_, value)| !value.0.is_empty()).collect();
        Ok(if pieces.is_empty() { Node::Present(attribute) } else { Node::Substrings(attribute, pieces) })
    }

    /// `attribute[:dn][:rule]:=value`, without the attribute if there is a rule.
    fn extensible(&mut self, attribute: Option<String>) -> Result<Node, FilterError> {
        let dn = self.take(":dn");
        let rule = if self.rest.starts_with(":=") {
            None
        } else {
            self.expect(":", "`:=` is missing")?;
            self.name()?
        };
        self.expect(":=", "`:=` is missing")?;
        if attribute.is_none() && rule.is_none() {
            return Err(self.wrong("the name of an attribute is missing"));
        }
        Ok(Node::Extensible { rule, attribute, dn, value: self.value()? })
    }

    /// The name of an attribute, with options, or of a matching rule.
    fn name(&mut self) -> Result<Option<String>, FilterError> {
        let of_name = |c: char| c.is_ascii_alphanumeric() || "-._;".contains(c);
        let end = self.rest.find(|c| !of_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if rest.starts_with(ACCOUNT) {
            return Err(FilterError::AccountOutsideValue);
        }
        self.rest = rest;
        Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
    }

    /// A value up to `)` or `*`, with `\28` and its like as bytes.
    fn value(&mut self) -> Result<Value, FilterError> {
        let mut value = Value::default();
        loop {
            if self.take(ACCOUNT) {
                value.0.push(Piece::Account);
            } else if self.take("\\") {
                value.push(self.escaped()?);
            } else if let Some(c) = self.rest.chars().next().filter(|c| !"()*\0".contains(*c)) {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| value.push(byte));
                self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
            } else {
                return Ok(value);
            }
        }
    }

    fn escaped(&mut self) -> Result<u8, FilterError> {
        let digits = self.rest.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.ok_or_else(|| self.wrong("after `\\` two hexadecimal digits must stand"))?;
        self.rest = self.rest.get(2..).unwrap_or_default();
        Ok(byte)
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str, wrong: &'static str) -> Result<(), FilterError> {
        if self.take(text) { Ok(()) } else { Err(self.wrong(wrong)) }
    }

    fn wrong(&self, what: &'static str) -> FilterError {
        FilterError::Syntax(what, self.rest.chars().take(20).collect())
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(what, at) if at.is_empty() => write!(f, "not a filter: {what} at its end"),
            Self::Syntax(what, at) => write!(f, "not a filter: {what} before {at:?}"),
            Self::AccountOutsideValue => {
                write!(f, "`{ACCOUNT}` stands where the name of an attribute belongs")
            }
            Self::NoAccount => {
                write!(f, "has no `{ACCOUNT}`, so every login would be checked against the same entry")
            }
        }
    }
}

impl std::error::Error for FilterError {}

#[cfg(test)]
mod tests;
