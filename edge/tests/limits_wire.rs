//! Keys, throttles and quotas on the wire: what is answered, and what never reaches the origin.
//!
//! What it is: whole answers of one worker, over the real ring and over its twin. Shape: a row has
//! settings, a plan for the only key, requests, and the answer to each. Units: bytes. Errors: a
//! leak fails the row that left it. Source: the refusals of throttling and usage plans; RFC 9110
//! section 10.2.3.

mod bed;
#[path = "common/documents.rs"]
mod documents;
#[path = "common/play.rs"]
mod play;

use std::sync::Arc;

use bed::Kind;
use play::{Answer, Lines, Stage, first_answer, normal};
use serde_json::{Value, json};
use tidegate_edge::{
    base::time::Mono,
    limits::{
        Directory, Id, KeyHasher, KeyRecord, LeaseSource, MethodRate, Period, PlanRecord,
        PlanStage, Quota, Rate, Wish,
    },
};

const KEY: &str = "abcdef1234ghijklmnop8901234567";
const OFF: &str = "disabled-ef1234ghijklmnop89012";
const LONE: &str = "without-a-plan-ghijklmnop89012";

fn id(text: &str) -> Id {
    Id::parse(text).expect("an id")
}

fn rate(per_s: f64, burst: u32) -> Rate {
    Rate::new(per_s, burst).expect("a rate")
}

/// What the plan of the only good key says.
#[derive(Clone, Copy, Default)]
struct Plan {
    throttle: Option<(f64, u32)>,
    method: Option<(f64, u32)>,
    quota: Option<u64>,
}

fn directory(plan: Plan) -> Directory {
    let hasher = KeyHasher::new(&[5; 16]);
    let method = plan.method.map(|(per_s, burst)| MethodRate {
        verb: "ANY".to_owned(),
        path: "/keyed".to_owned(),
        rate: rate(per_s, burst),
    });
    let gold = PlanRecord {
        id: id("gold"),
        throttle: plan.throttle.map(|(per_s, burst)| rate(per_s, burst)),
        quota: plan
            .quota
            .and_then(|limit| Quota::new(limit, 0, Period::Month)),
        stages: vec![PlanStage {
            api: "a".to_owned(),
            stage: "dev".to_owned(),
            methods: method.into_iter().collect(),
        }],
    };
    let key = |name: &str, value: &str, enabled, plans: Vec<Id>| KeyRecord {
        id: id(name),
        tag: hasher.tag(value.as_bytes()).expect("a tag"),
        enabled,
        plans,
    };
    let keys = [
        key("k1", KEY, true, vec![id("gold")]),
        key("k2", OFF, false, vec![id("gold")]),
        key("k3", LONE, true, vec![]),
    ];
    Directory::build(hasher.clone(), &[gold], keys).expect("a directory")
}

/// A quota that is counted in memory.
struct Ledger(u64);

impl LeaseSource for Ledger {
    fn lease(&mut self, wishes: &[Wish], answers: &mut [u32]) -> Result<(), String> {
        for (wish, answer) in wishes.iter().zip(answers) {
            *answer = wish
                .quota
                .lease()
                .min(u32::try_from(self.0).unwrap_or(u32::MAX));
            self.0 -= u64::from(*answer);
        }
        Ok(())
    }
}

struct Row {
    name: &'static str,
    settings: Value,
    plan: Plan,
    /// Path and key of each request.
    requests: Vec<(&'static str, Option<&'static str>)>,
    /// Answers: status line, and what stands in head or body; an empty text is not looked for.
    answers: Vec<&'static [&'static str]>,
    /// How many reach the origin.
    forwarded: usize,
}

const OK: &[&str] = &["HTTP/1.1 200 OK\r\n"];
const FORBIDDEN: &[&str] = &[
    "HTTP/1.1 403 Forbidden\r\n",
    "\r\nx-amzn-ErrorType: ForbiddenException\r\n",
    "\r\nContent-Type: application/json\r\n",
    "\r\nx-amzn-RequestId: {id}\r\n",
    "\r\n\r\n{\"message\":\"Forbidden\"}",
];
const THROTTLED: &[&str] = &[
    "HTTP/1.1 429 Too Many Requests\r\n",
    "\r\nx-amzn-ErrorType: TooManyRequestsException\r\n",
    "\r\nRetry-After: 1000\r\n",
    "\r\nContent-Type: application/json\r\n",
    "\r\nx-amzn-RequestId: {id}\r\n",
    "\r\n\r\n{\"message\":\"Too Many Requests\"}",
];
const EXCEEDED: &[&str] = &[
    "HTTP/1.1 429 Too Many Requests\r\n",
    "\r\nx-amzn-ErrorType: LimitExceededException\r\n",
    "\r\nRetry-After: ",
    "\r\n\r\n{\"message\":\"Limit Exceeded\"}",
];

