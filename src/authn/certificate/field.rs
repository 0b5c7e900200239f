//! The fields of a certificate that may name an account, and templates with them.

use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::NameError;

/// The longest value that is taken from a field, in bytes.
const LONGEST_VALUE: usize = 512;

/// A field of a certificate: of `subjectAltName`, or of the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field(&'static FieldInfo);

#[derive(Debug, PartialEq, Eq)]
struct FieldInfo {
    /// As it is written: `san:uri`.
    name: &'static str,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Uri,
    Dns,
    Email,
    /// The object identifier of an attribute of the subject.
    Subject(&'static str),
}

/// Every field. The subject's are those of RFC 4514, section 3.
const FIELDS: [FieldInfo; 9] = [
    FieldInfo { name: "san:uri", kind: Kind::Uri },
    FieldInfo { name: "san:dns", kind: Kind::Dns },
    FieldInfo { name: "san:email", kind: Kind::Email },
    FieldInfo { name: "subject:CN", kind: Kind::Subject("2.5.4.3") },
    FieldInfo { name: "subject:O", kind: Kind::Subject("2.5.4.10") },
    FieldInfo { name: "subject:OU", kind: Kind::Subject("2.5.4.11") },
    FieldInfo { name: "subject:L", kind: Kind::Subject("2.5.4.7") },
    FieldInfo { name: "subject:C", kind: Kind::Subject("2.5.4.6") },
    FieldInfo { name: "subject:UID", kind: Kind::Subject("0.9.2342.19200300.100.1.1") },
];

/// Tags of the texts that every reader takes for the same: UTF8String, PrintableString and IA5String.
const TEXTS: [u32; 3] = [12, 19, 22];

impl Field {
    /// Reads `san:uri`, `subject:O` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        FIELDS.iter().find(|known| known.name == text).map(Self)
    }

    /// Reads the same as a placeholder that stands alone: `${subject:O}`.
    pub fn parse_placeholder(text: &str) -> Option<Self> {
        Self::parse(text.strip_prefix("${")?.strip_suffix('}')?)
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Every name that can be written, for a hint.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|known| known.name)
    }

    /// Its values in a certificate, in their order.
    ///
    /// # Errors
    /// One of them is not fit to be a name: no value is passed over.
    pub(super) fn values(self, own: &X509Certificate<'_>) -> Result<Vec<String>, NameError> {
        match self.0.kind {
            Kind::Subject(id) => self.of_subject(own, id),
            _ => self.of_names(own),
        }
    }

    /// Its only value.
    fn value(self, own: &X509Certificate<'_>) -> Result<String, NameError> {
        let mut values = self.values(own)?.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(NameError::Missing(self.name())),
            (Some(_), Some(_)) => Err(NameError::Ambiguous(self.name())),
        }
    }

    fn of_subject(self, own: &X509Certificate<'_>, id: &str) -> Result<Vec<String>, NameError> {
        let attributes = own.subject().iter_attributes();
        let ours = attributes.filter(|attribute| attribute.attr_type().to_id_string() == id);
        let texts = ours.map(|attribute| {
            let is_text = TEXTS.contains(&attribute.attr_value().header.tag().0);
            let text = std::str::from_utf8(attribute.as_slice()).ok().filter(|_| is_text);
            text.ok_or(NameError::Unfit(self.name())).and_then(|text| self.fit(text))
        });
        texts.collect()
    }

    fn of_names(self, own: &X509Certificate<'_>) -> Result<Vec<String>, NameError> {
        let names = own.subject_alternative_name().map_err(|_| NameError::Unreadable)?;
        let mut values = Vec::new();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            let text = match (&self.0.kind, name) {
                (Kind::Uri, GeneralName::URI(text))
                | (Kind::Dns, GeneralName::DNSName(text))
                | (Kind::Email, GeneralName::RFC822Name(text)) => text,
                // It may be of a kind that is asked for.
                (_, GeneralName::Invalid(..)) => return Err(NameError::Unreadable),
                _ => continue,
            };
            // IA5String (RFC 5280, section 4.2.1.6).
            if !text.is_ascii() {
                return Err(NameError::Unfit(self.name()));
            }
            values.push(self.fit(text)?);
        }
        Ok(values)
    }

    fn fit(self, text: &str) -> Result<String, NameError> {
        let is_fit = !text.is_empty()
            && text.len() <= LONGEST_VALUE
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if is_fit { Ok(text.to_owned()) } else { Err(NameError::Unfit(self.name())) }
    }
}

/// The name of an account: text with fields in it, as `${san:uri}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

impl NameTemplate {
    /// Reads a template. `None` where a placeholder is not closed or names no field; and where there is none at all,
    /// since every certificate would be the same account.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, after) = after.split_once('}')?;
            parts.extend([Part::Text(before.to_owned()), Part::Field(Field::parse(inside)?)]);
            rest = after;
        }
        let has_field = !parts.is_empty();
        parts.push(Part::Text(rest.to_owned()));
        has_field.then_some(Self(parts))
    }

    pub(super) fn fill(&self, own: &X509Certificate<'_>) -> Result<String, NameError> {
        let part = |part: &Part| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Field(field) => field.value(own),
        };
        self.0.iter().map(part).collect()
    }
}
