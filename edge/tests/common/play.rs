//! A whole gateway on one core, between a scripted client and a scripted origin.
//!
//! What it is: [`Stage`] starts a worker on a core of the test bed, kernel or twin; a client task
//! sends given bytes in given pieces, an origin task answers with given bytes and keeps what it
//! got. Shape: one stage per example; nothing may be left when it ends. Units: bytes,
//! milliseconds of the world's clock. Errors: a malformed script panics. Source: own.

#![allow(dead_code)]

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc};

use serde_json::{Value, json};
use tidegate_edge::{
    base::time::Mono,
    exec::{Core, Inbox, RecvEnd, Stream},
    model::api::Api,
    net::tls::{TlsClock, ticket::TicketKeys},
    server::{Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome, Worker},
    telemetry::{
        access_log::LogSink,
        execution::ExecutionSink,
        histograms::CoreHistograms,
        metrics::{Registry, StageName},
    },
    wire::{
        BodyLimits, BodyReader, HeadFinder, HeadLimits, RequestHead, ResponseHead, ResponseTo,
        Step, parse_request, parse_response,
    },
};

use super::{
    bed::{self, Bed, Kind, Sizes},
    documents,
};

/// How one request is answered by the origin.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// Before the request's body was read.
    pub(crate) early: bool,
    /// The connection ends behind it.
    pub(crate) close: bool,
    /// How long the origin thinks about it.
    pub(crate) delay_ms: u64,
    /// Before the byte at such an offset it waits so many milliseconds.
    pub(crate) pauses: Vec<(usize, u64)>,
}

/// What the client does.
pub(crate) struct Lines {
    /// Each part behind the first is sent once something more has been heard.
    pub(crate) parts: Vec<Vec<u8>>,
    /// Bytes a send.
    pub(crate) piece: usize,
    /// Heard enough: the client leaves without waiting for the connection's end.
    pub(crate) enough: Box<dyn Fn(&[u8]) -> bool>,
    /// Longest wait for anything more.
    pub(crate) patience_ms: u64,
}

/// How the client's connection was at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Open,
    Closed,
    Reset,
}

/// What the client heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

/// One request as the origin got it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seen {
    /// Every byte of it.
    pub(crate) raw: Vec<u8>,
    pub(crate) head_bytes: usize,
    pub(crate) body: Vec<u8>,
    /// Which connection brought it.
    pub(crate) connection: usize,
}

/// What the origin knows and saw.
#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    seen: Vec<Seen>,
    connections: usize,
    /// Connections that have ended.
    ended: usize,
    /// Bytes of answers that have left.
    sent_bytes: usize,
    /// Bytes that are no request.
    broken: Option<String>,
}

/// A gateway with its surroundings.
pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) worker: Rc<Worker>,
    pub(crate) admission: Arc<Admission>,
    script: Rc<RefCell<Script>>,
    pub(crate) gateway: SocketAddr,
    /// Where its response cache is.
    folder: tempfile::TempDir,
    pub(crate) limits: LimitsHome,
}

const SIZES: Sizes = Sizes {
    cores: 1,
    slots: 256,
    buffers: 128,
    stock: 32,
};
/// Longer than any deadline that an example waits for; what is virtual costs nothing.
fn patience_ms(kind: Kind) -> u64 {
    match kind {
        Kind::Kernel => 30_000,
        Kind::Twin => 2_000_000,
    }
}

impl Stage {
    /// Starts a gateway whose origin answers as `answers` say, the last one again and again.
    pub(crate) fn new(kind: Kind, settings: Value, answers: Vec<Answer>) -> Stage {
        Stage::with(kind, settings, &[api()], answers)
    }

    /// The same for another API, whose id is `a`.
    pub(crate) fn with_api(kind: Kind, settings: Value, api: &Api, answers: Vec<Answer>) -> Stage {
        Stage::with(kind, settings, std::slice::from_ref(api), answers)
    }

    /// The same for other APIs; `settings` may say what they like of them.
    pub(crate) fn with(kind: Kind, settings: Value, apis: &[Api], answers: Vec<Answer>) -> Stage {
        Stage::told(kind, settings, apis, answers, None)
    }

