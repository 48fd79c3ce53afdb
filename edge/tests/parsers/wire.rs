//! Plays the wire examples through the parsers, whole and in pieces.
//!
//! Shape: `wire/requests/*.case` and `wire/responses/*.case`, each cut into pieces of several
//! sizes; what comes out must be what the file says, whatever the cut. Units: bytes.
//! Errors: all failing cases are listed at once. Source: the parsing and limits tables.

use crate::case::{self, Case};
use tidegate_edge::wire::{
    BodyFault, BodyLimits, BodyReader, Fields, Framing, HeadFault, HeadFinder, HeadLimits, Method,
    RequestHead, ResponseHead, ResponseTo, Step, parse_request, parse_response,
};

/// Sizes of the pieces in which each example arrives.
const PIECES: &[usize] = &[usize::MAX, 1, 2, 7, 64];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Head(HeadFault),
    Body(BodyFault),
}

impl From<HeadFault> for Fault {
    fn from(fault: HeadFault) -> Fault {
        Fault::Head(fault)
    }
}

impl From<BodyFault> for Fault {
    fn from(fault: BodyFault) -> Fault {
        Fault::Body(fault)
    }
}

impl Fault {
    fn status(self) -> u16 {
        match self {
            Fault::Head(fault) => fault.status(),
            Fault::Body(fault) => fault.status(),
        }
    }
}

/// What came of a message.
#[derive(PartialEq, Eq, Debug)]
struct Message {
    facts: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    rest: Vec<u8>,
}

/// A decoded body, and what follows it.
type BodyAndRest = (Vec<u8>, Vec<u8>);

/// A message, `None` for "not whole yet", or why it was refused.
type Outcome = Result<Option<Message>, Fault>;

/// The lengths up to which `total` bytes have arrived, piece by piece.
fn arrivals(total: usize, piece: usize) -> impl Iterator<Item = usize> {
    let mut have = 0usize;
    std::iter::from_fn(move || {
        if have >= total && have > 0 {
            return None;
        }
        let next = have.saturating_add(piece).min(total);
        let is_over = next == have;
        have = next;
        (!is_over).then_some(have)
    })
}

