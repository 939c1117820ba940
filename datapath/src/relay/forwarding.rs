//! What happens to one datagram. Sans-I/O; the twin of `relay/engine/forwarding.py`, which draws the order of look-ups.
//!
//! A STUN request is decoded and verified every time and beats the flow table, because a NAT may hand a client's port to
//! another client. Everything else carries no route of its own and needs a flow.

use std::sync::Arc;

use super::admission::Admission;
use super::credentials::{Credential, Credentials};
use super::flow_table::{FlowKey, FlowTable, Proof};
use super::transceivers::{Slot, Transceivers};
use super::{Millis, MAX_DATAGRAM_BYTES};
use crate::wire::demux::{classify, Kind};
use crate::wire::drop_reason::DropReason;
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::SppHeader;
use crate::wire::stun::{message_class, parse_binding_request, StunClass};
use crate::wire::ufrag::KeyRing;

/// Most flows that sibling threads hear of per batch. The others are told when they next show life.
const MAX_NEWS: usize = 256;

/// A flow that an authentic packet was seen on, for the siblings of the thread that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The flow.
    pub key: FlowKey,
    /// Its transceiver.
    pub transceiver_id: u32,
}

/// One thread's routing state.
pub struct Forwarding {
    cluster_id: u16,
    /// See [`Credentials`].
    pub credentials: Credentials,
    /// Public addresses; a flow key's `proxy` counts them.
    proxies: Vec<Endpoint>,
    /// See [`Transceivers`].
    pub transceivers: Transceivers,
    /// See [`FlowTable`].
    pub flows: FlowTable,
    /// See [`Admission`].
    pub admission: Admission,
    /// Checks with a good MESSAGE-INTEGRITY.
    pub checks_verified: u64,
    news: Vec<News>,
}

impl Forwarding {
    /// Routes ufrags of one cluster. Until [`Forwarding::set_keys`] every check is refused.
    #[must_use]
    pub fn new(cluster_id: u16, credentials: Credentials, flows: FlowTable, admission: Admission) -> Self {
        Self {
            cluster_id,
            credentials,
            proxies: Vec::new(),
            transceivers: Transceivers::default(),
            flows,
            admission,
            checks_verified: 0,
            news: Vec::with_capacity(MAX_NEWS),
        }
    }

    /// Replaces the routing keys.
    pub fn set_keys(&mut self, keys: Arc<KeyRing>) {
        self.credentials.set_keys(keys);
    }

    /// Clients reach public socket number `proxy` at this address. Sockets are numbered from 0 without gaps.
    pub fn set_proxy(&mut self, proxy: u16, address: Endpoint) {
        debug_assert_eq!(usize::from(proxy), self.proxies.len());
        self.proxies.push(address);
    }

    /// The address that clients reach a public socket at.
    #[must_use]
    pub fn proxy(&self, proxy: u16) -> Endpoint {
        self.proxies[usize::from(proxy)]
    }

    /// A datagram from the public side: which transceiver it goes to.
    pub fn from_client(&mut self, datagram: &[u8], key: &FlowKey, now: Millis) -> Result<Slot, DropReason> {
        if datagram.len() > MAX_DATAGRAM_BYTES {
            return Err(DropReason::OversizedDatagram);
        }
        match classify(datagram) {
            Kind::Srtp | Kind::Srtcp | Kind::Dtls => self.route_by_flow(key),
            Kind::Stun => self.route_stun(datagram, key, now),
            Kind::Unknown if datagram.is_empty() => Err(DropReason::EmptyDatagram),
            Kind::Unknown => Err(DropReason::UnknownKind),
            Kind::Zrtp | Kind::TurnChannel | Kind::Quic => Err(DropReason::UnsupportedKind),
        }
    }

    /// The transceiver that owns a media address, to be found once for all datagrams of a train.
    pub fn return_source(&self, source: &Endpoint) -> Result<Slot, DropReason> {
        self.transceivers.at(source).ok_or(DropReason::UnknownReturnSource)
    }

