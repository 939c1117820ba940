//! Why a call failed: one fixed list, so that failures can be counted and compared. `bench/calls/causes.py` explains each.

use crate::call::Stages;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Nobody listens at the target's address, or no way leads there.
    Unreachable,
    /// No HTTP response in time.
    HttpTimeout,
    /// The connection broke, or what came was no HTTP.
    HttpBroken,
    /// 401 or 403.
    Unauthorized,
    /// 429 or 503: it has no room.
    Busy,
    /// Any other 3xx or 4xx.
    Refused,
    /// Any other 5xx.
    ServerError,
    /// The answer is not SDP that fits the offer.
    BadAnswer,
    /// No answer when the time for setup was over.
    AnswerTimeout,
    /// An answer, but no STUN response.
    IceTimeout,
    /// A STUN response, but no DTLS.
    DtlsTimeout,
    /// DTLS, but no audio came.
    MediaTimeout,
    /// The caller had spoken, and no answer to it came.
    NoAnswer,
    /// Was up; then STUN checks went unanswered.
    ConnectionLost,
    /// Was up; then the target ended it.
    ClosedByTarget,
    /// The caller's own fault: no address, or a state that should not be.
    Generator,
}

impl Cause {
    /// As it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::HttpTimeout => "http_timeout",
            Self::HttpBroken => "http_broken",
            Self::Unauthorized => "unauthorized",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::ServerError => "server_error",
            Self::BadAnswer => "bad_answer",
            Self::AnswerTimeout => "answer_timeout",
            Self::IceTimeout => "ice_timeout",
            Self::DtlsTimeout => "dtls_timeout",
            Self::MediaTimeout => "media_timeout",
            Self::NoAnswer => "no_answer",
            Self::ConnectionLost => "connection_lost",
            Self::ClosedByTarget => "closed_by_target",
            Self::Generator => "generator",
        }
    }

    /// Of an HTTP status that is no success.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Unauthorized,
            429 | 503 => Self::Busy,
            500.. => Self::ServerError,
            _ => Self::Refused,
        }
    }

    /// Of a call whose time for setup is over.
    #[must_use]
    pub fn of_setup(stages: &Stages) -> Self {
        match stages {
            Stages { answered: None, .. } => Self::AnswerTimeout,
            Stages { first_stun: None, .. } => Self::IceTimeout,
            Stages { dtls_up: None, .. } => Self::DtlsTimeout,
            Stages { .. } => Self::MediaTimeout,
        }
    }
}
