//! What an invocation came to, for people and for programs.
//!
//! Shape: [`Outcome`]; its `Display` is what the console's test page shows, [`Outcome::to_json`]
//! what `TestInvokeMethod` answers. Units: milliseconds. Errors: none. Source: Amazon API Gateway
//! API reference, `TestInvokeMethod`.

use std::{collections::BTreeMap, fmt};

use serde_json::json;
use tidegate_edge::telemetry::execution::Execution;

use super::exchange::Answer;

/// What came of an invocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub status: u16,
    /// Those of the method's response.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// What the stages noted; `None`: no method took the request.
    pub log: Option<String>,
    /// From the first byte of the request to the last of its answer.
    pub latency_ms: u64,
}

impl Outcome {
    pub(super) fn new(answer: Answer, execution: Option<&Execution>, latency_ms: u64) -> Outcome {
        let is_own = |name: &str| OWN_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own));
        let mut headers = answer.fields;
        headers.retain(|(name, _)| !is_own(name));
        Outcome {
            status: answer.status,
            headers,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            log: execution.map(Execution::text),
            latency_ms,
        }
    }

    /// `{"status", "body", "headers", "multiValueHeaders", "log", "latency"}`; of a header that
    /// comes again, `headers` has the last.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.headers {
            all.entry(name).or_default().push(value);
        }
        let last = all.iter().map(|(name, values)| (*name, values.last()));
        let last: BTreeMap<_, _> = last.collect();
        let value = json!({
            "status": self.status,
            "body": self.body,
            "headers": last,
            "multiValueHeaders": all,
            "log": self.log.as_deref().unwrap_or(""),
            "latency": self.latency_ms,
        });
        format!("{value:#}\n")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Status      {}", self.status)?;
        writeln!(out, "Latency     {} ms", self.latency_ms)?;
        writeln!(out, "\nResponse headers")?;
        for (name, value) in &self.headers {
            writeln!(out, "  {name}: {value}")?;
        }
        writeln!(out, "\nResponse body\n{}", self.body)?;
        match &self.log {
            Some(log) => write!(out, "\nLog\n{log}"),
            None => Ok(()),
        }
    }
}

/// What stands in an answer for the sake of its way.
const OWN_FIELDS: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "transfer-encoding",
    "x-amz-apigw-id",
    "x-amzn-requestid",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn outcomes_print_as_text_and_as_json() {
        let answer = Answer {
            status: 200,
            fields: vec![
                row("Date", "now"),
                row("X-Amzn-RequestId", "an id"),
                row("a", "1"),
                row("a", "2"),
                row("b", "3"),
                row("Content-Length", "4"),
            ],
            body: b"\"ok\"".to_vec(),
        };
        let mut outcome = Outcome::new(answer, None, 7);
        outcome.log = Some("Execution log for request x\n".to_owned());
        let text = "Status      200\nLatency     7 ms\n\nResponse headers\n  a: 1\n  a: 2\n  b: 3\n\
                    \nResponse body\n\"ok\"\n\nLog\nExecution log for request x\n";
        assert_eq!(outcome.to_string(), text);
        let value: serde_json::Value = serde_json::from_str(&outcome.to_json()).expect("JSON");
        assert_eq!(
            value,
            json!({
                "status": 200, "body": "\"ok\"", "headers": { "a": "2", "b": "3" },
                "multiValueHeaders": { "a": ["1", "2"], "b": ["3"] },
                "log": "Execution log for request x\n", "latency": 7,
            })
        );
    }
}
