//! Starts that may not have lasted.
//!
//! What it is: one row for each start of a configuration that is neither good yet nor ended in
//! order; so what is left of a start that was killed or aborted is its row. Shape: [`Starts`], a
//! short list. Units: wall milliseconds. Ranges: the newest [`STARTS_MAX`]. Errors: none; a list
//! that cannot be understood is an empty one. Source: RELIABILITY section 9.

use serde::{Deserialize, Serialize};

/// One start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::process) struct Start {
    /// What was started.
    pub(in crate::process) name: String,
    /// When.
    pub(in crate::process) at_ms: u64,
    /// By which process.
    pub(in crate::process) pid: u32,
}

/// The starts, oldest first.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(in crate::process) struct Starts {
    starts: Vec<Start>,
}

impl Starts {
    /// Starts of `name` in the `window_ms` before `now_ms`. Those from the future do not count:
    /// the clock was set back.
    pub(in crate::process) fn count(&self, name: &str, now_ms: u64, window_ms: u64) -> usize {
        let recent = |start: &&Start| {
            let age_ms = now_ms.checked_sub(start.at_ms);
            start.name == name && age_ms.is_some_and(|age_ms| age_ms <= window_ms)
        };
        self.starts.iter().filter(recent).count()
    }

    /// Remembers one more.
    pub(in crate::process) fn add(&mut self, start: Start) {
        self.starts.push(start);
        let surplus = self.starts.len().saturating_sub(STARTS_MAX);
        self.starts.drain(..surplus);
    }

    /// Forgets one that lasted.
    pub(in crate::process) fn remove(&mut self, start: &Start) {
        self.starts.retain(|other| other != start);
    }

    pub(super) fn print(&self) -> Vec<u8> {
        // Texts and numbers cannot fail to become JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn parse(bytes: &[u8]) -> Starts {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

const STARTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn start(name: &str, at_ms: u64) -> Start {
        Start {
            name: name.to_owned(),
            at_ms,
            pid: 1,
        }
    }

    #[test]
    fn recent_starts_of_one_name_count() {
        let mut starts = Starts::default();
        for (name, at_ms) in [("a", 100), ("b", 200), ("a", 300), ("a", 900)] {
            starts.add(start(name, at_ms));
        }
        // name, now, window, count
        let rows = [
            ("a", 300, 1_000, 2),
            ("a", 300, 200, 2),
            ("a", 300, 199, 1),
            ("a", 900, 600, 2),
            ("a", 5_000, 1_000, 0),
            ("b", 300, 1_000, 1),
            ("c", 300, 1_000, 0),
            ("a", 0, 1_000, 0),
        ];
        for (name, now, window, count) in rows {
            assert_eq!(starts.count(name, now, window), count, "{name} at {now}");
        }
        starts.remove(&start("a", 300));
        assert_eq!(starts.count("a", 900, 1_000), 2);
        assert_eq!(Starts::parse(&starts.print()), starts);
    }

    #[test]
    fn the_list_stays_short() {
        let mut starts = Starts::default();
        for at_ms in 0..100 {
            starts.add(start("a", at_ms));
        }
        assert_eq!(starts.starts.len(), STARTS_MAX);
        assert_eq!(starts.count("a", 99, 3), 4, "the newest stay");
    }
}
