//! One line of the audit log: its fields, their names and their order.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::SystemTime};

use super::{
    line::Line,
    word::{Decision, Ended, Event},
};

/// The facts known about a request. A field that does not apply is left out of the line.
#[derive(Debug, Clone)]
pub struct Record {
    /// RFC 3339, UTC, microseconds; set when the line is written.
    pub time: SystemTime,
    /// The subject of the line.
    pub event: Event,
    /// `X-Request-Id`.
    pub request_id: String,
    /// The id of the trace that the client names in `traceparent`: a claim.
    pub trace_id: Option<String>,
    /// The client's address, as the rules see it.
    pub address: Option<IpAddr>,
    /// The account; empty for the anonymous user. Where the login failed, the name that was claimed.
    pub account: Option<String>,
    /// The section that knows the account: `users`, `robots`, `workload_auth`, `certificate_auth`, `ext_auth`,
    /// `ldap_auth`, `xorm_auth`.
    pub source: Option<&'static str>,
    /// The token of a robot, shown now or when the token of the request was issued: the first digits of its `sha256`.
    pub robot_token: Option<String>,
    /// The personal token of the account, shown now or when the token of the request was issued: the first digits of its
    /// digest.
    pub personal_token: Option<String>,
    /// The comment on a robot's token.
    pub token_comment: Option<String>,
    /// All labels of the account, label to values; with `audit.labels` only.
    pub labels: Option<Arc<BTreeMap<String, Vec<String>>>>,
    /// The kind of credentials: `token`, `expired_token`, `refresh_token`, `password`, `robot_token`, `personal_token`, `jwt`,
    /// `certificate`, `session`, `none` or `unknown`.
    pub credentials: Option<&'static str>,
    /// `jti` of the JWT that proved an account of `workload_auth`.
    pub jti: Option<String>,
    /// `kid` of that JWT.
    pub kid: Option<String>,
    /// The serial number of the client certificate of an account of `certificate_auth`, in hexadecimal.
    pub certificate_serial: Option<String>,
    /// The SHA-256 of that certificate, in hexadecimal.
    pub certificate_sha256: Option<String>,
    /// `User-Agent`, the beginning of it.
    pub user_agent: Option<String>,
    /// The method.
    pub method: String,
    /// The kind of endpoint: `manifest`, `blob`, `upload`, …
    pub route: Option<&'static str>,
    /// The kind of web page: `repositories`, `image`, `sign-out`, …
    pub page: Option<&'static str>,
    /// The repository.
    pub repository: Option<String>,
    /// The tag or digest that was named.
    pub reference: Option<String>,
    /// The tags that a manifest gets which is pushed by its digest.
    pub tags: Option<Vec<String>>,
    /// The repository that a blob was to be mounted from.
    pub from: Option<String>,
    /// The service that a token is to be for, as the client names it.
    pub service: Option<String>,
    /// The scopes that a request needs, or that a token was asked for.
    pub requested: Option<Vec<String>>,
    /// The scopes that it grants.
    pub granted: Option<Vec<String>>,
    /// The decision.
    pub decision: Option<Decision>,
    /// The source of the decision: the rule with its line and comment.
    pub rule: Option<String>,
    /// The decision of the next rules, where it is another: `allowed`, `denied` or `undecided`.
    pub shadow: Option<&'static str>,
    /// The one of the next rules that makes the difference.
    pub shadow_rule: Option<String>,
    /// The reason why it was not allowed, as the client sees it.
    pub reason: Option<String>,
    /// The status of the response.
    pub status: Option<u16>,
    /// `Docker-Content-Digest` of the response.
    pub digest: Option<String>,
    /// `storage` for an answer from the registry's files, without the registry.
    pub answered_by: Option<&'static str>,
    /// Bytes of the request's body that came in.
    pub bytes_in: Option<u64>,
    /// Bytes of the response's body that went out.
    pub bytes_out: Option<u64>,
    /// From the request's head to now.
    pub duration_ms: Option<f64>,
    /// The end of the transfer.
    pub ended: Option<Ended>,
}

