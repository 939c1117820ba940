//! STUN as far as routing needs it: the header, and of a Binding request its USERNAME and MESSAGE-INTEGRITY.
//!
//! [RFC 8489](https://www.rfc-editor.org/rfc/rfc8489); sections are named where they govern.

use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, CoreProxy};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::drop_reason::DropReason;

/// Bytes of the message header (§5).
pub const HEADER_BYTES: usize = 20;

const MAGIC_COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
const NOT_STUN_BITS: u16 = 0xC000;
const CLASS_BITS: u16 = 0x0110;
const BINDING_REQUEST: u16 = 0x0001;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
const FINGERPRINT: u16 = 0x8028;

const ATTRIBUTE_HEADER_BYTES: usize = 4;
const HMAC_SHA1_BYTES: usize = 20;
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// The class of a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunClass {
    /// Expects a response.
    Request,
    /// Expects none.
    Indication,
    /// A response.
    Success,
    /// A response that refuses.
    Error,
}

/// What a Binding request says about its route, before anything of it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindingRequest<'a> {
    /// 12 bytes, chosen by the sender.
    pub transaction_id: &'a [u8],
    /// The receiver's ufrag, before the colon of USERNAME
    /// ([RFC 8445 §7.2.2](https://www.rfc-editor.org/rfc/rfc8445#section-7.2.2)).
    pub local_ufrag: &'a [u8],
    /// The sender's ufrag, after the colon.
    pub remote_ufrag: &'a [u8],
    /// Where in the datagram the MESSAGE-INTEGRITY attribute begins; [`IntegrityKey::verifies`] takes it.
    pub integrity_offset: usize,
}

/// The class of a STUN message of any method, or None if its header is not one of §6.3.
///
/// Checked: two leading zero bits, the magic cookie, and a length that is a multiple of 4 and is exactly what follows.
#[must_use]
pub fn message_class(datagram: &[u8]) -> Option<StunClass> {
    let header = datagram.first_chunk::<HEADER_BYTES>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let message_type = u16::from_be_bytes([header[0], header[1]]);
    if message_type & NOT_STUN_BITS != 0 || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    if length % 4 != 0 || length != datagram.len() - HEADER_BYTES {
        return None;
    }
    Some(match message_type & CLASS_BITS {
        0x0000 => StunClass::Request,
        0x0010 => StunClass::Indication,
        0x0100 => StunClass::Success,
        _ => StunClass::Error,
    })
}

/// Reads what routing needs from an ICE connectivity check. Nothing is authenticated yet: see [`IntegrityKey`].
///
/// What follows MESSAGE-INTEGRITY other than FINGERPRINT is ignored, because the sender's password does not cover it
/// (§14.5), but must still fit the message. Of an attribute that occurs twice the first counts (§14).
///
/// Errors, in this order: [`DropReason::MalformedStun`] (header, an attribute that overruns the message, a FINGERPRINT
/// that is wrong or not last), [`DropReason::UnexpectedStunMethod`] after the header, [`DropReason::MissingUsername`],
/// [`DropReason::MissingIntegrity`], [`DropReason::MalformedUfrag`] (no colon).
pub fn parse_binding_request(datagram: &[u8]) -> Result<BindingRequest<'_>, DropReason> {
    if message_class(datagram).is_none() {
        return Err(DropReason::MalformedStun);
    }
    if u16::from_be_bytes([datagram[0], datagram[1]]) != BINDING_REQUEST {
        return Err(DropReason::UnexpectedStunMethod);
    }
    let found = FirstAttributes::find(datagram).ok_or(DropReason::MalformedStun)?;
    if !found.fingerprint.is_none_or(|fingerprint| fingerprint_holds(datagram, fingerprint)) {
        return Err(DropReason::MalformedStun);
    }
    found.binding_request(datagram)
}

/// A password for MESSAGE-INTEGRITY (short-term credential), as what HMAC-SHA1 makes of it before any message: whoever
/// keeps it spares two of the five compressions that a check takes. As secret as the password.
#[derive(Clone)]
pub struct IntegrityKey(HmacCore<Sha1>);

impl IntegrityKey {
    /// Of a password of any length.
    #[must_use]
    pub fn new(password: &[u8]) -> Option<Self> {
        // HMAC takes a key of any length, so this is never None.
        HmacCore::new_from_slice(password).ok().map(Self)
    }

