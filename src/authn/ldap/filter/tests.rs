//! Filters against their encoding, read back by a small printer.

use super::*;
use crate::authn::ldap::ber::Elements;

/// A filter that a directory would read from `bytes`, printed with each value in Rust's escapes.
fn printed(bytes: &[u8]) -> String {
    let (tag, content) = Elements(bytes).next().unwrap().unwrap();
    let all = |content| {
        let mut list = Elements(content);
        std::iter::from_fn(|| list.next().unwrap()).collect::<Vec<(u8, &[u8])>>()
    };
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let pair = |sign: &str| {
        let fields = all(content);
        format!("{}{sign}{}", text(fields[0].1), text(fields[1].1))
    };
    let inside = || {
        let mut rest = content;
        let mut printed_ones = String::new();
        while let Some(size) = crate::authn::ldap::ber::size(rest).unwrap() {
            printed_ones.push_str(&printed(&rest[..size]));
            rest = &rest[size..];
        }
        printed_ones
    };
    let inner = match tag {
        AND => format!("&{}", inside()),
        OR => format!("|{}", inside()),
        NOT => format!("!{}", inside()),
        EQUAL => pair("="),
        AT_LEAST => pair(">="),
        AT_MOST => pair("<="),
        APPROXIMATE => pair("~="),
        PRESENT => format!("{}=present", text(content)),
        SUBSTRINGS => {
            let fields = all(content);
            let pieces = all(fields[1].1).into_iter().map(|(tag, value)| format!("[{tag:x}]{}", text(value)));
            format!("{}={}", text(fields[0].1), pieces.collect::<String>())
        }
        EXTENSIBLE => {
            all(content).into_iter().map(|(tag, value)| format!("[{tag:x}]{}", text(value))).collect()
        }
        tag => panic!("{tag:x}"),
    };
    format!("({inner})")
}

fn asked(filter: &str, account: &str) -> String {
    printed(&Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).encode(account))
}

#[test]
fn every_kind_of_filter_is_encoded() {
    for (filter, encoded) in [
        ("(uid=${account})", "(uid=bob)"),
        ("(&(uid=${account})(objectClass=person))", "(&(uid=bob)(objectClass=person))"),
        ("(|(uid=${account})(mail=${account}@a.example))", "(|(uid=bob)(mail=bob@a.example))"),
        ("(&(uid=${account})(!(locked=TRUE)))", "(&(uid=bob)(!(locked=TRUE)))"),
        ("(&(uid=${account})(age>=3)(age<=9)(cn~=x))", "(&(uid=bob)(age>=3)(age<=9)(cn~=x))"),
        ("(&(uid=${account})(mail=*))", "(&(uid=bob)(mail=present))"),
        ("(cn=a*${account}*c*)", "(cn=[80]a[81]bob[81]c)"),
        ("(cn=*${account})", "(cn=[82]bob)"),
        ("(cn=${account}*)", "(cn=[80]bob)"),
        (
            "(&(uid=${account})(userAccountControl:1.2.840.113556.1.4.803:=2))",
            "(&(uid=bob)([81]1.2.840.113556.1.4.803[82]userAccountControl[83]2))",
        ),
        ("(cn:dn:caseExactMatch:=${account})", "([81]caseExactMatch[82]cn[83]bob[84]\\xff)"),
        ("(:caseExactMatch:=${account})", "([81]caseExactMatch[83]bob)"),
        ("(cn:=${account})", "([82]cn[83]bob)"),
        ("(&(uid=${account})(&)(|))", "(&(uid=bob)(&)(|))"),
        (" (&\n  (uid=${account})\n  (cn=a b )\n)\n", "(&(uid=bob)(cn=a b ))"),
        ("(cn=\\28${account}\\29\\2A\\5c\\00é)", "(cn=(bob)*\\\\\\x00\\xc3\\xa9)"),
        ("(&(uid=${account})(cn=))", "(&(uid=bob)(cn=))"),
        ("(cn=a=b<${account})", "(cn=a=b<bob)"),
        ("(cn;lang-de=${account})", "(cn;lang-de=bob)"),
    ] {
        assert_eq!(asked(filter, "bob"), encoded, "{filter}");
    }
}

