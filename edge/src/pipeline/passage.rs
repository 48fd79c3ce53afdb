//! Whose heads an exchange sends whose payloads pass while they come.
//!
//! What it is: the two ways in which heads are made, behind one face, so that there is one exchange
//! for both: as they pass, by the rules of API Gateway or of a proxy, or as a mapping makes them.
//! Shape: a [`Passage`] writes the request's head and gives an [`AnswerHead`]; [`Shown`] is how the
//! client sees where its payload ends. Units: bytes, milliseconds. Ranges: a mapped answer is as
//! long as one that is read whole. Errors: [`Fault`]. Source: Amazon API Gateway developer guide,
//! "HTTP proxy integrations", "quotas" (10 MB); RFC 9112 section 6.3.

use super::{
    ask::ANSWER_BYTES_MAX,
    exchange::Exchange,
    fault::Fault,
    forward::Call,
    journal,
    local::Serving,
    mapped::{self, Road},
    relay::Patience,
    respond::{self, Common},
    rewrite,
    room::Room,
};
use crate::{
    base::time::Mono,
    integrate::HttpProxyPlan,
    model::settings::HeaderRules,
    net::pump::OutFraming,
    origin::{Face, OriginIndex},
    plan::{HttpPlan, IntegrationPlan},
    ring::{Buf, BufMut},
    wire::{
        fault::HeadFault, framing::Framing, limits::BodyLimits, method::Method, write::HeadWriter,
    },
};

/// How heads are made.
#[derive(Clone, Copy)]
pub(super) enum Passage<'a> {
    /// They pass.
    Proxy(&'a HttpProxyPlan),
    /// A mapping makes them.
    Mapped(Road<'a>, &'a HttpPlan),
}

impl<'a> Passage<'a> {
    /// That of the request's route, if payloads pass on it.
    pub(super) fn of(serving: &'a Serving, x: &Exchange) -> Option<Passage<'a>> {
        let route = serving.plan.route(x.route?)?;
        match &route.integration {
            IntegrationPlan::HttpProxy(proxy) => Some(Passage::Proxy(proxy)),
            IntegrationPlan::Mapped(plan) => {
                let stage = serving.plan.stage(x.stage?)?;
                let api = &stage.api;
                let http = plan.streamed()?;
                Some(Passage::Mapped(Road { api, plan, route }, http))
            }
            IntegrationPlan::Mock(_) => None,
        }
    }

    /// Who is asked.
    pub(super) fn origin(&self) -> OriginIndex {
        match self {
            Passage::Proxy(proxy) => proxy.origin,
            Passage::Mapped(_, http) => http.origin,
        }
    }

    /// What the gateway shows of itself to that origin.
    pub(super) fn face(&self) -> Face {
        match self {
            Passage::Proxy(proxy) => proxy.face,
            Passage::Mapped(_, http) => http.face,
        }
    }

    /// How long an answer may take that was asked for at `started`.
    pub(super) fn patience(&self, call: &Call<'_>, started: Mono) -> Patience {
        let timeout_ms = match self {
            Passage::Proxy(proxy) => proxy.timeout_ms,
            Passage::Mapped(_, http) => http.timeout_ms,
        };
        Patience::new(call, timeout_ms, self.idle_ms(), started)
    }

    /// Longest silence where the document says that answers stream.
    fn idle_ms(&self) -> Option<u32> {
        match self {
            Passage::Proxy(proxy) => proxy.idle_ms,
            Passage::Mapped(_, http) => http.idle_ms,
        }
    }

    /// What the endpoint is asked with.
    pub(super) fn method(&self, x: &Exchange) -> Method {
        let own = match self {
            Passage::Proxy(proxy) => proxy.method.and_then(|verb| verb.as_str()),
            Passage::Mapped(_, http) => http.method.as_deref(),
        };
        own.map_or(x.head.method, |method| Method::of(method.as_bytes()))
    }

    /// Bounds of the answer's payload. What only passes needs constant memory and has none.
    pub(super) fn answer_limits(&self) -> BodyLimits {
        let body_bytes_max = match self {
            Passage::Mapped(..) if self.idle_ms().is_none() => ANSWER_BYTES_MAX,
            Passage::Proxy(_) | Passage::Mapped(..) => u64::MAX,
        };
        BodyLimits {
            body_bytes_max,
            ..UNLIMITED
        }
    }

    /// Interim answers go on to the client: an API Gateway has none, and those of a mapped road
    /// would not be mapped.
    pub(super) fn passes_interim(&self) -> bool {
        matches!(self, Passage::Proxy(proxy) if proxy.rules == HeaderRules::Proxy)
    }

    /// Marks what becomes of the fields of the answer in `x`, before anybody keeps or sends them.
    pub(super) fn receive(&self, x: &mut Exchange) {
        match self {
            Passage::Proxy(proxy) => rewrite::receive(proxy.rules, x),
            Passage::Mapped(..) => {} // they are made when they are sent
        }
    }

    /// The request's head for the endpoint.
    pub(super) fn request(&self, call: &Call<'_>, x: &mut Exchange) -> Result<Buf, Fault> {
        match *self {
            Passage::Proxy(proxy) => rewrite::request(call, proxy, x, call.local.core.pool()),
            Passage::Mapped(road, http) => mapped::request_head(call, x, (road, http)),
        }
    }

    /// The head of the answer in `x` for the client, to be written once its payload's end is
    /// known.
    pub(super) fn answer(&self, call: &Call<'_>, x: &Exchange) -> Result<AnswerHead, Fault> {
        match *self {
            Passage::Proxy(proxy) => Ok(AnswerHead::Passes(proxy.rules)),
            Passage::Mapped(road, _) => {
                let mut room = call.local.take_room();
                match mapped::answer_head(call, x, road, &mut room) {
                    Ok(status) => Ok(AnswerHead::Made(status, room)),
                    Err(fault) => {
                        call.local.keep_room(room);
                        Err(fault)
                    }
                }
            }
        }
    }
}

/// Bounds for payloads that pass in constant memory.
pub(super) const UNLIMITED: BodyLimits = BodyLimits {
    body_bytes_max: u64::MAX,
    extension_bytes_max: 4_096,
    trailer_bytes_max: 10_240,
    trailers_max: 100,
};

/// An answer's head on its way to the client.
pub(super) enum AnswerHead {
    /// The endpoint's, by these rules.
    Passes(HeaderRules),
    /// Its status; its fields are in the room.
    Made(u16, Box<Room>),
}

impl AnswerHead {
    /// The client's status.
    pub(super) fn status(&self, x: &Exchange) -> u16 {
        match self {
            AnswerHead::Passes(_) => x.answer.status,
            AnswerHead::Made(status, _) => *status,
        }
    }

