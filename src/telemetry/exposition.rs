//! The two texts in which metrics are scraped: OpenMetrics 1.0, and the older text of Prometheus, version 0.0.4.
//!
//! The library writes the first. Scrapers that do not ask for it may not know its end mark and its kinds, so they get
//! the second.

/// The form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus 0.0.4.
    Prometheus,
}

impl Exposition {
    /// The form that an `Accept` header asks for: OpenMetrics where it is named, and not liked less than plain text.
    pub fn accepted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
                let q = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
                q.filter(|_| is_wanted)
            });
            ranges.fold(0.0, f64::max)
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A text of OpenMetrics in this form.
    pub(super) fn of(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Prometheus => prometheus(&text),
        }
    }
}

/// In the older text a family has the name of its samples, and there are neither units, nor infos, nor an end mark.
fn prometheus(text: &str) -> String {
    let mut older = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), words) => help = Some((name, words.unwrap_or_default())),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (end, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    _ => ("", kind),
                };
                if let Some((_, words)) = help.take().filter(|(helped, _)| *helped == name) {
                    older.extend(["# HELP ", name, end, " ", words, "\n"]);
                }
                older.extend(["# TYPE ", name, end, " ", kind, "\n"]);
            }
            (Some("#"), ..) => {}
            _ => older.extend([line, "\n"]),
        }
    }
    older
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_that_ask_for_it() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            ("", Exposition::Prometheus),
            ("*/*", Exposition::Prometheus),
            ("text/plain", Exposition::Prometheus),
            ("text/html, application/openmetrics-text;q=0", Exposition::Prometheus),
            ("text/plain, application/openmetrics-text;q=0.5", Exposition::Prometheus),
            ("application/openmetrics-text; q=x", Exposition::Prometheus),
            ("application/openmetrics-text", Exposition::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0; q=0.1", Exposition::OpenMetrics),
            (prometheus, Exposition::OpenMetrics),
        ] {
            assert_eq!(Exposition::accepted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn the_older_text_names_families_as_their_samples() {
        let text = "# HELP a Requests, by: kind.\n# TYPE a counter\n# UNIT a bytes\na_total{x=\"# y\"} 1\n\
                    # HELP b V.\n# TYPE b info\nb_info{v=\"1\"} 1\n# TYPE c histogram\nc_bucket{le=\"+Inf\"} 0\n# EOF\n";
        let older = "# HELP a_total Requests, by: kind.\n# TYPE a_total counter\na_total{x=\"# y\"} 1\n\
                     # HELP b_info V.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n# TYPE c histogram\nc_bucket{le=\"+Inf\"} 0\n";
        assert_eq!(Exposition::Prometheus.of(text.to_owned()), older);
        assert_eq!(Exposition::OpenMetrics.of(text.to_owned()), text);
    }
}
