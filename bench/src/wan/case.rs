//! What: what is compared: where a client goes, on what connection, for how many bytes; and how long
//!   that takes by the formula.
//! Shape: [`Case`] is a point of the cross product of three small enums and sizes.
//! Units: nanoseconds, bytes; distances are round trips.
//! Errors: none.
//! Source: RFC 9293 (handshake), RFC 5681 and RFC 6928 (slow start from ten segments), RFC 8446
//!   (TLS 1.3 in one round trip, resumed or not).

/// How an API stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// Clients travel to the region.
    Regional,
    /// Clients meet an edge, which asks the region on connections that it keeps.
    Edge,
    /// The same, and the edge has the answer.
    EdgeCached,
}

impl Deployment {
    pub(crate) const ALL: [Deployment; 3] = [
        Deployment::Regional,
        Deployment::Edge,
        Deployment::EdgeCached,
    ];

    /// As scenarios and reports of the simulator write it, and the stage that serves it here.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Deployment::Regional => "regional",
            Deployment::Edge => "edge",
            Deployment::EdgeCached => "edge_cached",
        }
    }
}

/// What a request finds of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// Nothing: TCP has to shake hands.
    New,
    /// TLS too, in full.
    NewTls,
    /// TLS too, with a ticket of an earlier session.
    NewResumed,
    /// One that has carried answers before.
    Kept,
    /// The same, encrypted.
    KeptTls,
}

impl Session {
    pub(crate) const ALL: [Session; 5] = [
        Session::New,
        Session::NewTls,
        Session::NewResumed,
        Session::Kept,
        Session::KeptTls,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Session::New => "new",
            Session::NewTls => "new-tls",
            Session::NewResumed => "new-resumed",
            Session::Kept => "kept",
            Session::KeptTls => "kept-tls",
        }
    }

    /// A connection for each request.
    pub(crate) const fn is_new(self) -> bool {
        !matches!(self, Session::Kept | Session::KeptTls)
    }

    pub(crate) const fn is_tls(self) -> bool {
        !matches!(self, Session::New | Session::Kept)
    }

    /// Round trips before the request can leave.
    const fn handshakes(self) -> u64 {
        match self {
            Session::Kept | Session::KeptTls => 0,
            Session::New => 1,
            Session::NewTls | Session::NewResumed => 2,
        }
    }
}

/// Round trips between the three places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Distances {
    pub(crate) client_edge_ns: u64,
    pub(crate) edge_region_ns: u64,
    pub(crate) client_region_ns: u64,
}

/// One row of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) deployment: Deployment,
    pub(crate) session: Session,
    pub(crate) body_bytes: u32,
}

impl Case {
    /// How long an answer takes where nothing but distance counts: connections that are kept, those
    /// between edge and region included, have a window that the whole answer fits into, a new one
    /// begins with ten segments and doubles them each round trip.
    pub(crate) fn formula_ns(&self, distances: &Distances) -> u64 {
        let (near_ns, far_ns) = self.ways_ns(distances);
        let flights = if self.session.is_new() {
            flights(u64::from(self.body_bytes) + HEAD_BYTES)
        } else {
            1
        };
        near_ns * (self.session.handshakes() + flights) + far_ns
    }

    /// How often a connection that is kept is asked: when the answer before has surely come, but
    /// sooner than after a retransmission timeout, when TCP would take it for idle and shrink its
    /// window. Where both cannot be had, the first counts.
    pub(crate) fn period_ns(&self, distances: &Distances) -> u64 {
        let answer_ns = self.formula_ns(distances);
        let least_ns = answer_ns + answer_ns / 8 + MARGIN_NS;
        let most_ns = self.ways_ns(distances).0 + TIMEOUT_LEAST_NS - MARGIN_NS;
        least_ns.max(least_ns.midpoint(most_ns))
    }

