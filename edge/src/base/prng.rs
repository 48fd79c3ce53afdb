//! A small seeded generator for ids, jitter and simulated faults; never for secrets.
//!
//! Shape: xoshiro256** over four words. Ranges: every `u64`. Errors: none.
//! Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021).

/// The generator; two with one seed give one sequence.
#[derive(Clone, Debug)]
pub struct Prng {
    words: [u64; 4],
}

impl Prng {
    /// Spreads `seed` over the state with splitmix64, so that near seeds give far sequences.
    #[must_use]
    pub fn new(seed: u64) -> Prng {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Prng {
            words: [next(), next(), next(), next()],
        }
    }

    /// The next word.
    pub fn next_u64(&mut self) -> u64 {
        let w = &mut self.words;
        let result = w[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = w[1] << 17;
        w[2] ^= w[0];
        w[3] ^= w[1];
        w[1] ^= w[2];
        w[0] ^= w[3];
        w[2] ^= t;
        w[3] = w[3].rotate_left(45);
        result
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias (2^-64 × bound) is accepted.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}
