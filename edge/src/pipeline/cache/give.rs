//! An answer from the store.
//!
//! What it is: the stored head, the fields of the moment, and the body as far as it fits beside
//! them; what is left of a large body is sent as the client takes it. Shape: [`Given`]. Units:
//! bytes. Errors: `None` when no buffer was free, after which the connection can only be closed.
//! Source: RFC 9111 section 4; RFC 9110 sections 13.2, 14; RFC 9211.

use std::task::Poll;

use super::{
    super::{
        exchange::Exchange,
        local::{Local, Serving},
        respond::Common,
    },
    CACHE_NAME, CacheOutcome,
};
use crate::{
    cache::{
        Hit,
        collapse::{Follower, Read},
        http::{
            condition,
            facts::Request,
            record::{Record, Stored},
            report::{CACHE_STATUS_BYTES_MAX, CacheStatus, Outcome, XCache},
        },
    },
    net::{
        conn::Conn,
        pump::{PumpEnd, Room},
    },
    wire::write::HeadWriter,
};

/// What is left of a body.
pub(in super::super) struct Rest {
    source: Source,
    at: usize,
    left: usize,
}

/// Where a body is read from.
pub(super) enum Source {
    /// The store.
    Stored(Hit),
    /// Another's fetch, maybe still under way.
    Fetched(Follower),
}

impl Source {
    /// Copies from byte `at` on.
    fn read(&self, at: usize, into: &mut [u8]) -> Read {
        match self {
            Source::Stored(hit) => match hit.copy_body(at, into) {
                0 if !into.is_empty() => Read::Cut,
                count => Read::Some(count),
            },
            Source::Fetched(follower) => follower.read(at, into),
        }
    }
}

/// How a stored answer went out.
pub(in super::super) enum Given {
    /// All of it is queued.
    Whole,
    /// Its body goes on; boxed, since large bodies are rare and every request has room for this.
    Begun(Box<Rest>),
}

