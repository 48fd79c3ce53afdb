//! A whole gateway under pressure: what a client gets at each step, and that it ends.
//!
//! What it is: the causes are put in where the worker reads them (the host's memory, its own
//! buffers, its own lateness), and a client looks. Shape: kernel and twin run the same bodies.
//! Units: percent, milliseconds of the world's clock. Errors: a wrong answer. Source: RELIABILITY
//! section 3.

use std::rc::Rc;

use crate::{
    bed::{self, Kind},
    play::{self, Answer, End, Heard, Lines, Stage},
};
use serde_json::{Value, json};
use tidegate_edge::{
    exec::{Core, RecvEnd, Stream},
    pipeline::Step,
    telemetry::{fault_kind::FaultKind, metrics::Metric},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// Longer than a worker takes to look again, twice.
const LOOK_MS: u64 = 250;
/// Nothing comes for so long.
const SILENCE_MS: u64 = 300;

fn stage(kind: Kind, limits: Value) -> Stage {
    let answer = Answer {
        bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        ..Answer::default()
    };
    Stage::new(kind, json!({ "limits": limits }), vec![answer])
}

/// The host's memory is `percent` full, and the worker has seen it.
fn press(stage: &Stage, percent: u8) {
    stage.admission.load().set_memory_percent(percent);
    pass(stage, LOOK_MS);
}

fn pass(stage: &Stage, ms: u64) {
    let core = stage.bed.core();
    stage.run(async move { core.sleep_until(core.now().plus_ms(ms)).await });
}

/// One request on a connection of its own.
fn ask(stage: &Stage, request: &str) -> (u16, Heard) {
    let heard = stage.talk(Lines {
        parts: vec![request.as_bytes().to_vec()],
        piece: usize::MAX,
        enough: Box::new(is_whole),
        patience_ms: SILENCE_MS,
    });
    let status = play::first_answer(&heard.bytes, false).map_or(0, |(status, _, _)| status);
    (status, heard)
}

fn is_whole(bytes: &[u8]) -> bool {
    play::first_answer(bytes, false).is_some()
}

fn field(heard: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(heard).into_owned();
    let mut fields = text.lines().filter_map(|line| line.split_once(": "));
    let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}

fn connect(stage: &Stage) -> Stream {
    let (core, to) = (stage.bed.core(), stage.gateway);
    stage.run(async move { bed::connect(&core, to).await })
}

/// One request on `stream`: what was heard, and the stream again.
fn ask_on(stage: &Stage, mut stream: Stream) -> (String, Stream) {
    let core = stage.bed.core();
    stage.run(async move {
        stream.send(bed::bytes(&core, GET.as_bytes()));
        let heard = hear(&core, &mut stream).await;
        (heard, stream)
    })
}

async fn hear(core: &Rc<Core>, stream: &mut Stream) -> String {
    let mut heard = Vec::new();
    while !is_whole(&heard) {
        match stream.recv(core.now().plus_ms(SILENCE_MS)).await {
            Ok(buf) => heard.extend_from_slice(&buf),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

fn each_step_grants_less_and_all_comes_back(kind: Kind) {
    let stage = stage(kind, json!({}));
    let cell = |metric| stage.worker.local().metrics.cell(metric).get();
    // A quarter of the bed's buffers is lent to receives.
    // percent, status (0: no answer), the connection ends, step
    let rows = [
        (0, 200, false, Step::Calm),
        (72, 200, false, Step::ShortIdle),
        (82, 200, true, Step::NoKeepAlive),
        (86, 200, true, Step::NoStreams),
        (93, 503, true, Step::Refuse),
        (88, 503, true, Step::Refuse),
        (86, 200, true, Step::NoStreams),
        (96, 0, false, Step::NoAccept),
        (91, 0, false, Step::NoAccept),
        (89, 503, true, Step::Refuse),
        (66, 200, false, Step::ShortIdle),
        (0, 200, false, Step::Calm),
    ];
    let mut refused: u64 = 0;
    for (percent, status, closes, step) in rows {
        press(&stage, percent);
        let seen = stage.seen().len();
        let (found, heard) = ask(&stage, GET);
        let said = String::from_utf8_lossy(&heard.bytes);
        assert_eq!(found, status, "{percent} %: {said}");
        let connection = field(&heard.bytes, "Connection");
        let closing = connection.as_deref() == Some("close");
        assert_eq!(closing, closes, "{percent} %: {said}");
        let forwarded = stage.seen().len() - seen;
        assert_eq!(forwarded, usize::from(status == 200), "{percent} %");
        // Who left the kernel's queue without an answer is found at 89 % and refused too.
        refused += u64::from(status != 200);
        if status == 503 {
            let seconds = field(&heard.bytes, "Retry-After").and_then(|text| text.parse().ok());
            assert!(seconds.is_some_and(|s: u64| (1..=5).contains(&s)), "{said}");
        }
        assert_eq!(cell(Metric::PressureMemory), u64::from(percent.max(25)));
        assert_eq!(cell(Metric::PressureStep), step as u64, "{percent} %");
    }
    let counted = &stage.worker.local().metrics;
    assert_eq!(counted.fault(FaultKind::Overloaded).get(), refused);
    stage.finish();
}

fn clients_that_come_back_are_spread(kind: Kind) {
    let stage = stage(kind, json!({}));
    press(&stage, 93);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let (_, heard) = ask(&stage, GET);
        seen.insert(field(&heard.bytes, "Retry-After"));
    }
    assert!(seen.len() > 2, "{seen:?}");
    stage.finish();
}

fn a_refusal_reads_no_body(kind: Kind) {
    let stage = stage(kind, json!({}));
    press(&stage, 93);
    let declared = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n";
    // What is asked; none of the body is ever sent.
    for request in [
        format!("{declared}\r\n"),
        format!("{declared}Expect: 100-continue\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
    ] {
        let (status, _) = ask(&stage, &request);
        assert_eq!(status, 503, "{request}");
    }
    // Who breaks a rule is told so all the same.
    let (status, _) = ask(&stage, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(status, 400);
    // The answer is not lost to what the client had sent already.
    let heard = stage.talk(Lines {
        parts: vec![[declared.as_bytes(), b"\r\n", &[b'z'; 60_000]].concat()],
        piece: 8 * 1024,
        enough: Box::new(|_| false),
        patience_ms: 3_000,
    });
    let found = play::first_answer(&heard.bytes, false).map(|(status, _, _)| status);
    assert_eq!((found, heard.end), (Some(503), End::Closed));
    assert_eq!(stage.seen().len(), 0);
    stage.finish();
}

fn connections_idle_shorter(kind: Kind) {
    let stage = stage(kind, json!({ "idle_pressure_ms": 400, "idle_ms": 60_000 }));
    let (heard, mut stream) = ask_on(&stage, connect(&stage));
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    pass(&stage, 1_000);
    let core = stage.bed.core();
    let (early, mut stream) = stage.run(async move {
        let early = stream.recv(core.now().plus_ms(1)).await.map(|_| ());
        (early, stream)
    });
    assert_eq!(
        early,
        Err(RecvEnd::Timeout),
        "it may idle while all is calm"
    );
    press(&stage, 72);
    let core = stage.bed.core();
    let end = stage.run(async move { stream.recv(core.now().plus_ms(5_000)).await.map(|_| ()) });
    assert_eq!(end, Err(RecvEnd::Closed), "it idled when the pressure rose");
    stage.finish();
}

fn waiting_connections_are_accepted_later(kind: Kind) {
    let stage = stage(kind, json!({}));
    let (_, kept) = ask_on(&stage, connect(&stage));
    press(&stage, 97);
    let waiting = connect(&stage); // the kernel takes it
    let (heard, waiting) = ask_on(&stage, waiting);
    assert_eq!(heard, "", "nobody has accepted it");
    let (heard, kept) = ask_on(&stage, kept);
    assert!(
        heard.starts_with("HTTP/1.1 503"),
        "accepted before: {heard}"
    );
    press(&stage, 50);
    let core = stage.bed.core();
    let heard = stage.run(async move {
        let (mut waiting, _kept) = (waiting, kept);
        hear(&core, &mut waiting).await
    });
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    stage.finish();
}

fn buffers_in_use_press(kind: Kind) {
    let stage = stage(kind, json!({}));
    let core = stage.bed.core();
    let most = core.pool().count();
    let mut held = Vec::new();
    while core.pool().free_count() * 100 > most * 7 {
        held.push(core.pool().take().expect("some are free"));
    }
    pass(&stage, LOOK_MS);
    assert_eq!(ask(&stage, GET).0, 503, "{} of {most} held", held.len());
    drop(held);
    pass(&stage, LOOK_MS);
    assert_eq!(ask(&stage, GET).0, 200);
    stage.finish();
}

macro_rules! both_worlds {
    ($($name:ident)*) => {
        mod kernel { $(#[test] fn $name() { super::$name(super::Kind::Kernel); })* }
        mod twin { $(#[test] fn $name() { super::$name(super::Kind::Twin); })* }
    };
}

both_worlds! {
    each_step_grants_less_and_all_comes_back
    clients_that_come_back_are_spread
    a_refusal_reads_no_body
    connections_idle_shorter
    waiting_connections_are_accepted_later
    buffers_in_use_press
}

/// On the twin alone: time passes while the core stands still.
#[test]
fn a_core_that_is_late_presses_itself() {
    let stage = stage(Kind::Twin, json!({ "lag_ms_max": 200 }));
    let world = stage.bed.world.as_ref().expect("the twin has one");
    let core = stage.bed.core();
    let late = |times: usize| {
        for _ in 0..times {
            world.advance(world.now().plus_ms(500));
            for _ in 0..4 {
                core.turn(false);
            }
        }
    };
    late(1);
    assert_eq!(ask(&stage, GET).0, 200, "one long turn sheds nothing");
    pass(&stage, 1_000);
    late(6);
    let cell = |metric| stage.worker.local().metrics.cell(metric).get();
    assert!(
        cell(Metric::PressureLag) >= 92,
        "{}",
        cell(Metric::PressureLag)
    );
    assert_eq!(stage.worker.local().pressure.get(), Step::NoAccept);
    pass(&stage, 2_000);
    assert_eq!(ask(&stage, GET).0, 200);
    stage.finish();
}
