//! The program: reads the command line, does what it says, and tells what went wrong.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use tracing::debug;
use tracing_subscriber::EnvFilter;

mod cli;

fn main() -> ExitCode {
    talk();
    let_large_files_fail();
    let done = cli::Cli::parse().run();
    tell_memory();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our lines has had enough of them.
        Err(e)
            if e.root_cause()
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {}", in_words(&e));
            ExitCode::FAILURE
        }
    }
}

/// A file that grows beyond the limit of the system (`ulimit -f`) is an error of writing that names it, not the end of the program.
fn let_large_files_fail() {
    #[cfg(unix)]
    {
        let seen = std::sync::Arc::default();
        if let Err(e) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen) {
            debug!("files beyond the limit will end the program: {e}");
        }
    }
}

/// Says at level `debug` how much memory the run took, where the system tells it.
fn tell_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|l| l.strip_prefix("VmHWM:")) {
        debug!(target: "resources", "peak memory {}", peak.trim());
    }
}

/// An error with its causes, each said once.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    in_one_line(&words)
}

/// What others say in several lines, in one; a hint keeps its own.
fn in_one_line(words: &str) -> String {
    let mut line = String::new();
    for part in words.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let apart = match part.starts_with("hint: ") {
            _ if line.is_empty() => "",
            true => "\n",
            false => " ",
        };
        line.push_str(apart);
        line.push_str(part);
    }
    line
}

/// What is said goes to standard error, `info` and above unless `NOWBLEND_LOG` says otherwise; data alone goes to standard output.
fn talk() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("NOWBLEND_LOG").unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}
