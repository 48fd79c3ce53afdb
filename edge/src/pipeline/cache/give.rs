//! An answer from the store.
//!
//! What it is: the stored head, the fields of the moment, and the body: a short one beside them, a
//! long one from the store itself as the client takes it. Shape: [`Given`]. Units: bytes. Errors:
//! `None` when no buffer was free, after which the connection can only be closed. Source: RFC 9111
//! section 4; RFC 9110 sections 13.2, 14; RFC 9211.

use std::{rc::Rc, task::Poll};

use super::{
    super::{
        exchange::Exchange,
        local::{Local, Serving},
        respond::write_own,
        trace::extended_id,
    },
    CACHE_NAME, CacheOutcome,
};
use crate::{
    cache::{
        Hit,
        collapse::{Follower, Read},
        http::{
            condition::{self, Answer},
            facts::Request,
            record::{Record, Stored},
            report::{CACHE_STATUS_BYTES_MAX, CacheStatus, Outcome, XCache},
        },
    },
    net::{
        conn::Conn,
        pump::{PumpEnd, Room},
    },
    plan::RoutePlan,
    ring::{BufMut, Lender, Piece},
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
    /// The store: copied from.
    Stored(Hit),
    /// The store: sent from where it lies. Sends that are under way hold the hit as well, so that
    /// it is pinned until the kernel has finished with it.
    Lent(Rc<Hit>),
    /// Another's fetch, maybe still under way.
    Fetched(Follower),
    /// What was made for this answer alone.
    Made(Vec<u8>),
}

impl Source {
    /// From now on the body is sent from where it lies, if it is in the store.
    fn lent(self) -> Source {
        match self {
            Source::Stored(hit) => Source::Lent(Rc::new(hit)),
            source => source,
        }
    }

    /// Copies from byte `at` on.
    fn read(&self, at: usize, into: &mut [u8]) -> Read {
        let copied = |hit: &Hit, into: &mut [u8]| match hit.copy_body(at, into) {
            0 if !into.is_empty() => Read::Cut,
            count => Read::Some(count),
        };
        match self {
            Source::Stored(hit) => copied(hit, into),
            Source::Lent(hit) => copied(hit, into),
            Source::Fetched(follower) => follower.read(at, into),
            Source::Made(body) => match body.get(at..) {
                None | Some([]) => Read::End,
                Some(rest) => {
                    let count = rest.len().min(into.len());
                    if let (Some(into), Some(rest)) = (into.get_mut(..count), rest.get(..count)) {
                        into.copy_from_slice(rest);
                    }
                    Read::Some(count)
                }
            },
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
    let mut head = HeadWriter::new(out.spare());
    answer.write_head(stored, age_s, &mut head);
    write_report(serving, x.cache.outcome, answer.status(stored), &mut head);
    if x.warns {
        head.lines(IGNORED);
    }
    if stored.date.is_empty() || answer == Answer::Unsatisfiable {
        let mut dates = local.dates.borrow_mut();
        head.field_verified(b"Date", dates.at(local.core.wall()));
    }
    write_own(&mut head, &x.request_id, &x.limits.lines, keep_alive);
    let route = x.route.and_then(|route| serving.plan.route(route));
    if route.is_some_and(RoutePlan::speaks_as_gateway) {
        head.field_verified(b"x-amz-apigw-id", &extended_id(&x.request_id));
    }
    let head_bytes = head.end().ok()?;
    out.commit(head_bytes);
    x.status = answer.status(stored);
    x.response_bytes = left;
    let mut rest = Rest {
        source,
        at: usize::try_from(at).ok()?,
        left: usize::try_from(left).ok()?,
    };
    if rest.left >= LENT_BYTES_MIN && conn.tls().is_none() {
        rest.source = rest.source.lent();
    }
    match rest.source {
        Source::Lent(_) => {
            conn.send(out.freeze());
            rest.send_lent(conn)?;
        }
        Source::Stored(_) | Source::Fetched(_) | Source::Made(_) => rest.copy_beside(conn, out),
    }
    Some(if rest.left == 0 {
        Given::Whole
    } else {
        Given::Begun(Box::new(rest))
    })
}

/// Bodies from here on are sent from the store itself; shorter ones are copied beside their head.
const LENT_BYTES_MIN: usize = 8 * 1024;
/// What is queued of a lent body at a time: it stays pinned until its client has taken it.
const LENT_PART_BYTES: usize = 256 * 1024;

/// What is left of a body that was made, behind its first `at` bytes.
pub(in super::super) fn made(body: Vec<u8>, at: usize) -> Given {
    let left = body.len().saturating_sub(at);
    let source = Source::Made(body);
    Given::Begun(Box::new(Rest { source, at, left }))
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
            if self.send_lent(conn).is_none() {
                self.send_copy(local, conn).await?;
            }
            room.note(conn);
        }
        Ok(())
    }

