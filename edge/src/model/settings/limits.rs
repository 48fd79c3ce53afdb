//! `[limits]`: every bound on what a client or an origin may ask of us.
//!
//! Shape: one flat table of integers, each with a safe default.
//! Units: in the names; `_max` is inclusive. Ranges: [`LimitRange`] rows in [`Limits::ranges`].
//! Errors: none; `plan::compile` reports a value outside its range by pointer.
//! Source: RELIABILITY section 2 (HTTP/1.1, TLS and connection rows), sections 1, 3 and 4.

use serde::Deserialize;

/// Bounds for one gateway. The answer a client gets stands behind each default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Request line and headers together. 10,240 → 431.
    pub head_bytes_max: u32,
    /// The request target alone. 8,192 → 414.
    pub target_bytes_max: u32,
    /// Header fields, cookie crumbs and trailers counted before joining. 100 → 431.
    pub fields_max: u32,
    /// Request body. 10 MiB → 413.
    pub body_bytes_max: u64,
    /// Chunk extensions of one message. 4,096 → 400.
    pub chunk_extension_bytes_max: u32,
    /// Status line and headers of an origin's answer. 16,384 → 502.
    pub response_head_bytes_max: u32,
    /// Interim (1xx) answers of an origin. 8 → 502.
    pub interim_responses_max: u32,

    /// From accept to the end of the TLS handshake. 5,000 → drop.
    pub tls_handshake_ms: u32,
    /// A client hello. 16,384 → drop.
    pub tls_hello_bytes_max: u32,
    /// Handshakes in progress, per worker. 256 → drop.
    pub tls_handshakes_max: u32,

    /// A whole head, from its first byte. 10,000 → 408, close.
    pub head_ms: u32,
    /// Slowest body either way, once the grace is over. 1,024 bytes a second → 408, reset.
    pub progress_bytes_per_s: u32,
    /// Grace before the slowest rate counts. 5,000.
    pub progress_grace_ms: u32,
    /// Longest time a body may stand still. 20,000 → 408, reset.
    pub still_ms: u32,
    /// Keep-alive without a request. 60,000 → close.
    pub idle_ms: u32,
    /// The same under pressure. 2,000 → close.
    pub idle_pressure_ms: u32,
    /// How long a client that has ended its side still gets an answer that has not begun. 100 →
    /// the origin's work is given up.
    pub half_closed_ms: u32,
    /// Requests on one connection. 10,000 → close; 0: no limit.
    pub requests_per_connection_max: u32,

    /// Client connections; 0: 45 % of the open-file limit. 0 → close at accept.
    pub connections_max: u32,
    /// Connections of one client address. 1,024 → close at accept.
    pub connections_per_address_max: u32,
    /// Memory of the process; 0: 80 % of what the host or its control group has. → pressure.
    pub memory_bytes_max: u64,
    /// How late a core may be with its tasks. 500 → pressure.
    pub lag_ms_max: u32,

    /// Connecting to an origin, its TLS handshake included. 3,000 → 504.
    pub connect_ms: u32,
    /// From the first byte sent to the origin to its answer's head. 29,000 → 504.
    pub integration_ms: u32,
    /// Payloads of requests that are mapped, all those of a core together. 256 MiB → 503.
    pub payload_bytes_max: u64,
    /// Body still held for one retry. 65,536.
    pub retry_body_bytes_max: u32,
    /// After an early answer: body read and thrown away before closing. 65,536.
    pub drain_body_bytes_max: u32,
    /// The same in time. 1,000.
    pub drain_body_ms: u32,
    /// One field of the access log. 8,192; the rest is cut.
    pub log_field_bytes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes_max: 10_240,
            target_bytes_max: 8_192,
            fields_max: 100,
            body_bytes_max: 10 * 1024 * 1024,
            chunk_extension_bytes_max: 4_096,
            response_head_bytes_max: 16_384,
            interim_responses_max: 8,
            tls_handshake_ms: 5_000,
            tls_hello_bytes_max: 16_384,
            tls_handshakes_max: 256,
            head_ms: 10_000,
            progress_bytes_per_s: 1_024,
            progress_grace_ms: 5_000,
            still_ms: 20_000,
            idle_ms: 60_000,
            idle_pressure_ms: 2_000,
            half_closed_ms: 100,
            requests_per_connection_max: 10_000,
            connections_max: 0,
            connections_per_address_max: 1_024,
            memory_bytes_max: 0,
            lag_ms_max: 500,
            connect_ms: 3_000,
            integration_ms: 29_000,
            payload_bytes_max: 256 * 1024 * 1024,
            retry_body_bytes_max: 65_536,
            drain_body_bytes_max: 65_536,
            drain_body_ms: 1_000,
            log_field_bytes_max: 8_192,
        }
    }
}