#[test]
fn an_account_stays_the_bytes_of_a_value() {
    for (account, value) in [
        ("*", "*"),
        ("bob)(uid=*", "bob)(uid=*"),
        ("bob)(|(uid=*)", "bob)(|(uid=*)"),
        ("\\2a", "\\\\2a"),
        ("a\0b", "a\\x00b"),
        ("${account}", "${account}"),
        ("é", "\\xc3\\xa9"),
        ("a&b|c!d=e<f>g~h", "a&b|c!d=e<f>g~h"),
    ] {
        let filter = "(&(uid=${account})(objectClass=person))";
        assert_eq!(asked(filter, account), format!("(&(uid={value})(objectClass=person))"), "{account}");
        assert_eq!(asked("(cn=x*${account}*)", account), format!("(cn=[80]x[81]{value})"), "{account}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (filter, said) in [
        ("", "not a filter: a filter begins with `(` at its end"),
        ("uid=${account}", "not a filter: a filter begins with `(` before \"uid=${account}\""),
        ("(uid=${account}", "not a filter: `)` is missing at its end"),
        ("(&(uid=${account})", "not a filter: `)` is missing at its end"),
        ("(uid=${account}))", "not a filter: nothing may follow the filter before \")\""),
        ("(uid=a(${account})", "not a filter: `)` is missing before \"(${account})\""),
        ("(uid ${account})", "not a filter: `=` is missing before \" ${account})\""),
        ("(=${account})", "not a filter: the name of an attribute is missing before \"=${account})\""),
        ("(:=${account})", "not a filter: the name of an attribute is missing before \"${account})\""),
        (
            "(uid=\\2${account})",
            "not a filter: after `\\` two hexadecimal digits must stand before \"2${account})\"",
        ),
        ("(uid=a>=*${account}\\)", "not a filter: after `\\` two hexadecimal digits must stand before \")\""),
        ("(uid>=a*${account})", "not a filter: `)` is missing before \"*${account})\""),
        ("(!)", "not a filter: a filter begins with `(` before \")\""),
        ("(${account}=x)", "`${account}` stands where the name of an attribute belongs"),
        ("(uid=bob)", "has no `${account}`, so every login would be checked against the same entry"),
    ] {
        assert_eq!(Filter::parse(filter).unwrap_err().to_string(), said, "{filter}");
    }
}

#[test]
fn filters_do_not_stand_in_each_other_without_end() {
    let nested = |depth: usize| format!("{}(uid=${{account}}){}", "(!".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(DEEPEST)).is_ok());
    assert!(Filter::parse(&nested(DEEPEST + 1)).unwrap_err().to_string().contains("too deep"));
    assert!(Filter::parse(&nested(100_000)).is_err());
}

#[test]
fn a_part_of_a_name_is_told_from_the_whole() {
    let whole = |filter: &str| Filter::parse(filter).unwrap().compares_whole_account();
    assert!(whole("(&(uid=${account})(cn=*))"));
    assert!(whole("(mail=${account}@a.example)"));
    assert!(whole("(&(cn=*${account}*)(uid=${account}))"));
    assert!(whole("(|(mail=${account})(uid=${account}))"));
    assert!(whole("(&(|(mail=${account})(uid=${account}))(!(title=gone)))"));
    assert!(whole("(uid:caseExactMatch:=${account})"));
    for part in [
        "(uid=*${account}*)",
        "(uid=${account}*)",
        "(uid~=${account})",
        "(uid>=${account})",
        "(|(cn=*${account}*)(uid=${account}))",
        "(|(uid=${account})(title=boss))",
        "(&(cn=*${account}*)(!(uid=${account})))",
    ] {
        assert!(!whole(part), "{part}");
    }
}
