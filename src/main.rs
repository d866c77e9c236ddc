//! The program; everything it does is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Gives memory back that nobody uses any more, also where small pieces are left between: connections rest, and sessions
/// are forgotten, at all times.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    anteroom::cli::run()
}