    /// The same, and executions go to `execution`: whole, where they are held.
    pub(crate) fn told(
        kind: Kind,
        settings: Value,
        apis: &[Api],
        answers: Vec<Answer>,
        execution: Option<ExecutionSink>,
    ) -> Stage {
        Stage::logged(kind, settings, apis, answers, (execution, None))
    }

    /// The same, and access-log lines go to `log`.
    pub(crate) fn logged(
        kind: Kind,
        mut settings: Value,
        apis: &[Api],
        answers: Vec<Answer>,
        (execution, log): (Option<ExecutionSink>, Option<LogSink>),
    ) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(cache) = settings.get_mut("cache") {
            cache["path"] = json!(folder.path().join("cache"));
            cache["capacity"] = json!("64 MiB");
        }
        let bed = Bed::new(kind, SIZES);
        let core = bed.core();
        let script = Rc::new(RefCell::new(Script {
            answers,
            ..Script::default()
        }));
        let origin = serve_origin(&core, &script);
        let mut settings = complete(settings, origin);
        for api in &mut settings.apis {
            api.tells_all = execution.as_ref().is_some_and(ExecutionSink::is_held);
        }
        let plan = documents::plan_of(&settings, apis);
        let limits = LimitsHome::private([1, 2]);
        let keyring = Keyring {
            tickets: TicketKeys::new(core.wall()).expect("randomness"),
            clock: TlsClock::new(core.wall()),
            cache: CacheSecrets::fresh().expect("randomness"),
            limits: limits.clone(),
        };
        let mut registry = Registry::new(1);
        let names = plan.stages.iter().map(|stage| StageName {
            api: stage.api_id.to_string(),
            stage: stage.name.to_string(),
        });
        let ids = registry.stages(&names.collect::<Vec<_>>());
        let gauges = Gauges {
            metrics: registry.core(0).expect("one core"),
            cells: registry.stage_cells(0, &ids),
            histograms: CoreHistograms::new(&ids),
            log,
            execution,
        };
        let blueprint = Blueprint::new(plan, &keyring, None).expect("a usable plan");
        let fd = core.listen(&bed::any_port(), true).expect("a port");
        let gateway = core.names(fd).local.expect("an address");
        let (_, inbox) = Inbox::new(&core, 8);
        let admission = Admission::new([1, 2, 3, 4]);
        let worker = Worker::start(&core, &blueprint, &admission, &[(fd, 0)], inbox, gauges);
        Stage {
            bed,
            worker,
            admission,
            script,
            gateway,
            folder,
            limits,
        }
    }

    /// One client's whole conversation.
    pub(crate) fn talk(&self, lines: Lines) -> Heard {
        let (core, to) = (self.bed.core(), self.gateway);
        self.run(async move { converse(&core, to, &lines).await })
    }

    /// Lets everything happen until `task` has ended.
    pub(crate) fn run<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> T {
        let told = Rc::new(RefCell::new(None));
        let out = Rc::clone(&told);
        self.bed.spawn(async move {
            let result = task.await;
            *out.borrow_mut() = Some(result);
        });
        let core = self.bed.core();
        let until = core.now().plus_ms(patience_ms(self.bed.kind));
        while told.borrow().is_none() {
            core.turn(true);
            assert!(core.now() < until, "the conversation does not end");
        }
        told.take().expect("just told")
    }

    /// Turns until the origin has seen `count` connections end; the time that took.
    pub(crate) fn until_ended(&self, count: usize) -> u64 {
        let core = self.bed.core();
        let from = core.now();
        while self.script.borrow().ended < count {
            core.turn(true);
            assert!(
                core.now() < from.plus_ms(patience_ms(self.bed.kind)),
                "none ends"
            );
        }
        core.now().since_ns(from) / 1_000_000
    }

    /// Bytes of answers that the origin has got rid of.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.script.borrow().sent_bytes
    }

    /// A client with a connection of its own.
    pub(crate) fn perform<F: Future<Output = ()> + 'static>(
        &self,
        client: impl FnOnce(Rc<Core>, Stream) -> F + 'static,
    ) {
        let (core, to) = (self.bed.core(), self.gateway);
        let done = Rc::new(RefCell::new(false));
        let out = Rc::clone(&done);
        self.bed.spawn(async move {
            let stream = bed::connect(&core, to).await;
            client(core, stream).await;
            *out.borrow_mut() = true;
        });
        let core = self.bed.core();
        let until = core.now().plus_ms(patience_ms(self.bed.kind));
        while !*done.borrow() {
            core.turn(true);
            assert!(core.now() < until, "the client does not end");
        }
    }

    /// The requests that have reached the origin.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let script = self.script.borrow();
        assert_eq!(script.broken, None, "what the origin got is no request");
        script.seen.clone()
    }

    /// Ends everything and asserts that nothing is left.
    pub(crate) fn finish(self) {
        drop(self.worker);
        self.bed.finish();
        self.folder.close().expect("the cache's folder goes");
    }
}