/// Queues the head of `stored` and as much of its body as fits beside it.
pub(super) fn give(
    local: &Local,
    serving: &Serving,
    conn: &mut Conn,
    x: &mut Exchange,
    source: Source,
    (stored, age_s): (&Stored<'_>, Option<u64>),
    keep_alive: bool,
) -> Option<Given> {
    let request = Request::new(&x.head, x.head_bytes.bytes(), super::look_up::CALLER);
    let answer = condition::answer(&request, stored);
    let (at, left) = answer.body(&request, stored);
    let mut out = local.core.pool().take()?;
    let mut dates = local.dates.borrow_mut();
    let common = Common {
        date: dates.at(local.core.wall()),
        request_id: &x.request_id,
        limits: &x.limits.lines,
        keep_alive,
    };
    let mut head = HeadWriter::new(out.spare());
    answer.write_head(stored, age_s, &mut head);
    write_report(serving, x.cache.outcome, answer.status(stored), &mut head);
    if x.warns {
        head.lines(IGNORED);
    }
    common.write_own(&mut head);
    let head_bytes = head.end().ok()?;
    out.commit(head_bytes);
    x.status = answer.status(stored);
    x.response_bytes = left;
    let (at, left) = (usize::try_from(at).ok()?, usize::try_from(left).ok()?);
    let first = out.spare().len().min(left);
    let copied = match source.read(at, out.spare().get_mut(..first)?) {
        Read::Some(count) => count,
        Read::Later | Read::End | Read::Cut => 0,
    };
    out.commit(copied);
    conn.send(out.freeze());
    if copied == left {
        return Some(Given::Whole);
    }
    Some(Given::Begun(Box::new(Rest {
        source,
        at: at + copied,
        left: left - copied,
    })))
}

/// Queues what `x` holds.
pub(in super::super) fn held(
    local: &Local,
    serving: &Serving,
    conn: &mut Conn,
    x: &mut Exchange,
    (hit, age_s): (Hit, Option<u64>),
    keep_alive: bool,
) -> Option<Given> {
    let meta = std::mem::take(&mut x.cache.meta);
    let given = match Record::decode(&meta, hit.body_bytes() as u64) {
        Some(Record::Response(stored)) => {
            let source = Source::Stored(hit);
            give(
                local,
                serving,
                conn,
                x,
                source,
                (&stored, age_s),
                keep_alive,
            )
        }
        _ => None, // it was one a moment ago
    };
    x.cache.meta = meta;
    given
}

impl Rest {
    /// Sends what is left, no faster than the client takes it.
    pub(in super::super) async fn send(
        mut self: Box<Self>,
        local: &Local,
        serving: &Serving,
        conn: &mut Conn,
    ) -> Result<(), PumpEnd> {
        let mut room = Room::with_pace(serving.pace);
        room.note(conn);
        while self.left > 0 {
            std::future::poll_fn(|_| room.poll(conn)).await?;
            let mut out = local.core.pool().take().ok_or(PumpEnd::Buffers)?;
            let most = out.spare().len().min(self.left);
            let copied = std::future::poll_fn(|_| {
                let into = out.spare().get_mut(..most).unwrap_or(&mut []);
                match self.source.read(self.at, into) {
                    Read::Some(count) => Poll::Ready(Ok(count)),
                    Read::End | Read::Cut => Poll::Ready(Err(PumpEnd::Buffers)),
                    // Its leader has deadlines of its own, and ends in any case.
                    Read::Later => Poll::Pending,
                }
            })
            .await?;
            out.commit(copied);
            self.at += copied;
            self.left -= copied;
            conn.send(out.freeze());
            room.note(conn);
        }
        Ok(())
    }
}

/// Writes what the cache says of itself, if it is asked to.
pub(in super::super) fn write_report(
    serving: &Serving,
    outcome: CacheOutcome,
    status: u16,
    head: &mut HeadWriter<'_>,
) {
    if !serving
        .plan
        .cache
        .as_ref()
        .is_some_and(|cache| cache.headers)
    {
        return;
    }
    let (word, member) = match outcome {
        CacheOutcome::Off => return,
        CacheOutcome::Hit { ttl_s } => (XCache::Hit, hit(Some(ttl_s), None)),
        CacheOutcome::Collapsed => (
            XCache::Miss,
            CacheStatus {
                outcome: Outcome::Forwarded {
                    reason: "uri-miss",
                    status: Some(status),
                },
                collapsed: true,
                ..hit(None, None)
            },
        ),
        CacheOutcome::StaleIfError { ttl_s } => {
            (XCache::Hit, hit(Some(ttl_s), Some("stale-if-error")))
        }
        CacheOutcome::RefreshHit => (
            XCache::RefreshHit,
            CacheStatus {
                outcome: Outcome::Forwarded {
                    reason: "stale",
                    status: Some(304),
                },
                stored: true,
                ..hit(None, None)
            },
        ),
        CacheOutcome::Miss {
            reason,
            stored,
            detail,
        } => (
            if status >= 400 {
                XCache::Error
            } else {
                XCache::Miss
            },
            CacheStatus {
                outcome: Outcome::Forwarded {
                    reason,
                    status: Some(status),
                },
                stored,
                ..hit(None, detail)
            },
        ),
    };
    head.field_parts(
        b"X-Cache",
        &[word.as_str().as_bytes(), b" from ", CACHE_NAME.as_bytes()],
    );
    let mut text = [0; CACHE_STATUS_BYTES_MAX];
    head.field_verified(b"Cache-Status", member.write(&mut text));
}

/// What a client reads whose wish for a fresh answer was ignored.
const IGNORED: &[u8] = b"Warning: 199 Cache-control headers were ignored because the caller was \
unauthorized.\r\n";

fn hit(ttl_s: Option<i64>, detail: Option<&'static str>) -> CacheStatus<'static> {
    CacheStatus {
        name: CACHE_NAME,
        outcome: Outcome::Hit,
        ttl_s,
        stored: false,
        collapsed: false,
        detail,
    }
}
