//! What a check's ufrag says and which password it asks for: from the keys, or as kept from the call's last check.
//!
//! A running call sends a check every few seconds with the ufrag it always had. What one with a good MESSAGE-INTEGRITY
//! has cost to find out (an AES block, two compressions of SHA-256 and two of SHA-1) is kept for the next, in a fixed
//! number of places. A failing check leaves nothing behind and pushes nobody out, and the keys are held here, too, so
//! that nothing outlives them. Every check's integrity is computed all the same.

use std::sync::Arc;

use super::keyed_hash::{place, KeyedHash};
use crate::wire::drop_reason::DropReason;
use crate::wire::stun::{BindingRequest, IntegrityKey};
use crate::wire::ufrag::{KeyRing, RouteToken, UFRAG_CHARS};

/// Ufrags that are worth keeping, twice the calls that a core can carry: 128 bytes each.
pub const MOST_KEPT: usize = 8192;
/// Places that one ufrag may be kept in.
const WAYS: usize = 2;

/// A ufrag that was read, not believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    /// What it says.
    pub token: RouteToken,
    /// Where it is kept.
    kept_at: Option<usize>,
}

struct Proven {
    ufrag: [u8; UFRAG_CHARS],
    token: RouteToken,
    key: IntegrityKey,
}

/// The routing keys, and the ufrags that have proved good under them. One thread's.
pub struct Credentials {
    keys: Option<Arc<KeyRing>>,
    hash: KeyedHash,
    proven: Box<[Option<Proven>]>,
}

impl Credentials {
    /// Without keys, so that every ufrag is refused. Keeps at most so many ufrags, an even number of them.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        let places = kept.next_multiple_of(WAYS).max(WAYS);
        Self { keys: None, hash: KeyedHash::new(), proven: (0..places).map(|_| None).collect() }
    }

    /// Replaces the keys and forgets, by overwriting it, all that came of the old ones.
    pub fn set_keys(&mut self, keys: Arc<KeyRing>) {
        self.proven.fill_with(|| None);
        self.keys = Some(keys);
    }

    /// Reads a ufrag; errors as [`KeyRing::decode_ufrag`] does.
    pub fn read(&self, ufrag: &[u8]) -> Result<Credential, DropReason> {
        if let Some((kept_at, proven)) = self.find(ufrag) {
            return Ok(Credential { token: proven.token, kept_at: Some(kept_at) });
        }
        let keys = self.keys.as_deref().ok_or(DropReason::UnknownKey)?;
        Ok(Credential { token: keys.decode_ufrag(ufrag)?, kept_at: None })
    }

    /// Errors unless a check, whose ufrag was just read, is signed with the password that goes with it.
    pub fn verify(
        &mut self,
        datagram: &[u8],
        request: &BindingRequest<'_>,
        credential: &Credential,
    ) -> Result<(), DropReason> {
        if let Some(proven) = credential.kept_at.and_then(|place| self.proven[place].as_ref()) {
            let good = proven.key.verifies(datagram, request.integrity_offset);
            return good.then_some(()).ok_or(DropReason::BadIntegrity);
        }
        let password = self.keys.as_deref().and_then(|keys| keys.ice_pwd(request.local_ufrag));
        let key = password.and_then(|password| IntegrityKey::new(&password)).ok_or(DropReason::UnknownKey)?;
        if !key.verifies(datagram, request.integrity_offset) {
            return Err(DropReason::BadIntegrity);
        }
        self.keep(request.local_ufrag, credential.token, key);
        Ok(())
    }

    /// Whether the next check with this ufrag will be cheap.
    #[must_use]
    pub fn keeps(&self, ufrag: &[u8]) -> bool {
        self.find(ufrag).is_some()
    }

    fn find(&self, ufrag: &[u8]) -> Option<(usize, &Proven)> {
        let ufrag: &[u8; UFRAG_CHARS] = ufrag.try_into().ok()?;
        let first = self.first_place(ufrag);
        (first..first + WAYS).find_map(|place| {
            let proven = self.proven[place].as_ref().filter(|proven| proven.ufrag == *ufrag)?;
            Some((place, proven))
        })
    }

    /// The newcomer takes the first place, and who was there the next.
    fn keep(&mut self, ufrag: &[u8], token: RouteToken, key: IntegrityKey) {
        let Ok(ufrag) = ufrag.try_into() else { return };
        let first = self.first_place(&ufrag);
        self.proven[first..first + WAYS].rotate_right(1);
        self.proven[first] = Some(Proven { ufrag, token, key });
    }

    fn first_place(&self, ufrag: &[u8; UFRAG_CHARS]) -> usize {
        let (mut front, mut back) = ([0; 16], [0; 8]);
        front.copy_from_slice(&ufrag[..16]);
        back[..UFRAG_CHARS - 16].copy_from_slice(&ufrag[16..]);
        place(self.hash.of(front, u64::from_ne_bytes(back)), self.proven.len() / WAYS) * WAYS
    }
}
