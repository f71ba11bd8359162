//! An order over a million things that takes 40 bytes: a Feistel network over the next larger
//! even number of bits, walked until it falls inside (Black and Rogaway, "Ciphers with Arbitrary
//! Finite Domains", 2002). Spreads, and hides nothing.

/// A permutation of the numbers below a length.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    len: u32,
    /// Bits of each half: at least one, at most 16.
    half: u32,
    key: [u64; 2],
}

/// Halves are mixed so often.
const ROUNDS: u64 = 4;

impl Permutation {
    /// One of the permutations of the numbers below `len`, drawn by `key`.
    #[must_use]
    pub fn new(len: u32, key: [u64; 2]) -> Self {
        let bits = u32::BITS - len.saturating_sub(1).leading_zeros();
        Self {
            len,
            half: bits.div_ceil(2).max(1),
            key,
        }
    }

    /// What stands at `position`; a position past the end stands for itself.
    #[must_use]
    pub fn at(&self, position: u32) -> u32 {
        if position >= self.len {
            return position;
        }
        // The domain is at most four times the length, so this takes four steps in the mean; it
        // ends because the cycle leads back to `position`.
        let mut value = self.mix(position);
        while value >= self.len {
            value = self.mix(value);
        }
        value
    }

    fn mix(&self, value: u32) -> u32 {
        let mask = u32::MAX >> (u32::BITS - self.half);
        let (mut left, mut right) = ((value >> self.half) & mask, value & mask);
        for round in 0..ROUNDS {
            let [a, b] = self.key;
            let key = if round % 2 == 0 { a } else { b };
            let turned = left ^ (scatter(key ^ (round << 56) ^ u64::from(right)) & mask);
            (left, right) = (right, turned);
        }
        (left << self.half) | right
    }
}

/// The finaliser of MurmurHash3 (public domain): every bit in changes half of the bits out.
fn scatter(mut x: u64) -> u32 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (x >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_once() {
        for len in [0, 1, 2, 3, 5, 254, 255, 256, 257, 65_536, 70_000] {
            for key in [[0, 0], [1, 2], [u64::MAX, 7]] {
                let order = Permutation::new(len, key);
                let mut seen: Vec<u32> = (0..len).map(|i| order.at(i)).collect();
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..len), "{len} {key:?}");
            }
        }
    }

    /// Of the 256 networks in a /16, none is hit more than a few times in 256 steps.
    #[test]
    fn no_network_is_hit_in_a_burst() {
        let order = Permutation::new(65_536, [3, 4]);
        let mut worst = 0;
        for start in (0..65_536).step_by(256) {
            let mut hits = [0u32; 256];
            for position in start..start + 256 {
                if let Some(hit) = hits.get_mut((order.at(position) >> 8) as usize) {
                    *hit += 1;
                }
            }
            worst = worst.max(hits.into_iter().max().unwrap_or(0));
        }
        // 256 balls into 256 bins, 256 times over: more than 12 in one has odds below 1e-5.
        assert!(worst <= 12, "{worst}");
    }
}
