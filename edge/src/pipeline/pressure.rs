//! What a core grants while it is pressed.
//!
//! What it is: the ladder of overload. Shape: [`Step`] is a rung; [`Step::after`] climbs at once
//! and comes down five points later, so that a figure that sways around a border changes nothing.
//! The core keeps its step in one cell, which a request reads once. Units: percent, 0 to 100; the
//! worst of memory, descriptors and lag. Errors: none. Source: RELIABILITY section 3.

/// How pressed a core is; a higher step does all that lower ones do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Step {
    /// Everything is granted.
    #[default]
    Calm,
    /// Connections may idle for a short while only.
    ShortIdle,
    /// Answers end their connection.
    NoKeepAlive,
    /// No new HTTP/2 streams: the heaviest connections are those that carry many. HTTP/1 has none.
    NoStreams,
    /// Requests are refused before their bodies are read.
    Refuse,
    /// Connections are left in the kernel's queue.
    NoAccept,
}

/// Where each step begins, in percent.
const LADDER: [(Step, u8); 5] = [
    (Step::NoAccept, 95),
    (Step::Refuse, 92),
    (Step::NoStreams, 85),
    (Step::NoKeepAlive, 80),
    (Step::ShortIdle, 70),
];
/// How far below its beginning a step ends.
const ENDS_LOWER: u8 = 5;

impl Step {
    /// Every step, the calmest first.
    pub const ALL: [Step; 6] = [
        Step::Calm,
        Step::ShortIdle,
        Step::NoKeepAlive,
        Step::NoStreams,
        Step::Refuse,
        Step::NoAccept,
    ];

    /// The step that follows this one at a pressure of `percent`.
    #[must_use]
    pub fn after(self, percent: u8) -> Step {
        let holds = |(step, begins): &&(Step, u8)| {
            percent >= *begins || (self >= *step && percent >= begins - ENDS_LOWER)
        };
        LADDER
            .iter()
            .find(holds)
            .map_or(Step::Calm, |(step, _)| *step)
    }

    /// Idle connections are given `limits.idle_pressure_ms` only.
    #[must_use]
    pub fn shortens_idle(self) -> bool {
        self >= Step::ShortIdle
    }

    /// The connection ends behind the answer.
    #[must_use]
    pub fn ends_keep_alive(self) -> bool {
        self >= Step::NoKeepAlive
    }

    /// A request is answered 503 before its body is read.
    #[must_use]
    pub fn refuses(self) -> bool {
        self >= Step::Refuse
    }

    /// Nothing is accepted.
    #[must_use]
    pub fn stops_accepting(self) -> bool {
        self >= Step::NoAccept
    }

    /// What people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Step::Calm => "calm",
            Step::ShortIdle => "idle connections end early",
            Step::NoKeepAlive => "connections end behind their answer",
            Step::NoStreams => "no new streams",
            Step::Refuse => "requests are refused",
            Step::NoAccept => "nothing is accepted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_begins_at_its_border_and_ends_five_points_lower() {
        use Step::{Calm, NoAccept, NoKeepAlive, NoStreams, Refuse, ShortIdle};
        // before, percent, after
        let rows = [
            (Calm, 0, Calm),
            (Calm, 69, Calm),
            (Calm, 70, ShortIdle),
            (ShortIdle, 65, ShortIdle),
            (ShortIdle, 64, Calm),
            (Calm, 65, Calm),
            (ShortIdle, 79, ShortIdle),
            (ShortIdle, 80, NoKeepAlive),
            (NoKeepAlive, 75, NoKeepAlive),
            (NoKeepAlive, 74, ShortIdle),
            (NoKeepAlive, 85, NoStreams),
            (NoStreams, 80, NoStreams),
            (NoStreams, 79, NoKeepAlive),
            (NoStreams, 91, NoStreams),
            (NoStreams, 92, Refuse),
            (Refuse, 87, Refuse),
            (Refuse, 86, NoStreams),
            (Refuse, 94, Refuse),
            (Refuse, 95, NoAccept),
            (NoAccept, 90, NoAccept),
            (NoAccept, 89, Refuse),
            (NoAccept, 86, NoStreams),
            // Far up and far down at once.
            (Calm, 100, NoAccept),
            (NoAccept, 0, Calm),
            (Calm, 93, Refuse),
            (NoAccept, 76, NoKeepAlive),
        ];
        for (before, percent, after) in rows {
            assert_eq!(before.after(percent), after, "{before:?} at {percent} %");
        }
    }

    #[test]
    fn a_step_does_all_that_lower_ones_do() {
        let grants = |step: Step| {
            [
                step.shortens_idle(),
                step.ends_keep_alive(),
                step.refuses(),
                step.stops_accepting(),
            ]
        };
        let counts = Step::ALL.map(|step| grants(step).into_iter().filter(|does| *does).count());
        assert_eq!(counts, [0, 1, 2, 2, 3, 4]);
        assert!(
            Step::ALL.is_sorted(),
            "the order of the enum is the ladder's"
        );
        for step in Step::ALL {
            // The slow obvious model: a figure that stays where it is changes nothing more.
            for percent in 0..=100 {
                let next = step.after(percent);
                assert_eq!(next.after(percent), next, "{step:?} at {percent} %");
                assert!(step.after(percent) <= step.after(100), "{percent} %");
            }
        }
    }
}