impl Record {
    /// A record that says only what it is about.
    pub fn new(event: Event) -> Self {
        Self {
            time: SystemTime::UNIX_EPOCH,
            event,
            request_id: String::new(),
            trace_id: None,
            address: None,
            account: None,
            source: None,
            robot_token: None,
            personal_token: None,
            token_comment: None,
            labels: None,
            credentials: None,
            jti: None,
            kid: None,
            certificate_serial: None,
            certificate_sha256: None,
            user_agent: None,
            method: String::new(),
            route: None,
            page: None,
            repository: None,
            reference: None,
            tags: None,
            from: None,
            service: None,
            requested: None,
            granted: None,
            decision: None,
            rule: None,
            shadow: None,
            shadow_rule: None,
            reason: None,
            status: None,
            digest: None,
            answered_by: None,
            bytes_in: None,
            bytes_out: None,
            duration_ms: None,
            ended: None,
        }
    }

    /// Leaves out what the line of the decision says.
    pub(super) fn leave_to_decision(&mut self) {
        (self.requested, self.labels) = (None, None);
        (self.shadow, self.shadow_rule) = (None, None);
    }

    /// Writes the line, with its line end, behind what `line` has already.
    pub(super) fn write_to(&self, line: &mut Vec<u8>) {
        let mut line = Line::begin(line);
        line.time("time", self.time);
        line.word("event", self.event.as_str());
        line.text("request_id", Some(self.request_id.as_str()).filter(|id| !id.is_empty()));
        line.text("trace_id", self.trace_id.as_deref());
        line.value("address", self.address);
        line.text("account", self.account.as_deref());
        line.word("source", self.source);
        line.text("robot_token", self.robot_token.as_deref());
        line.text("personal_token", self.personal_token.as_deref());
        line.text("token_comment", self.token_comment.as_deref());
        line.labels("labels", self.labels.as_deref());
        line.word("credentials", self.credentials);
        line.text("jti", self.jti.as_deref());
        line.text("kid", self.kid.as_deref());
        line.text("certificate_serial", self.certificate_serial.as_deref());
        line.text("certificate_sha256", self.certificate_sha256.as_deref());
        line.text("user_agent", self.user_agent.as_deref());
        line.text("method", Some(self.method.as_str()).filter(|method| !method.is_empty()));
        line.word("route", self.route);
        line.word("page", self.page);
        line.text("repository", self.repository.as_deref());
        line.text("reference", self.reference.as_deref());
        line.texts("tags", self.tags.as_deref());
        line.text("from", self.from.as_deref());
        line.text("service", self.service.as_deref());
        line.texts("requested", self.requested.as_deref());
        line.texts("granted", self.granted.as_deref());
        line.word("decision", self.decision.map(Decision::as_str));
        line.text("rule", self.rule.as_deref());
        line.word("shadow", self.shadow);
        line.text("shadow_rule", self.shadow_rule.as_deref());
        line.text("reason", self.reason.as_deref());
        line.value("status", self.status);
        line.text("digest", self.digest.as_deref());
        line.word("answered_by", self.answered_by);
        line.value("bytes_in", self.bytes_in);
        line.value("bytes_out", self.bytes_out);
        line.value("duration_ms", self.duration_ms);
        line.word("ended", self.ended.map(Ended::as_str));
        line.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(record: &Record) -> String {
        let mut line = Vec::new();
        record.write_to(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_is_one_line_whatever_names_are_in_it() {
        let mut record = Record::new(Event::Decision);
        record.account = Some("eve\n{\"event\":\"token\"}\u{2028}\u{1b}[2J\u{9b}2J\u{7f}".to_owned());
        record.decision = Some(Decision::Denied);
        let written = line(&record);
        assert_eq!(written.matches('\n').count(), 1, "{written}");
        assert!(!written.trim_end_matches('\n').contains(char::is_control), "{written:?}");
        for (far, shown) in [(-1e12, "1970-01-01T00:00:00.000000Z"), (1e12, "9999-12-31T23:59:59.000000Z")] {
            let offset = std::time::Duration::from_secs_f64(f64::abs(far));
            let epoch = SystemTime::UNIX_EPOCH;
            record.time = if far < 0.0 { epoch - offset } else { epoch + offset };
            assert!(line(&record).contains(shown), "a clock that is far off");
        }
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["account"], record.account.unwrap().as_str());
    }

    /// journald splits a line at 48 KiB.
    #[test]
    fn a_line_is_bounded_whatever_is_in_it() {
        let long = || Some("\u{1}".repeat(64 << 10));
        let record = Record {
            request_id: "x".repeat(64 << 10),
            account: long(),
            token_comment: long(),
            labels: Some(Arc::new(BTreeMap::from([("x".repeat(2 << 10), vec!["x".repeat(1 << 10); 2])]))),
            user_agent: long(),
            method: "x".repeat(64 << 10),
            repository: long(),
            reference: long(),
            tags: Some(vec!["\u{1}".repeat(500); 100]),
            from: long(),
            requested: Some(vec!["\u{1}".repeat(500); 100]),
            granted: Some(vec!["\u{1}".repeat(500); 100]),
            service: long(),
            rule: long(),
            shadow_rule: long(),
            reason: long(),
            digest: long(),
            ..Record::new(Event::Decision)
        };
        let written = line(&record);
        assert!(written.len() < 44 << 10, "{}", written.len());
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["truncated"].as_array().unwrap().len(), 16, "{}", read["truncated"]);
    }

    #[test]
    fn each_field_has_its_name_and_its_place() {
        let record = Record {
            time: SystemTime::UNIX_EPOCH,
            event: Event::Transfer,
            request_id: "id".into(),
            trace_id: Some("4b".into()),
            address: Some("2001:db8::1".parse().unwrap()),
            account: Some(String::new()),
            source: Some("robots"),
            robot_token: Some("0123456789ab".into()),
            personal_token: Some("ba9876543210".into()),
            token_comment: Some("cluster A".into()),
            labels: Some(Arc::new(BTreeMap::from([("team".into(), vec!["web".into()])]))),
            credentials: Some("token"),
            jti: Some("j".into()),
            kid: Some("k".into()),
            certificate_serial: Some("0A".into()),
            certificate_sha256: Some("0b".into()),
            user_agent: Some("docker/1".into()),
            method: "GET".into(),
            route: Some("manifest"),
            page: Some("image"),
            repository: Some("a/b".into()),
            reference: Some("1".into()),
            tags: Some(vec!["t".into()]),
            from: Some("c".into()),
            service: Some("s".into()),
            requested: Some(vec!["repository:a:pull".into()]),
            granted: Some(Vec::new()),
            decision: Some(Decision::Allowed),
            rule: Some("acl, rule 1".into()),
            shadow: Some("denied"),
            shadow_rule: Some("rule 2".into()),
            reason: Some("no".into()),
            status: Some(200),
            digest: Some("sha256:0".into()),
            answered_by: Some("storage"),
            bytes_in: Some(0),
            bytes_out: Some(u64::MAX),
            duration_ms: Some(1.5),
            ended: Some(Ended::Complete),
        };
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:00.000000Z","event":"transfer","request_id":"id","trace_id":"4b","#,
            r#""address":"2001:db8::1","account":"","source":"robots","#,
            r#""robot_token":"0123456789ab","personal_token":"ba9876543210","token_comment":"cluster A","labels":{"team":["web"]},"credentials":"token","#,
            r#""jti":"j","kid":"k","certificate_serial":"0A","certificate_sha256":"0b","#,
            r#""user_agent":"docker/1","method":"GET","#,
            r#""route":"manifest","page":"image","repository":"a/b","reference":"1","tags":["t"],"from":"c","service":"s","#,
            r#""requested":["repository:a:pull"],"granted":[],"decision":"allowed","rule":"acl, rule 1","#,
            r#""shadow":"denied","shadow_rule":"rule 2","reason":"no","status":200,"digest":"sha256:0","#,
            r#""answered_by":"storage","bytes_in":0,"bytes_out":18446744073709551615,"#,
            r#""duration_ms":1.5,"ended":"complete"}"#,
        );
        assert_eq!(line(&record).trim_end_matches('\n'), expected);
        let none = line(&Record::new(Event::Freeze));
        assert_eq!(none, "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"event\":\"freeze\"}\n");
    }
}