/// The allowed values of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRange {
    /// The key in `[limits]`.
    pub key: &'static str,
    pub value: u64,
    pub min: u64,
    pub max: u64,
}

impl Limits {
    /// Every limit with its value and its range, in the order of the table.
    pub fn ranges(&self) -> Vec<LimitRange> {
        const HEAD: u64 = 65_536;
        const DAY_MS: u64 = 86_400_000;
        const MANY: u64 = 1 << 30;
        let row = |key, value: u32, min, max| LimitRange {
            key,
            value: u64::from(value),
            min,
            max,
        };
        vec![
            row("head_bytes_max", self.head_bytes_max, 512, HEAD),
            row("target_bytes_max", self.target_bytes_max, 64, HEAD),
            row("fields_max", self.fields_max, 1, 256),
            LimitRange {
                key: "body_bytes_max",
                value: self.body_bytes_max,
                min: 0,
                max: i64::MAX.unsigned_abs(),
            },
            row(
                "chunk_extension_bytes_max",
                self.chunk_extension_bytes_max,
                0,
                HEAD,
            ),
            row(
                "response_head_bytes_max",
                self.response_head_bytes_max,
                512,
                HEAD,
            ),
            row("interim_responses_max", self.interim_responses_max, 0, 100),
            row("tls_handshake_ms", self.tls_handshake_ms, 10, DAY_MS),
            row("tls_hello_bytes_max", self.tls_hello_bytes_max, 512, HEAD),
            row("tls_handshakes_max", self.tls_handshakes_max, 1, MANY),
            row("head_ms", self.head_ms, 10, DAY_MS),
            row("progress_bytes_per_s", self.progress_bytes_per_s, 0, MANY),
            row("progress_grace_ms", self.progress_grace_ms, 0, DAY_MS),
            row("still_ms", self.still_ms, 10, DAY_MS),
            row("idle_ms", self.idle_ms, 10, DAY_MS),
            row("idle_pressure_ms", self.idle_pressure_ms, 10, DAY_MS),
            row("half_closed_ms", self.half_closed_ms, 0, DAY_MS),
            row(
                "requests_per_connection_max",
                self.requests_per_connection_max,
                0,
                MANY,
            ),
            row("connections_max", self.connections_max, 0, MANY),
            row(
                "connections_per_address_max",
                self.connections_per_address_max,
                1,
                MANY,
            ),
            LimitRange {
                key: "memory_bytes_max",
                value: self.memory_bytes_max,
                min: 0,
                max: i64::MAX.unsigned_abs(),
            },
            row("lag_ms_max", self.lag_ms_max, 1, DAY_MS),
            row("connect_ms", self.connect_ms, 1, DAY_MS),
            row("integration_ms", self.integration_ms, 50, DAY_MS),
            LimitRange {
                key: "payload_bytes_max",
                value: self.payload_bytes_max,
                min: 0,
                max: i64::MAX.unsigned_abs(),
            },
            row(
                "retry_body_bytes_max",
                self.retry_body_bytes_max,
                0,
                1_048_576,
            ),
            row(
                "drain_body_bytes_max",
                self.drain_body_bytes_max,
                0,
                16_777_216,
            ),
            row("drain_body_ms", self.drain_body_ms, 0, 60_000),
            row("log_field_bytes_max", self.log_field_bytes_max, 64, 8_192),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_lie_in_their_ranges() {
        for row in Limits::default().ranges() {
            assert!(
                (row.min..=row.max).contains(&row.value),
                "{}: {}",
                row.key,
                row.value
            );
        }
    }

    #[test]
    fn the_range_table_is_whole() {
        // Debug prints `name: value` for each field of the flat table.
        let fields = format!("{:?}", Limits::default()).matches(": ").count();
        assert_eq!(Limits::default().ranges().len(), fields);
    }
}
