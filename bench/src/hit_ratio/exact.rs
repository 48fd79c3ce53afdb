//! What: caches without segments or sharing, to hold the store against: S3-FIFO, SIEVE and LRU.
//! Shape: each sees keys with the bytes that their records take, and holds exactly as many bytes as it
//!   may. Queues have stale entries; a turn, or the state beside the key, tells which count.
//! Units: bytes.
//! Errors: none.
//! Source: Yang et al., "FIFO queues are all you need for cache eviction" (SOSP 2023), algorithm 1;
//!   Zhang et al., "SIEVE is simpler than LRU" (NSDI 2024), algorithm 1.

use std::collections::{HashMap, VecDeque};

/// A cache that is told of each request.
pub(crate) trait Exact {
    /// True when the object was there; else it is now.
    fn request(&mut self, key: u64, bytes: u64) -> bool;
}

/// The paper's algorithm, with ghosts of as many bytes as the main queue has.
pub(crate) struct S3Fifo {
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    ghosts: VecDeque<(u64, u64)>,
    ghost_turns: HashMap<u64, u64>,
    objects: HashMap<u64, Standing>,
    small_bytes: u64,
    main_bytes: u64,
    ghost_bytes: u64,
    capacity: u64,
    /// Requests after the first by which an object gets into the main queue.
    promotion: u8,
    turn: u64,
    has_evicted: bool,
}

struct Standing {
    bytes: u64,
    frequency: u8,
}

impl S3Fifo {
    pub(crate) fn new(capacity: u64, promotion: u8) -> S3Fifo {
        S3Fifo {
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost_turns: HashMap::new(),
            objects: HashMap::new(),
            small_bytes: 0,
            main_bytes: 0,
            ghost_bytes: 0,
            capacity,
            promotion,
            turn: 0,
            has_evicted: false,
        }
    }

