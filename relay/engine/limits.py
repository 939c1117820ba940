"""Bounds that keep a flood from harming calls; part of the relay's configuration file."""

from pydantic import Field

from offhook.service.config import Config

_MOST = 1_000_000_000  # of what the native engine counts in 32 bits


class AdmissionLimits(Config):
    """What strangers may cost a relay. The defaults are meant never to be met but under attack.

    A *source* is an IPv4 address or an IPv6 network; many phones behind a carrier's NAT are one. A five-tuple is
    *proven* while it has a flow to the transceiver that its check names.
    """

    max_flows_per_source: int = Field(
        4096,
        gt=0,
        le=_MOST,
        description="Flows of one source; a check that would make one more is refused. Flows that transceivers vouch "
        "for count and are never refused for it.",
    )
    new_flows_per_s: int = Field(
        2000,
        gt=0,
        le=_MOST,
        description="Flows per second that checks may make, the whole relay together, up to 5 s' worth at once. With "
        "the other defaults, what lives of a flood (5 s and unsynced_flow_idle_s of it) leaves 30 % of max_flows free.",
    )
    unproven_checks_per_s: int = Field(
        10_000,
        gt=0,
        le=_MOST,
        description="Checks per second of five-tuples that are not proven whose integrity one thread computes (the "
        "Python engine is one), up to 1 s' worth at once.",
    )
    proven_checks_per_s: int = Field(
        40_000,
        gt=0,
        le=_MOST,
        description="The same for proven five-tuples, so that calls keep their consent through a flood: 100,000 calls "
        "that check every 2.5 s.",
    )
    suspect_checks_per_s: int = Field(
        5,
        gt=0,
        le=1000,
        description="A source with more wrong checks per second than this (or a proven five-tuple with more checks at "
        "all), beyond 10 s' worth, is served only while half of the budget is left, so after everyone else.",
    )
    ipv4_source_bits: int = Field(32, ge=8, le=32, description="Prefix length of a source over IPv4.")
    ipv6_source_bits: int = Field(
        56, ge=16, le=128, description="Prefix length of a source over IPv6: what one subscriber is given (RFC 6177)."
    )
