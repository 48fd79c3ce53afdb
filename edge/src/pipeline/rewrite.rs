//! Heads on their way through: rebuilt from validated fields, in both directions.
//!
//! What it is: which fields pass, which are replaced, which are added, by the rules of API Gateway
//! or by those of a proxy. Hop-by-hop fields never pass; framing is written by our code alone,
//! behind them. Shape: one buffer per head. Units:
//! bytes. Errors: a head that does not fit its buffer.
//! Source: RFC 9110 section 7.6; RELIABILITY section 1, last paragraph.

use std::{net::IpAddr, rc::Rc};

use super::{
    cache::{give, keep, key::forwarded_query},
    exchange::{Exchange, Peer},
    fault::Fault,
    forward::Call,
    hops::Told,
    local::Serving,
    passage::Shown,
    respond::{Common, write_ids},
    trace::write_trace,
};
use crate::{
    integrate::{
        HttpProxyPlan, RequestParts, TargetFault,
        content::MEDIA_TYPE_DEFAULT,
        encode::Cursor,
        headers::{streams_to_backend, streams_to_client},
    },
    model::settings::HeaderRules,
    ring::{Buf, BufMut, Pool},
    wire::{
        fault::{HeadFault, WriteFault},
        fields::Field,
        forwarded::Scheme,
        framing::Framing,
        known::Known,
        method::Method,
        write::HeadWriter,
    },
};

/// The request's head for the origin.
pub(super) fn request(
    call: &Call<'_>,
    proxy: &HttpProxyPlan,
    x: &mut Exchange,
    pool: &Rc<Pool>,
) -> Result<Buf, Fault> {
    if proxy.rules == HeaderRules::ApiGateway {
        write_trace(x, || call.local.core.random());
    }
    let mut scratch = std::mem::take(&mut x.scratch);
    let mut room = std::mem::take(&mut x.cache.query);
    let query = forwarded_query(x, call.cache.map(|cache| cache.plan), &mut room);
    let written = write_request((call, proxy), x, query, pool, &mut scratch);
    x.scratch = scratch;
    x.cache.query = room;
    written
}