/// `settings` with what every example needs.
fn complete(mut settings: Value, origin: SocketAddr) -> tidegate_edge::model::settings::Settings {
    let mut of_api = |name: &str| settings.as_object_mut().and_then(|all| all.remove(name));
    let throttle = of_api("api_throttle");
    let (stage_cache, variables) = (of_api("stage_cache"), of_api("variables"));
    let header_rules = of_api("header_rules");
    if settings.get("apis").is_none() {
        settings["apis"] = json!([{
            "document": "a.yaml",
            "hosts": ["a", "*.example", "a.example.com", "127.0.0.1", "[2001:db8::1]"],
        }]);
    }
    if let Some(stage_cache) = stage_cache {
        settings["apis"][0]["stage_cache"] = stage_cache;
    } else if settings.get("cache").is_some() {
        settings["apis"][0]["edge_cache"] = json!("standard");
    }
    if let Some(variables) = variables {
        settings["apis"][0]["variables"] = variables;
    }
    if let Some(header_rules) = header_rules {
        settings["apis"][0]["header_rules"] = header_rules;
    }
    if let Some(throttle) = throttle {
        settings["apis"][0]["throttle"] = throttle;
    }
    settings["functions"] = json!({ "us-east-1": { "endpoint": "http://origin.test" } });
    settings["origins"] = json!({ "o": {
        "match": ["http://origin.test"],
        "vpc_link": "link",
        "allow_addresses": ["loopback"],
        "endpoints": [{ "url": format!("http://{origin}") }],
    }});
    documents::settings(settings)
}

/// Everything is forwarded, but `/mock`; `/keyed` needs an API key.
fn api() -> Api {
    let rows = [("path.proxy", "path.proxy")];
    let mock = documents::mock(
        &[("application/json", "{\"statusCode\": 200}")],
        &[(None, 200, &[("application/json", "{\"mock\": true}")])],
    );
    let mut api = documents::api(
        "a",
        vec![
            ("ANY /", documents::proxy("http://origin.test/", &[])),
            (
                "ANY /{proxy+}",
                documents::proxy("http://origin.test/{proxy}", &rows),
            ),
            ("ANY /mock", mock),
            (
                "ANY /keyed",
                documents::proxy("http://origin.test/keyed", &[]),
            ),
        ],
    );
    let methods = api
        .resources
        .iter_mut()
        .filter(|resource| resource.path == "/keyed");
    for method in methods.flat_map(|resource| &mut resource.methods) {
        method.api_key_required = true;
    }
    api
}

async fn converse(core: &Rc<Core>, to: SocketAddr, lines: &Lines) -> Heard {
    let mut stream = bed::connect(core, to).await;
    let mut heard = Heard {
        bytes: Vec::new(),
        end: End::Open,
    };
    for (index, part) in lines.parts.iter().enumerate() {
        if index > 0 {
            listen(core, &mut stream, &mut heard, lines, heard_some).await;
        }
        for piece in part.chunks(lines.piece.clamp(1, 8 * 1024)) {
            stream.send(bed::bytes(core, piece));
            // A gateway that has refused already may not take the rest.
            if stream.sent(0, core.now().plus_ms(1_000)).await.is_err() {
                break;
            }
        }
    }
    listen(core, &mut stream, &mut heard, lines, |lines, heard, _| {
        (lines.enough)(&heard.bytes)
    })
    .await;
    heard
}

fn heard_some(_: &Lines, heard: &Heard, before: usize) -> bool {
    heard.bytes.len() > before
}