fn find(
    mut finder: HeadFinder,
    input: &[u8],
    piece: usize,
    limits: &HeadLimits,
) -> Result<Option<usize>, Fault> {
    for have in arrivals(input.len(), piece) {
        if let Some(end) = finder.find(&input[..have], limits)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// The body and what follows it; `None` when it is not whole and the connection stays.
fn read_body(
    mut reader: BodyReader,
    input: &[u8],
    piece: usize,
    closes: bool,
) -> Result<Option<BodyAndRest>, Fault> {
    let mut body = Vec::new();
    let mut at = 0;
    let ends: Vec<usize> = arrivals(input.len(), piece).collect();
    for have in ends.into_iter().chain([input.len()]) {
        loop {
            match reader.read(&input[at..have])? {
                Step::Need => {
                    at = have;
                    break;
                }
                Step::Data { skip, len } => {
                    body.extend_from_slice(&input[at + skip..at + skip + len]);
                    at += skip + len;
                }
                Step::End { consumed } => {
                    return Ok(Some((body, input[at + consumed..].to_vec())));
                }
            }
        }
    }
    if !closes {
        return Ok(None);
    }
    reader.close()?;
    Ok(Some((body, Vec::new())))
}

fn limits_of(case: &Case) -> (HeadLimits, BodyLimits) {
    let mut body = BodyLimits::default();
    if let Some(bytes) = case.limit("body_bytes_max") {
        body.body_bytes_max = bytes;
    }
    (HeadLimits::default(), body)
}

fn play_request(case: &Case, piece: usize) -> Outcome {
    let input = case.input();
    let (limits, body_limits) = limits_of(case);
    let Some(end) = find(HeadFinder::request(), &input, piece, &limits)? else {
        return Ok(None);
    };
    let bytes = &input[..end];
    let mut head = RequestHead::new();
    parse_request(bytes, &limits, &mut head)?;
    let body_limits = body_limits.after_head(&limits, head.fields.len(), head.head_bytes);
    let reader = BodyReader::new(head.framing, body_limits)?;
    let Some((body, rest)) = read_body(reader, &input[end..], piece, false)? else {
        return Ok(None);
    };
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let text = |bytes: &[u8]| bytes.to_vec();
    let method = match head.method {
        Method::Other => head.method_name.of(bytes),
        known => known.as_str().as_bytes(),
    };
    assert_eq!(method, head.method_name.of(bytes));
    let mut facts = vec![
        ("method".to_owned(), text(method)),
        ("path".to_owned(), text(head.path(bytes))),
        ("query".to_owned(), text(head.query(bytes))),
        ("host".to_owned(), text(head.host.name.of(bytes))),
        (
            "version".to_owned(),
            format!("1.{}", head.minor).into_bytes(),
        ),
        ("framing".to_owned(), framing_text(head.framing)),
        ("keep-alive".to_owned(), yes(head.keep_alive).into_bytes()),
        ("expect".to_owned(), yes(head.expect_continue).into_bytes()),
        ("upgrade".to_owned(), yes(head.upgrade).into_bytes()),
        (
            "websocket".to_owned(),
            yes(head.upgrade_websocket).into_bytes(),
        ),
    ];
    if let Some(port) = head.host.port {
        facts.push(("port".to_owned(), port.to_string().into_bytes()));
    }
    add_fields(&mut facts, &head.fields, bytes);
    Ok(Some(Message { facts, body, rest }))
}

fn play_response(case: &Case, piece: usize) -> Outcome {
    let input = case.input();
    let (limits, body_limits) = limits_of(case);
    let Some(end) = find(HeadFinder::response(), &input, piece, &limits)? else {
        return Err(BodyFault::Short.into());
    };
    let asked = case.arguments("to");
    let to = ResponseTo {
        head: asked.contains(&"head"),
        upgrade: asked.contains(&"upgrade"),
    };
    let bytes = &input[..end];
    let mut head = ResponseHead::new();
    parse_response(bytes, &limits, to, &mut head)?;
    let reader = BodyReader::new(head.framing, body_limits)?;
    let (body, rest) = read_body(reader, &input[end..], piece, true)?.expect("closed");
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let mut facts = vec![
        ("status".to_owned(), head.status.to_string().into_bytes()),
        ("framing".to_owned(), framing_text(head.framing)),
        ("keep-alive".to_owned(), yes(head.keep_alive).into_bytes()),
        ("interim".to_owned(), yes(head.is_interim()).into_bytes()),
        ("switches".to_owned(), yes(head.switches).into_bytes()),
    ];
    if let Some(length) = head.content_length {
        facts.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    add_fields(&mut facts, &head.fields, bytes);
    Ok(Some(Message { facts, body, rest }))
}

fn framing_text(framing: Framing) -> Vec<u8> {
    match framing {
        Framing::None => "none".to_owned(),
        Framing::Length(length) => format!("length {length}"),
        Framing::Chunked => "chunked".to_owned(),
        Framing::UntilClose => "until-close".to_owned(),
    }
    .into_bytes()
}

fn add_fields(facts: &mut Vec<(String, Vec<u8>)>, fields: &Fields, bytes: &[u8]) {
    let hop: Vec<&[u8]> = fields
        .iter()
        .filter(|f| f.hop_by_hop)
        .map(|f| f.name.of(bytes))
        .collect();
    facts.push(("hop".to_owned(), hop.join(&b',')));
    for field in fields {
        let line = [field.name.of(bytes), field.value.of(bytes)].join(&b' ');
        facts.push(("field".to_owned(), line));
    }
}

/// What is wrong with `outcome`, if anything.
fn complaint(case: &Case, outcome: &Outcome, refusal: impl Fn(Fault) -> u16) -> Option<String> {
    let message = match (outcome, case.status()) {
        (Err(fault), Some(status)) if refusal(*fault) == status => return None,
        (Ok(None), None) if case.has("wait") => return None,
        (Ok(Some(message)), None) if case.has("head") => message,
        _ => return Some(format!("{outcome:?}")),
    };
    for (key, value) in case.facts("head") {
        let expected = case.unescape(value);
        let matches = |fact: &&(String, Vec<u8>)| fact.0 == key && fact.1 == expected;
        let holds = match key {
            "absent" => !message
                .facts
                .iter()
                .any(|f| f.0 == "field" && f.1.starts_with(&expected)),
            _ => message.facts.iter().any(|fact| matches(&fact)),
        };
        if !holds {
            return Some(format!("{key} {value}: {:?}", message.facts));
        }
    }
    for (section, found) in [("body", &message.body), ("rest", &message.rest)] {
        if case
            .bytes(section)
            .is_some_and(|expected| expected != *found)
        {
            return Some(format!("{section}: {:?}", String::from_utf8_lossy(found)));
        }
    }
    None
}

fn play(
    folder: &str,
    cases_min: usize,
    run: fn(&Case, usize) -> Outcome,
    refusal: fn(Fault) -> u16,
) {
    let cases = case::load(folder);
    assert!(
        cases.len() >= cases_min,
        "only {} cases in {folder}",
        cases.len()
    );
    let mut complaints = Vec::new();
    for case in &cases {
        let whole = run(case, usize::MAX);
        for &piece in PIECES {
            let outcome = run(case, piece);
            if let Some(complaint) = complaint(case, &outcome, refusal) {
                complaints.push(format!("{} in pieces of {piece}: {complaint}", case.name));
                break;
            }
            // A stream without its head's end may be refused sooner in pieces, never differently.
            if outcome != whole {
                complaints.push(format!(
                    "{}: {whole:?} whole, {outcome:?} by {piece}",
                    case.name
                ));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn requests_parse_as_their_files_say() {
    play("wire/requests", 250, play_request, Fault::status);
}

#[test]
fn responses_parse_as_their_files_say() {
    play("wire/responses", 50, play_response, |_| 502);
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let text = "# planted\n== in\nGET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\n== ";
    for (planted, is_wrong) in [
        ("status 400 close\n", true),
        ("wait\n", true),
        ("head\npath /x\n", true),
        ("head\npath /\n== rest\nG\n", true),
        ("head\npath /\nabsent Host\n", true),
        ("head\npath /\nhost a\n== body\n", false),
    ] {
        let case = case::parse("planted".to_owned(), &format!("{text}{planted}"));
        let outcome = play_request(&case, 1);
        assert_eq!(
            complaint(&case, &outcome, Fault::status).is_some(),
            is_wrong,
            "{planted}"
        );
    }
}
