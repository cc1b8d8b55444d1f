//! Questions that need a process of their own: how much memory, how many system calls.

use crate::cycle;
use crate::memory;
use crate::syscalls;
use anyhow::Context;
use std::process::{Command, Stdio};

/// The argument with which this program answers such a question and prints numbers.
pub(crate) const ARGUMENT: &str = "--child";

/// Asks a process of its own; a count goes with the words of the question.
pub(crate) fn run(question: &[&str], count: usize) -> anyhow::Result<Vec<f64>> {
    let output = command(question, count)?.stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "a child that was asked {question:?} failed");
    let text = String::from_utf8(output.stdout)?;
    text.split_whitespace().map(|number| Ok(number.parse()?)).collect()
}

/// The process that would answer.
pub(crate) fn command(question: &[&str], count: usize) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ARGUMENT).arg(count.to_string()).args(question);
    Ok(command)
}

/// Answers as a child.
#[expect(clippy::print_stdout, reason = "the parent reads what is printed")]
pub(crate) fn answer(words: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (count, question) = words.split_first().context("no count")?;
    let count = count.parse()?;
    let numbers = match question {
        ["images", side] => vec![cycle::first::images_of(side, count)?],
        ["memory", side, guest] => memory::instances_of(side, guest, count)?,
        ["switches", side] => memory::switches_of(side, count)?,
        ["syscalls", side, guest] => syscalls::cycles_of(side, guest, count)?,
        _ => anyhow::bail!("no such question: {question:?}"),
    };
    println!("{}", numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
    Ok(())
}

/// Lets this process have as many files open as it may.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it is refused, opening says so.
    let _ = setrlimit(Resource::Nofile, limit);
}