    /// Whether MESSAGE-INTEGRITY was made with this password. Takes constant time.
    ///
    /// The HMAC-SHA1 covers the message up to the attribute, with the header's length set as if the message ended with
    /// it (§14.5). False, too, when there is no attribute at the offset to compare with.
    #[must_use]
    pub fn verifies(&self, datagram: &[u8], integrity_offset: usize) -> bool {
        let value_offset = integrity_offset + ATTRIBUTE_HEADER_BYTES;
        let (Some(body), Some(value), Ok(length)) = (
            datagram.get(4..integrity_offset),
            datagram.get(value_offset..value_offset + HMAC_SHA1_BYTES),
            u16::try_from(value_offset + HMAC_SHA1_BYTES - HEADER_BYTES),
        ) else {
            return false;
        };
        let mut mac = Hmac::<Sha1>::compose(self.0.clone(), Buffer::<HmacCore<Sha1>>::default());
        mac.update(&datagram[..2]);
        mac.update(&length.to_be_bytes());
        mac.update(body);
        mac.verify_slice(value).is_ok()
    }
}

#[derive(Clone, Copy)]
struct Attribute {
    /// Of its type and length in the datagram; the value follows.
    offset: usize,
    /// Of the value, without padding.
    length: usize,
}

/// Where the attributes that routing reads first occur.
#[derive(Default)]
struct FirstAttributes {
    username: Option<Attribute>,
    integrity: Option<Attribute>,
    integrity_sha256: Option<Attribute>,
    fingerprint: Option<Attribute>,
}

impl FirstAttributes {
    /// None if any attribute overruns the message, whose header has been checked.
    fn find(datagram: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut offset = HEADER_BYTES;
        while offset < datagram.len() {
            let header = datagram.get(offset..offset + ATTRIBUTE_HEADER_BYTES)?;
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let following = offset + ATTRIBUTE_HEADER_BYTES + length.next_multiple_of(4);
            if following > datagram.len() {
                return None;
            }
            let attribute = Attribute { offset, length };
            match u16::from_be_bytes([header[0], header[1]]) {
                USERNAME => found.username.get_or_insert(attribute),
                MESSAGE_INTEGRITY => found.integrity.get_or_insert(attribute),
                MESSAGE_INTEGRITY_SHA256 => found.integrity_sha256.get_or_insert(attribute),
                FINGERPRINT => found.fingerprint.get_or_insert(attribute),
                _ => &mut Attribute { offset, length },
            };
            offset = following;
        }
        Some(found)
    }

    fn binding_request<'a>(&self, datagram: &'a [u8]) -> Result<BindingRequest<'a>, DropReason> {
        let offset_of = |attribute: Option<Attribute>| attribute.map_or(datagram.len(), |found| found.offset);
        // MESSAGE-INTEGRITY-SHA256 belongs after MESSAGE-INTEGRITY; where it comes first, it hides what follows (§14.6).
        let sealed = offset_of(self.integrity).min(offset_of(self.integrity_sha256));
        let username = self.username.filter(|found| found.offset < sealed).ok_or(DropReason::MissingUsername)?;
        let integrity = self.integrity.filter(|found| found.offset <= sealed).ok_or(DropReason::MissingIntegrity)?;
        if integrity.length != HMAC_SHA1_BYTES {
            return Err(DropReason::MalformedStun);
        }
        let value = &datagram[username.offset + ATTRIBUTE_HEADER_BYTES..][..username.length];
        let colon = value.iter().position(|&byte| byte == b':').ok_or(DropReason::MalformedUfrag)?;
        Ok(BindingRequest {
            transaction_id: &datagram[8..HEADER_BYTES],
            local_ufrag: &value[..colon],
            remote_ufrag: &value[colon + 1..],
            integrity_offset: integrity.offset,
        })
    }
}

/// FINGERPRINT is last, and the CRC-32 of the message before it, exclusive-or 0x5354554E (§14.7).
fn fingerprint_holds(datagram: &[u8], fingerprint: Attribute) -> bool {
    let expected = crc32fast::hash(&datagram[..fingerprint.offset]) ^ FINGERPRINT_XOR;
    fingerprint.length == 4 && datagram[fingerprint.offset + ATTRIBUTE_HEADER_BYTES..] == expected.to_be_bytes()
}