async fn listen(
    core: &Rc<Core>,
    stream: &mut Stream,
    heard: &mut Heard,
    lines: &Lines,
    enough: fn(&Lines, &Heard, usize) -> bool,
) {
    let before = heard.bytes.len();
    while heard.end == End::Open && !enough(lines, heard, before) {
        match stream.recv(core.now().plus_ms(lines.patience_ms)).await {
            Ok(buf) => heard.bytes.extend_from_slice(&buf),
            Err(RecvEnd::Timeout) => return,
            Err(RecvEnd::Closed) => heard.end = End::Closed,
            Err(RecvEnd::Failed(_)) => heard.end = End::Reset,
        }
    }
}

fn serve_origin(core: &Rc<Core>, script: &Rc<RefCell<Script>>) -> SocketAddr {
    let (mut listener, address) = bed::bind(core);
    let (inner, script) = (Rc::clone(core), Rc::clone(script));
    core.spawn(async move {
        while let Some(accepted) = listener.accept().await {
            let stream = Stream::new(&inner, accepted.expect("accepted"));
            script.borrow_mut().connections += 1;
            let number = script.borrow().connections;
            let script = Rc::clone(&script);
            inner.spawn(async move {
                serve_connection(stream, Rc::clone(&script), number).await;
                script.borrow_mut().ended += 1;
            });
        }
    });
    address
}

async fn serve_connection(mut stream: Stream, script: Rc<RefCell<Script>>, connection: usize) {
    let mut input = Vec::new();
    loop {
        let seen = match read_request(&mut stream, &mut input, &script).await {
            Ok(Some(seen)) => seen,
            Ok(None) => return,
            Err(fault) => {
                script.borrow_mut().broken = Some(fault);
                return;
            }
        };
        let answer = {
            let mut script = script.borrow_mut();
            let answer = answer_at(&script.answers, script.seen.len());
            script.seen.push(Seen { connection, ..seen });
            answer
        };
        if answer.delay_ms > 0 {
            // Whoever leaves meanwhile is noticed.
            let core = Rc::clone(stream.core());
            match stream.recv(core.now().plus_ms(answer.delay_ms)).await {
                Ok(buf) => input.extend_from_slice(&buf),
                Err(RecvEnd::Timeout) => {}
                Err(RecvEnd::Closed | RecvEnd::Failed(_)) => return,
            }
        }
        if !answer.early && !send(&mut stream, &answer, &script).await {
            return;
        }
        if answer.close {
            return;
        }
    }
}

fn answer_at(answers: &[Answer], index: usize) -> Answer {
    let last = answers.last().cloned().unwrap_or_default();
    answers.get(index).cloned().unwrap_or(last)
}

/// Sends an answer with its pauses; `false` when nobody wants the rest of it.
async fn send(stream: &mut Stream, answer: &Answer, script: &Rc<RefCell<Script>>) -> bool {
    let mut from = 0;
    for (at, pause_ms) in &answer.pauses {
        send_part(stream, &answer.bytes[from..*at], script).await;
        from = *at;
        let until = stream.core().now().plus_ms(*pause_ms);
        if !matches!(stream.recv(until).await, Err(RecvEnd::Timeout)) {
            return false;
        }
    }
    send_part(stream, &answer.bytes[from..], script).await;
    true
}

async fn send_part(stream: &mut Stream, bytes: &[u8], script: &Rc<RefCell<Script>>) {
    let core = Rc::clone(stream.core());
    for piece in bytes.chunks(8 * 1024) {
        stream.send(bed::bytes(&core, piece));
        // The gateway may have closed; then it does not matter.
        if stream.sent(0, Mono::FAR).await.is_ok() {
            script.borrow_mut().sent_bytes += piece.len();
        }
    }
}

