//! `wasi:io/poll`: what can be waited for, and which of several are ready.

use super::Host;
use super::refusal::Refusal;
use super::waiting::Step;
use crate::WasiCtx;
use crate::host::{Interest, Ready, Watch, wait};
use hatchery::Error;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A `pollable`.
#[derive(Debug, Clone)]
pub(crate) enum Pollable {
    /// Ready from the start.
    Always,
    /// Ready when the monotonic clock shows this many nanoseconds.
    At(u64),
    /// Ready when a descriptor is.
    Fd(Arc<OwnedFd>, Interest),
}

impl Pollable {
    /// Ready when this descriptor is, of which it keeps a duplicate; always, if there is none to wait for.
    pub(crate) fn on(fd: Option<BorrowedFd<'_>>, interest: Interest) -> Self {
        match fd.map(|fd| fd.try_clone_to_owned()) {
            Some(Ok(fd)) => Self::Fd(Arc::new(fd), interest),
            // Without a descriptor left to wait on, the operation itself says how it is.
            Some(Err(_)) | None => Self::Always,
        }
    }
}

/// Which of the pollables are ready by now, or become so within the time given: their positions.
pub(super) fn look(ctx: &mut WasiCtx, pollables: &[Pollable], patience: Duration) -> Result<Vec<u32>, Error> {
    let mut ready: Vec<u32> = Vec::new();
    let (mut watches, mut watched) = (Vec::new(), Vec::new());
    let now = pollables.iter().any(|p| matches!(p, Pollable::At(_))).then(|| ctx.clock().monotonic());
    for (position, pollable) in (0..).zip(pollables) {
        match pollable {
            Pollable::Always => ready.push(position),
            Pollable::At(deadline) if now.is_some_and(|now| now >= *deadline) => ready.push(position),
            Pollable::At(_) => {}
            Pollable::Fd(fd, interest) => {
                watches.push(Watch { fd: fd.as_fd(), interest: *interest });
                watched.push(position);
            }
        }
    }
    let patience = if ready.is_empty() { patience } else { Duration::ZERO };
    if !watches.is_empty() || !patience.is_zero() {
        let found = wait(&watches, patience).map_err(Error::host)?;
        ready.extend(found.into_iter().zip(watched).filter(|(found, _)| *found != Ready::No).map(|(_, at)| at));
        ready.sort_unstable();
    }
    Ok(ready)
}

/// How long it takes until the first deadline; `None` when there is none. A clock that can jump there does so.
pub(super) fn time_left(ctx: &mut WasiCtx, pollables: &[Pollable]) -> Option<Duration> {
    let deadlines = pollables.iter().filter_map(|pollable| match pollable {
        Pollable::At(deadline) => Some(*deadline),
        _ => None,
    });
    let left = deadlines.min()?.saturating_sub(ctx.clock().monotonic());
    Some(if ctx.clock().skip(left) { Duration::ZERO } else { Duration::from_nanos(left) })
}

/// `[method]pollable.ready`.
pub(crate) fn ready(host: &mut impl Host, this: u32) -> Result<bool, Error> {
    let pollable = host.ctx().resources.get::<Pollable>(this)?.clone();
    Ok(!look(host.ctx(), &[pollable], Duration::ZERO)?.is_empty())
}

/// `[method]pollable.block`.
pub(crate) fn block(ctx: &mut WasiCtx, this: u32) -> Result<Step<()>, Error> {
    let pollable = ctx.resources.get::<Pollable>(this)?.clone();
    Ok(first_ready(ctx, vec![pollable])?.map(drop))
}

/// As many pollables as one call may have; each takes some of the host's memory.
const MOST: usize = 4096;

/// `poll`.
pub(crate) fn poll(ctx: &mut WasiCtx, list: &[u32]) -> Result<Step<Vec<u32>>, Error> {
    if list.is_empty() || list.len() > MOST {
        return Err(Refusal::Pollables { count: list.len(), most: MOST }.into());
    }
    let pollables = list.iter().map(|this| ctx.resources.get::<Pollable>(*this).cloned());
    let pollables = pollables.collect::<Result<Vec<_>, _>>()?;
    first_ready(ctx, pollables)
}

/// The positions of those that are ready, if one is.
fn first_ready(ctx: &mut WasiCtx, pollables: Vec<Pollable>) -> Result<Step<Vec<u32>>, Error> {
    let ready = look(ctx, &pollables, Duration::ZERO)?;
    Ok(if ready.is_empty() { Step::Wait(pollables) } else { Step::Done(ready) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::Plain;
    use super::super::waiting::blocking;
    use super::*;
    use crate::host::VirtualClock;

    fn wait_for(host: &mut impl Host, pollables: &[Pollable]) -> Vec<u32> {
        blocking(host, |ctx| first_ready(ctx, pollables.to_vec())).unwrap()
    }

    #[test]
    fn the_first_deadline_ends_the_waiting() {
        let mut host = Plain(WasiCtx::builder().clock(VirtualClock::new(0, 1)).build());
        let now = host.ctx().clock().monotonic();
        let far = Pollable::At(now + 1_000_000_000_000);
        let near = Pollable::At(now + 1_000_000_000);
        assert_eq!(wait_for(&mut host, &[far.clone(), near]), [1]);
        assert_eq!(wait_for(&mut host, &[far, Pollable::Always]), [1]);
    }

    #[test]
    fn descriptors_are_waited_for() {
        let mut host = Plain(WasiCtx::builder().build());
        let (read, write) = rustix::pipe::pipe().unwrap();
        let pollable = host.ctx().resources.add(Pollable::on(Some(read.as_fd()), Interest::Read)).unwrap();
        assert!(!ready(&mut host, pollable).unwrap());
        rustix::io::write(&write, b"x").unwrap();
        assert!(ready(&mut host, pollable).unwrap());
        assert_eq!(blocking(&mut host, |ctx| poll(ctx, &[pollable, pollable])).unwrap(), [0, 1]);
        assert!(poll(host.ctx(), &[]).is_err());
    }
}
