//! Finds the end of a head while its bytes arrive.
//!
//! Shape: two offsets that survive between calls, so that a head fed byte by byte is read once.
//! Units: bytes from the start of the buffer. Ranges: heads up to the limit, at most 64 KiB.
//! Errors: a bare CR or LF, surplus empty lines, a first byte no start line can have (a TLS hello
//! on a plain port), and too much without an end are told as soon as seen.
//! Source: RFC 9112 §2.1, §2.2.

use super::{
    fault::HeadFault,
    limits::HeadLimits,
    token::{self, TOKEN},
};

/// The search for one head. Make a new one for the next head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadFinder {
    line_start: u32,
    scan_from: u32,
    blank_lines_left: u8,
    started: bool,
}

impl HeadFinder {
    /// A finder for a request head, before which one empty line may stand.
    #[must_use]
    pub const fn request() -> HeadFinder {
        HeadFinder {
            line_start: 0,
            scan_from: 0,
            blank_lines_left: 1,
            started: false,
        }
    }

    /// A finder for a response head, before which nothing may stand.
    #[must_use]
    pub const fn response() -> HeadFinder {
        HeadFinder {
            blank_lines_left: 0,
            ..HeadFinder::request()
        }
    }

    /// Looks at `bytes`, everything since the head's first byte: the bytes of earlier calls with
    /// more behind. Gives the head's length, its blank line included, or `None` for "not yet".
    pub fn find(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadFault> {
        let bytes_max = limits.head_bytes_max;
        let seen = bytes.get(..bytes_max).unwrap_or(bytes);
        let mut line_start = usize::try_from(self.line_start).unwrap_or(0);
        let mut from = usize::try_from(self.scan_from).unwrap_or(0);
        if !self.started {
            self.check_start(seen, line_start)?;
        }
        while let Some(rest) = seen.get(from..) {
            let Some(found) = memchr::memchr2(b'\r', b'\n', rest) else {
                from = seen.len();
                break;
            };
            let at = from + found;
            match (seen.get(at), seen.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => {}
                (Some(b'\r'), None) => {
                    from = at;
                    break;
                }
                _ => return Err(HeadFault::BareLineBreak),
            }
            from = at + 2;
            if at > line_start {
                line_start = from;
            } else if self.started {
                return Ok(Some(from));
            } else if self.blank_lines_left > 0 {
                self.blank_lines_left -= 1;
                line_start = from;
                self.check_start(seen, line_start)?;
            } else {
                return Err(HeadFault::LeadingBlank);
            }
        }
        if bytes.len() >= bytes_max {
            return Err(too_large(seen, limits));
        }
        // Both are at most `bytes_max`, and a head's ceiling is far below.
        self.line_start = u32::try_from(line_start).map_err(|_| HeadFault::HeadTooLarge)?;
        self.scan_from = u32::try_from(from).map_err(|_| HeadFault::HeadTooLarge)?;
        Ok(None)
    }

    /// Whether a byte of the start line was seen: the idle time is over.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.started
    }

    fn check_start(&mut self, seen: &[u8], at: usize) -> Result<(), HeadFault> {
        match seen.get(at) {
            None | Some(b'\r' | b'\n') => Ok(()),
            Some(&first) if token::is(first, TOKEN) => {
                self.started = true;
                Ok(())
            }
            Some(_) => Err(HeadFault::StartLine),
        }
    }
}