/// The next request; `None` when the connection ended between two.
async fn read_request(
    stream: &mut Stream,
    input: &mut Vec<u8>,
    script: &Rc<RefCell<Script>>,
) -> Result<Option<Seen>, String> {
    let limits = HeadLimits {
        head_bytes_max: 32 * 1024,
        target_bytes_max: 16 * 1024,
        fields_max: 200,
    };
    let text = |input: &[u8]| String::from_utf8_lossy(input).into_owned();
    let mut finder = HeadFinder::request();
    let end = loop {
        let found = finder.find(input, &limits);
        match found.map_err(|fault| format!("{fault:?}: {}", text(input)))? {
            Some(end) => break end,
            None => match stream.recv(Mono::FAR).await {
                Ok(buf) => input.extend_from_slice(&buf),
                Err(_) => return Ok(None),
            },
        }
    };
    let mut head = RequestHead::new();
    parse_request(&input[..end], &limits, &mut head)
        .map_err(|fault| format!("{fault:?}: {}", text(input)))?;
    let answer = {
        let script = script.borrow();
        answer_at(&script.answers, script.seen.len())
    };
    if answer.early {
        send(stream, &answer, script).await;
        if answer.close {
            let raw = std::mem::take(input);
            return Ok(Some(seen_of(raw, end, Vec::new())));
        }
    }
    let mut reader = BodyReader::new(head.framing, BodyLimits::default())
        .map_err(|fault| format!("{fault:?}"))?;
    let (mut at, mut body) = (end, Vec::new());
    while !reader.is_done() {
        match reader
            .read(&input[at..])
            .map_err(|f| format!("{f:?}: {}", text(input)))?
        {
            Step::Need => {
                at = input.len();
                match stream.recv(Mono::FAR).await {
                    Ok(buf) => input.extend_from_slice(&buf),
                    Err(_) => break, // cut: the client's mistake or its leaving
                }
            }
            Step::Data { skip, len } => {
                body.extend_from_slice(&input[at + skip..at + skip + len]);
                at += skip + len;
            }
            Step::End { consumed } => {
                at += consumed;
                break;
            }
        }
    }
    let rest = input.split_off(at);
    let raw = std::mem::replace(input, rest);
    Ok(Some(seen_of(raw, end, body)))
}

fn seen_of(raw: Vec<u8>, head_bytes: usize, body: Vec<u8>) -> Seen {
    Seen {
        raw,
        head_bytes,
        body,
        connection: 0,
    }
}

/// A final answer at the front of `bytes`, if it is whole: status, body, length.
pub(crate) fn first_answer(bytes: &[u8], to_head: bool) -> Option<(u16, Vec<u8>, usize)> {
    let limits = HeadLimits {
        head_bytes_max: 32 * 1024,
        fields_max: 200,
        ..HeadLimits::default()
    };
    let to = ResponseTo {
        head: to_head,
        upgrade: false,
    };
    let mut from = 0;
    loop {
        let end = HeadFinder::response()
            .find(&bytes[from..], &limits)
            .expect("our own head")?;
        let mut head = ResponseHead::new();
        parse_response(&bytes[from..from + end], &limits, to, &mut head).expect("our own head");
        from += end;
        if head.is_interim() {
            continue;
        }
        let mut reader = BodyReader::new(head.framing, BodyLimits::default()).expect("a framing");
        let mut body = Vec::new();
        while !reader.is_done() {
            match reader.read(&bytes[from..]).expect("our own body") {
                Step::Need => return None,
                Step::Data { skip, len } => {
                    body.extend_from_slice(&bytes[from + skip..from + skip + len]);
                    from += skip + len;
                }
                Step::End { consumed } => {
                    from += consumed;
                    break;
                }
            }
        }
        return Some((head.status, body, from));
    }
}

/// Bytes with what differs from run to run replaced: `{id}`, `{trace}`, `{date}`, `{age}`,
/// `{port}`.
pub(crate) fn normal(bytes: &[u8], gateway: SocketAddr) -> String {
    let port = gateway.port().to_string();
    let mut out = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line: String = line.iter().map(|byte| char::from(*byte)).collect();
        let lower = line.to_ascii_lowercase();
        let replace = |name: &str, word: &str| {
            lower
                .starts_with(name)
                .then(|| format!("{}{word}\r\n", &line[..name.len()]))
        };
        let replaced = replace("x-request-id: ", "{id}")
            .or_else(|| replace("x-amzn-requestid: ", "{id}"))
            .or_else(|| replace("x-amz-apigw-id: ", "{id}"))
            .or_else(|| replace("apigw-requestid: ", "{id}"))
            .or_else(|| replace("x-amzn-trace-id: ", "{trace}"))
            .or_else(|| replace("date: ", "{date}"))
            .or_else(|| replace("age: ", "{age}"))
            .or_else(|| replace("x-forwarded-port: ", "{port}").filter(|_| line.contains(&port)));
        out.push_str(&replaced.unwrap_or(line));
    }
    out
}