    /// The client's way, and the one behind the edge.
    fn ways_ns(&self, distances: &Distances) -> (u64, u64) {
        match self.deployment {
            Deployment::Regional => (distances.client_region_ns, 0),
            Deployment::Edge => (distances.client_edge_ns, distances.edge_region_ns),
            Deployment::EdgeCached => (distances.client_edge_ns, 0),
        }
    }
}

/// Round trips that so many bytes take on a new connection.
fn flights(bytes: u64) -> u64 {
    let segments = bytes.div_ceil(SEGMENT_BYTES);
    let (mut flights, mut window, mut sent) = (1, WINDOW_SEGMENTS, WINDOW_SEGMENTS);
    while sent < segments {
        window *= 2;
        sent += window;
        flights += 1;
    }
    flights
}

/// Of 1,500 bytes IP and TCP take 40, and TCP's timestamps 12.
const SEGMENT_BYTES: u64 = 1448;
const WINDOW_SEGMENTS: u64 = 10;
/// The head of an answer.
const HEAD_BYTES: u64 = 300;
/// A retransmission timeout is a round trip and at least that.
const TIMEOUT_LEAST_NS: u64 = 200_000_000;
const MARGIN_NS: u64 = 15_000_000;

#[cfg(test)]
mod tests {
    use super::{Case, Deployment, Distances, Session, flights};

    #[test]
    fn a_window_doubles_each_flight() {
        for (bytes, expected) in [
            (0, 1),
            (1, 1),
            (14_480, 1),
            (14_481, 2),
            (43_440, 2),
            (43_441, 3),
            (101_360, 3),
            (101_361, 4),
            (217_200, 4),
            (217_201, 5),
        ] {
            assert_eq!(flights(bytes), expected, "{bytes} bytes");
        }
    }

    #[test]
    fn a_kept_connection_is_neither_busy_nor_idle() {
        let distances = |near_ms: u64, far_ms: u64| Distances {
            client_edge_ns: near_ms * 1_000_000,
            edge_region_ns: far_ms * 1_000_000,
            client_region_ns: (near_ms + far_ms) * 1_000_000,
        };
        use Deployment::{Edge, EdgeCached, Regional};
        for (deployment, near_ms, far_ms, expected_ms) in [
            (EdgeCached, 24, 80, 125.5),
            (Edge, 24, 80, 170.5),
            (Regional, 24, 80, 210.5),
            (Edge, 24, 400, 492.0), // the timeout is over by then
        ] {
            let case = Case {
                deployment,
                session: Session::Kept,
                body_bytes: 1000,
            };
            let period_ns = case.period_ns(&distances(near_ms, far_ms));
            assert_eq!(period_ns as f64 / 1e6, expected_ms, "{case:?}");
        }
    }

    #[test]
    fn the_formula_counts_round_trips() {
        let distances = Distances {
            client_edge_ns: 20,
            edge_region_ns: 700,
            client_region_ns: 1000,
        };
        use Deployment::{Edge, EdgeCached, Regional};
        use Session::{Kept, KeptTls, New, NewResumed, NewTls};
        for (deployment, session, body_bytes, expected) in [
            (Regional, Kept, 1000, 1000),
            (Regional, Kept, 200_000, 1000),
            (Regional, New, 1000, 2000),
            (Regional, New, 30_000, 3000),
            (Regional, NewTls, 1000, 3000),
            (Regional, NewResumed, 150_000, 6000),
            (Edge, KeptTls, 1000, 720),
            (Edge, New, 1000, 740),
            (Edge, New, 150_000, 800),
            (Edge, NewTls, 1000, 760),
            (EdgeCached, Kept, 1000, 20),
            (EdgeCached, New, 30_000, 60),
            (EdgeCached, NewTls, 30_000, 80),
        ] {
            let case = Case {
                deployment,
                session,
                body_bytes,
            };
            assert_eq!(case.formula_ns(&distances), expected, "{case:?}");
        }
    }
}
