//! The command line; see `parapet::cli`.

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    parapet::cli::run(std::env::args_os())
}

// The Worker's build compiles the whole package for a target that has no command line.
#[cfg(target_family = "wasm")]
fn main() {}
