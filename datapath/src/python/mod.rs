//! The private Python module `offhook_datapath`. Its documented face is `offhook_datapath.pyi`.

mod audio;
mod build_info;
mod media;
mod relay;
mod sctp;

/// The native part of offhook.
#[pyo3::pymodule]
mod offhook_datapath {
    #[pymodule_export]
    use super::audio::{decode_audio, encode_audio, AudioDecoder, AudioEncoder};
    #[pymodule_export]
    use super::build_info::{build_info, BuildInfo};
    #[pymodule_export]
    use super::media::{MediaPort, MediaPortCounters};
    #[pymodule_export]
    use super::relay::{RelayEngine, RelayThreadReport};
    #[pymodule_export]
    use super::sctp::{BufferFull, SctpAssociation, SctpError};
}