/// Whether the target alone filled the head, or the fields did.
#[cold]
pub(super) fn too_large(seen: &[u8], limits: &HeadLimits) -> HeadFault {
    let line = seen.strip_prefix(b"\r\n").unwrap_or(seen);
    let line = line.split(|&byte| byte == b'\r').next().unwrap_or(line);
    let target = line.split(|&byte| byte == b' ').nth(1).unwrap_or(&[]);
    if target.len() > limits.target_bytes_max {
        HeadFault::TargetTooLong
    } else {
        HeadFault::HeadTooLarge
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Found = Result<Option<usize>, HeadFault>;

    fn find(given: &[u8]) -> Found {
        HeadFinder::request().find(given, &HeadLimits::default())
    }

    /// What a finder says when the bytes come in pieces that end at `cuts`.
    fn find_in_pieces(given: &[u8], cuts: &[usize], limits: &HeadLimits) -> Found {
        let mut finder = HeadFinder::request();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (given.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(given.len());
        for end in ends {
            match finder.find(&given[..end], limits) {
                Ok(None) => {}
                other => return other,
            }
        }
        Ok(None)
    }

    #[test]
    fn ends_and_faults() {
        use HeadFault::{BareLineBreak, LeadingBlank, StartLine};
        let rows: &[(&str, Found)] = &[
            ("", Ok(None)),
            ("GET / HTTP/1.1\r\n\r\n", Ok(Some(18))),
            ("GET / HTTP/1.1\r\n\r\nrest", Ok(Some(18))),
            ("\r\nGET / HTTP/1.1\r\n\r\n", Ok(Some(20))),
            ("GET / HTTP/1.1\r\na: b\r\n\r", Ok(None)),
            ("\r", Ok(None)),
            ("\r\n", Ok(None)),
            ("\r\n\r\n", Err(LeadingBlank)),
            ("\r\n\r\nGET", Err(LeadingBlank)),
            ("\n", Err(BareLineBreak)),
            ("GET / HTTP/1.1\n", Err(BareLineBreak)),
            ("GET / HTTP/1.1\ra", Err(BareLineBreak)),
            ("GET / HTTP/1.1\r\na: b\n", Err(BareLineBreak)),
            ("GET / HTTP/1.1\r\n\n", Err(BareLineBreak)),
            ("GET / HTTP/1.1\r\n\r\r", Err(BareLineBreak)),
            ("\x16\x03\x01", Err(StartLine)),
            (" GET", Err(StartLine)),
        ];
        for (given, expected) in rows {
            assert_eq!(find(given.as_bytes()), *expected, "{given:?}");
        }
        let after_blank = HeadFinder::response().find(b"\r\nHTTP/1.1", &HeadLimits::default());
        assert_eq!(after_blank, Err(LeadingBlank));
    }

    #[test]
    fn a_head_of_the_limit_passes_and_one_byte_more_does_not() {
        let limits = HeadLimits {
            head_bytes_max: 40,
            ..HeadLimits::default()
        };
        let exact = b"GET / HTTP/1.1\r\nabc: 678901234567890\r\n\r\n";
        assert_eq!(exact.len(), 40);
        assert_eq!(HeadFinder::request().find(exact, &limits), Ok(Some(40)));
        let longer = b"GET / HTTP/1.1\r\nabc: 6789012345678901\r\n\r\n";
        let fault = HeadFinder::request().find(longer, &limits);
        assert_eq!(fault, Err(HeadFault::HeadTooLarge));
        let long_target = [
            &b"GET /"[..],
            &[b'a'; 9_000],
            b" HTTP/1.1\r\n",
            &[b'b'; 3_000],
        ]
        .concat();
        assert_eq!(find(&long_target), Err(HeadFault::TargetTooLong));
    }

    proptest! {
        #[test]
        fn any_cut_finds_the_same(
            given in "(\r\n)?[A-Z]{1,4} /[a-z]{0,8}( HTTP/1.1)?(\r\n|\r\n|\r\n|\n|\r)(([a-z]{1,3}: [a-z\r]{0,5})\r\n){0,4}(\r\n)?[a-z\r\n]{0,6}",
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let limits = HeadLimits { head_bytes_max: 48, ..HeadLimits::default() };
            let whole = HeadFinder::request().find(given.as_bytes(), &limits);
            let pieces = find_in_pieces(given.as_bytes(), &cuts, &limits);
            prop_assert_eq!(whole, pieces);
        }
    }
}