fn rows() -> Vec<Row> {
    let (good, none) = (Some(KEY), Plan::default());
    let slow = json!({ "rate_limit": 0.001, "burst_limit": 2 });
    let row = |name, settings, plan, requests, answers, forwarded| Row {
        name,
        settings,
        plan,
        requests,
        answers,
        forwarded,
    };
    vec![
        row(
            "keys",
            json!({}),
            none,
            vec![
                ("/keyed", None),
                ("/keyed", Some("nobody-has-this-value-at-all")),
                ("/keyed", Some(OFF)),
                ("/keyed", Some(LONE)),
                ("/keyed", good),
                ("/open", None),
                ("/open", Some("nobody-has-this-value-at-all")),
            ],
            vec![FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK, OK],
            3,
        ),
        row(
            "account",
            json!({ "throttle": slow }),
            none,
            vec![
                ("/open", None),
                ("/mock", None),
                ("/open", None),
                ("/mock", None),
            ],
            vec![OK, OK, THROTTLED, THROTTLED],
            1,
        ),
        row(
            "stage",
            json!({ "api_throttle": slow }),
            none,
            vec![
                ("/open", None),
                ("/keyed", None),
                ("/keyed", good),
                ("/keyed", None),
            ],
            vec![OK, FORBIDDEN, OK, THROTTLED],
            2,
        ),
        row(
            "method",
            json!({ "api_throttle": { "methods": [
                { "path": "/mock", "method": "ANY", "rate_limit": 0.001, "burst_limit": 1 },
            ] } }),
            none,
            vec![("/mock", None), ("/mock", None), ("/open", None)],
            vec![OK, THROTTLED, OK],
            1,
        ),
        row(
            "nothing at all",
            json!({ "api_throttle": { "methods": [
                { "path": "/mock", "method": "ANY", "rate_limit": 0, "burst_limit": 0 },
            ] } }),
            none,
            vec![("/mock", None), ("/mock", None)],
            vec![&THROTTLED_FOR_EVER, &THROTTLED_FOR_EVER],
            0,
        ),
        row(
            "key",
            json!({}),
            Plan {
                throttle: Some((0.001, 2)),
                ..none
            },
            vec![
                ("/keyed", good),
                ("/keyed", good),
                ("/keyed", good),
                ("/open", good),
            ],
            vec![OK, OK, THROTTLED, OK],
            3,
        ),
        row(
            "key and method",
            json!({}),
            Plan {
                throttle: Some((0.001, 5)),
                method: Some((0.001, 1)),
                ..none
            },
            vec![("/keyed", good), ("/keyed", good)],
            vec![OK, THROTTLED],
            1,
        ),
        row(
            "quota",
            json!({}),
            Plan {
                quota: Some(3),
                ..none
            },
            vec![("/keyed", good); 5],
            vec![OK, OK, OK, EXCEEDED, EXCEEDED],
            3,
        ),
        row(
            "fields",
            json!({ "throttle": { "rate_limit": 0.001, "burst_limit": 2, "headers": true } }),
            none,
            vec![("/open", None), ("/mock", None), ("/mock", None)],
            vec![
                &[
                    "200 OK",
                    "\r\nRateLimit-Policy: \"account\";q=2;w=2000\r\nRateLimit: \"account\";r=1\r\n",
                ],
                &["200 OK", "\r\nRateLimit: \"account\";r=0;t=1000\r\n"],
                &[
                    "429 Too Many Requests",
                    "\r\nRateLimit: \"account\";r=0;t=1000\r\n",
                ],
            ],
            1,
        ),
    ]
}

const THROTTLED_FOR_EVER: [&str; 2] = [
    "HTTP/1.1 429 Too Many Requests\r\n",
    "\r\n\r\n{\"message\":\"Too Many Requests\"}",
];

/// What is wrong with `row`, if anything.
fn play(kind: Kind, row: &Row) -> Option<String> {
    let answer = Answer {
        bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        ..Answer::default()
    };
    let stage = Stage::new(kind, row.settings.clone(), vec![answer]);
    stage
        .worker
        .local()
        .set_directory(Arc::new(directory(row.plan)));
    let (limits, core) = (stage.limits.clone(), stage.bed.core());
    let mut ledger = Ledger(row.plan.quota.unwrap_or(0));
    let over = std::rc::Rc::new(std::cell::Cell::new(false));
    let (inner, is_over) = (std::rc::Rc::clone(&core), std::rc::Rc::clone(&over));
    stage.bed.spawn(async move {
        while !is_over.get() {
            limits.tend(&mut ledger).expect("tended");
            inner.sleep_until(inner.now().plus_ms(3)).await;
        }
    });
    let mut complaint = None;
    for (nth, ((path, key), expected)) in row.requests.iter().zip(&row.answers).enumerate() {
        let key = key
            .map(|key| format!("X-API-Key: {key}\r\n"))
            .unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{key}\r\n");
        let heard = stage.talk(Lines {
            parts: vec![request.into_bytes()],
            enough: Box::new(|bytes| first_answer(bytes, false).is_some()),
            piece: 8192,
            patience_ms: 5_000,
        });
        let text = normal(&heard.bytes, stage.gateway);
        if let Some(missing) = expected.iter().find(|part| !text.contains(**part)) {
            complaint = Some(format!(
                "{}, request {nth}: no {missing:?} in\n{text}",
                row.name
            ));
            break;
        }
        if row.name == "nothing at all" && text.contains("Retry-After") {
            complaint = Some(format!(
                "{}: there is nothing to wait for\n{text}",
                row.name
            ));
        }
    }
    let forwarded = stage.seen().len();
    if complaint.is_none() && forwarded != row.forwarded {
        complaint = Some(format!(
            "{}: {forwarded} requests reached the origin",
            row.name
        ));
    }
    over.set(true);
    let wake_at = Mono(core.now().0 + 10_000_000);
    let last = std::rc::Rc::clone(&core);
    stage.run(async move { last.sleep_until(wake_at).await });
    stage.finish();
    complaint
}

fn assert_all(kind: Kind) {
    let complaints: Vec<String> = rows().iter().filter_map(|row| play(kind, row)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn refusals_are_answered_to_the_byte_on_the_twin() {
    assert_all(Kind::Twin);
}

#[test]
fn refusals_are_answered_to_the_byte_on_the_kernel() {
    assert_all(Kind::Kernel);
}