    /// Writes it to `out`.
    pub(super) fn write(
        self,
        call: &Call<'_>,
        x: &Exchange,
        (shown, keep_alive): (Shown, bool),
        out: &mut BufMut,
    ) -> Result<(), Fault> {
        match self {
            AnswerHead::Passes(rules) => {
                let mut dates = call.local.dates.borrow_mut();
                let common = Common {
                    date: dates.at(call.local.core.wall()),
                    request_id: &x.request_id,
                    limits: &x.limits.lines,
                    keep_alive,
                };
                rewrite::answer(call.serving, x, (rules, common), shown, out)
                    .map_err(|_| Fault::OriginAnswer(HeadFault::HeadTooLarge))?;
                journal::relays(x);
                Ok(())
            }
            AnswerHead::Made(status, room) => {
                let fields = &room.fields;
                let ends = |head: &mut HeadWriter<'_>| shown.write(head);
                let made = (status, fields, keep_alive);
                let written = respond::made_head(call.local, x, made, ends, out);
                call.local.keep_room(room);
                written
            }
        }
    }
}

/// How the client sees where its payload ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    /// There is none; this is how long it would be, if anybody knows.
    None(Option<u64>),
    /// So many bytes behind the head.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

impl Shown {
    /// The end of the payload of the answer in `x`, whose client gets `status`.
    pub(super) fn of(x: &Exchange, status: u16) -> Shown {
        let to_head = x.head.method == Method::Head;
        let has_none = to_head || matches!(status, 204 | 304);
        match x.answer.framing {
            // HEAD and 304 say how long the payload would be.
            Framing::None if has_none => Shown::None(x.answer.content_length),
            Framing::None => Shown::Length(0),
            _ if has_none => Shown::None(None),
            Framing::Length(length) => Shown::Length(length),
            // A client of HTTP/1.0 cannot read chunks: its answer ends with the connection.
            Framing::Chunked | Framing::UntilClose if x.head.minor == 0 => Shown::Close,
            Framing::Chunked | Framing::UntilClose => Shown::Chunked,
        }
    }

    /// The end of a payload whose length nobody knows.
    pub(super) fn of_stream(x: &Exchange, status: u16) -> Shown {
        match x.head.method {
            Method::Head => Shown::None(None),
            _ if matches!(status, 204 | 304) => Shown::None(None),
            _ if x.head.minor == 0 => Shown::Close,
            _ => Shown::Chunked,
        }
    }

    /// How the payload is framed for that.
    pub(super) fn framing(self, x: &Exchange) -> OutFraming {
        match self {
            Shown::None(_) if x.answer.framing != Framing::None => OutFraming::Nowhere,
            Shown::None(_) | Shown::Length(_) | Shown::Close => OutFraming::Raw,
            Shown::Chunked => OutFraming::Chunked,
        }
    }

    /// Writes the field that tells.
    pub(super) fn write(self, head: &mut HeadWriter<'_>) {
        match self {
            Shown::None(None) | Shown::Close => {}
            Shown::None(Some(length)) | Shown::Length(length) => {
                head.field_decimal(b"Content-Length", length);
            }
            Shown::Chunked => {
                head.lines(b"Transfer-Encoding: chunked\r\n");
            }
        }
    }
}