    fn insert(&mut self, key: u64, bytes: u64) {
        while self.small_bytes + self.main_bytes + bytes > self.capacity {
            self.has_evicted = true;
            if self.small_bytes * 10 >= self.capacity || self.main.is_empty() {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
        let is_ghost = self.ghost_turns.remove(&key).is_some();
        let fills = !self.has_evicted && self.small_bytes * 10 >= self.capacity;
        let frequency = 0;
        self.objects.insert(key, Standing { bytes, frequency });
        self.push(key, bytes, is_ghost || fills);
    }

    fn push(&mut self, key: u64, bytes: u64, is_main: bool) {
        if is_main {
            self.main.push_back(key);
            self.main_bytes += bytes;
        } else {
            self.small.push_back(key);
            self.small_bytes += bytes;
        }
    }

    fn evict_small(&mut self) {
        let Some(key) = self.small.pop_front() else {
            return;
        };
        let Some(standing) = self.objects.get_mut(&key) else {
            return;
        };
        let bytes = standing.bytes;
        self.small_bytes -= bytes;
        if standing.frequency >= self.promotion {
            standing.frequency = 0;
            self.push(key, bytes, true);
            return;
        }
        self.objects.remove(&key);
        self.turn += 1;
        self.ghosts.push_back((key, self.turn));
        self.ghost_turns.insert(key, self.turn);
        self.ghost_bytes += bytes;
        // Ghosts are counted by the mean size of what leaves.
        let each = (self.ghost_bytes / self.turn).max(1);
        while self.ghosts.len() as u64 * each > self.capacity / 10 * 9 {
            if let Some((old, turn)) = self.ghosts.pop_front()
                && self.ghost_turns.get(&old) == Some(&turn)
            {
                self.ghost_turns.remove(&old);
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some(key) = self.main.pop_front() {
            let Some(standing) = self.objects.get_mut(&key) else {
                continue;
            };
            if standing.frequency > 0 {
                standing.frequency -= 1;
                self.main.push_back(key);
                continue;
            }
            self.main_bytes -= standing.bytes;
            self.objects.remove(&key);
            return;
        }
    }
}

impl Exact for S3Fifo {
    fn request(&mut self, key: u64, bytes: u64) -> bool {
        if let Some(standing) = self.objects.get_mut(&key) {
            standing.frequency = (standing.frequency + 1).min(3);
            return true;
        }
        self.insert(key, bytes);
        false
    }
}

/// A queue, a mark for each object, and a hand that goes from the oldest to the newest.
pub(crate) struct Sieve {
    /// In the order of their arrival, by turn; the hand is a turn.
    queue: std::collections::BTreeMap<u64, u64>,
    objects: HashMap<u64, Marked>,
    hand: u64,
    bytes: u64,
    capacity: u64,
    turn: u64,
}

struct Marked {
    bytes: u64,
    turn: u64,
    is_visited: bool,
}

impl Sieve {
    pub(crate) fn new(capacity: u64) -> Sieve {
        Sieve {
            queue: std::collections::BTreeMap::new(),
            objects: HashMap::new(),
            hand: 0,
            bytes: 0,
            capacity,
            turn: 0,
        }
    }

    fn evict(&mut self) {
        loop {
            let at_hand = self.queue.range(self.hand..).next();
            let Some((turn, key)) = at_hand.map(|(turn, key)| (*turn, *key)) else {
                self.hand = 0;
                continue;
            };
            self.hand = turn + 1;
            if let Some(marked) = self.objects.get_mut(&key)
                && marked.is_visited
            {
                marked.is_visited = false;
                continue;
            }
            self.queue.remove(&turn);
            self.bytes -= self.objects.remove(&key).map_or(0, |gone| gone.bytes);
            return;
        }
    }
}

impl Exact for Sieve {
    fn request(&mut self, key: u64, bytes: u64) -> bool {
        if let Some(marked) = self.objects.get_mut(&key) {
            marked.is_visited = true;
            return true;
        }
        while self.bytes + bytes > self.capacity && !self.queue.is_empty() {
            self.evict();
        }
        self.turn += 1;
        let turn = self.turn;
        let is_visited = false;
        let marked = Marked {
            bytes,
            turn,
            is_visited,
        };
        self.queue.insert(marked.turn, key);
        self.objects.insert(key, marked);
        self.bytes += bytes;
        false
    }
}

/// Least recently used: an entry of the queue counts if it is its key's latest.
pub(crate) struct Lru {
    queue: VecDeque<(u64, u64)>,
    latest: HashMap<u64, (u64, u64)>,
    bytes: u64,
    capacity: u64,
    turn: u64,
}

impl Lru {
    pub(crate) fn new(capacity: u64) -> Lru {
        Lru {
            queue: VecDeque::new(),
            latest: HashMap::new(),
            bytes: 0,
            capacity,
            turn: 0,
        }
    }

    fn evict(&mut self) {
        while let Some((key, turn)) = self.queue.pop_front() {
            let is_latest = self.latest.get(&key).is_some_and(|(at, _)| *at == turn);
            if is_latest {
                self.bytes -= self.latest.remove(&key).map_or(0, |(_, bytes)| bytes);
                return;
            }
        }
    }
}

impl Exact for Lru {
    fn request(&mut self, key: u64, bytes: u64) -> bool {
        self.turn += 1;
        self.queue.push_back((key, self.turn));
        if let Some((turn, _)) = self.latest.get_mut(&key) {
            *turn = self.turn;
            return true;
        }
        self.latest.insert(key, (self.turn, bytes));
        self.bytes += bytes;
        while self.bytes > self.capacity {
            self.evict();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for ten objects of one byte; which of the requests are hits.
    #[test]
    fn small_traces_by_hand() {
        // The hand of SIEVE passes over 1, which was asked for again, and takes 2. LRU takes 2 as
        // well, the least recent. S3-FIFO has 1 in its small queue, sends it on and drops 2.
        let mut trace: Vec<u64> = (1..=10).collect();
        trace.extend([1, 1, 11, 1, 2]);
        let mut hits = vec![false; 10];
        hits.extend([true, true, false, true, false]);
        let caches: [(&str, Box<dyn Exact>); 3] = [
            ("lru", Box::new(Lru::new(10))),
            ("sieve", Box::new(Sieve::new(10))),
            ("s3-fifo", Box::new(S3Fifo::new(10, 2))),
        ];
        for (name, mut cache) in caches {
            let found: Vec<bool> = trace.iter().map(|key| cache.request(*key, 1)).collect();
            assert_eq!(found, hits, "{name}");
        }
    }

    #[test]
    fn an_object_proves_itself_in_the_small_queue() {
        // Twenty bytes: two in the small queue, the rest of the first twenty in the main one.
        for (promotion, again, is_kept) in
            [(1, 0, false), (1, 1, true), (2, 1, false), (2, 2, true)]
        {
            let mut cache = S3Fifo::new(20, promotion);
            (0..20).for_each(|key| assert!(!cache.request(key, 1)));
            (0..again).for_each(|_| assert!(cache.request(0, 1)));
            (100..105).for_each(|key| assert!(!cache.request(key, 1)));
            assert_eq!(cache.request(0, 1), is_kept, "{promotion} {again}");
        }
    }

    #[test]
    fn a_ghost_comes_back_into_the_main_queue() {
        let mut cache = S3Fifo::new(20, 2);
        (0..20).for_each(|key| assert!(!cache.request(key, 1)));
        (100..105).for_each(|key| assert!(!cache.request(key, 1)));
        assert!(!cache.request(0, 1), "forgotten, and remembered as such");
        (200..210).for_each(|key| assert!(!cache.request(key, 1)));
        assert!(cache.request(0, 1), "what is new does not drive it out");
    }
}
