//! What was built, so that a slow or stale build can be told from a measurement of the code.

/// The crate's version, the same number as the Python distribution's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Cargo's profile: `release` or `debug`. Anything but `release` must not be measured.
pub const PROFILE: &str = env!("OFFHOOK_PROFILE");

/// The target triple the module was compiled for.
pub const TARGET: &str = env!("OFFHOOK_TARGET");
