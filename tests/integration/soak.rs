//! The same tests for longer: `tests/run --soak` says how many times, and gives a seed, which is
//! printed, so that what it found can be had again.

use std::sync::OnceLock;

/// `count`, or so many times more in a soak.
pub fn times(count: usize) -> usize {
    count * usize::try_from(factor()).unwrap()
}

/// How many times longer than in CI.
pub fn factor() -> u32 {
    let given = std::env::var("PODWHY_SOAK").ok();
    given.map_or(1, |text| text.parse().expect("PODWHY_SOAK is a number"))
}

/// The seed of everything random in these tests.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("PODWHY_SEED").ok();
        let seed = given
            .map_or(0x9e37_79b9_7f4a_7c15, |text| text.parse().expect("PODWHY_SEED is a number"));
        println!("PODWHY_SEED={seed}");
        seed
    })
}

/// A small generator: the same seed gives the same numbers.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// `stream` tells the users of one seed apart.
    pub fn new(stream: u64) -> Self {
        Self((seed() ^ stream.wrapping_mul(0x2545_f491_4f6c_dd1d)) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}