    /// Queues the next part of a body that is lent.
    fn send_lent(&mut self, conn: &mut Conn) -> Option<()> {
        let Source::Lent(hit) = &self.source else {
            return None;
        };
        let bytes_len = self.left.min(LENT_PART_BYTES);
        let lender: Rc<dyn Lender> = Rc::<Hit>::clone(hit);
        if !conn.send_lent(Piece::lent(lender, self.at, bytes_len)?) {
            return None;
        }
        self.at += bytes_len;
        self.left -= bytes_len;
        Some(())
    }

    /// Copies as much of the body as fits behind its head in `out`, and queues both.
    fn copy_beside(&mut self, conn: &mut Conn, mut out: BufMut) {
        let room = out.spare().len().saturating_sub(conn.added_bytes());
        let first = room.min(self.left);
        let into = out.spare().get_mut(..first).unwrap_or(&mut []);
        if let Read::Some(count) = self.source.read(self.at, into) {
            self.took(&mut out, count);
        }
        conn.send(out.freeze());
    }

    /// Copies and queues the next part of the body, as soon as there is one.
    async fn send_copy(&mut self, local: &Local, conn: &mut Conn) -> Result<(), PumpEnd> {
        let mut out = local.core.pool().take().ok_or(PumpEnd::Buffers)?;
        let room = out.spare().len().saturating_sub(conn.added_bytes());
        let most = room.min(self.left);
        let count = std::future::poll_fn(|_| {
            let into = out.spare().get_mut(..most).unwrap_or(&mut []);
            match self.source.read(self.at, into) {
                Read::Some(count) => Poll::Ready(Ok(count)),
                Read::End | Read::Cut => Poll::Ready(Err(PumpEnd::Buffers)),
                // Its leader has deadlines of its own, and ends in any case.
                Read::Later => Poll::Pending,
            }
        })
        .await?;
        self.took(&mut out, count);
        conn.send(out.freeze());
        Ok(())
    }

    /// `count` bytes of the body lie in `out` now.
    fn took(&mut self, out: &mut BufMut, count: usize) {
        out.commit(count);
        self.at += count;
        self.left -= count;
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
        CacheOutcome::Hit { ttl_s } => {
            write_hit(ttl_s, head);
            return;
        }
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

/// What a plain hit says: prepared, but for the number.
#[inline]
fn write_hit(ttl_s: i64, head: &mut HeadWriter<'_>) {
    let lines = if ttl_s < 0 { HIT_STALE } else { HIT_FRESH };
    head.line_decimal(lines, ttl_s.unsigned_abs());
}

/// Both fields of a hit, up to how long it stays fresh, or since when it is stale.
const HIT_FRESH: &[u8] = b"X-Cache: Hit from tidegate\r\nCache-Status: tidegate; hit; ttl=";
const HIT_STALE: &[u8] = b"X-Cache: Hit from tidegate\r\nCache-Status: tidegate; hit; ttl=-";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_says_what_the_report_would() {
        for ttl_s in [0, 1, 9, 3600, -1, -412, i64::MAX, i64::MIN] {
            let mut text = [0; CACHE_STATUS_BYTES_MAX];
            let mut expected = [0; 512];
            let expected_bytes = HeadWriter::new(&mut expected)
                .field_parts(
                    b"X-Cache",
                    &[XCache::Hit.as_str().as_bytes(), b" from tidegate"],
                )
                .field(b"Cache-Status", hit(Some(ttl_s), None).write(&mut text))
                .len();
            let mut prepared = [0; 512];
            let mut head = HeadWriter::new(&mut prepared);
            write_hit(ttl_s, &mut head);
            let prepared_bytes = head.len();
            assert_eq!(
                prepared[..prepared_bytes],
                expected[..expected_bytes],
                "{ttl_s}"
            );
        }
    }
}