fn write_request(
    (call, proxy): (&Call<'_>, &HttpProxyPlan),
    x: &Exchange,
    query: &[u8],
    pool: &Rc<Pool>,
    scratch: &mut [u8],
) -> Result<Buf, Fault> {
    let bytes = x.head_bytes.bytes();
    let last_field = |name: &str| {
        x.head
            .fields
            .named(bytes, name.as_bytes())
            .last()
            .map(|field| field.value.of(bytes))
    };
    let parts = RequestParts {
        path: x.head.path(bytes),
        query,
        params: &x.params,
        header: &last_field,
    };
    let target_bytes = proxy.write_target(&parts, scratch).map_err(target_fault)?;
    let (target, room) = scratch.split_at_mut(target_bytes);
    let mut out = pool.take().ok_or(Fault::Overload)?;
    let mut head = HeadWriter::new(out.spare());
    let method = match proxy.method {
        Some(verb) => verb.as_str().unwrap_or("GET").as_bytes(),
        None => x.head.method_name.of(bytes),
    };
    head.request_line(method, &[target]);
    let host_bytes = proxy
        .host
        .write_field_value(&parts, room)
        .map_err(target_fault)?;
    head.field_verified(b"Host", room.get(..host_bytes.unwrap_or(0)).unwrap_or(b""));
    for field in x.head.fields.iter() {
        if keep::replaces_condition(x, field.known) {
            continue;
        }
        let passes = match proxy.rules {
            HeaderRules::ApiGateway => is_of_client(field) && streams_to_backend(field),
            HeaderRules::Proxy => passes_to_origin(field, call),
        };
        if passes && !is_mapped(proxy, field.name.of(bytes)) {
            head.field_verified(field.name.of(bytes), field.value.of(bytes));
        }
    }
    for mapped in &proxy.headers {
        if let Some(len) = mapped
            .source
            .write_field_value(&parts, room)
            .map_err(target_fault)?
        {
            head.field(mapped.name.as_bytes(), room.get(..len).unwrap_or(b""));
        }
    }
    write_forwarding(&mut head, call, x, bytes);
    if proxy.rules == HeaderRules::ApiGateway {
        write_gateway(&mut head, call, x);
    } else if let Some(name) = &call.serving.plan.forwarding.request_id_header {
        head.field_verified(name.as_bytes(), &x.request_id);
    }
    let (etag, last_modified) = keep::validators(x);
    if !etag.is_empty() {
        head.field(b"If-None-Match", etag);
    }
    if !last_modified.is_empty() {
        head.field(b"If-Modified-Since", last_modified);
    }
    match x.head.framing {
        Framing::Length(length) => {
            head.field_decimal(b"Content-Length", length);
        }
        Framing::Chunked => {
            head.lines(b"Transfer-Encoding: chunked\r\n");
        }
        Framing::None | Framing::UntilClose => {
            if matches!(x.head.method, Method::Post | Method::Put | Method::Patch) {
                head.lines(b"Content-Length: 0\r\n");
            }
        }
    }
    let head_bytes = head
        .end()
        .map_err(|_| Fault::Head(HeadFault::HeadTooLarge))?;
    out.commit(head_bytes);
    Ok(out.freeze())
}

pub(super) fn target_fault(fault: TargetFault) -> Fault {
    match fault {
        TargetFault::TooLong => Fault::Head(HeadFault::TargetTooLong),
        TargetFault::ForbiddenPath | TargetFault::BadFieldValue => Fault::Target,
    }
}

/// Fields that our own code writes, or that end here.
fn passes_to_origin(field: &Field, call: &Call<'_>) -> bool {
    if field.hop_by_hop {
        return false;
    }
    match field.known {
        Known::Host | Known::ContentLength | Known::TransferEncoding | Known::Expect => false,
        known if tells_the_way(known) => false,
        Known::Via => call.serving.plan.forwarding.via.is_none(),
        Known::XRequestId => call.serving.plan.forwarding.request_id_header.is_none(),
        _ => true,
    }
}

/// Fields that say how a request came. Ours are written by [`write_forwarding`]; a client's own
/// word never passes unless its proxy is trusted.
pub(super) fn tells_the_way(known: Known) -> bool {
    matches!(
        known,
        Known::Forwarded
            | Known::XForwardedFor
            | Known::XForwardedProto
            | Known::XForwardedHost
            | Known::XForwardedPort
            | Known::XForwardedPrefix
            | Known::XForwardedServer
            | Known::XRealIp
            | Known::XAmznRequestId
            | Known::XAmznApigatewayApiId
    )
}

/// Whether a field is the client's own word: neither does it tell the way, nor is it the trace, of
/// which the gateway sends its own.
pub(super) fn is_of_client(field: &Field) -> bool {
    !tells_the_way(field.known) && field.known != Known::XAmznTraceId
}

fn is_mapped(proxy: &HttpProxyPlan, name: &[u8]) -> bool {
    proxy
        .headers
        .iter()
        .any(|mapped| mapped.name.as_bytes().eq_ignore_ascii_case(name))
}

/// What the request says about its way. Our own word names the peer, as RFC 7239 section 5.2 has
/// it, behind what a listed proxy said. Where the proxy keeps only one of the two lists, what it
/// told of the client begins the other, so that an origin may read either (section 7.4).
pub(super) fn write_forwarding(
    head: &mut HeadWriter<'_>,
    call: &Call<'_>,
    x: &Exchange,
    bytes: &[u8],
) {
    let forwarding = &call.serving.plan.forwarding;
    let trusted = x.told.is_some();
    let value_of = |known| {
        x.head
            .fields
            .all(known)
            .last()
            .map(|field| field.value.of(bytes))
    };
    // Every line of a list counts: what earlier hops said stays in front of our own word.
    let list_of = |known, wanted: bool| {
        let fields = x.head.fields.all(known).filter(move |_| wanted);
        fields.map(|field| field.value.of(bytes))
    };
    if let Some(via) = &forwarding.via {
        let version: &[u8] = if x.head.minor == 0 { b"1.0 " } else { b"1.1 " };
        let own = [version, via.as_bytes()];
        head.field_list(b"Via", list_of(Known::Via, true), &own);
    }
    let host = value_of(Known::Host).unwrap_or(b"");
    if forwarding.x_forwarded {
        let before = list_of(Known::XForwardedFor, trusted);
        let told = x.told.as_ref();
        let told = told.filter(|_| !x.head.fields.has(Known::XForwardedFor));
        let client = told.filter(|told| told.ip != call.peer.ip);
        let client = client.map(|told| told.ip_text.as_bytes());
        let own = [call.peer.ip_text.as_bytes()];
        head.field_list(b"X-Forwarded-For", before.chain(client), &own);
        let told = x.told.and_then(|told| told.scheme);
        let scheme = told.unwrap_or(scheme_of(call.peer));
        head.field_verified(b"X-Forwarded-Proto", scheme.as_bytes());
        match value_of(Known::XForwardedPort).filter(|_| trusted) {
            Some(port) => head.field_verified(b"X-Forwarded-Port", port),
            None => head.field_decimal(b"X-Forwarded-Port", u64::from(call.peer.local_port)),
        };
        let told = value_of(Known::XForwardedHost).filter(|_| trusted);
        head.field_verified(b"X-Forwarded-Host", told.unwrap_or(host));
    }
    if forwarding.forwarded {
        write_forwarded(head, call.peer, x, bytes);
    }
}

/// What an API Gateway says of itself: the trace in `x`, and whose request it is.
pub(super) fn write_gateway(head: &mut HeadWriter<'_>, call: &Call<'_>, x: &Exchange) {
    head.field_verified(b"X-Amzn-Trace-Id", x.trace.as_bytes());
    let stage = x.stage.and_then(|stage| call.serving.plan.stage(stage));
    if let Some(stage) = stage {
        head.field(b"X-Amzn-Apigateway-Api-Id", stage.api_id.as_bytes());
    }
}

fn write_forwarded(head: &mut HeadWriter<'_>, peer: Peer, x: &Exchange, bytes: &[u8]) {
    let fields = &x.head.fields;
    let lines = fields.all(Known::Forwarded).filter(|_| x.told.is_some());
    let before = lines.map(|field| field.value.of(bytes));
    let host = fields.all(Known::Host).last();
    let host = host.map_or(&b""[..], |field| field.value.of(bytes));
    let told = x.told.filter(|_| !fields.has(Known::Forwarded));
    let told = told.filter(|told| told.ip != peer.ip || told.scheme.is_some());
    let mut room = [0; TOLD_BYTES_MAX];
    let client = told.map(|told| told_element(&told, peer.ip, &mut room));
    let (open, close) = quotes_of(peer.ip);
    let own = [
        b"for=",
        open,
        peer.ip_text.as_bytes(),
        close,
        b";proto=",
        scheme_of(peer).as_bytes(),
        b";host=\"",
        host,
        b"\"",
    ];
    head.field_list(b"Forwarded", before.chain(client), &own);
}

/// The client as an element of `Forwarded`: `unknown` when the peer told its scheme alone.
fn told_element<'r>(told: &Told, peer: IpAddr, room: &'r mut [u8; TOLD_BYTES_MAX]) -> &'r [u8] {
    let (open, close) = quotes_of(told.ip);
    let parts: [&[u8]; 3] = if told.ip == peer {
        [b"", b"unknown", b""]
    } else {
        [open, told.ip_text.as_bytes(), close]
    };
    let proto: [&[u8]; 2] = match told.scheme {
        Some(scheme) => [b";proto=", scheme.as_bytes()],
        None => [b"", b""],
    };
    let mut cursor = Cursor::new(room);
    let mut parts = [&b"for="[..]].into_iter().chain(parts).chain(proto);
    let put = parts.try_for_each(|part| cursor.put(part));
    debug_assert_eq!(put, Ok(()), "an element fits");
    let len = cursor.len();
    room.get(..len).unwrap_or(b"")
}

