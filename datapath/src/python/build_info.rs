//! `build_info()`.

use pyo3::prelude::*;

use crate::build_info::{PROFILE, TARGET, VERSION};

/// What was built; see the stub for the meaning of each field.
#[pyclass(frozen, get_all, module = "offhook_datapath")]
pub struct BuildInfo {
    version: &'static str,
    profile: &'static str,
    target: &'static str,
}

#[pymethods]
impl BuildInfo {
    fn __repr__(&self) -> String {
        format!("BuildInfo(version='{}', profile='{}', target='{}')", self.version, self.profile, self.target)
    }
}

/// Reports version, profile and target of this build.
#[pyfunction]
pub fn build_info() -> BuildInfo {
    BuildInfo { version: VERSION, profile: PROFILE, target: TARGET }
}
