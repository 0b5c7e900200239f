//! Labels from the attributes of an entry.

use super::{dn::common_name, message::Entry, settings::LabelMap};
use crate::authn::Labels;

/// A label for each mapping, empty where the entry lacks the attribute (docker_auth, `ldap_auth.go`,
/// `getLabelsFromMap`).
///
/// Names of attributes are compared without regard to case, as LDAP has it (RFC 4512, section 2.5); values that are not
/// text cannot be compared with anything and are left out.
pub(super) fn labels(maps: &[(String, LabelMap)], entry: &Entry) -> Labels {
    maps.iter().map(|(label, map)| (label.clone(), values(map, entry))).collect()
}

fn values(map: &LabelMap, entry: &Entry) -> Vec<String> {
    let of_name = entry.attributes.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&map.attribute));
    let texts = of_name.flat_map(|(_, values)| values).filter_map(|value| std::str::from_utf8(value).ok());
    texts.map(|text| mapped(map, text)).collect()
}

fn mapped(map: &LabelMap, text: &str) -> String {
    let text = if map.parse_cn { common_name(text) } else { None }.unwrap_or_else(|| text.to_owned());
    if map.lower_case { lower_case(&text) } else { text }
}

/// Go's `strings.ToLower`: letter by letter, so that `Σ` is `σ` at the end of a word too, and `İ` is `i`.
fn lower_case(text: &str) -> String {
    text.chars().filter_map(|c| c.to_lowercase().next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(map: &LabelMap, attributes: &[(&str, &[&str])]) -> Vec<String> {
        let bytes = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
        let attributes = attributes.iter().map(|(name, values)| ((*name).to_owned(), bytes(values)));
        let entry = Entry { dn: b"cn=x".to_vec(), attributes: attributes.collect() };
        labels(&[("group".to_owned(), map.clone())], &entry).remove("group").unwrap()
    }

    fn member_of(parse_cn: bool, lower_case: bool) -> LabelMap {
        LabelMap { attribute: "memberOf".to_owned(), parse_cn, lower_case }
    }

    #[test]
    fn values_are_taken_as_they_are_unless_told_otherwise() {
        let values: &[&str] = &["CN=Admins,DC=x", "Not a DN"];
        let attributes = [("memberOf", values), ("mail", &["a@b"])];
        assert_eq!(of(&member_of(false, false), &attributes), values);
        assert_eq!(of(&member_of(true, false), &attributes), ["Admins", "Not a DN"]);
        assert_eq!(of(&member_of(false, true), &attributes), ["cn=admins,dc=x", "not a dn"]);
        assert_eq!(of(&member_of(true, true), &attributes), ["admins", "not a dn"]);
    }

    #[test]
    fn a_missing_attribute_is_an_empty_label() {
        assert!(of(&member_of(true, true), &[("mail", &["a@b"])]).is_empty());
        assert!(of(&member_of(true, true), &[("memberOf", &[])]).is_empty());
    }

    #[test]
    fn the_name_of_an_attribute_has_no_case_and_its_options_count() {
        let attributes: [(&str, &[&str]); 3] =
            [("memberof", &["a"]), ("MEMBEROF", &["b"]), ("memberOf;lang-de", &["c"])];
        assert_eq!(of(&member_of(false, false), &attributes), ["a", "b"]);
    }

    #[test]
    fn values_that_are_no_text_are_left_out() {
        let attributes = vec![("memberOf".to_owned(), vec![vec![0xff], b"a".to_vec()])];
        let entry = Entry { dn: Vec::new(), attributes };
        assert_eq!(values(&member_of(false, false), &entry), ["a"]);
    }

    #[test]
    fn lower_case_is_that_of_go() {
        for (text, lower) in [("ÄÖÜẞ", "äöüß"), ("ΣΑΣ", "σασ"), ("İ", "i"), ("Ǆ", "ǆ"), ("ABC-1", "abc-1")]
        {
            assert_eq!(lower_case(text), lower);
        }
    }
}
