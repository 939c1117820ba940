//! Passes the build profile and the target on to `build_info`, which is how an operator tells a debug build apart.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for (name, source) in [("OFFHOOK_PROFILE", "PROFILE"), ("OFFHOOK_TARGET", "TARGET")] {
        let value = std::env::var(source).expect("cargo sets PROFILE and TARGET for build scripts");
        println!("cargo::rustc-env={name}={value}");
    }
}
