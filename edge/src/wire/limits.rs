//! What a peer may send at most in one message.
//!
//! Shape: plain numbers, copied from the plan. Units: bytes and counts, as the names say.
//! Ranges: defaults are those of the documented table; ceilings bound what a plan may set.
//! Errors: none. Source: the limits table; RFC 9110 §5.4, §15.5.15; RFC 6585 §5.

/// Largest head that any plan may allow.
pub const HEAD_BYTES_CEILING: usize = 64 * 1024;
/// Most fields that any plan may allow.
pub const FIELDS_CEILING: usize = 256;
/// Interim answers that an origin may send before its final one.
pub const INTERIM_RESPONSES_MAX: u8 = 8;

/// Bounds of a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Start line and fields with their line ends, the blank line included.
    pub head_bytes_max: usize,
    /// The request target; above it the answer is 414.
    pub target_bytes_max: usize,
    /// Fields of the head; trailers of the body count into the same number.
    pub fields_max: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits {
            head_bytes_max: 10_240,
            target_bytes_max: 8_192,
            fields_max: 100,
        }
    }
}

impl HeadLimits {
    /// These limits, none above its ceiling.
    #[must_use]
    pub fn clamped(self) -> HeadLimits {
        HeadLimits {
            head_bytes_max: self.head_bytes_max.min(HEAD_BYTES_CEILING),
            target_bytes_max: self.target_bytes_max.min(HEAD_BYTES_CEILING),
            fields_max: self.fields_max.min(FIELDS_CEILING),
        }
    }
}

/// Bounds of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyLimits {
    /// Decoded body; above it the answer is 413.
    pub body_bytes_max: u64,
    /// Chunk extensions of one message, from `;` to the line's end.
    pub extension_bytes_max: u32,
    /// Trailer lines of one message.
    pub trailer_bytes_max: u32,
    /// Trailer fields still allowed after the head's fields were counted.
    pub trailers_max: u32,
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits {
            body_bytes_max: 10 * 1024 * 1024,
            extension_bytes_max: 4_096,
            trailer_bytes_max: 10_240,
            trailers_max: 100,
        }
    }
}

impl BodyLimits {
    /// These limits after a head of `fields` fields and `head_bytes` bytes under `head`.
    #[must_use]
    pub fn after_head(self, head: &HeadLimits, fields: usize, head_bytes: usize) -> BodyLimits {
        let fields_left = head.fields_max.saturating_sub(fields);
        let bytes_left = head.head_bytes_max.saturating_sub(head_bytes);
        BodyLimits {
            trailers_max: self
                .trailers_max
                .min(u32::try_from(fields_left).unwrap_or(u32::MAX)),
            trailer_bytes_max: self
                .trailer_bytes_max
                .min(u32::try_from(bytes_left).unwrap_or(u32::MAX)),
            ..self
        }
    }
}
