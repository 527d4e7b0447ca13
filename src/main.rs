//! The program: reads the command line, does what it says, and tells what went wrong.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;

mod cli;

fn main() -> ExitCode {
    talk();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {}", in_words(&e));
            ExitCode::FAILURE
        }
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
    words
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
