//! The recorded token requests of docker_auth, from the head of a request to the claims of its token.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use portwarden::proxy::{InFlight, Peer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    in_process::{InProcess, in_process},
    raw::{self, Response},
};

#[test]
fn token_requests_are_answered_as_docker_auth_answers_them() {
    let rows: Vec<Value> =
        include_str!("../cases/http.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 122);
    let mut running: BTreeMap<String, InProcess> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        // Without the web pages, which docker_auth has not: `tests/services/pages.rs`.
        let config = safe(row["config"].as_str().unwrap()) + "\nui: {enabled: false}\n";
        let portwarden =
            running.entry(config).or_insert_with_key(|config| in_process(config, "http://127.0.0.1:1"));
        let response = match row["remote_addr"].as_str().unwrap().parse() {
            Ok(peer) => Some(ask(portwarden, row, peer)),
            // docker_auth reads the peer's address out of a text; Portwarden's is a socket's, and cannot be wrong.
            Err(_) => None,
        };
        let verdict = judge(row, response);
        *counts.entry(verdict.as_ref().map_or("wrong", |verdict| verdict)).or_default() += 1;
        if let Err(why) = verdict {
            wrong.push(format!(
                "{} {why}\n    {}",
                row["id"],
                json!([
                    row["method"],
                    row["target"],
                    row["headers"],
                    row["body"],
                    row["note"],
                    row["expect"]
                ])
            ));
        }
    }
    println!("{counts:#?}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts["the same"] >= 90, "{counts:?}");
}

/// The configuration less what is refused at load: a user without a password (any would do), a rule without actions
/// (docker_auth crashes when it matches).
fn safe(config: &str) -> String {
    let kept =
        config.lines().filter(|line| !line.contains("\"open\": {}") && !line.contains("name: \"boom\""));
    kept.map(|line| format!("{line}\n")).collect()
}

fn judge(row: &Value, response: Option<Response>) -> Result<&'static str, String> {
    let expected = &row["expect"];
    let Some(response) = response else { return Ok("no socket has such a peer") };
    if let Some(reason) = deviation(row, &response) {
        return Ok(reason);
    }
    let got = outline(&response, expected);
    let want = wanted(expected);
    if got == want { Ok("the same") } else { Err(format!("\n    got  {got}\n    want {want}")) }
}

/// The listed differences, each with Portwarden's answer.
fn deviation(row: &Value, response: &Response) -> Option<&'static str> {
    let expected = &row["expect"];
    let (target, body) = (row["target"].as_str().unwrap(), row["body"].as_str().unwrap());
    let subject = &expected["claims"]["sub"];
    match response.status {
        401 if subject == "open" => Some("a user without a password is no user"),
        405 if row["method"] == "OPTIONS" => Some("rule 1: methods"),
        415 if row["headers"]["Content-Type"][0] == "application/json" && !body.is_empty() => {
            Some("a body that is not read is refused")
        }
        401 if body.contains("grant_type=refresh_token") => {
            Some("the OAuth2 form of POST: a bad refresh token")
        }
        400 if row["headers"]["Authorization"].as_array().is_some_and(|values| values.len() > 1) => {
            Some("rule 10: two Authorization headers")
        }
        200 if expected["outcome"] == "panic" && target.contains("boom") => {
            Some("no rule is without actions")
        }
        400 if expected["outcome"] == "panic" => Some("a position past the end is an error, not a crash"),
        200 if row["method"] == "HEAD" && response.body.is_empty() => Some("a HEAD has no body to look at"),
        200 if target.contains("%24%7Blabels") && denies_all(response) => {
            Some("a placeholder never matches its own text")
        }
        200 if target.contains("%ff") && denies_all(response) => Some("a name that is not UTF-8 is none"),
        503 if target == "/v2/" => Some("/v2/ is the registry's"),
        _ => None,
    }
}

fn denies_all(response: &Response) -> bool {
    let claims = token_part(response, 1);
    claims["access"].as_array().unwrap().iter().all(|entry| entry["actions"] == json!([]))
}

/// Header (0) or claims (1) of the token in a response.
fn token_part(response: &Response, n: usize) -> Value {
    let answer: Value = serde_json::from_str(&response.text()).unwrap_or_default();
    let part = answer["token"].as_str().unwrap_or_default().split('.').nth(n).unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()).unwrap_or_default()
}

/// Those parts of our response that were recorded.
fn outline(response: &Response, expected: &Value) -> Value {
    let mut outline = json!({"status": response.status});
    for name in ["content-type", "www-authenticate", "strict-transport-security"] {
        outline[name] = response.header(name).map_or(Value::Null, Value::from);
    }
    if expected.get("claims").is_none() {
        outline["body"] = response.text().into();
        return outline;
    }
    let answer: Value = serde_json::from_str(&response.text()).unwrap_or_default();
    let (header, claims) = (token_part(response, 0), token_part(response, 1));
    let seconds =
        |a: &str, b: &str| claims[a].as_i64().unwrap_or_default() - claims[b].as_i64().unwrap_or_default();
    outline["claims"] =
        json!({"access": claims["access"], "aud": claims["aud"], "iss": claims["iss"], "sub": claims["sub"]});
    outline["typ"] = header["typ"].clone();
    outline["times"] = json!([seconds("exp", "iat"), seconds("iat", "nbf")]);
    outline["both"] = (answer["token"] == answer["access_token"]).into();
    outline["jti"] = claims["jti"].is_string().into();
    outline
}

fn wanted(expected: &Value) -> Value {
    let mut wanted = json!({"status": expected["status"]});
    for name in ["content-type", "www-authenticate", "strict-transport-security"] {
        wanted[name] = expected[format!("h_{name}")].clone();
    }
    if expected.get("claims").is_none() {
        wanted["body"] = expected["body"].clone();
        return wanted;
    }
    wanted["claims"] = expected["claims"].clone();
    wanted["typ"] = expected["header"]["typ"].clone();
    wanted["times"] = json!([expected["exp_minus_iat"], expected["iat_minus_nbf"]]);
    wanted["both"] = expected["same_access_token"].clone();
    wanted["jti"] = expected["jti_is_string"].clone();
    wanted
}

/// Sends the row over a connection in memory, whose peer has the recorded address.
fn ask(portwarden: &InProcess, row: &Value, peer: SocketAddr) -> Response {
    let request = request(row);
    let service = Arc::clone(&portwarden.service);
    portwarden.block_on(async move {
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        let peer = Peer { address: Some(peer), tls: true };
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let service = Arc::clone(&service);
                async move {
                    Ok::<_, std::convert::Infallible>(
                        service.respond(request, peer, &InFlight::default()).await,
                    )
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(theirs), service).await;
        });
        ours.write_all(&request).await.unwrap();
        let mut bytes = Vec::new();
        let _ = ours.read_to_end(&mut bytes).await;
        raw::read_response(&mut bytes.as_slice()).expect("a response")
    })
}

fn request(row: &Value) -> Vec<u8> {
    let body = row["body"].as_str().unwrap();
    let mut lines = String::new();
    for (name, values) in row["headers"].as_object().unwrap() {
        for value in values.as_array().unwrap() {
            lines += &format!("{name}: {}\r\n", value.as_str().unwrap());
        }
    }
    if !body.is_empty() {
        lines += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut request = raw::request(row["method"].as_str().unwrap(), row["target"].as_str().unwrap(), &lines);
    request.extend(body.as_bytes());
    request
}
