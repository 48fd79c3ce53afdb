//! Keys, throttles and quotas on the wire: what is answered, and what never reaches the origin.
//!
//! What it is: whole answers of one worker, over the real ring and over its twin. Shape: a row has
//! settings, a plan for the only key, requests, and the answer to each. Units: bytes. Errors: a
//! leak fails the row that left it. Source: the refusals of throttling and usage plans; RFC 9110
//! section 10.2.3.

use std::sync::Arc;

use crate::{
    bed::Kind,
    play::{Answer, Lines, Stage, first_answer, normal},
};
use serde_json::{Value, json};
use tidegate_edge::{
    base::time::Mono,
    limits::{
        Directory, Id, KeyHasher, KeyRecord, LeaseSource, MethodRate, Period, PlanRecord,
        PlanStage, Quota, Rate, Wish,
    },
    telemetry::metrics::Metric,
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

/// What the gateway answers to a GET with more `fields`.
fn ask(stage: &Stage, path: &str, fields: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let heard = stage.talk(Lines {
        parts: vec![request.into_bytes()],
        enough: Box::new(|bytes| first_answer(bytes, false).is_some()),
        piece: 8192,
        patience_ms: 5_000,
    });
    normal(&heard.bytes, stage.gateway)
}

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
        let key = key.map(|key| format!("X-API-Key: {key}\r\n"));
        let text = ask(&stage, path, &key.unwrap_or_default());
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

/// Each row: what a proxy says of the client, and whether it passes. The limit is one request.
const CLIENTS: [(&str, bool); 10] = [
    ("192.0.2.1", true),
    ("192.0.2.1", false),
    ("192.0.2.2", true),
    ("2001:db8::1", true),
    ("2001:db8::ffff:1", false),
    ("2001:db8:0:1::1", true),
    // What stands further left than the first hop that is not listed is a client's own word.
    ("203.0.113.5, 192.0.2.1", false),
    ("198.51.100.1", true),
    ("198.51.100.1", true),
    ("192.0.2.2, 198.51.100.9", true),
];

fn clients_on(kind: Kind) {
    let settings = json!({
        "trust": { "proxies": ["127.0.0.0/8", "::1", "192.168.0.0/16", "10.0.0.0/8"] },
        "throttle": {
            // The account's tokens stay where a client's own limit refuses.
            "rate_limit": 0.001,
            "burst_limit": 7,
            "client": {
                "rate_limit": 0.001,
                "burst_limit": 1,
                "exempt": ["198.51.100.0/24"],
            },
        },
    });
    let answer = Answer {
        bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        ..Answer::default()
    };
    let stage = Stage::new(kind, settings, vec![answer]);
    let expected = |passes| if passes { OK } else { THROTTLED };
    for (nth, (client, passes)) in CLIENTS.into_iter().enumerate() {
        let text = ask(&stage, "/open", &format!("X-Forwarded-For: {client}\r\n"));
        for part in expected(passes) {
            assert!(
                text.contains(part),
                "{nth} {client}: no {part:?} in\n{text}"
            );
        }
    }
    let text = ask(&stage, "/open", "X-Forwarded-For: 192.0.2.77\r\n");
    assert!(
        text.contains(THROTTLED[0]),
        "the account's are used up:\n{text}"
    );
    let metrics = &stage.worker.local().metrics;
    assert_eq!(metrics.cell(Metric::ThrottledClient).get(), 3);
    assert_eq!(metrics.cell(Metric::ThrottledAccount).get(), 1);
    assert_eq!(
        stage.seen().len(),
        7,
        "no refused request reached the origin"
    );
    stage.finish();
}

#[test]
fn clients_have_limits_of_their_own_on_the_twin() {
    clients_on(Kind::Twin);
}

#[test]
fn clients_have_limits_of_their_own_on_the_kernel() {
    clients_on(Kind::Kernel);
}