/// `for=`, an IPv6 address in brackets and quotes, `;proto=https`.
const TOLD_BYTES_MAX: usize = 72;

/// What stands around an address in `Forwarded`.
fn quotes_of(ip: IpAddr) -> (&'static [u8], &'static [u8]) {
    if ip.is_ipv6() {
        (b"\"[", b"]\"")
    } else {
        (b"", b"")
    }
}

/// How the peer speaks to us.
fn scheme_of(peer: Peer) -> Scheme {
    if peer.tls {
        Scheme::Https
    } else {
        Scheme::Http
    }
}

/// An interim answer's head for the client.
pub(super) fn interim(x: &Exchange, out: &mut BufMut) -> Result<(), WriteFault> {
    let mut head = HeadWriter::new(out.spare());
    head.status_line(x.answer.status);
    write_passing(x, &mut head);
    let head_bytes = head.end()?;
    out.commit(head_bytes);
    Ok(())
}

/// The fields of the origin's answer that pass to the client.
fn write_passing(x: &Exchange, head: &mut HeadWriter<'_>) {
    let bytes = x.answer_bytes.bytes();
    for field in x.answer.fields.iter().filter(|field| !field.hop_by_hop) {
        match field.known {
            Known::ContentLength | Known::TransferEncoding | Known::XAmznRequestId => {}
            _ => {
                head.field_onward(field, bytes);
            }
        }
    }
}

/// Marks what becomes of the fields of the answer in `x`. An answer without a type gets that of
/// all API Gateways.
pub(super) fn receive(rules: HeaderRules, x: &mut Exchange) {
    if rules == HeaderRules::Proxy {
        return;
    }
    x.answer.fields.mark_onward(streams_to_client);
    if x.answer.fields.has(Known::ContentType) {
        return;
    }
    let name = x.answer_bytes.append(b"Content-Type");
    let value = x.answer_bytes.append(MEDIA_TYPE_DEFAULT.as_bytes());
    if let (Some(name), Some(value)) = (name, value) {
        x.answer.fields.add(name, value, Known::ContentType);
    }
}

/// The answer's head for the client.
pub(super) fn answer(
    serving: &Serving,
    x: &Exchange,
    (rules, common): (HeaderRules, Common<'_>),
    shown: Shown,
    out: &mut BufMut,
) -> Result<(), WriteFault> {
    let mut head = HeadWriter::new(out.spare());
    head.status_line(x.answer.status);
    if rules == HeaderRules::ApiGateway {
        write_ids(x, common, &mut head);
    }
    write_passing(x, &mut head);
    if rules == HeaderRules::Proxy {
        let mut dates = x.answer.fields.all(Known::Date);
        if dates.any(|date| !date.hop_by_hop) {
            common.write_own(&mut head);
        } else {
            common.write(&mut head);
        }
    }
    give::write_report(serving, x.cache.outcome, x.answer.status, &mut head);
    shown.write(&mut head);
    let head_bytes = head.end()?;
    out.commit(head_bytes);
    Ok(())
}
