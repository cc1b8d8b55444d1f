//! `syscalls/…`: how often a cycle enters the kernel.
//!
//! The kernel counts: the cycles run in a child, which this process traces from one system call to the next. That needs
//! no rights beyond those to start a process.

use crate::case::{Case, Row, Skip, Unit};
use crate::child;
use crate::cycle::guests::{self, MEMORY, PAGE};
use crate::cycle::knobs;
use crate::cycle::sides::{self, Spec};
use crate::measure::{self, Effort};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::process::Stdio;

/// Cycles that are counted.
const CYCLES: usize = 2000;
/// Cycles before.
const WARM_UP: u64 = 3000;
/// What the child says when it begins or ends something.
const MARK: Signal = Signal::SIGSTOP;

/// The guests, by name, with how many slots take turns.
const GUESTS: [&str; 7] = ["nop", "word", "data-1", "data-16", "data-64-spread", "data-16-256-slots", "grow-1"];

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    let case = |name| Case::new(format!("syscalls/{name}"), move |effort| count(name, effort));
    GUESTS.into_iter().map(case).collect()
}

fn spec(name: &str) -> Spec {
    match name {
        "nop" => Spec::new(guests::nop()),
        "word" => Spec::new(guests::word()),
        "data-1" => Spec::new(guests::data(1, PAGE)),
        "data-16" => Spec::new(guests::data(16, PAGE)),
        "data-64-spread" => Spec::new(guests::data(64, MEMORY / 64)),
        "data-16-256-slots" => Spec { slots: 256, ..Spec::new(guests::data(16, PAGE)) },
        _ => Spec::new(guests::grow(1)),
    }
}

fn count(name: &str, effort: &Effort) -> anyhow::Result<Row> {
    let cycles = CYCLES / effort.divisor;
    let (ours, our_faults) = traced(&["syscalls", "ours", name], cycles)?;
    let (peer, peer_faults) = traced(&["syscalls", "peer", name], cycles)?;
    let mut row = Row::counted(Unit::Syscalls, ours, peer, knobs::KEEP_SCAN.to_string());
    row.our_config = "working set, steady state".to_owned();
    row.more = vec![("ours_signals_per_cycle", our_faults), ("peer_signals_per_cycle", peer_faults)];
    Ok(row)
}

/// What a child does: nothing but looking at the clock between two marks, then so many cycles between two marks.
pub(crate) fn cycles_of(side: &str, name: &str, count: usize) -> anyhow::Result<Vec<f64>> {
    let spec = spec(name);
    let mut side = if side == "ours" { sides::ours(&spec)? } else { sides::peer(&spec, &knobs::KEEP_SCAN)? };
    side(WARM_UP);
    ptrace::traceme()?;
    raise(MARK)?;
    measure::short(|_| {})(count as u64);
    raise(MARK)?;
    side(count as u64);
    raise(MARK)?;
    Ok(Vec::new())
}

/// System calls and signals per cycle of a child, those of marking taken off.
fn traced(question: &[&str], cycles: usize) -> anyhow::Result<(f64, f64)> {
    let child = child::command(question, cycles)?.stdout(Stdio::null()).spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let first = waitpid(pid, None)?;
    if first != WaitStatus::Stopped(pid, MARK) {
        return Err(Skip(format!("a child cannot be traced here: {first:?}")).into());
    }
    ptrace::setoptions(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)?;
    let (nothing, _) = until_mark(pid)?;
    let (calls, signals) = until_mark(pid)?;
    // The first step lets it go on by itself, the second waits for its end.
    ptrace::detach(pid, None)?;
    waitpid(pid, None)?;
    Ok(((calls - nothing) as f64 / cycles as f64, signals as f64 / cycles as f64))
}

/// Lets the child go on to its next mark: how many system calls and signals there were. Signals other than the mark
/// are given to it.
fn until_mark(pid: Pid) -> anyhow::Result<(i64, i64)> {
    let (mut stops, mut signals, mut signal) = (0, 0, None);
    loop {
        ptrace::syscall(pid, signal.take())?;
        match waitpid(pid, None)? {
            WaitStatus::PtraceSyscall(_) => stops += 1,
            // A call stops twice, where it begins and where it ends.
            WaitStatus::Stopped(_, MARK) => return Ok((stops / 2, signals)),
            WaitStatus::Stopped(_, other) => {
                signals += 1;
                signal = Some(other);
            }
            other => anyhow::bail!("a traced child went away: {other:?}"),
        }
    }
}