    /// A datagram from a transceiver: sent on only towards a client that has a flow to its very sender.
    pub fn from_transceiver<'a>(
        &mut self,
        datagram: &'a [u8],
        source: Slot,
        now: Millis,
    ) -> Result<(FlowKey, &'a [u8]), DropReason> {
        let (header, payload) = SppHeader::read(datagram)?;
        let key = self.return_key(&header);
        if payload.is_empty() {
            return Err(DropReason::EmptyDatagram);
        }
        if payload.len() > MAX_DATAGRAM_BYTES {
            return Err(DropReason::OversizedDatagram);
        }
        let key = key.ok_or(DropReason::UnknownReturnFlow)?;
        let due = self.flows.touch(&key, source, now).ok_or(DropReason::UnknownReturnFlow)?;
        if due {
            self.tell(key, source);
        }
        Ok((key, payload))
    }

    /// Gets ready for a batch of datagrams from transceivers, see [`FlowTable::warm`].
    pub fn warm_returns<'a>(&self, datagrams: impl Iterator<Item = &'a [u8]>) {
        self.flows.warm(datagrams.filter_map(|datagram| self.return_key(&SppHeader::read(datagram).ok()?.0)));
    }

    /// The flow that a header names; None if its proxy address is not one of this relay's.
    fn return_key(&self, header: &SppHeader) -> Option<FlowKey> {
        let proxy = self.proxies.iter().position(|address| *address == header.proxy)?;
        Some(FlowKey { client: header.client, proxy: u16::try_from(proxy).ok()? })
    }

    /// What siblings have to hear since the last call.
    pub fn news(&mut self) -> std::vec::Drain<'_, News> {
        self.news.drain(..)
    }

    /// What a sibling has seen.
    pub fn hear(&mut self, news: &News, now: Millis) {
        if let Some(slot) = self.transceivers.find(news.transceiver_id) {
            // A sibling's table is as full as this one.
            let _ = self.flows.prove(&news.key, slot, now);
        }
    }

    fn route_by_flow(&self, key: &FlowKey) -> Result<Slot, DropReason> {
        let owner = self.flows.owner(key).ok_or(DropReason::UnknownFlow)?;
        self.transceivers.media_address(owner).map(|_| owner).ok_or(DropReason::UnknownTransceiver)
    }

    fn route_stun(&mut self, datagram: &[u8], key: &FlowKey, now: Millis) -> Result<Slot, DropReason> {
        match message_class(datagram) {
            None => Err(DropReason::MalformedStun),
            Some(StunClass::Request) => self.route_request(datagram, key, now),
            Some(_) => self.route_by_flow(key),
        }
    }

    fn route_request(&mut self, datagram: &[u8], key: &FlowKey, now: Millis) -> Result<Slot, DropReason> {
        let request = parse_binding_request(datagram)?;
        let credential = self.credentials.read(request.local_ufrag)?;
        let owner = self.named_owner(&credential)?;
        let before = self.flows.owner(key);
        let proven = before == Some(owner);
        self.admission.admit_check(key, proven, now)?;
        if let Err(reason) = self.credentials.verify(datagram, &request, &credential) {
            self.admission.check_failed(key, proven, now);
            return Err(reason);
        }
        self.checks_verified += 1;
        if before.is_none() {
            self.flows.refuse(key).map_or(Ok(()), Err)?;
            self.admission.admit_flow(now)?;
        }
        if self.flows.prove(key, owner, now) == Proof::News {
            self.tell(*key, owner);
        }
        Ok(owner)
    }

    /// The transceiver that a check names.
    fn named_owner(&self, credential: &Credential) -> Result<Slot, DropReason> {
        if credential.token.cluster_id != self.cluster_id {
            return Err(DropReason::OtherCluster);
        }
        self.transceivers.announced(credential.token.transceiver_id).ok_or(DropReason::UnknownTransceiver)
    }

    fn tell(&mut self, key: FlowKey, owner: Slot) {
        if let Some(transceiver_id) = self.transceivers.id(owner) {
            if self.news.len() < MAX_NEWS {
                self.news.push(News { key, transceiver_id });
            }
        }
    }
}
