//! Which packet indices have been received: [RFC 3711 §3.3.2](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2).

const WORD_BITS: u64 = 64;

/// The last `64 * WORDS` indices up to the highest one.
#[derive(Clone, Debug)]
pub struct ReplayWindow<const WORDS: usize> {
    highest: u64,
    /// A ring: the bit of index `i` is `i % BITS`.
    seen: [u64; WORDS],
}

impl<const WORDS: usize> Default for ReplayWindow<WORDS> {
    fn default() -> Self {
        Self { highest: 0, seen: [0; WORDS] }
    }
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    const BITS: u64 = WORDS as u64 * WORD_BITS;

    /// The highest index received; 0 before the first.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether a packet with this index may be accepted: it is new, and not too old to tell.
    #[must_use]
    pub fn accepts(&self, index: u64) -> bool {
        index > self.highest || (self.highest - index < Self::BITS && !self.contains(index))
    }

    /// Notes an index that has proved authentic.
    pub fn insert(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= Self::BITS {
                self.seen.fill(0);
            } else {
                for skipped in self.highest + 1..index {
                    *self.word(skipped) &= !Self::bit(skipped);
                }
            }
            self.highest = index;
        }
        *self.word(index) |= Self::bit(index);
    }

    fn contains(&self, index: u64) -> bool {
        self.seen[Self::place(index)] & Self::bit(index) != 0
    }

    fn word(&mut self, index: u64) -> &mut u64 {
        &mut self.seen[Self::place(index)]
    }

    #[allow(clippy::cast_possible_truncation)] // less than WORDS
    fn place(index: u64) -> usize {
        (index % Self::BITS / WORD_BITS) as usize
    }

    fn bit(index: u64) -> u64 {
        1 << (index % WORD_BITS)
    }
}
