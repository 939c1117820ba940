//! Two associations and a network between them that loses packets by a seeded generator, in virtual time.

use offhook_datapath::sctp::{Limits, Message, Sctp, State};

pub const LIMITS: Limits = Limits { max_message_bytes: 65_536, max_buffered_bytes: 262_144 };

/// A linear congruential generator: repeatable, and all the randomness that choosing packets needs.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

pub struct Pair {
    pub client: Sctp,
    pub server: Sctp,
    pub now: f64,
    pub loss_percent: usize,
    pub dice: Dice,
}

impl Pair {
    pub fn new() -> Self {
        let client = Sctp::new(true, LIMITS, 0.0).unwrap();
        let server = Sctp::new(false, LIMITS, 0.0).unwrap();
        Self { client, server, now: 0.0, loss_percent: 0, dice: Dice(1) }
    }

    pub fn connected() -> Self {
        let mut pair = Self::new();
        pair.run();
        assert_eq!((pair.client.state(), pair.server.state()), (State::Connected, State::Connected));
        pair
    }

    /// Delivers packets until neither side has one, without moving the clock.
    pub fn run(&mut self) {
        loop {
            let upstream = self.client.take_datagrams();
            let downstream = self.server.take_datagrams();
            if upstream.is_empty() && downstream.is_empty() {
                return;
            }
            for datagram in upstream {
                if self.dice.below(100) >= self.loss_percent {
                    self.server.receive(&datagram, self.now).unwrap();
                }
            }
            for datagram in downstream {
                if self.dice.below(100) >= self.loss_percent {
                    self.client.receive(&datagram, self.now).unwrap();
                }
            }
        }
    }

    /// Moves the clock to the next timer, if there is one, and delivers what follows.
    pub fn advance(&mut self) -> bool {
        let next = [self.client.timeout(), self.server.timeout()].into_iter().flatten().reduce(f64::min);
        let Some(next) = next else { return false };
        self.now = next.max(self.now);
        self.client.handle_timeout(self.now).unwrap();
        self.server.handle_timeout(self.now).unwrap();
        self.run();
        true
    }
}

/// All messages that wait.
pub fn messages(sctp: &mut Sctp) -> Vec<Message> {
    std::iter::from_fn(|| sctp.take_message()).collect()
}
