//! Which transceivers there are, and where.

use std::collections::HashMap;

use crate::wire::endpoint::Endpoint;

/// A transceiver's place in one thread's tables: small, so that a flow's entry is, too.
pub type Slot = u16;

/// Most transceivers that one relay knows.
pub const MAX_TRANSCEIVERS: usize = 32_768;

#[derive(Clone, Copy)]
struct Transceiver {
    id: u32,
    /// None for one that has flows but was never announced.
    media_address: Option<Endpoint>,
    /// Which replacement of its flows is the current one.
    mark: bool,
}

/// The transceivers of one thread, by slot, by id and by media address.
#[derive(Default)]
pub struct Transceivers {
    slots: Vec<Option<Transceiver>>,
    by_id: HashMap<u32, Slot>,
    by_address: HashMap<Endpoint, Slot>,
}

impl Transceivers {
    /// The slot of an id, new if need be; None when there are too many.
    pub fn slot(&mut self, id: u32) -> Option<Slot> {
        if let Some(&slot) = self.by_id.get(&id) {
            return Some(slot);
        }
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let slot = Slot::try_from(free).ok().filter(|_| free < MAX_TRANSCEIVERS)?;
        if free == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[free] = Some(Transceiver { id, media_address: None, mark: false });
        self.by_id.insert(id, slot);
        Some(slot)
    }

    /// Adds a transceiver, or says that it has moved. Of two at one address the later counts.
    pub fn set(&mut self, id: u32, media_address: Endpoint) {
        let Some(slot) = self.slot(id) else { return };
        self.forget_address(slot);
        if let Some(transceiver) = self.slots[usize::from(slot)].as_mut() {
            transceiver.media_address = Some(media_address);
        }
        self.by_address.insert(media_address, slot);
    }

    /// The slot of an id that is known.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    /// The slot of an id that was announced.
    #[must_use]
    pub fn announced(&self, id: u32) -> Option<Slot> {
        self.find(id).filter(|&slot| self.media_address(slot).is_some())
    }

    /// The transceiver at a media address.
    #[must_use]
    pub fn at(&self, media_address: &Endpoint) -> Option<Slot> {
        self.by_address.get(media_address).copied()
    }

    /// Where a transceiver takes datagrams; None if it was never announced.
    #[must_use]
    pub fn media_address(&self, slot: Slot) -> Option<Endpoint> {
        self.slots.get(usize::from(slot))?.as_ref()?.media_address
    }

    /// The id in a slot.
    #[must_use]
    pub fn id(&self, slot: Slot) -> Option<u32> {
        Some(self.slots.get(usize::from(slot))?.as_ref()?.id)
    }

    /// The mark of the current replacement.
    #[must_use]
    pub fn mark(&self, slot: Slot) -> bool {
        self.slots.get(usize::from(slot)).and_then(Option::as_ref).is_some_and(|transceiver| transceiver.mark)
    }

    /// A replacement of the transceiver's flows begins; returns its mark.
    pub fn flip_mark(&mut self, slot: Slot) -> bool {
        let Some(transceiver) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) else { return false };
        transceiver.mark = !transceiver.mark;
        transceiver.mark
    }

    /// The transceiver takes and gives nothing from now on. Its slot stays taken until [`Transceivers::free`].
    pub fn withdraw(&mut self, slot: Slot) {
        self.forget_address(slot);
        if let Some(transceiver) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) {
            transceiver.media_address = None;
        }
    }

    /// Forgets a transceiver that has no flows left.
    pub fn free(&mut self, slot: Slot) {
        self.withdraw(slot);
        if let Some(transceiver) = self.slots.get_mut(usize::from(slot)).and_then(Option::take) {
            self.by_id.remove(&transceiver.id);
        }
    }

    fn forget_address(&mut self, slot: Slot) {
        if let Some(address) = self.media_address(slot) {
            if self.by_address.get(&address) == Some(&slot) {
                self.by_address.remove(&address);
            }
        }
    }
}
