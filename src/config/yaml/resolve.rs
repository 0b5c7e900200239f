//! The meaning of a scalar without quotes, as docker_auth's YAML reader (Go, YAML 1.1) takes it.

/// A scalar without quotes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Resolved {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text,
}

/// Returns the number or truth value that `text` stands for.
pub(super) fn resolve(text: &str) -> Resolved {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Resolved::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Resolved::Bool(false)
        }
        _ => integer(text).map(Resolved::Integer).or_else(|| float(text)).unwrap_or(Resolved::Text),
    }
}

/// `1_000`, `0x10`, `0b11`, `0o17` and `010`, which is octal.
fn integer(text: &str) -> Option<i64> {
    if text.starts_with('_') {
        return None;
    }
    let plain = text.replace('_', "");
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let (digits, radix) = match unsigned.get(..2).unwrap_or_default() {
        "0x" | "0X" => (unsigned.get(2..)?, 16),
        "0o" | "0O" => (unsigned.get(2..)?, 8),
        "0b" | "0B" => (unsigned.get(2..)?, 2),
        _ if is_octal(unsigned) => (unsigned.get(1..)?, 8),
        _ => (unsigned, 10),
    };
    let sign = if plain.starts_with('-') { "-" } else { "" };
    // The standard library would take a second sign.
    let signed = digits.starts_with(['+', '-']);
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok().filter(|_| !signed)
}

fn is_octal(unsigned: &str) -> bool {
    unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|byte| byte.is_ascii_digit())
}

fn float(text: &str) -> Option<Resolved> {
    let plain = text.replace('_', "");
    let number = plain.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    // `09` is no octal number: docker_auth reads 9, which an operator may not expect.
    let unsigned = plain.trim_start_matches(['+', '-']);
    if !number || is_octal(unsigned) || text.starts_with('_') {
        return None;
    }
    plain.parse().ok().map(Resolved::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go() {
        for (text, number) in [
            ("900", 900),
            ("+5", 5),
            ("1_000", 1000),
            ("0x1_0", 16),
            ("-0x10", -16),
            ("0b11", 3),
            ("0o17", 15),
        ] {
            assert_eq!(resolve(text), Resolved::Integer(number), "{text}");
        }
        for (text, number) in
            [("010", 8), ("-010", -8), ("0", 0), ("-1_0", -10), ("9223372036854775807", i64::MAX)]
        {
            assert_eq!(resolve(text), Resolved::Integer(number), "{text}");
        }
        for (text, number) in
            [("9.5", 9.5), (".5", 0.5), ("1e3", 1000.0), ("9223372036854775808", 9_223_372_036_854_775_808.0)]
        {
            assert_eq!(resolve(text), Resolved::Float(number), "{text}");
        }
        for text in [
            "09",
            "_1",
            "0x-5",
            "+-5",
            "--5",
            "0x",
            "1:30",
            "inf",
            "+inf",
            ".nan",
            "2001-01-01",
            "",
            ".",
            "-",
            "1 000",
        ] {
            assert_eq!(resolve(text), Resolved::Text, "{text}");
        }
    }

    #[test]
    fn truth_values_are_those_of_go() {
        for (text, value) in
            [("y", true), ("On", true), ("TRUE", true), ("n", false), ("NO", false), ("off", false)]
        {
            assert_eq!(resolve(text), Resolved::Bool(value), "{text}");
        }
        assert_eq!(resolve("yEs"), Resolved::Text);
    }
}
